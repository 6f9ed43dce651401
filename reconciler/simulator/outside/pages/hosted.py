"""The pages that Stripe shows to merchants: onboarding, and the Express Dashboard.

They show what is known and pass on what was chosen; what that leads to is decided by the acts they
call, which anybody can call as well. A link opens them once and for a while only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.simulator.kernel.form import decode
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.world import Book, Json, World
from reconciler.simulator.objects.connect import account_data, links, requirements
from reconciler.simulator.outside.pages import layout
from reconciler.simulator.outside.pages.hosted_words import asked_for, capability, standing

if TYPE_CHECKING:
    from reconciler.simulator.simulator import Simulator

_PAYOUTS_SHOWN = 10
_GONE = (
    410,
    "This link cannot be used any more",
    "Links work once, and only for a few minutes. Go back to where you found it and ask for a new "
    "one.",
)


class Hosted:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    @property
    def _world(self) -> World:
        return self._simulator.world

    def routes(self) -> list[Route]:
        both = ["GET", "POST"]
        return [
            Route(f"{links.SETUP}/{{account}}/{{token}}", self.setup, methods=["GET"]),
            Route(f"{links.ONBOARDING}/{{session}}", self.onboarding, methods=both),
            Route(f"{links.LOGIN}/{{account}}/{{token}}", self.login, methods=["GET"]),
            Route(f"{links.DASHBOARD}/{{session}}", self.dashboard, methods=both),
        ]

    # Onboarding.

    async def setup(self, request: Request) -> Response:
        """An account link: used up by following it, it leads to a session or back."""
        if request.method == "HEAD":  # a look at a link does not use it up
            return Response()
        self._world.clock.catch_up()
        link, session = links.follow(
            self._world,
            "account_link",
            request.path_params["token"],
            request.path_params["account"],
        )
        if link is None:
            return layout.problem(*_GONE)
        if session is None:
            return layout.go(link["refresh_url"])
        return layout.go(f"{links.ONBOARDING}/{session['id']}")

    async def onboarding(self, request: Request) -> Response:
        self._world.clock.catch_up()
        token = request.path_params["session"]
        found = links.session(self._world, "account_link", token)
        if found is None:
            link = links.link_of(self._world, "account_link", token)
            return layout.go(link["refresh_url"]) if link else layout.problem(*_GONE)
        session, link, book = found
        if request.method != "POST":
            return self._onboarding_page(book, link)
        chosen = decode((await request.body()).decode(errors="replace")).get("choice")
        if chosen not in ("complete", "check", "unreadable", "leave"):
            return layout.problem(400, "Nothing was chosen", "Go back and choose what happens.")
        self._hand_in(book, str(chosen))
        session["finished"] = True
        return layout.go(link["return_url"])

    def _hand_in(self, book: Book, chosen: str) -> None:
        acts = self._simulator.acts
        if chosen == "complete":
            acts.meet_requirements(book.id)
        elif chosen != "leave":
            acts.submit_requirements(book.id, readable=chosen == "check")

    def _onboarding_page(self, book: Book, link: Json) -> Response:
        account = book.account
        wanted = account["requirements"]["currently_due"]
        if not wanted and link["fields"] == "eventually_due":
            wanted = account["requirements"]["eventually_due"]
        return layout.page(
            "onboarding.html",
            leads_to=[link["return_url"]],
            title="Set up payments",
            platform=_platform_name(self._world),
            account=account,
            asked=asked_for(wanted),
            back=urlsplit(link["return_url"]).netloc,
            deadline=account["requirements"]["current_deadline"],
            late=account["details_submitted"] and account["requirements"]["past_due"],
            errors=account["requirements"]["errors"],
            checking=asked_for(account["requirements"]["pending_verification"]),
            wanted=[capability(name) for name in account["capabilities"]],
        )

    # The Express Dashboard.

    async def login(self, request: Request) -> Response:
        """A login link: used up by following it."""
        if request.method == "HEAD":
            return Response()
        self._world.clock.catch_up()
        _, session = links.follow(
            self._world, "login_link", request.path_params["token"], request.path_params["account"]
        )
        if session is None:
            return layout.problem(*_GONE)
        return layout.go(f"{links.DASHBOARD}/{session['id']}")

    async def dashboard(self, request: Request) -> Response:
        self._world.clock.catch_up()
        found = links.session(self._world, "login_link", request.path_params["session"])
        if found is None:
            return layout.problem(*_GONE)
        session, _, book = found
        if request.method != "POST":
            return self._dashboard_page(book)
        chosen = decode((await request.body()).decode(errors="replace")).get("choice")
        if chosen == "leave":
            session["finished"] = True
            return layout.problem(200, "You are logged out", "You can close this window.")
        try:
            self._hand_in(book, "complete" if chosen == "complete" else "leave")
        except Refusal as refusal:
            return layout.problem(refusal.status, "This did not work", str(refusal))
        return layout.go(str(request.url.path))

    def _dashboard_page(self, book: Book) -> Response:
        account = book.account
        payouts = list(book.shelf("payout").values())[::-1][:_PAYOUTS_SHOWN]
        return layout.page(
            "dashboard.html",
            title="Express Dashboard",
            platform=_platform_name(self._world),
            account=account,
            name=_merchant_name(account),
            balances=_balances(book),
            payouts=payouts,
            payout_words=_PAYOUT_WORDS,
            banks=requirements.external_accounts(book),
            schedule=account["settings"]["payouts"]["schedule"],
            standing=standing(account),
            asked=asked_for(account["requirements"]["currently_due"]),
        )


_PAYOUT_WORDS = {
    "pending": ("Pending", ""),
    "in_transit": ("In transit", ""),
    "paid": ("Paid", "good"),
    "failed": ("Failed", "bad"),
    "canceled": ("Canceled", "warn"),
}


def _balances(book: Book) -> list[Json]:
    """What the account has in each currency; its own first, even when there is nothing."""
    own = book.account["default_currency"]
    held = {currency: sides for currency, sides in book.totals.items() if any(sides.values())}
    currencies = [own, *sorted(currency for currency in held if currency != own)]
    return [
        {
            "currency": currency,
            "available": held.get(currency, {}).get("available", 0),
            "pending": held.get(currency, {}).get("pending", 0),
        }
        for currency in currencies
    ]


def _platform_name(world: World) -> str:
    home = world.home.account
    name = home["settings"]["dashboard"]["display_name"] or home["business_profile"]["name"]
    return str(name or "The platform")


def _merchant_name(account: Json) -> str:
    """As the merchant calls the business, or as the platform knows them."""
    company = account_data.held(account, "company") or {}
    person = account_data.held(account, "individual") or {}
    full = " ".join(filter(None, (person.get("first_name"), person.get("last_name"))))
    named = account["business_profile"]["name"] or company.get("name") or full
    return str(named or account["email"] or account["id"])
