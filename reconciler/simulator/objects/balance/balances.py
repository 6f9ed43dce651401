"""What can be asked about a balance: its figures, and the movements that led there.

Reads only; money moves in `ledger.py`.
"""

from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Book, Call, Json

_SIDES = ("available", "pending")
_FILTERS = ("currency", "source", "type")


def balance(call: Call) -> Json:
    """Stripe's two figures per currency. A currency never used is absent."""
    book, default = call.book, call.book.account["default_currency"]
    view: Json = {"object": "balance", "livemode": False}
    currencies = sorted({default, *book.totals})
    for side in _SIDES:
        view[side] = [_amount(book, currency, side) for currency in currencies]
    if call.on_platform:
        reserved = book.pots.get("connect_reserved", {})
        view["connect_reserved"] = [
            {"amount": reserved.get(currency, 0), "currency": currency}
            for currency in sorted({default, *reserved})
        ]
    instant = [entry for entry in view["available"] if _pays_out_instantly(book, entry["currency"])]
    if instant:
        view["instant_available"] = [_instant(entry) for entry in instant]
    return dict(sorted(view.items(), key=lambda field: (field[0] != "object", field[0])))


def _amount(book: Book, currency: str, side: str) -> Json:
    amount = book.totals.get(currency, {}).get(side, 0)
    from_banks = book.bank_totals.get(currency)
    sources = {"card": amount}
    if from_banks is not None:
        sources = {"bank_account": from_banks[side], "card": amount - from_banks[side]}
    return {"amount": amount, "currency": currency, "source_types": sources}


def _pays_out_instantly(book: Book, currency: str) -> bool:
    accounts = [*book.shelf("bank_account").values(), *book.shelf("card").values()]
    return any(
        "instant" in (account.get("available_payout_methods") or ())
        for account in accounts
        if account.get("currency") == currency and account.get("account") == book.id
    )


def _instant(entry: Json) -> Json:
    card = max(0, entry["source_types"]["card"])
    return {"amount": card, "currency": entry["currency"], "source_types": {"card": card}}


def retrieve(call: Call) -> Json:
    return call.book.get("balance_transaction", call.path["id"])


def history(call: Call) -> Json:
    """The same list under its old address; it says where it is today."""
    return {**listing(call), "url": "/v1/balance_transactions"}


def listing(call: Call) -> Json:
    """All movements, or those of which an automatic payout consists."""
    shelf, payout = call.book.shelf("balance_transaction"), call.form.text("payout")
    if payout is None:
        return page(call, shelf, equal=_FILTERS)
    if not call.book.get("payout", payout, "payout")["automatic"]:
        message = "Balance transaction history can only be filtered on automatic payouts."
        raise refused(message, param="payout")
    composition = call.book.children.get(f"{payout}/balance_transactions", [])
    return page(call, shelf, equal=_FILTERS, within=composition)
