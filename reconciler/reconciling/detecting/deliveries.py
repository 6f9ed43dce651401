"""Deliveries: events that could not be applied or never came, endpoints that cannot bring them, and
silence that is not usual."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.context import STRIPE_API_VERSION
from reconciler.domain import subscriptions
from reconciler.domain.delivery import DUE_SECONDS, LEAST, Silence
from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.snapshot import PLATFORM
from reconciler.oversight.silence import silences
from reconciler.reconciling.look import Look
from reconciler.store import deliveries, inbox, listed_events
from reconciler.store.database import Row, Session
from reconciler.store.deliveries import Endpoint

LISTED = 200
SHOWN = 20

SWEEP_SECONDS = 3600
"""How far the sweep may be behind what a list has shown before that means something. It comes once
a minute, and to a connected account within the hour."""

STALE_SECONDS = 86400
"""What was read of the endpoints longer ago says nothing of them now."""

DEAF_SECONDS = 86400
DEAF_EVENTS = 50
"""So many events, due and over so long, of which webhooks brought none: they do not arrive."""


@dataclass(frozen=True, slots=True)
class Unhealed:
    """One account's events that its list has shown and the sweep has not taken in. `swept_to` is
    how far the sweep has come."""

    stripe_account: str
    swept_to: int
    events: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """`heard` is when the newest event was made that a webhook brought, `unheard` how many the list
    has shown since then that were due."""

    dead: tuple[Row, ...] = ()
    unhealed: tuple[Unhealed, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    silences: tuple[Silence, ...] = ()
    heard: int = 0
    unheard: int = 0


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    """Everything, of whichever account: events of every account come to the platform."""
    if stripe_account != PLATFORM:
        return Seen()
    heard, unheard = await _heard(session, now)
    return Seen(
        tuple(await inbox.dead(session, LISTED)),
        tuple([one async for one in _unhealed(session, now)]),
        tuple(await deliveries.endpoints(session)),
        tuple(await silences(session)),
        heard,
        unheard,
    )


async def _heard(session: Session, now: int) -> tuple[int, int]:
    """When the newest event was made that a webhook brought, and how many should have come since.

    Only the platform's own: of connected accounts little is wanted, and an account may be quiet.
    """
    wanted = subscriptions.NEEDED["platform"]
    heard = await deliveries.last_delivered(session, PLATFORM, wanted)
    due = now - DUE_SECONDS
    if not heard or due - heard < DEAF_SECONDS:
        return heard, 0
    since = await deliveries.missed(session, [PLATFORM], wanted, heard, due, DEAF_EVENTS)
    return heard, len(since)


async def _unhealed(session: Session, now: int) -> AsyncIterator[Unhealed]:
    """Where the sweep is far behind what the list has long shown: what it has not taken in."""
    for account, swept in (await listed_events.behind(session, SWEEP_SECONDS)).items():
        events = await deliveries.not_held(session, account, swept, LISTED)
        if any(row["listed_at"] <= now - SWEEP_SECONDS for row in events):
            yield Unhealed(account, swept, tuple(events))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    yield from (_dead(row) for row in seen.dead)
    yield from (_not_healed(one) for one in seen.unhealed)
    fresh = [one for one in seen.endpoints if one.read_at > look.now - STALE_SECONDS]
    for channel in sorted({one.channel for one in fresh}):
        yield from _endpoints(channel, [one for one in fresh if one.channel == channel])
    yield from (_silent(one) for one in seen.silences)
    if seen.unheard >= DEAF_EVENTS:
        yield _deaf(seen)


def _dead(row: Row) -> Finding:
    because = "it was received, and every attempt to apply it failed"
    return _gap(
        Cause.EVENT_FAILED,
        row["stripe_account"],
        row["event_id"],
        f"Event {row['event_id']} ({row['type']}) could not be applied: {row['error']}",
        repair=f"replay {row['event_id']}",
        evidence=(
            rule("event_is_dead", because),
            {"event": row["event_id"], "type": row["type"], "error": row["error"]},
        ),
    )


def _not_healed(one: Unhealed) -> Finding:
    number = f"{len(one.events)}{' or more' if len(one.events) == LISTED else ''}"
    because = "a list showed the events over an hour ago, and the sweep has not come so far"
    return _gap(
        Cause.GAP_NOT_HEALED,
        one.stripe_account,
        one.stripe_account,
        f"Stripe lists {number} events of {one.stripe_account} that never came, and the sweep that"
        " takes them in is more than an hour behind.",
        repair="see that the job recover_events runs, and what it says",
        evidence=(
            rule("listed_and_not_taken_in", because, swept_to=one.swept_to),
            *({**row, "event": row["id"]} for row in one.events[:SHOWN]),
        ),
    )


def _endpoints(channel: str, ours: Sequence[Endpoint]) -> Iterable[Finding]:
    """Endpoints of one channel together: while one is replaced by another, what both bring counts.
    Without a version of its own an endpoint has the account's, which Stripe does not show."""
    enabled = [one for one in ours if one.status == "enabled"]
    lacking = set(subscriptions.NEEDED[channel])
    for one in enabled:
        lacking &= set(one.missing)
    shown: list[dict[str, Any]] = [
        {"endpoint": e.id, "url": e.url, "status": e.status, "api_version": e.api_version or None}
        for e in ours
    ]
    if lacking:
        names = ", ".join(sorted(lacking)[:SHOWN])
        what = f"does not send {names}" if enabled else "is disabled, and sends nothing"
        because = "what no endpoint sends comes late, by the sweep"
        yield _gap(
            Cause.ENDPOINT_LACKS_TYPES,
            PLATFORM,
            f"endpoint {channel}",
            f"Our webhook endpoint of the channel {channel} {what}.",
            repair="enable these types at the endpoint, or *",
            evidence=(
                rule("endpoint_sends_what_is_followed", because),
                *shown,
                *({"type": type} for type in sorted(lacking)),
            ),
        )
    others = [one for one in enabled if one.api_version not in ("", STRIPE_API_VERSION)]
    if others and len(others) == len(enabled):
        versions = ", ".join(sorted({one.api_version for one in others}))
        because = "an event in another version can lack fields, so its object is read again"
        yield _gap(
            Cause.ENDPOINT_VERSION_DIFFERS,
            PLATFORM,
            f"endpoint {channel} version",
            f"Our webhook endpoint of the channel {channel} sends events of API version {versions};"
            f" this service reads {STRIPE_API_VERSION}.",
            repair="create a second endpoint with our version, then delete the first",
            evidence=(rule("endpoint_has_our_version", because), *shown),
        )


