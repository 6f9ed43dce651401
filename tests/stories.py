"""Stories by the thousand: `make stories`, or `python -m tests.stories --help`.

Each story is one run of a state machine of `tests/front`: commands, webhooks, faults, crashes and
the clock in an order that its seed decides. A story that fails is made short, told with the seed of
its batch, and ends the run with exit 1. The same seed tells the same stories on SQLite.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from rich.console import Console

from tests import engines
from tests.front.story import STEPS, Story, tell
from tests.front.test_debit_machine import Debits
from tests.front.test_money_out_machine import MoneyOut

MACHINES: dict[str, type[Story]] = {"money_out": MoneyOut, "debits": Debits}
BATCH = 25

out = Console(highlight=False, soft_wrap=True)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.stories")
    parser.add_argument("--machine", choices=[*MACHINES, "all"], default="all")
    parser.add_argument("--engine", choices=engines.ENGINES, default="sqlite")
    parser.add_argument("--stories", type=int, default=2_000, help="how many of each machine")
    parser.add_argument("--steps", type=int, default=STEPS, help="how many in a story")
    parser.add_argument("--seed", type=int, default=1, help="of the first batch")
    parser.add_argument("--as-found", action="store_true", help="tell a failure without shortening")
    return parser.parse_args()


def _batches(stories: int) -> Iterator[int]:
    for told in range(0, stories, BATCH):
        yield min(BATCH, stories - told)


def _tell(name: str, asked: argparse.Namespace, server: engines.PgServer | None) -> None:
    machine, told, began = MACHINES[name], 0, time.monotonic()
    for number, size in enumerate(_batches(asked.stories)):
        at = asked.seed + number
        try:
            tell(
                machine,
                size,
                first=at,
                steps=asked.steps,
                engine=asked.engine,
                server=server,
                as_found=asked.as_found,
            )
        except BaseException:
            out.print(f"{name}: seed {at} fails: --machine {name} --seed {at} tells it again")
            raise
        told += size
        each = (time.monotonic() - began) / told
        out.print(f"{name}: seed {at}: {told} stories hold, {each:.2f} s each")


def _tally(machine: type[Story]) -> None:
    for what, often in sorted(machine.tally.items()):
        out.print(f"  {often:>7,} {what}")
    machine.tally.clear()


def main() -> int:
    asked = _asked()
    names = list(MACHINES) if asked.machine == "all" else [asked.machine]
    with ExitStack() as stack:
        server = None
        if asked.engine == "postgresql":
            server = stack.enter_context(engines.postgresql())
        for name in names:
            try:
                _tell(name, asked, server)
            finally:
                _tally(MACHINES[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
