"""Reports: what can be run, when it can be run, and that its figures are those of the ledger."""

import csv
import io
from collections import defaultdict
from decimal import Decimal

import pytest
import stripe

from reconciler.simulator import Settings, Simulator
from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.objects.reporting.report_types import TYPES

from .sdk import client, inside, rows, run, types

HALF_DAY = DAY // 2


async def reported(sim, report_type, **parameters):
    """Run a report to its end and read its file."""
    asked = {"report_type": report_type, "parameters": parameters}
    begun = await client(sim).v1.reporting.report_runs.create_async(asked)
    assert (begun.status, begun.result) == ("pending", None)
    sim.clock.advance(60)
    done = await client(sim).v1.reporting.report_runs.retrieve_async(begun.id)
    assert done.status == "succeeded"
    path = done.result.url.removeprefix("http://stripe.test")
    headers = {"Authorization": f"Bearer {sim.secret_key}"}
    answer = await inside(sim, "GET", path, headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.content) == done.result.size
    return list(csv.DictReader(io.StringIO(answer.text)))


def interval(sim, days=60):
    """The last days that can be reported on."""
    end = (sim.clock.now() - sim.settings.report_lag_seconds) // HALF_DAY * HALF_DAY
    return {"interval_start": end - days * DAY, "interval_end": end}


def month(**settings):
    """A month of payments, refunds, disputes, transfers and daily bank payouts."""
    sim = Simulator(settings=Settings(**settings))
    account = sim.acts.connect_account()
    sim.acts.payout_schedule("daily")
    sim.acts.payout_schedule("daily", account=account)
    for day in range(24):
        paid = sim.acts.pay(10_000 + day, "usd", metadata={"order": str(day)})
        if day % 5 == 2:
            sim.acts.refund(paid["id"], amount=1_500, metadata={"why": "late"})
        if day % 7 == 3:
            sim.acts.pay(4_000, "eur")
        if day == 6:
            sim.acts.dispute(paid["latest_charge"], 2_000, "duplicate")
        if day % 6 == 5:
            sim.acts.pay(5_000, "usd", card="pm_card_bypassPending")
            sim.acts.transfer(account, 3_000, "usd")
        if day == 12:
            sim.acts.fail_payout(next(iter(sim.world.home.shelf("payout"))))
        sim.clock.advance(DAY)
    return sim, account


def minor(text):
    return int(Decimal(text) * 100)


def test_the_balance_summary_adds_up_and_agrees_with_the_ledger():
    async def story(sim):
        window = interval(sim)
        found = await reported(sim, "balance.summary.1", **window)
        by_currency = defaultdict(dict)
        for row in found:
            by_currency[row["currency"]][row["category"]] = minor(row["net_amount"])
        assert set(by_currency) == {"eur", "usd"}
        for currency, sums in by_currency.items():
            assert sums["ending_balance"] == sum(
                sums[part] for part in ("starting_balance", "activity", "payouts")
            )
            end = window["interval_end"]
            posted = [
                row for row in rows(sim) if row["currency"] == currency and row["created"] < end
            ]
            on_the_way = [
                payout["amount"]
                for payout in sim.world.home.shelf("payout").values()
                if payout["currency"] == currency
                and payout["created"] < end <= payout["arrival_date"]
            ]
            ledger = sum(row["net"] for row in posted)
            assert sums["ending_balance"] == ledger + sum(on_the_way)
            assert sums["payouts"] < 0 < sums["activity"]
        halves = window["interval_start"] + 45 * DAY
        first = await reported(
            sim, "balance.summary.1", **{**window, "interval_end": halves}, currency="usd"
        )
        second = await reported(
            sim, "balance.summary.1", **{**window, "interval_start": halves}, currency="usd"
        )
        assert first[-1]["net_amount"] == second[0]["net_amount"]
        assert second[0]["description"].startswith("Starting balance (20")
        assert {row["currency"] for row in first} == {"usd"}

    sim, _ = month()
    run(story(sim))
    assert sim.audit() == []


def test_itemized_activity_and_payouts_sum_to_their_summaries():
    async def story(sim):
        window = interval(sim)
        balance = await reported(sim, "balance.summary.1", **window, currency="usd")
        sums = {row["category"]: row["net_amount"] for row in balance}
        for family, version, part in (
            ("balance_change_from_activity", 3, "activity"),
            ("payouts", 3, "payouts"),
        ):
            items = await reported(sim, f"{family}.itemized.{version}", **window, currency="usd")
            summary = await reported(sim, f"{family}.summary.1", **window, currency="usd")
            total = next(row for row in summary if row["reporting_category"] == "total")
            assert sum(Decimal(row["net"]) for row in items) == Decimal(total["net"])
            assert len(items) == int(total["count"])
            assert total["net"] == sums[part]
            for row in items:
                assert Decimal(row["gross"]) - Decimal(row["fee"]) == Decimal(row["net"])

    sim, _ = month()
    run(story(sim))


