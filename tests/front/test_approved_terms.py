"""What was seen is what is approved: also what a refund does beyond giving money back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from reconciler.oversight.keys import Role, create_key
from tests.front.asking import ask, paid, refunds
from tests.front.reading import bearer
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, Service, run, service


async def _waits(it: Service, **asked: Any) -> dict[str, Any]:
    """A refund that waits for a second person."""
    if not await it.query("SELECT id FROM merchants"):
        await it.merchant("bakery")
        await paid(it, 50_000, "florist")
        limits = {"version": 0, "approval_above": 100}
        await it.http.put("/v1/policies/usd", headers=bearer(ADMIN_KEY), json=limits)
    intent = await paid(it, 10_000)
    made = (await ask(it, "/v1/refunds", {"payment": intent["id"], **asked})).json()
    assert made["status"] == "awaiting_approval"
    return dict(made)


async def _approve(it: Service, made: dict[str, Any], digest: str) -> httpx.Response:
    _, other = await create_key(it.context, "other", Role.FINANCE)
    return await ask(it, f"/v1/refunds/{made['id']}/approve", {"digest": digest}, key=other)


def test_a_refund_whose_cost_is_recovered_says_so_to_whoever_approves_it(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            plain = await _waits(it)
            made = await _waits(it, recover_from_merchant=True, reason="fraudulent")
            assert plain["approval"]["terms"] == []
            terms = ["reason: fraudulent", "recovered from the merchant"]
            assert made["approval"]["terms"] == terms
            listed = (await it.get("/v1/approvals", status="waiting")).json()["data"]
            assert {row["instruction"]: row["terms"] for row in listed} == {
                plain["id"]: [],
                made["id"]: terms,
            }
            page = await it.http.get("/console/approvals", auth=("me", ADMIN_KEY))
            assert page.text.count("recovered from the merchant") == 1
            yes = await _approve(it, made, made["approval"]["digest"])
            assert yes.json()["status"] == "succeeded", yes.text
            (row,) = (await it.get("/v1/audit", action="refund.approved")).json()["data"]
            assert row["after"]["terms"] == terms

    run(story)


@pytest.mark.parametrize(
    ("column", "value"), [("recovery", "waiting"), ("recovery", ""), ("reason", "fraudulent")]
)
def test_terms_that_were_changed_in_the_database_are_not_approved(
    sqlite_url: str, column: str, value: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            made = await _waits(it, recover_from_merchant=column == "recovery" and not value)
            async with it.context.write() as session:
                await session.run(f"UPDATE refund_requests SET {column} = :value", value=value)
            for digest in (
                made["approval"]["digest"],
                (await it.get(f"/v1/approvals/{made['id']}")).json()["digest"],
            ):
                refused = await _approve(it, made, digest)
                assert is_problem(refused, 409, "instruction_changed"), refused.text
            assert refunds(it) == []

    run(story)
