"""What the demo plays on: the month as it goes by, with a tally, and the service that listens."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler.context import Context
from reconciler.intake.apply import apply_all
from reconciler.intake.reread import reread_due
from reconciler.simulator import Simulator

DAY = 86400
DAYS = 28

Send = Callable[[str, dict[str, str], bytes], Awaitable[int]]


@dataclass(slots=True)
class Month:
    """The month as it goes by, and a tally of what was done."""

    simulator: Simulator
    context: Context
    send: Send
    random: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311
    connected: dict[str, str] = field(default_factory=dict)
    taken: list[dict[str, Any]] = field(default_factory=list)
    tally: dict[str, int] = field(default_factory=dict)
    planted: list[str] = field(default_factory=list)
    orders: int = 0
    by_hand: bool = False
    unasked: bool = False

    def count(self, what: str, by: int = 1) -> None:
        self.tally[what] = self.tally.get(what, 0) + by


async def listen(month: Month) -> None:
    """Webhooks that are due reach the service, which applies them and reads what it doubts."""
    counts = await month.simulator.webhooks.deliver(month.send, at_once=32)
    for what in ("delivered", "dropped", "duplicated", "failed"):
        month.count(f"webhooks {what}", counts.get(what, 0))
    await apply_all(month.context)
    while await reread_due(month.context):
        pass
