"""Settings, read once from the environment (and a `.env` file), and refused if they contradict.

Must not be read anywhere but here: everything else is given values.
"""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reconciler.domain.books import Bearer
from reconciler.domain.ownership import Rule, parsed
from reconciler.oversight.payment_system import PaymentSystem
from reconciler.store.connection import check_url

STRIPE_API = "https://api.stripe.com"


class BadSettings(Exception):
    """A setting is missing or contradicts another; the message names it in one sentence."""


class Settings(BaseSettings):
    """What an operator can set. Every name is documented in the README; a test holds that true."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    database_url: str = Field("sqlite:///reconciler.db", validation_alias="DATABASE_URL")
    stripe_secret_key: SecretStr = Field(SecretStr(""), validation_alias="STRIPE_SECRET_KEY")
    stripe_publishable_key: str = Field("", validation_alias="STRIPE_PUBLISHABLE_KEY")
    stripe_webhook_secret: SecretStr = Field(
        SecretStr(""), validation_alias="STRIPE_WEBHOOK_SECRET"
    )
    stripe_connect_webhook_secret: SecretStr = Field(
        SecretStr(""), validation_alias="STRIPE_CONNECT_WEBHOOK_SECRET"
    )
    stripe_api_base: str = Field(STRIPE_API, validation_alias="STRIPE_API_BASE")
    admin_key: SecretStr = Field(SecretStr(""), validation_alias="RECONCILER_ADMIN_KEY")
    base_url: str = Field("http://127.0.0.1:8000", validation_alias="RECONCILER_BASE_URL")
    interval_scale: float = Field(1.0, gt=0, le=1000, validation_alias="RECONCILER_INTERVAL_SCALE")
    merchant_key: str = Field(
        "merchant_id", min_length=1, validation_alias="RECONCILER_MERCHANT_KEY"
    )
    fee_key: str = Field("platform_fee", min_length=1, validation_alias="RECONCILER_FEE_KEY")
    foreign: str = Field("", validation_alias="RECONCILER_FOREIGN")
    disputes_borne_by: Bearer = Field(
        Bearer.MERCHANT, validation_alias="RECONCILER_DISPUTES_BORNE_BY"
    )
    trusted_proxies: str = Field("", validation_alias="RECONCILER_TRUSTED_PROXIES")
    stripe_rate: float | None = Field(
        None, gt=0, le=1_000_000, validation_alias="RECONCILER_STRIPE_RATE"
    )
    stripe_endpoint_rate: float | None = Field(
        None, gt=0, le=1_000_000, validation_alias="RECONCILER_STRIPE_ENDPOINT_RATE"
    )
    instances: int = Field(1, ge=1, le=1000, validation_alias="RECONCILER_INSTANCES")
    metrics_key: SecretStr = Field(SecretStr(""), validation_alias="RECONCILER_METRICS_KEY")
    connect_capabilities: Literal["transfers", "transfers,card_payments"] = Field(
        "transfers", validation_alias="RECONCILER_CONNECT_CAPABILITIES"
    )
    approval_hours: int = Field(72, ge=1, le=24 * 90, validation_alias="RECONCILER_APPROVAL_HOURS")
    only: Literal["", "http", "jobs"] = Field("", validation_alias="RECONCILER_ONLY")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", validation_alias="RECONCILER_LOG_LEVEL"
    )

    @field_validator("database_url")
    @classmethod
    def _a_database(cls, url: str) -> str:
        check_url(url)
        return url

    @field_validator("foreign")
    @classmethod
    def _ownership(cls, written: str) -> str:
        parsed(written)
        return written

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, written: str) -> str:
        try:
            _parsed_networks(written)
        except ValueError:
            raise ValueError(
                "must be addresses or networks with commas between them, such as"
                " 10.0.0.5, 192.168.0.0/24"
            ) from None
        return written

    @model_validator(mode="after")
    def _agree(self) -> Self:
        key = self.stripe_secret_key.get_secret_value()
        if key and not re.fullmatch(r"[A-Za-z0-9_]+", key):
            raise ValueError("STRIPE_SECRET_KEY must be letters, digits and underscores only")
        if key and key_mode(key) is None:
            raise ValueError(
                "STRIPE_SECRET_KEY must begin with sk_test_, sk_live_, rk_test_ or rk_live_"
            )
        live = key_mode(key) is True
        if live and self.stripe_api_base.rstrip("/") != STRIPE_API:
            raise ValueError(
                "STRIPE_API_BASE must not be set with a live key: the key would leave for another"
                " address than Stripe's"
            )
        if not _is_address(self.stripe_api_base):
            raise ValueError("STRIPE_API_BASE must be an http or https address")
        published = self.stripe_publishable_key
        if published and key and (published.startswith("pk_live_") is not live):
            raise ValueError("STRIPE_PUBLISHABLE_KEY and STRIPE_SECRET_KEY are of different modes")
        if published and not published.startswith(("pk_test_", "pk_live_")):
            raise ValueError("STRIPE_PUBLISHABLE_KEY must begin with pk_test_ or pk_live_")
        if self.admin_key.get_secret_value() and len(self.admin_key.get_secret_value()) < 16:
            raise ValueError("RECONCILER_ADMIN_KEY must have at least 16 characters")
        if self.metrics_key.get_secret_value() and len(self.metrics_key.get_secret_value()) < 16:
            raise ValueError("RECONCILER_METRICS_KEY must have at least 16 characters")
        return self

    @property
    def livemode(self) -> bool | None:
        """The mode of the secret key; None without one."""
        return key_mode(self.stripe_secret_key.get_secret_value())

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Whose word on where a request came from is taken."""
        return _parsed_networks(self.trusted_proxies)

    @property
    def foreign_rules(self) -> tuple[Rule, ...]:
        """What tells the money of other applications on the same Stripe account."""
        return parsed(self.foreign)

    def webhook_secrets(self, *, connect: bool) -> tuple[str, ...]:
        """The signing secrets of one endpoint, the current and those being rotated out."""
        written = self.stripe_connect_webhook_secret if connect else self.stripe_webhook_secret
        return tuple(s.strip() for s in written.get_secret_value().split(",") if s.strip())

    def payment_system(self) -> PaymentSystem:
        """What may be shown of how this is connected to Stripe: every secret masked."""
        base, channels = self.base_url.rstrip("/"), ("platform", "connect")
        key = self.stripe_secret_key.get_secret_value()
        return PaymentSystem(
            secret_key=masked(key),
            restricted=key.startswith("rk_"),
            livemode=self.livemode,
            publishable_key=self.stripe_publishable_key,
            api_base=self.stripe_api_base,
            webhook_urls={
                "platform": f"{base}/webhooks/stripe",
                "connect": f"{base}/webhooks/stripe/connect",
            },
            webhook_secrets={
                name: tuple(masked(s) for s in self.webhook_secrets(connect=name == "connect"))
                for name in channels
            },
        )

    def require_stripe(self) -> None:
        """Raises BadSettings unless Stripe can be asked."""
        if not self.stripe_secret_key.get_secret_value():
            raise BadSettings("STRIPE_SECRET_KEY is not set; set it to your Stripe secret key.")

    def require_webhooks(self) -> None:
        """Raises BadSettings unless webhooks can be verified."""
        if not self.webhook_secrets(connect=False):
            raise BadSettings(
                "STRIPE_WEBHOOK_SECRET is not set; set it to the signing secret of your webhook"
                " endpoint (whsec_…)."
            )


