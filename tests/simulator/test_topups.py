"""Top-ups: money from the bank, which comes, fails, is called off, or is taken back."""

import pytest
import stripe

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.settings import Settings

from .sdk import client, rows, run, types

DAY = 86_400
ASK = {"amount": 2_000, "currency": "usd", "description": "May", "transfer_group": "g"}


def test_a_topup_is_pending_and_then_there():
    async def story(sim):
        topups = client(sim).v1.topups
        made = await topups.create_async(ASK)
        assert (made.status, made.balance_transaction) == ("pending", None)
        sim.clock.advance(DAY)
        there = await topups.retrieve_async(made.id, {"expand": ["balance_transaction"]})
        assert there.status == "succeeded"
        row = there.balance_transaction
        assert (row.type, row.amount, row.source) == ("topup", 2_000, made.id)
        changed = await topups.update_async(made.id, {"metadata": {"a": "b"}})
        assert changed.metadata["a"] == "b"
        listed = await topups.list_async({"status": "succeeded", "amount": {"gte": 2_000}})
        assert [each.id for each in listed.data] == [made.id]
        with pytest.raises(stripe.InvalidRequestError, match="Only pending"):
            await topups.cancel_async(made.id)
        sim.acts.reverse_topup(made.id)
        assert (await topups.retrieve_async(made.id)).status == "reversed"
        assert rows(sim)[-1]["type"] == "topup_reversal"

    sim = Simulator(settings=Settings(topup_seconds=3_600))
    run(story(sim))
    assert [each for each in types(sim) if each.startswith("topup")] == [
        "topup.created",
        "topup.succeeded",
        "topup.reversed",
    ]
    assert sim.audit() == []


def test_a_topup_may_fail_or_be_called_off():
    async def story(sim):
        topups = client(sim).v1.topups
        failed = await topups.create_async({**ASK, "source": "btok_us_verified_noAccount"})
        gone = await topups.create_async(ASK)
        sim.acts.fail_topup((await topups.create_async(ASK)).id)
        await topups.cancel_async(gone.id)
        sim.clock.advance(DAY)
        assert (await topups.retrieve_async(failed.id)).failure_code == "no_account"
        found = await topups.list_async()
        assert [each.status for each in found.data] == ["failed", "canceled", "failed"]

    sim = Simulator(settings=Settings(topup_seconds=3_600))
    run(story(sim))
    assert rows(sim) == []
    assert sim.audit() == []