def _silent(one: Silence) -> Finding:
    hours, usual = one.seconds // 3600, one.usual // 3600
    because = (
        f"{LEAST} or more events in the same stretch of the {len(one.before)} weeks before, but for"
        " one, none now, and all but one silence of those weeks were shorter"
    )
    return _gap(
        Cause.UNUSUAL_SILENCE,
        one.stripe_account,
        f"silence {one.stripe_account}",
        f"Stripe lists no event of {one.stripe_account} for {hours} hours; the longest silence of"
        f" the last weeks but one was {usual} hours.",
        repair="see whether payments are taken; ask Stripe if they are",
        evidence=(
            rule("silence_is_usual", because),
            {"last_event": one.last, "listed_until": one.until, "usual_seconds": one.usual},
        ),
    )


def _deaf(seen: Seen) -> Finding:
    because = f"{DEAF_EVENTS} events or more in over a day, and webhooks brought none of them"
    return _gap(
        Cause.WEBHOOKS_DO_NOT_ARRIVE,
        PLATFORM,
        "webhooks platform",
        "Stripe lists events, and no webhook has brought one since; the sweep takes them in.",
        repair="see that the endpoint is enabled and its address reaches this service",
        evidence=(
            rule("webhooks_bring_what_is_listed", because),
            {"newest_delivered_created": seen.heard, "not_delivered_since": seen.unheard},
        ),
    )


def _gap(
    cause: Cause,
    stripe_account: str,
    reference: str,
    text: str,
    *,
    repair: str,
    evidence: tuple[dict[str, Any], ...],
) -> Finding:
    return Finding(
        FindingKind.DELIVERY_GAP,
        cause,
        stripe_account,
        reference,
        "",
        0,
        0,
        text,
        repair=repair,
        evidence=evidence,
    )
