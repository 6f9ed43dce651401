"""What tests through the front door share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines import migrated_url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh SQLite database, where the engine does not matter."""
    return migrated_url("sqlite", tmp_path, None)
