"""The world as a whole: money is conserved, runs repeat, time is virtual, controls work."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.objects.methods.cards import CARDS

from .sdk import client, inside, run

DAY = 86_400
CURRENCIES = st.sampled_from(["usd", "eur", "gbp", "jpy"])
AMOUNTS = st.integers(1, 50_000)
PICKS = st.integers(0, 10**6)

STEPS = st.one_of(
    st.tuples(st.just("pay"), AMOUNTS, CURRENCIES, st.sampled_from(sorted(CARDS))),
    st.tuples(st.just("hold"), AMOUNTS, CURRENCIES),
    st.tuples(st.just("refund"), PICKS, AMOUNTS),
    st.tuples(st.just("fail_refund"), PICKS),
    st.tuples(st.just("dispute"), PICKS, st.booleans()),
    st.tuples(st.just("escalate"), PICKS),
    st.tuples(st.just("close"), PICKS, st.sampled_from(["won", "lost", "warning_closed"])),
    st.tuples(st.just("transfer"), PICKS, AMOUNTS, CURRENCIES),
    st.tuples(st.just("reverse"), PICKS, AMOUNTS),
    st.tuples(st.just("pay_out"), PICKS, st.booleans()),
    st.tuples(st.just("fail_payout"), PICKS),
    st.tuples(st.just("other"), AMOUNTS, st.booleans()),
    st.tuples(st.just("wait"), st.integers(1, 4 * DAY)),
)


class Run:
    """A simulator and the merchants in it, moved by random steps."""

    def __init__(self, seed: int) -> None:
        self.sim = Simulator(seed=seed)
        countries = ("US", "CH")
        self.merchants = [self.sim.acts.connect_account(country) for country in countries]
        self.sim.acts.payout_schedule("daily")
        self.sim.acts.topup(20_000, "usd")

    def take(self, step: tuple) -> None:
        """Do one step, if Stripe allows it and there is something to do it to."""
        with suppress(Refusal):
            getattr(self, step[0])(*step[1:])

    def pick(self, kind: str, number: int) -> str:
        ids = list(self.sim.world.home.shelf(kind))
        return ids[number % len(ids)] if ids else "nothing"

    def pay(self, amount, currency, card):
        self.sim.acts.pay(amount, currency, card=card)

    def hold(self, amount, currency):
        self.sim.acts.pay(amount, currency, capture_method="automatic_async")

    def refund(self, number, amount):
        self.sim.acts.refund(self.pick("charge", number), amount=amount)

    def fail_refund(self, number):
        self.sim.acts.fail_refund(self.pick("refund", number))

    def dispute(self, number, inquiry):
        self.sim.acts.dispute(self.pick("charge", number), inquiry=inquiry)

    def escalate(self, number):
        self.sim.acts.escalate_inquiry(self.pick("dispute", number))

    def close(self, number, outcome):
        self.sim.acts.close_dispute(self.pick("dispute", number), outcome)

    def transfer(self, number, amount, currency):
        self.sim.acts.transfer(self.merchants[number % 2], amount, currency)

    def reverse(self, number, amount):
        self.sim.acts.reverse_transfer(self.pick("transfer", number), amount)

    def pay_out(self, number, everything):
        account = [None, *self.merchants][number % 3]
        self.sim.acts.pay_out_bank("usd", None if everything else 1_000, account)

    def fail_payout(self, number):
        self.sim.acts.fail_payout(self.pick("payout", number), "account_closed")

    def other(self, amount, up):
        self.sim.acts.topup(amount, "usd")
        self.sim.acts.stripe_fee(amount // 2, "usd")
        self.sim.acts.adjustment(amount if up else -amount, "eur")
        self.sim.acts.unknown_movement(amount, "usd")

    def wait(self, seconds):
        self.sim.clock.advance(seconds)


@given(seed=st.integers(0, 100), steps=st.lists(STEPS, min_size=5, max_size=60))
@settings(max_examples=150, deadline=None)
def test_money_is_conserved_at_every_step(seed, steps):
    story = Run(seed)
    for step in steps:
        story.take(step)
        assert story.sim.audit() == []
    story.sim.clock.advance(10 * DAY)
    assert story.sim.audit() == []
    pending = [totals["pending"] for totals in story.sim.world.home.totals.values()]
    assert not any(pending)


def test_an_audit_finds_what_is_wrong():
    sim = Simulator()
    sim.acts.pay(1_000, "usd")
    [row] = sim.world.home.shelf("balance_transaction").values()
    row["net"] += 1
    assert len(sim.audit()) == 2


def state(sim: Simulator) -> bytes:
    books = {
        book.id: [book.account, book.shelves, book.children, book.totals]
        for book in sim.world.books.values()
    }
    rest = [sim.webhooks.queue, sim.clock.agenda(), sim.world.ids.counts, sim.requests]
    return msgspec.json.encode([books, rest])


def test_the_same_seed_and_calls_give_the_same_bytes():
    async def story(seed):
        sim = Simulator(seed=seed)
        sim.webhooks.register("https://a.test", "whsec_a")
        sdk = client(sim)
        for card in sorted(CARDS):
            sim.acts.pay(5_000, "usd", card=card)
        merchant = sim.acts.connect_account()
        sim.clock.advance(3 * DAY)
        await sdk.v1.transfers.create_async(
            {"amount": 700, "currency": "usd", "destination": merchant}, {"idempotency_key": "k"}
        )
        return state(sim)

    assert run(story(1)) == run(story(1))
    assert run(story(1)) != run(story(2))


def test_reading_does_not_change_what_is_written_later():
    async def story(reads):
        sim = Simulator()
        for _ in range(reads):
            await client(sim).v1.balance.retrieve_async()
        return sim.acts.pay(1_000, "usd")["id"]

    assert run(story(0)) == run(story(3))


def test_time_is_virtual_and_may_follow_a_lent_clock():
    sim = Simulator(now=1_790_000_000)
    lent = [100.0]
    sim.clock.follow(lambda: lent[0])
    sim.acts.pay(1_000, "usd", capture_method="automatic_async")
    lent[0] += 5.9
    assert sim.acts.pay(1_000, "usd")["created"] == 1_790_000_005
    assert sim.world.home.shelf("balance_transaction")
    sim.clock.advance(60)
    lent[0] += 1
    assert sim.acts.pay(1_000, "usd")["created"] == 1_790_000_066
    sim.clock.freeze()
    lent[0] += 100
    assert sim.acts.pay(1_000, "usd")["created"] == 1_790_000_066
    with pytest.raises(ValueError, match="backwards"):
        sim.clock.advance(-1)


def test_the_controls_are_served_over_http():
    async def story(sim):
        async def post(control, **body):
            return await inside(sim, "POST", f"/_simulator/{control}", json=body)

        before = sim.clock.now()
        assert (await post("clock", advance=60)).json()["now"] == before + 60
        paid = (await post("acts/pay", amount=1_000, currency="usd")).json()
        assert paid["status"] == "succeeded"
        assert (await post("acts/refund", charge="ch_nothing")).status_code == 404
        assert (await post("acts/nothing")).status_code == 404
        assert (await post("acts/_done")).status_code == 404
        assert (await post("acts/pay", colour="red")).status_code == 400
        assert (await post("faults", path="/v1/balance", effect="500")).json()["id"] == 1
        assert (await post("faults", effect="earthquake")).status_code == 400
        assert (await inside(sim, "DELETE", "/_simulator/faults")).json() == {"planned": []}
        made = (await post("webhooks", url="https://a.test", secret="whsec_a")).json()
        assert made["id"].startswith("we_")
        assert (await post("webhooks/drop", match="topup.*")).status_code == 200
        assert (await post("webhooks/publish")).status_code == 404
        assert (await inside(sim, "GET", "/_simulator/audit")).json() == {
            "right": True,
            "found": [],
        }
        state = (await inside(sim, "GET", "/_simulator/state")).json()
        assert state["accounts"][sim.account]["objects"]["charge"] == 1

    run(story(Simulator()))


def test_requests_are_recorded_for_tests_to_read():
    async def story(sim):
        merchant = sim.acts.connect_account()
        await client(sim).v1.balance.retrieve_async({}, {"stripe_account": merchant})
        assert sim.requests == [("GET", "/v1/balance", {}, merchant, None, 200)]

    run(story(Simulator()))
