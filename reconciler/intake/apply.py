"""Apply what is in the inbox: many events in one transaction, in whatever order they came.

An event that cannot be read or applied is isolated, tried again, and in the end listed as dead with
its error, while the rest go on. Must not call Stripe: what has to be read is put on a list that
`reread` works through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import structlog

from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import PLATFORM, Origin
from reconciler.gateway import fields, snapshots
from reconciler.gateway.client import PATHS
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.snapshots import Rendered
from reconciler.intake import generation_failures
from reconciler.intake.absorb import Arrival, absorb
from reconciler.invoicing import read_cards
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import chains, inbox, objects
from reconciler.store.database import DatabaseUnavailable, Row, Session
from reconciler.store.leases import LostLease

log = structlog.get_logger()

BATCH = 400
SLICE = 20
"""After so many events read, whoever else has work to do gets a turn."""

NAMED = 200
"""How many events one audit row names; of the others it says only how many."""

LEFT = "account.application.deauthorized"
"""A merchant has disconnected from the platform. The event's object is the application."""

UPDATED = frozenset(Kind) - {Kind.PAYMENT_INTENT, Kind.REVERSAL}
"""The objects of which Stripe sends updates that say what was there before."""

ATTEMPTS = 5
BACKOFF_SECONDS = (1, 5, 30, 120)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One event, read: what it brings, or why the books do not follow it."""

    seq: int
    event_id: str
    arrivals: tuple[Arrival, ...] = ()
    fetch: objects.Fetch | None = None
    irrelevant: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """What one call did, in numbers of events."""

    applied: int = 0
    irrelevant: int = 0
    failed: int = 0

    def __add__(self, other: Applied) -> Applied:
        return Applied(
            self.applied + other.applied,
            self.irrelevant + other.irrelevant,
            self.failed + other.failed,
        )

    @property
    def total(self) -> int:
        return self.applied + self.irrelevant + self.failed


async def apply_pending(context: Context, limit: int = BATCH) -> Applied:
    """Apply one batch of what is due. Raises DatabaseUnavailable; then nothing was applied."""
    async with context.database.read() as session:
        rows = await inbox.pending(session, context.now(), limit)
    prepared: list[Prepared] = []
    done = Applied()
    for number, row in enumerate(rows, 1):
        try:
            prepared.append(prepare(row, context))
        except Unreadable as error:
            done += await _set_aside(context, row, str(error))
        except Exception as error:  # a defect of ours must not hold up the others
            log.exception("event.prepare_failed", event_id=row["event_id"])
            done += await _set_aside(context, row, f"{type(error).__name__}: {error}")
        if number % SLICE == 0:
            await asyncio.sleep(0)
    return done + await _apply(context, prepared, {row["seq"]: row for row in rows})


async def apply_all(context: Context, limit: int = BATCH) -> Applied:
    """Apply batches until nothing is due."""
    done = Applied()
    while (batch := await apply_pending(context, limit)).total:
        done += batch
    return done


async def requeue_dead(
    context: Context,
    event_ids: Sequence[str] | None = None,
    actor: Actor | None = None,
    reason: str = "",
) -> int:
    """Dead events, those named or all, will be tried again: how many. Done at every start, because
    a newer version may be able to apply what an older one could not; then at nobody's word."""
    async with context.write() as session:
        ids = await inbox.requeue(session, event_ids)
        if ids and actor is not None:
            subject = ids[0] if len(ids) == 1 else "inbox"
            after = {"events": ids[:NAMED], "count": len(ids)}
            entry = Audit(actor, Action.EVENT_REPLAYED, subject, None, after, reason)
            record(session, entry, context.now())
    return len(ids)


async def _apply(
    context: Context, prepared: Sequence[Prepared], rows: Mapping[int, Row]
) -> Applied:
    """The batch in one transaction; if that fails, half of it at a time, down to the culprit."""
    if not prepared:
        return Applied()
    try:
        return await _commit(context, prepared)
    except (DatabaseUnavailable, LostLease):
        raise
    except Exception as error:
        if len(prepared) == 1:
            log.exception("event.apply_failed", event_id=prepared[0].event_id)
            row = rows[prepared[0].seq]
            return await _set_aside(context, row, f"{type(error).__name__}: {error}")
    middle = len(prepared) // 2
    first = await _apply(context, prepared[:middle], rows)
    return first + await _apply(context, prepared[middle:], rows)


async def _commit(context: Context, prepared: Sequence[Prepared]) -> Applied:
    now = context.now()
    async with context.write_books() as session:
        irrelevant = {p.seq: p.irrelevant for p in prepared if p.irrelevant}
        applied = await apply_in(session, context, [p for p in prepared if not p.irrelevant])
        for reason in sorted(set(irrelevant.values())):
            seqs = [seq for seq, why in irrelevant.items() if why == reason]
            await inbox.settle(session, "irrelevant", reason, seqs, now)
    return Applied(applied, len(irrelevant))


async def apply_in(session: Session, context: Context, prepared: Sequence[Prepared]) -> int:
    """Apply relevant events in the caller's transaction: how many still were to be applied."""
    now = context.now()
    # Marked first: what another instance has settled meanwhile is not ours to apply.
    applied = await inbox.settle(session, "applied", "", [p.seq for p in prepared], now)
    due = [p for p in prepared if p.seq in applied]
    await absorb(session, context.policy, [a for p in due for a in p.arrivals], now)
    await _want(session, due, now)
    await chains.want(session, _updated(due))
    return len(applied)


