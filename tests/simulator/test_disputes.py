"""Disputes, inquiries and early fraud warnings, as Stripe's test cards and banks bring them."""

import pytest
import stripe

from reconciler.simulator import Settings, Simulator
from reconciler.simulator.kernel.clock import DAY

from .sdk import client, inside, rows, run, types


def the_dispute(sim, charge=None):
    disputes = sim.world.home.shelf("dispute").values()
    [found] = [dispute for dispute in disputes if charge in (None, dispute["charge"])]
    return found


def disputed(amount=6_000, card="pm_card_createDispute", **options):
    sim = Simulator(**options)
    return sim, sim.acts.pay(amount, "usd", card=card)


async def answer_of(sim, method, path, **form):
    headers = {"Authorization": f"Bearer {sim.secret_key}"}
    return await inside(sim, method, path, data=form or None, headers=headers)


@pytest.mark.parametrize(
    ("card", "status", "reason", "case_type", "code"),
    [
        ("pm_card_createDispute", "needs_response", "fraudulent", "chargeback", "10.4"),
        (
            "pm_card_createDisputeProductNotReceived",
            "needs_response",
            "product_not_received",
            "chargeback",
            "13.1",
        ),
        ("pm_card_createDisputeInquiry", "warning_needs_response", None, "inquiry", "10"),
        (
            "pm_card_createRapidDisputeResolutionDispute",
            "prevented",
            "fraudulent",
            "resolution",
            "10.4",
        ),
    ],
)
def test_the_cards_bring_the_disputes_of_stripes_table(card, status, reason, case_type, code):
    async def story(sim):
        [dispute] = (await client(sim).v1.disputes.list_async({})).data
        assert dispute.id.startswith("du_")
        assert (dispute.status, dispute.amount) == (status, 6_000)
        assert reason in (None, dispute.reason)
        details = dispute.payment_method_details.card
        assert (details.case_type, details.network, details.network_reason_code) == (
            case_type,
            "visa",
            code,
        )
        assert dispute.is_charge_refundable == (status != "needs_response")
        assert len(dispute.balance_transactions) == (status == "needs_response")
        day = dispute.created // DAY
        assert dispute.evidence_details.due_by == (day + 9) * DAY - 1
        evidence = dispute.evidence.to_dict()
        assert evidence.pop("enhanced_evidence") == {}
        assert len(evidence) == 27
        assert set(evidence.values()) == {None}
        charge = await client(sim).v1.charges.retrieve_async(dispute.charge)
        assert charge.disputed

    sim, _ = disputed(card=card)
    run(story(sim))
    assert sim.audit() == []


def test_a_dispute_that_was_prevented_is_over_and_moves_nothing():
    sim, paid = disputed(card="pm_card_createRapidDisputeResolutionDispute")
    assert types(sim)[-2:] == ["charge.dispute.created", "charge.dispute.closed"]
    assert len(rows(sim)) == 1
    assert sim.acts.refund(paid["id"])["status"] == "succeeded"
    with pytest.raises(Exception, match="already closed"):
        sim.acts.close_dispute(the_dispute(sim)["id"], "lost")
    assert sim.audit() == []


def test_one_charge_can_be_disputed_more_than_once():
    sim, paid = disputed(amount=6_001, card="pm_card_createMultipleDisputes")
    first, second = sim.world.home.shelf("dispute").values()
    assert {first["charge"], second["charge"]} == {paid["latest_charge"]}
    assert first["amount"] + second["amount"] == 6_001
    sim.acts.close_dispute(first["id"], "won")
    with pytest.raises(Exception, match="charged back"):
        sim.acts.refund(paid["id"], amount=1)
    sim.acts.close_dispute(second["id"], "won")
    assert sim.acts.refund(paid["id"], amount=1)["status"] == "succeeded"
    assert sim.audit() == []


def test_evidence_can_be_staged_and_is_submitted_once():
    async def story(sim):
        sdk = client(sim)
        dispute = the_dispute(sim)["id"]
        staged = await sdk.v1.disputes.update_async(
            dispute, {"evidence": {"product_description": "A widget"}, "submit": False}
        )
        assert (staged.status, staged.evidence_details.has_evidence) == ("needs_response", True)
        assert staged.evidence_details.submission_count == 0
        noted = await sdk.v1.disputes.update_async(dispute, {"metadata": {"a": "1"}})
        assert (noted.status, noted.metadata.to_dict()) == ("needs_response", {"a": "1"})
        sent = await sdk.v1.disputes.update_async(dispute, {"submit": True})
        assert (sent.status, sent.evidence_details.submission_count) == ("under_review", 1)
        assert sent.evidence.product_description == "A widget"
        assert types(sim)[-2:] == ["charge.dispute.updated", "charge.updated"]
        with pytest.raises(stripe.InvalidRequestError, match="already been submitted"):
            await sdk.v1.disputes.update_async(dispute, {"evidence": {"receipt": ""}})
        sim.clock.advance(30 * DAY)
        assert the_dispute(sim)["status"] == "under_review"
        sim.acts.close_dispute(dispute, "won")
        with pytest.raises(stripe.InvalidRequestError, match="This dispute is already closed"):
            await sdk.v1.disputes.update_async(dispute, {"metadata": {"b": "2"}})

    sim, _ = disputed()
    run(story(sim))
    assert types(sim)[-3:] == [
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
        "charge.updated",
    ]
    assert sim.audit() == []


