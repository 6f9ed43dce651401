"""Delivery health through its doors: figures, gaps, endpoints, silence; no alarm without cause."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog

import reconciler.app
from jobs import watch_delivery
from reconciler.app import World
from reconciler.command_line.main import main
from reconciler.domain import subscriptions
from reconciler.intake.list_events import list_events
from reconciler.intake.recover import recover_events
from reconciler.oversight.silence import silences
from reconciler.simulator import Simulator
from tests.harness import ADMIN_KEY, BASE, CONNECT_SECRET, SECRET, Service, run, service

HOUR, DAY, WEEK = 3600, 86400, 7 * 86400


def _paid(it: Service) -> None:
    it.simulator.acts.pay(2000, "usd")


async def _shown(it: Service, account: str = "", **params: Any) -> dict[str, Any]:
    answer = await it.get(f"/v1/delivery{account and '/' + account}", **params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _gaps(it: Service) -> list[tuple[str, str]]:
    """The causes of findings about deliveries, each with its status."""
    found = (await it.check())["found"]
    return [(f["cause"], f["status"]) for f in found if f["kind"] == "delivery_gap"]


def test_what_webhooks_brought_is_told_from_what_the_sweep_did(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            _paid(it)
            await it.listen()
            it.simulator.webhooks.drop("charge.succeeded", times=1)
            it.simulator.clock.advance(HOUR)
            _paid(it)
            await it.listen()
            it.simulator.clock.advance(700)
            before = await _shown(it)
            assert before["listed"] == 0  # nothing was listed yet
            await it.sweep()
            shown = await _shown(it)
            assert (shown["delivered"], shown["healed"], shown["missing"]) == (5, 1, 0)
            assert shown["completeness"] == round(5 / 6, 6)
            [gap] = shown["gaps"]
            assert (gap["events"], gap["types"]) == (1, {"charge.succeeded": 1})
            assert gap["healed_at"] == gap["found_at"] > gap["first_created"]
            by_type = {row["type"]: row for row in shown["types"]}
            assert by_type["charge.succeeded"]["completeness"] == 0.5
            assert by_type["payment_intent.succeeded"]["completeness"] == 1
            assert by_type["charge.succeeded"]["applied_p50_seconds"] == 0
            assert by_type["charge.succeeded"]["applied_p99_seconds"] >= 700
            assert sum(hour["healed"] for hour in shown["hours"]) == 1
            [account] = (await _shown(it, "platform"))["accounts"]
            assert account["list"]["behind_seconds"] == 20  # what settling takes here
            assert await _gaps(it) == []

    run(story)


def test_doors_refuse_what_they_do_not_know(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for days in ("0", "31", "x", "-1"):
                answer = await it.get("/v1/delivery", days=days)
                assert (answer.status_code, answer.json()["code"]) == (400, "bad_days")
            answer = await it.get("/v1/delivery/acct_unknown")
            assert answer.status_code == 404
            assert (await _shown(it))["accounts"] == []

    run(story)


def test_the_page_draws_gaps_and_breaks_without_a_script(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert "was not read yet" in await _page(it)
            it.simulator.webhooks.drop("charge.succeeded", times=1)
            _paid(it)
            await it.listen()
            it.simulator.clock.advance(700)
            await it.check()
            page = await _page(it)
            assert "1 event that Stripe lists has not come" in page
            assert 'class="missing"' in page
            assert "<script" not in page
            await it.sweep()
            assert "the sweep took in what webhooks did not bring" in await _page(it)
            assert (await _answer(it, "?account=acct_nobody")).status_code == 404
            assert (await _answer(it, "?days=99")).status_code == 400

    run(story)


async def _answer(it: Service, query: str = "") -> Any:
    given = base64.b64encode(f"x:{ADMIN_KEY}".encode()).decode()
    headers = {"Authorization": f"Basic {given}"}
    return await it.http.get(f"/console/delivery{query}", headers=headers)


async def _page(it: Service) -> str:
    answer = await _answer(it)
    assert answer.status_code == 200
    return str(answer.text)


def test_metrics_of_the_last_day(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.webhooks.drop("charge.succeeded", times=1)
            _paid(it)
            await it.listen()
            it.simulator.clock.advance(700)
            await it.sweep()
            text = (await it.get("/metrics")).text
            for line in (
                'reconciler_delivery_events{fate="delivered",scope="platform"} 2.0',
                'reconciler_delivery_events{fate="healed",scope="platform"} 1.0',
                'reconciler_delivery_type_completeness_ratio{type="charge.succeeded"} 0.0',
                'reconciler_delivery_applied_seconds{quantile="0.5",scope="platform"} 0.0',
                "reconciler_chains_broken 0.0",
            ):
                assert line in text, line

    run(story)


def test_the_command_line_says_what_is_missing(
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    simulator = Simulator(seed=3)

    async def story() -> None:
        async with service(sqlite_url, simulator) as it:
            it.simulator.webhooks.drop("charge.succeeded", times=1)
            _paid(it)
            await it.listen()
            it.simulator.clock.advance(700)
            await it.check()

    def said(*arguments: str) -> tuple[Any, str]:
        monkeypatch.setattr(sys, "argv", ["reconciler", "delivery", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().out

    run(story)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    now = simulator.clock.now()
    monkeypatch.setattr(reconciler.app, "real_world", lambda: World(lambda: now, str))
    code, words = said()
    assert code == 1
    assert "66.67%" in words
    assert "1 are missing" in words
    assert "gap of 1" in words
    code, written = said("--json", "--account", "platform")
    shown = json.loads(written)
    assert (code, shown["missing"]) == (1, 1)
    [lost] = [row for row in shown["types"] if row["type"] == "charge.succeeded"]
    assert (lost["completeness"], lost["applied_p50_seconds"]) == (0, None)
    assert said("--account", "acct_none")[0] == 1
    structlog.reset_defaults()


def _endpoints(simulator: Simulator, **options: Any) -> None:
    simulator.webhooks.register(f"{BASE}/webhooks/stripe", SECRET, **options)
    simulator.webhooks.register(f"{BASE}/webhooks/stripe/connect", CONNECT_SECRET, connect=True)


def test_an_endpoint_that_lacks_types_or_has_another_version_is_a_finding(
    database_url: str,
) -> None:
    async def story() -> None:
        simulator = Simulator(seed=3)
        some = sorted(subscriptions.NEEDED["platform"] - {"refund.failed"})
        _endpoints(simulator, enabled_events=some, api_version="2020-08-27")
        async with service(database_url, simulator) as it:
            assert await _gaps(it) == []  # nobody has looked yet
            await watch_delivery.run(it.context)
            assert await _gaps(it) == [
                ("endpoint_lacks_types", "open"),
                ("endpoint_version_differs", "open"),
            ]
            shown = await _shown(it)
            [ours] = [e for e in shown["endpoints"] if e["channel"] == "platform"]
            assert (ours["missing"], ours["api_version_agrees"]) == (["refund.failed"], False)
            # The one that takes its place is there already: together they bring everything.
            simulator.webhooks.register(f"{BASE}/webhooks/stripe", SECRET)
            await watch_delivery.run(it.context)
            assert await _gaps(it) == []

    run(story)


def test_a_disabled_endpoint_is_a_finding_and_one_that_cannot_be_read_is_none(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        simulator = Simulator(seed=3)
        _endpoints(simulator)
        async with service(sqlite_url, simulator) as it:
            await watch_delivery.run(it.context)
            assert await _gaps(it) == []
            for endpoint in simulator.world.home.shelf("webhook_endpoint").values():
                endpoint["status"] = "disabled"
            await watch_delivery.run(it.context)
            assert [cause for cause, _ in await _gaps(it)] == ["endpoint_lacks_types"] * 2
            simulator.faults.add(path="/v1/webhook_endpoints", effect="reset", times=None)
            assert "0 endpoints" in await watch_delivery.run(it.context)
            it.simulator.clock.advance(2 * DAY)
            assert await _gaps(it) == []  # what was read then says nothing of now

    run(story)


def test_events_that_are_listed_and_that_no_sweep_takes_in_are_a_finding(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.sweep()
            it.simulator.webhooks.drop("payment_intent.created", times=1)
            it.simulator.clock.advance(2 * HOUR)
            _paid(it)
            await it.listen()
            it.simulator.clock.advance(60)
            assert await _gaps(it) == []  # there is still time
            it.simulator.clock.advance(2 * HOUR)
            assert await _gaps(it) == [("gap_not_healed", "open")]
            await it.sweep()
            assert await _gaps(it) == []

    run(story)


def test_webhooks_that_bring_nothing_for_a_day_are_a_finding(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            _paid(it)
            await it.listen()
            it.simulator.webhooks.drop("*")
            for _ in range(20):
                it.simulator.clock.advance(2 * HOUR)
                _paid(it)
            await it.listen()
            await it.sweep()
            it.simulator.clock.advance(HOUR)
            assert await _gaps(it) == [("webhooks_do_not_arrive", "open")]
            it.simulator.webhooks.calm()
            _paid(it)
            await it.listen()
            await it.sweep()
            assert await _gaps(it) == []

    run(story)


async def _weeks(it: Service, weeks: int, every: int, outage: int = 0) -> None:
    """So many weeks with a payment every so many seconds, listed as they go, and once an outage."""
    assert it.context.stripe is not None
    for number in range(weeks * WEEK // every):
        it.simulator.clock.advance(every)
        if outage and number == weeks * WEEK // every // 2:
            it.simulator.clock.advance(outage)
        _paid(it)
        if number * every % (14 * DAY) < every:
            await list_events(it.context, it.context.stripe)


async def _silent_for(it: Service, seconds: int) -> list[str]:
    assert it.context.stripe is not None
    it.simulator.clock.advance(seconds)
    await recover_events(it.context, it.context.stripe)
    async with it.context.database.read() as session:
        return [one.stripe_account for one in await silences(session)]


def test_silence_that_is_longer_than_eight_weeks_know_is_a_finding(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _weeks(it, 10, 8 * HOUR, outage=60 * HOUR)
            assert await _silent_for(it, 6 * HOUR) == []
            assert await _silent_for(it, 36 * HOUR) == ["platform"]
            [finding] = [f for f in (await it.check())["found"] if f["kind"] == "delivery_gap"]
            assert finding["cause"] == "unusual_silence"
            assert "42 hours" in finding["explanation"]
            _paid(it)
            await it.listen()
            assert await _silent_for(it, 60) == []
            assert await _gaps(it) == []

    run(story)


def test_the_young_and_the_quiet_are_never_found_silent(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _weeks(it, 6, 8 * HOUR)
            assert await _silent_for(it, 3 * DAY) == []

    run(story)


def test_a_quiet_account_is_not_silent(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _weeks(it, 12, 3 * DAY)
            assert await _silent_for(it, 6 * DAY) == []

    run(story)
