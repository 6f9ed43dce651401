"""Doctor: is everything in place to serve? Looks at settings, database and Stripe; changes nothing.

Each sign is a sentence that says what to do about it. Must not try what moves money: whether a key
may write is not found out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from reconciler.settings import STRIPE_API, Settings
from reconciler.store import audit, inbox, keys
from reconciler.store.database import Database
from reconciler.store.migrate import load_schema, schema_version

ON_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - compared, not bound


COUNTED = 1000


class Severity(StrEnum):
    """Closed list, from harmless to grave. `not_read`: it could not be found out."""

    FINE = "fine"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"
    NOT_READ = "not_read"


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that was looked at. `code` is stable; `area` is settings, database or stripe."""

    area: str
    severity: Severity
    code: str
    sentence: str


def exit_code(signs: Sequence[Sign]) -> int:
    """0: fine, notes at most; 1: something to be put right; 2: something could not be found out."""
    seen = {sign.severity for sign in signs}
    if Severity.NOT_READ in seen:
        return 2
    return 1 if seen & {Severity.WARNING, Severity.ERROR} else 0


def about_settings(settings: Settings) -> list[Sign]:
    """What the settings say, beyond being valid one by one."""
    found = [Sign("settings", severity, code, text) for severity, code, text in _oddities(settings)]
    if any(sign.severity is not Severity.NOTE for sign in found):
        return found
    return [Sign("settings", Severity.FINE, "settings_valid", "The settings are valid."), *found]


def _oddities(settings: Settings) -> Iterator[tuple[Severity, str, str]]:
    live = settings.livemode is True
    url = urlsplit(settings.base_url)
    if url.hostname in ON_THIS_MACHINE:
        yield (
            Severity.WARNING if live else Severity.NOTE,
            "base_url_local",
            f"RECONCILER_BASE_URL is {settings.base_url}, which only this machine can reach; set it"
            " to the address that people and Stripe use.",
        )
    elif url.scheme != "https":
        yield (
            Severity.ERROR if live else Severity.WARNING,
            "base_url_plain",
            f"RECONCILER_BASE_URL is {settings.base_url}, without TLS: API keys and links would"
            " travel in the clear; put a proxy with TLS in front, and write https.",
        )
    elif not settings.proxies:
        yield (
            Severity.NOTE,
            "no_trusted_proxies",
            "RECONCILER_TRUSTED_PROXIES is empty: behind a proxy, the audit log will name the proxy"
            " as where every request came from.",
        )
    if settings.stripe_api_base.rstrip("/") != STRIPE_API:
        yield (
            Severity.NOTE,
            "simulated_stripe",
            f"STRIPE_API_BASE is {settings.stripe_api_base}: this is not Stripe itself.",
        )
    if settings.interval_scale != 1:
        yield (
            Severity.WARNING if live else Severity.NOTE,
            "interval_scale",
            f"RECONCILER_INTERVAL_SCALE is {settings.interval_scale:g}, for drills: every job runs"
            " at another pace than it was made for.",
        )
    if settings.instances > 1 and settings.database_url.startswith("sqlite"):
        yield (
            Severity.ERROR,
            "several_instances_on_sqlite",
            f"RECONCILER_INSTANCES is {settings.instances}, and the database is SQLite, which one"
            " machine alone can use; set DATABASE_URL to a PostgreSQL database.",
        )


async def about_database(database: Database, settings: Settings) -> list[Sign]:
    """What an open database holds. That it opened means that its commits are durable."""
    version, wanted = await schema_version(database), load_schema().newest.version
    found = [
        _sign(Severity.FINE, "durable", f"The database ({database.dialect}) keeps every commit."),
        _schema(version, wanted),
    ]
    if version != wanted:
        return found
    return [*found, *await _contents(database, settings)]


def database_failed(error: Exception) -> Sign:
    """The database could not be opened, or would lose what it was told."""
    return _sign(Severity.NOT_READ, "database_unusable", str(error))


def database_missing(path: str) -> Sign:
    text = f"There is no file {path} yet; the first start makes it."
    return _sign(Severity.NOTE, "database_new", text)


def _sign(severity: Severity, code: str, sentence: str) -> Sign:
    return Sign("database", severity, code, sentence)


def _schema(version: int, wanted: int) -> Sign:
    if version == wanted:
        return _sign(Severity.FINE, "schema_current", f"The schema is version {version}.")
    if version == 0:
        return _sign(Severity.NOTE, "schema_new", "It is empty; the first start fills it.")
    if version < wanted:
        text = f"The schema is version {version}; the next start brings it to {wanted}."
        return _sign(Severity.NOTE, "schema_older", text)
    text = f"The schema is version {version}, and this service knows {wanted}: upgrade the service."
    return _sign(Severity.ERROR, "schema_newer", text)


async def _contents(database: Database, settings: Settings) -> list[Sign]:
    async with database.read() as session:
        living = [key for key in await keys.all_keys(session) if not key["revoked_at"]]
        dead = len(await inbox.dead(session, COUNTED))
        head = await audit.head(session)
    found = []
    if not living and not settings.admin_key.get_secret_value():
        text = (
            "There is no API key: set RECONCILER_ADMIN_KEY, or make one with"
            " 'reconciler keys create --role admin'."
        )
        found.append(_sign(Severity.WARNING, "no_api_key", text))
    if dead:
        text = (
            f"{dead:,}{' or more' if dead == COUNTED else ''} events could not be applied: see"
            " 'reconciler findings', and try them again with 'reconciler replay --failed'."
        )
        found.append(_sign(Severity.WARNING, "dead_events", text))
    if head is None:
        text = "The end of the audit log is gone: see 'reconciler audit verify'."
        found.append(_sign(Severity.ERROR, "audit_head_gone", text))
    return found


def about_stripe(system: Mapping[str, Any]) -> list[Sign]:
    """What was found at Stripe: see `payment_systems`."""
    found = [
        Sign("stripe", Severity(problem["severity"]), problem["code"], problem["sentence"])
        for problem in system["problems"]
    ]
    unread = [] if _has(found, "no_secret_key") else system["not_read"]
    found += [Sign("stripe", Severity.NOT_READ, "not_read", f"{what}.") for what in unread]
    account = system["account"]
    if account:
        text = f"Stripe answers for account {account['id']} in {system['mode']['stripe']} mode."
        found.insert(0, Sign("stripe", Severity.FINE, "account_read", text))
    if system["keys"]["restricted"]:
        text = (
            "The key is restricted. What it may read was tried; what it may write (transfers,"
            " refunds, accounts, customers, payment intents, checkout sessions) was not, because"
            " trying is doing: compare it in the Stripe Dashboard."
        )
        found.append(Sign("stripe", Severity.NOTE, "writes_not_tried", text))
    return found


def _has(signs: Sequence[Sign], code: str) -> bool:
    return any(sign.code == code for sign in signs)
