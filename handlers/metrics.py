"""Figures in the text format of Prometheus.

Labels are closed lists of ours (kinds, statuses, currencies, endpoints, jobs): never an object, a
merchant or a key. https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from reconciler.context import Context
from reconciler.domain.delivery import Fate
from reconciler.gateway.breaker import State
from reconciler.oversight.figures import Figures, read_figures

TEXT = "text/plain; version=0.0.4; charset=utf-8"
NAME = "reconciler_"
VERDICTS = ("clean", "drift", "incomplete")

Sample = tuple[Sequence[str], float]


def scrapes(request: Request, key: str) -> bool:
    """Whether this is the scraper, by the key that opens nothing but this page."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(), key.encode())
    return bool(key) and scheme.lower() == "bearer" and same


class _Once(Collector):
    """Hands the registry what was read for this one answer."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def metrics(context: Context, _: Request) -> Response:
    """What a scraper asks for."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(list(_families(await read_figures(context)))))
    return Response(generate_latest(registry), 200, {"Cache-Control": "no-store"}, media_type=TEXT)


def _families(read: Figures) -> Iterator[Metric]:
    yield from _inbox(read)
    yield from _report(read)
    yield from _commands(read)
    yield from _jobs(read)
    yield from _delivery(read.delivery)
    if read.traffic is not None:
        yield from _calls(read.traffic["calls"])
        yield from _budget(read.traffic["budget"])
        yield from _breaker(read.traffic["breaker"])


