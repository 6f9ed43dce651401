"""Payments, refunds, disputes and bank payouts, from Stripe's webhooks to the books."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import ask_stripe, run, service


def test_a_payment_is_owed_to_its_merchant_less_the_platforms_fee(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            metadata = {"merchant_id": "bakery", "platform_fee": "800"}
            it.simulator.acts.pay(10_000, "usd", metadata=metadata)
            await it.listen()
            balances = await it.balances()
            assert balances["merchant:bakery", "usd"] == -9_200
            assert balances["platform", "usd"] == -800
            clean = await it.check()
            assert clean["status"] == "clean", clean["found"]
            assert (await it.balances())["stripe_balance", "usd"] == 10_000 - 320

    run(story)


OWNED = {"merchant_id": "bakery", "platform_fee": "800"}


def test_a_charge_whose_movement_comes_later_is_timing_until_it_does(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.settings.async_capture_seconds = 900
            it.simulator.acts.pay(10_000, "usd", metadata=OWNED, capture_method="automatic_async")
            await it.listen()
            assert (await it.balances())["merchant:bakery", "usd"] == -9_200
            early = await it.check()
            assert early["status"] == "clean"
            assert [f["cause"] for f in early["found"]] == ["fee_not_bound"]
            assert (early["drift"]["drift"], early["drift"]["timing"]) == ({}, {"usd": -10_000})
            it.simulator.clock.advance(1_000)
            await it.listen()
            assert (await it.check())["found"] == []
            payment = (await it.get("/v1/payments")).json()["data"][0]
            assert payment["charges"][0]["balance_transaction"].startswith("txn_")

    run(story)


@pytest.mark.parametrize("heard", ["everything", "the charge only", "the payment only", "nothing"])
def test_a_part_of_an_authorised_amount_is_captured_and_only_that_is_owed(
    tmp_path: Path, heard: str
) -> None:
    lost = {
        "everything": [],
        "the charge only": ["payment_intent.*"],
        "the payment only": ["charge.*"],
        "nothing": ["*"],
    }

    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'capture.db'}") as it:
            intent = it.simulator.acts.pay(10_000, "usd", metadata=OWNED, capture_method="manual")
            await it.listen()
            assert await it.balances() == {}
            for kind in lost[heard]:
                it.simulator.webhooks.drop(kind)
            path = f"/v1/payment_intents/{intent['id']}/capture"
            await ask_stripe(it, path, amount_to_capture="6000")
            await it.listen()
            if heard == "nothing":
                await it.sweep()
            assert (await it.balances())["merchant:bakery", "usd"] == -5_200
            checked = await it.check()
            assert checked["found"] == []
            shown = (await it.get(f"/v1/payments/{intent['id']}")).json()
            assert (shown["amount"], shown["amount_received"]) == (10_000, 6_000)

    run(story)


def test_refunds_in_parts_are_counted_until_nothing_is_left(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            card = "pm_card_bypassPending"
            intent = it.simulator.acts.pay(10_000, "usd", card=card, metadata=OWNED)
            seen = []
            for amount in (2_500, 2_500, None):
                it.simulator.acts.refund(payment_intent=intent["id"], amount=amount)
                await it.listen()
                shown = (await it.get(f"/v1/payments/{intent['id']}")).json()
                seen.append((shown["status"], shown["amount_refunded"]))
            assert seen == [
                ("partially_refunded", 2_500),
                ("partially_refunded", 5_000),
                ("refunded", 10_000),
            ]
            # The refunds were the merchant's to bear, the platform kept its fee.
            assert (await it.balances())["merchant:bakery", "usd"] == 800
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_fee_that_is_no_amount_holds_the_money_back_until_it_is_corrected(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            wrong = {"merchant_id": "bakery", "platform_fee": "8.00"}
            intent = it.simulator.acts.pay(10_000, "usd", metadata=wrong)
            await it.listen()
            assert (await it.balances())["unattributed", "usd"] == -10_000
            found = (await it.check())["found"]
            assert {f["cause"] for f in found} == {"unreadable_fee"}
            it.simulator.clock.advance(60)
            right = {"metadata[platform_fee]": "800"}
            await ask_stripe(it, f"/v1/payment_intents/{intent['id']}", **right)
            await ask_stripe(it, f"/v1/charges/{intent['latest_charge']}", **right)
            await it.listen()
            balances = await it.balances()
            assert balances["merchant:bakery", "usd"] == -9_200
            assert ("unattributed", "usd") not in balances
            assert (await it.check())["found"] == []

    run(story)
