"""Compare Stripe's transfers with our payouts, in both directions.

Reads Stripe's list over a window, keeps each transfer with a verdict, and says which completed
payouts Stripe did not list. It changes no payout and posts nothing: `reconcile` turns what does not
agree into findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.context import Context
from reconciler.domain.findings import FindingKind
from reconciler.domain.snapshot import Snapshot
from reconciler.gateway.client import Gateway, Page, Window
from reconciler.intake.walk import Coverage, walk
from reconciler.store import instructions, mirror, payouts, runs
from reconciler.store.database import Row, Session

STREAM = "transfers"
LOOK_BACK_SECONDS = 35 * 86400
"""Transfers are listed by when they were made and can be reversed later: look back a month."""


class Comparison(StrEnum):
    """How one of Stripe's transfers compares with our payouts."""

    AGREES = "agrees"
    NO_PAYOUT = "no_payout"
    SECOND_TRANSFER = "second_transfer"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    DESTINATION_DIFFERS = "destination_differs"
    STATUS_DIFFERS = "status_differs"


@dataclass(frozen=True, slots=True)
class Compared:
    """What was read, and the completed payouts whose transfer Stripe does not list."""

    coverage: Coverage
    missing_at_stripe: tuple[Row, ...]


def compare(transfer: Snapshot, payout: Mapping[str, Any] | None) -> Comparison:
    """How one transfer compares with the payout that it names. Pure.

    One that should not be and has come back in full leaves nothing to say. A payout that is still
    on its way agrees: whether its answer comes is told elsewhere. Another application's is no
    business of ours.
    """
    unwanted = payout is None or payout["transfer_id"] not in ("", transfer.id)
    if unwanted and transfer.detail["amount_reversed"] == transfer.amount:
        return Comparison.AGREES
    if payout is None and transfer.detail["foreign"]:
        return Comparison.AGREES
    if payout is None:
        return Comparison.NO_PAYOUT
    if unwanted:
        return Comparison.SECOND_TRANSFER
    if payout["currency"] != transfer.currency:
        return Comparison.CURRENCY_DIFFERS
    excess = transfer.amount - payout["amount"]
    if excess and not 0 < excess <= transfer.detail["amount_reversed"]:  # it may have come back
        return Comparison.AMOUNT_DIFFERS
    if payout["destination"] != transfer.detail["destination"]:
        return Comparison.DESTINATION_DIFFERS
    if payout["status"] in ("failed", "cancelled"):
        return Comparison.STATUS_DIFFERS
    return Comparison.AGREES


async def compare_transfers(context: Context, stripe: Gateway) -> Compared:
    """Stripe's transfers of the last weeks stand beside our payouts, each with its verdict."""
    started = context.now()

    async def read_page(window: Window, cursor: str) -> Page[Snapshot]:
        return await stripe.transfers(window, cursor)

    async def keep(session: Session, rows: Sequence[Snapshot]) -> int:
        return await keep_compared(session, rows, context.now())

    coverage = await walk(context, STREAM, read_page, keep, margin=LOOK_BACK_SECONDS)
    missing: list[Row] = []
    if coverage.complete:
        async with context.database.read() as session:
            missing = await _not_listed(session, coverage.covered_from, started)
    return Compared(coverage, tuple(missing))


async def keep_compared(session: Session, rows: Sequence[Snapshot], now: int) -> int:
    """Keep how these transfers compare with our payouts as both now stand; how many there are."""
    found = await payouts.of_transfers(session, {t.id: str(t.detail["payout"]) for t in rows})
    ids = sorted({payout.id for payout in found.values()})
    known = {id: await instructions.get(session, payouts.TABLE, id) for id in ids}
    values = []
    for transfer in rows:
        executed = found.get(transfer.id)
        payout = known[executed.id] if executed else None
        values.append(
            (
                transfer.id,
                payout["id"] if payout else "",
                transfer.detail["destination"],
                transfer.amount,
                transfer.detail["amount_reversed"],
                transfer.currency,
                transfer.created,
                now,
                compare(transfer, payout).value,
                str(transfer.detail.get("destination_payment", "")),
            )
        )
    await mirror.save_comparisons(session, values)
    return len(values)


async def _not_listed(session: Session, start: int, end: int) -> list[Row]:
    """Executed payouts of this window whose transfer has never been listed, and those of before it
    that were found so and still are: to look no longer does not make it right."""
    found = await runs.living_of_kind(session, FindingKind.MISSING_AT_STRIPE.value)
    executed = await payouts.completed_between(session, start, end)
    earlier = await payouts.executed_by(session, {f["reference"] for f in found})
    known = {row["id"]: row for row in [*executed, *earlier]}
    seen = await mirror.transfers_seen(session, [row["transfer_id"] for row in known.values()])
    return [row for _, row in sorted(known.items()) if row["transfer_id"] not in seen]
