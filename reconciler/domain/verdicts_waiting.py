"""Verdicts on what Stripe will still do by itself: list a movement, settle, give back, send on.

Pure. Each rests on what Stripe says of the object (its status, what is available when) and on the
windows that Stripe documents (`windows`).
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.domain.findings import Cause, FindingKind
from reconciler.domain.lifecycle import Kind
from reconciler.domain.money import major
from reconciler.domain.open_clearing import Open
from reconciler.domain.snapshot import Snapshot
from reconciler.domain.verdict import Verdict
from reconciler.domain.verdicts_ours import kind_of
from reconciler.domain.windows import (
    BINDING_SECONDS,
    CUSTOMER_ACTS_SECONDS,
    REFUND_SECONDS,
    bank_returns_by,
    settled_by,
)

OUTFLOWS = frozenset({Kind.REFUND, Kind.TRANSFER, Kind.DISPUTE, Kind.BANK_PAYOUT})
"""Kinds of objects whose money leaves the balance, and may come back."""

RELEASED = "partial_capture_reversal"
"""The category of what Stripe lets go of a charge that was captured in part."""


def only_in_books(case: Open, now: int, *, mirrored: bool, available: Mapping[str, int]) -> Verdict:
    """The books expect a movement that Stripe has not listed."""
    kind, snapshot = FindingKind.MISSING_AT_STRIPE, case.snapshot
    since = max(snapshot.created if snapshot else 0, case.booked_at)
    if snapshot and snapshot.kind is Kind.REFUND and case.believed:
        waiting = _refund_waits(case, snapshot, since, available)
        if waiting is not None:
            return waiting
    if not mirrored:
        text = "Stripe's movements have not been read to the end; this one may be among the rest."
        clear_by = now + BINDING_SECONDS
        return Verdict(
            kind, Cause.NOT_MIRRORED_YET, text, clear_by, "check again", "not_read_to_the_end"
        )
    if snapshot:
        return _not_bound(case, snapshot, since)
    if case.made_by:
        return Verdict(
            kind,
            Cause.MOVEMENT_NOT_BOUND,
            f"Transfer {case.made_by} tells of {case.object_id}; Stripe lists its movement on the"
            " connected account within the hour, and has not listed one.",
            since + BINDING_SECONDS,
            f"resync {case.made_by}",
            "stripe_lists_the_movement_within_the_hour",
        )
    amount = f"{major(abs(case.believed), case.currency)} {case.currency}"
    return Verdict(
        kind,
        Cause.NOT_AT_STRIPE,
        f"The books hold {amount} for an object that Stripe has not shown us.",
        repair=f"resync {case.object_id}",
        rule="stripe_never_showed_it",
    )


def _refund_waits(
    case: Open, refund: Snapshot, since: int, available: Mapping[str, int]
) -> Verdict | None:
    kind, amount = FindingKind.MISSING_AT_STRIPE, major(abs(case.believed), case.currency)
    what = f"The refund of {amount} {case.currency} is pending"
    if refund.status == "requires_action":
        return Verdict(
            kind,
            Cause.REFUND_PENDING,
            f"{what} until the customer has acted.",
            since + CUSTOMER_ACTS_SECONDS,
            rule="the_customer_has_to_act",
        )
    if refund.status != "pending":
        return None
    if refund.detail["pending_reason"] != "insufficient_funds":
        text, until = f"{what} at Stripe.", since + REFUND_SECONDS
        return Verdict(kind, Cause.REFUND_PENDING, text, until, rule="the_refund_is_pending")
    funded = _funded_by(case, since, available)
    return Verdict(
        kind,
        Cause.REFUND_WAITS_FOR_FUNDS,
        f"{what} until the platform's balance can pay it.",
        funded,
        "top the balance up",
        "the_balance_cannot_pay_the_refund",
    )


def _funded_by(case: Open, since: int, available: Mapping[str, int]) -> int:
    """When what becomes available pays the refund; it fails if nothing has in its window."""
    last = since + REFUND_SECONDS
    held = available.get(case.currency, 0)
    for at, net in case.becoming_available:
        held += net
        if held >= abs(case.believed):
            return min(settled_by(at), last)
    return last


def _not_bound(case: Open, snapshot: Snapshot, since: int) -> Verdict:
    """Stripe attaches a movement to its object within the hour."""
    amount = f"{major(abs(case.believed), case.currency)} {case.currency}"
    clear_by, repair = since + BINDING_SECONDS, f"resync {case.object_id}"
    cause, rule = Cause.MOVEMENT_NOT_BOUND, "stripe_lists_the_movement_within_the_hour"
    text = (
        f"The books expect {amount}; Stripe attaches the movement to its object within the hour,"
        " and has not listed one."
    )
    if snapshot.kind is Kind.CHARGE:
        cause, rule = Cause.FEE_NOT_BOUND, "a_charge_is_bound_within_the_hour"
        text = (
            f"{case.object_id} was captured, and Stripe has not listed its movement and fee yet:"
            " they come within the hour."
        )
    if snapshot.kind is Kind.BANK_PAYOUT and snapshot.status in ("pending", "in_transit"):
        cause, rule = Cause.IN_TRANSIT, "the_bank_payout_is_under_way"
        text = f"A bank payout of {amount} is {snapshot.status.replace('_', ' ')}; Stripe lists it"
        text += " by the day on which it arrives."
        clear_by = max(clear_by, settled_by(int(snapshot.detail.get("arrival_date", 0))))
    return Verdict(FindingKind.MISSING_AT_STRIPE, cause, text, clear_by, repair, rule)


def waits(case: Open) -> Verdict | None:
    """Both sides know the object, and Stripe has not done all that its state says."""
    snapshot = case.snapshot
    if snapshot is None:
        return None
    if snapshot.kind is Kind.CHARGE and snapshot.status == "pending":
        available = max(m.available_on for m in case.movements)
        return Verdict(
            kind_of(case),
            Cause.PAYMENT_PENDING,
            f"{case.object_id} has been booked by Stripe and is still pending: its bank answers"
            " by the day on which the money becomes available.",
            settled_by(available),
            f"resync {case.object_id}",
            "the_payment_is_pending",
        )
    if snapshot.kind is Kind.CHARGE:
        partial = _partial_capture(case, snapshot)
        if partial is not None:
            return partial
    if snapshot.kind is Kind.BANK_PAYOUT and case.believed == 0:
        return _on_its_way_back(case, snapshot)
    back, told = case.returned
    returning = snapshot.kind in OUTFLOWS and back < told
    took_back = case.facts == 0 or case.believed == 0
    if returning or took_back or abs(case.facts) < abs(case.believed):
        return Verdict(
            kind_of(case),
            Cause.MOVEMENT_NOT_BOUND,
            f"The books follow the object's newest state ({snapshot.status or 'no status'});"
            " Stripe lists the movement that belongs to it within the hour.",
            (case.booked_at or snapshot.as_of) + BINDING_SECONDS,
            f"resync {case.object_id}",
            "stripe_lists_the_movement_within_the_hour",
        )
    return None


def _partial_capture(case: Open, charge: Snapshot) -> Verdict | None:
    """Stripe may book a charge whole, and give back what was not captured by another movement.
    https://docs.stripe.com/payments/place-a-hold-on-a-payment-method#partial-capture"""
    let_go = -sum(m.amount for m in case.movements if m.reporting_category == RELEASED)
    captured, whole = int(charge.detail["amount_captured"]), charge.amount
    if 0 < captured < whole and case.stripe_amount == whole and not let_go:
        return Verdict(
            kind_of(case),
            Cause.PARTIAL_CAPTURE,
            f"{case.object_id} was captured in part and booked whole; Stripe lists what it lets go"
            " within the hour.",
            case.moved_at + BINDING_SECONDS,
            f"resync {case.object_id}",
            "what_was_not_captured_is_still_to_be_let_go",
        )
    if let_go and case.believed == whole and case.stripe_amount == whole - let_go:
        return Verdict(
            kind_of(case),
            Cause.PARTIAL_CAPTURE,
            f"{case.object_id} was captured in part, and the books hold the whole.",
            repair=f"resync {case.object_id}",
            rule="the_books_hold_what_was_not_captured",
        )
    return None


def _on_its_way_back(case: Open, payout: Snapshot) -> Verdict:
    """A bank payout that failed or was cancelled: its money comes back."""
    named = payout.detail.get("failure_balance_transaction", "")
    since = case.booked_at or payout.as_of
    arrival = int(payout.detail.get("arrival_date", 0)) or payout.created
    clear_by = since + BINDING_SECONDS if named else bank_returns_by(max(arrival, since))
    return Verdict(
        kind_of(case),
        Cause.IN_TRANSIT,
        f"The bank payout {payout.status}, and its money is on its way back to the balance.",
        clear_by,
        f"resync {case.object_id}",
        "a_returned_payout_comes_back",
    )
