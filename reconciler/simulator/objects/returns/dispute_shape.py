"""What a dispute looks like when it comes, and which evidence can be put into it."""

from dataclasses import dataclass

from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.payments import charges
from reconciler.simulator.objects.returns.refund_money import method_kind

_NETWORK_CODES = {
    "credit_not_processed": "13.6",
    "duplicate": "12.6.1",
    "fraudulent": "10.4",
    "product_not_received": "13.1",
    "product_unacceptable": "13.3",
    "subscription_canceled": "13.2",
}
_OTHER_CODE = "13.7"
_INQUIRY_CODE = "10"

EVIDENCE_TEXTS = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
)
EVIDENCE_FILES = (
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
)


@dataclass(frozen=True)
class Case:
    """What a bank says of a dispute when it opens it. Without an amount it is about everything."""

    reason: str = "fraudulent"
    inquiry: bool = False
    prevented: bool = False
    amount: int | None = None
    network_reason_code: str | None = None

    @property
    def status(self) -> str:
        if self.prevented:
            return "prevented"
        return "warning_needs_response" if self.inquiry else "needs_response"

    @property
    def type(self) -> str:
        if self.prevented:
            return "resolution"
        return "inquiry" if self.inquiry else "chargeback"

    @property
    def code(self) -> str:
        if self.network_reason_code:
            return self.network_reason_code
        return _INQUIRY_CODE if self.inquiry else _NETWORK_CODES.get(self.reason, _OTHER_CODE)


def answerable(charge: Json) -> bool:
    """Banks take no evidence about a debit: the customer gets the money back, and that is all."""
    return method_kind(charge) in ("amazon_pay", "card", "klarna", "paypal")


def due_by(call: Call) -> int:
    return call.world.clock.midnight(call.settings.dispute_answer_days + 1) - 1


def _method_details(charge: Json, case: Case) -> Json:
    """Of cards only: what else can be disputed shows no details."""
    if method_kind(charge) != "card":
        return {}
    brand = charge["payment_method_details"]["card"]["brand"]
    network = charge["payment_method_details"]["card"].get("network") or brand
    card = {"brand": brand, "case_type": case.type, "network": network}
    return {
        "payment_method_details": {
            "card": {**card, "network_reason_code": case.code},
            "type": "card",
        }
    }


def blank(call: Call, charge: Json, case: Case) -> Json:
    return {
        "id": call.world.ids.new("du"),
        "object": "dispute",
        "amount": case.amount or charges.refundable(charge) or charge["amount_captured"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": _no_evidence(),
        "evidence_details": {
            "due_by": due_by(call) if answerable(charge) else 0,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": case.status != "needs_response",
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        **_method_details(charge, case),
        "reason": case.reason,
        "status": case.status,
    }


def _no_evidence() -> Json:
    names = sorted((*EVIDENCE_TEXTS, *EVIDENCE_FILES, "enhanced_evidence"))
    return {name: {} if name == "enhanced_evidence" else None for name in names}
