"""Recover events that Stripe has and we were never sent: the second net under the webhooks.

Walks Stripe's own event list (30 days) and puts what is missing into the inbox, as if it had been
delivered. `delivery_success` is not asked for: another team's broken endpoint would pollute it.
https://docs.stripe.com/webhooks/process-undelivered-events
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from reconciler.context import Context
from reconciler.gateway.client import Gateway, Page, Window
from reconciler.gateway.fields import Json
from reconciler.intake.envelopes import open_envelope
from reconciler.intake.walk import Coverage, walk
from reconciler.store import inbox
from reconciler.store.database import Session

log = structlog.get_logger()

STREAM = "events"
KEPT_BY_STRIPE_SECONDS = 30 * 86400


async def recover_events(context: Context, stripe: Gateway) -> Coverage:
    """Every event that Stripe lists is in the inbox; `new` in the coverage counts the missing."""
    start = context.now() - KEPT_BY_STRIPE_SECONDS

    async def read_page(window: Window, cursor: str) -> Page[Json]:
        return await stripe.events(window, cursor)

    async def keep(session: Session, rows: Sequence[Json]) -> int:
        return await _keep(context, session, rows)

    coverage = await walk(context, STREAM, read_page, keep, start=start)
    if coverage.new:
        log.warning("events.recovered", events=coverage.new, listed=coverage.rows)
    return coverage


async def _keep(context: Context, session: Session, rows: Sequence[Json]) -> int:
    if not rows:
        return 0
    by_id: dict[str, Any] = {str(row.get("id")): row for row in rows}
    missing = sorted(by_id.keys() - await inbox.known(session, by_id.keys()))
    now = context.now()
    deliveries = [open_envelope(msgspec.json.encode(by_id[id]), "recovered", now) for id in missing]
    await inbox.insert(session, deliveries)
    return len(deliveries)
