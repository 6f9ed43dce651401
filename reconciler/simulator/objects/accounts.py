"""Accounts: the platform itself, and the connected accounts it opens.

A connected account has a book of its own. Its news goes to Connect endpoints only.
"""

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import missing_parameter, no_such, refused
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects import events

_LINK_SECONDS = 300
_WANTED = ["external_account", "tos_acceptance.date", "tos_acceptance.ip"]
_CURRENCY_OF = {
    "US": "usd",
    "GB": "gbp",
    "CH": "chf",
    "CA": "cad",
    "AU": "aud",
    "JP": "jpy",
    "SE": "sek",
    "NO": "nok",
    "DK": "dkk",
    "PL": "pln",
}


def open_platform(world: World) -> Book:
    """The account whose key everyone uses."""
    account = _blank(world, "US", world.settings.settlement_currencies[0])
    account.update(type="standard", capabilities={"card_payments": "active", "transfers": "active"})
    _enable(account)
    book = Book(account)
    world.books[book.id] = book
    world.platform = book.id
    return book


def create(call: Call) -> Json:
    form = call.form
    country = (form.text("country") or "US").upper()
    requested = form.mapping("capabilities")
    account = _blank(call.world, country, _CURRENCY_OF.get(country, "eur"))
    account.update(
        business_type=form.text("business_type"),
        capabilities=dict.fromkeys(requested, "inactive"),
        email=form.text("email"),
        metadata=form.metadata(),
        type=form.choice("type", ("express", "custom", "standard")) or "express",
    )
    book = Book(account)
    call.world.books[book.id] = book
    return account


def update(call: Call) -> Json:
    book = _book(call)
    account, form = book.account, call.form
    changes: Json = {"metadata": merged(account["metadata"], form.metadata())}
    for name in ("email", "business_type"):
        if name in form:
            changes[name] = form.text(name)
    asked = dict.fromkeys(form.mapping("capabilities"), "inactive")
    changes["capabilities"] = {**asked, **account["capabilities"]}
    events.amend(call.at(book), account, changes, "account.updated")
    return account


def delete(call: Call) -> Json:
    book = _book(call)
    if any(sum(sides.values()) for sides in book.totals.values()):
        raise refused("This account has a non-zero balance and cannot be deleted.")
    book.deleted = True
    return {"id": book.id, "object": "account", "deleted": True}


def retrieve(call: Call) -> Json:
    book = call.world.books.get(call.path["id"])
    if book is None:
        raise no_such("account", call.path["id"])
    return {"id": book.id, "object": "account", "deleted": True} if book.deleted else book.account


def retrieve_own(call: Call) -> Json:
    return call.book.account


def listing(call: Call) -> Json:
    connected = {
        book.id: book.account for book in call.world.live_books() if book.id != call.world.platform
    }
    return page(call, connected)


def link(call: Call) -> Json:
    """A single-use address where a merchant hands in what is missing."""
    book = call.world.books.get(call.form.needed("account"))
    if book is None or book.deleted:
        raise no_such("account", call.form.needed("account"), "account")
    for name in ("refresh_url", "return_url"):
        if call.form.text(name) is None:
            raise missing_parameter(name)
    kind = call.form.needed("type")
    if kind == "account_update" and book.account["type"] == "express":
        raise refused(
            "You cannot create `account_update` type Account Links for this account.", param="type"
        )
    token = call.world.ids.new("link").removeprefix("link_")
    return {
        "object": "account_link",
        "created": call.now,
        "expires_at": call.now + _LINK_SECONDS,
        "url": f"https://connect.stripe.com/setup/e/{book.id}/{token}",
    }


def login_link(call: Call) -> Json:
    book = _book(call)
    url = f"https://connect.stripe.com/express/{book.id}"
    return {"object": "login_link", "created": call.now, "url": url}


def set_capability(call: Call, name: str, status: str) -> Json:
    """Stripe's review of a merchant, as it shows from outside."""
    account = call.book.account
    changes: Json = {"capabilities": {**account["capabilities"], name: status}}
    if status == "active":
        changes.update(_enabled(account))
    else:
        reason = "requirements.past_due"
        changes["requirements"] = {
            **account["requirements"],
            "currently_due": list(_WANTED),
            "disabled_reason": reason,
        }
        changes["payouts_enabled"] = False
    events.amend(call, account, changes, "account.updated")
    capability = {
        "id": name,
        "object": "capability",
        "account": call.book.id,
        "requested": True,
        "status": status,
    }
    events.emit(call, "capability.updated", capability)
    return account


def _book(call: Call) -> Book:
    book = call.world.books.get(call.path["id"])
    if book is None or book.deleted:
        raise no_such("account", call.path["id"])
    return book


def _enable(account: Json) -> None:
    account.update(_enabled(account))


def _enabled(account: Json) -> Json:
    """What changes when nothing is missing any more."""
    nothing_due: Json = {"currently_due": [], "eventually_due": [], "disabled_reason": None}
    return {
        "charges_enabled": True,
        "details_submitted": True,
        "payouts_enabled": True,
        "requirements": {**account["requirements"], **nothing_due},
    }


def _blank(world: World, country: str, currency: str) -> Json:
    requirements: Json = {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": list(_WANTED),
        "disabled_reason": "requirements.past_due",
        "errors": [],
        "eventually_due": list(_WANTED),
        "past_due": [],
        "pending_verification": [],
    }
    account = world.ids.new("acct").replace("acct_1", "acct_1S", 1)[:21]
    return {
        "id": account,
        "object": "account",
        "business_profile": {"mcc": None, "name": None, "support_email": None, "url": None},
        "business_type": None,
        "capabilities": {},
        "charges_enabled": False,
        "controller": {
            "fees": {"payer": "application"},
            "is_controller": True,
            "losses": {"payments": "application"},
            "requirement_collection": "stripe",
            "stripe_dashboard": {"type": "express"},
            "type": "application",
        },
        "country": country,
        "created": world.clock.now(),
        "default_currency": currency,
        "details_submitted": False,
        "email": None,
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "total_count": 0,
            "url": f"/v1/accounts/{account}/external_accounts",
        },
        "future_requirements": {**requirements, "currently_due": [], "eventually_due": []},
        "metadata": {},
        "payouts_enabled": False,
        "requirements": requirements,
        "settings": {
            "dashboard": {"display_name": None, "timezone": "Etc/UTC"},
            "payouts": {
                "debit_negative_balances": True,
                "schedule": {"delay_days": 2, "interval": "manual"},
                "statement_descriptor": None,
            },
        },
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": "express",
    }