def _updated(prepared: Sequence[Prepared]) -> dict[str, int]:
    """The objects whose chains of updates have a new link, and its moment."""
    since: dict[str, int] = {}
    for one in prepared:
        if not one.arrivals or one.arrivals[0].snapshot.kind not in UPDATED:
            continue
        own = one.arrivals[0].snapshot
        since[own.id] = min(since.get(own.id, own.as_of), own.as_of)
    return since


async def _want(session: Session, prepared: Sequence[Prepared], now: int) -> None:
    wanted: dict[str, objects.Fetch] = {}
    for fetch in (p.fetch for p in prepared if p.fetch):
        held = wanted.get(fetch.object_id)
        if held is None or held.not_before < fetch.not_before:
            wanted[fetch.object_id] = fetch
    if wanted:
        await objects.want(session, list(wanted.values()), now)


async def _set_aside(context: Context, row: Row, error: str) -> Applied:
    attempts = row["attempts"] + 1
    dead = attempts >= ATTEMPTS
    now = context.now()
    delay = BACKOFF_SECONDS[min(attempts, len(BACKOFF_SECONDS)) - 1]
    async with context.write() as session:
        await inbox.failed(
            session, row["seq"], error[:500], dead=dead, next_attempt_at=now + delay, now=now
        )
    log.warning("event.set_aside", event_id=row["event_id"], dead=dead, error=error[:200])
    return Applied(failed=1)


def prepare(row: Row, context: Context) -> Prepared:
    """Read one inbox row. Raises Unreadable for a body that is not what Stripe sends."""
    seq, event_id = row["seq"], row["event_id"]
    expected = context.policy.livemode
    if expected is not None and bool(row["livemode"]) is not expected:
        modes = ("test", "live")
        reason = f"a {modes[row['livemode']]} event, and the key is a {modes[expected]} key"
        return Prepared(seq, event_id, irrelevant=reason)
    body = _decoded(row["body"])
    if type(body.get("livemode")) is not bool:
        raise Unreadable("livemode is not true or false")
    if body.get("object") == "v2.core.event":
        return _thin(seq, event_id, body)
    account = fields.text(body, "account") or PLATFORM
    if account != row["stripe_account"]:
        raise Unreadable("account is not the one that the envelope was filed under")
    if row["channel"] == "connect" and account == PLATFORM:
        raise Unreadable("account is missing from an event for connected accounts")
    subject = fields.inner(fields.inner(body, "data"), "object")
    if subject.get("object") == "capability" or row["type"] == LEFT:
        return _about_account(seq, event_id, row)
    rendered = Rendered(
        fields.seconds(body, "created"),
        Origin.EVENT,
        fields.text(body, "api_version"),
        row["stripe_account"],
    )
    found = snapshots.read(subject, rendered, context.policy.reading)
    if found:
        return Prepared(seq, event_id, tuple(Arrival(s, event_id) for s in found))
    if not subject:
        raise Unreadable("data.object is missing: this is not an event")
    fetch = read_cards.news(body, row["stripe_account"], row["created"])
    if fetch is not None:
        return Prepared(seq, event_id, fetch=fetch)
    kind = fields.text(subject, "object") or "nameless object"
    return Prepared(seq, event_id, irrelevant=f"the books do not follow a {kind}")


def _decoded(body: bytes) -> Mapping[str, Any]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable(f"the body is not JSON: {error}") from None
    if not isinstance(decoded, Mapping):
        raise Unreadable("the body is not a JSON object")
    return decoded


def _about_account(seq: int, event_id: str, row: Row) -> Prepared:
    """A capability says too little by itself, and whoever left may be back: the account is read."""
    account = row["stripe_account"]
    if account == PLATFORM:
        return Prepared(seq, event_id, irrelevant="a capability of the platform itself")
    reason = "access_ended" if row["type"] == LEFT else "capability_changed"
    fetch = objects.Fetch(account, account, reason, row["created"], 0)
    return Prepared(seq, event_id, fetch=fetch)


def _thin(seq: int, event_id: str, body: Mapping[str, Any]) -> Prepared:
    """A v2 notification names its object and nothing more: the object is to be read.

    https://docs.stripe.com/event-destinations#thin-events
    """
    created = _iso_seconds(fields.text(body, "created"))
    account = fields.text(body, "context") or PLATFORM
    if body.get("type") == generation_failures.TYPE:
        fetch = objects.Fetch(event_id, account, generation_failures.REASON, created, 0)
        return Prepared(seq, event_id, fetch=fetch)
    related = fields.inner(body, "related_object")
    object_id = fields.text(related, "id")
    if object_id.partition("_")[0] not in PATHS:
        kind = fields.text(related, "type") or "nothing"
        return Prepared(seq, event_id, irrelevant=f"the books do not follow a {kind}")
    fetch = objects.Fetch(object_id, account, "thin_event", created, 0)
    return Prepared(seq, event_id, fetch=fetch)


def _iso_seconds(written: str) -> int:
    try:
        return int(datetime.fromisoformat(written).timestamp())
    except ValueError:
        raise Unreadable("created is not an ISO 8601 moment") from None
