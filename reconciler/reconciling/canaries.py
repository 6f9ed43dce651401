"""Canaries: known differences, planted where no book is, that every run must find to the cent.

They go through the very statements, detectors and bridge that the run itself goes through, in
shadow tables that end with their transaction. A run that misses one cannot be trusted, and says so.
"""

from __future__ import annotations

from typing import Any

from reconciler.context import Context
from reconciler.domain.snapshot import PLATFORM
from reconciler.gateway.client import BalanceReading
from reconciler.intake.mirror_balance import Mirrored
from reconciler.intake.walk import Coverage
from reconciler.reconciling.canary_rows import BALANCE_ONLY, CANARIES, Canary, rows
from reconciler.reconciling.detecting.registry import detect, gather
from reconciler.reconciling.full_audit import full_audit
from reconciler.reconciling.look import Look
from reconciler.reconciling.report import bridges
from reconciler.store import books, shadow
from reconciler.store.database import Session

BRIDGE = "bridge"


class _Seen(Exception):
    """Ends the transaction of the shadows: what was planted is gone."""


async def look_at_planted(context: Context) -> Look:
    """What is seen of the planted differences, by the statements that see the real ones."""
    now = context.now()
    look: Look | None = None
    try:
        async with context.database.write() as session:
            await shadow.plant(session, rows(now))
            look = await _look(session, now)
            raise _Seen
    except _Seen:
        assert look is not None
        return look


async def _look(session: Session, now: int) -> Look:
    balances = await books.by_kind(session, PLATFORM)
    available = {
        currency: kinds["stripe_balance"]
        for currency, kinds in balances.items()
        if "stripe_balance" in kinds
    }
    reading = BalanceReading(available | BALANCE_ONLY, {}, False)
    walked = Coverage("balance_transactions", PLATFORM, 0, now, 1, len(available), 0, True)
    mirrored = Mirrored(PLATFORM, reading, now, False, (walked,), held=available)
    seen = await gather(session, PLATFORM, now)
    audited = await full_audit(session, PLATFORM)
    return Look(mirrored, None, None, balances, seen, now, (), audited)


def judged(look: Look) -> dict[str, Any]:
    """How many were planted and found, and the names of those that were not found as planted. Pure.

    The bridge is one more: it must close, and say what was planted and nothing else.
    """
    found = {(f.kind, f.reference, f.currency): f for f in detect(look)}
    missed = []
    for canary in CANARIES:
        finding = found.get((canary.kind, canary.reference, canary.currency))
        amount = finding and (finding.difference if canary.carries else finding.at_risk)
        if amount != canary.amount:
            missed.append(_name(canary))
    if not _closes(look):
        missed.append(BRIDGE)
    planted = len(CANARIES) + 1
    return {"planted": planted, "found": planted - len(missed), "missed": missed}


def _name(canary: Canary) -> str:
    return f"{canary.kind.value} {canary.reference}"


def _closes(look: Look) -> bool:
    planted: dict[str, int] = {}
    for canary in CANARIES:
        if canary.carries:
            planted[canary.currency] = planted.get(canary.currency, 0) + canary.amount
    drawn = {b.currency: b for b in bridges(look, detect(look))}
    return {c: b.stripe - b.books for c, b in drawn.items()} == planted and not any(
        bridge.unexplained for bridge in drawn.values()
    )