def test_a_file_of_evidence_has_to_exist():
    async def story(sim):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await client(sim).v1.disputes.update_async(
                the_dispute(sim)["id"], {"evidence": {"receipt": "file_nowhere"}}
            )
        assert refused.value.param == "evidence[receipt]"

    run(story(disputed()[0]))


def test_losing_evidence_loses_and_an_unanswered_dispute_is_lost_when_due():
    async def story(sim):
        evidence = {"evidence": {"uncategorized_text": "losing_evidence"}}
        await client(sim).v1.disputes.update_async(the_dispute(sim)["id"], evidence)

    answered, _ = disputed()
    run(story(answered))
    answered.clock.advance(3_600)
    silent, _ = disputed()
    silent.clock.advance(7 * DAY)
    assert the_dispute(silent)["status"] == "needs_response"
    silent.clock.advance(2 * DAY)
    for sim in (answered, silent):
        assert (the_dispute(sim)["status"], the_dispute(sim)["is_charge_refundable"]) == (
            "lost",
            False,
        )
        assert rows(sim)[-1]["net"] == -7_500
        assert sim.audit() == []


def test_an_escalated_inquiry_stops_a_refund_that_the_network_has_not_had():
    async def story(sim, paid):
        sdk = client(sim)
        early = sim.acts.refund(paid["id"], amount=1_000)
        sim.clock.advance(600)
        late = sim.acts.refund(paid["id"], amount=500)
        evidence = {"evidence": {"uncategorized_text": "escalate_inquiry_evidence"}}
        await sdk.v1.disputes.update_async(the_dispute(sim)["id"], evidence)
        assert the_dispute(sim)["status"] == "warning_under_review"
        sim.clock.advance(60)
        assert (await sdk.v1.refunds.retrieve_async(early["id"])).status == "succeeded"
        stopped = await sdk.v1.refunds.retrieve_async(late["id"])
        assert (stopped.status, stopped.failure_reason) == (
            "failed",
            "charge_for_pending_refund_disputed",
        )
        dispute = await sdk.v1.disputes.retrieve_async(the_dispute(sim)["id"])
        assert (dispute.status, dispute.is_charge_refundable) == ("needs_response", False)
        assert [row.net for row in dispute.balance_transactions] == [-7_500]

    sim, paid = disputed(card="pm_card_createDisputeInquiry")
    run(story(sim, paid))
    assert types(sim)[-2:] == ["charge.dispute.updated", "charge.dispute.funds_withdrawn"]
    assert sim.audit() == []


def test_an_inquiry_ends_when_the_charge_is_refunded_or_nobody_cares():
    sim, paid = disputed(card="pm_card_createDisputeInquiry")
    sim.acts.refund(paid["id"], amount=1_000)
    assert the_dispute(sim)["status"] == "warning_needs_response"
    sim.acts.refund(paid["id"])
    assert the_dispute(sim)["status"] == "warning_closed"
    other, _ = disputed(card="pm_card_createDisputeInquiry")
    other.clock.advance(119 * DAY)
    assert the_dispute(other)["status"] == "warning_needs_response"
    other.clock.advance(2 * DAY)
    assert the_dispute(other)["status"] == "warning_closed"
    assert sim.audit() == other.audit() == []


def test_the_addresses_under_a_charge_lead_to_its_dispute():
    async def story(sim, paid):
        path = f"/v1/charges/{paid['latest_charge']}/dispute"
        found = (await answer_of(sim, "GET", path)).json()
        assert found["id"] == the_dispute(sim)["id"]
        amended = await answer_of(sim, "POST", path, **{"metadata[a]": "1"})
        assert amended.json()["metadata"] == {"a": "1"}
        closed = await answer_of(sim, "POST", f"{path}/close")
        assert closed.json()["status"] == "lost"
        clean = sim.acts.pay(500, "usd")["latest_charge"]
        none = await answer_of(sim, "GET", f"/v1/charges/{clean}/dispute")
        assert (none.status_code, none.json()["error"]["message"]) == (
            404,
            f"No dispute for charge: {clean}",
        )
        lost = await answer_of(sim, "GET", "/v1/disputes/du_nowhere")
        assert (lost.status_code, lost.json()["error"]["param"]) == (404, "dispute")

    sim, paid = disputed()
    run(story(sim, paid))
    assert types(sim).count("charge.dispute.closed") == 1
    assert sim.audit() == []


