"""Refunds: what they take, what they wait for, and how they end."""

import pytest
import stripe

from reconciler.simulator import Settings, Simulator
from reconciler.simulator.kernel.clock import DAY

from .sdk import client, inside, rows, run, types


def last_event(sim, type_):
    events = sim.world.home.shelf("event").values()
    return [event for event in events if event["type"] == type_][-1]


async def posted(sim, path, **form):
    headers = {"Authorization": f"Bearer {sim.secret_key}"}
    return await inside(sim, "POST", path, data=form, headers=headers)


def paid_and_available(amount=10_000, currency="usd", **options):
    """A simulator with one payment whose money is available; everything else has left."""
    sim = Simulator(**options)
    paid = sim.acts.pay(amount, currency)
    sim.clock.advance(10 * DAY)
    return sim, paid


def emptied(sim):
    """All that is available goes to the bank."""
    for currency, sides in sim.world.home.totals.items():
        if sides["available"] > 0:
            sim.acts.pay_out_bank(currency, sides["available"])


def test_the_refund_of_a_card_looks_as_stripes_does():
    async def story(sim):
        paid = sim.acts.pay(5_000, "usd", description="Order 7")
        refund = await client(sim).v1.refunds.create_async(
            {"charge": paid["latest_charge"], "amount": 1_500, "reason": "duplicate"}
        )
        assert refund.id.startswith("re_")
        assert refund.destination_details.to_dict() == {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        }
        for absent in ("failure_reason", "pending_reason", "next_action", "instructions_email"):
            assert absent not in refund.to_dict()
        row = rows(sim)[-1]
        assert (row["type"], row["reporting_category"], row["source"]) == (
            "refund",
            "refund",
            refund.id,
        )
        assert (row["amount"], row["fee"], row["status"]) == (-1_500, 0, "pending")
        assert row["description"] == "REFUND FOR CHARGE (Order 7)"
        assert row["available_on"] == rows(sim)[0]["available_on"]

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


@pytest.mark.parametrize(
    ("currency", "amount", "asked", "words"),
    [
        ("usd", 123_400, 123_500, "($1,235.00) is greater than unrefunded amount on charge ($1,"),
        ("eur", 3_000, 4_000, "(€40.00) is greater than unrefunded amount on charge (€30.00)"),
        ("jpy", 3_000, 4_000, "(¥4,000) is greater than unrefunded amount on charge (¥3,000)"),
        ("kwd", 30_000, 40_010, "(KWD 40.010) is greater than unrefunded amount on charge (KWD"),
    ],
)
def test_refunding_too_much_is_refused_in_the_charges_currency(currency, amount, asked, words):
    async def story(sim):
        paid = sim.acts.pay(amount, currency)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await client(sim).v1.refunds.create_async(
                {"payment_intent": paid["id"], "amount": asked}
            )
        assert words in refused.value.error.message
        assert (refused.value.param, refused.value.code) == ("amount", None)

    run(story(Simulator()))


def test_a_refund_needs_a_charge_that_succeeded():
    async def story(sim):
        answer = await posted(sim, "/v1/refunds", amount=100)
        assert answer.json()["error"]["message"] == (
            "One of the following params should be provided for this request: payment_intent or "
            "charge."
        )
        missing = await posted(sim, "/v1/refunds", charge="ch_missing")
        assert (missing.status_code, missing.json()["error"]["param"]) == (404, "id")
        held = sim.acts.pay(3_300, "usd", capture_method="manual")
        answer = await posted(sim, "/v1/refunds", charge=held["latest_charge"])
        assert "You must cancel the PaymentIntent to reverse" in answer.json()["error"]["message"]
        declined = sim.acts.pay(900, "usd", card="pm_card_visa_chargeDeclined")
        answer = await posted(sim, "/v1/refunds", payment_intent=declined["id"])
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == (
            f"This PaymentIntent ({declined['id']}) does not have a successful charge to refund."
        )

    run(story(Simulator()))


def test_three_decimal_refunds_end_in_zero():
    async def story(sim):
        paid = sim.acts.pay(30_000, "kwd")
        answer = await posted(sim, "/v1/refunds", payment_intent=paid["id"], amount=10_005)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "amount")

    run(story(Simulator()))


