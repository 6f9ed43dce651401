"""Keep what delivery health rests on: our endpoints at Stripe as they are now, notices of events
that Stripe could not make, and no more history of lists than is asked for.

Runs as a job. What Stripe does not answer leaves what was read before, with its age.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from reconciler.context import Context
from reconciler.gateway.client import PAGE, Gateway
from reconciler.gateway.fields import Unreadable, rows
from reconciler.gateway.outcomes import StripeUnavailable
from reconciler.intake.generation_failures import look_for_failures
from reconciler.oversight.webhook_health import endpoints
from reconciler.store import deliveries, listed_events
from reconciler.store.deliveries import Endpoint

log = structlog.get_logger()

KEPT_SECONDS = 70 * 86400
"""Ten weeks: silence is compared with the eight weeks before it."""

PRUNED = 5000


@dataclass(frozen=True, slots=True)
class Watched:
    """What one call did. `never_made` are notifications of events that Stripe could not make, to be
    read; `error` says what could not be read at all."""

    endpoints: int = 0
    never_made: int = 0
    forgotten: int = 0
    error: str = ""


async def watch_delivery(context: Context, stripe: Gateway) -> Watched:
    """Our endpoints are kept as Stripe has them now, what it could not make is on the list of what
    is to be read, and old rows of lists are forgotten."""
    async with context.write() as session:
        accounts = await listed_events.reaches(session)
        before = context.now() - KEPT_SECONDS
        done = Watched(forgotten=await deliveries.prune(session, accounts, before, PRUNED))
    try:
        done = replace(done, endpoints=await _read_endpoints(context, stripe))
        return replace(done, never_made=await look_for_failures(context, stripe))
    except (StripeUnavailable, Unreadable) as error:
        log.warning("delivery.not_read", error=str(error)[:200])
        return replace(done, error=str(error)[:200])


async def _read_endpoints(context: Context, stripe: Gateway) -> int:
    listed = rows(await stripe.get("/v1/webhook_endpoints", {"limit": PAGE}), "data")
    ours, _ = endpoints(context.system, listed)
    now = context.now()
    read = [
        Endpoint(
            one["id"],
            one["channel"],
            one["url"],
            one["status"],
            one["api_version"] or "",
            tuple(one["missing_events"]),
            now,
        )
        for one in ours
    ]
    async with context.write() as session:
        await deliveries.save_endpoints(session, read)
    return len(read)