def key_mode(key: str) -> bool | None:
    """True for a live secret key, False for a test one, None for anything else."""
    kind, _, rest = key.partition("_")
    if kind not in ("sk", "rk"):
        return None
    return {"live": True, "test": False}.get(rest.partition("_")[0])


def masked(secret: str) -> str:
    """A key as it may be shown: its prefix and last four characters."""
    if len(secret) < 16:
        return "…" if secret else ""
    known = re.match(r"(sk|rk|pk)_(test|live)_|whsec_|rec_", secret)
    return f"{known[0] if known else ''}…{secret[-4:]}"


def _parsed_networks(written: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(one.strip()) for one in written.split(",") if one.strip())


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)


def _environment_file() -> Path | None:
    """The file named in RECONCILER_ENV_FILE, which must be there; else `.env`, if it is."""
    named = os.environ.get("RECONCILER_ENV_FILE")
    path = Path(named or ".env")
    if not path.is_file():
        if named:
            raise BadSettings(f"RECONCILER_ENV_FILE names {named}, which is not a file.")
        return None
    try:
        path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"The settings file {path} cannot be read: {error}.") from None
    return path


def load() -> Settings:
    """The settings of this process. Raises BadSettings with one sentence."""
    try:
        return Settings(_env_file=_environment_file())  # type: ignore[call-arg]
    except ValidationError as error:
        raise BadSettings(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    message = str(first["msg"]).removeprefix("Value error, ")
    if not first["loc"]:
        return f"{message}."
    return f"{str(first['loc'][0]).upper()}: {message}."
