"""Links that a platform hands to its merchants: to onboarding, and to their own Dashboard.

Both work once. Following one opens a session, which then can be reloaded; the pages themselves are
served elsewhere.
"""

from typing import Any
from urllib.parse import urlsplit

from reconciler.simulator.kernel.refusals import missing_parameter, no_such, refused
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects.connect import account_data
from reconciler.simulator.objects.connect.account_access import connected

_LINK_SECONDS = 300
_SESSION_SECONDS = 3600

ONBOARDING = "/_simulator/connect/onboarding"
SETUP = "/_simulator/connect/setup"
DASHBOARD = "/_simulator/connect/dashboard"
LOGIN = "/_simulator/connect/login"


def create(call: Call) -> Json:
    """A single-use address where a merchant hands in what is missing."""
    named, kind = call.form.needed("account"), call.form.needed("type")
    book = call.world.books.get(named)
    if book is None or book.deleted or named == call.world.platform or not call.on_platform:
        raise no_such("account", named, "account")
    wanted: dict[str, Any] = {}
    for name in ("refresh_url", "return_url"):
        wanted[name] = _url(name, call.form.text(name))
    collected = book.account["controller"].get("requirement_collection")
    if kind == "account_update" and collected != "application":
        raise refused(
            "You cannot create `account_update` type Account Links for this account. Valid types "
            'for this account are ["account_onboarding"].',
            param="type",
        )
    if collected == "stripe":
        book.account["_handed_over"] = True
        account_data.mask(book.account)
    fields = call.form.mapping("collection_options").get("fields") or call.form.text("collect")
    return _link(call, SETUP, "account_link", book, type=kind, fields=fields, **wanted)


def create_login(call: Call) -> Json:
    book = connected(call)
    dashboard = book.account["controller"].get("stripe_dashboard", {}).get("type")
    if dashboard != "express":
        raise refused(
            f"Cannot create an edit link for the account {book.id}, which is not an Express "
            "account."
        )
    if not book.account["details_submitted"]:
        raise refused(
            "Cannot create a login link for an account that has not completed onboarding."
        )
    return _link(call, LOGIN, "login_link", book)


def follow(world: World, kind: str, token: str, account: str) -> tuple[Json | None, Json | None]:
    """Use a link up: the link, if it ever existed, and the session it opens, if it still works."""
    link = world.home.shelf(kind).get(token)
    if link is None or link["account"] != account:
        return None, None
    book = world.books[link["account"]]
    if link["followed"] or link["expires_at"] <= world.clock.now() or book.deleted:
        return link, None
    link["followed"] = True
    session = {
        "id": world.ids.new("session").removeprefix("session_"),
        "object": f"{kind}_session",
        "account": link["account"],
        "expires_at": world.clock.now() + _SESSION_SECONDS,
        "finished": False,
        "link": token,
    }
    world.home.shelf(f"{kind}_session")[session["id"]] = session
    return link, session


def session(world: World, kind: str, token: str) -> tuple[Json, Json, Book] | None:
    """An open session, its link and its account; None when it is over."""
    found = world.home.shelf(f"{kind}_session").get(token)
    if found is None or found["finished"] or found["expires_at"] <= world.clock.now():
        return None
    book = world.books[found["account"]]
    if book.deleted:
        return None
    return found, world.home.shelf(kind)[found["link"]], book


def link_of(world: World, kind: str, token: str) -> Json | None:
    """The link behind a session, also when the session is over."""
    found = world.home.shelf(f"{kind}_session").get(token)
    return world.home.shelf(kind).get(found["link"]) if found else None


def _link(call: Call, path: str, kind: str, book: Book, **more: Any) -> Json:
    token = call.world.ids.new("link").removeprefix("link_")
    kept: Json = {
        "id": token,
        "object": kind,
        "account": book.id,
        "created": call.now,
        "expires_at": call.now + _LINK_SECONDS,
        "followed": False,
        **more,
    }
    call.world.home.shelf(kind)[token] = kept
    shown: Json = {"object": kind, "created": call.now}
    if kind == "account_link":
        shown["expires_at"] = kept["expires_at"]
    return {**shown, "url": f"{call.address}{path}/{book.id}/{token}"}


def _url(name: str, given: str | None) -> str:
    """An address that a browser can be sent to, and nothing that it would run."""
    if given is None:
        raise missing_parameter(name)
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise refused("Not a valid URL", "url_invalid", name)
    return given
