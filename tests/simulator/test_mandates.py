"""What is set up to be taken later: mandates, bank accounts, and cards whose holder is away."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, run

ONLINE = {
    "customer_acceptance": {
        "type": "online",
        "accepted_at": 1_771_335_089,
        "online": {"ip_address": "0.0.0.0", "user_agent": "a browser"},
    }
}


def one(sim, work):
    """What one conversation with the SDK comes to."""
    return run(work(client(sim)))


def setup(**more):
    return {"confirm": True, **more}


def _debit(iban):
    return {
        "type": "sepa_debit",
        "sepa_debit": {"iban": iban},
        "billing_details": {"name": "Jane Doe", "email": "jane.doe@example.com"},
    }


def test_a_debit_needs_a_mandate_and_keeps_it():
    sim = Simulator()

    async def story(sdk):
        customer = await sdk.v1.customers.create_async()
        method = await sdk.v1.payment_methods.create_async(_debit("FR1420041010050500013M02606"))
        asked = setup(
            customer=customer.id,
            payment_method=method.id,
            allowed_payment_method_types=["sepa_debit"],
        )
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.setup_intents.create_async(asked)
        assert refused.value.code == "setup_intent_mandate_invalid"
        done = await sdk.v1.setup_intents.create_async({**asked, "mandate_data": ONLINE})
        assert (done.status, done.single_use_mandate) == ("succeeded", None)
        mandate = await sdk.v1.mandates.retrieve_async(done.mandate)
        assert (mandate.status, mandate.type) == ("active", "multi_use")
        assert mandate.payment_method == method.id
        assert mandate.customer_acceptance.accepted_at == 1_771_335_089
        assert len(mandate.payment_method_details.sepa_debit.reference) == 16
        again = await sdk.v1.setup_intents.create_async(asked)
        assert again.status == "succeeded"

    one(sim, story)


def test_a_mandate_for_one_payment():
    sim = Simulator()

    async def story(sdk):
        customer = await sdk.v1.customers.create_async()
        method = await sdk.v1.payment_methods.create_async(_debit("DE89370400440532013000"))
        done = await sdk.v1.setup_intents.create_async(
            {
                "confirm": True,
                "customer": customer.id,
                "payment_method": method.id,
                "allowed_payment_method_types": ["sepa_debit"],
                "mandate_data": ONLINE,
                "single_use": {"amount": 5200, "currency": "EUR"},
                "usage": "on_session",
            }
        )
        assert (done.mandate, done.usage) == (None, "on_session")
        mandate = await sdk.v1.mandates.retrieve_async(done.single_use_mandate)
        assert mandate.single_use.to_dict() == {"amount": 5200, "currency": "eur"}
        assert (mandate.type, "multi_use" in mandate.to_dict()) == ("single_use", False)

    one(sim, story)


def test_a_bank_account_is_verified_by_two_small_amounts():
    sim = Simulator()

    async def story(sdk):
        customer = await sdk.v1.customers.create_async()
        bank = {
            "type": "us_bank_account",
            "us_bank_account": {
                "account_number": "000123456789",
                "routing_number": "110000000",
                "account_holder_type": "company",
            },
            "billing_details": {"name": "Jane Doe"},
        }
        waiting = await sdk.v1.setup_intents.create_async(
            {
                "confirm": True,
                "customer": customer.id,
                "payment_method_data": bank,
                "allowed_payment_method_types": ["us_bank_account"],
                "mandate_data": ONLINE,
            }
        )
        assert waiting.next_action.type == "verify_with_microdeposits"
        with pytest.raises(stripe.InvalidRequestError, match="do not match"):
            await sdk.v1.setup_intents.verify_microdeposits_async(waiting.id, {"amounts": [1, 2]})
        done = await sdk.v1.setup_intents.verify_microdeposits_async(
            waiting.id, {"amounts": [32, 45], "expand": ["payment_method"]}
        )
        assert done.status == "succeeded"
        assert done.payment_method.us_bank_account.account_holder_type == "company"

    one(sim, story)


def test_once_set_up_the_customer_need_not_be_there():
    sim = Simulator()

    async def story(sdk):
        for name, before, after in (
            ("pm_card_authenticationRequiredOnSetup", "authentication_required", None),
            (
                "pm_card_authenticationRequired",
                "authentication_required",
                "authentication_required",
            ),
            ("pm_card_authenticationRequiredSetupForOffSession", None, None),
            (
                "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
                "authentication_required",
                "card_declined",
            ),
        ):
            customer = await sdk.v1.customers.create_async()
            kept = sim.acts.customer_card(customer.id, name)["id"]
            assert await _paid_in_absence(sdk, customer.id, kept) == before
            intent = await sdk.v1.setup_intents.create_async(
                setup(customer=customer.id, payment_method=kept)
            )
            assert intent.status == "requires_action"
            assert sim.acts.authenticate(intent.id)["status"] == "succeeded"
            assert await _paid_in_absence(sdk, customer.id, kept) == after

    one(sim, story)
    assert sim.audit() == []


async def _paid_in_absence(sdk, customer, method):
    """The code of the refusal, or None when it was paid."""
    try:
        await sdk.v1.payment_intents.create_async(
            {
                "amount": 1000,
                "currency": "usd",
                "customer": customer,
                "payment_method": method,
                "off_session": True,
                "confirm": True,
            }
        )
    except stripe.CardError as refused:
        return refused.code
    return None
