"""Accounts: the platform itself, and the connected accounts it opens.

A connected account has a book of its own. Its news goes to Connect endpoints only. What is asked of
it is decided in `requirements`, what is known of it is kept by `account_data`.
"""

from typing import Any

from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import (
    Refusal,
    empty_parameter,
    no_access,
    not_one_of,
    refused,
)
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects.balance import payout_schedules
from reconciler.simulator.objects.connect import (
    account_checks,
    account_forms,
    account_shapes,
    capabilities,
    countries,
    oauth,
)
from reconciler.simulator.objects.connect.account_access import connected, forbidden
from reconciler.simulator.objects.connect.account_changes import changing, settle

_USUAL = ("card_payments", "transfers")
_IDENTITY = ("account_token", "business_type", "company", "external_account", "individual")
_TYPES = ("custom", "express", "standard")
_REASONS = ("fraud", "terms_of_service", "other")


def open_platform(world: World) -> Book:
    """The account whose key everyone uses."""
    country, currency = world.settings.country, world.settings.settlement_currencies[0]
    account = _blank(world, country, currency)
    account.update(
        capabilities=dict.fromkeys(_USUAL, "active"),
        charges_enabled=True,
        controller={"type": "account"},
        details_submitted=True,
        email="platform@example.com",
        payouts_enabled=True,
        type="standard",
        _requested=None,
    )
    account["business_profile"].update(name=world.settings.platform_name)
    account["settings"]["dashboard"]["display_name"] = world.settings.platform_name
    read, before = world.settings.statement_descriptor, world.settings.statement_descriptor_prefix
    account["settings"]["payments"]["statement_descriptor"] = read
    account["settings"]["card_payments"]["statement_descriptor_prefix"] = before
    book = Book(account)
    world.books[book.id] = book
    world.platform = book.id
    return book


def create(call: Call) -> Json:
    form = call.form
    controller, type_ = _controller(form)
    country = (form.text("country") or call.world.home.account["country"]).upper()
    refusal = _creation_refusal(call, country, controller)
    if refusal is not None:
        raise refusal
    currency = form.text("default_currency") or countries.currency_of(country) or "usd"
    metadata = form.metadata()
    account = _blank(call.world, country, currency.lower())
    account.update(controller=controller, email=form.text("email"), metadata=metadata, type=type_)
    payouts = account["settings"]["payouts"]
    payouts["debit_negative_balances"] = type_ != "custom"
    payouts["schedule"]["interval"] = call.settings.connected_payout_interval
    heard = account_forms.hear(call, account)
    book = Book(account)
    call.world.books[book.id] = book
    account_forms.keep(call.at(book), book, heard, call)
    wanted = capabilities.wanted(form)
    if not wanted and type_ in ("express", "standard"):
        wanted = {name: {"requested": "true"} for name in _USUAL}
    capabilities.ask(account, wanted, call.now)
    account["_unasked"] = not form.values.keys() - {"metadata", "email", "country", "expand"}
    settle(book, call.now)
    account_checks.plan_identity_check(call.at(book))
    payout_schedules.start(call.at(book))
    return account


def update(call: Call) -> Json:
    book, form = connected(call), call.form
    account = book.account
    refusal = _update_refusal(call, book)
    if refusal is not None:
        raise refusal
    metadata, heard = form.metadata(), account_forms.hear(call, account)
    with changing(call.at(book)):
        cleared = form.values.get("metadata") == ""
        account["metadata"] = {} if cleared else merged(account["metadata"], metadata)
        for name in ("email", "default_currency"):
            if name in form:
                account[name] = form.text(name)
        if account["_requested"] is not None:
            capabilities.ask(account, capabilities.wanted(form), call.now)
        account_forms.keep(call.at(book), book, heard, call)
        _answer(account, form.values)
        account_checks.plan_identity_check(call.at(book))
    if heard.schedule:
        payout_schedules.start(call.at(book))
    return account


def delete(call: Call) -> Json:
    """In test mode at any time. The account goes with all its access, as if it had left."""
    book = connected(call)
    if book.id == call.world.platform:
        raise refused("You cannot delete your own account.")
    oauth.leave(call.at(book))
    return {"id": book.id, "object": "account", "deleted": True}


