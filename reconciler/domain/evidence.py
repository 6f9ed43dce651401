"""The finding about one open clearing, with everything that its verdict rests on.

In this order: the rule that decided, the object, Stripe's movements, the events with the state of
their delivery and the version of the object that each told, records and rows that are not what they
should be, entries. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.domain.findings import Finding, rule
from reconciler.domain.open_clearing import NOT_HELD, Open, Received
from reconciler.domain.verdict import Verdict


def finding(case: Open, verdict: Verdict, stripe_account: str, now: int) -> Finding:
    """The finding about one open clearing, with its evidence."""
    timing = now < verdict.expected_clear_by
    return Finding(
        verdict.kind,
        verdict.cause,
        stripe_account,
        case.object_id,
        case.currency,
        case.stripe_amount,
        case.books,
        verdict.explanation,
        verdict.expected_clear_by,
        0 if timing else abs(case.difference),
        verdict.repair,
        tuple(_evidence(case, verdict)),
    )


def _evidence(case: Open, verdict: Verdict) -> Iterator[dict[str, Any]]:
    yield rule(
        verdict.rule,
        verdict.explanation,
        moved_at=case.moved_at,
        told_at=case.told_at,
        events_listed_to=case.listed_to,
    )
    if case.snapshot:
        s = case.snapshot
        yield {
            "object": s.id,
            "kind": s.kind.value,
            "status": s.status,
            "amount": s.amount,
            "currency": s.currency,
            "as_of": s.as_of,
            "origin": s.origin.value,
            "api_version": s.api_version,
            "needs": [need.value for need in case.needs],
        }
    for m in case.movements:
        yield {
            "balance_transaction": m.id,
            "type": m.type,
            "reporting_category": m.reporting_category,
            "amount": m.amount,
            "fee": m.fee,
            "currency": m.currency,
            "created": m.created,
            "available_on": m.available_on,
            "exchange_rate": m.exchange_rate,
        }
    yield from (_event(event) for event in case.events)
    for parted in case.parted:
        yield {
            "record": parted.object_id,
            "parted": parted.how.value,
            "newest_event": parted.event_id,
            "fields": {name: list(pair) for name, pair in parted.fields.items()},
        }
    for row in case.changed_rows:
        yield {"row": row["id"], "table": row["relation"], "change": row["change"]}
    if case.own:
        yield {
            "clearing": case.object_id,
            "posted": case.own.posted,
            "adjusted": case.own.adjusted,
            "position": case.own.position,
            "by_records": case.own.by_records,
            "by_events": case.own.by_events,
        }
    yield from (dict(entry) for entry in case.entries)


def _event(event: Received) -> dict[str, Any]:
    """An event, the state of its delivery, and the version of the object that it told."""
    found: dict[str, Any] = {
        "event": event.event_id,
        "type": event.type,
        "created": event.created,
        "api_version": event.api_version,
        "request": event.request,
    }
    if event.pending_webhooks >= 0:
        found["pending_webhooks"] = event.pending_webhooks
    if event.status == NOT_HELD:
        return {**found, "delivery": "not received"}
    found |= {
        "delivery": event.status,
        "received_at": event.received_at,
        "channel": event.channel,
        "error": event.error,
    }
    if event.says:
        found["version"] = {
            "as_of": event.says.as_of,
            "status": event.says.status,
            "amount": event.says.amount,
        }
    if event.lacks:
        found["lacks"] = list(event.lacks)
    return found
