"""What does not agree: the kinds and causes of findings, and the finding itself.

Amounts in minor units; times in epoch seconds. `stripe_amount` and `books_amount` are both
movements of Stripe's balance, as Stripe tells it and as the books expect it; `difference` is Stripe
minus books, signed. How a verdict is reached is in `verdicts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FindingKind(StrEnum):
    """What does not agree. Closed list, part of the interface."""

    MISSING_IN_BOOKS = "missing_in_books"
    MISSING_AT_STRIPE = "missing_at_stripe"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    STATUS_DIFFERS = "status_differs"
    DUPLICATE = "duplicate"
    UNMIRRORED_BALANCE = "unmirrored_balance"
    UNKNOWN_MOVEMENT = "unknown_movement"
    DELIVERY_GAP = "delivery_gap"
    BROKEN_CHAIN = "broken_chain"
    OUTCOME_UNKNOWN = "outcome_unknown"
    INVARIANT_BROKEN = "invariant_broken"


class Cause(StrEnum):
    """Why it does not agree. Documented in docs/findings.md, each with what to do."""

    WEBHOOK_ON_ITS_WAY = "webhook_on_its_way"
    FEE_NOT_BOUND = "fee_not_bound"
    MOVEMENT_NOT_BOUND = "movement_not_bound"
    PAYMENT_PENDING = "payment_pending"
    REFUND_PENDING = "refund_pending"
    REFUND_WAITS_FOR_FUNDS = "refund_waits_for_funds"
    IN_TRANSIT = "in_transit"
    PARTIAL_CAPTURE = "partial_capture"
    NOT_MIRRORED_YET = "not_mirrored_yet"
    READ_PENDING = "read_pending"
    EVENT_NEVER_SENT = "event_never_sent"
    EVENT_NOT_RECEIVED = "event_not_received"
    EVENT_FAILED = "event_failed"
    GAP_NOT_HEALED = "gap_not_healed"
    ENDPOINT_LACKS_TYPES = "endpoint_lacks_types"
    ENDPOINT_VERSION_DIFFERS = "endpoint_version_differs"
    UNUSUAL_SILENCE = "unusual_silence"
    WEBHOOKS_DO_NOT_ARRIVE = "webhooks_do_not_arrive"
    MISSED_UPDATE = "missed_update"
    APPLIED_OUT_OF_ORDER = "applied_out_of_order"
    OVERWRITTEN = "overwritten"
    FIELD_DROPPED = "field_dropped"
    ADJUSTMENT_OUTLIVED = "adjustment_outlived"
    MADE_OUTSIDE = "made_outside"
    DIFFERS_FROM_DECISION = "differs_from_decision"
    SECOND_TRANSFER = "second_transfer"
    SECOND_CHARGE = "second_charge"
    NOT_AT_STRIPE = "not_at_stripe"
    FX = "fx"
    FEE_RULE_DIFFERS = "fee_rule_differs"
    ACCOUNT_RELINKED = "account_relinked"
    COMPOSITION_DIFFERS = "composition_differs"
    WON_NOT_RETURNED = "won_not_returned"
    RETURNED_TWICE = "returned_twice"
    RECOVERY_OPEN = "recovery_open"
    LEG_MISSING = "leg_missing"
    LEG_DIFFERS = "leg_differs"
    REVERSED_ON_ONE_SIDE = "reversed_on_one_side"
    CONVERSION_DIFFERS = "conversion_differs"
    LEG_WITHOUT_TRANSFER = "leg_without_transfer"
    ACCOUNT_NOT_READABLE = "account_not_readable"
    BANK_PAYOUT_FAILED = "bank_payout_failed"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_STATUS = "unknown_status"
    UNREADABLE_FEE = "unreadable_fee"
    NO_ANSWER = "no_answer"
    SERVICE_DEFECT = "service_defect"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree, as a run reports it."""

    kind: FindingKind
    cause: Cause
    stripe_account: str
    reference: str
    currency: str
    stripe_amount: int
    books_amount: int
    explanation: str
    expected_clear_by: int = 0
    at_risk: int = 0
    repair: str = ""
    evidence: tuple[dict[str, Any], ...] = ()
    suppression: str = ""  # the one that sets it aside, if one does

    @property
    def difference(self) -> int:
        return self.stripe_amount - self.books_amount

    def is_timing(self, now: int) -> bool:
        """Whether it should still clear by itself."""
        return now < self.expected_clear_by

    def status(self, now: int) -> str:
        """How it stands when it is found."""
        if self.is_timing(now):
            return "timing"
        return "suppressed" if self.suppression else "open"

    def told(self) -> dict[str, Any]:
        """The finding as it is kept, as far as it says what differs."""
        return {
            "kind": self.kind.value,
            "cause": self.cause.value,
            "stripe_account": self.stripe_account,
            "reference": self.reference,
            "currency": self.currency,
            "stripe_amount": self.stripe_amount,
            "books_amount": self.books_amount,
            "at_risk": self.at_risk,
            "evidence": list(self.evidence),
        }


def rule(name: str, because: str, **facts: Any) -> dict[str, Any]:
    """The first piece of a finding's evidence: the rule that decided, and what it rests on."""
    return {"rule": name, "because": because, **facts}


def total(findings: Sequence[Finding], currency: str) -> int:
    """The signed sum of the differences in one currency."""
    return sum(f.difference for f in findings if f.currency == currency)
