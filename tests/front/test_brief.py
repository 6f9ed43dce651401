"""What runs in the loop's own thread finds its rows by key, however many there are."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.context import Context
from reconciler.money_out import claims
from reconciler.money_out.claims import Claim, LostClaim
from reconciler.money_out.resolve import resolve_outcomes
from reconciler.oversight.keys import Role, create_key
from reconciler.store import merchants
from reconciler.store.dialect import prepared
from reconciler.store.leases import LostLease
from reconciler.store.session import AtOnce
from tests.engines import outcome
from tests.front.asking import ask, funded, paid, payout
from tests.harness import run, service

WHOLE = {
    "json_each": "the values that the statement was given",
    "INDEX one_open_finding_for_one_difference": "findings that have not cleared",
}
"""What may be read from its beginning to its end, because it is short."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every statement that was run at once."""
    seen: set[str] = set()
    fetch, many = AtOnce.execute_fetchall, AtOnce.executemany

    async def fetched(raw: AtOnce, sql: str, values: Any) -> list[sqlite3.Row]:
        seen.add(sql)
        return await fetch(raw, sql, values)

    async def written(raw: AtOnce, sql: str, rows: Any) -> None:
        seen.add(sql)
        await many(raw, sql, rows)

    monkeypatch.setattr(AtOnce, "execute_fetchall", fetched)
    monkeypatch.setattr(AtOnce, "executemany", written)
    return seen


def scans(connection: sqlite3.Connection, sql: str) -> list[str]:
    """What SQLite would read as a whole for a statement, and is not short."""
    values = dict.fromkeys(prepared(sql, "sqlite").names) or [None] * sql.count("?")
    plan = [row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    found = [step for step in plan if step.startswith("SCAN ")]
    return [step for step in found if not any(short in step for short in WHOLE)]


def test_no_brief_statement_reads_a_whole_table(tmp_path: Path, asked: set[str]) -> None:
    file = tmp_path / "brief.db"

    async def story() -> None:
        async with service(f"sqlite:///{file}") as it:
            await funded(it)
            _, second = await create_key(it.context, "second", Role.FINANCE)
            limits = {"per_day": 10**9, "per_merchant_per_day": 10**8, "approval_above": 9_000}
            policy = {**limits, "minimum": None, "maximum": None, "version": 0}
            key = {"Authorization": "Bearer rec_admin_key_for_tests_only"}
            changed = await it.http.put("/v1/policies/usd", headers=key, json=policy)
            assert changed.status_code == 200, changed.text
            made = await payout(it, 8_000)
            assert (await ask(it, f"/v1/payouts/{made['id']}/reverse", {"amount": 100})).is_success
            for verb in ("approve", "decline", "cancel"):
                waits = await payout(it, 9_500)
                assert waits["status"] == "awaiting_approval"
                digest = {"digest": waits["approval"]["digest"]} if verb == "approve" else {}
                done = await ask(it, f"/v1/payouts/{waits['id']}/{verb}", digest, key=second)
                assert done.is_success, done.text
            intent = await paid(it, 20_000)
            refund = {"payment": intent["id"], "amount": 500}
            assert (await ask(it, "/v1/refunds", refund)).status_code == 201
            it.simulator.faults.add(method="POST", path="/v1/transfers", when="after")
            assert (await payout(it, 100))["status"] == "unknown"
            it.simulator.clock.advance(60)
            assert it.context.stripe is not None
            await resolve_outcomes(it.context, it.context.stripe)

    run(story)
    assert len(asked) > 40
    connection = sqlite3.connect(file)
    found = {sql: scans(connection, sql) for sql in asked}
    connection.close()
    assert {sql: steps for sql, steps in found.items() if steps} == {}


def test_who_has_lost_a_lease_or_a_claim_is_undone_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'lost.db'}") as it:
            stale = replace(it.context, lease=("resolve_outcomes", 7))
            gone = Claim("rqk_gone", "clm_gone")

            async def adds(context: Context, id: str, claim: Claim | None = None) -> None:
                async with context.write_books(brief=True) as session:
                    await merchants.insert(session, id, id, "", it.context.now())
                    await claims.decided(session, claim, id)

            found = await asyncio.gather(
                adds(it.context, "first"),
                outcome(adds(stale, "stale")),
                outcome(adds(it.context, "lost", gone)),
                adds(it.context, "last"),
            )
            assert [type(error) for error in found[1:3]] == [LostLease, LostClaim]
            rows = await it.query("SELECT id FROM merchants ORDER BY id")
            assert [row["id"] for row in rows] == ["first", "last"]

    run(story)
