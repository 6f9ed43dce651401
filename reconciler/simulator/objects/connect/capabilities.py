"""Capabilities: what an account asked to be able to do, and whether it may."""

from typing import Any

from reconciler.simulator.kernel.form import Form
from reconciler.simulator.kernel.refusals import no_such
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.connect.account_access import connected
from reconciler.simulator.objects.connect.account_changes import capability, changing

_USUAL = ("card_payments", "transfers")
_ALONE = (
    "app_distribution",
    "card_issuing",
    "legacy_payments",
    "tax_reporting_us_1099_k",
    "tax_reporting_us_1099_misc",
    "transfers",
    "treasury",
)


def listing(call: Call) -> Json:
    """All that were asked for; they are few, and listed at once."""
    book = connected(call)
    rows = [capability(book, call.now, name) for name in sorted(book.account["capabilities"])]
    return {"object": "list", "data": rows, "has_more": False}


def retrieve(call: Call) -> Json:
    book = connected(call)
    return capability(book, call.now, _known(call))


def update(call: Call) -> Json:
    """Ask for a capability, or no longer."""
    book, name = connected(call), _known(call)
    if "requested" in call.form:
        with changing(call.at(book)):
            ask(book.account, {name: {"requested": call.form.flag("requested")}}, call.now)
    return capability(book, call.now, name)


def wanted(form: Form) -> dict[str, Any]:
    """What a form asks for, or, the older way, names in a list."""
    named = {name: {"requested": "true"} for name in form.texts("requested_capabilities")}
    return {**named, **form.mapping("capabilities")}


def ask(account: Json, wanted: dict[str, Any], now: int) -> None:
    """Take over what a form asks for."""
    requested = account["_requested"]
    for name, detail in wanted.items():
        asked = detail.get("requested") if isinstance(detail, dict) else None
        if str(asked).lower() == "true":
            requested.setdefault(name, now)
        elif asked is not None:
            requested.pop(name, None)
            account["_withheld"].pop(name, None)


def _known(call: Call) -> str:
    name = call.path["capability"]
    if not name.endswith("_payments") and name not in _ALONE:
        raise no_such("capability", name)
    return name
