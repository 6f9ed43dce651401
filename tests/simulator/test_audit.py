"""The audit proves the books: every promise, when broken by hand, is found."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.kernel.world import Book

DAY = 86_400


def busy() -> Simulator:
    """A platform where something of every kind has happened."""
    sim = Simulator()
    acts = sim.acts
    acts.topup(90_000, "usd")
    merchant = acts.connect_account()
    charge = acts.pay(9_000, "usd")["latest_charge"]
    acts.fail_refund(acts.refund(charge, amount=1_000)["id"])
    acts.refund(charge, amount=2_000)
    transfer = acts.transfer(merchant, 8_000, "usd")
    acts.reverse_transfer(transfer["id"], 500)
    acts.dispute(acts.pay(3_000, "usd")["latest_charge"])
    acts.reserve(4_000, "usd")
    acts.adjustment(-9_000, "usd", account=merchant)
    acts.fail_payout(acts.pay_out_bank("usd", 700)["id"])
    acts.pay_out_bank("usd")
    acts.topup(1_000, "usd")
    return sim


def last(book: Book, kind: str) -> dict[str, Any]:
    return list(book.shelf(kind).values())[-1]


def row(book: Book, type_: str) -> dict[str, Any]:
    rows = book.shelf("balance_transaction").values()
    return next(each for each in rows if each["type"] == type_)


def merchant_of(sim: Simulator) -> Book:
    return next(book for book in sim.world.books.values() if book.id != sim.account)


# What is done to the books, and a part of the sentence that must say so.
BROKEN: list[tuple[Callable[[Book, Simulator], Any], str]] = [
    (lambda book, sim: row(book, "charge").update(amount=1), "net that is not amount minus fee"),
    (lambda book, sim: row(book, "charge")["fee_details"].clear(), "sum of its details"),
    (lambda book, sim: row(book, "topup").update(status="pending"), "should be available"),
    (lambda book, sim: row(book, "topup").update(source="tu_gone"), "does not exist"),
    (lambda book, sim: book.totals["usd"].update(pending=0), "its rows sum to"),
    (lambda book, sim: book.pots["risk_reserved"].update(usd=1), "risk_reserved usd is 1"),
    (lambda book, sim: book.unpaid["usd"].pop(), "what is not paid out yet"),
    (lambda book, sim: book.unpaid["usd"].append(book.unpaid["usd"][0]), "wait twice"),
    (lambda book, sim: book.pots["connect_reserved"].update(usd=5), "reserved for connected"),
    (
        lambda book, sim: merchant_of(sim).reserved["usd"].update(owed=1),
        "1 is reserved for it",
    ),
    (lambda book, sim: next(iter(book.shelf("charge").values())).update(amount_refunded=1), "says"),
    (
        lambda book, sim: next(iter(book.shelf("refund").values())).update(status="succeeded"),
        "came back and is succeeded",
    ),
    (lambda book, sim: last(book, "transfer").update(amount_reversed=1), "1 reversed, not 500"),
    (lambda book, sim: last(book, "transfer").update(reversed=True), "whether it is reversed"),
    (
        lambda book, sim: last(merchant_of(sim), "charge").update(amount=1),
        "does not agree",
    ),
    (lambda book, sim: row(book, "transfer").update(amount=-1), "took -1 and brought"),
    (lambda book, sim: row(book, "transfer_refund").update(amount=1), "and brought 1"),
    (lambda book, sim: last(book, "payout").update(automatic=False), "does not consist of"),
    (lambda book, sim: last(book, "payout").update(amount=1), "and moved"),
    (lambda book, sim: last(book, "dispute").update(status="won"), "with 1 balance transactions"),
    (lambda book, sim: last(book, "topup").update(status="failed"), "its money says otherwise"),
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_a_broken_promise_is_found(number):
    sim = busy()
    assert sim.audit() == []
    break_, sentence = BROKEN[number]
    break_(sim.world.home, sim)
    assert any(sentence in found for found in sim.audit()), sim.audit()


PICKS = st.integers(0, 10**6)
AMOUNTS = st.integers(1, 30_000)
CURRENCIES = st.sampled_from(["usd", "eur", "chf", "jpy"])


def step(name: str, *drawn: st.SearchStrategy) -> st.SearchStrategy[tuple]:
    return st.tuples(st.just(name), *drawn)


STEPS = st.one_of(
    step("pay", AMOUNTS, CURRENCIES, PICKS),
    step("topup", AMOUNTS, CURRENCIES),
    step("reverse_topup", PICKS),
    step("transfer", AMOUNTS, CURRENCIES, PICKS),
    step("reverse_transfer", AMOUNTS, PICKS),
    step("adjust", st.integers(-9_000, 9_000), PICKS),
    step("reserve", AMOUNTS),
    step("release", AMOUNTS),
    step("pay_out", st.none() | AMOUNTS, PICKS),
    step("fail_payout", PICKS),
    step("schedule", st.sampled_from(["daily", "weekly", "monthly", "manual"]), PICKS),
    step("keep_minimum", AMOUNTS, PICKS),
    step("rate", st.sampled_from(["0.893356", "0.9", "1.1", "0.0071"]), CURRENCIES),
    step("wait", st.integers(1, 40 * DAY)),
)


class Money:
    """Money on its way between a platform, merchants of two countries, and their banks."""

    def __init__(self) -> None:
        given = Settings(settlement_currencies=("usd", "eur"), connected_currencies=())
        self.sim = Simulator(settings=given)
        self.acts = self.sim.acts
        self.merchants = [self.acts.connect_account(country) for country in ("US", "CH")]
        self.acts.topup(50_000, "usd")

    def someone(self, number: int) -> str:
        return [self.sim.account, *self.merchants][number % 3]

    def thing(self, kind: str, number: int) -> str:
        ids = [each for book in self.sim.world.books.values() for each in book.shelf(kind)]
        return ids[number % len(ids)] if ids else "nothing"

    def pay(self, amount, currency, number):
        self.acts.pay(amount, currency, account=self.someone(number))

    def topup(self, amount, currency):
        self.acts.topup(amount, currency)

    def reverse_topup(self, number):
        self.acts.reverse_topup(self.thing("topup", number))

    def transfer(self, amount, currency, number):
        self.acts.transfer(self.merchants[number % 2], amount, currency)

    def reverse_transfer(self, amount, number):
        self.acts.reverse_transfer(self.thing("transfer", number), amount)

    def adjust(self, amount, number):
        book = self.sim.world.books[self.someone(number)]
        self.acts.adjustment(amount, book.account["default_currency"], account=book.id)

    def reserve(self, amount):
        self.acts.reserve(amount, "usd")

    def release(self, amount):
        self.acts.release_reserve(amount, "usd")

    def pay_out(self, amount, number):
        book = self.sim.world.books[self.someone(number)]
        self.acts.pay_out_bank(book.account["default_currency"], amount, book.id)

    def fail_payout(self, number):
        self.acts.fail_payout(self.thing("payout", number))

    def schedule(self, interval, number):
        self.acts.payout_schedule(interval, account=self.someone(number))

    def keep_minimum(self, amount, number):
        book = self.sim.world.books[self.someone(number)]
        book.payout_settings["minimum"]["usd"] = amount

    def rate(self, rate, currency):
        for into in ("usd", "chf"):
            self.sim.settings.rates[f"{currency}/{into}"] = rate

    def wait(self, seconds):
        self.sim.clock.advance(seconds)


@given(steps=st.lists(STEPS, min_size=5, max_size=40))
@settings(max_examples=60, deadline=None)
def test_money_is_conserved_between_accounts_banks_and_reserves(steps):
    money = Money()
    for name, *values in steps:
        with suppress(Refusal):
            getattr(money, name)(*values)
        assert money.sim.audit() == []