def test_the_old_addresses_under_a_charge_still_serve():
    async def story(sim):
        charge = sim.acts.pay(4_100, "usd")["latest_charge"]
        other = sim.acts.pay(1_000, "usd")["latest_charge"]
        answer = await posted(sim, f"/v1/charges/{charge}/refund", amount=800)
        assert (answer.json()["object"], answer.json()["amount_refunded"]) == ("charge", 800)
        answer = await posted(sim, f"/v1/charges/{charge}/refunds", amount=300)
        refund = answer.json()
        assert (refund["object"], refund["amount"]) == ("refund", 300)
        headers = {"Authorization": f"Bearer {sim.secret_key}"}
        path = f"/v1/charges/{charge}/refunds"
        listed = (await inside(sim, "GET", path, headers=headers)).json()
        assert [row["amount"] for row in listed["data"]] == [300, 800]
        assert listed["url"] == path
        one = await inside(sim, "GET", f"{path}/{refund['id']}", headers=headers)
        assert one.json()["id"] == refund["id"]
        wrong = f"/v1/charges/{other}/refunds/{refund['id']}"
        lost = await inside(sim, "GET", wrong, headers=headers)
        assert (lost.status_code, lost.json()["error"]["param"]) == (404, "refund")
        amended = await posted(sim, f"{path}/{refund['id']}", **{"metadata[a]": "1"})
        assert amended.json()["metadata"] == {"a": "1"}

    sim = Simulator()
    run(story(sim))
    assert types(sim)[-2:] == ["charge.refund.updated", "refund.updated"]
    assert sim.audit() == []


def test_a_card_refund_waits_for_money_and_goes_on_by_itself():
    sim, paid = paid_and_available()
    emptied(sim)
    first = sim.acts.refund(paid["id"], amount=4_000)
    second = sim.acts.refund(paid["id"], amount=3_000)
    assert (first["status"], first["pending_reason"]) == ("pending", "insufficient_funds")
    assert first["balance_transaction"] is None
    charge = sim.world.home.shelf("charge")[paid["latest_charge"]]
    assert charge["amount_refunded"] == 7_000
    sim.acts.topup(3_500, "usd")
    shelf = sim.world.home.shelf("refund")
    assert shelf[first["id"]]["status"] == "pending"
    assert shelf[second["id"]]["status"] == "succeeded"
    sim.acts.topup(5_000, "usd")
    event = last_event(sim, "refund.updated")
    assert event["data"]["object"]["status"] == "succeeded"
    assert "pending_reason" not in event["data"]["object"]
    assert event["data"]["previous_attributes"] == {
        "balance_transaction": None,
        "pending_reason": "insufficient_funds",
        "status": "pending",
    }
    assert sim.audit() == []


def test_a_refund_that_is_never_funded_fails_and_the_charge_counts_it_no_longer():
    sim, paid = paid_and_available(settings=Settings(refund_wait_days=5))
    emptied(sim)
    refund = sim.acts.refund(paid["id"])
    moved = len(rows(sim))
    sim.clock.advance(6 * DAY)
    stored = sim.world.home.shelf("refund")[refund["id"]]
    assert (stored["status"], stored["failure_reason"]) == ("failed", "insufficient_funds")
    assert "failure_balance_transaction" not in stored
    assert len(rows(sim)) == moved
    charge = sim.world.home.shelf("charge")[paid["latest_charge"]]
    assert (charge["amount_refunded"], charge["refunded"]) == (0, False)
    sim.acts.topup(20_000, "usd")
    assert stored["status"] == "failed"
    assert sim.audit() == []


def test_waiting_can_be_switched_off():
    sim, paid = paid_and_available(settings=Settings(refunds_wait_for_funds=False))
    emptied(sim)
    assert sim.acts.refund(paid["id"])["status"] == "succeeded"
    assert sim.world.home.totals["usd"]["available"] == -10_000
    assert sim.audit() == []


