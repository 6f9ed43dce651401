"""Detectors: each turns one part of what is open into findings. Pure.

Every cent of `Stripe minus books` is in exactly one finding; a finding that repeats one about the
same object in other words, or says something beside the money, carries no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.domain.bridge import suspense, unmirrored
from reconciler.domain.findings import Cause, Finding, FindingKind
from reconciler.domain.sending import Status
from reconciler.domain.snapshot import PLATFORM, Need
from reconciler.domain.verdicts import finding, judge
from reconciler.intake.mirror_balance import Mirrored
from reconciler.intake.walk import Coverage
from reconciler.reconciling.compare_transfers import Compared, Comparison
from reconciler.reconciling.gather import Gathered
from reconciler.store.database import Row
from reconciler.store.sendings import Sending

TRANSFER_FINDINGS = {
    Comparison.NO_PAYOUT: (FindingKind.MISSING_IN_BOOKS, Cause.MADE_OUTSIDE),
    Comparison.SECOND_TRANSFER: (FindingKind.DUPLICATE, Cause.SECOND_TRANSFER),
    Comparison.AMOUNT_DIFFERS: (FindingKind.AMOUNT_DIFFERS, Cause.DIFFERS_FROM_DECISION),
    Comparison.CURRENCY_DIFFERS: (FindingKind.CURRENCY_DIFFERS, Cause.DIFFERS_FROM_DECISION),
    Comparison.DESTINATION_DIFFERS: (FindingKind.STATUS_DIFFERS, Cause.DIFFERS_FROM_DECISION),
    Comparison.STATUS_DIFFERS: (FindingKind.STATUS_DIFFERS, Cause.DIFFERS_FROM_DECISION),
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a report is made of. `compared` and `recovered` are None where they were not asked."""

    mirrored: Mirrored
    compared: Compared | None
    recovered: Coverage | None
    gathered: Gathered
    now: int


def findings(inputs: Inputs) -> list[Finding]:
    """Everything that does not agree, in order of currency, kind and reference."""
    gathered, now = inputs.gathered, inputs.now
    account = inputs.mirrored.stripe_account
    mirrored = inputs.mirrored.complete
    found = [
        finding(case, judge(case, now, mirrored=mirrored), account, now) for case in gathered.open
    ]
    in_suspense = _suspense(inputs)
    found += in_suspense
    found += _suspense_unlisted(inputs, in_suspense)
    found += _unmirrored(inputs)
    seen = {f.reference for f in found}
    found += [f for f in _transfers(inputs) if f.reference not in seen]
    found += [_dead(row) for row in gathered.dead]
    found += [_outcome_unknown(row, now) for row in gathered.unresolved]
    found += [_unread(row) for row in gathered.unread]
    found += [_doubtful(need, record) for need, record in gathered.doubtful]
    return sorted(found, key=lambda f: (f.currency, f.kind, f.reference))


def _suspense(inputs: Inputs) -> list[Finding]:
    """Movements of a kind we do not know; their fee is already in the books' fees."""
    return [
        Finding(
            FindingKind.UNKNOWN_MOVEMENT,
            Cause.UNKNOWN_TYPE,
            movement.stripe_account,
            movement.id,
            movement.currency,
            movement.amount,
            0,
            f"Stripe moved the balance as {movement.type} ({movement.reporting_category}), which"
            " this version does not know.",
            at_risk=abs(movement.amount),
            repair="post an adjustment",
            evidence=(
                {
                    "balance_transaction": movement.id,
                    "type": movement.type,
                    "reporting_category": movement.reporting_category,
                    "amount": movement.amount,
                    "fee": movement.fee,
                    "currency": movement.currency,
                    "description": movement.description,
                    "created": movement.created,
                },
            ),
        )
        for movement in inputs.gathered.suspense
        if movement.counts and movement.amount
    ]


def _suspense_unlisted(inputs: Inputs, listed: Sequence[Finding]) -> Iterable[Finding]:
    """What suspense holds beyond the movements that were listed, so that every cent has a name."""
    for currency, balances in sorted(inputs.gathered.balances.items()):
        rest = suspense(balances) - sum(f.difference for f in listed if f.currency == currency)
        if rest:
            yield Finding(
                FindingKind.UNKNOWN_MOVEMENT,
                Cause.UNKNOWN_TYPE,
                inputs.mirrored.stripe_account,
                "suspense",
                currency,
                rest,
                0,
                "More movements of unknown kinds than are listed here make up this amount.",
                at_risk=abs(rest),
                repair="upgrade the service",
            )


def _unmirrored(inputs: Inputs) -> Iterable[Finding]:
    reading = inputs.mirrored.reading
    if reading is None:
        return
    for currency in currencies(inputs):
        held = inputs.gathered.balances.get(currency, {})
        gap = unmirrored(held, reading.total(currency))
        if not gap:
            continue
        complete = inputs.mirrored.complete
        cause = Cause.UNEXPLAINED if complete else Cause.NOT_MIRRORED_YET
        text = (
            "Stripe's balance is not the sum of the movements it lists."
            if complete
            else "Not every movement could be read; what is missing makes up this amount."
        )
        yield Finding(
            FindingKind.UNMIRRORED_BALANCE,
            cause,
            inputs.mirrored.stripe_account,
            "balance",
            currency,
            reading.total(currency),
            reading.total(currency) - gap,
            text,
            at_risk=abs(gap),
            repair="check again" if not complete else "ask Stripe for a balance report",
            evidence=tuple(c.as_dict() for c in inputs.mirrored.coverage),
        )


