"""Fresh databases without a table, on each engine."""

from pathlib import Path

import pytest

from tests import engines


@pytest.fixture(params=engines.ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    engine: str = request.param
    server = request.getfixturevalue("pg_server") if engine == "postgresql" else None
    return engines.empty_url(engine, tmp_path, server)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return engines.empty_url("sqlite", tmp_path, None)


@pytest.fixture
def postgresql_url(pg_server: engines.PgServer) -> str:
    return pg_server.empty()
