"""Every address: listed, retrieved and updated alike."""

import pytest

from reconciler.simulator import Simulator

from .sdk import inside, run


def seeded() -> tuple[Simulator, dict[str, str]]:
    """A simulator with one of everything, and its ids by kind."""
    sim = Simulator()
    sim.acts.topup(10_000, "usd")
    merchant = sim.acts.connect_account()
    paid = sim.acts.pay(1_000, "usd", card="pm_card_createDispute")
    sim.acts.refund(sim.acts.pay(1_000, "usd")["id"])
    sim.acts.reverse_transfer(sim.acts.transfer(merchant, 500, "usd")["id"], 100)
    sim.acts.pay_out_bank("usd", 100)
    sim.webhooks.register("https://a.test", "whsec_a")
    sim.acts.notify_thin(paid["id"])
    made = {kind: next(iter(shelf)) for kind, shelf in sim.world.home.shelves.items() if shelf}
    return sim, {**made, "account": merchant}


SHELVES = {
    "accounts": "account",
    "balance_transactions": "balance_transaction",
    "charges": "charge",
    "disputes": "dispute",
    "events": "event",
    "payment_intents": "payment_intent",
    "payouts": "payout",
    "refunds": "refund",
    "topups": "topup",
    "transfers": "transfer",
    "webhook_endpoints": "webhook_endpoint",
}


@pytest.mark.parametrize(("noun", "kind"), SHELVES.items())
def test_every_kind_is_listed_and_retrieved_alike(noun, kind):
    async def story(sim, made):
        auth = {"headers": {"Authorization": f"Bearer {sim.secret_key}"}}
        listed = (await inside(sim, "GET", f"/v1/{noun}?limit=100", **auth)).json()
        assert (listed["object"], listed["url"]) == ("list", f"/v1/{noun}")
        alone = (await inside(sim, "GET", f"/v1/{noun}/{made[kind]}", **auth)).json()
        assert alone in listed["data"]
        assert not any(name.startswith("_") for name in alone)
        missing = await inside(sim, "GET", f"/v1/{noun}/none_1", **auth)
        known = "account_invalid" if kind == "account" else "resource_missing"
        assert missing.json()["error"]["code"] == known

    run(story(*seeded()))


@pytest.mark.parametrize(
    ("noun", "kind"),
    [(n, k) for n, k in SHELVES.items() if k not in ("balance_transaction", "event", "topup")],
)
def test_metadata_of_every_kind_can_be_updated(noun, kind):
    async def story(sim, made):
        auth = {"Authorization": f"Bearer {sim.secret_key}"}
        answer = await inside(
            sim, "POST", f"/v1/{noun}/{made[kind]}", headers=auth, data={"metadata[7]": "x"}
        )
        assert answer.json()["metadata"] == {"7": "x"}

    run(story(*seeded()))