def test_payout_reconciliation_sums_to_each_automatic_payout():
    async def story(sim):
        window = interval(sim)
        items = await reported(sim, "payout_reconciliation.itemized.5", **window)
        sums = defaultdict(int)
        for row in items:
            sums[row["automatic_payout_id"]] += minor(row["net"])
        arrived = {
            payout["id"]: payout["amount"]
            for payout in sim.world.home.shelf("payout").values()
            if window["interval_start"] <= payout["arrival_date"] < window["interval_end"]
        }
        assert len(arrived) > 10
        assert sums == arrived
        payout = next(iter(arrived))
        alone = await reported(sim, "payout_reconciliation.by_id.itemized.4", payout=payout)
        assert sum(minor(row["net"]) for row in alone) == arrived[payout]
        summed = await reported(sim, "payout_reconciliation.by_id.summary.1", payout=payout)
        assert minor(summed[-1]["net"]) == arrived[payout]
        assert summed[-1]["reporting_category"] == "total"
        left = await reported(
            sim,
            "ending_balance_reconciliation.itemized.4",
            interval_end=window["interval_end"],
            currency="usd",
        )
        balance = await reported(sim, "balance.summary.1", **window, currency="usd")
        assert sum(Decimal(row["net"]) for row in left) == Decimal(balance[-1]["net_amount"])

    sim, _ = month()
    run(story(sim))
    assert sim.audit() == []


def test_reports_on_connected_accounts_say_whose_each_row_is():
    async def story(sim, account):
        window = interval(sim)
        items = await reported(
            sim,
            "connected_account_balance_change_from_activity.itemized.3",
            **window,
            connected_account=account,
        )
        assert {row["connected_account"] for row in items} == {account}
        assert [row["gross"] for row in items] == ["30.00"] * len(items)
        everyone = await reported(
            sim, "connected_account_payout_reconciliation.itemized.5", **window
        )
        assert everyone
        assert {row["connected_account"] for row in everyone} == {account}
        summary = await reported(sim, "connected_account_balance.summary.1", **window)
        assert [row["category"] for row in summary][::3] == ["starting_balance", "ending_balance"]

    sim, account = month()
    run(story(sim, account))


def test_columns_lead_to_what_is_behind_a_row():
    async def story(sim, account):
        asked = (
            "balance_transaction_id",
            "reporting_category",
            "charge_id",
            "payment_metadata[order]",
            "refund_metadata[why]",
            "dispute_reason",
            "connected_account_id",
            "destination_payment_id",
            "card_brand",
            "customer_facing_amount",
            "created",
            "created_utc",
        )
        found = await reported(
            sim,
            "balance_change_from_activity.itemized.3",
            **interval(sim),
            columns=list(asked),
            timezone="Asia/Tokyo",
        )
        assert tuple(found[0]) == asked
        assert found[0]["created"] != found[0]["created_utc"]
        refund = next(row for row in found if row["reporting_category"] == "refund")
        assert (refund["payment_metadata[order]"], refund["refund_metadata[why]"]) == ("2", "late")
        assert (refund["card_brand"], refund["customer_facing_amount"]) == ("visa", "15.00")
        dispute = next(row for row in found if row["reporting_category"] == "dispute")
        assert dispute["dispute_reason"] == "duplicate"
        transfer = next(row for row in found if row["reporting_category"] == "transfer")
        assert transfer["connected_account_id"] == account
        assert transfer["destination_payment_id"].startswith("py_")
        only = await reported(
            sim,
            "balance_change_from_activity.itemized.3",
            **interval(sim),
            reporting_category="refund",
        )
        assert {row["reporting_category"] for row in only} == {"refund"}

    sim, account = month()
    run(story(sim, account))


def test_amounts_are_in_major_units_of_their_currency():
    async def story(sim):
        window = interval(sim, 3)
        found = await reported(
            sim, "balance_change_from_activity.itemized.3", **window, columns=["currency", "gross"]
        )
        assert sorted((row["currency"], row["gross"]) for row in found) == [
            ("jpy", "4820"),
            ("kwd", "12.340"),
            ("usd", "1234.56"),
        ]

    sim = Simulator(settlement_currencies=("usd", "jpy", "kwd"))
    sim.acts.pay(123_456, "usd")
    sim.acts.pay(4_820, "jpy")
    sim.acts.pay(12_340, "kwd")
    sim.clock.advance(DAY)
    run(story(sim))


