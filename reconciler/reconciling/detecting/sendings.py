"""Commands that were sent to Stripe and whose outcome is not known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.sending import Status
from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling.look import Look
from reconciler.store import sendings
from reconciler.store.database import Session
from reconciler.store.sendings import Sending

IN_FLIGHT_SECONDS = 120
"""How long a command may be on its way before its silence means something; the job that settles
what a crash left behind acts sooner."""


@dataclass(frozen=True, slots=True)
class Seen:
    unsettled: tuple[Sending, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    if stripe_account != PLATFORM:
        return Seen()
    return Seen(tuple(await sendings.unsettled(session)))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    return [_outcome_unknown(sending, look.now) for sending in seen.unsettled]


def _outcome_unknown(sending: Sending, now: int) -> Finding:
    repeated = 0 < sending.first_sent_at < sending.last_sent_at
    if sending.status is not Status.UNKNOWN and not repeated:
        return _in_flight(sending, now)
    because = f"{_named(sending)} was sent to Stripe and no answer came; it may have happened."
    return Finding(
        FindingKind.OUTCOME_UNKNOWN,
        Cause.NO_ANSWER,
        sending.stripe_account,
        sending.instruction,
        sending.currency,
        0,
        0,
        because,
        at_risk=sending.amount,
        repair="see that the job resolve_outcomes runs: it proves what became of it",
        evidence=(rule("a_command_has_no_answer", because), _evidence(sending)),
    )


def _in_flight(sending: Sending, now: int) -> Finding:
    clear_by = sending.updated_at + IN_FLIGHT_SECONDS
    because = f"{_named(sending)} is {sending.status.value}: decided, not answered for yet."
    return Finding(
        FindingKind.OUTCOME_UNKNOWN,
        Cause.NO_ANSWER,
        sending.stripe_account,
        sending.instruction,
        sending.currency,
        0,
        0,
        because,
        clear_by,
        0 if now < clear_by else sending.amount,
        "see that the job resolve_outcomes runs",
        (rule("a_command_is_under_way", because), _evidence(sending)),
    )


def _named(sending: Sending) -> str:
    return f"{sending.kind.replace('_', ' ').capitalize()} {sending.instruction}"


def _evidence(sending: Sending) -> dict[str, Any]:
    return {
        sending.kind: sending.instruction,
        "attempt": sending.attempt,
        "status": sending.status.value,
        "first_sent_at": sending.first_sent_at,
        "last_sent_at": sending.last_sent_at,
        "sends": sending.sends,
        "code": sending.code,
    }