def test_a_bank_can_dispute_a_part_with_a_reason_and_a_code_of_its_own():
    sim = Simulator(settlement_currencies=("usd",))
    paid = sim.acts.pay(10_000, "jpy")
    dispute = sim.acts.dispute(
        paid["latest_charge"], 5_000, "subscription_canceled", network_reason_code="4841"
    )
    assert dispute["payment_method_details"]["card"]["network_reason_code"] == "4841"
    assert (dispute["amount"], dispute["currency"]) == (5_000, "jpy")
    [withdrawn] = dispute["balance_transactions"]
    assert (withdrawn["amount"], withdrawn["currency"], withdrawn["fee"]) == (-3_350, "usd", 1_500)
    sim.acts.close_dispute(dispute["id"], "won")
    assert rows(sim)[-1]["exchange_rate"] == withdrawn["exchange_rate"]
    assert sim.audit() == []


def test_a_dispute_does_not_touch_the_transfer_of_its_charge():
    sim = Simulator()
    account = sim.acts.connect_account()
    paid = sim.acts.pay(10_000, "usd", card="pm_card_bypassPending")
    transfer = sim.acts.transfer(account, 9_000, "usd")
    sim.acts.dispute(paid["latest_charge"])
    assert sim.world.home.shelf("transfer")[transfer["id"]]["amount_reversed"] == 0
    assert sim.world.home.totals["usd"]["available"] < -9_000
    assert sim.world.books[account].totals["usd"]["available"] == 9_000
    assert sim.audit() == []


def test_a_dispute_of_a_connected_accounts_charge_is_its_own():
    sim = Simulator()
    account = sim.acts.connect_account()
    sim.acts.pay(10_000, "usd", card="pm_card_createDispute", account=account)
    [dispute] = sim.world.books[account].shelf("dispute").values()
    assert dispute["status"] == "needs_response"
    assert "charge.dispute.funds_withdrawn" in types(sim, account)
    assert sim.world.home.shelf("dispute") == {}
    assert sim.audit() == []


def test_a_disputed_debit_is_lost_at_once():
    async def story(sim):
        paid = await client(sim).v1.payment_intents.create_async(
            {
                "amount": 5_000,
                "currency": "eur",
                "allowed_payment_method_types": ["sepa_debit"],
                "payment_method": "pm_success_de",
                "confirm": True,
                "mandate_data": {"customer_acceptance": {"type": "offline"}},
            }
        )
        sim.clock.advance(20 * DAY)
        charge = sim.world.home.shelf("charge")[paid.latest_charge]
        assert charge["status"] == "succeeded"
        refund = sim.acts.refund(paid.id, amount=1_000)
        assert refund["id"].startswith("pyr_")
        assert (refund["status"], refund["pending_reason"]) == ("pending", "processing")
        assert rows(sim)[-1]["type"] == "payment_refund"
        sim.clock.advance(5 * DAY)
        assert sim.world.home.shelf("refund")[refund["id"]]["status"] == "succeeded"
        dispute = sim.acts.dispute(paid.latest_charge, reason="debit_not_authorized")
        assert (dispute["status"], dispute["evidence_details"]["due_by"]) == ("lost", 0)
        assert dispute["amount"] == 4_000
        assert "payment_method_details" not in dispute

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_an_early_fraud_warning_is_actionable_until_the_money_is_back():
    async def story(sim, paid):
        sdk = client(sim)
        listed = await sdk.v1.radar.early_fraud_warnings.list_async(
            {"charge": paid["latest_charge"], "expand": ["data.charge"]}
        )
        [warning] = listed.data
        assert warning.id.startswith("issfr_")
        assert (warning.actionable, warning.charge.id) == (True, paid["latest_charge"])
        assert warning.payment_intent == paid["id"]
        sim.acts.refund(paid["id"])
        warning = await sdk.v1.radar.early_fraud_warnings.retrieve_async(warning.id)
        assert not warning.actionable

    sim, paid = disputed(card="pm_card_createIssuerFraudRecord")
    assert "radar.early_fraud_warning.created" in types(sim)
    run(story(sim, paid))
    assert types(sim)[-1] == "radar.early_fraud_warning.updated"
    other = sim.acts.pay(700, "usd")["latest_charge"]
    assert sim.acts.early_fraud_warning(other, "misc")["fraud_type"] == "misc"
    sim.acts.dispute(other)
    assert types(sim)[-1] == "radar.early_fraud_warning.updated"
    assert sim.audit() == []


def test_the_fee_of_a_dispute_is_a_setting():
    sim, _ = disputed(settings=Settings(dispute_fee=2_000))
    assert rows(sim)[-1]["fee"] == 2_000
    assert sim.audit() == []
