"""One simulated Stripe, put together: the only room that sees all the others."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from starlette.applications import Starlette

from reconciler.simulator.kernel.clock import Clock
from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.balance import ledger, payout_schedules, payouts, reserves, topups
from reconciler.simulator.objects.connect import account_checks, accounts
from reconciler.simulator.objects.payments import charge_money, payment_async, payment_capture
from reconciler.simulator.objects.reporting import report_types, reports
from reconciler.simulator.objects.returns import disputes, refund_course
from reconciler.simulator.objects.selling import (
    checkout,
    checkout_course,
    coupons,
    promotion_codes,
    subscription_life,
)
from reconciler.simulator.outside.acts.acts import Acts
from reconciler.simulator.outside.control import state
from reconciler.simulator.outside.control.control import ControlDoor
from reconciler.simulator.outside.control.faults import Faults
from reconciler.simulator.outside.pages import layout
from reconciler.simulator.outside.pages.console import Console
from reconciler.simulator.outside.pages.hosted import Hosted
from reconciler.simulator.outside.pages.hosted_authentication import Authentication
from reconciler.simulator.outside.pages.hosted_checkout import CheckoutPages
from reconciler.simulator.outside.proof.audit import audit
from reconciler.simulator.outside.webhooks.courier import Courier
from reconciler.simulator.outside.webhooks.delivery import Webhooks
from reconciler.simulator.wire.asked import Recorded
from reconciler.simulator.wire.keys import Keys
from reconciler.simulator.wire.server import Door

# What the clock may be asked to do, by the name it has in the agenda.
_TASKS: dict[str, Callable[..., None]] = {
    "checkout_expires": checkout.expire_by_time,
    "account_checked": account_checks.finish_check,
    "account_deadline": account_checks.pass_deadline,
    "person_checked": account_checks.verify_person,
    "coupon_ends": coupons.end,
    "discount_ends": coupons.run_out,
    "promotion_code_ends": promotion_codes.end,
    "trial_reminder": subscription_life.remind,
    "subscription_turns": subscription_life.turn,
    "settle": ledger.settle_day,
    "balance_grew": ledger.tell,
    "reserve_covers": reserves.cover,
    "connect_collects": reserves.collect,
    "authorization_expires": payment_capture.expire,
    "book_charge": charge_money.book_money_later,
    "debit_decided": payment_async.decide,
    "refund_ends": refund_course.happen,
    "refunds_proceed": refund_course.proceed,
    "charge_refunded": disputes.after_refund,
    "dispute_opens": disputes.arrive,
    "dispute_ends": disputes.end_by_evidence,
    "dispute_is_due": disputes.fall_due,
    "report_runs": reports.finish,
    "report_types_updated": report_types.tell,
    "payout_travels": payouts.travel,
    "payout_fails": payouts.fail_later,
    "payout_traced": payouts.trace,
    "payout_schedule": payout_schedules.run,
    "topup_ends": topups.end,
}

# What an event leads to inside Stripe itself.
_FOLLOWS: dict[str, Callable[[Call, Json], None]] = {
    **checkout_course.FOLLOWED,
    "customer.deleted": subscription_life.lose_customer,
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
        self.world.follows.update(_FOLLOWS)
        self.acts = Acts(self.world)
        self.faults = Faults(self.world.ids)
        self.webhooks = Webhooks(self.world)
        self.courier = Courier(self.webhooks)
        self.keys = Keys(self.world, self.secret_key)
        self._door = Door(self.world, self.faults, self.keys)
        self._parts: dict[str, state.Part] = {
            "faults": self.faults,
            "webhooks": self.webhooks,
            "door": self._door,
        }
        self.app = Starlette(
            routes=[
                *self._door.routes(),
                *ControlDoor(self).routes(),
                *Console(self).routes(),
                *layout.routes(),
                *CheckoutPages(self).routes(),
                *Hosted(self).routes(),
                *Authentication(self).routes(),
            ],
            exception_handlers={
                404: self._door.unknown,
                405: self._door.unknown,
                500: self._door.broken,
            },
        )
        self.app.router.redirect_slashes = False

    @property
    def clock(self) -> Clock:
        return self.world.clock

    @property
    def account(self) -> str:
        """The platform's own `acct_…`."""
        return self.world.platform

    @property
    def requests(self) -> list[Recorded]:
        """Every request served that is still in the journal, oldest first."""
        names = ("method", "path", "form", "stripe_account", "key", "status")
        return [
            Recorded(*(entry[name] for name in names))
            for entry in self.world.journal
            if entry["kind"] == "request"
        ]

    def dump(self) -> bytes:
        """The whole state, as one JSON document."""
        return state.dump(self.world, self._parts)

    def load(self, document: bytes) -> None:
        """Take up a stored state; whoever holds this simulator goes on with that one.

        It is tried on another simulator first: what cannot be taken up changes nothing here.
        """
        trial, stored = Simulator(), state.read(document)
        state.load(trial.world, trial._parts, stored)
        state.load(self.world, self._parts, stored)

    def begin_again(self, seed: int, now: int) -> None:
        """A new world, with the settings of the old one."""
        fresh = Simulator(seed=seed, now=now, settings=self.settings)
        state.load(self.world, self._parts, state.read(fresh.dump()))

    def audit(self) -> list[str]:
        """Why the simulated books are wrong; empty when they are right."""
        return audit(self.world)
