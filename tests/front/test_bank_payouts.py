"""Bank payouts: what each is made of, given by Stripe or inferred, and proven to the cent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reconciler.reconciling.compose import compose_payouts
from tests.harness import ADMIN_KEY, Service, run, service

DAY = 86400
OWNED = {"merchant_id": "bakery"}


async def composed(it: Service, id: str) -> Any:
    """Everything is heard, mirrored and composed; then the payout as the API shows it."""
    await it.listen()
    await it.check()
    assert it.context.stripe is not None
    await compose_payouts(it.context, it.context.stripe)
    return (await it.get(f"/v1/bank-payouts/{id}")).json()


async def parts(it: Service, id: str) -> dict[str, int]:
    listed = (await it.get(f"/v1/bank-payouts/{id}/items", limit="100")).json()
    return {row["balance_transaction"]: row["part"] for row in listed["data"]}


def test_an_automatic_payout_is_the_sum_of_what_stripe_lists_for_it(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            acts = it.simulator.acts
            for amount in (10_000, 20_000, 5_000):
                charge = acts.pay(amount, "usd", metadata=OWNED)
            acts.refund(charge["id"], amount=1_000)
            it.simulator.clock.advance(9 * DAY)
            sent = acts.pay_out_bank("usd")
            it.simulator.clock.advance(5 * DAY)
            shown = await composed(it, sent["id"])
            made = shown["composition"]
            assert (made["says"], made["proven"], made["remainder"]) == ("stripe", True, 0)
            assert made["total"] == sent["amount"] == sum((await parts(it, sent["id"])).values())
            kinds = {row["reporting_category"]: row["movements"] for row in made["by_category"]}
            assert kinds == {"charge": 3, "refund": 1}
            assert (await it.check())["found"] == []

    run(story)


def test_manual_payouts_are_inferred_one_after_the_other(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            acts = it.simulator.acts
            for amount in (10_000, 20_000, 30_000):
                acts.pay(amount, "usd", metadata=OWNED)
                it.simulator.clock.advance(DAY)
            it.simulator.clock.advance(9 * DAY)
            first = acts.pay_out_bank("usd", 15_000)
            it.simulator.clock.advance(DAY)
            second = acts.pay_out_bank("usd", 25_000)
            shown = await composed(it, second["id"])
            made = shown["composition"]
            assert (made["says"], made["proven"], made["total"]) == ("inferred", True, 25_000)
            one, two = await parts(it, first["id"]), await parts(it, second["id"])
            assert (sum(one.values()), sum(two.values())) == (15_000, 25_000)
            [split] = one.keys() & two.keys()
            [movement] = await it.query(
                "SELECT net FROM balance_transactions WHERE id = :id", id=split
            )
            assert one[split] + two[split] == movement["net"]
            assert (await it.check())["found"] == []

    run(story)


def test_a_payout_that_comes_back_days_later_is_in_the_next_one(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            acts = it.simulator.acts
            acts.pay(50_000, "usd", metadata=OWNED)
            it.simulator.clock.advance(9 * DAY)
            first = acts.pay_out_bank("usd", 40_000)
            it.simulator.clock.advance(6 * DAY)
            acts.fail_payout(first["id"])
            await it.listen()
            second = acts.pay_out_bank("usd", 45_000)
            shown = await composed(it, second["id"])
            assert shown["composition"]["proven"]
            kinds = {row["reporting_category"] for row in shown["composition"]["by_category"]}
            assert kinds == {"charge", "payout_reversal"}
            failed = await composed(it, first["id"])
            assert failed["status"] == "failed"
            assert [row["amount"] for row in failed["returned"]] == [40_000]
            assert (await it.check())["found"] == []

    run(story)


def test_composing_again_gives_the_same_and_a_late_movement_changes_what_follows(
    tmp_path: Path,
) -> None:
    """A movement that was mirrored late takes its place as if it had always been there."""

    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'late.db'}") as it:
            acts = it.simulator.acts
            for amount in (10_000, 20_000, 30_000):
                acts.pay(amount, "usd", metadata=OWNED)
                it.simulator.clock.advance(DAY)
            it.simulator.clock.advance(9 * DAY)
            sent = [acts.pay_out_bank("usd", 12_000), acts.pay_out_bank("usd", 20_000)]
            for each in sent:
                await composed(it, each["id"])
            before = [await parts(it, each["id"]) for each in sent]
            assert it.context.stripe is not None
            counts = await compose_payouts(it.context, it.context.stripe)
            assert counts == {"composed": 0, "waiting": 0, "again": 0}
            [oldest] = await it.query(
                "SELECT id FROM balance_transactions WHERE reporting_category = 'charge'"
                " ORDER BY created LIMIT 1"
            )
            async with it.context.write() as session:  # as if the oldest had not been listed then
                await session.run("DELETE FROM bank_payout_items")
                await session.run("DELETE FROM bank_payout_compositions")
                await session.run(
                    "UPDATE balance_transactions SET available_on = available_on + 4000000000"
                    " WHERE id = :id",
                    id=oldest["id"],
                )
            await compose_payouts(it.context, it.context.stripe)
            assert [await parts(it, each["id"]) for each in sent] != before
            it.simulator.clock.advance(100)
            async with it.context.write() as session:
                await session.run(
                    "UPDATE balance_transactions SET available_on = available_on - 4000000000,"
                    " mirrored_at = :now WHERE id = :id",
                    id=oldest["id"],
                    now=it.context.now(),
                )
            counts = await compose_payouts(it.context, it.context.stripe)
            assert counts["again"] == 2
            assert [await parts(it, each["id"]) for each in sent] == before

    run(story)


def test_what_does_not_add_up_is_a_finding_with_the_money_at_risk(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'gap.db'}") as it:
            it.simulator.acts.pay(50_000, "usd", metadata=OWNED)
            it.simulator.clock.advance(9 * DAY)
            sent = it.simulator.acts.pay_out_bank("usd", 40_000)
            await it.listen()
            await it.check()
            async with it.context.write() as session:
                await session.run(
                    "UPDATE balance_transactions SET net = 35000, amount = 35000 + fee"
                    " WHERE reporting_category = 'charge'"
                )
            shown = await composed(it, sent["id"])
            assert shown["composition"]["remainder"] == 5_000
            found = [f for f in (await it.check())["found"] if f["reference"] == sent["id"]]
            assert [(f["cause"], f["difference"], f["at_risk"]) for f in found] == [
                ("composition_differs", 0, 5_000)
            ]

    run(story)


def test_the_trace_id_is_kept_and_what_is_not_composed_says_why(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'trace.db'}") as it:
            it.simulator.acts.pay(50_000, "usd", metadata=OWNED)
            it.simulator.clock.advance(9 * DAY)
            sent = it.simulator.acts.pay_out_bank("usd", 40_000)
            await it.listen()
            shown = (await it.get(f"/v1/bank-payouts/{sent['id']}")).json()
            assert (shown["composition"]["says"], shown["composition"]["proven"]) == (None, False)
            assert "mirrored" in shown["composition"]["why_not"]
            it.simulator.clock.advance(6 * DAY)
            shown = await composed(it, sent["id"])
            assert shown["status"] == "paid"
            assert shown["trace_id"]
            for path, said in (
                ("/console/bank-payouts", "inferred"),
                (f"/console/bank-payouts/{sent['id']}", "explained to the cent"),
            ):
                page = await it.http.get(path, auth=("anyone", ADMIN_KEY))
                assert said in page.text
            assert (await it.get("/v1/bank-payouts/po_none")).status_code == 404
            assert (await it.get("/v1/bank-payouts/po_none/items")).status_code == 404

    run(story)
