"""The page of a customer's bank: 3-D Secure, for a payment or a card that is being saved.

It asks, and passes the answer on to the act anybody can call as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.simulator.kernel.form import decode
from reconciler.simulator.kernel.world import Book, Json
from reconciler.simulator.outside.pages import layout

if TYPE_CHECKING:
    from reconciler.simulator.simulator import Simulator

ADDRESS = "/_simulator/authenticate"
_KINDS = {"pi_": "payment_intent", "seti_": "setup_intent"}


class Authentication:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        return [Route(f"{ADDRESS}/{{intent}}", self.ask, methods=["GET", "POST"])]

    async def ask(self, request: Request) -> Response:
        world = self._simulator.world
        world.clock.catch_up()
        found = world.find(request.path_params["intent"])
        if found is None or found[1]["object"] not in _KINDS.values():
            return layout.problem(404, "Nothing to confirm", "There is no such payment.")
        book, intent = found
        if intent["status"] != "requires_action":
            return self._over(intent)
        back = _back(intent)
        if request.method != "POST":
            return self._page(book, intent, back)
        chosen = decode((await request.body()).decode(errors="replace")).get("choice")
        if chosen not in ("approve", "fail"):
            return layout.problem(400, "Nothing was chosen", "Go back and choose what happens.")
        self._simulator.acts.authenticate(intent["id"], success=chosen == "approve")
        return layout.go(_with(back, intent)) if back else self._over(intent)

    def _page(self, book: Book, intent: Json, back: str | None) -> Response:
        method = book.shelf("payment_method").get(intent["payment_method"] or "") or {}
        account = book.account
        name = (
            account["settings"]["dashboard"]["display_name"] or account["business_profile"]["name"]
        )
        return layout.page(
            "authenticate.html",
            leads_to=[back] if back else [],
            title="Confirm with your bank",
            intent=intent,
            merchant=name or "the merchant",
            method=method,
            card=method.get("card"),
        )

    def _over(self, intent: Json) -> Response:
        """Nobody to send the customer back to, or nothing to ask any more."""
        good = intent["status"] in ("succeeded", "processing", "requires_capture")
        title = "Confirmed" if good else "Nothing to confirm"
        state = intent["status"].replace("_", " ")
        return layout.problem(200, title, f"{intent['id']} is now: {state}. Close this window.")


def _back(intent: Json) -> str | None:
    action = intent["next_action"] or {}
    url = (action.get("redirect_to_url") or {}).get("return_url") or intent.get("_return_url")
    return str(url) if url else None


def _with(url: str, intent: Json) -> str:
    """Where to go back to, with what Stripe adds: which intent it was, and its secret."""
    kind = intent["object"]
    added = f"{kind}={intent['id']}&{kind}_client_secret={intent['client_secret']}"
    return f"{url}{'&' if '?' in url else '?'}{added}&source_type=card"
