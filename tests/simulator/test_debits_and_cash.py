"""Payments that take days, and payments by bank transfer."""

import pytest
import stripe

from reconciler.simulator import Simulator

from .sdk import client, inside, rows, run, types

GOOD, BAD = "AT611904300234573201", "AT861904300235473202"
ACCEPTANCE = {"customer_acceptance": {"type": "offline"}}


async def debit(sdk, iban=GOOD, **more):
    method = await sdk.v1.payment_methods.create_async(
        {
            "type": "sepa_debit",
            "sepa_debit": {"iban": iban},
            "billing_details": {"name": "Jane", "email": "jane@example.com"},
        }
    )
    return await sdk.v1.payment_intents.create_async(
        {
            "amount": 10_000,
            "currency": "eur",
            "payment_method": method.id,
            "allowed_payment_method_types": ["sepa_debit"],
            "confirm": True,
            "mandate_data": ACCEPTANCE,
            **more,
        }
    )


def test_a_debit_is_processing_until_its_bank_answers():
    async def story(sim):
        sdk = client(sim)
        paid = await debit(sdk)
        assert (paid.status, paid.amount_received) == ("processing", 0)
        charge = await sdk.v1.charges.retrieve_async(paid.latest_charge)
        assert charge.id.startswith("py_")
        assert (charge.status, charge.paid, charge.captured) == ("pending", False, True)
        assert (charge.receipt_url, charge.calculated_statement_descriptor) == (None, None)
        details = charge.payment_method_details.sepa_debit
        assert details.mandate.startswith("mandate_")
        assert rows(sim) == []
        with pytest.raises(stripe.InvalidRequestError, match="cannot cancel"):
            await sdk.v1.payment_intents.cancel_async(paid.id)
        sim.clock.advance(sim.settings.debit_seconds)
        paid = await sdk.v1.payment_intents.retrieve_async(paid.id)
        assert (paid.status, paid.amount_received) == ("succeeded", 10_000)
        charge = await sdk.v1.charges.retrieve_async(paid.latest_charge)
        assert (charge.status, charge.paid) == ("succeeded", True)
        assert charge.payment_method_details.sepa_debit.expected_debit_date.startswith("20")

    sim = Simulator()
    run(story(sim))
    (row,) = rows(sim)
    assert (row["type"], row["reporting_category"], row["fee"]) == ("payment", "charge", 110)
    assert types(sim) == [
        "payment_intent.created",
        "charge.pending",
        "payment_intent.processing",
        "charge.succeeded",
        "payment_intent.succeeded",
    ]
    assert sim.audit() == []


def test_a_debit_that_fails_leaves_a_payment_to_try_again():
    async def story(sim):
        sdk = client(sim)
        paid = await debit(sdk, BAD)
        sim.clock.advance(sim.settings.debit_seconds)
        paid = await sdk.v1.payment_intents.retrieve_async(paid.id)
        assert paid.status == "requires_payment_method"
        charge = await sdk.v1.charges.retrieve_async(paid.latest_charge)
        assert (charge.status, charge.captured, charge.amount_captured) == ("failed", False, 0)
        assert paid.last_payment_error.code == charge.failure_code
        with pytest.raises(stripe.InvalidRequestError, match="mandate"):
            await debit(sdk, mandate_data={})

    sim = Simulator()
    run(story(sim))
    assert types(sim)[3:5] == ["charge.failed", "payment_intent.payment_failed"]
    assert rows(sim) == []


def test_a_debit_that_had_succeeded_can_still_come_back():
    async def story(sim):
        sdk = client(sim)
        paid = await debit(sdk)
        sim.clock.advance(sim.settings.debit_seconds)
        failed = sim.acts.fail_debit(paid.latest_charge, "insufficient_funds")
        assert failed["status"] == "failed"
        charge = await sdk.v1.charges.retrieve_async(
            paid.latest_charge, {"expand": ["failure_balance_transaction"]}
        )
        back = charge.failure_balance_transaction
        assert (back.amount, back.type) == (-10_000, "payment_failure_refund")
        assert (back.reporting_category, back.source[:4]) == ("charge_failure", "pyr_")
        with pytest.raises(stripe.InvalidRequestError):
            await sdk.v1.refunds.create_async({"charge": charge.id})

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


async def post(sim, path, form):
    headers = {
        "Authorization": f"Bearer {sim.secret_key}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = await inside(sim, "POST", path, content=form, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def wait_for_transfer(sdk, customer, amount=20_000):
    return await sdk.v1.payment_intents.create_async(
        {
            "amount": amount,
            "currency": "jpy",
            "customer": customer,
            "allowed_payment_method_types": ["customer_balance"],
            "payment_method_data": {"type": "customer_balance"},
            "payment_method_options": {
                "customer_balance": {
                    "funding_type": "bank_transfer",
                    "bank_transfer": {"type": "jp_bank_transfer"},
                }
            },
            "confirm": True,
        }
    )


def test_a_bank_transfer_funds_a_payment_in_parts():
    async def story(sim):
        sdk = client(sim)
        customer = (await sdk.v1.customers.create_async({})).id
        waiting = await wait_for_transfer(sdk, customer)
        instructions = waiting.next_action.display_bank_transfer_instructions
        assert (waiting.status, instructions.amount_remaining) == ("requires_action", 20_000)
        assert instructions.financial_addresses[0].zengin.account_number
        helper = sdk.v1.test_helpers.customers
        entry = await helper.fund_cash_balance_async(
            customer, {"amount": 15_000, "currency": "jpy"}
        )
        assert (entry.type, entry.net_amount) == ("funded", 15_000)
        part = await sdk.v1.payment_intents.retrieve_async(waiting.id)
        assert part.next_action.display_bank_transfer_instructions.amount_remaining == 5_000
        assert rows(sim) == []
        await helper.fund_cash_balance_async(customer, {"amount": 8_000, "currency": "jpy"})
        done = await sdk.v1.payment_intents.retrieve_async(waiting.id)
        assert (done.status, done.amount_received) == ("succeeded", 20_000)
        cash = await sdk.v1.customers.cash_balance.retrieve_async(customer)
        assert cash.available.jpy == 3_000
        entries = await sdk.v1.customers.cash_balance_transactions.list_async(customer)
        assert sum(each.net_amount for each in entries.data) == 3_000

    sim = Simulator()
    run(story(sim))
    seen = types(sim)
    assert seen.index("payment_intent.partially_funded") < seen.index("payment_intent.succeeded")
    assert seen.count("cash_balance.funds_available") == 1
    assert rows(sim)[0]["type"] == "payment"
    assert sim.audit() == []


def test_cash_already_there_is_used_and_comes_back_when_the_payment_is_called_off():
    async def story(sim):
        sdk = client(sim)
        customer = (await sdk.v1.customers.create_async({})).id
        helper = sdk.v1.test_helpers.customers
        await helper.fund_cash_balance_async(customer, {"amount": 5_000, "currency": "jpy"})
        waiting = await wait_for_transfer(sdk, customer)
        left = waiting.next_action.display_bank_transfer_instructions.amount_remaining
        assert left == 15_000
        await sdk.v1.payment_intents.cancel_async(waiting.id)
        cash = await sdk.v1.customers.cash_balance.retrieve_async(customer)
        assert cash.available.jpy == 5_000
        manual = {"settings": {"reconciliation_mode": "manual"}}
        await sdk.v1.customers.cash_balance.update_async(customer, manual)
        other = await wait_for_transfer(sdk, customer, 5_000)
        assert other.status == "requires_action"
        done = await sdk.v1.payment_intents.apply_customer_balance_async(other.id)
        assert done.status == "succeeded"

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []
