"""Charges: what they show, what can be said about them, and how they were made before payments."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, rows, run, types


async def post(sim, path, form):
    headers = {
        "Authorization": f"Bearer {sim.secret_key}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return await inside(sim, "POST", path, content=form, headers=headers)


def test_a_charge_shows_how_it_was_paid():
    async def story(sim):
        sdk = client(sim)
        method = await sdk.v1.payment_methods.create_async(
            {
                "type": "card",
                "card": {"token": "tok_visa"},
                "billing_details": {"name": "Jenny", "address": {"postal_code": "94103"}},
            }
        )
        paid = await sdk.v1.payment_intents.create_async(
            {
                "amount": 2_000,
                "currency": "usd",
                "confirm": True,
                "description": "Order 7",
                "metadata": {"order": "7"},
                "payment_method": method.id,
                "receipt_email": "jenny@example.com",
                "shipping": {"name": "Jenny", "address": {"line1": "510 Townsend St"}},
                "statement_descriptor_suffix": "Order 7",
            }
        )
        charge = await sdk.v1.charges.retrieve_async(paid.latest_charge)
        assert charge.billing_details.name == "Jenny"
        assert charge.shipping.address.line1 == "510 Townsend St"
        assert charge.calculated_statement_descriptor.endswith("* ORDER 7")
        assert (charge.description, charge.receipt_email) == ("Order 7", "jenny@example.com")
        assert charge.receipt_url.startswith("https://pay.stripe.com/receipts/")
        card = charge.payment_method_details.card
        assert (card.brand, card.last4, card.amount_authorized) == ("visa", "4242", 2_000)
        assert card.checks.address_postal_code_check == "pass"
        assert len(card.authorization_code) == 6
        again = await sdk.v1.payment_intents.create_async(
            {
                "amount": 2_000,
                "currency": "usd",
                "confirm": True,
                "payment_method": "pm_card_visa",
            }
        )
        other = await sdk.v1.charges.retrieve_async(again.latest_charge)
        assert other.payment_method_details.card.network_transaction_id == (
            card.network_transaction_id
        )
        served = list(charge.to_dict())
        assert served[:2] == ["id", "object"]
        assert served[2:] == sorted(served[2:])

    run(story(Simulator()))


def test_what_is_said_about_a_charge_can_be_changed():
    async def story(sim):
        sdk = client(sim)
        paid = sim.acts.pay(1_000, "usd")
        charge = await sdk.v1.charges.update_async(
            paid["latest_charge"],
            {"description": "said later", "fraud_details": {"user_report": "safe"}},
        )
        assert (charge.description, charge.fraud_details.user_report) == ("said later", "safe")
        with pytest.raises(stripe.InvalidRequestError) as missing:
            await sdk.v1.charges.retrieve_async("ch_nothing")
        assert missing.value.http_status == 404

    sim = Simulator()
    run(story(sim))
    assert types(sim)[-1] == "charge.updated"


def test_charges_of_the_old_way_are_taken_at_once_or_held():
    async def story(sim):
        taken = (await post(sim, "/v1/charges", "amount=2000&currency=usd&source=tok_visa")).json()
        assert (taken["status"], taken["captured"], taken["payment_intent"]) == (
            "succeeded",
            True,
            None,
        )
        assert taken["balance_transaction"].startswith("txn_")
        held = (
            await post(sim, "/v1/charges", "amount=2000&currency=usd&source=tok_visa&capture=false")
        ).json()
        assert (held["captured"], held["balance_transaction"]) == (False, None)
        part = (await post(sim, f"/v1/charges/{held['id']}/capture", "amount=1500")).json()
        assert (part["amount_captured"], part["amount_refunded"]) == (1_500, 0)
        twice = await post(sim, f"/v1/charges/{held['id']}/capture", "")
        assert twice.json()["error"]["code"] == "charge_already_captured"
        declined = await post(
            sim, "/v1/charges", "amount=2000&currency=usd&source=tok_chargeDeclined"
        )
        assert declined.status_code == 402
        assert declined.json()["error"]["charge"].startswith("ch_")
        nothing = await post(sim, "/v1/charges", "amount=2000&currency=usd")
        assert nothing.json()["error"]["param"] == "source"

    sim = Simulator()
    run(story(sim))
    assert sum(row["amount"] for row in rows(sim)) == 3_500
    assert sim.audit() == []


def test_the_charge_of_a_payment_is_captured_through_the_payment():
    async def story(sim):
        held = sim.acts.pay(1_000, "usd", capture_method="manual")
        answer = await post(sim, f"/v1/charges/{held['latest_charge']}/capture", "")
        assert answer.status_code == 400
        assert held["id"] in answer.json()["error"]["message"]

    run(story(Simulator()))
