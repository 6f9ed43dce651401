"""Metrics: what an operator's alarms need, who may scrape it, and what must not be in it."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from handlers.routes import build_routes
from handlers.state import State
from reconciler.oversight.keys import Role, create_key
from reconciler.simulator import Simulator
from tests.front.reading import bearer, month
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, CONNECT_SECRET, SECRET, Service, run, service

SCRAPER = "scrape_key_of_sixteen_or_more"


def parsed(answer: httpx.Response) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def scraped(it: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return parsed(await it.get("/metrics"))


def value(samples: Any, name: str, **labels: str) -> float:
    return samples["reconciler_" + name, frozenset(labels.items())]


def test_a_month_in_figures(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await month(it)
            it.simulator.acts.pay(1_000, "usd")
            it.simulator.clock.advance(4 * 3600)
            assert (await it.check())["status"] == "drift"  # no webhook told of it
            await it.simulator.webhooks.deliver(it.send)  # arrived, not looked at
            it.simulator.clock.advance(90)
            found = await scraped(it)
            held = await it.query("SELECT status, COUNT(*) AS n FROM inbox GROUP BY status")
            by_status = {row["status"]: row["n"] for row in held}
            assert value(found, "events", status="received") == by_status["received"] > 0
            assert value(found, "events", status="dead") == by_status.get("dead", 0)
            total = sum(by_status.values())
            assert sum(v for (name, _), v in found.items() if name == "reconciler_events") == total
            assert value(found, "inbox_oldest_seconds") >= 90
            kinds = await it.query(
                "SELECT kind, status, COUNT(*) AS n FROM findings WHERE status <> 'cleared'"
                " GROUP BY kind, status"
            )
            assert kinds
            for row in kinds:
                shown = value(found, "findings", kind=row["kind"], status=row["status"])
                assert shown == row["n"]
            run_ = (await it.get("/v1/drift/runs/latest")).json()
            assert run_["drift"]
            for currency, amount in run_["drift"].items():
                assert value(found, "drift_minor_units", currency=currency) == amount
            assert value(found, "run_verdict", verdict=run_["status"]) == 1
            calls = value(found, "stripe_calls_total", endpoint="GET /v1/balance", outcome="ok")
            assert calls >= 1
            assert value(found, "stripe_breaker_state", state="closed") == 1
            assert value(found, "outcomes_unknown") == 0

    run(story)


def test_labels_are_of_kinds_and_never_of_objects(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await month(it)
            for id in ("pi_lowercase", "ch_1", "acct_nobody"):
                assert it.context.stripe is not None
                await it.context.stripe.retrieve(id, "platform", 0)
            text = (await it.get("/metrics")).text
            assert 'endpoint="GET /v1/payment_intents/{id}"' in text
            assert not re.search(r"\b(pi|ch|re|tr|acct|evt|fnd|run|pyt|cus|txn|po)_\w", text)
            for secret in (Simulator.secret_key, SECRET, CONNECT_SECRET, ADMIN_KEY):
                assert secret not in text

    run(story)


def test_the_scrapers_key_opens_the_metrics_and_nothing_else(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url, RECONCILER_METRICS_KEY=SCRAPER) as it:
            assert parsed(await it.get("/metrics", SCRAPER))
            assert is_problem(await it.get("/v1/events", SCRAPER), 401, "unauthenticated")
            _, viewer = await create_key(it.context, "eyes", Role.VIEWER)
            assert parsed(await it.get("/metrics", viewer))
            for headers in ({}, bearer(""), bearer(SCRAPER[:-1]), {"Authorization": SCRAPER}):
                answer = await it.http.get("/metrics", headers=headers)
                assert is_problem(answer, 401, "unauthenticated"), headers

    run(story)


def test_without_a_scrapers_key_no_key_is_the_scrapers(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for headers in ({"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {}):
                answer = await it.http.get("/metrics", headers=headers)
                assert is_problem(answer, 401, "unauthenticated")

    run(story)


def test_an_unknown_outcome_and_an_outage_show(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.faults.add("GET", "*", "before", "500", times=None)
            for _ in range(5):
                await it.check()
            found = await scraped(it)
            assert value(found, "stripe_breaker_state", state="open") == 1
            assert value(found, "stripe_breaker_opened_total") == 1
            errors = {
                dict(labels)["outcome"]: number
                for (name, labels), number in found.items()
                if name == "reconciler_stripe_calls_total"
            }
            assert errors["server_error"] >= 1
            assert errors["not_sent"] >= 1

    run(story)


@pytest.mark.parametrize("http", [True, False])
def test_an_instance_that_only_runs_jobs_can_be_scraped_too(http: bool) -> None:
    paths = [getattr(route, "path", "") for route in build_routes(State("http://x"), http=http)]
    assert "/metrics" in paths
    assert ("/v1/payments" in paths) == http
