"""What happens to an invoice between the last look at it and the moment it is decided on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from unittest import mock

from reconciler.invoicing import debit, invoices, pay_page
from tests.front.charging import (
    charged,
    customer,
    debited,
    intents,
    invoice,
    leave_card,
    next_day,
    ours,
    post,
    read,
)
from tests.harness import run, service


def then(module: Any, name: str, happens: Callable[[], Awaitable[Any]]) -> Any:
    """`name` does what it does, and right after it, once, something else happens."""
    does, left = getattr(module, name), [happens]

    async def both(*given: Any, **more: Any) -> Any:
        found = await does(*given, **more)
        if left:
            await left.pop()()
        return found

    return mock.patch.object(module, name, both)


def test_a_card_replaced_while_its_customer_pays_leaves_the_invoice_as_it_was(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it)
            await invoice(it)
            page = ours((await post(it, "/v1/invoices/i1/pay-link")).json()["url"])

            async def another() -> None:
                await leave_card(it, "c1", "pm_card_mastercard")

            with then(pay_page, "next_step", another):
                assert (await it.http.post(page)).status_code == 409
            found = await read(it)
            assert (found["status"], found["tries"]) == ("open", [])
            assert (await it.http.post(page)).status_code in (200, 303)
            await it.listen()
            assert (await read(it))["status"] == "paid"
            assert charged(it) == 5_000

    run(story)


def test_an_invoice_paid_while_it_is_cancelled_stays_paid_and_no_row_says_otherwise(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it)
            await invoice(it)

            async def paid() -> None:
                assert (await debited(it))["status"] == "paid"

            with then(invoices, "held", paid):
                answer = await post(it, "/v1/invoices/i1/cancel")
            assert (answer.status_code, answer.json()["code"]) == (409, "debit_in_progress")
            assert (await read(it))["status"] == "paid"
            rows = (await it.get("/v1/audit", action="invoice.cancelled")).json()["data"]
            assert rows == []

    run(story)


def test_a_try_that_was_declined_since_the_look_is_not_followed_by_another(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="pm_card_chargeCustomerFail")
            await invoice(it)
            assert (await debited(it))["status"] == "scheduled"
            await next_day(it, 7)

            async def declined() -> None:
                assert (await debited(it, key="first"))["status"] == "scheduled"

            with then(debit, "look", declined):
                late = await debited(it, key="second")
            assert (late["http"], late["code"]) == (409, "debit_in_progress")
            assert len((await read(it))["tries"]) == 2
            assert len(intents(it)) == 1

    run(story)


def test_a_cancellation_tells_what_it_found_and_what_it_left(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            await invoice(it)
            await post(it, "/v1/invoices/i1/cancel", {"reason": "ordered twice"})
            (row,) = (await it.get("/v1/audit", action="invoice.cancelled")).json()["data"]
            assert (row["before"], row["after"]) == ({"status": "open"}, {"status": "cancelled"})
            assert row["reason"] == "ordered twice"

    run(story)
