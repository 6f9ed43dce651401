"""Commands, webhooks, faults, crashes and the clock in any order: what leaves, leaves exactly once.

Promises 5, 6, 7 and 9 of the design, held after every step of every story that can be thought up.
`RECONCILER_EXAMPLES` says how many are tried.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from reconciler.domain.refusals import Refusal
from reconciler.domain.sending import KEY_SECONDS
from reconciler.money_out.pay_out import pay_out
from reconciler.money_out.payout_steps import cancel
from reconciler.money_out.recover_cost import recover_due
from reconciler.money_out.refund import Wanted, refund
from reconciler.money_out.resolve import resolve_outcomes
from reconciler.money_out.reverse import reverse
from reconciler.reconciling.self_check import self_check
from tests import engines
from tests.front.asking import refunds
from tests.harness import Service, service

EXAMPLES = int(os.environ.get("RECONCILER_EXAMPLES", "25"))
STEPS = 30

MERCHANTS = ("bakery", "florist")
POSTS = ("/v1/transfers", "/v1/refunds", "/v1/transfers/*/reversals")
EFFECTS = ("reset", "500", "429", "broken_body", "409_lock_timeout", "502", "429_lock_timeout")
OBJECTS = {
    "transfer": ("reconciler_payout", "payouts", "transfer_id"),
    "refund": ("reconciler_refund", "refund_requests", "refund_id"),
    "transfer_reversal": ("reconciler_reversal", "reversals", "reversal_id"),
}

merchants_ = st.sampled_from(MERCHANTS)
amounts = st.integers(1, 60) | st.integers(1_000, 30_000)


class Crash(BaseException):
    """The process ends here."""


class MoneyOut(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        url = engines.migrated_url("sqlite", Path(self.folder.name), None)
        self.opened = service(url)
        self.it: Service = self.runner.run(self.opened.__aenter__())
        assert self.it.context.stripe is not None
        self.stripe = self.it.context.stripe
        self.true_post = self.stripe.post
        for merchant in MERCHANTS:
            self.runner.run(self.it.merchant(merchant))
        self.payments: list[str] = []
        self.runner.run(self.it.listen())
        self.calm = True
        self.paid("bakery", 40_000, quickly=True)

    def run_(self, work: Any) -> Any:
        """What the work gives; nothing where the process ended in it, or Stripe was not there."""
        from reconciler.gateway.outcomes import StripeUnavailable

        try:
            return self.runner.run(work)
        except (Crash, StripeUnavailable):
            return None
        finally:
            self.stripe.post = self.true_post  # type: ignore[method-assign]

    # -- what others do ---------------------------------------------------------------------------

    @rule(merchant=merchants_, amount=st.integers(5_000, 40_000), quickly=st.booleans())
    def paid(self, merchant: str, amount: int, quickly: bool) -> None:
        card = "pm_card_bypassPending" if quickly else "pm_card_visa"
        metadata = {"merchant_id": merchant}
        intent = self.it.simulator.acts.pay(amount, "usd", card=card, metadata=metadata)
        self.payments.append(intent["id"])

    @rule(number=st.integers(0, 50))
    def a_refund_fails(self, number: int) -> None:
        there = [r for r in refunds(self.it) if r["status"] == "succeeded"]
        if there:
            self.it.simulator.acts.fail_refund(there[number % len(there)]["id"])

    @rule(merchant=merchants_, amount=st.integers(1, 5_000))
    def a_merchant_is_paid_by_its_bank(self, merchant: str, amount: int) -> None:
        """Money leaves the connected account: a reversal may find too little there."""
        [row] = self.runner.run(
            self.it.query("SELECT stripe_account FROM merchants WHERE id = :id", id=merchant)
        )
        book = self.it.simulator.world.books[row["stripe_account"]]
        if book.totals.get("usd", {}).get("available", 0) >= amount:
            self.it.simulator.acts.pay_out_bank("usd", amount, account=row["stripe_account"])

    # -- what goes wrong --------------------------------------------------------------------------

    @rule(
        path=st.sampled_from(POSTS),
        when=st.sampled_from(("before", "after")),
        effect=st.sampled_from(EFFECTS),
        times=st.integers(1, 3),
    )
    def a_fault_is_waiting(self, path: str, when: str, effect: str, times: int) -> None:
        self.it.simulator.faults.add(
            method="POST", path=path, when=when, effect=effect, times=times
        )

    @rule()
    def stripe_is_down(self) -> None:
        self.it.simulator.faults.add(path="/v1/*", effect="reset", times=None)

    @rule()
    def stripe_is_up(self) -> None:
        self.it.simulator.faults.clear()

    @rule(answered=st.booleans())
    def the_next_call_ends_the_process(self, answered: bool) -> None:
        true = self.true_post

        async def ends(*args: Any, **options: Any) -> Any:
            if answered:
                await true(*args, **options)
            raise Crash

        self.stripe.post = ends  # type: ignore[method-assign]

    @rule(how=st.sampled_from(("drop", "duplicate", "reorder", "calm")))
    def webhooks_go_astray(self, how: str) -> None:
        webhooks = self.it.simulator.webhooks
        if how == "drop":
            webhooks.drop("*")
        elif how == "duplicate":
            webhooks.duplicate("*", times=1)
        elif how == "reorder":
            webhooks.reorder(5)
        else:
            webhooks.calm()

    # -- what the service is asked, and does by itself --------------------------------------------

    @rule(merchant=merchants_, amount=amounts)
    def payout(self, merchant: str, amount: int) -> None:
        done = self.run_(pay_out(self.it.context, self.stripe, merchant, amount, "usd"))
        if done is None or isinstance(done, Refusal):
            return
        assert done["failure_code"] != "balance_insufficient", "Stripe had less than was promised"
        assert self.owed(merchant) >= 0, "more was promised than the merchant is owed"

    @rule(number=st.integers(0, 50), amount=st.none() | amounts, recover=st.booleans())
    def refund(self, number: int, amount: int | None, recover: bool) -> None:
        payment = self.payments[number % len(self.payments)]
        wanted = Wanted(payment, amount, "", recover)
        self.run_(refund(self.it.context, self.stripe, wanted))

    @rule(number=st.integers(0, 50))
    def cancel(self, number: int) -> None:
        payout = self.some_payout(number)
        if payout:
            self.run_(cancel(self.it.context, payout))

    @rule(number=st.integers(0, 50), amount=st.none() | amounts)
    def reverse(self, number: int, amount: int | None) -> None:
        payout = self.some_payout(number)
        if payout:
            self.run_(reverse(self.it.context, self.stripe, payout, amount))

    @rule()
    def webhooks_arrive(self) -> None:
        self.run_(self.it.listen())

    @rule()
    def missed_events_are_found(self) -> None:
        self.run_(self.it.sweep())

    @rule(seconds=st.sampled_from((1, 15, 100, 100, 3_600, KEY_SECONDS // 2)))
    def time_passes(self, seconds: int) -> None:
        self.it.simulator.clock.advance(seconds)
        self.run_(self.jobs())

    async def jobs(self) -> None:
        await resolve_outcomes(self.it.context, self.stripe)
        await recover_due(self.it.context, self.stripe)

    # -- what always holds ------------------------------------------------------------------------

    @invariant()
    def no_instruction_has_two_objects_and_none_that_has_one_is_given_up(self) -> None:
        for shelf, (key, table, column) in OBJECTS.items():
            made = self.made(shelf, key)
            assert all(count == 1 for count in made.values()), (shelf, made)
            rows = self.query(f"SELECT id, status, {column} AS object FROM {table}")
            for row in rows:
                gone = row["status"] in ("failed", "cancelled") and not row["object"]
                assert not (gone and made[row["id"]]), (
                    f"{row['id']} was made, and is {row['status']}"
                )
                assert not row["object"] or made[row["id"]], f"{row['id']} was never made"

    @invariant()
    def what_is_not_known_is_shown(self) -> None:
        unknown = self.query("SELECT kind, instruction FROM sendings WHERE status = 'unknown'")
        tables = {"payout": "payouts", "refund": "refund_requests", "reversal": "reversals"}
        for row in unknown:
            [shown] = self.query(
                f"SELECT status FROM {tables[row['kind']]} WHERE id = :id", id=row["instruction"]
            )
            assert shown["status"] == "unknown", row

    @invariant()
    def the_books_sum_to_zero(self) -> None:
        rows = self.query("SELECT currency, SUM(amount) AS amount FROM entries GROUP BY currency")
        assert not any(row["amount"] for row in rows)

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.runner.run(self.opened.__aexit__(None, None, None))
            self.runner.close()
            self.folder.cleanup()

    def settle(self) -> None:
        """Once Stripe answers again, everything is settled within minutes, and agrees."""
        self.stripe.post = self.true_post  # type: ignore[method-assign]
        self.it.simulator.faults.clear()
        self.it.simulator.webhooks.calm()
        for _ in range(10):
            self.it.simulator.clock.advance(90)
            self.run_(self.jobs())
        left = self.query(
            "SELECT kind, instruction, status, code FROM sendings"
            " WHERE status IN ('ready', 'sending', 'unknown')"
        )
        # What Stripe answered with an error that it remembers is proven by its list a day later.
        assert {row["code"] for row in left} <= {"api_error", "APIError"}, left
        self.it.simulator.clock.advance(KEY_SECONDS)
        for _ in range(3):
            self.it.simulator.clock.advance(90)
            self.run_(self.jobs())
        assert (
            self.query("SELECT id FROM sendings WHERE status IN ('ready','sending','unknown')")
            == []
        )
        self.run_(self.it.listen())
        self.run_(self.it.sweep())
        while self.query("SELECT object_id FROM fetches"):
            self.it.simulator.clock.advance(300)
            self.run_(self.it.settle())
        self.no_instruction_has_two_objects_and_none_that_has_one_is_given_up()
        assert self.it.simulator.audit() == []
        assert self.runner.run(self_check(self.it.context)) == []
        run = self.runner.run(self.it.check())
        assert run["status"] == "clean", run["found"]

    # -- looking ----------------------------------------------------------------------------------

    def query(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.runner.run(self.it.query(sql, **values))
        return found

    def made(self, shelf: str, key: str) -> Counter[str]:
        objects = self.it.simulator.world.home.shelf(shelf).values()
        return Counter(o["metadata"][key] for o in objects if key in o["metadata"])

    def owed(self, merchant: str) -> int:
        rows = self.query(
            "SELECT COALESCE(SUM(books + facts), 0) AS amount FROM balances WHERE account = :a",
            a=f"merchant:{merchant}",
        )
        return -int(rows[0]["amount"])

    def some_payout(self, number: int) -> str:
        rows = self.query("SELECT id FROM payouts ORDER BY id")
        return str(rows[number % len(rows)]["id"]) if rows else ""


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """Thousands of stories would be told in the log."""
    import logging

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


TestMoneyOut = MoneyOut.TestCase
TestMoneyOut.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
