"""Run the corpus by the thousand: `python -m tests.corpus --differences 1000 --seed 1`.

Prints progress, the confusion table of causes, and whatever is wrong; ends with 1 if anything is.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import structlog

from tests.corpus.judge import WRONGS, Judgement
from tests.corpus.play import PLANTS, Played, chosen, play
from tests.engines import memory, migrated_url

PLANTS_IN_A_MONTH = 7
CAUSE_RIGHT = 95
SHOWN = 25


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.corpus")
    asked.add_argument("--differences", type=int, default=1000)
    asked.add_argument("--seed", type=int, default=1, help="of the first month")
    asked.add_argument("--only", default="", help="a part of the names of plants")
    options = asked.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    began, seed, together = time.monotonic(), options.seed, Judgement()
    planted: Counter[str] = Counter()
    while together.labels < options.differences:
        played = _month(seed, options.only)
        together.add(played.judgement)
        planted.update(played.planted)
        seed += 1
        print(f"\r{together.labels} differences in {seed - options.seed} months", end="")
        sys.stdout.flush()
    print(f"\nseeds {options.seed} to {seed - 1}, {time.monotonic() - began:.0f} s\n")
    return _tell(together, planted)


def _month(seed: int, only: str) -> Played:
    plants = chosen(seed, PLANTS_IN_A_MONTH)
    if only:
        plants = [plant for plant in PLANTS if only in plant.name]
    with tempfile.TemporaryDirectory(dir=memory()) as folder:
        url = migrated_url("sqlite", Path(folder), None)
        return asyncio.run(play(seed, url, plants))


def _tell(result: Judgement, planted: Counter[str]) -> int:
    _table(result)
    print("\nplants: " + ", ".join(f"{name} {n}" for name, n in sorted(planted.items())))
    print("kinds: " + ", ".join(f"{name} {n}" for name, n in sorted(result.kinds.items())))
    for name in WRONGS:
        found = getattr(result, name)
        print(f"{name.replace('_', ' ')}: {len(found)}")
        for line in found[:SHOWN]:
            print(f"  {line}")
    right = sum(n for (label, cause), n in result.confusion.items() if label == cause)
    share = 100 * right / max(1, result.labels)
    print(f"\n{result.labels} differences, the cause right in {share:.2f} %")
    return int(share < CAUSE_RIGHT or len(result.wrongs()) > len(result.wrong))


def _table(result: Judgement) -> None:
    """Rows are what was planted, columns what was said; the diagonal is right."""
    rows = sorted({label for label, _ in result.confusion})
    columns = sorted({cause for _, cause in result.confusion})
    width = max(len(name) for name in [*rows, *columns])
    for number, name in enumerate(columns, 1):
        print(f"{'':{width}} {'      ' * (number - 1)}{number:>5} {name}")
    for row in rows:
        cells = [result.confusion[row, column] for column in columns]
        print(f"{row:>{width}} " + " ".join(f"{cell or '·':>5}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
