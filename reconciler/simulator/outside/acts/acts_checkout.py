"""What customers do on a checkout page, as acts: the page itself does the same through these."""

from typing import Any

from reconciler.simulator.kernel.refusals import Refusal, no_such
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.methods import methods, setups
from reconciler.simulator.objects.payments import payments
from reconciler.simulator.objects.selling import checkout, checkout_course
from reconciler.simulator.outside.acts.acting import Acting

_DECLINED = 402


class CheckoutActs(Acting):
    def complete_checkout(
        self,
        session: str,
        card: str = "pm_card_visa",
        email: str | None = None,
        name: str | None = None,
        authenticate: bool = True,
    ) -> Json:
        """A customer pays, or leaves a card; the session, also when the card was declined.

        `card` may also be the number of a test card or a test IBAN. If the bank wants to know
        that it is its customer, the customer passes unless told otherwise.
        """
        call, thing = self._checkout(session)
        checkout_course.check_open(thing)
        method = _method(call, card, {"email": email, "name": name})
        try:
            checkout_course.confirm(call, thing, method)
            waiting = intent_of(call, thing)
            if authenticate and waiting and waiting["status"] == "requires_action":
                proves = payments if waiting["object"] == "payment_intent" else setups
                proves.authenticate(call, waiting)
        except Refusal as refusal:
            if refusal.status != _DECLINED or intent_of(call, thing) is None:
                raise
        return self._done(call, thing)

    def abandon_checkout(self, session: str) -> Json:
        """A customer leaves and never comes back: the session expires, without waiting for it."""
        call, thing = self._checkout(session)
        checkout.end(call, thing)
        return self._done(call, thing)

    def _checkout(self, session: str) -> tuple[Call, Json]:
        call, thing = self._about(session, "checkout.session")
        if thing["object"] != "checkout.session":
            raise no_such("checkout.session", session)
        return call, thing


def intent_of(call: Call, session: Json) -> Json | None:
    """The intent behind a session, once there is one."""
    for kind in ("payment_intent", "setup_intent"):
        if session[kind]:
            return call.book.get(kind, session[kind])
    return None


def _method(call: Call, given: str, billing: Json) -> Json:
    """The payment method that was chosen by name, or typed by number."""
    told = {name: value for name, value in billing.items() if value}
    number = "".join(given.split())
    if given.startswith(("pm_", "tok_")):
        method = methods.method_for(call, given)
        method["billing_details"] = {**method["billing_details"], **told}
        return method
    data: dict[str, Any] = {"type": "card", "card": {**_EXPIRY, "number": number}}
    if number[:2].isalpha():
        data = {"type": "sepa_debit", "sepa_debit": {"iban": number}}
        told = {"email": "customer@example.com", "name": "A Customer", **told}
    return methods.from_data(call, {**data, "billing_details": told})


_EXPIRY = {"cvc": "123", "exp_month": "12", "exp_year": "2034"}
