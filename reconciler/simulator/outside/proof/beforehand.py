"""What was there before a recording began: ids that it takes for granted, made again in kind.

What such an object was like shows only in later answers: the currency that an account is paid in,
the last four digits of a card. Whatever does not show is as plain as can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from reconciler.simulator.kernel.world import Call
from reconciler.simulator.objects.methods import cards, customers, methods
from reconciler.simulator.outside.proof.behind import country_of, descriptor_of, payments_of
from reconciler.simulator.outside.proof.recording import Exchange, Json, ids_in, objects
from reconciler.simulator.simulator import Simulator


def made(simulator: Simulator, exchanges: list[Exchange]) -> Iterator[tuple[str, str]]:
    """Pairs of an id that the recording begins with, and of the object that stands in for it."""
    _fund(simulator, exchanges)
    stand_ins: dict[str, str] = {}
    for name in there_before(exchanges):
        make = _MAKERS.get(name.partition("_")[0])
        if make is not None:
            stand_ins[name] = make(simulator, name, exchanges, stand_ins)
            yield name, stand_ins[name]


def _fund(simulator: Simulator, exchanges: list[Exchange]) -> None:
    """Money that went out of a balance without a payment named for it had been there."""
    spent: Counter[str] = Counter()
    for exchange in exchanges:
        sent = exchange.method == "POST" and exchange.path in ("/v1/transfers", "/v1/payouts")
        if not sent or exchange.status != 200 or exchange.account:
            continue
        if not exchange.body.get("source_transaction"):
            spent[exchange.body["currency"]] += exchange.body["amount"]
    for currency, amount in spent.items():
        simulator.acts.topup(amount, currency)


def _account(
    simulator: Simulator, name: str, exchanges: list[Exchange], known: dict[str, str]
) -> str:
    currency = currency_of(name, exchanges) or simulator.settings.settlement_currencies[0]
    account = simulator.acts.connect_account(country=country_of(currency))
    settings = simulator.world.books[account].account["settings"]
    settings["payments"]["statement_descriptor"] = descriptor_of(name, exchanges)
    return account


def _customer(
    simulator: Simulator, name: str, exchanges: list[Exchange], known: dict[str, str]
) -> str:
    call = Call(simulator.world, simulator.world.home)
    return str(customers.create(call)["id"])


def _method(
    simulator: Simulator, name: str, exchanges: list[Exchange], known: dict[str, str]
) -> str:
    """A card with the same last four digits, with the customer who is seen to have it."""
    call = Call(simulator.world, simulator.world.home)
    seen = [thing for exchange in exchanges for thing in objects(exchange.body)]
    about = [t for t in seen if name in (t.get("id"), t.get("payment_method"))]
    method = methods.method_for(call, _behaviour(about))
    owner = next((t["customer"] for t in about if t.get("customer") in known), None)
    if owner is not None:
        method = methods.attach_to(call, method, known[owner])
    return str(method["id"])


def _behaviour(about: list[Json]) -> str:
    for thing in about:
        card = thing.get("card") or (thing.get("payment_method_details") or {}).get("card") or {}
        found = cards.with_last4(card.get("last4", ""), card.get("brand", ""))
        if found is not None:
            return found
    return "pm_card_visa"


_MAKERS = {"acct": _account, "cus": _customer, "pm": _method}


def there_before(exchanges: Iterable[Exchange]) -> list[str]:
    """Ids that a request names before any answer has shown them."""
    known: dict[str, bool] = {}
    for exchange in exchanges:
        asked = f"{exchange.path} {exchange.query} {exchange.form} {exchange.account or ''}"
        for found in ids_in(asked):
            known.setdefault(found, False)
        for thing in _ids(exchange.body):
            known.setdefault(thing, True)
    return [name for name, shown in known.items() if not shown]


def _ids(view: object) -> Iterator[str]:
    if isinstance(view, dict):
        for below in view.values():
            yield from _ids(below)
    elif isinstance(view, list):
        for below in view:
            yield from _ids(below)
    elif isinstance(view, str):
        yield from ids_in(view)


def currency_of(account: str, exchanges: Iterable[Exchange]) -> str | None:
    """In which currency a connected account was seen to be paid."""
    arrived = {
        thing["destination_payment"]
        for exchange in exchanges
        for thing in objects(exchange.body)
        if thing["object"] == "transfer" and thing["destination"] == account
    }
    paid = (p.row["currency"] for p in payments_of(exchanges) if p.charge["id"] in arrived)
    return next(paid, None)
