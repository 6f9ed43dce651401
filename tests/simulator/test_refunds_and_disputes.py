"""Money that goes back to customers, and to their banks."""

import pytest
import stripe

from reconciler.simulator import Settings, Simulator

from .sdk import client, rows, run, types


def test_refunds_are_partial_capped_and_counted_on_the_charge():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(10_000, "usd")
        first = await sdk.v1.refunds.create_async(
            {
                "payment_intent": paid["id"],
                "amount": 4_000,
                "metadata": {"command": "c1"},
                "reason": "requested_by_customer",
            }
        )
        assert (first.status, first.amount, first.metadata["command"]) == ("succeeded", 4_000, "c1")
        charge = await sdk.v1.charges.retrieve_async(first.charge, {"expand": ["refunds"]})
        assert (charge.amount_refunded, charge.refunded) == (4_000, False)
        assert [refund.id for refund in charge.refunds.data] == [first.id]
        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded") as refused:
            await sdk.v1.refunds.create_async({"charge": first.charge, "amount": 6_001})
        assert (refused.value.code, refused.value.param) == (None, "amount")
        await sdk.v1.refunds.create_async({"charge": first.charge})
        charge = await sdk.v1.charges.retrieve_async(first.charge)
        assert (charge.amount_refunded, charge.refunded) == (10_000, True)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.refunds.create_async({"charge": first.charge})
        assert refused.value.code == "charge_already_refunded"
        listed = await sdk.v1.refunds.list_async({"payment_intent": paid["id"]})
        assert [refund.amount for refund in listed.data] == [6_000, 4_000]

    sim = Simulator()
    run(story(sim))
    assert types(sim)[-2:] == ["refund.created", "charge.refunded"]
    last = list(sim.world.home.shelf("event").values())[-1]
    assert last["data"]["previous_attributes"] == {"amount_refunded": 4_000, "refunded": False}
    assert [row["amount"] for row in rows(sim)] == [10_000, -4_000, -6_000]
    assert sim.audit() == []


def test_a_pending_refund_succeeds_later():
    sim = Simulator()
    paid = sim.acts.pay(1_000, "usd", card="pm_card_pendingRefund")
    refund = sim.acts.refund(paid["latest_charge"])
    assert refund["status"] == "pending"
    sim.clock.advance(3_600)
    last = list(sim.world.home.shelf("event").values())[-1]
    assert last["type"] == "refund.updated"
    assert last["data"]["object"]["status"] == "succeeded"
    assert last["data"]["previous_attributes"] == {
        "pending_reason": "processing",
        "status": "pending",
    }


def test_a_refund_that_succeeded_can_fail_and_its_money_comes_back():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(1_000, "usd", card="pm_card_refundFail")
        refund = await sdk.v1.refunds.create_async({"payment_intent": paid["id"]})
        assert refund.status == "succeeded"
        sim.clock.advance(3_600)
        refund = await sdk.v1.refunds.retrieve_async(
            refund.id, {"expand": ["failure_balance_transaction"]}
        )
        assert refund.status == "failed"
        back = refund.failure_balance_transaction
        assert (back.type, back.amount, back.source) == ("refund_failure", 1_000, refund.id)
        charge = await sdk.v1.charges.retrieve_async(refund.charge)
        assert (charge.amount_refunded, charge.refunded) == (0, False)

    sim = Simulator()
    run(story(sim))
    assert types(sim)[-2:] == ["refund.updated", "refund.failed"]
    assert sim.audit() == []


