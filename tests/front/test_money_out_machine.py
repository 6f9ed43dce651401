"""Payouts and refunds in any order with webhooks, faults, crashes and the clock: exactly once.

Promises 5, 6, 7 and 9 of the design, held after every step of every story that can be thought up.
What people do at Stripe past this service is part of it: its books must not be confused by that.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jobs import check_balance
from reconciler.oversight.keys import Role, create_key
from reconciler.simulator.kernel.refusals import Refusal
from tests import engines
from tests.front.asking import refunds, transfers
from tests.front.story import IN_THE_SUITE, Request, Story, is_final, numbers, tell
from tests.harness import ADMIN_KEY

MERCHANTS = ("bakery", "florist")
POSTS = ("/v1/transfers", "/v1/refunds", "/v1/transfers/*/reversals")
ALONE = 5_000
"""Up to this much, a payout or refund needs no second person."""

OBJECTS = {
    "payout": ("transfer", "reconciler_payout", "payouts", "transfer_id"),
    "refund": ("refund", "reconciler_refund", "refund_requests", "refund_id"),
    "reversal": ("transfer_reversal", "reconciler_reversal", "reversals", "reversal_id"),
}
"""By kind of instruction: what Stripe makes for it, and where it is kept here."""

OVER = ("failed", "cancelled")

ACTS = (
    "a refund fails",
    "a merchant's bank is paid",
    "somebody transfers",
    "somebody refunds",
    "somebody reverses",
)
DECISIONS = ("approve", "approve", "decline", "cancel")

merchants_ = st.sampled_from(MERCHANTS)
amounts = st.integers(1, 60) | st.integers(1_000, 30_000)
small = st.integers(1, 3_000)
kinds = st.sampled_from(("payouts", "refunds"))


LEFT_OPEN = ("made_outside", "recovery_open")
"""What a story may leave to a person: what was done past us, and a refund whose merchant has
nothing left that its share could be taken from."""


class MoneyOut(Story):
    posts = POSTS

    def __init__(self) -> None:
        super().__init__()
        self.accounts = {m: self.runner.run(self.it.merchant(m)) for m in MERCHANTS}
        _, self.second = self.runner.run(create_key(self.it.context, "second", Role.FINANCE))
        self.runner.run(self._limit())
        self.payments: list[str] = []
        self.taken_past_us = False
        for merchant in MERCHANTS:
            self.paid(merchant, 40_000, quickly=True)
        self.webhooks_arrive()

    async def _limit(self) -> None:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        body = {"version": 0, "approval_above": ALONE}
        answer = await self.it.http.put("/v1/policies/usd", headers=headers, json=body)
        assert answer.status_code == 200, answer.text

    # -- what others do ---------------------------------------------------------------------------

    @rule(merchant=merchants_, amount=st.integers(5_000, 40_000), quickly=st.booleans())
    def paid(self, merchant: str, amount: int, quickly: bool) -> None:
        card = "pm_card_bypassPending" if quickly else "pm_card_visa"
        metadata = {"merchant_id": merchant}
        intent = self.simulator.acts.pay(amount, "usd", card=card, metadata=metadata)
        self.payments.append(intent["id"])

    @rule(act=st.sampled_from(ACTS), merchant=merchants_, number=numbers, amount=small)
    def others_act_at_stripe(self, act: str, merchant: str, number: int, amount: int) -> None:
        acts, account = self.simulator.acts, self.accounts[merchant]
        payment = self.payments[number % len(self.payments)]
        there = [r for r in refunds(self.it) if r["status"] == "succeeded"]
        made = transfers(self.it)
        if act == "a refund fails" and there:
            acts.fail_refund(there[number % len(there)]["id"])
        elif act == "a merchant's bank is paid":  # then a reversal may find too little there
            self.past_us(lambda: acts.pay_out_bank("usd", amount, account=account))
        elif act == "somebody transfers":
            self.past_us(lambda: acts.transfer(account, amount, "usd"))
        elif act == "somebody refunds":
            self.past_us(lambda: acts.refund(payment_intent=payment, amount=amount))
        elif act == "somebody reverses" and made:
            self.past_us(lambda: acts.reverse_transfer(made[number % len(made)]["id"], amount))

    def past_us(self, act: Any) -> None:
        try:
            act()
        except Refusal:
            return
        self.taken_past_us = True

    # -- what the service is asked ----------------------------------------------------------------

    @rule(merchant=merchants_, amount=amounts)
    def payout(self, merchant: str, amount: int) -> None:
        self.ask("/v1/payouts", _payout(merchant, amount))

    @rule(number=numbers, amount=st.just(0) | amounts, recover=st.booleans())
    def refund(self, number: int, amount: int, recover: bool) -> None:
        self.ask("/v1/refunds", self._refund(number, amount, recover))

    @rule(number=numbers, amount=st.just(0) | amounts)
    def reverse(self, number: int, amount: int) -> None:
        for id in self.some("payouts", number):
            self.ask(f"/v1/payouts/{id}/reverse", {"amount": amount})

    @rule(what=st.sampled_from(DECISIONS), kind=kinds, number=numbers)
    def somebody_decides(self, what: str, kind: str, number: int) -> None:
        """Of what waits for a second person, where anything does."""
        for id in self.some(kind, number, "awaiting_approval") or self.some(kind, number):
            body = {"digest": self.digest(id)} if what == "approve" else {}
            self.ask(f"/v1/{kind}/{id}/{what}", body, self.second)

    @rule(merchant=merchants_, amount=amounts, number=numbers)
    def much_at_once(self, merchant: str, amount: int, number: int) -> None:
        """Two payouts, one of them asked for twice with one key, and a refund, at the same time."""
        new = [
            Request("/v1/payouts", _payout(merchant, amount), ADMIN_KEY, self.next_key("a")),
            Request("/v1/payouts", _payout(merchant, amount), ADMIN_KEY, self.next_key("b")),
            Request(
                "/v1/refunds", self._refund(number, amount, True), ADMIN_KEY, self.next_key("c")
            ),
        ]
        self.requests += new
        sent = [*new, new[0]]
        answers = self.does(asyncio.gather(*(self.sent(each) for each in sent)))
        for request, answer in zip(sent, answers or [], strict=False):
            if is_final(answer):  # one of the two with one key may be told to come again
                self.answered(request, answer)

    @precondition(lambda self: self.taken_past_us)
    @rule()
    def a_check_runs(self) -> None:
        """What it finds open makes later payouts wait for a second person."""
        self.does(check_balance.run(self.it.context))

    # -- what always holds ------------------------------------------------------------------------

    def what_always_holds(self) -> None:
        super().what_always_holds()
        self.no_instruction_has_two_objects_and_none_that_has_one_is_given_up()
        self.a_request_has_one_effect()
        self.no_payout_was_decided_beyond_what_its_merchant_was_owed()
        self.stripe_never_had_less_than_was_promised()

    def no_instruction_has_two_objects_and_none_that_has_one_is_given_up(self) -> None:
        for shelf, key, table, column in OBJECTS.values():
            made = self.made(shelf, key)
            assert all(count == 1 for count in made.values()), (shelf, made)
            for row in self.query(f"SELECT id, status, {column} AS object FROM {table}"):
                gone = row["status"] in OVER and not row["object"]
                assert not (gone and made[row["id"]]), f"{row['id']} was made: {row['status']}"
                assert not row["object"] or made[row["id"]], f"{row['id']} was never made"

    def shows_unknown(self, kind: str, instruction: str) -> None:
        table = OBJECTS[kind][2]
        [row] = self.query(f"SELECT status FROM {table} WHERE id = :id", id=instruction)
        assert row["status"] == "unknown", (kind, row)

    def a_request_has_one_effect(self) -> None:
        for _, _, table, _ in OBJECTS.values():
            rows = self.query(
                f"SELECT request_key FROM {table} WHERE request_key <> ''"
                " GROUP BY request_key HAVING COUNT(*) > 1"
            )
            assert rows == [], table

    def no_payout_was_decided_beyond_what_its_merchant_was_owed(self) -> None:
        """At the moment of each decision, by the entries in the order in which they stand."""
        rows = self.query(
            "SELECT t.reference, e.account, e.amount FROM entries AS e"
            " JOIN ledger_transactions AS t ON t.id = e.transaction_id"
            " WHERE e.account LIKE :merchants ORDER BY t.id, e.line",
            merchants="merchant:%",
        )
        held: Counter[str] = Counter()
        for row in rows:
            held[row["account"]] -= row["amount"]
            if row["reference"].startswith("payout:") or row["reference"].startswith("pyt"):
                assert row["amount"] < 0 or held[row["account"]] >= 0, row

    def stripe_never_had_less_than_was_promised(self) -> None:
        if self.taken_past_us:
            return
        assert (
            self.query("SELECT id FROM payouts WHERE failure_code = 'balance_insufficient'") == []
        )

    # -- the end ----------------------------------------------------------------------------------

    def settle(self) -> None:
        super().settle()
        for merchant in MERCHANTS:
            assert self.owed(merchant) == self.owed_by_stripe(merchant), merchant
        for kind, (shelf, key, table, column) in OBJECTS.items():
            made = self.made(shelf, key)
            rows = self.query(f"SELECT id, status FROM {table} WHERE {column} = ''")
            forgotten = {row["id"] for row in rows} & made.keys()
            assert not forgotten, (kind, forgotten)
        run = self.runner.run(self.it.check())
        drift = [found for found in run["found"] if found["status"] == "open"]
        assert run["status"] == ("drift" if drift else "clean"), run
        for found in drift:
            assert found["cause"] in LEFT_OPEN, found

    def count(self) -> None:
        super().count()
        for row in self.query("SELECT kind, status FROM approvals"):
            self.tally[f"approval of a {row['kind']}: {row['status']}"] += 1

    def owed(self, merchant: str) -> int:
        rows = self.query(
            "SELECT COALESCE(SUM(books + facts), 0) AS amount FROM balances WHERE account = :a",
            a=f"merchant:{merchant}",
        )
        return -int(rows[0]["amount"])

    def owed_by_stripe(self, merchant: str) -> int:
        """What the merchant is owed by what Stripe holds, less what waits for a second person."""
        home = self.simulator.world.home
        intents = [
            i
            for i in home.shelf("payment_intent").values()
            if i["metadata"].get("merchant_id") == merchant
        ]
        back = [
            r["amount"]
            for r in refunds(self.it)
            if r["payment_intent"] in {i["id"] for i in intents}
            and r["status"] not in ("failed", "canceled")
        ]
        paid_out = [
            t["amount"] - t["amount_reversed"]
            for t in transfers(self.it)
            if "reconciler_payout" in t["metadata"] and t["destination"] == self.accounts[merchant]
        ]
        waiting = [
            row["amount"]
            for table in ("payouts", "refund_requests")
            for row in self.query(
                f"SELECT amount FROM {table} WHERE status = 'awaiting_approval' AND merchant = :m",
                m=merchant,
            )
        ]
        taken = sum(i["amount_received"] for i in intents)
        return taken - sum(back) - sum(paid_out) - sum(waiting)

    # -- looking ----------------------------------------------------------------------------------

    def some(self, kind: str, number: int, status: str = "") -> list[str]:
        """One payout or refund of ours, if there is one (that waits so)."""
        table = "payouts" if kind == "payouts" else "refund_requests"
        where = " WHERE status = :status" if status else ""
        named = {"status": status} if status else {}
        rows = self.query(f"SELECT id FROM {table}{where} ORDER BY created_at, id", **named)
        return [str(rows[-1 - number % len(rows)]["id"])] if rows else []

    def digest(self, id: str) -> str:
        rows = self.query("SELECT digest FROM approvals WHERE instruction = :id", id=id)
        return str(rows[0]["digest"]) if rows else "0" * 64

    def next_key(self, mark: str) -> str:
        return f"once-{len(self.requests)}{mark}"

    def _refund(self, number: int, amount: int, recover: bool) -> dict[str, Any]:
        payment = self.payments[number % len(self.payments)]
        return {"payment": payment, "amount": amount, "recover_from_merchant": recover}


def _payout(merchant: str, amount: int) -> dict[str, Any]:
    return {"merchant": merchant, "amount": amount, "currency": "usd"}


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_every_story_of_payouts_and_refunds_holds(
    engine: str, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("pg_server") if engine == "postgresql" else None
    tell(MoneyOut, IN_THE_SUITE, first=1, engine=engine, server=server)
