"""Settings that are missing or contradict each other: named in one sentence, without a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.settings import BadSettings, Settings, key_mode, load, masked

LIVE = "sk_live_51HxSuperSecretValue"
TEST = "sk_test_51HxSuperSecretValue"
NAMES = [str(field.validation_alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine's own, and an empty folder to find a `.env` in."""
    for name in [*NAMES, "RECONCILER_ENV_FILE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def refusal(monkeypatch: pytest.MonkeyPatch, **values: str) -> str:
    """The sentence that these settings are refused with."""
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as refused:
        load()
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    for name, value in values.items():
        assert name == "RECONCILER_ENV_FILE" or len(value) < 12 or value not in sentence
    return sentence


BAD: dict[str, tuple[str, dict[str, str]]] = {
    "a live key that would leave for another address": (
        "STRIPE_API_BASE",
        {"STRIPE_SECRET_KEY": LIVE, "STRIPE_API_BASE": "http://127.0.0.1:12111"},
    ),
    "a live key and an address that only looks like Stripe's": (
        "STRIPE_API_BASE",
        {"STRIPE_SECRET_KEY": LIVE, "STRIPE_API_BASE": "https://api.stripe.com.evil.test"},
    ),
    "a live key and Stripe's address without encryption": (
        "STRIPE_API_BASE",
        {"STRIPE_SECRET_KEY": LIVE, "STRIPE_API_BASE": "http://api.stripe.com"},
    ),
    "a restricted live key and another address": (
        "STRIPE_API_BASE",
        {"STRIPE_SECRET_KEY": "rk_live_51HxSuperSecret", "STRIPE_API_BASE": "https://proxy.test"},
    ),
    "a publishable key in place of the secret one": (
        "STRIPE_SECRET_KEY",
        {"STRIPE_SECRET_KEY": "pk_test_51HxSuperSecretValue"},
    ),
    "a webhook secret in place of the key": (
        "STRIPE_SECRET_KEY",
        {"STRIPE_SECRET_KEY": "whsec_51HxSuperSecretValue"},
    ),
    "a key of no mode": ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": "sk_51HxSuperSecretValue"}),
    "an organisation's key": ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": "sk_org_51HxSuperSecret"}),
    "a key in upper case": ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": TEST.upper()}),
    "a key behind a blank": ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": f" {TEST}"}),
    "a live publishable key beside a test key": (
        "STRIPE_PUBLISHABLE_KEY",
        {"STRIPE_SECRET_KEY": TEST, "STRIPE_PUBLISHABLE_KEY": "pk_live_51Hx"},
    ),
    "a test publishable key beside a live key": (
        "STRIPE_PUBLISHABLE_KEY",
        {"STRIPE_SECRET_KEY": LIVE, "STRIPE_PUBLISHABLE_KEY": "pk_test_51Hx"},
    ),
    "a secret key in place of the publishable one": (
        "STRIPE_PUBLISHABLE_KEY",
        {"STRIPE_PUBLISHABLE_KEY": TEST},
    ),
    "a short admin key": ("RECONCILER_ADMIN_KEY", {"RECONCILER_ADMIN_KEY": "rec_15_letters_"}),
    "an interval scale of zero": ("RECONCILER_INTERVAL_SCALE", {"RECONCILER_INTERVAL_SCALE": "0"}),
    "a negative interval scale": ("RECONCILER_INTERVAL_SCALE", {"RECONCILER_INTERVAL_SCALE": "-1"}),
    "an interval scale in words": (
        "RECONCILER_INTERVAL_SCALE",
        {"RECONCILER_INTERVAL_SCALE": "fast"},
    ),
    "an interval scale that is no number": (
        "RECONCILER_INTERVAL_SCALE",
        {"RECONCILER_INTERVAL_SCALE": "nan"},
    ),
    "disputes borne by nobody": (
        "RECONCILER_DISPUTES_BORNE_BY",
        {"RECONCILER_DISPUTES_BORNE_BY": "nobody"},
    ),
    "no requests to Stripe at all": ("RECONCILER_STRIPE_RATE", {"RECONCILER_STRIPE_RATE": "0"}),
    "requests that are no number": ("RECONCILER_STRIPE_RATE", {"RECONCILER_STRIPE_RATE": "nan"}),
    "a negative rate of an endpoint": (
        "RECONCILER_STRIPE_ENDPOINT_RATE",
        {"RECONCILER_STRIPE_ENDPOINT_RATE": "-5"},
    ),
    "no instance": ("RECONCILER_INSTANCES", {"RECONCILER_INSTANCES": "0"}),
    "a short scraper's key": ("RECONCILER_METRICS_KEY", {"RECONCILER_METRICS_KEY": "short"}),
    "half a service that there is not": ("RECONCILER_ONLY", {"RECONCILER_ONLY": "pages"}),
    "a rule that tells nothing": ("RECONCILER_FOREIGN", {"RECONCILER_FOREIGN": "shop"}),
    "an empty merchant key": ("RECONCILER_MERCHANT_KEY", {"RECONCILER_MERCHANT_KEY": ""}),
    "an address of another scheme": ("STRIPE_API_BASE", {"STRIPE_API_BASE": "ftp://stripe.test"}),
    "an address without a host": ("STRIPE_API_BASE", {"STRIPE_API_BASE": "http://"}),
}

NOT_REFUSED_YET: dict[str, tuple[str, dict[str, str]]] = {
    "an endless interval scale": (
        "RECONCILER_INTERVAL_SCALE",
        {"RECONCILER_INTERVAL_SCALE": "inf"},
    ),
    "a log level that there is not": ("RECONCILER_LOG_LEVEL", {"RECONCILER_LOG_LEVEL": "loud"}),
    "a database of an unknown kind": (
        "DATABASE_URL",
        {"DATABASE_URL": "mysql://u:hunter2pass@h/d"},
    ),
    "a database in memory": ("DATABASE_URL", {"DATABASE_URL": "sqlite:///:memory:"}),
    "a database without a path": ("DATABASE_URL", {"DATABASE_URL": "sqlite://"}),
    "an address that is none": ("STRIPE_API_BASE", {"STRIPE_API_BASE": "http://[::1"}),
    "a key with a newline": ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": f"{TEST}\n"}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_setting_that_cannot_be_right_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    setting, values = BAD[name]
    assert setting in refusal(monkeypatch, **values)


@pytest.mark.parametrize("name", NOT_REFUSED_YET)
def test_a_setting_that_would_fail_only_later_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    setting, values = NOT_REFUSED_YET[name]
    assert setting in refusal(monkeypatch, **values)


def test_an_environment_file_that_is_no_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "settings.env").write_bytes(b"STRIPE_SECRET_KEY=\xff\xfe")
    assert "settings.env" in refusal(monkeypatch, RECONCILER_ENV_FILE="settings.env")


@pytest.mark.parametrize("path", ["missing.env", "."])
def test_an_environment_file_that_was_named_must_be_there(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    assert "RECONCILER_ENV_FILE" in refusal(monkeypatch, RECONCILER_ENV_FILE=path)


def test_the_environment_wins_over_the_environment_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written = "STRIPE_WEBHOOK_SECRET=whsec_file\nRECONCILER_FEE_KEY=fee\nUNKNOWN=1\n"
    (tmp_path / "settings.env").write_text(written)
    monkeypatch.setenv("RECONCILER_ENV_FILE", "settings.env")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_a, whsec_b ,,")
    read = load()
    assert read.webhook_secrets(connect=False) == ("whsec_a", "whsec_b")
    assert read.webhook_secrets(connect=True) == ()
    assert read.fee_key == "fee"


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_read_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    usual: dict[str, Any] = {
        "STRIPE_SECRET_KEY": TEST,
        "STRIPE_PUBLISHABLE_KEY": "pk_test_1",
        "STRIPE_API_BASE": "http://stripe.test",
        "DATABASE_URL": "sqlite:///other.db",
        "RECONCILER_INTERVAL_SCALE": "0.5",
        "RECONCILER_DISPUTES_BORNE_BY": "platform",
        "RECONCILER_ONLY": "http",
        "RECONCILER_STRIPE_RATE": "10",
        "RECONCILER_STRIPE_ENDPOINT_RATE": "5",
        "RECONCILER_INSTANCES": "3",
        "RECONCILER_TRUSTED_PROXIES": "10.0.0.5",
        "RECONCILER_APPROVAL_HOURS": "5",
        "RECONCILER_CONNECT_CAPABILITIES": "transfers,card_payments",
        "RECONCILER_FOREIGN": "shop:metadata.app=shop",
        "RECONCILER_LOG_LEVEL": "warning",
    }
    before = load().model_dump()
    monkeypatch.setenv(name, usual.get(name, "something_of_its_own"))
    after = load().model_dump()
    assert len([field for field in after if after[field] != before[field]]) == 1


def test_what_must_be_there_is_asked_for_by_name() -> None:
    read = load()
    with pytest.raises(BadSettings, match="STRIPE_SECRET_KEY is not set"):
        read.require_stripe()
    with pytest.raises(BadSettings, match="STRIPE_WEBHOOK_SECRET is not set"):
        read.require_webhooks()


def test_a_secret_does_not_show_in_the_settings_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = {
        "STRIPE_SECRET_KEY": TEST,
        "STRIPE_WEBHOOK_SECRET": "whsec_SuperSecret1",
        "STRIPE_CONNECT_WEBHOOK_SECRET": "whsec_SuperSecret2",
        "RECONCILER_ADMIN_KEY": "rec_SuperSecret345",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    shown = f"{load()!r} {load()} {load().model_dump()} {load().model_dump_json()}"
    for value in secrets.values():
        assert value not in shown


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        ("sk_live_1", True),
        ("rk_live_1", True),
        ("sk_test_1", False),
        ("rk_test_1", False),
        ("pk_live_1", None),
        ("sk_org_1", None),
        ("sk_livery_1", None),
        ("", None),
    ],
)
def test_the_mode_of_a_key_is_in_its_prefix(key: str, mode: bool | None) -> None:
    assert key_mode(key) is mode


@pytest.mark.parametrize("secret", [LIVE, TEST, "whsec_SuperSecretValue", "rec_0123456789abcdef"])
def test_a_masked_key_keeps_its_prefix_and_four_characters(secret: str) -> None:
    shown = masked(secret)
    assert shown.endswith(secret[-4:])
    assert secret.startswith(shown.partition("…")[0])
    assert len(shown) <= len("sk_live_") + 1 + 4
    assert masked("short") == "…"
    assert masked("") == ""
