"""Bank payouts: schedules, what they consist of, and what banks do with them."""

import pytest
import stripe

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.settings import Settings

from .sdk import client, rows, run, types

DAY = 86_400


def funded(amount: int = 50_000, currency: str = "usd", **settings) -> Simulator:
    sim = Simulator(settings=Settings(**settings))
    sim.acts.topup(amount, currency)
    return sim


def merchant_with(sim: Simulator, amount: int, number: str | None = None) -> tuple[str, dict]:
    """A merchant with money, whose bank account has this number."""
    merchant = sim.acts.connect_account()
    sim.acts.transfer(merchant, amount, "usd")
    [bank] = sim.world.books[merchant].shelf("bank_account").values()
    bank["_account_number"] = number or bank["_account_number"]
    return merchant, bank


async def refusal(call) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await call
    return refused.value


def test_payouts_that_cannot_be_made_are_refused():
    async def story(sim):
        payouts = client(sim).v1.payouts
        ask = {"amount": 1_000, "currency": "usd"}
        long = await refusal(payouts.create_async({**ask, "statement_descriptor": "x" * 23}))
        assert long.param == "statement_descriptor"
        assert (await refusal(payouts.create_async({**ask, "amount": 50_001}))).code == (
            "balance_insufficient"
        )
        assert "external accounts in that currency" in str(
            await refusal(payouts.create_async({**ask, "currency": "gbp"}))
        )
        nowhere = await refusal(payouts.create_async({**ask, "destination": "ba_nothing"}))
        assert (nowhere.code, nowhere.param) == ("resource_missing", "destination")
        assert (await refusal(payouts.create_async({**ask, "method": "instant"}))).code == (
            "instant_payouts_unsupported"
        )
        other = await refusal(payouts.create_async({**ask, "source_type": "bank_account"}))
        assert other.code == "balance_insufficient"
        sim.settings.payout_limit = 500
        assert (await refusal(payouts.create_async(ask))).code == "payouts_limit_exceeded"
        sim.world.home.account["payouts_enabled"] = False
        assert (await refusal(payouts.create_async(ask))).code == "payouts_not_allowed"

    sim = funded()
    run(story(sim))
    assert "payout.created" not in types(sim)
    assert sim.audit() == []


def test_forints_are_paid_out_in_whole_units():
    async def story(sim):
        payouts = client(sim).v1.payouts
        odd = await refusal(payouts.create_async({"amount": 1_050, "currency": "huf"}))
        assert odd.param == "amount"
        paid = await payouts.create_async({"amount": 1_000, "currency": "huf"})
        assert paid.amount == 1_000

    sim = funded(5_000, "huf", settlement_currencies=("usd", "huf"))
    run(story(sim))
    assert sim.audit() == []


def test_the_bank_names_its_trace_some_days_after_the_money_arrived():
    async def story(sim, status, value):
        payouts = client(sim).v1.payouts
        made = await payouts.create_async({"amount": 1_000, "currency": "usd"})
        assert (made.trace_id.status, made.trace_id.value) == ("pending", None)
        sim.clock.advance(3 * DAY)
        assert (await payouts.retrieve_async(made.id)).trace_id.status == "pending"
        sim.clock.advance(3 * DAY)
        known = (await payouts.retrieve_async(made.id)).trace_id
        assert (known.status, bool(known.value)) == (status, value)
        assert types(sim)[-1] == "payout.updated"

    run(story(funded(), "supported", True))
    run(story(funded(payout_trace_status="unsupported"), "unsupported", False))


def test_an_instant_payout_costs_a_fee_and_is_there_at_once():
    async def story(sim):
        sdk = client(sim)
        merchant, bank = merchant_with(sim, 20_000)
        bank["available_payout_methods"] = ["standard", "instant"]
        own = {"stripe_account": merchant}
        balance = await sdk.v1.balance.retrieve_async({}, own)
        assert balance.instant_available[0].amount == 20_000
        made = await sdk.v1.payouts.create_async(
            {"amount": 10_000, "currency": "usd", "method": "instant"}, own
        )
        sim.clock.advance(1)
        paid = await sdk.v1.payouts.retrieve_async(
            made.id, {"expand": ["balance_transaction"]}, own
        )
        row = paid.balance_transaction
        assert (paid.status, paid.arrival_date) == ("paid", made.created)
        assert (row.amount, row.fee, row.net) == (-10_000, 100, -10_100)
        sim.acts.fail_payout(made.id)
        balance = await sdk.v1.balance.retrieve_async({}, own)
        assert balance.available[0].amount == 20_000

    sim = funded()
    run(story(sim))
    assert sim.audit() == []


@pytest.mark.parametrize(
    ("number", "code"),
    [("000111111116", "no_account"), ("000111111113", "account_closed")],
)
def test_a_payout_to_a_bad_account_comes_back_and_stops_those_after_it(number, code):
    async def story(sim):
        sdk = client(sim)
        merchant, bank = merchant_with(sim, 10_000, number)
        own = {"stripe_account": merchant}
        made = await sdk.v1.payouts.create_async({"amount": 4_000, "currency": "usd"}, own)
        sim.clock.advance(2 * DAY)
        assert (await sdk.v1.payouts.retrieve_async(made.id, {}, own)).status == "paid"
        sim.clock.advance(5 * DAY)
        failed = await sdk.v1.payouts.retrieve_async(made.id, {}, own)
        assert (failed.status, failed.failure_code) == ("failed", code)
        assert bank["status"] == "errored"
        again = await refusal(
            sdk.v1.payouts.create_async({"amount": 4_000, "currency": "usd"}, own)
        )
        assert again.code == "payouts_not_allowed"
        assert (await sdk.v1.balance.retrieve_async({}, own)).available[0].amount == 10_000
        return merchant

    sim = funded()
    merchant = run(story(sim))
    told = types(sim, merchant)
    assert told.index("payout.failed") < told.index("account.external_account.updated")
    assert sim.audit() == []


