"""A slice of the corpus: every plant at least once, mixed into small months, and what the sweep
makes of it. The whole is `make corpus`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.corpus.judge import Judgement
from tests.corpus.play import PLANTS, dealt, play
from tests.engines import migrated_url


def test_every_planted_difference_is_found_with_its_cause_and_nothing_else(tmp_path: Path) -> None:
    together, planted = Judgement(), set()
    for seed, plants in enumerate(dealt(), 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        played = asyncio.run(play(seed, migrated_url("sqlite", folder, None), plants, usual=2))
        together.add(played.judgement)
        planted.update(played.planted)
    assert planted == {plant.name for plant in PLANTS}
    assert together.labels >= 60
    assert together.spotless, "\n".join(together.wrongs())
