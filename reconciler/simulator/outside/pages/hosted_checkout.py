"""The page where a customer pays or leaves a card: a checkout session, seen from the other side.

It shows a session and passes on what was chosen; what that leads to is decided by the acts it
calls, which anybody can call as well. Only test cards work, and no number is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.simulator.kernel.form import decode
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.selling import checkout_items
from reconciler.simulator.outside.acts.acts_checkout import intent_of
from reconciler.simulator.outside.pages import layout

if TYPE_CHECKING:
    from reconciler.simulator.simulator import Simulator


class Choice(NamedTuple):
    """A test payment method that the page offers."""

    value: str
    name: str
    effect: str


_CARDS = (
    Choice("pm_card_visa", "Visa ending in 4242", "Succeeds"),
    Choice("pm_card_mastercard", "Mastercard ending in 4444", "Succeeds"),
    Choice("pm_card_authenticationRequired", "Visa ending in 3184", "The bank asks for 3-D Secure"),
    Choice("pm_card_visa_chargeDeclined", "Visa ending in 0002", "Declined"),
    Choice(
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "Visa ending in 9995",
        "Declined: insufficient funds",
    ),
    Choice("pm_card_chargeDeclinedExpiredCard", "Visa ending in 0069", "Declined: expired"),
)
_TO_PAY = (
    Choice("pm_card_bypassPending", "Visa ending in 0077", "Paid, and available at once"),
    Choice("pm_card_createDispute", "Visa ending in 0259", "Paid, then disputed as fraudulent"),
    Choice("pm_card_refundFail", "Visa ending in 5126", "Paid; a refund fails later"),
)
_TO_SAVE = (
    Choice("pm_card_chargeCustomerFail", "Visa ending in 0341", "Saved; every charge fails later"),
    Choice(
        "pm_card_authenticationRequiredOnSetup",
        "Visa ending in 3155",
        "3-D Secure now, and never again",
    ),
)
_DEBITS = {
    "sepa_debit": (
        Choice("AT611904300234573201", "SEPA account ending in 3201", "Paid after a while"),
        Choice("AT861904300235473202", "SEPA account ending in 3202", "Fails after a while"),
    ),
    "us_bank_account": (
        Choice("pm_usBankAccount_success", "US account ending in 6789", "Paid after a while"),
        Choice(
            "pm_usBankAccount_insufficientFunds",
            "US account ending in 2227",
            "Fails after a while",
        ),
    ),
}
_ALL = (*_CARDS, *_TO_PAY, *_TO_SAVE, *(choice for kind in _DEBITS.values() for choice in kind))
_TYPED = "number"
_VERBS = {"payment": "Pay", "setup": "Save card", "subscription": "Subscribe"}


class CheckoutPages:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        return [
            Route("/c/pay/{session}", self.show, methods=["GET"]),
            Route("/c/pay/{session}", self.confirm, methods=["POST"]),
            Route("/c/pay/{session}/authentication", self.authenticate, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        self._simulator.world.clock.catch_up()
        return self._show(request)

    async def confirm(self, request: Request) -> Response:
        """Pay or save with the chosen card, then go on to where the platform wants its customer."""
        given = decode((await request.body()).decode(errors="replace"))
        session, card = request.path_params["session"], _chosen(given)
        if not card:
            return self._show(request, "Choose a card, or type the number of a test card.", 400)
        try:
            self._simulator.acts.complete_checkout(
                session,
                card=card,
                email=_text(given, "email") or None,
                name=_text(given, "name") or None,
                authenticate=False,
            )
        except Refusal as refusal:
            return self._show(request, str(refusal), refusal.status)
        return self._show(request, going_on=True)

    async def authenticate(self, request: Request) -> Response:
        """What the customer answers the bank."""
        given = decode((await request.body()).decode(errors="replace"))
        found = self._found(request)
        intent = intent_of(*found) if found else None
        if intent is not None and intent["status"] == "requires_action":
            try:
                passed = _text(given, "outcome") == "passed"
                self._simulator.acts.authenticate(intent["id"], success=passed)
            except Refusal as refusal:
                return self._show(request, str(refusal), refusal.status)
        return self._show(request, going_on=True)

    def _found(self, request: Request) -> tuple[Call, Json] | None:
        found = self._simulator.world.find(request.path_params["session"])
        if found is None or found[1].get("object") != "checkout.session":
            return None
        return Call(self._simulator.world, found[0]), found[1]

    def _show(
        self, request: Request, problem: str = "", status: int = 200, going_on: bool = False
    ) -> Response:
        """The page as things stand; `going_on` when something was done just now."""
        found = self._found(request)
        if found is None:
            return layout.problem(404, "No such page", "There is no checkout session here.")
        call, session = found
        if session["status"] == "expired":
            text = "This checkout session has expired. Nothing was charged."
            return layout.problem(410, "Too late", text)
        if session["status"] == "complete":
            leads_to = _leading_to(session)
            if going_on and leads_to:
                return layout.go(leads_to)
            text = "This checkout is complete. There is nothing more to do here."
            return layout.problem(200, "All done", text)
        return _page(call, session, problem, status)


def _page(call: Call, session: Json, problem: str, status: int) -> Response:
    intent = intent_of(call, session)
    shown: dict[str, Any] = {
        "seller": _seller(call.book),
        "session": session,
        "leads_to": [url for url in (_leading_to(session), session["cancel_url"]) if url],
    }
    if intent is not None and intent["status"] == "requires_action" and not problem:
        return layout.page("checkout_bank.html", title="Your bank", intent=intent, **shown)
    return layout.page(
        "checkout.html",
        status=status,
        title=_VERBS[session["mode"]],
        problem=problem or _declined(intent),
        items=_shown_items(call, session),
        choices=_choices(session),
        typed=_TYPED,
        verb=_verb(session),
        **shown,
    )


def _verb(session: Json) -> str:
    if session["mode"] == "payment" and session["submit_type"] in ("book", "donate"):
        return str(session["submit_type"]).capitalize()
    return _VERBS[session["mode"]]


def _choices(session: Json) -> list[Choice]:
    types, saving = session["payment_method_types"], session["mode"] != "payment"
    cards = (*_CARDS, *(_TO_SAVE if saving else _TO_PAY)) if "card" in types else ()
    return [*cards, *(choice for kind in types for choice in _DEBITS.get(kind, ()))]


def _shown_items(call: Call, session: Json) -> list[Json]:
    rows = []
    for item in checkout_items.of(call, session):
        again = call.book.get("price", item["price"])["recurring"]
        rows.append({**item, "every": _every(again) if again else ""})
    return rows


def _every(period: Json) -> str:
    count, interval = period["interval_count"], period["interval"]
    return f"every {interval}" if count == 1 else f"every {count} {interval}s"


def _declined(intent: Json | None) -> str:
    """Why the last try did not work, which the intent remembers."""
    error = (intent or {}).get("last_payment_error") or (intent or {}).get("last_setup_error")
    return str(error["message"]) if error else ""


def _seller(book: Book) -> str:
    profile, settings = book.account.get("business_profile"), book.account.get("settings")
    dashboard = (settings or {}).get("dashboard") or {}
    return str((profile or {}).get("name") or dashboard.get("display_name") or book.id)


def _leading_to(session: Json) -> str:
    url = session["success_url"] or session.get("return_url") or ""
    return str(url).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _chosen(given: Json) -> str:
    """A number if one was typed, or one of the choices; no id of what others have saved."""
    number, card = "".join(_text(given, _TYPED).split()), _text(given, "card")
    if number or card == _TYPED:
        return number if number.isalnum() else ""
    return card if any(card == choice.value for choice in _ALL) else ""


def _text(given: Json, name: str) -> str:
    value = given.get(name)
    return value.strip() if isinstance(value, str) else ""