def test_a_paid_payout_of_a_merchant_can_be_reversed_once():
    async def story(sim):
        sdk = client(sim)
        merchant, _ = merchant_with(sim, 10_000)
        own = {"stripe_account": merchant}
        made = await sdk.v1.payouts.create_async({"amount": 4_000, "currency": "usd"}, own)
        assert "status of pending" in str(
            await refusal(sdk.v1.payouts.reverse_async(made.id, {}, own))
        )
        sim.clock.advance(4 * DAY)
        back = await sdk.v1.payouts.reverse_async(made.id, {"metadata": {"why": "wrong"}}, own)
        assert (back.amount, back.original_payout) == (-4_000, made.id)
        assert (await sdk.v1.payouts.retrieve_async(made.id, {}, own)).reversed_by == back.id
        assert "already been reversed" in str(
            await refusal(sdk.v1.payouts.reverse_async(made.id, {}, own))
        )
        mine = sim.acts.pay_out_bank("usd", 100)
        await refusal(sdk.v1.payouts.reverse_async(mine["id"]))
        assert rows(sim, merchant)[-1]["amount"] == 4_000

    sim = funded()
    run(story(sim))
    assert sim.audit() == []


def test_a_minimum_balance_stays_and_is_held_and_released_around_each_payout():
    async def story(sim):
        sdk = client(sim)
        settings = await sdk.v1.balance_settings.update_async(
            {
                "payments": {
                    "payouts": {
                        "schedule": {"interval": "weekly", "weekly_payout_days": ["thursday"]},
                        "minimum_balance_by_currency": {"usd": 12_000},
                    }
                }
            }
        )
        assert settings.payments.payouts.schedule.weekly_payout_days == ["thursday"]
        sim.clock.advance(7 * DAY)
        sim.acts.topup(1_000, "usd")
        sim.clock.advance(7 * DAY)
        second, first = (await sdk.v1.payouts.list_async()).data
        assert (first.amount, second.amount) == (38_000, 1_000)
        assert (await sdk.v1.balance.retrieve_async()).available[0].amount == 12_000
        listed = await sdk.v1.balance_transactions.list_async({"payout": second.id})
        assert [(row.type, row.net) for row in listed.data] == [
            ("payout", -1_000),
            ("payout_minimum_balance_hold", -12_000),
            ("topup", 1_000),
            ("payout_minimum_balance_release", 12_000),
        ]

    sim = funded()
    run(story(sim))
    assert "balance_settings.updated" in types(sim)
    assert sim.audit() == []


def test_balance_settings_change_what_they_show_and_refuse_what_cannot_be():
    async def story(sim):
        service = client(sim).v1.balance_settings

        def timing(days):
            return {"payments": {"settlement_timing": {"delay_days_override": days}}}

        assert (await service.retrieve_async()).payments.settlement_timing.delay_days == 2
        changed = await service.update_async(timing(9))
        assert changed.payments.settlement_timing.delay_days == 9
        assert "between 2 and 31" in str(await refusal(service.update_async(timing(1))))
        back = await service.update_async(timing(""))
        assert back.payments.settlement_timing.delay_days == 2
        plan = {"interval": "monthly", "monthly_payout_days": [1, 31]}
        await service.update_async({"payments": {"payouts": {"schedule": plan}}})
        wrong = {"interval": "monthly", "monthly_payout_days": [0]}
        await refusal(service.update_async({"payments": {"payouts": {"schedule": wrong}}}))
        own = sim.world.home.account["settings"]["payouts"]["schedule"]
        assert (own["monthly_payout_days"], own["monthly_anchor"]) == ([1, 31], 1)
        sim.clock.advance(45 * DAY)
        found = (await client(sim).v1.payouts.list_async()).data
        assert len(found) == 1

    sim = funded()
    run(story(sim))
    assert sim.audit() == []


def test_a_balance_below_zero_is_filled_up_from_the_bank():
    async def story(sim):
        sim.acts.payout_schedule("daily")
        sim.acts.adjustment(-700, "usd")
        sim.clock.advance(DAY)
        [payout] = (await client(sim).v1.payouts.list_async()).data
        assert (payout.amount, payout.automatic) == (-700, True)
        assert (await client(sim).v1.balance.retrieve_async()).available[0].amount == 0
        listed = await client(sim).v1.balance_transactions.list_async({"payout": payout.id})
        assert [row.net for row in listed.data] == [700, -700]

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []


def test_only_automatic_payouts_say_what_they_consist_of():
    async def story(sim):
        sdk = client(sim)
        manual = sim.acts.pay_out_bank("usd", 1_000)
        assert manual["reconciliation_status"] == "not_applicable"
        refused = await refusal(sdk.v1.balance_transactions.list_async({"payout": manual["id"]}))
        assert refused.param == "payout"
        rest = sim.acts.pay_out_bank("usd")
        ids = []
        cursor = {}
        while True:
            page = await sdk.v1.balance_transactions.list_async(
                {"payout": rest["id"], "limit": 1, **cursor}
            )
            ids += [row.type for row in page.data]
            if not page.has_more:
                break
            cursor = {"starting_after": page.data[-1].id}
        assert ids == ["payout", "payout", "topup"]

    sim = funded()
    run(story(sim))
    assert sim.audit() == []
