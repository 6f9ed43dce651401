"""Findings as people and programs see them: with their age, what can be done, and what was done.

Read only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.domain.adjustments import ACCOUNTS, REASONS
from reconciler.domain.casework import AGES, age_of, finding_digest
from reconciler.domain.repairs import UNDONE, Offer, Repair, offers
from reconciler.domain.suppressions import at_stake
from reconciler.money_out import approvals
from reconciler.store import (
    adjustments,
    findings,
    instructions,
    payouts,
    refund_requests,
    repairs,
    reversals,
    suppressions,
)
from reconciler.store.database import Row, Session
from reconciler.store.findings import Chosen

MADE = {
    Repair.ADOPT: payouts.TABLE,
    Repair.REVERSE: reversals.TABLE,
    Repair.REFUND: refund_requests.TABLE,
}
"""Where what a repair has made is kept, if it is an instruction of ours."""


def shown(finding: Mapping[str, Any], now: int) -> dict[str, Any]:
    """A finding as the interface has it."""
    return {
        **finding,
        "suppression": finding["suppression"] or None,
        "resolution": finding["resolution"] or None,
        "assignee": finding["assignee"] or None,
        "age": age_of(finding["first_seen"], now),
        "at_stake": at_stake(finding),
        "digest": finding_digest(finding),
        "repairs": [offer_shown(offer) for offer in offers(finding)],
    }


def offer_shown(offer: Offer) -> dict[str, Any]:
    """One repair that fits, with the closed lists of what it asks for. A need that ends in `?` may
    be left out."""
    lists: dict[str, Any] = {}
    if offer.repair is Repair.ADJUST:
        lists = {"accounts": [*ACCOUNTS, "merchant:<id>"], "reasons": list(REASONS)}
    return {
        "repair": offer.repair.value,
        "says": offer.says,
        "object": offer.object,
        "amount": offer.amount,
        "needs": list(offer.needs),
        "undo": offer.undo,
        **lists,
    }


async def whole(session: Session, finding: Mapping[str, Any], now: int) -> dict[str, Any]:
    """A finding with all that was done about it."""
    made = [
        await repair_shown(session, row) for row in await repairs.of_finding(session, finding["id"])
    ]
    return {
        **shown(finding, now),
        "suppressions": [
            {name: value for name, value in row.items() if name != "fingerprint"}
            for row in await suppressions.of_finding(session, finding["id"])
        ],
        "repairs_made": made,
        "others": [dict(row) for row in await findings.others(session, finding)],
        "time_line": await repairs.events(session, finding["id"]),
    }


async def repair_shown(session: Session, row: Mapping[str, Any]) -> dict[str, Any]:
    """A repair that was made, with how what it made stands by now."""
    repair = Repair(row["repair"])
    stands = await _made(session, repair, row["made"])
    status = str(stands["status"]) if stands else None
    again = row["status"] == "applied" and repair in UNDONE
    return {
        **row,
        "job": row["job"] or None,
        "made_status": status,
        "failure": (stands or {}).get("failure_message") or None,
        "approval": await approvals.shown(session, row["made"]),
        "can_undo": again and status != "cancelled",
    }


async def _made(session: Session, repair: Repair, id: str) -> Row | None:
    if repair is Repair.ADJUST:
        return await adjustments.get(session, id)
    table = MADE.get(repair)
    return await instructions.get(session, table, id) if table else None


async def summary(session: Session, chosen: Chosen, now: int) -> dict[str, Any]:
    """What the chosen findings add up to: by status and currency, and by age."""
    sums = await findings.sums(session, chosen)
    ages = dict.fromkeys((age.name for age in AGES), 0)
    for first_seen in await findings.seen_when(session, chosen):
        ages[age_of(first_seen, now)] += 1
    return {"sums": [dict(row) for row in sums], "ages": ages}