def test_people_can_call_off_a_card_refund_for_half_an_hour():
    sim = Simulator()
    paid = sim.acts.pay(2_000, "usd")
    refund = sim.acts.refund(paid["id"], amount=500)
    sim.clock.advance(29 * 60)
    called_off = sim.acts.cancel_refund(refund["id"])
    assert (called_off["status"], called_off["failure_reason"]) == ("canceled", "merchant_request")
    back = sim.world.home.shelf("balance_transaction")[called_off["failure_balance_transaction"]]
    assert (back["type"], back["amount"]) == ("refund_failure", 500)
    late = sim.acts.refund(paid["id"], amount=500)
    sim.clock.advance(31 * 60)
    with pytest.raises(Exception, match="no longer be canceled"):
        sim.acts.cancel_refund(late["id"])
    assert sim.audit() == []


def test_a_refund_gets_its_reference_number_a_day_later():
    sim = Simulator()
    refund = sim.acts.refund(sim.acts.pay(2_000, "usd")["id"])
    assert "reference" not in refund["destination_details"]["card"]
    sim.clock.advance(DAY)
    event = last_event(sim, "refund.updated")
    card = event["data"]["object"]["destination_details"]["card"]
    assert (card["reference_status"], len(card["reference"])) == ("available", 23)
    before = event["data"]["previous_attributes"]["destination_details"]["card"]
    assert before == {"reference": None, "reference_status": "pending"}


def test_who_refunds_a_fraud_reports_it():
    async def story(sim):
        charge = sim.acts.pay(2_000, "usd")["latest_charge"]
        fraud = {"charge": charge, "amount": 500, "reason": "fraudulent"}
        await client(sim).v1.refunds.create_async(fraud)
        report = (await client(sim).v1.charges.retrieve_async(charge)).fraud_details
        assert report.user_report == "fraudulent"

    run(story(Simulator()))


def test_only_waiting_for_the_customer_can_expire():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(1_000, "usd")
        waiting = sim.acts.refund(paid["id"], amount=400, requires_action=True)
        assert waiting["next_action"]["type"] == "display_details"
        gone = await sdk.v1.test_helpers.refunds.expire_async(waiting["id"])
        assert (gone.status, gone.failure_reason) == ("failed", "unknown")
        assert "next_action" not in gone.to_dict()
        done = sim.acts.refund(paid["id"], amount=400)
        with pytest.raises(stripe.InvalidRequestError, match="status of requires_action"):
            await sdk.v1.test_helpers.refunds.expire_async(done["id"])
        with pytest.raises(stripe.InvalidRequestError, match="Canceling this refund is unsupp"):
            await sdk.v1.refunds.cancel_async(done["id"])
        late = sim.acts.refund(paid["id"], amount=100, requires_action=True)
        sim.clock.advance(46 * DAY)
        assert (await sdk.v1.refunds.retrieve_async(late["id"])).status == "failed"

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_a_refund_in_another_currency_moves_the_balance_in_its_own():
    sim = Simulator(settlement_currencies=("usd",))
    paid = sim.acts.pay(10_000, "jpy")
    sim.acts.refund(paid["id"], amount=5_000)
    charged, refunded = rows(sim)
    assert (charged["amount"], refunded["amount"]) == (6_700, -3_350)
    assert (refunded["currency"], refunded["exchange_rate"]) == ("usd", 0.67)
    assert sim.audit() == []


def test_a_refund_can_cost_a_fee():
    sim = Simulator(settings=Settings(refund_fee=25))
    paid = sim.acts.pay(10_000, "usd", card="pm_card_refundFail")
    sim.acts.refund(paid["id"], amount=5_000)
    taken = rows(sim)[-1]
    assert (taken["fee"], taken["net"]) == (25, -5_025)
    sim.clock.advance(3_600)
    back = rows(sim)[-1]
    assert (back["amount"], back["fee"], back["net"]) == (5_000, -25, 5_025)
    assert sim.audit() == []


def test_a_refund_of_a_connected_account_moves_its_own_balance():
    async def story(sim):
        account = sim.acts.connect_account()
        paid = sim.acts.pay(10_000, "usd", account=account)
        at = {"stripe_account": account}
        refund = await client(sim).v1.refunds.create_async({"payment_intent": paid["id"]}, at)
        assert refund.status == "succeeded"
        assert rows(sim, account)[-1]["amount"] == -10_000
        assert types(sim, account)[-2:] == ["refund.created", "charge.refunded"]

    sim = Simulator()
    run(story(sim))
    assert [row for row in rows(sim) if "refund" in row["type"]] == []
    assert sim.audit() == []


