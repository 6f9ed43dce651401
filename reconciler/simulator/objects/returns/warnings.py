"""Early fraud warnings: a card issuer tells that a charge may be fraudulent. No money moves."""

from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import events

KIND = "radar.early_fraud_warning"
_FRAUD_TYPES = (
    "card_never_received",
    "fraudulent_card_application",
    "made_with_counterfeit_card",
    "made_with_lost_card",
    "made_with_stolen_card",
    "misc",
    "unauthorized_use_of_card",
)


def warn(call: Call, charge: Json, fraud_type: str = "made_with_stolen_card") -> Json:
    """The issuer sends a warning about this charge."""
    if fraud_type not in _FRAUD_TYPES:
        raise refused(f"No such fraud type: {fraud_type}", param="fraud_type")
    warning: Json = {
        "id": call.world.ids.new("issfr"),
        "object": KIND,
        "actionable": _actionable(charge),
        "charge": charge["id"],
        "created": call.now,
        "fraud_type": fraud_type,
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    call.world.put(call.book, KIND, warning)
    call.book.belong(charge["id"], "warnings", warning["id"])
    events.emit(call, "radar.early_fraud_warning.created", warning)
    return warning


def settle(call: Call, charge: Json) -> None:
    """Once a charge is disputed or given back, nothing is left to be done about its warnings."""
    for warning in call.book.belonging(charge["id"], "warnings", KIND):
        changes = {"actionable": _actionable(charge)}
        events.amend(call, warning, changes, "radar.early_fraud_warning.updated")


def retrieve(call: Call) -> Json:
    return call.book.get(KIND, call.path["id"])


def listing(call: Call) -> Json:
    return page(call, call.book.shelf(KIND), equal=("charge", "payment_intent"))


def _actionable(charge: Json) -> bool:
    return not charge["disputed"] and not charge["refunded"]
