"""Payments, refunds, disputes and bank payouts, from Stripe's webhooks to the books."""

from __future__ import annotations

from tests.harness import run, service


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
