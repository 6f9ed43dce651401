"""A great many movements at once, under the same audit as all others."""

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.ids import Ids

from .sdk import client, run


def test_bulk_movements_are_real_in_every_respect():
    async def story(sim):
        sdk = client(sim)
        made = sim.acts.bulk(3_000, days=8)
        assert made["balance_transactions"] == 3_000
        charge = (await sdk.v1.charges.list_async({"limit": 1})).data[0]
        row = await sdk.v1.balance_transactions.retrieve_async(charge.balance_transaction)
        assert (row.amount, row.net) == (charge.amount, charge.amount - row.fee)
        refund = (await sdk.v1.refunds.list_async({"limit": 1})).data[0]
        refunded = await sdk.v1.charges.retrieve_async(refund.charge)
        assert refunded.amount_refunded == refund.amount
        payout = (await sdk.v1.payouts.list_async({"limit": 1})).data[0]
        parts = await sdk.v1.balance_transactions.list_async({"payout": payout.id, "limit": 100})
        nets = [part.net async for part in parts.auto_paging_iter()]
        assert sum(nets) == 0
        assert len(nets) > 300
        rows = await sdk.v1.balance_transactions.list_async({"limit": 100})
        ids = [each.id async for each in rows.auto_paging_iter()]
        assert ids == list(sim.world.home.shelf("balance_transaction"))[::-1]

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_an_audit_notices_one_cent_among_many():
    sim = Simulator()
    sim.acts.bulk(500, days=4)
    row = list(sim.world.home.shelf("balance_transaction").values())[100]
    row["net"] += 1
    assert sim.audit()


def test_many_ids_are_those_that_would_have_come_one_by_one():
    one, other = Ids(7), Ids(7)
    assert [*one.many("ch", 3), one.new("ch")] == [other.new("ch") for _ in range(4)]
    made = Ids(1).many("txn", 20_000)
    assert len(set(made)) == len(made)
    assert all(each.startswith("txn_1") and each[5:].isalnum() for each in made)
