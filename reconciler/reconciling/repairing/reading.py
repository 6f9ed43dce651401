"""Repairs that take in what Stripe says: read the object again, try its event again, fetch what
never came.

What is read goes through the same `absorb` as everything else. Must not decide about money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice, failed_events
from reconciler.domain.snapshot import Snapshot
from reconciler.gateway.budget import Priority
from reconciler.gateway.client import Gateway, Window
from reconciler.gateway.fields import Json, Unreadable
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.intake.apply import Prepared, apply_in, prepare
from reconciler.intake.envelopes import open_envelope
from reconciler.reconciling.repairing.asking import no_key, read_object, take_in
from reconciler.reconciling.repairing.work import Way, Work
from reconciler.store import inbox
from reconciler.store.database import DatabaseUnavailable, Row
from reconciler.store.leases import LostLease

log = structlog.get_logger()

PAGES = 20
AROUND_SECONDS = 3600
"""How long before its movement, or after it, an object's events may have been made."""


async def _look_at_object(
    context: Context, finding: Mapping[str, Any], _: Choice
) -> list[Snapshot] | Refusal:
    return await read_object(context, finding["reference"], finding["stripe_account"])


async def _resync(work: Work, found: Sequence[Snapshot]) -> Refusal | None:
    await take_in(work.session, work.context, found, work.id)
    work.made = work.reference
    return None


RESYNC = Way(_resync, _look_at_object, fresh=True)


async def _replay(work: Work, _: None) -> Refusal | None:
    """The event is applied, or stays as dead as it is."""
    event = next(iter(failed_events(work.finding)), work.reference)
    await inbox.requeue(work.session, [event])
    row = await inbox.get(work.session, event)
    if row is None or row["status"] != "received":
        stands = f"it is {row['status']}" if row else "there is none"
        return Refusal("event_not_dead", f"Event {event} is not to be tried again: {stands}.")
    work.made = event
    return await _apply(work, [row])


async def _apply(work: Work, rows: Sequence[Row]) -> Refusal | None:
    try:
        read = [prepare(row, work.context) for row in rows]
        await apply_in(work.session, work.context, [p for p in read if not p.irrelevant])
    except (DatabaseUnavailable, LostLease):
        raise
    except Exception as error:  # whatever it is, the event cannot be applied, and nothing is kept
        log.warning("repair.event_not_applied", finding=work.finding["id"], error=str(error)[:200])
        why = f"{type(error).__name__}: {error}"
        return Refusal("still_fails", f"The event still cannot be applied: {why}"[:400])
    for one in read:
        await _told(work, one)
    return None


async def _told(work: Work, one: Prepared) -> None:
    if one.irrelevant:
        await inbox.settle(work.session, "irrelevant", one.irrelevant, [one.seq], work.now)
        work.says.append(f"Event {one.event_id} is put aside: {one.irrelevant}.")
    elif one.fetch is not None:
        work.says.append(f"{one.fetch.object_id} is read from Stripe next.")
    else:
        work.says.append(f"Event {one.event_id} is applied.")


REPLAY = Way(_replay)


async def _look_for_events(
    context: Context, finding: Mapping[str, Any], _: Choice
) -> list[Json] | Refusal:
    """The events about the object that Stripe lists and the inbox does not have."""
    if context.stripe is None:
        return no_key()
    moments = [row["created"] for row in finding["evidence"] if row.get("created")]
    start = min(moments, default=finding["first_seen"]) - AROUND_SECONDS
    try:
        listed = await _listed(context.stripe.at(Priority.COMMAND_READ), start, context.now())
    except (StripeUnavailable, Unreadable) as error:
        text = f"Stripe's list of events could not be read, so nothing was done: {error}"
        return Refusal("stripe_unavailable", text[:400])
    about = {id: row for id, row in listed.items() if _names(row, finding["reference"])}
    async with context.database.read() as session:
        held = await inbox.known(session, about.keys())
    missing = [about[id] for id in sorted(about.keys() - held)]
    if not missing:
        return Refusal(
            "nothing_missing",
            f"Stripe lists no event about {finding['reference']} that is not here; read the object"
            " itself again instead.",
        )
    return missing


async def _listed(stripe: Gateway, start: int, now: int) -> dict[str, Json]:
    """Stripe's newest events since `start`, as many as some pages hold."""
    found: dict[str, Json] = {}
    cursor = ""
    for _ in range(PAGES):
        page = await stripe.events(Window(max(start, 0), now), cursor)
        found |= {str(row.get("id")): row for row in page.rows}
        cursor = page.next
        if not cursor:
            break
    return found


def _names(event: Json, reference: str) -> bool:
    """Whether an event's object is this one, or holds its id."""
    return f'"{reference}"'.encode() in msgspec.json.encode(event.get("data"))


async def _fetch(work: Work, missing: Sequence[Json]) -> Refusal | None:
    deliveries = [open_envelope(msgspec.json.encode(e), "recovered", work.now) for e in missing]
    await inbox.insert(work.session, deliveries)
    rows = [await inbox.get(work.session, each.event_id) for each in deliveries]
    due = [row for row in rows if row is not None and row["status"] == "received"]
    work.made = deliveries[0].event_id
    return await _apply(work, due)


FETCH_EVENTS = Way(_fetch, _look_for_events, fresh=True)
