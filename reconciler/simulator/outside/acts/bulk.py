"""A great many movements at once, for benchmarks: payments, refunds and daily bank payouts.

Every object is the copy of a real one with its own id, amount and time, so it looks as the others
do. Time passes while they are made, and they settle and are paid out on their way as everything
does. Nothing tells of them: single payments and refunds have no events and no payment intents.
"""

import gc
from collections.abc import Callable

from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects.balance import ledger, payout_schedules
from reconciler.simulator.objects.payments import charge_money, charges

_HOUR = 3600
_CHARGES_PER_REFUND = 12
# Amounts are 500, 505, 510 … below 20,000, in a mixed order.
_LEAST, _SPAN = 500, 3_900
_STEP = 7_919
_OWN = ("metadata", "fraud_details")


class Templates:
    """One real payment and one real refund with their movements, to be copied."""

    def __init__(self, book: Book, charge: Json, refund: Json) -> None:
        rows = book.shelf("balance_transaction")
        self.charge = {**charge, **_untouched(charge)}
        self.charge_row = dict(rows[charge["balance_transaction"]])
        self.refund = {**refund, "payment_intent": None}
        self.refund_row = dict(rows[refund["balance_transaction"]])
        self.fee_detail = self.charge_row["fee_details"][:1]


def generate(world: World, charge: str, refund: str, count: int, days: int) -> Json:
    """Make so many balance transactions like those of a real charge and its refund."""
    book = world.home
    model, call = book.get("charge", charge), Call(world, book)
    currency = book.get("balance_transaction", model["balance_transaction"])["currency"]
    templates = Templates(book, model, book.get("refund", refund))
    bulk = Bulk(world, templates, lambda amount: charge_money.cost(call, model, amount, currency))
    # Nothing made here is thrown away, and looking for what is takes half the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        return bulk.run(count, days)
    finally:
        if collects:
            gc.enable()


def _untouched(charge: Json) -> Json:
    """A charge as it was before it was refunded, and of no payment intent."""
    return {"amount_refunded": 0, "payment_intent": None, "refunded": False}


class Bulk:
    """`fee` says what Stripe takes of a payment of so much."""

    def __init__(self, world: World, templates: Templates, fee: Callable[[int], int]) -> None:
        self._world = world
        self._book = world.home
        self._templates = templates
        self._fee = fee
        self._fees: dict[int, int] = {}
        self._made = 0
        self._refundable: list[tuple[Json, int]] = []

    def run(self, count: int, days: int) -> Json:
        """So many balance transactions, spread over so many days, and a payout after each."""
        shelf = self._book.shelf("balance_transaction")
        before, clock = len(shelf), self._world.clock
        for hour in range(days * 24):
            left = before + count - len(shelf)
            self._hour(max(0, left - days + hour // 24) // (days * 24 - hour))
            clock.advance(_HOUR)
            if hour % 24 == 23:
                self._pay_out()
        self._hour(before + count - len(shelf))
        return {"balance_transactions": len(shelf) - before, "days": days}

    def _hour(self, count: int) -> None:
        refunds = min(count // (_CHARGES_PER_REFUND + 1), len(self._refundable))
        day = ledger.settles_on(Call(self._world, self._book))
        rows = self._refunds(refunds)
        made = self._charges(count - refunds, day)
        self._book_rows([*rows, *made])

    def _pay_out(self) -> None:
        call = Call(self._world, self._book)
        for currency in sorted(self._book.totals):
            if ledger.available(self._book, currency) > 0:
                payout_schedules.pay_everything(call, currency)

    def _charges(self, count: int, day: int) -> list[Json]:
        now, ids = self._world.clock.now(), self._world.ids
        template, row_template = self._templates.charge, self._templates.charge_row
        made: list[Json] = []
        rows: list[Json] = []
        names = zip(ids.many("ch", count), ids.many("txn", count), strict=True)
        for number, (charge_id, row_id) in enumerate(names, self._made):
            amount = _LEAST + number * _STEP % _SPAN * 5
            fee = self._fee_of(amount)
            charge, row = template.copy(), row_template.copy()
            for name in _OWN:
                charge[name] = template[name].copy()
            charge["id"], row["id"] = charge_id, row_id
            charge["amount"] = charge["amount_captured"] = row["amount"] = amount
            charge["balance_transaction"], row["source"] = row_id, charge_id
            charge["created"] = row["created"] = now
            row["available_on"], row["status"] = day, "pending"
            row["fee"], row["net"] = fee, amount - fee
            row["fee_details"] = [{**self._templates.fee_detail[0], "amount": fee}]
            made.append(charge)
            rows.append(row)
        self._made += count
        self._keep("charge", made)
        self._refundable = [(charge, day) for charge in made[::_CHARGES_PER_REFUND]]
        return rows

    def _refunds(self, count: int) -> list[Json]:
        """Of the charges of the hour before, so that their money is still pending too."""
        now, new, book = self._world.clock.now(), self._world.ids.new, self._book
        made: list[Json] = []
        rows: list[Json] = []
        for charge, day in self._refundable[:count]:
            refund, row = self._templates.refund.copy(), self._templates.refund_row.copy()
            amount = charge["amount"] if len(made) % 2 else charge["amount"] // 2
            refund.update(id=new("re"), amount=amount, charge=charge["id"], created=now)
            refund.update(metadata={}, destination_details=_copied(refund["destination_details"]))
            row.update(id=new("txn"), amount=-amount, net=-amount, created=now)
            due = max(day, now)
            status = "pending" if due > now else "available"
            row.update(source=refund["id"], available_on=due, status=status, fee_details=[])
            refund["balance_transaction"] = row["id"]
            charge.update(charges.after_refund(charge, amount))
            book.belong(charge["id"], "refunds", refund["id"])
            made.append(refund)
            rows.append(row)
        self._keep("refund", made)
        return rows

    def _fee_of(self, amount: int) -> int:
        fee = self._fees.get(amount)
        if fee is None:
            fee = self._fees[amount] = self._fee(amount)
        return fee

    def _book_rows(self, rows: list[Json]) -> None:
        """What `ledger.post` does for one, for many of one second."""
        self._keep("balance_transaction", rows)
        call = Call(self._world, self._book)
        for row in rows:
            ledger.count(call, row)

    def _keep(self, kind: str, things: list[Json]) -> None:
        self._book.shelf(kind).extend(things)
        where = (self._book.id, kind)
        self._world.index.update(dict.fromkeys((thing["id"] for thing in things), where))


def _copied(details: Json | None) -> Json | None:
    return {name: dict(v) if isinstance(v, dict) else v for name, v in (details or {}).items()}
