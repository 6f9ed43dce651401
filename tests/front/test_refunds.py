"""Refunds through the front door: by which id, how much, refused why, failing later, recovered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.money_out.recover_cost import recover_due
from tests.front.asking import ask, owed, paid, payout, refunds, sound
from tests.front.test_webhooks import is_problem
from tests.harness import Service, run, service


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'refunds.db'}"


async def _payment(it: Service, id: str) -> str:
    return str((await it.get(f"/v1/payments/{id}")).json()["status"])


def test_a_payment_is_given_back_in_parts_by_any_of_its_ids(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            first = await ask(it, "/v1/refunds", {"payment": intent["id"], "amount": 4_000})
            assert first.status_code == 201
            made = first.json()
            assert (made["status"], made["amount"], made["currency"]) == ("succeeded", 4_000, "usd")
            assert (made["payment"], made["merchant"]) == (intent["id"], "bakery")
            assert await _payment(it, intent["id"]) == "partially_refunded"
            [at_stripe] = refunds(it)
            assert made["stripe_refund_id"] == at_stripe["id"]
            assert at_stripe["metadata"] == {"reconciler_refund": made["id"]}
            balance = await owed(it)
            assert (balance["refunded"], balance["balance"], balance["reserved"]) == (
                4_000,
                6_000,
                0,
            )
            by_charge = {"payment": intent["latest_charge"], "reason": "duplicate"}
            rest = (await ask(it, "/v1/refunds", by_charge)).json()
            assert (rest["amount"], rest["reason"]) == (6_000, "duplicate")
            assert await _payment(it, intent["id"]) == "refunded"
            assert (await it.get(f"/v1/refunds/{made['id']}")).json() == made
            listed = (await it.get("/v1/refunds")).json()["data"]
            assert {row["request"]["id"] for row in listed} == {made["id"], rest["id"]}
            shown = (await it.get(f"/v1/refunds/{at_stripe['id']}")).json()
            assert shown["request"] == {"id": made["id"], "status": "succeeded"}
            await it.listen()
            assert (await it.check())["status"] == "clean"
            await sound(it)

    run(story)


async def _refused(it: Service, code: str, status: int = 409, **asked: Any) -> str:
    before = len(refunds(it))
    answer = await ask(it, "/v1/refunds", asked)
    assert is_problem(answer, status, code), answer.text
    assert len(refunds(it)) == before
    return str(answer.json()["detail"])


def test_what_cannot_be_given_back_is_refused_by_name(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            assert "resync" in await _refused(it, "unknown_payment", 404, payment="pi_nowhere")
            intent = await paid(it, 10_000)
            id = intent["id"]
            assert "100.00 usd" in await _refused(it, "refund_too_large", payment=id, amount=10_001)
            for amount in (0, -1, 1.5, None, "1", 10**13):
                answer = await ask(it, "/v1/refunds", {"payment": id, "amount": amount})
                assert is_problem(answer, 400, "invalid_body"), amount
                assert answer.json()["field"] == "amount"
            for more in ({"reason": "because"}, {"amonut": 1}, {"recover_from_merchant": "yes"}):
                answer = await ask(it, "/v1/refunds", {"payment": id, **more})
                assert is_problem(answer, 400, "invalid_body"), more
            await ask(it, "/v1/refunds", {"payment": id})
            await _refused(it, "already_refunded", payment=id)
            held = await paid(it, 5_000, card="pm_card_visa", capture_method="manual")
            assert "cancel it" in await _refused(it, "payment_not_captured", payment=held["id"])
            disputed = await paid(it, 5_000)
            it.simulator.acts.dispute(disputed["latest_charge"])
            await it.listen()
            await _refused(it, "payment_disputed", payment=disputed["id"])
            not_a_payment = await it.merchant("florist")
            await it.listen()
            await _refused(it, "unknown_payment", 404, payment=not_a_payment)

    run(story)


def test_what_is_on_its_way_is_not_given_back_again(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            it.simulator.faults.add(method="POST", path="/v1/refunds", when="before")
            first = (
                await ask(it, "/v1/refunds", {"payment": intent["id"], "amount": 7_000})
            ).json()
            assert first["status"] == "unknown"
            assert (await owed(it))["reserved"] == 7_000
            detail = await _refused(it, "refund_too_large", payment=intent["id"], amount=3_001)
            assert "30.00 usd" in detail
            found = (await it.check())["found"]
            assert ("outcome_unknown", first["id"]) in {(f["kind"], f["reference"]) for f in found}

    run(story)


def test_a_refund_that_fails_later_gives_the_money_back_to_the_merchant(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            await paid(it, 5_000, "florist")
            made = (await ask(it, "/v1/refunds", {"payment": intent["id"], "amount": 4_000})).json()
            await it.listen()
            it.simulator.clock.advance(86400)
            it.simulator.acts.fail_refund(made["stripe_refund_id"])
            await it.listen()
            shown = (await it.get(f"/v1/refunds/{made['id']}")).json()
            assert shown["status"] == "failed"
            assert shown["failure"]["code"] == "expired_or_canceled_card"
            assert await _payment(it, intent["id"]) == "succeeded"
            assert (await owed(it))["balance"] == 10_000
            again = (await ask(it, "/v1/refunds", {"payment": intent["id"]})).json()
            assert (again["amount"], again["status"]) == (10_000, "succeeded")
            await it.listen()
            assert (await it.check())["status"] == "clean"
            await sound(it)

    run(story)


def test_a_refund_that_stripe_cannot_pay_yet_waits_and_then_succeeds(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)  # Stripe kept its fee: not all of it is available
            made = (await ask(it, "/v1/refunds", {"payment": intent["id"]})).json()
            assert made["status"] == "pending"
            assert made["stripe_refund_id"]
            assert await _payment(it, intent["id"]) == "refunded"
            await paid(it, 5_000, "florist")
            await it.listen()
            assert (await it.get(f"/v1/refunds/{made['id']}")).json()["status"] == "succeeded"
            await sound(it)

    run(story)


def test_a_refund_that_asks_the_customer_waits_and_comes_back_when_nobody_answers(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            await paid(it, 5_000, "florist")
            it.simulator.faults.add(method="POST", path="/v1/refunds", when="before")
            made = (await ask(it, "/v1/refunds", {"payment": intent["id"]})).json()
            assert made["status"] == "unknown"
            # What we asked for arrived all the same, by a method that asks where to.
            named = {"reconciler_refund": made["id"]}
            at_stripe = it.simulator.acts.refund(
                payment_intent=intent["id"], metadata=named, requires_action=True
            )
            await it.listen()
            shown = (await it.get(f"/v1/refunds/{made['id']}")).json()
            assert (shown["status"], shown["stripe_refund_id"]) == (
                "requires_action",
                at_stripe["id"],
            )
            assert await _payment(it, intent["id"]) == "refunded"
            assert (await owed(it))["balance"] == 0
            late = await ask(it, f"/v1/refunds/{made['id']}/cancel")
            assert is_problem(late, 409, "already_sent")
            it.simulator.clock.advance(46 * 86_400)
            await it.listen()
            shown = (await it.get(f"/v1/refunds/{made['id']}")).json()
            assert (shown["status"], shown["failure"]["code"]) == ("failed", "unknown")
            assert await _payment(it, intent["id"]) == "succeeded"
            assert (await owed(it))["balance"] == 10_000
            assert len(refunds(it)) == 1
            await sound(it)

    run(story)


@pytest.mark.parametrize("heard", ["webhook", "sweep"])
def test_a_refund_called_off_in_the_dashboard_is_cancelled_here_too(url: str, heard: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            await paid(it, 5_000, "florist")
            made = (await ask(it, "/v1/refunds", {"payment": intent["id"], "amount": 4_000})).json()
            await it.listen()
            it.simulator.clock.advance(60)
            if heard == "sweep":
                it.simulator.webhooks.drop("*")
            it.simulator.acts.cancel_refund(made["stripe_refund_id"])
            await (it.listen() if heard == "webhook" else it.sweep())
            shown = (await it.get(f"/v1/refunds/{made['id']}")).json()
            assert shown["status"] == "cancelled"
            assert await _payment(it, intent["id"]) == "succeeded"
            assert (await owed(it))["balance"] == 10_000
            await sound(it)

    run(story)


def test_stripes_own_no_ends_the_refund(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            it.simulator.webhooks.drop("*")
            it.simulator.acts.refund(payment_intent=intent["id"], amount=8_000)
            made = (await ask(it, "/v1/refunds", {"payment": intent["id"], "amount": 9_000})).json()
            assert made["status"] == "failed"
            assert made["failure"]["message"]
            assert (await owed(it))["balance"] == 10_000
            it.simulator.webhooks.calm()
            await it.sweep()
            assert (await owed(it))["balance"] == 2_000
            await sound(it)

    run(story)


def test_a_refund_made_in_the_dashboard_ends_in_the_same_place(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            it.simulator.acts.refund(payment_intent=intent["id"], amount=4_000)
            await it.listen()
            [listed] = (await it.get("/v1/refunds")).json()["data"]
            assert listed["request"] is None
            assert (await owed(it))["balance"] == 6_000
            rest = (await ask(it, "/v1/refunds", {"payment": intent["id"]})).json()
            assert rest["amount"] == 6_000

    run(story)


def test_a_refund_that_was_not_sent_yet_can_be_called_off(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            it.simulator.faults.add(method="POST", path="/v1/refunds", effect="429")
            waiting = (await ask(it, "/v1/refunds", {"payment": intent["id"]})).json()
            assert (waiting["status"], waiting["stripe_refund_id"]) == ("pending", None)
            gone = await ask(it, f"/v1/refunds/{waiting['id']}/cancel")
            assert gone.json()["status"] == "cancelled"
            assert (await owed(it))["balance"] == 10_000
            over = await ask(it, f"/v1/refunds/{waiting['id']}/cancel")
            assert is_problem(over, 409, "already_over")
            made = (await ask(it, "/v1/refunds", {"payment": intent["id"]})).json()
            late = await ask(it, f"/v1/refunds/{made['id']}/cancel")
            assert is_problem(late, 409, "already_sent")
            assert is_problem(await ask(it, "/v1/refunds/rfq_no/cancel"), 404, "unknown_refund")
            await sound(it)

    run(story)


def test_a_payment_of_several_charges_is_refunded_by_the_one_that_was_captured(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            await paid(it, 5_000, "florist")
            declined = await paid(it, 10_000, card="pm_card_visa_chargeDeclined")
            from tests.harness import ask_stripe

            path = f"/v1/payment_intents/{declined['id']}/confirm"
            done = await ask_stripe(it, path, payment_method="pm_card_bypassPending")
            await it.listen()
            made = (await ask(it, "/v1/refunds", {"payment": declined["id"]})).json()
            assert (made["status"], made["charge"]) == ("succeeded", done["latest_charge"])
            [asked] = [r for r in it.simulator.requests if r.path == "/v1/refunds"]
            assert asked.form["charge"] == done["latest_charge"]
            assert "payment_intent" not in asked.form

    run(story)


def test_a_refund_of_the_platforms_own_sale_costs_no_merchant(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await paid(it, 5_000, "florist")
            intent = it.simulator.acts.pay(10_000, "usd", card="pm_card_bypassPending")
            await it.listen()
            asked = {"payment": intent["id"], "recover_from_merchant": True}
            made = (await ask(it, "/v1/refunds", asked)).json()
            assert (made["status"], made["merchant"]) == ("succeeded", None)
            assert made["recovery"]["status"] == "not_needed"
            await it.listen()
            assert (await it.check())["status"] == "clean"

    run(story)


async def _recover(it: Service, id: str) -> dict[str, Any]:
    assert it.context.stripe is not None
    await recover_due(it.context, it.context.stripe)
    shown = (await it.get(f"/v1/refunds/{id}")).json()["recovery"]
    return dict(shown)


def test_the_cost_is_recovered_from_what_the_merchant_was_paid_newest_first(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            await paid(it, 20_000, "florist")
            old = await payout(it, 4_000)
            it.simulator.clock.advance(60)
            new = await payout(it, 5_000)
            asked = {"payment": intent["id"], "recover_from_merchant": True}
            made = (await ask(it, "/v1/refunds", asked)).json()
            assert made["status"] == "succeeded"
            assert (await owed(it))["balance"] == -9_000
            closed = await _recover(it, made["id"])
            if closed["status"] == "open":
                closed = await _recover(it, made["id"])
            assert (closed["status"], closed["recovered"]) == ("closed", 9_000)
            taken = [(leg["payout"], leg["amount"]) for leg in closed["reversals"]]
            assert sorted(taken) == sorted([(new["id"], 5_000), (old["id"], 4_000)])
            assert (await owed(it))["balance"] == 0
            await it.listen()
            assert (await it.check())["status"] == "clean"
            await sound(it)

    run(story)


def test_a_recovery_that_stripe_refuses_stays_open_until_the_merchant_owes_nothing(
    url: str,
) -> None:
    async def story() -> None:
        async with service(url) as it:
            account = await it.merchant("bakery")
            intent = await paid(it, 10_000)
            await paid(it, 20_000, "florist")
            await payout(it, 10_000)
            it.simulator.acts.pay_out_bank("usd", 10_000, account=account)
            asked = {"payment": intent["id"], "recover_from_merchant": True}
            made = (await ask(it, "/v1/refunds", asked)).json()
            await _recover(it, made["id"])
            open_ = await _recover(it, made["id"])
            assert (open_["status"], open_["recovered"]) == ("open", 0)
            assert [leg["status"] for leg in open_["reversals"]] == ["failed"]
            it.simulator.clock.advance(7 * 3600)
            again = await _recover(it, made["id"])
            assert [leg["status"] for leg in again["reversals"]] == ["failed", "failed"]
            await paid(it, 15_000)
            closed = await _recover(it, made["id"])
            assert closed["status"] == "closed"
            await sound(it)

    run(story)


def test_a_cost_that_the_merchants_balance_covers_needs_no_recovery(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            intent = await paid(it, 10_000)
            await paid(it, 10_000)
            await payout(it, 5_000)
            asked = {"payment": intent["id"], "recover_from_merchant": True}
            made = (await ask(it, "/v1/refunds", asked)).json()
            assert (await _recover(it, made["id"]))["status"] == "not_needed"
            assert len(it.simulator.world.home.shelf("transfer_reversal")) == 0

    run(story)