def _transfers(inputs: Inputs) -> Iterable[Finding]:
    """Where Stripe's transfers and our payouts disagree in something other than the balance."""
    for row in inputs.gathered.transfers:
        kind, cause = TRANSFER_FINDINGS[Comparison(row["verdict"])]
        about = f"payout {row['payout_id']}" if row["payout_id"] else "no payout of ours"
        yield Finding(
            kind,
            cause,
            PLATFORM,
            row["transfer_id"],
            row["currency"],
            0,
            0,
            f"Transfer {row['transfer_id']} to {row['destination']} belongs to {about}:"
            f" {row['verdict'].replace('_', ' ')}.",
            at_risk=row["amount"] - row["amount_reversed"],
            repair=f"adopt {row['transfer_id']} as a payout, or reverse it",
            evidence=(dict(row),),
        )
    for payout in inputs.compared.missing_at_stripe if inputs.compared else ():
        yield Finding(
            FindingKind.MISSING_AT_STRIPE,
            Cause.NOT_AT_STRIPE,
            PLATFORM,
            payout["transfer_id"],
            payout["currency"],
            0,
            0,
            f"Payout {payout['id']} was completed by a transfer that Stripe does not list.",
            at_risk=payout["amount"],
            repair=f"resync {payout['transfer_id']}",
        )


def _unread(row: Row) -> Finding:
    """An object that should have been read long ago: what rests on it is not sure."""
    error = f": {row['error']}" if row["error"] else ""
    return Finding(
        FindingKind.STATUS_DIFFERS,
        Cause.READ_PENDING,
        PLATFORM,
        row["object_id"],
        "",
        0,
        0,
        f"{row['object_id']} is still to be read from Stripe ({row['reason']}){error}.",
        repair="see that the key may read it, and that the job reread runs",
        evidence=({"object": row["object_id"], "reason": row["reason"], "error": row["error"]},),
    )


def _dead(row: Row) -> Finding:
    return Finding(
        FindingKind.DELIVERY_GAP,
        Cause.EVENT_FAILED,
        row["stripe_account"],
        row["event_id"],
        "",
        0,
        0,
        f"Event {row['event_id']} ({row['type']}) could not be applied: {row['error']}",
        repair=f"replay {row['event_id']}",
        evidence=({"event": row["event_id"], "type": row["type"], "error": row["error"]},),
    )


IN_FLIGHT_SECONDS = 120
"""How long a command may be on its way before its silence means something; the job that settles
what a crash left behind acts sooner."""


def _outcome_unknown(sending: Sending, now: int) -> Finding:
    repeated = 0 < sending.first_sent_at < sending.last_sent_at
    if sending.status is not Status.UNKNOWN and not repeated:
        return _in_flight(sending, now)
    return Finding(
        FindingKind.OUTCOME_UNKNOWN,
        Cause.NO_ANSWER,
        sending.stripe_account,
        sending.instruction,
        sending.currency,
        0,
        0,
        f"{_named(sending)} was sent to Stripe and no answer came; it may have happened.",
        at_risk=sending.amount,
        repair="see that the job resolve_outcomes runs: it proves what became of it",
        evidence=(_evidence(sending),),
    )


def _in_flight(sending: Sending, now: int) -> Finding:
    clear_by = sending.updated_at + IN_FLIGHT_SECONDS
    return Finding(
        FindingKind.OUTCOME_UNKNOWN,
        Cause.NO_ANSWER,
        sending.stripe_account,
        sending.instruction,
        sending.currency,
        0,
        0,
        f"{_named(sending)} is {sending.status.value}: decided, not answered for by Stripe yet.",
        clear_by,
        0 if now < clear_by else sending.amount,
        "see that the job resolve_outcomes runs",
        (_evidence(sending),),
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


def _doubtful(need: Need, record: Any) -> Finding:
    snapshot = record.snapshot
    unknown = need is Need.UNKNOWN_STATUS
    text = (
        f"{snapshot.id} has the status {snapshot.status!r}, which this version does not know."
        if unknown
        else f"The platform fee in the metadata of {snapshot.id} is not an amount."
    )
    return Finding(
        FindingKind.STATUS_DIFFERS,
        Cause.UNKNOWN_STATUS if unknown else Cause.UNREADABLE_FEE,
        snapshot.stripe_account,
        snapshot.id,
        snapshot.currency,
        0,
        0,
        text,
        repair="upgrade the service" if unknown else "correct the metadata at Stripe",
    )


def currencies(inputs: Inputs) -> list[str]:
    """Every currency that Stripe or the books name."""
    reading = inputs.mirrored.reading
    stated = (reading.available.keys() | reading.pending.keys()) if reading else set()
    clearing = {case.currency for case in inputs.gathered.open}
    return sorted(stated | inputs.gathered.balances.keys() | clearing)