def reject(call: Call) -> Json:
    """The platform wants no more to do with an account it answers for."""
    book, reason = connected(call), call.form.needed("reason")
    if reason not in _REASONS:
        raise not_one_of("reason", _REASONS)
    if book.account["controller"].get("losses", {}).get("payments") != "application":
        raise forbidden(book.id)
    if book.account["_rejected"] is not None:
        raise refused(f"Account {book.id} has already been rejected.")
    return turn_away(call.at(book), reason, call.form.text("payouts_action"))


def turn_away(call: Call, reason: str, payouts_action: str | None = None) -> Json:
    """Whoever rejects an account: nothing can be done with it from now on."""
    with changing(call) as account:
        account["_rejected"] = reason
        account["_payouts_after_rejection"] = payouts_action == "none"
    return account


def retrieve(call: Call) -> Json:
    book = connected(call)
    settle(book, call.now)
    return book.account


def retrieve_own(call: Call) -> Json:
    settle(call.book, call.now)
    return call.book.account


def listing(call: Call) -> Json:
    """The accounts connected to the platform; a connected account has none."""
    live = call.world.live_books() if call.on_platform else iter(())
    return page(call, {book.id: book.account for book in live if book.id != call.book.id})


# What creation and updates judge.


def _controller(form: Form) -> tuple[Json, str]:
    """Who is responsible for what. Left to itself, an account has Stripe's own Dashboard."""
    type_, given = form.choice("type", _TYPES), form.mapping("controller")
    if not given:
        return account_shapes.controller(type_ or "standard"), type_ or "standard"
    if type_ is not None:
        raise refused(
            "You may not provide both `type` and `controller` when creating an account.",
            param="type",
        )
    fees = given.get("fees", {}).get("payer", "account")
    losses = given.get("losses", {}).get("payments", "stripe")
    collection = given.get("requirement_collection", "stripe")
    dashboard = given.get("stripe_dashboard", {}).get("type", "full")
    if (collection == "application") != (dashboard == "none"):
        raise refused(
            "When `controller[requirement_collection]` is `application`, "
            "`controller[stripe_dashboard][type]` must be `none`, and the other way round.",
            param="controller[requirement_collection]",
        )
    return account_shapes.controlled_by(fees, losses, collection, dashboard), "none"


def _creation_refusal(call: Call, country: str, controller: Json) -> Refusal | None:
    agreement = call.form.mapping("tos_acceptance").get("service_agreement")
    home = call.world.home.account["country"]
    refusal = countries.refusal(country, home, agreement == "recipient")
    if refusal is not None or not call.on_platform:
        return refusal or no_access(call.book.id)
    wanted = capabilities.wanted(call.form)
    alone = "transfers" in wanted and "card_payments" not in wanted
    if alone and agreement != "recipient" and not call.settings.transfers_alone:
        return refused(
            "Your platform needs approval for accounts to have requested the `transfers` capability"
            " without the `card_payments` capability."
        )
    return _terms_refusal(call.form, controller)


def _update_refusal(call: Call, book: Book) -> Refusal | None:
    account = book.account
    refusal = _terms_refusal(call.form, account["controller"])
    if call.form.values.get("default_currency") == "":
        refusal = empty_parameter("default_currency")
    if refusal is not None:
        return refusal
    closed = account["_handed_over"] or account["type"] == "standard"
    out_of_reach = [name for name in _IDENTITY if name in call.form] if closed else []
    return forbidden(book.id, out_of_reach[0]) if out_of_reach else None


def _terms_refusal(form: Form, controller: Json) -> Refusal | None:
    """Only where the platform collects everything itself may it accept Stripe's terms."""
    given = [name for name in form.mapping("tos_acceptance") if name != "service_agreement"]
    if not given or controller.get("requirement_collection") == "application":
        return None
    return refused(
        "You cannot accept the Terms of Service on behalf of accounts where "
        "controller[requirement_collection]=stripe, which includes Standard and Express accounts.",
        param=f"tos_acceptance[{given[0]}]",
    )


# What is told of an account.


def _answer(account: Json, told: Json) -> None:
    """What was asked for beyond the usual is answered by being named."""
    for field in list(account["_asked"]):
        branch: Any = told
        for name in field.split("."):
            branch = branch.get(name) if isinstance(branch, dict) else None
        if branch not in (None, ""):
            del account["_asked"][field]
            account["_errors"] = [e for e in account["_errors"] if e["requirement"] != field]


def _blank(world: World, country: str, currency: str) -> Json:
    account = world.ids.new("acct").replace("acct_1", "acct_1S", 1)[:21]
    return account_shapes.account(account, world.clock.now(), country, currency)