def test_a_refund_can_take_its_share_of_the_transfer_and_of_the_fee():
    async def story(sim):
        sdk = client(sim)
        account = sim.acts.connect_account()
        paid = await sdk.v1.payment_intents.create_async(
            {
                "amount": 10_000,
                "currency": "usd",
                "payment_method": "pm_card_bypassPending",
                "confirm": True,
                "capture_method": "automatic",
                "application_fee_amount": 1_001,
                "transfer_data": {"destination": account},
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        half = {"reverse_transfer": True, "refund_application_fee": True}
        refund = await sdk.v1.refunds.create_async(
            {"payment_intent": paid.id, "amount": 5_000, **half}, {}
        )
        assert refund.transfer_reversal.startswith("trr_")
        assert refund.source_transfer_reversal is None
        charge = await sdk.v1.charges.retrieve_async(
            refund.charge, {"expand": ["application_fee", "transfer"]}
        )
        assert charge.transfer.amount_reversed * 2 == charge.transfer.amount
        assert charge.application_fee.amount_refunded == 501
        [reversal] = charge.transfer.reversals.data
        assert (reversal.id, reversal.source_refund) == (refund.transfer_reversal, refund.id)
        await sdk.v1.refunds.create_async({"payment_intent": paid.id, **half})
        charge = await sdk.v1.charges.retrieve_async(
            refund.charge, {"expand": ["application_fee", "transfer"]}
        )
        assert (charge.transfer.reversed, charge.application_fee.refunded) == (True, True)
        plain = sim.acts.pay(1_000, "usd")
        with pytest.raises(stripe.InvalidRequestError, match="no transfer"):
            await sdk.v1.refunds.create_async({"payment_intent": plain["id"], **half})

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


async def paid_by(sim, kind, currency, amount=5_000, **more):
    """A payment by another method than a card, not yet settled."""
    return await client(sim).v1.payment_intents.create_async(
        {
            "amount": amount,
            "currency": currency,
            "allowed_payment_method_types": [kind],
            "confirm": True,
            "return_url": "https://example.com/back",
            **more,
        }
    )


def test_a_method_without_refunds_of_its_own_asks_the_customer_by_mail():
    async def story(sim):
        sdk = client(sim)
        by_mail = {"type": "promptpay", "billing_details": {"email": "payer@example.com"}}
        paid = await paid_by(sim, "promptpay", "thb", payment_method_data=by_mail)
        sim.acts.authenticate(paid.id)
        sim.clock.advance(10 * DAY)
        refund = await sdk.v1.refunds.create_async(
            {"payment_intent": paid.id, "amount": 1_000, "instructions_email": "me@example.com"}
        )
        assert (refund.status, refund.instructions_email) == ("requires_action", "me@example.com")
        sent = refund.next_action.display_details.email_sent
        assert sent.email_sent_to == "me@example.com"
        assert rows(sim)[-1]["amount"] == -1_000
        gone = await sdk.v1.refunds.cancel_async(refund.id)
        assert gone.status == "canceled"
        assert rows(sim)[-1]["amount"] == 1_000
        emptied(sim)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.refunds.create_async({"payment_intent": paid.id})
        assert refused.value.code == "balance_insufficient"

    sim = Simulator(settlement_currencies=("usd", "thb"))
    run(story(sim))
    assert len(sim.world.home.shelf("refund")) == 1
    assert sim.audit() == []


def test_a_debit_can_be_refunded_before_it_has_succeeded():
    async def story(sim):
        mandate = {"customer_acceptance": {"type": "offline"}}
        debit = {"payment_method": "pm_success_de", "mandate_data": mandate}
        paid = await paid_by(sim, "sepa_debit", "eur", **debit)
        early = await client(sim).v1.refunds.create_async({"charge": paid.latest_charge})
        assert (early.status, early.pending_reason) == ("pending", "charge_pending")
        assert rows(sim) == []
        sim.clock.advance(20 * DAY)
        assert [row["amount"] for row in rows(sim)] == [5_000, -5_000]
        assert sim.world.home.shelf("refund")[early.id]["status"] == "succeeded"

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []
