"""Events that Stripe could not make: it says so afterwards, and their objects are read instead.

Neither a webhook nor a list of events can show such a gap. The notification is a thin event, sent
to whichever endpoint asked for it, and says little; retrieved, it names the object and the type of
the event that was never made. https://docs.stripe.com/webhooks/handle-irrecoverable-events
"""

from __future__ import annotations

import structlog

from reconciler.context import Context
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway import fields
from reconciler.gateway.client import OBJECT_ID, PAGE, PATHS, Gateway
from reconciler.gateway.fields import Json, Unreadable
from reconciler.store import generation_failures as stored
from reconciler.store import objects
from reconciler.store.generation_failures import GenerationFailure

log = structlog.get_logger()

TYPE = "v2.core.health.event_generation_failure.resolved"
REASON = "event_generation_failure"


def reads(object_id: str) -> bool:
    """Whether this is the id of a notification, to be read here."""
    return object_id.startswith("evt_")


async def read_failure(context: Context, stripe: Gateway, event_id: str, account: str) -> None:
    """What a notification names is noted, and its object is on the list of those to be read.

    Raises StripeUnavailable or Unreadable; then nothing was.
    """
    if not OBJECT_ID.fullmatch(event_id):
        raise Unreadable(f"{event_id} is not an event that can be read by its id")
    read_at = context.now()
    body = await stripe.get(f"/v2/core/events/{event_id}", {}, account)
    failure = _read(body, event_id, account, read_at)
    async with context.write() as session:
        await stored.note(session, failure)
        await objects.settled(session, {event_id: read_at})
        if failure.object_id.partition("_")[0] in PATHS:
            fetch = objects.Fetch(failure.object_id, failure.stripe_account, REASON, read_at, 0)
            await objects.want(session, [fetch], read_at)
    log.warning("event.never_made", event_id=event_id, object_id=failure.object_id)


async def look_for_failures(context: Context, stripe: Gateway) -> int:
    """The newest notifications that Stripe lists and no webhook brought are on the list of what is
    to be read: how many. Raises StripeUnavailable or Unreadable.

    https://docs.stripe.com/api/v2/core/events/list
    """
    body = await stripe.get("/v2/core/events", {"types": [TYPE], "limit": PAGE})
    made = {fields.text(row, "id"): row for row in fields.rows(body, "data")}
    now = context.now()
    async with context.write() as session:
        unknown = sorted(made.keys() - await stored.known(session, made))
        fetches = [
            objects.Fetch(id, fields.text(made[id], "context") or PLATFORM, REASON, now, now)
            for id in unknown
            if reads(id)
        ]
        await objects.want(session, fetches, now)
    return len(fetches)


def _read(body: Json, event_id: str, account: str, now: int) -> GenerationFailure:
    """`impact.context` names the connected account whose event it was."""
    data = fields.inner(body, "data")
    impact = fields.inner(data, "impact")
    named = fields.text(fields.inner(impact, "related_object"), "id")
    return GenerationFailure(
        event_id,
        fields.text(impact, "context") or account or PLATFORM,
        fields.text(impact, "event_type"),
        # Until November 2025 the object was named by its id alone.
        named or fields.text(impact, "related_object_id"),
        fields.text(data, "summary"),
        now,
    )
