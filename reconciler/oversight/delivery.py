"""Delivery health: Stripe's event lists beside the inbox, by Stripe account and event type.

Completeness counts the event types that this service wants to be sent; the others come by the sweep
and are counted apart. Reads only. Must not call Stripe: what it shows has been read before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reconciler.context import Context
from reconciler.domain.delivery import DUE_SECONDS, Fate, Missed, Silence, Tally, gaps, total
from reconciler.domain.snapshot import PLATFORM
from reconciler.oversight.delivery_counts import NEEDED, Counts, count, is_wanted, summary, troubled
from reconciler.oversight.silence import silence
from reconciler.store import chains, deliveries, generation_failures, listed_events
from reconciler.store.database import Session
from reconciler.store.deliveries import Endpoint
from reconciler.store.listed_events import Reach

DAY = 86400
USUAL_DAYS = 7
MOST_DAYS = 30
"""Stripe lists no older events."""

MISSED = 5000
GAPS = 50
OTHERS = 50


async def delivery(
    context: Context, days: int = USUAL_DAYS, account: str = ""
) -> dict[str, Any] | None:
    """How events of the last days reached us, of all Stripe accounts or of one; None for an account
    whose events were never listed. Spans in seconds, shares from 0 to 1."""
    now = context.now()
    since = now - days * DAY
    async with context.database.read(snapshot=True) as session:
        reaches = await listed_events.reaches(session)
        if account:
            reaches = {name: reach for name, reach in reaches.items() if name == account}
            if not reaches:
                return None
        counts = await count(session, reaches, since, now)
        missed = await _missed(session, reaches, counts, since, now - DUE_SECONDS)
        silent = {name: await silence(session, reach) for name, reach in reaches.items()}
        others = await _others(session, since, account)
        endpoints = await deliveries.endpoints(session)
    return {
        "as_of": now,
        "since": since,
        "days": days,
        **summary(total(counts.of(name, wanted=True) for name in reaches)),
        "accounts": sorted(
            (_account(reaches[name], counts, silent[name], now) for name in reaches), key=_worst
        ),
        "types": _types(counts, account or PLATFORM),
        "hours": [_hour(hour, counts.hours[hour]) for hour in sorted(counts.hours)],
        "gaps": _gaps(missed),
        "endpoints": [_endpoint(one, context.policy.api_version) for one in endpoints],
        **others,
    }


async def _missed(
    session: Session, accounts: Collection[str], counts: Counts, since: int, due: int
) -> list[Missed]:
    """The events behind the gaps: only the hours in which there are some are looked into."""
    hours = troubled(counts)
    if hours is None:
        return []
    start, end = max(hours[0], since), min(hours[1], due)
    return await deliveries.missed(session, accounts, NEEDED, start, end, MISSED)


async def _others(session: Session, since: int, account: str) -> dict[str, Any]:
    """What neither a webhook nor a list can show, and where updates told of what was missed."""
    failures = await generation_failures.latest(session, since, OTHERS)
    broken = await chains.latest(session, since, OTHERS)
    chosen = [asdict(f) for f in failures if account in ("", f.stripe_account)]
    return {
        "generation_failures": chosen,
        "broken_chains": [asdict(b) for b in broken if account in ("", b.stripe_account)],
    }


def _account(reach: Reach, counts: Counts, silent: Silence, now: int) -> dict[str, Any]:
    account = reach.stripe_account
    return {
        "stripe_account": account,
        **summary(counts.of(account, wanted=True)),
        "not_needed": sum(counts.of(account, wanted=False).fates.values()),
        "list": {
            "read_from": reach.read_from,
            "read_to": reach.read_to,
            "behind_seconds": max(0, now - reach.read_to) if reach.read_to else None,
            "failures": reach.failures,
            "error": reach.error or None,
        },
        "silence": {
            "last_event_at": silent.last,
            "seconds": silent.seconds if silent.last else None,
            "usual_seconds": silent.usual or None,
            "unusual": silent.unusual,
        },
    }


def _worst(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    """The platform first, then those of which most did not arrive."""
    share = 2.0 if row["completeness"] is None else row["completeness"]
    return row["stripe_account"] != PLATFORM, share, row["stripe_account"]


def _types(counts: Counts, account: str) -> list[dict[str, Any]]:
    """By type, those first of which most did not arrive."""
    rows = [
        {"type": type, "needed": is_wanted(account, type), **summary(tally)}
        for type, tally in counts.tallies.get(account, {}).items()
    ]
    return sorted(
        rows,
        key=lambda r: (
            not r["needed"],
            1 if r["completeness"] is None else r["completeness"],
            -r["listed"],
            r["type"],
        ),
    )


def _hour(hour: int, tally: Tally) -> dict[str, Any]:
    return {"hour": hour, **{fate.value: tally.of(fate) for fate in Fate}}


def _gaps(missed: Sequence[Missed]) -> list[dict[str, Any]]:
    return [
        {
            "stripe_account": gap.stripe_account,
            "first_created": gap.first,
            "last_created": gap.last,
            "events": gap.events,
            "types": dict(sorted(gap.types.items())),
            "found_at": gap.found_at,
            "healed_at": gap.healed_at,
        }
        for gap in gaps(one for one in missed if is_wanted(one.stripe_account, one.type))[:GAPS]
    ]


def _endpoint(one: Endpoint, ours: str) -> Mapping[str, Any]:
    own = one.api_version or None
    agrees = None if own is None else own == ours
    return {**asdict(one), "api_version": own, "api_version_agrees": agrees}
