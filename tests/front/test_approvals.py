"""Payouts that wait for a second person: by another key, for what was seen, in time, and once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from jobs import expire_approvals
from reconciler.domain.refusals import Refusal
from reconciler.money_out import claims, course, policy
from reconciler.money_out.claims import LEASE_SECONDS
from reconciler.money_out.pay_out import pay_out
from reconciler.oversight.audit import Actor
from reconciler.oversight.keys import Role, create_key
from tests.engines import PgServer, outcome
from tests.front.reading import bearer
from tests.front.test_idempotency import Crash, two_instances
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, Service, run, service

HOURS = 72 * 3600


@dataclass
class People:
    """A merchant that is owed 1,000.00 usd, and who may do what about it."""

    it: Service
    account: str
    asker: Actor
    asker_key: str
    second: str
    third: str

    async def pay(self, amount: int = 60_000) -> dict[str, Any]:
        """A payout asked for by the asker."""
        assert self.it.context.stripe is not None
        row = await pay_out(
            self.it.context, self.it.context.stripe, "bakery", amount, "usd", actor=self.asker
        )
        assert not isinstance(row, Refusal), row
        return dict(row)

    async def approval(self, id: str) -> dict[str, Any]:
        answer = await self.it.get(f"/v1/approvals/{id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def decide(
        self, id: str, what: str, key: str | None = None, body: Any = None, request: str = ""
    ) -> httpx.Response:
        if body is None:
            body = {"digest": (await self.approval(id))["digest"]} if what == "approve" else {}
        headers = bearer(key or self.second) | {"Idempotency-Key": request or f"{what}-{id}-{key}"}
        return await self.it.http.post(f"/v1/payouts/{id}/{what}", headers=headers, json=body)

    async def status(self, id: str) -> str:
        rows = await self.it.query("SELECT status FROM payouts WHERE id = :id", id=id)
        return str(rows[0]["status"])

    async def owed(self) -> int:
        return -(await self.it.balances()).get(("merchant:bakery", "usd"), 0)

    async def reserved(self, id: str) -> int:
        return -(await self.it.balances()).get((f"reserved:{id}", "usd"), 0)

    def transfers(self) -> int:
        return len(self.it.simulator.world.home.shelf("transfer"))


async def people(it: Service, threshold: int | None = 50_000) -> People:
    account = await it.merchant("bakery")
    it.simulator.acts.pay(
        100_000, "usd", card="pm_card_bypassPending", metadata={"merchant_id": "bakery"}
    )
    await it.listen()
    if threshold is not None:
        body = {"version": 0, "approval_above": threshold}
        await it.http.put("/v1/policies/usd", headers=bearer(ADMIN_KEY), json=body)
    id, asker = await create_key(it.context, "asker", Role.FINANCE)
    _, second = await create_key(it.context, "second", Role.FINANCE)
    _, third = await create_key(it.context, "third", Role.ADMIN)
    return People(it, account, Actor(id, "asker", "finance"), asker, second, third)


def test_up_to_the_threshold_a_payout_waits_for_nobody(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all = await people(it)
            paid = await all.pay(50_000)
            assert paid["status"] == "completed"
            assert (await it.get(f"/v1/approvals/{paid['id']}")).status_code == 404

    run(story)


def test_another_person_approves_what_they_saw_and_one_transfer_is_made(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            assert await all.status(id) == "awaiting_approval"
            assert (await all.owed(), await all.reserved(id)) == (40_000, 60_000)
            assert all.transfers() == 0
            seen = await all.approval(id)
            assert seen["status"] == "waiting"
            assert (seen["amount"], seen["currency"]) == (60_000, "usd")
            assert seen["destination"] == all.account
            assert seen["asked_by"] == {"key": all.asker.key_id, "name": "asker"}
            assert seen["reasons"] == ["above_threshold: more than 500.00 usd"]
            waiting = (await it.get("/v1/approvals", status="waiting")).json()
            assert [a["instruction"] for a in waiting["data"]] == [id]
            answer = await all.decide(id, "approve")
            assert answer.status_code == 200, answer.text
            assert await all.status(id) == "completed"
            assert all.transfers() == 1
            done = await all.approval(id)
            assert (done["status"], done["decided_by"]["name"]) == ("approved", "second")
            again = await all.decide(id, "approve")
            assert again.content == answer.content
            assert all.transfers() == 1

    run(story)


def test_whoever_asked_cannot_decide_whatever_their_role(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            for what in ("approve", "decline"):
                own = await all.decide(id, what, all.asker_key)
                assert is_problem(own, 409, "own_request")
            assert await all.status(id) == "awaiting_approval"
            sql = (
                "UPDATE approvals SET status = 'approved', decided_by = asked_by, decided_at = 1"
                " WHERE instruction = :id"
            )

            async def cheat() -> None:
                async with it.context.write() as session:
                    await session.run(sql, id=id)

            assert isinstance(await outcome(cheat()), Exception)
            assert (await all.approval(id))["status"] == "waiting"

    run(story)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_deciding_needs_a_key_of_finance(sqlite_url: str, role: Role) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            _, key = await create_key(it.context, "somebody", role)
            for what in ("approve", "decline"):
                assert is_problem(await all.decide(id, what, key), 403, "forbidden")
            assert await all.status(id) == "awaiting_approval"

    run(story)


def test_a_digest_of_something_else_approves_nothing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all = await people(it)
            one = (await all.pay(50_001))["id"]
            other = (await all.approval(one))["digest"]
            await all.decide(one, "decline")
            id = (await all.pay(50_001))["id"]
            for n, digest in enumerate((other, "0" * 64)):
                body = {"digest": digest}
                answer = await all.decide(id, "approve", body=body, request=f"try-{n}")
                assert is_problem(answer, 409, "digest_mismatch")
            for n, body in enumerate(({}, {"digest": "x"}, {"digest": other, "amount": 1})):
                answer = await all.decide(id, "approve", body=body, request=f"bad-{n}")
                assert is_problem(answer, 400, "invalid_body")
            assert await all.status(id) == "awaiting_approval"

    run(story)


def test_a_payout_that_was_changed_in_the_database_is_not_approved(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            digest = (await all.approval(id))["digest"]
            async with it.context.write() as session:
                await session.run("UPDATE payouts SET destination = 'acct_other'")
            answer = await all.decide(id, "approve", body={"digest": digest})
            assert is_problem(answer, 409, "instruction_changed")
            assert all.transfers() == 0
            assert (await all.decide(id, "decline")).status_code == 200

    run(story)


def test_declining_gives_the_money_back_and_is_final(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            body = {"reason": "not this month"}
            assert (await all.decide(id, "decline", body=body)).status_code == 200
            assert await all.status(id) == "cancelled"
            assert (await all.owed(), await all.reserved(id)) == (100_000, 0)
            row = (await it.query("SELECT * FROM payouts"))[0]
            assert row["failure_code"] == "declined"
            assert row["failure_message"] == "declined by second: not this month"
            late = await all.decide(id, "approve", all.third)
            assert is_problem(late, 409, "already_decided")
            assert all.transfers() == 0
            log = (await it.get("/v1/audit", subject=id)).json()["data"]
            assert (log[0]["action"], log[0]["actor"]) == ("payout.rejected", "second")
            assert log[0]["reason"] == "not this month"

    run(story)


def test_of_two_approvers_at_once_one_wins_and_the_other_is_told_how_it_stands(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            answers = await asyncio.gather(
                all.decide(id, "approve", all.second), all.decide(id, "approve", all.third)
            )
            codes = sorted(answer.status_code for answer in answers)
            assert codes == [200, 409]
            lost = next(answer for answer in answers if answer.status_code == 409)
            assert is_problem(lost, 409, "already_decided")
            assert "approved" in lost.json()["detail"]
            assert all.transfers() == 1

    run(story)


def test_approving_and_declining_at_once_come_one_after_the_other(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            said = await asyncio.gather(
                all.decide(id, "approve", all.second), all.decide(id, "decline", all.third)
            )
            assert sorted(answer.status_code for answer in said) == [200, 409]
            approved = said[0].status_code == 200
            assert await all.status(id) == ("completed" if approved else "cancelled")
            assert all.transfers() == approved
            assert await all.owed() == (40_000 if approved else 100_000)

    run(story)


def test_what_nobody_decides_on_is_declined_when_its_time_is_over(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            it.simulator.clock.advance(HOURS - 1)
            assert await expire_approvals.run(it.context) == "0 expired"
            it.simulator.clock.advance(1)
            late = await all.decide(id, "approve")
            assert is_problem(late, 409, "approval_expired")
            assert await expire_approvals.run(it.context) == "1 expired"
            assert await expire_approvals.run(it.context) == "0 expired"
            assert await all.status(id) == "cancelled"
            assert (await all.owed(), await all.reserved(id)) == (100_000, 0)
            assert (await all.approval(id))["status"] == "expired"
            log = (await it.get("/v1/audit", action="approval.expired")).json()["data"]
            assert [row["subject"] for row in log] == [id]
            assert all.transfers() == 0

    run(story)


def test_how_long_it_waits_is_a_setting(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url, RECONCILER_APPROVAL_HOURS=1) as it:
            all = await people(it)
            await all.pay()
            it.simulator.clock.advance(3600)
            assert await expire_approvals.run(it.context) == "1 expired"

    run(story)


def test_an_open_finding_on_the_merchant_asks_for_a_second_person(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it, threshold=None)
            it.simulator.acts.transfer(all.account, 5_000, "usd")
            it.simulator.clock.advance(7200)
            found = (await it.check())["found"]
            assert [f for f in found if f["status"] == "open"], found
            id = (await all.pay(1_000))["id"]
            assert await all.status(id) == "awaiting_approval"
            reasons = (await all.approval(id))["reasons"]
            assert all_of(reasons, "open_finding: fnd_")
            await it.merchant("florist")
            it.simulator.acts.pay(
                9_000, "usd", card="pm_card_bypassPending", metadata={"merchant_id": "florist"}
            )
            await it.listen()
            assert it.context.stripe is not None
            row = await pay_out(it.context, it.context.stripe, "florist", 1_000, "usd")
            assert not isinstance(row, Refusal)
            assert row["status"] == "completed"

    run(story)


def all_of(reasons: list[str], beginning: str) -> bool:
    return bool(reasons) and all(reason.startswith(beginning) for reason in reasons)


def test_a_limit_of_the_policy_refuses_a_payout_with_its_name(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await people(it, threshold=None)
            body = {
                "version": 0, "minimum": 100, "maximum": 30_000, "per_merchant_per_day": 40_000,
            }  # fmt: skip
            headers = bearer(ADMIN_KEY)
            await it.http.put("/v1/policies/usd:bakery", headers=headers, json=body)
            stripe = it.context.stripe
            assert stripe is not None

            async def code(amount: int) -> str:
                row = await pay_out(it.context, stripe, "bakery", amount, "usd")
                return row.code if isinstance(row, Refusal) else str(row["status"])

            assert await code(99) == "below_minimum"
            assert await code(30_001) == "above_maximum"
            assert await code(30_000) == "completed"
            assert await code(10_001) == "merchant_day_limit_reached"
            assert await code(10_000) == "completed"
            it.simulator.clock.advance(86400)
            assert await code(10_001) == "completed"

    run(story)


def test_ten_payouts_at_once_never_break_a_days_limit(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await people(it, threshold=None)
            body = {"version": 0, "per_day": 5_500}
            await it.http.put("/v1/policies/usd", headers=bearer(ADMIN_KEY), json=body)
            stripe = it.context.stripe
            assert stripe is not None
            rows = await asyncio.gather(
                *(pay_out(it.context, stripe, "bakery", 1_000, "usd") for _ in range(10))
            )
            refused = [row.code for row in rows if isinstance(row, Refusal)]
            assert refused == ["day_limit_reached"] * 5

    run(story)


def test_two_instances_decline_what_is_overdue_once(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            await all.pay()
            it.simulator.clock.advance(HOURS)
            said = await asyncio.gather(*(expire_approvals.run(it.context) for _ in range(3)))
            assert sorted(said) == ["0 expired", "0 expired", "1 expired"]
            assert await all.owed() == 100_000

    run(story)


@pytest.mark.parametrize("what", ["approve", "decline"])
def test_after_a_crash_between_decision_and_answer_the_same_request_is_answered(
    database_url: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]

            async def dies(*_: Any, **__: Any) -> Any:
                raise Crash

            with monkeypatch.context() as crash:
                crash.setattr(claims, "answered", dies)
                crash.setattr(claims, "let_go", dies)
                with pytest.raises(Crash):
                    await all.decide(id, what, request="once")
            it.simulator.clock.advance(LEASE_SECONDS)
            answer = await all.decide(id, what, request="once")
            assert answer.status_code == 200, answer.text
            assert answer.json()["status"] == ("completed" if what == "approve" else "cancelled")
            assert all.transfers() == (what == "approve")

    run(story)


def test_after_a_crash_between_approval_and_transfer_the_same_request_goes_on(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]

            async def dies(*_: Any, **__: Any) -> Any:
                raise Crash

            with monkeypatch.context() as crash:
                crash.setattr(course, "send_attempt", dies)
                crash.setattr(claims, "let_go", dies)
                with pytest.raises(Crash):
                    await all.decide(id, "approve", request="once")
            assert await all.status(id) == "pending"
            assert all.transfers() == 0
            it.simulator.clock.advance(LEASE_SECONDS)
            answer = await all.decide(id, "approve", request="once")
            assert answer.json()["status"] == "completed"
            assert all.transfers() == 1

    run(story)


def test_an_approved_payout_without_an_answer_is_unknown_and_not_approved_again(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            it.simulator.faults.add("POST", "/v1/transfers", "before", "reset", times=1)
            first = await all.decide(id, "approve", request="once")
            assert first.status_code == 200
            assert await all.status(id) == "unknown"
            assert (await all.decide(id, "approve", request="once")).content == first.content
            second = await all.decide(id, "approve", all.third)
            assert is_problem(second, 409, "already_decided")

    run(story)


def test_a_refund_waits_and_is_approved_like_a_payout(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it, threshold=1_000)
            payment = it.simulator.acts.pay(
                9_000, "usd", card="pm_card_bypassPending", metadata={"merchant_id": "bakery"}
            )
            await it.listen()
            headers = bearer(all.asker_key) | {"Idempotency-Key": "refund-1"}
            asked = {"payment": payment["id"], "amount": 4_000}
            made = (await it.http.post("/v1/refunds", headers=headers, json=asked)).json()
            assert made["status"] == "awaiting_approval"
            assert made["approval"]["destination"] == payment["id"]
            assert it.simulator.world.home.shelf("refund") == {}
            path = f"/v1/refunds/{made['id']}"
            for key, digest, code in (
                (all.asker_key, made["approval"]["digest"], "own_request"),
                (all.second, "0" * 64, "digest_mismatch"),
            ):
                headers = bearer(key) | {"Idempotency-Key": f"{code}"}
                body = {"digest": digest}
                no = await it.http.post(f"{path}/approve", headers=headers, json=body)
                assert is_problem(no, 409, code)
            wrong = f"/v1/payouts/{made['id']}/approve"
            headers = bearer(all.second) | {"Idempotency-Key": "wrong-door"}
            body = {"digest": made["approval"]["digest"]}
            assert is_problem(
                await it.http.post(wrong, headers=headers, json=body), 404, "unknown_payout"
            )
            headers = bearer(all.second) | {"Idempotency-Key": "yes"}
            yes = await it.http.post(f"{path}/approve", headers=headers, json=body)
            assert yes.status_code == 200, yes.text
            assert yes.json()["status"] == "succeeded"
            assert len(it.simulator.world.home.shelf("refund")) == 1

    run(story)


def test_a_refund_that_is_declined_or_expires_gives_the_merchant_its_money_back(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it, threshold=1_000)
            payment = it.simulator.acts.pay(
                9_000, "usd", card="pm_card_bypassPending", metadata={"merchant_id": "bakery"}
            )
            await it.listen()
            ids = []
            for amount in (4_000, 5_000):
                headers = bearer(all.asker_key) | {"Idempotency-Key": f"refund-{amount}"}
                asked = {"payment": payment["id"], "amount": amount}
                made = await it.http.post("/v1/refunds", headers=headers, json=asked)
                ids.append(made.json()["id"])
            assert await all.owed() == 100_000
            headers = bearer(all.second) | {"Idempotency-Key": "no"}
            no = await it.http.post(f"/v1/refunds/{ids[0]}/decline", headers=headers)
            assert no.json()["status"] == "cancelled"
            assert await all.owed() == 104_000
            it.simulator.clock.advance(HOURS)
            assert await expire_approvals.run(it.context) == "1 expired"
            assert await all.owed() == 109_000
            assert it.simulator.world.home.shelf("refund") == {}

    run(story)


def test_a_payout_is_not_sent_to_an_account_that_the_merchant_has_left(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            await it.merchant("bakery")
            assert is_problem(await all.decide(id, "approve"), 409, "destination_changed")
            assert all.transfers() == 0
            assert (await all.decide(id, "decline")).status_code == 200

    run(story)


def test_whoever_asked_may_cancel_and_then_nobody_approves(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]
            assert (await all.decide(id, "cancel", all.asker_key, {})).status_code == 200
            assert (await all.approval(id))["status"] == "withdrawn"
            assert is_problem(await all.decide(id, "approve"), 409, "already_decided")
            assert await all.owed() == 100_000

    run(story)


def test_once_a_policy_is_changed_nothing_is_decided_by_the_one_before(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await people(it, threshold=None)
            stripe = it.context.stripe
            assert stripe is not None

            async def lower() -> httpx.Response:
                body = {"version": 0, "maximum": 1_000}
                return await it.http.put("/v1/policies/usd", headers=bearer(ADMIN_KEY), json=body)

            rows = await asyncio.gather(
                *(pay_out(it.context, stripe, "bakery", 2_000, "usd") for _ in range(8)),
                lower(),
                *(pay_out(it.context, stripe, "bakery", 2_000, "usd") for _ in range(8)),
            )
            refused = [row.code for row in rows if isinstance(row, Refusal)]
            assert set(refused) <= {"above_maximum"}
            done = await it.query("SELECT action FROM audit_log ORDER BY seq")
            after = [row["action"] for row in done]
            after = after[after.index("policy.changed") :]
            assert "payout.requested" not in after
            assert len(await it.query("SELECT id FROM payouts")) == 16 - len(refused)

    run(story)


def test_a_policy_waits_for_what_is_being_decided_by_the_one_before(
    pg_server: PgServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = pg_server.migrated()

    async def story() -> None:
        async with two_instances(url) as (it, other):
            await people(it, threshold=None)
            reading, answered = asyncio.Event(), asyncio.Event()
            judge = policy.judge

            async def slowly(*args: Any, **named: Any) -> Any:
                judged = await judge(*args, **named)
                reading.set()
                # Long enough for a change that did not wait to be answered.
                await asyncio.wait({change}, timeout=0.5)
                if change.done():
                    answered.set()
                return judged

            async def lower() -> httpx.Response:
                await reading.wait()
                body = {"version": 0, "maximum": 1_000}
                return await other.http.put(
                    "/v1/policies/usd", headers=bearer(ADMIN_KEY), json=body
                )

            monkeypatch.setattr(policy, "judge", slowly)
            assert it.context.stripe is not None
            change = asyncio.create_task(lower())
            row = await pay_out(it.context, it.context.stripe, "bakery", 2_000, "usd")
            assert not isinstance(row, Refusal)
            assert (await change).status_code == 200
            assert not answered.is_set()

    run(story)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/payouts/pyt_none/approve", "unknown_payout"),
        ("/v1/payouts/p/decline", "unknown_payout"),
    ],
)
def test_what_does_not_wait_cannot_be_decided(sqlite_url: str, path: str, code: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all = await people(it)
            body = {"digest": "0" * 64} if path.endswith("approve") else {}
            headers = bearer(all.second) | {"Idempotency-Key": "key-1"}
            answer = await it.http.post(path, headers=headers, json=body)
            assert is_problem(answer, 404, code)
            small = (await all.pay(1_000))["id"]
            answer = await all.decide(small, "approve", body={"digest": "0" * 64})
            assert is_problem(answer, 409, "not_waiting")

    run(story)


def test_the_database_keeps_what_was_asked_and_decided(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            all = await people(it)
            id = (await all.pay())["id"]

            async def change(sql: str) -> None:
                async with it.context.write() as session:
                    await session.run(sql)

            for column in ("amount = 1", "destination = 'x'", "expires_at = 9999999999"):
                refused = await outcome(change(f"UPDATE approvals SET {column}"))
                assert isinstance(refused, Exception), column
            assert isinstance(await outcome(change("DELETE FROM approvals")), Exception)
            await all.decide(id, "decline")
            again = "UPDATE approvals SET status = 'waiting', decided_by = ''"
            assert isinstance(await outcome(change(again)), Exception)

    run(story)
