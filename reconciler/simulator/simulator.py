"""One simulated Stripe, put together: the only room that sees all the others."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from starlette.applications import Starlette

from reconciler.simulator.kernel.clock import Clock
from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.kernel.world import World
from reconciler.simulator.objects import accounts, charges, disputes, ledger, payouts, refunds
from reconciler.simulator.outside.acts import Acts
from reconciler.simulator.outside.audit import audit
from reconciler.simulator.outside.control import Control
from reconciler.simulator.outside.delivery import Webhooks
from reconciler.simulator.outside.faults import Faults
from reconciler.simulator.wire.server import Door, Recorded

# What the clock may be asked to do, by the name it has in the agenda.
_TASKS: dict[str, Callable[..., None]] = {
    "settle": ledger.settle_day,
    "book_charge": charges.book_money_later,
    "refund_ends": refunds.happen,
    "dispute_opens": disputes.arrive,
    "dispute_ends": disputes.end_by_evidence,
    "payout_travels": payouts.travel,
    "payout_schedule": payouts.run_schedule,
}


class Simulator:
    """A Stripe of one's own. The same seed and the same calls give the same bytes."""

    secret_key = "sk_test_simulator00000000000000"  # noqa: S105 - opens nothing but this toy

    def __init__(
        self,
        seed: int = 1,
        now: int = 1_790_000_000,
        api_version: str | None = None,
        settlement_currencies: tuple[str, ...] | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.settings = replace(settings or Settings())
        self.settings.api_version = api_version or self.settings.api_version
        if settlement_currencies is not None:
            self.settings.settlement_currencies = settlement_currencies
        self.world = World(seed=seed, now=now, settings=self.settings)
        accounts.open_platform(self.world)
        for name, run in _TASKS.items():
            self.clock.on(name, partial(run, self.world))
        self.acts = Acts(self.world)
        self.faults = Faults(self.world.ids)
        self.webhooks = Webhooks(self.world)
        self._door = Door(self.world, self.faults)
        self.app = Starlette(
            routes=[*self._door.routes(), *Control(self).routes()],
            exception_handlers={404: self._door.unknown, 405: self._door.unknown},
        )

    @property
    def clock(self) -> Clock:
        return self.world.clock

    @property
    def account(self) -> str:
        """The platform's own `acct_…`."""
        return self.world.platform

    @property
    def requests(self) -> list[Recorded]:
        """Every request served, oldest first."""
        return self._door.requests

    def audit(self) -> list[str]:
        """Why the simulated books are wrong; empty when they are right."""
        return audit(self.world)
