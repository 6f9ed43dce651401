"""The money of a charge: what is booked, what it costs, what is passed on, what comes back.

Whoever captures decides when. Nothing here changes the state of a payment.
"""

from fractions import Fraction

from reconciler.simulator.kernel.money import half_up, processing_fee
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.balance import ledger, transfers
from reconciler.simulator.objects.balance.ledger import Movement
from reconciler.simulator.objects.methods.cards import card_of
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.payments import application_fees, charge_details, charges


def book_money(call: Call, charge: Json, amount: int | None = None) -> Json:
    """Post a captured charge, less what it costs, and pass on what belongs to others.

    Without an amount it is posted whole, also when less was captured: the rest then comes back by
    a movement of its own, see `rest_costs`.
    """
    card = card_of(charge)
    gross = charge["amount"] if amount is None else amount
    money = charges.settled(call, charge, gross)
    kind = "charge" if card.kind in ("card", "link") else "payment"
    account = _settles_for(call, charge)
    day = (
        0 if card.bypasses_pending else ledger.settles_on(call, card.kind, money.currency, account)
    )
    share = _direct_fee(call, charge)
    row = ledger.post(
        call,
        Movement(
            kind,
            "charge",
            money,
            charge["id"],
            description=charge["description"],
            available_on=day,
            fee_details=_fee_details(call, charge, money.amount, money.currency, share),
        ),
    )
    first = charge["balance_transaction"] is None
    charge["balance_transaction"] = charge["balance_transaction"] or row["id"]
    if charge["receipt_url"] is None:
        charge["receipt_url"] = charge_details.receipt(call, charge["id"])
    if share and first:
        application_fees.take(call, charge, share)
    if charge["transfer_data"] is not None:
        _pass_on(call, charge, amount)
    return row


def book_money_later(world: World, account: str, charge: str) -> None:
    """Asynchronous capture: the balance transaction appears, and `charge.updated` says so."""
    call = Call(world, world.books[account])
    thing = call.book.get("charge", charge)
    watched = ("application_fee", "balance_transaction", "transfer")
    before = {name: thing.get(name) for name in watched}
    book_money(call, thing)
    changed = {name: old for name, old in before.items() if thing.get(name) != old}
    events.emit(call, "charge.updated", thing, changed)


def cost(call: Call, charge: Json, amount: int, currency: str) -> int:
    """Stripe's fee for so much of this charge, in the currency of the balance."""
    card = card_of(charge)
    account = _settles_for(call, charge) or call.book.account
    abroad = card.kind == "card" and card.country != account["country"]
    kinds = (f"{card.kind}_{card.country}", *(["international_card"] * abroad), card.kind)
    return processing_fee(call.settings, amount, currency, kinds)


def rest_costs(call: Call, charge: Json, rest: int) -> int:
    """What of the fee comes back, as a negative number, with money that was never captured."""
    whole = charges.settled(call, charge, charge["amount"])
    kept = charges.settled(call, charge, charge["amount"] - rest)
    of_whole = cost(call, charge, whole.amount, whole.currency)
    return cost(call, charge, kept.amount, kept.currency) - of_whole


def _settles_for(call: Call, charge: Json) -> Json | None:
    """The account whose country decides, if that is not the one that was charged."""
    named = charge["on_behalf_of"]
    book = call.world.books.get(named) if named else None
    return book.account if book else None


def _direct_fee(call: Call, charge: Json) -> int:
    """The platform's share of a payment made directly in a connected account."""
    if charge["transfer_data"] is not None or call.on_platform:
        return 0
    return int(charge["application_fee_amount"] or 0)


def _fee_details(
    call: Call, charge: Json, amount: int, currency: str, share: int
) -> tuple[Json, ...]:
    stripes = cost(call, charge, amount, currency)
    tax = half_up(stripes * Fraction(call.settings.fee_tax))
    details: list[Json] = []
    if share:
        settled = ledger.settled_amount(call, share, charge["currency"])
        details.append(application_fees.detail(call, settled.amount))
    if stripes:
        details.append(_detail(stripes, "stripe_fee", "Stripe processing fees"))
    if tax:
        details.append(_detail(tax, "tax", "Tax on Stripe processing fees"))
    return tuple(details)


def _detail(amount: int, kind: str, description: str) -> Json:
    return {
        "amount": amount,
        "application": None,
        "currency": None,
        "description": description,
        "type": kind,
    }


def _pass_on(call: Call, charge: Json, amount: int | None) -> None:
    """A destination charge: its money, or the part that was named, goes on by itself."""
    captured = charge["amount_captured"] if amount is None else amount
    part = charge["transfer_data"]["amount"]
    fee = int(charge["application_fee_amount"] or 0)
    sent = captured if part is None else min(part, captured)
    if sent < 1 or "transfer" in charge:
        return
    transfer = transfers.of_charge(call, charge, sent, fee)
    charges.add(charge, transfer=transfer["id"])
    if not fee:
        return
    there = call.at(call.world.books[transfer["destination"]])
    payment = there.book.get("charge", transfer["destination_payment"])
    taken = application_fees.take(there, payment, fee, charge["id"])
    charge.update(application_fee=taken["id"])