def test_data_is_available_in_half_days_and_no_further():
    async def story(sim):
        sdk = client(sim)
        known = await sdk.v1.reporting.report_types.retrieve_async("balance.summary.1")
        assert known.default_columns == ["category", "description", "net_amount", "currency"]
        assert (known.version, known.data_available_end % HALF_DAY) == (1, 0)
        assert 0 < sim.clock.now() - known.data_available_end < 2 * HALF_DAY
        listed = await sdk.v1.reporting.report_types.list_async()
        assert [row.id for row in listed.data] == list(TYPES)
        early = {"interval_start": known.data_available_start - 1}
        late = {"interval_end": known.data_available_end + 1}
        window = {
            "interval_start": known.data_available_start,
            "interval_end": known.data_available_end,
        }
        for wrong, words in (
            (early, "only available starting from 2020-01-01 00:00:00 UTC"),
            (late, "only available through"),
            ({"interval_end": known.data_available_start}, "must be before"),
            ({"interval_end": 10**14}, "you requested `interval_end` = 100000000000000"),
        ):
            with pytest.raises(stripe.InvalidRequestError, match=words) as refused:
                await sdk.v1.reporting.report_runs.create_async(
                    {"report_type": known.id, "parameters": {**window, **wrong}}
                )
            assert refused.value.http_status == 400
        sim.clock.advance(HALF_DAY)
        again = await sdk.v1.reporting.report_types.retrieve_async("balance.summary.1")
        assert again.data_available_end == known.data_available_end + HALF_DAY

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("report_type", "parameters", "param"),
    [
        ("balance.summary.9", {}, "report_type"),
        ("balance.summary.1", {"interval_end": 1_700_000_000}, "parameters[interval_start]"),
        ("payouts.summary.1", {"payout": "po_1"}, "parameters[payout]"),
        ("payout_reconciliation.by_id.summary.1", {"payout": "po_1"}, "parameters[payout]"),
        (
            "payouts.itemized.3",
            {"interval_start": 1, "interval_end": 2, "columns": ["colour"]},
            "parameters[columns]",
        ),
        (
            "connected_account_balance.summary.1",
            {"interval_start": 1, "interval_end": 2, "connected_account": "acct_nobody"},
            "parameters[connected_account]",
        ),
    ],
)
def test_what_a_report_does_not_take_is_refused(report_type, parameters, param):
    async def story(sim):
        start = {"interval_start": 1_700_000_000, "interval_end": 1_700_086_400}
        given = {**parameters, **{name: start[name] for name in start if name in parameters}}
        if param == "parameters[interval_start]":
            given = parameters
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await client(sim).v1.reporting.report_runs.create_async(
                {"report_type": report_type, "parameters": given}
            )
        assert refused.value.param == param

    run(story(Simulator()))


def test_a_manual_payout_has_no_composition_to_report():
    async def story(sim):
        sim.acts.topup(5_000, "usd")
        payout = sim.acts.pay_out_bank("usd", 5_000)
        with pytest.raises(stripe.InvalidRequestError, match="automatic payouts"):
            await client(sim).v1.reporting.report_runs.create_async(
                {
                    "report_type": "payout_reconciliation.by_id.itemized.4",
                    "parameters": {"payout": payout["id"]},
                }
            )

    run(story(Simulator()))


def test_a_run_can_fail_and_both_ends_are_events():
    async def story(sim):
        sdk = client(sim)
        asked = {"report_type": "balance.summary.1", "parameters": interval(sim)}
        good = await sdk.v1.reporting.report_runs.create_async(asked)
        bad = await sdk.v1.reporting.report_runs.create_async(asked)
        failed = sim.acts.fail_report_run(bad.id, "Out of paper")
        assert (failed["status"], failed["error"]) == ("failed", "Out of paper")
        sim.clock.advance(60)
        listed = await sdk.v1.reporting.report_runs.list_async()
        assert [(row.id, row.status) for row in listed.data] == [
            (bad.id, "failed"),
            (good.id, "succeeded"),
        ]
        assert listed.data[1].result.purpose == "finance_report_run"

    sim = Simulator()
    run(story(sim))
    assert types(sim)[-2:] == [
        "reporting.report_run.failed",
        "reporting.report_run.succeeded",
    ]


def test_fresh_data_is_announced_only_to_those_who_name_the_event():
    async def story(sim):
        sdk = client(sim)
        everything = {"url": "https://example.com/all", "enabled_events": ["*"]}
        await sdk.v1.webhook_endpoints.create_async(everything)
        sim.clock.advance(2 * DAY)
        assert "reporting.report_type.updated" not in types(sim)
        named = {**everything, "enabled_events": ["reporting.report_type.updated"]}
        endpoint = await sdk.v1.webhook_endpoints.create_async(named)
        sim.clock.advance(DAY)
        assert types(sim).count("reporting.report_type.updated") == 2 * len(TYPES)
        await sdk.v1.webhook_endpoints.delete_async(endpoint.id)
        sim.clock.advance(3 * DAY)
        assert types(sim).count("reporting.report_type.updated") == 2 * len(TYPES)

    run(story(Simulator()))
