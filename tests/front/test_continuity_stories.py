"""Continuity on whole stories of the simulated Stripe: complete ones have no break in any order of
delivery, and a dropped update breaks exactly the chain that it belonged to."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from reconciler.domain.continuity import FALLS, Told, breaks
from reconciler.intake.apply import apply_all
from reconciler.intake.continuity import join_chains
from reconciler.intake.recover import recover_connected, recover_events
from reconciler.simulator import Simulator
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.store import merchants
from tests.harness import run, service

WRITTEN = {
    "charges": ("description", "metadata[a]", "metadata[b]", "receipt_email"),
    "transfers": ("description", "metadata[a]"),
    "refunds": ("metadata[a]", "metadata[b]"),
    "disputes": ("metadata[b]", "evidence[uncategorized_text]"),
    "payouts": ("metadata[b]",),
    "accounts": ("metadata[b]", "email"),
}
VALUES = ("x@example.com", "y@example.com", "z@example.com")


async def _happen(stripe: Simulator, chance: random.Random, ids: dict[str, list[str]]) -> None:
    """One thing that somebody does at Stripe. Raises what Stripe refuses."""
    acts = stripe.acts

    def some(kind: str) -> str:
        return chance.choice(ids[kind])

    kind = chance.choice(["pay", "pay", "refund", "fail", "dispute", "close", "transfer", "write"])
    if kind == "pay":
        ids["charges"].append(acts.pay(chance.randrange(500, 9_000), "usd")["latest_charge"])
    elif kind == "refund" and ids["charges"]:
        ids["refunds"].append(acts.refund(some("charges"), amount=chance.randrange(1, 200))["id"])
    elif kind == "fail" and ids["refunds"]:
        acts.fail_refund(some("refunds"))
    elif kind == "dispute" and ids["charges"]:
        ids["disputes"].append(acts.dispute(some("charges"))["id"])
    elif kind == "close" and ids["disputes"]:
        acts.close_dispute(some("disputes"), chance.choice(["won", "lost"]))
    elif kind == "transfer":
        made = acts.transfer(ids["accounts"][0], chance.randrange(1, 200), "usd")
        ids["transfers"].append(made["id"])
    else:
        known = [family for family in WRITTEN if ids[family]]
        family = chance.choice(known)
        field = {chance.choice(WRITTEN[family]): chance.choice(VALUES)}
        await _write(stripe, f"/v1/{family}/{some(family)}", field)


async def _write(stripe: Simulator, path: str, form: dict[str, str]) -> None:
    """What the platform's own code asks; what Stripe refuses has not happened."""
    transport = httpx.ASGITransport(app=stripe.app)
    headers = {"Authorization": f"Bearer {stripe.secret_key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://stripe.test") as client:
        await client.post(path, data=form, headers=headers)


async def _story(stripe: Simulator, seed: int, length: int) -> str:
    """Weeks of things that happen; the connected account to which they do."""
    chance = random.Random(seed)
    ids: dict[str, list[str]] = defaultdict(list)
    ids["accounts"].append(stripe.acts.connect_account())
    stripe.acts.topup(5_000, "usd")
    for _ in range(length):
        stripe.clock.advance(chance.choice([1, 3, 50, 4_000, 90_000]))
        with suppress(Refusal):
            await _happen(stripe, chance, ids)
    stripe.clock.advance(8 * 86_400)
    return ids["accounts"][0]


def _chains(simulator: Simulator) -> list[list[Told]]:
    """What every object's events say, in order."""
    found: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for book in simulator.world.books.values():
        for event in book.shelf("event").values():
            data = event["data"]
            told = Told(
                event["id"],
                event["type"],
                event["created"],
                event["api_version"],
                data["object"],
                data.get("previous_attributes"),
            )
            found[book.id, str(data["object"].get("id"))].append(told)
    return [sorted(chain, key=lambda one: one.created) for chain in found.values()]


def _alone(chain: Sequence[Told], at: int) -> bool:
    return sum(one.created == chain[at].created for one in chain) == 1


def _lasts(chain: Sequence[Told], at: int) -> bool:
    """Whether what this update changed is still so at the next, and not back to what it was."""
    before, missed, following = chain[at - 1], chain[at], chain[at + 1]
    stood = {**following.state, **(following.previous or {})}
    return any(
        stood.get(name) != before.state.get(name)
        for name in (missed.previous or {})
        if name not in FALLS
    )


def _in_the_middle(chain: Sequence[Told]) -> list[int]:
    return [
        at
        for at in range(1, len(chain) - 1)
        if chain[at].previous is not None
        and chain[at + 1].previous is not None
        and all(_alone(chain, near) for near in (at - 1, at, at + 1))
        and _lasts(chain, at)
    ]


@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])
@example(seed=53, chance=random.Random(1))
@given(seed=st.integers(0, 10_000), chance=st.randoms(use_true_random=False))
def test_stories_are_whole_in_any_order_and_a_dropped_update_shows(seed: int, chance: Any) -> None:
    simulator = Simulator(seed=seed)
    run(lambda: _story(simulator, seed, 40))
    for chain in _chains(simulator):
        shuffled = [*chain, *chain[:3]]
        chance.shuffle(shuffled)
        assert breaks(shuffled) == []
        for at in _in_the_middle(chain):
            found = breaks(chain[:at] + chain[at + 1 :])
            assert [one.event.event_id for one in found] == [chain[at + 1].event_id]


@pytest.mark.parametrize("seed", [5, 11])
def test_a_dropped_update_is_the_one_break_in_the_inbox_and_heals_when_it_comes(
    database_url: str, seed: int
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await _story(it.simulator, seed, 60)
            async with it.context.write() as session:
                await merchants.connect(session, "bakery", "Bakery", account, it.context.now())
            chains = _chains(it.simulator)
            chain, at = next((c, at) for c in chains for at in _in_the_middle(c))
            it.simulator.webhooks.reorder(seed)
            it.simulator.webhooks.duplicate("*", probability=0.2)
            it.simulator.webhooks.drop(chain[at].event_id)
            await it.simulator.webhooks.deliver(it.send)
            await apply_all(it.context)
            await join_chains(it.context)
            [broken] = await it.query("SELECT * FROM broken_chains")
            assert broken["event_id"] == chain[at + 1].event_id
            assert broken["before_event"] == chain[at - 1].event_id
            assert await it.query(
                "SELECT 1 AS wanted FROM fetches WHERE object_id = :id AND not_before >= :moment",
                id=broken["object_id"],
                moment=broken["created"],
            )
            assert it.context.stripe is not None
            await recover_events(it.context, it.context.stripe)
            await recover_connected(it.context, it.context.stripe)
            await apply_all(it.context)
            await join_chains(it.context)
            [healed] = await it.query("SELECT * FROM broken_chains")
            assert (healed["healed_by"], healed["event_id"]) == ("event", broken["event_id"])

    run(story)