def test_only_a_refund_that_waits_for_the_customer_can_be_cancelled():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(1_000, "usd")
        waiting = sim.acts.refund(paid["id"], amount=400, requires_action=True)
        assert waiting["status"] == "requires_action"
        gone = await sdk.v1.refunds.cancel_async(waiting["id"])
        assert (gone.status, gone.failure_reason) == ("canceled", "merchant_request")
        assert [row["amount"] for row in rows(sim)] == [1_000, -400, 400]
        waiting = sim.acts.refund(paid["id"], amount=300, requires_action=True)
        assert rows(sim)[-1]["amount"] == -300
        assert sim.acts.succeed_refund(waiting["id"])["status"] == "succeeded"
        assert len(rows(sim)) == 4
        done = sim.acts.refund(paid["id"], amount=400)
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.refunds.cancel_async(done["id"])

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_a_refund_in_the_dashboard_has_no_request_in_its_event():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(1_000, "usd")
        sim.acts.refund(payment_intent=paid["id"], amount=100)
        await sdk.v1.refunds.create_async(
            {"payment_intent": paid["id"], "amount": 100}, {"idempotency_key": "mine"}
        )
        found = await sdk.v1.events.list_async({"type": "refund.*"})
        by_api, by_hand = found.data
        assert by_api.request.idempotency_key == "mine"
        assert by_api.request.id.startswith("req_")
        assert (by_hand.request.id, by_hand.request.idempotency_key) == (None, None)

    run(story(Simulator()))


@pytest.mark.parametrize(("returned", "left"), [(True, 0), (False, -1_500)])
def test_a_dispute_withdraws_amount_and_fee_and_winning_brings_them_back(returned, left):
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(10_000, "usd", card="pm_card_createDispute")
        [dispute] = (await sdk.v1.disputes.list_async({"payment_intent": paid["id"]})).data
        assert (dispute.status, dispute.reason) == ("needs_response", "fraudulent")
        [withdrawn] = dispute.balance_transactions
        assert (withdrawn.type, withdrawn.reporting_category) == ("adjustment", "dispute")
        assert (withdrawn.amount, withdrawn.fee, withdrawn.net) == (-10_000, 1_500, -11_500)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.refunds.create_async({"payment_intent": paid["id"]})
        assert refused.value.code == "charge_disputed"
        await sdk.v1.disputes.update_async(
            dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}}
        )
        sim.clock.advance(3_600)
        dispute = await sdk.v1.disputes.retrieve_async(dispute.id)
        assert dispute.status == "won"
        assert dispute.balance_transactions[1].reporting_category == "dispute_reversal"
        assert sum(row.net for row in dispute.balance_transactions) == left

    sim = Simulator(settings=Settings(dispute_fee_returned_when_won=returned))
    run(story(sim))
    assert [type_ for type_ in types(sim) if "dispute" in type_] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]
    assert sim.audit() == []


def test_a_dispute_stops_a_refund_that_is_still_on_its_way():
    sim = Simulator()
    paid = sim.acts.pay(2_000, "usd", card="pm_card_pendingRefund")
    refund = sim.acts.refund(paid["id"], amount=500)
    sim.acts.dispute(paid["latest_charge"])
    stopped = sim.world.home.shelf("refund")[refund["id"]]
    assert stopped["failure_reason"] == "charge_for_pending_refund_disputed"
    sim.clock.advance(3_600)
    assert stopped["status"] == "failed"
    assert sim.audit() == []


def test_a_lost_dispute_keeps_the_money():
    async def story(sim):
        sdk = client(sim)
        charge = sim.acts.pay(10_000, "usd")["latest_charge"]
        dispute = sim.acts.dispute(charge, amount=3_000, reason="duplicate")
        closed = await sdk.v1.disputes.close_async(dispute["id"])
        assert (closed.status, closed.amount, len(closed.balance_transactions)) == (
            "lost",
            3_000,
            1,
        )
        with pytest.raises(stripe.InvalidRequestError, match="already closed"):
            await sdk.v1.disputes.close_async(dispute["id"])

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_an_inquiry_moves_no_money_until_it_is_escalated():
    sim = Simulator()
    paid = sim.acts.pay(2_000, "usd", card="pm_card_createDisputeInquiry")
    [inquiry] = sim.world.home.shelf("dispute").values()
    assert (inquiry["status"], len(rows(sim))) == ("warning_needs_response", 1)
    sim.acts.escalate_inquiry(inquiry["id"])
    assert rows(sim)[-1]["net"] == -3_500
    assert types(sim)[-2:] == ["charge.dispute.updated", "charge.dispute.funds_withdrawn"]
    second = sim.acts.dispute(paid["latest_charge"], inquiry=True)
    assert sim.acts.close_dispute(second["id"], "warning_closed")["status"] == "warning_closed"
    assert sim.audit() == []
