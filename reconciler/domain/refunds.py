"""Whether a payment can be given back, how much of it, and why not. Pure.

Amounts are minor units of the payment's currency. Must not know what the policy says.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.family import Family, captured_by_charge
from reconciler.domain.lifecycle import Kind
from reconciler.domain.money import major
from reconciler.domain.payments import Payment
from reconciler.domain.refusals import Refusal

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
"""What Stripe takes; https://docs.stripe.com/api/refunds/create"""

CANCELLABLE = ("awaiting_approval", "pending")
STRIPES_STATUS = {"pending": "pending", "canceled": "cancelled"}


@dataclass(frozen=True, slots=True)
class Target:
    """What to refund at Stripe: a payment, or the one charge of several that was captured."""

    payment: str
    charge: str


def left_to_refund(payment: Payment, promised: int) -> int:
    """What was captured, less refunds that still count, less those on their way."""
    return payment.amount_received - payment.amount_refunded - promised


def refund_refusal(payment: Payment, promised: int, asked_for: int | None) -> Refusal | None:
    """Why so much of the payment (all that is left, without an amount) cannot be given back."""
    if payment.amount_received <= 0:
        return Refusal(
            "payment_not_captured",
            f"Payment {payment.id} is {payment.status.replace('_', ' ')}: no money was taken yet;"
            " cancel it at Stripe instead.",
        )
    if payment.status == "disputed":
        return Refusal(
            "payment_disputed",
            f"Payment {payment.id} is disputed; answer the dispute, and refund only once it has"
            " been closed in your favour.",
        )
    left = left_to_refund(payment, promised)
    currency = payment.currency
    if left <= 0:
        on_its_way = (
            f", {major(promised, currency)} {currency} of it on its way" if promised else ""
        )
        return Refusal(
            "already_refunded",
            f"All of payment {payment.id} has been refunded{on_its_way}; there is nothing left.",
        )
    if asked_for is not None and asked_for > left:
        return Refusal(
            "refund_too_large",
            f"Of payment {payment.id}, {major(left, currency)} {currency} are left to refund; ask"
            " for that or less.",
        )
    return None


def target(family: Family) -> Target:
    """A payment of one charge is refunded as such; of several, the one that was captured."""
    intents, charges = family.of(Kind.PAYMENT_INTENT), family.of(Kind.CHARGE)
    captured = [id for id, (money, _, _) in sorted(captured_by_charge(family).items()) if money]
    alone = len(charges) <= 1 and bool(intents)
    return Target(family.id, "" if alone or not captured else captured[-1])


def terms(reason: str, recovery: str) -> tuple[str, ...]:
    """What a refund does beyond giving money back, in words that an approval's digest covers: what
    Stripe is told of it, and that its cost is taken back from the merchant."""
    told = (f"reason: {reason}",) if reason else ()
    return (*told, "recovered from the merchant") if recovery else told


def unknown(request: str) -> Refusal:
    return Refusal("unknown_refund", f"There is no refund {request[:80]!r} of ours.")


def cancel_refusal(request: str, status: str, refund_id: str) -> Refusal | None:
    """Why a refund can no longer be called off; None if it can."""
    if status in CANCELLABLE and not refund_id:
        return None
    if status in ("cancelled", "failed"):
        return Refusal("already_over", f"Refund {request} is {status}: there is nothing to cancel.")
    return Refusal(
        "already_sent",
        f"Refund {request} was sent to Stripe and cannot be called off here; some can be cancelled"
        " in Stripe's Dashboard for a short time.",
    )


def cost_to_recover(amount: int, owed: int, recovered: int) -> int:
    """How much of a refund is still to be taken back from what the merchant was paid: what its
    balance lacks, but never more than the refund."""
    return max(0, min(amount - recovered, -owed))