def _gauge(name: str, says: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(NAME + name, says, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _counter(name: str, says: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(NAME + name, says, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _one(name: str, says: str, number: float) -> Metric:
    return _gauge(name, says, (), [((), number)])


def _age(read: Figures, since: int) -> int:
    return max(0, read.now - since) if since else 0


def _inbox(read: Figures) -> Iterator[Metric]:
    held = read.inbox
    settled = held["events"] - held["received"] - held["dead"]
    by_status = {"received": held["received"], "dead": held["dead"], "settled": settled}
    yield _gauge(
        "events",
        "Events in the inbox, by status: received and not looked at, dead, or settled.",
        ["status"],
        [([status], number) for status, number in by_status.items()],
    )
    yield _one(
        "inbox_oldest_seconds",
        "Age of the oldest event that has not been looked at; 0 if there is none.",
        _age(read, held["oldest_received_at"]),
    )
    yield _one("rereads", "Objects that are to be read from Stripe again.", read.rereads["objects"])
    yield _one(
        "rereads_oldest_seconds",
        "For how long the oldest of them has been waited for; 0 if there is none.",
        _age(read, read.rereads["oldest_at"]),
    )


def _report(read: Figures) -> Iterator[Metric]:
    yield _gauge(
        "findings",
        "Findings that have not cleared, by kind and status.",
        ["kind", "status"],
        [([row["kind"], row["status"]], row["findings"]) for row in read.findings],
    )
    yield _gauge(
        "drift_minor_units",
        "Stripe minus books in the newest run, without timing, in minor units of the currency.",
        ["currency"],
        [([currency], amount) for currency, amount in sorted(read.drift.items())],
    )
    yield _gauge(
        "run_verdict",
        "1 for the verdict of the newest run.",
        ["verdict"],
        [([verdict], float(verdict == read.verdict)) for verdict in VERDICTS],
    )
    yield _one(
        "run_finished_timestamp_seconds",
        "When the newest run was written; 0 if there is none.",
        read.run_finished_at,
    )


def _commands(read: Figures) -> Iterator[Metric]:
    unknown = [row for row in read.sendings if row["status"] == "unknown"]
    yield _gauge(
        "commands_unsettled",
        "Commands to Stripe that are not settled, by kind and status.",
        ["kind", "status"],
        [([row["kind"], row["status"]], row["sendings"]) for row in read.sendings],
    )
    yield _one(
        "outcomes_unknown",
        "Commands that were sent and whose outcome is not known.",
        sum(row["sendings"] for row in unknown),
    )
    yield _one(
        "outcomes_unknown_oldest_seconds",
        "Age of the oldest of them; 0 if there is none.",
        _age(read, min((row["oldest_at"] for row in unknown), default=0)),
    )


def _jobs(read: Figures) -> Iterator[Metric]:
    yield _gauge(
        "job_last_success_timestamp_seconds",
        "When each job last went well; 0 if it did not lately.",
        ["job"],
        [([row["job"]], row["succeeded_at"]) for row in read.jobs],
    )


def _delivery(day: dict[str, Any]) -> Iterator[Metric]:
    """Of the events of the last day; connected accounts count together, and types only if we need
    them: both are closed lists."""
    scopes = day["scopes"]
    yield _gauge(
        "delivery_events",
        "Events of the last day that we need, by whose they are and what became of them.",
        ["scope", "fate"],
        [([scope, fate.value], row[fate.value]) for scope, row in scopes.items() for fate in Fate],
    )
    yield _gauge(
        "delivery_completeness_ratio",
        "The share of those that were due which a webhook brought.",
        ["scope"],
        [([s], r["completeness"]) for s, r in scopes.items() if r["completeness"] is not None],
    )
    yield _gauge(
        "delivery_type_completeness_ratio",
        "The same for each type of the platform's own events.",
        ["type"],
        [([type], share) for type, share in day["types"].items()],
    )
    yield _gauge(
        "delivery_applied_seconds",
        "Seconds from created to applied, by quantile.",
        ["scope", "quantile"],
        [
            ([scope, quantile], row[key])
            for scope, row in scopes.items()
            for quantile, key in (("0.5", "applied_p50_seconds"), ("0.99", "applied_p99_seconds"))
            if row[key] is not None
        ],
    )
    yield _gauge(
        "event_list_behind_seconds",
        "For how long the list that was read longest ago has not been read to its end.",
        ["scope"],
        [([s], r["behind_seconds"]) for s, r in scopes.items() if r["behind_seconds"] is not None],
    )
    yield _one("chains_broken", "Updates that do not join, not healed.", day["chains_open"])


def _calls(calls: dict[str, Any]) -> Iterator[Metric]:
    yield _counter(
        "stripe_calls",
        "Requests to Stripe by this process, by endpoint and what became of them.",
        ["endpoint", "outcome"],
        [
            ([endpoint, outcome], number)
            for endpoint, tally in calls.items()
            for outcome, number in tally["outcomes"].items()
        ],
    )
    yield _counter(
        "stripe_call_seconds",
        "Seconds that these requests took.",
        ["endpoint"],
        [([endpoint], tally["seconds"]) for endpoint, tally in calls.items()],
    )


def _budget(budget: dict[str, Any]) -> Iterator[Metric]:
    by_class = budget["classes"].items()
    for name, key, says in (
        ("stripe_budget_turns", "turns", "Turns that were asked for, by class."),
        ("stripe_budget_waits", "waited", "Turns that did not come at once, by class."),
        ("stripe_budget_wait_seconds", "seconds", "Seconds waited for turns, by class."),
    ):
        yield _counter(name, says, ["class"], [([each], row[key]) for each, row in by_class])
    yield _gauge(
        "stripe_budget_waiting",
        "Requests that wait for their turn, by class.",
        ["class"],
        [([each], row["waiting"]) for each, row in by_class],
    )
    yield _one("stripe_requests_in_flight", "Requests under way.", budget["in_flight"])
    yield _one(
        "stripe_budget_pace_ratio",
        "The share of its pace that the slowest limit has; below 1 after Stripe refused requests.",
        budget["slowed_to_percent"] / 100,
    )
    yield _counter(
        "stripe_budget_slowed",
        "How often Stripe said that it was asked too fast, and this was news.",
        (),
        [((), budget["times_slowed"])],
    )


def _breaker(breaker: dict[str, Any]) -> Iterator[Metric]:
    yield _gauge(
        "stripe_breaker_state",
        "1 for the state that the circuit breaker is in.",
        ["state"],
        [([state.value], float(state.value == breaker["state"])) for state in State],
    )
    yield _counter(
        "stripe_breaker_opened", "How often the breaker opened.", (), [((), breaker["opened"])]
    )
