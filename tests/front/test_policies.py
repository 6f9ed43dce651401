"""Policies through the API: who may change them, what is refused, and what a payout then meets."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from reconciler.oversight.keys import Role, create_key
from reconciler.store.database import Database
from tests.engines import outcome
from tests.front.reading import bearer
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, Service, run, service


async def put(
    it: Service, scope: str, version: int = 0, key: str = ADMIN_KEY, **limits: Any
) -> httpx.Response:
    body = {"version": version, **limits}
    return await it.http.put(f"/v1/policies/{scope}", headers=bearer(key), json=body)


def test_a_policy_is_set_read_and_changed_from_the_version_that_was_read(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.merchant("bakery")
            empty = (await it.get("/v1/policies/usd")).json()
            assert (empty["version"], empty["maximum"]) == (0, None)
            first = await put(it, "usd", maximum=50_000, approval_above=20_000)
            assert first.status_code == 200
            assert first.json()["version"] == 1
            second = await put(it, "usd:bakery", approval_above=1_000)
            assert second.json()["in_force"] == {
                "approval_above": 1_000,
                "minimum": None,
                "maximum": 50_000,
                "per_day": None,
                "per_merchant_per_day": None,
            }
            stale = await put(it, "usd", maximum=1)
            assert is_problem(stale, 409, "policy_changed")
            assert (await put(it, "usd", 1, maximum=60_000)).json()["version"] == 2
            # The whole policy was sent: what it left out is no limit any more.
            listed = (await it.get("/v1/policies")).json()["data"]
            assert [(p["scope"], p["version"], p["approval_above"]) for p in listed] == [
                ("usd", 2, None),
                ("usd:bakery", 1, 1_000),
            ]
            assert listed[0]["changed_at"].endswith("Z")

    run(story)


def test_every_change_is_in_the_audit_log_with_what_was_before(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await put(it, "usd", maximum=50_000)
            await put(it, "usd", 1, maximum=40_000, reason="a quieter month")
            await put(it, "usd", 1, maximum=30_000)
            rows = (await it.get("/v1/audit", subject="policy:usd")).json()["data"]
            assert len(rows) == 2
            assert rows[0]["action"] == "policy.changed"
            assert rows[0]["before"]["maximum"] == 50_000
            assert rows[0]["after"]["maximum"] == 40_000
            assert rows[0]["reason"] == "a quieter month"
            assert rows[1]["before"] is None

    run(story)


def test_of_two_changes_at_once_one_is_refused(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            answers = await asyncio.gather(*(put(it, "usd", maximum=n) for n in range(1, 9)))
            assert sorted(a.status_code for a in answers) == [200] + [409] * 7
            assert len(await it.query("SELECT version FROM policies")) == 1

    run(story)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.FINANCE])
def test_only_an_admin_changes_a_policy(sqlite_url: str, role: Role) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            _, key = await create_key(it.context, "somebody", role)
            assert is_problem(await put(it, "usd", key=key, maximum=1), 403, "forbidden")
            assert (await it.get("/v1/policies", key)).status_code == 200
            assert await it.query("SELECT scope FROM policies") == []

    run(story)


@pytest.mark.parametrize(
    ("scope", "body", "status", "code"),
    [
        ("usd", {"maximum": 1}, 400, "invalid_body"),
        ("usd", {"version": 0, "maximum": 0}, 400, "invalid_body"),
        ("usd", {"version": 0, "maximum": -1}, 400, "invalid_body"),
        ("usd", {"version": 0, "maximum": 1.5}, 400, "invalid_body"),
        ("usd", {"version": 0, "maximum": "10"}, 400, "invalid_body"),
        ("usd", {"version": 0, "maximum": True}, 400, "invalid_body"),
        ("usd", {"version": 0, "maximum": 10**12}, 400, "invalid_body"),
        ("usd", {"version": 0, "ceiling": 10}, 400, "invalid_body"),
        ("usd", {"version": 0, "minimum": 2, "maximum": 1}, 409, "contradictory_policy"),
        ("usd:bakery", {"version": 0, "per_day": 1}, 400, "bad_policy"),
        ("usd:nobody", {"version": 0, "maximum": 1}, 404, "unknown_merchant"),
        ("dollars", {"version": 0, "maximum": 1}, 404, "unknown_scope"),
        ("usd:", {"version": 0, "maximum": 1}, 404, "unknown_scope"),
        ("usd", {"version": 3, "maximum": 1}, 409, "policy_changed"),
    ],
)
def test_what_is_no_policy_is_refused_and_changes_nothing(
    sqlite_url: str, scope: str, body: Any, status: int, code: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await it.merchant("bakery")
            url = f"/v1/policies/{scope}"
            answer = await it.http.put(url, headers=bearer(ADMIN_KEY), json=body)
            assert is_problem(answer, status, code)
            assert await it.query("SELECT scope FROM policies") == []

    run(story)


def test_a_merchants_limit_and_its_currencys_must_leave_something_over(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await it.merchant("bakery")
            assert (await put(it, "usd:bakery", minimum=500)).status_code == 200
            refused = await put(it, "usd", maximum=499)
            assert is_problem(refused, 409, "contradictory_policy")
            assert "usd:bakery" in refused.json()["detail"]
            assert (await put(it, "usd", maximum=500)).status_code == 200

    run(story)


def test_the_database_keeps_every_version(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await put(it, "usd", maximum=50_000)
            for sql in ("UPDATE policies SET maximum = 1", "DELETE FROM policies"):
                refused = await outcome(_write(it.context.database, sql))
                assert isinstance(refused, Exception)
            assert (await it.get("/v1/policies/usd")).json()["maximum"] == 50_000

    run(story)


async def _write(database: Database, sql: str) -> None:
    async with database.write() as session:
        await session.run(sql)
