"""What tests through the front door share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.engines import migrated_url


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command configures the log for the streams of its own process, which are gone after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh SQLite database, where the engine does not matter."""
    return migrated_url("sqlite", tmp_path, None)
