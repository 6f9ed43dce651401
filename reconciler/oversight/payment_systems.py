"""Payment systems: what this service is connected to, with which rights, and how healthy it is.

Reads only, and tells what could not be read. Must not show a secret: it is only ever given masked
ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.context import Context
from reconciler.domain import sandbox
from reconciler.gateway import fields
from reconciler.gateway.fields import Json, Unreadable
from reconciler.gateway.inspection import (
    ACCOUNT,
    KEY_REFUSED,
    PROBES,
    UNDELIVERED,
    Inspection,
    Look,
    Seen,
)
from reconciler.gateway.versions import sdk_versions
from reconciler.oversight.payment_system import PaymentSystem
from reconciler.oversight.system_problems import problems
from reconciler.oversight.webhook_health import endpoints
from reconciler.store import inbox

NOT_ASKED = Look(Seen.NOT_READ, why="STRIPE_SECRET_KEY is not set")


async def payment_systems(context: Context) -> list[dict[str, Any]]:
    """Each Stripe connection with everything that can be said of it; at present there is one."""
    own = context.system
    found = Inspection(context.now(), {})
    if context.inspector is not None:
        found = await context.inspector.inspect(context.now())
    async with context.database.read() as session:
        last = await inbox.last_received(session)
    hooks = _webhooks(own, found, last, context.now())
    system = {
        "id": own.id,
        "keys": {
            "secret": own.secret_key or None,
            "restricted": own.restricted,
            "refused": any(look.why == KEY_REFUSED for look in found.looks.values()),
            "publishable": own.publishable_key or None,
            "webhook_secrets": {k: list(v) for k, v in own.webhook_secrets.items()},
        },
        "mode": _mode(own, found),
        "account": _account(_look(found, ACCOUNT.name)),
        "balance": _balance(_look(found, "balance")),
        "permissions": [_permission(probe, _look(found, probe.name)) for probe in PROBES],
        "webhooks": hooks,
        "api_versions": _versions(context, found),
        "traffic": _traffic(context),
        "test_mode": _test_mode(own),
        "read_at": found.at,
        "not_read": _not_read(found) if context.inspector else [NOT_ASKED.why],
    }
    return [{**system, "problems": problems(system)}]


def _look(found: Inspection, name: str) -> Look:
    return found.looks.get(name, NOT_ASKED)


def _mode(own: PaymentSystem, found: Inspection) -> dict[str, Any]:
    """Which mode the key says it is of, and which one Stripe answers in. Mixing them up would book
    play money."""
    body = _look(found, "balance").body
    livemode = body.get("livemode")
    stripe = livemode if isinstance(livemode, bool) else None
    agree = None if stripe is None else stripe is own.livemode
    return {"key": _word(own.livemode), "stripe": _word(stripe), "agree": agree}


def _word(livemode: bool | None) -> str | None:
    return None if livemode is None else "live" if livemode else "test"


def _account(look: Look) -> dict[str, Any] | None:
    if look.seen is not Seen.GRANTED:
        return None
    try:
        profile = fields.inner(look.body, "business_profile")
        dashboard = fields.inner(fields.inner(look.body, "settings"), "dashboard")
    except Unreadable:
        return None
    return {
        "id": _text(look.body, "id"),
        "country": _text(look.body, "country"),
        "default_currency": _text(look.body, "default_currency"),
        "business_name": _text(profile, "name") or _text(dashboard, "display_name"),
        "charges_enabled": look.body.get("charges_enabled") is True,
        "payouts_enabled": look.body.get("payouts_enabled") is True,
    }


def _text(body: Json, name: str) -> str | None:
    try:
        return fields.text(body, name) or None
    except Unreadable:
        return None


def _balance(look: Look) -> dict[str, dict[str, int]] | None:
    """Stripe's available and pending in minor units, per currency."""
    if look.seen is not Seen.GRANTED:
        return None
    found: dict[str, dict[str, int]] = {}
    try:
        for kind in ("available", "pending"):
            for row in fields.rows(look.body, kind):
                held = found.setdefault(fields.currency(row), {"available": 0, "pending": 0})
                held[kind] += fields.amount(row, "amount", signed=True)
    except Unreadable:
        return None
    return found


def _permission(probe: Any, look: Look) -> dict[str, Any]:
    return {
        "name": probe.name,
        "needed_for": probe.needed_for,
        "status": look.seen.value,
        "missing_permission": look.permission or None,
        "why": look.why or None,
    }


def _webhooks(
    own: PaymentSystem, found: Inspection, last: Mapping[str, Any], now: int
) -> dict[str, Any]:
    listed = _look(found, "webhook_endpoints")
    ours, others = endpoints(own, _rows(listed)) if listed.body else ([], [])
    channels = {}
    for channel, url in own.webhook_urls.items():
        event = last.get(channel)
        channels[channel] = {
            "url": url,
            "endpoints": [each for each in ours if each["channel"] == channel],
            "secrets": len(own.webhook_secrets.get(channel, ())),
            "last_event": event,
            "last_event_age_seconds": max(0, now - event["received_at"]) if event else None,
        }
    undelivered = _look(found, UNDELIVERED.name)
    rows = _rows(undelivered)
    pending = None
    if undelivered.seen is Seen.GRANTED:
        oldest = min((_seconds(row) for row in rows), default=0)
        pending = {
            "events": len(rows),
            "more": undelivered.body.get("has_more") is True,
            "oldest_created": oldest or None,
            "oldest_age_seconds": max(0, now - oldest) if oldest else None,
        }
    return {
        "read": listed.seen is Seen.GRANTED,
        "channels": channels,
        "other_endpoints": others,
        "pending_deliveries": pending,
    }


def _seconds(row: Json) -> int:
    try:
        return fields.seconds(row, "created", 0)
    except Unreadable:
        return 0


def _rows(look: Look) -> list[Json]:
    try:
        return fields.rows(look.body, "data")
    except Unreadable:
        return []


def _versions(context: Context, found: Inspection) -> dict[str, Any]:
    """The account's own version is the one that its newest event was rendered in."""
    newest = _rows(_look(found, "events"))
    return {
        "service": context.policy.api_version,
        "sdk": sdk_versions(),
        "account": _text(newest[0], "api_version") if newest else None,
        "agree": sdk_versions()["api_version"] == context.policy.api_version,
    }


def _traffic(context: Context) -> dict[str, Any] | None:
    return context.stripe.wire.shown() if context.stripe else None


def _test_mode(own: PaymentSystem) -> dict[str, Any] | None:
    if own.livemode is not False:
        return None
    cards = [
        {"payment_method": card.method, "number": card.number, "use": card.use}
        for card in sandbox.FUNDING_CARDS
    ]
    return {"explanation": sandbox.PENDING_EXPLAINED, "funding_cards": cards}


def _not_read(found: Inspection) -> list[str]:
    return [
        f"{name.replace('_', ' ')}: {look.why}"
        for name, look in found.looks.items()
        if look.seen is Seen.NOT_READ
    ]
