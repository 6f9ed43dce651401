"""Several applications on one Stripe account: what is not ours is counted, and is nobody's here."""

from __future__ import annotations

from tests.harness import ask_stripe, run, service

RULES = {"RECONCILER_FOREIGN": "shop:metadata.app=shop"}
SHOP = {"app": "shop", "merchant_id": "bakery"}


def test_foreign_money_is_in_the_balance_and_in_the_books_and_never_drift(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url, **RULES) as it:
            await it.merchant("bakery")
            acts = it.simulator.acts
            acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
            intent = acts.pay(7_000, "usd", metadata=SHOP)
            acts.refund(intent["id"], amount=2_000)
            await it.listen()
            balances = await it.balances()
            assert balances["merchant:bakery", "usd"] == -10_000
            assert balances["foreign:shop", "usd"] == -5_000
            checked = await it.check()
            assert (checked["status"], checked["found"]) == ("clean", [])
            [bridge] = checked["bridge"]
            held = {line["key"]: line["amount"] for line in bridge["holdings"]}
            assert (held["merchant"], held["foreign"]) == (10_000, 5_000)
            shown = (await it.get(f"/v1/payments/{intent['id']}")).json()
            assert (shown["merchant"], shown["foreign"]) == (None, "shop")

    run(story)


def test_a_foreign_transfer_is_no_finding_and_another_one_is(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url, **RULES) as it:
            account = await it.merchant("bakery")
            it.simulator.acts.pay(50_000, "usd", metadata={"merchant_id": "bakery"})
            it.simulator.clock.advance(10 * 86400)
            sent = {"amount": "3000", "currency": "usd", "destination": account}
            await ask_stripe(it, "/v1/transfers", **sent, **{"metadata[app]": "shop"})
            odd = await ask_stripe(it, "/v1/transfers", **sent)
            await it.listen()
            checked = await it.check()
            assert [f["reference"] for f in checked["found"]] == [odd["id"]]
            assert (await it.balances())["foreign:shop", "usd"] == 3_000

    run(story)
