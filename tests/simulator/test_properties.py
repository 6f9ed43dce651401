"""What holds whatever happens: books right at every step, no cap passed, lists whole.

Stories are random: calls over HTTP, acts of others and steps of the clock, over all families.
"""

from collections import defaultdict

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reconciler.simulator import Simulator

from .sdk import inside, run
from .stories import DAY, STEPS, Story

# A story that fails is shown as it was found: making it shorter takes minutes.
AS_FOUND = [Phase.generate]
RETURNED = ("failed", "canceled")


def beyond_caps(world):
    """Every object of which more was given back, or passed on, than there was."""
    for book in world.books.values():
        for charge in book.shelf("charge").values():
            refunds = book.belonging(charge["id"], "refunds", "refund")
            alive = sum(each["amount"] for each in refunds if each["status"] not in RETURNED)
            # What was only held, and let go, is shown as refunded.
            captured = charge["amount_captured"] if charge["captured"] else charge["amount"]
            if not 0 <= alive <= captured <= charge["amount"]:
                yield f"{charge['id']}: {alive} refunded of {captured}"
        passed_on = defaultdict(int)
        for transfer in book.shelf("transfer").values():
            made = book.belonging(transfer["id"], "reversals", "transfer_reversal")
            if not sum(each["amount"] for each in made) <= transfer["amount"]:
                yield f"{transfer['id']}: reversed beyond {transfer['amount']}"
            if transfer["source_transaction"]:
                passed_on[transfer["source_transaction"]] += transfer["amount"]
        for source, amount in passed_on.items():
            charge = book.shelf("charge")[source]
            row = book.shelf("balance_transaction").get(charge["balance_transaction"] or "")
            if row and row["currency"] == charge["currency"] and amount > charge["amount"]:
                yield f"{source}: {amount} passed on of {charge['amount']}"
        for fee in book.shelf("application_fee").values():
            if not 0 <= fee["amount_refunded"] <= fee["amount"]:
                yield f"{fee['id']}: {fee['amount_refunded']} refunded of {fee['amount']}"


@given(seed=st.integers(0, 100), steps=st.lists(STEPS, min_size=15, max_size=50))
@settings(max_examples=120, deadline=None, derandomize=True, phases=AS_FOUND)
def test_the_books_are_right_and_no_cap_is_passed_at_any_step(seed, steps):
    async def story():
        sim = Simulator(seed=seed)
        told = Story(sim)
        told.begin()
        for step in [*steps, ("wait", 10 * DAY)]:
            await told.take(step)
            assert sim.audit() == [], step
            assert list(beyond_caps(sim.world)) == [], step

    run(story())


def test_the_caps_are_watched():
    """The test above would fail."""
    sim = Simulator()
    merchant = sim.acts.connect_account()
    sim.acts.topup(10_000, "usd")
    paid = sim.acts.pay(1_000, "usd")
    sim.acts.refund(paid["latest_charge"], amount=400)
    sent = sim.acts.transfer(merchant, 1_000, "usd")
    sim.acts.reverse_transfer(sent["id"], 100)
    assert list(beyond_caps(sim.world)) == []
    sim.world.find(paid["latest_charge"])[1]["amount_captured"] = 399
    sim.world.find(sent["id"])[1]["amount"] = 99
    assert len(list(beyond_caps(sim.world))) == 2


# Lists.


LISTS = ("customers", "charges", "balance_transactions", "events", "transfers", "refunds")


async def _grow(sim, merchant, kind):
    """One more of everything a list may show, or of a few."""
    if kind % 3 == 0:
        await inside(
            sim, "POST", "/v1/customers", headers={"Authorization": f"Bearer {sim.secret_key}"}
        )
    elif kind % 3 == 1:
        paid = sim.acts.pay(1_000, "usd", card="pm_card_bypassPending")
        sim.acts.refund(paid["latest_charge"], amount=100)
    else:
        sim.acts.transfer(merchant, 100, "usd")
    if kind % 5 == 0:
        sim.clock.advance(1)


async def _page(sim, path, **query):
    headers = {"Authorization": f"Bearer {sim.secret_key}"}
    answer = await inside(sim, "GET", f"/v1/{path}", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@given(
    path=st.sampled_from(LISTS),
    limit=st.integers(1, 7),
    before=st.lists(st.integers(0, 30), min_size=1, max_size=12),
    between=st.lists(st.integers(0, 30), max_size=12),
    forwards=st.booleans(),
)
@settings(max_examples=60, deadline=None, derandomize=True, phases=AS_FOUND)
def test_lists_lose_and_repeat_nothing_while_others_insert(path, limit, before, between, forwards):
    """Walked towards the older ones, all that were there at the beginning are seen, once and in
    order; towards the newer ones, also all that came meanwhile."""

    async def story():
        sim = Simulator()
        merchant = sim.acts.connect_account()
        sim.acts.topup(100_000, "usd")
        for kind in before:
            await _grow(sim, merchant, kind)
        at_first = await _whole(sim, path)
        if not at_first:
            return
        inserts = iter(between)
        seen = []
        cursor = None if forwards else at_first[-1]
        while True:
            asked = {"limit": limit}
            if cursor:
                asked["starting_after" if forwards else "ending_before"] = cursor
            page = await _page(sim, path, **asked)
            ids = [row["id"] for row in page["data"]]
            seen = seen + ids if forwards else ids + seen
            if not page["has_more"]:
                break
            cursor = ids[-1] if forwards else ids[0]
            for kind in [next(inserts, None), next(inserts, None)]:
                if kind is not None:
                    await _grow(sim, merchant, kind)
        assert len(set(seen)) == len(seen)
        if forwards:
            assert seen == at_first
        else:
            assert seen == (await _whole(sim, path))[: len(seen)]
            assert seen[-len(at_first) + 1 :] == at_first[:-1] or len(at_first) == 1

    run(story())


async def _whole(sim, path):
    """All ids of a list, as one walk shows them while nothing else happens."""
    ids, cursor = [], {}
    while True:
        page = await _page(sim, path, limit=100, **cursor)
        ids += [row["id"] for row in page["data"]]
        if not page["has_more"]:
            return ids
        cursor = {"starting_after": ids[-1]}
