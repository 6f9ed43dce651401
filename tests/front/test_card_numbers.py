"""No card number reaches the database or a log, wherever somebody types one."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import BaseModel

from handlers import approvals, bodies, connect, customers, invoices, policies
from handlers.table import TABLE
from tests.front.charging import customer, invoice
from tests.harness import ADMIN_KEY, Service, run, service

NUMBERS = [
    "4242424242424242",
    "5555 5555 5555 4444",
    "3782-822463-10005",
    "6205500000000000004",
    "4222222222222",
    "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",
    "4000\u200b0027\u200b6000\u200b3184",
]

BODY = {
    "id": "x1",
    "name": "x",
    "email": "x@example.com",
    "merchant": "bakery",
    "customer": "c1",
    "amount": 500,
    "currency": "usd",
    "due_on": "2026-12-01",
    "description": "x",
    "return_url": "https://example.com",
    "payment": "pi_x",
    "reason": "x",
    "country": "US",
    "limits": {},
}
"""Every field that some body has."""


NO_BODY = frozenset({"/v1/invoices/import", "/v1/drift/runs", "/v1/resyncs/{id}"})
"""A file, tried by itself below; and what reads no body, and so keeps nothing of it."""


def fields() -> set[str]:
    """Every field of every body there is: a new one is tried without anybody adding it here."""
    rooms = (approvals, bodies, connect, customers, invoices, policies)
    models = [
        thing
        for room in rooms
        for thing in vars(room).values()
        if isinstance(thing, type) and issubclass(thing, BaseModel)
    ]
    return {name for model in models for name in model.model_fields} | set(BODY)


async def send(it: Service, method: str, path: str, body: Any, **headers: str) -> Any:
    asked = re.sub(r"\{\w+\}", "usd" if "policies" in path else "i1", path)
    known = {"Authorization": f"Bearer {ADMIN_KEY}", "Idempotency-Key": "k1", **headers}
    return await it.http.request(method, asked, json=body, headers=known)


def test_a_card_number_in_any_field_of_any_body_is_refused_and_kept_nowhere(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def story() -> list[Any]:
        async with service(sqlite_url) as it:
            await it.merchant("bakery")
            await customer(it)
            await invoice(it)
            before = await contents(it)
            with structlog.testing.capture_logs() as logged:
                for entry in TABLE:
                    if entry.method == "GET" or entry.path in NO_BODY:
                        continue
                    for name in sorted(fields()):
                        for number in NUMBERS[:3]:
                            body = {**BODY, name: number}
                            answer = await send(it, entry.method, entry.path, body)
                            assert answer.status_code == 400, (entry, name, answer.text)
                            assert answer.json()["code"] == "card_number_refused"
                            assert "4242" not in answer.text
                for number in NUMBERS:
                    for body in ({"id": number}, {number: "id"}, {"deep": [{"er": number}]}):
                        answer = await send(it, "POST", "/v1/customers", body)
                        assert answer.json()["code"] == "card_number_refused", number
                answer = await send(it, "POST", "/v1/customers", {"id": 4242424242424242})
                assert answer.json()["code"] == "card_number_refused"
                await in_a_file(it)
            assert await contents(it) == before
            return list(logged)

    logged = run(story)
    for path in tmp_path.glob("**/*"):
        if path.is_file():
            assert_none(path.read_bytes().decode("latin-1"), path.name)
    assert_none(repr(logged), "logs")
    assert_none(caplog.text, "logging")


async def in_a_file(it: Service) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "text/csv"}
    heading = "id,customer,merchant,amount,currency,due_on,description\n"
    good = ["i2", "c1", "", "500", "usd", "2026-12-01", "x"]
    for place in range(len(good)):
        line = ",".join([*good[:place], "4242 4242 4242 4242", *good[place + 1 :]])
        answer = await it.http.post("/v1/invoices/import", content=heading + line, headers=headers)
        errors = answer.json()["errors"]
        assert "card_number_refused" in [error["code"] for error in errors], answer.text
        assert answer.json()["created"] == 0
        assert_none(answer.text, "report")


async def contents(it: Service) -> dict[str, int]:
    names = ("customers", "invoices", "payouts", "refund_requests", "policies", "merchants")
    return {name: len(await it.query(f"SELECT * FROM {name}")) for name in names}


def assert_none(text: str, where: str) -> None:
    for number in NUMBERS:
        bare = re.sub(r"\D", "", number.replace("\u200b", ""))
        for written in {number, bare, *([bare[:12]] if bare.isascii() else [])}:
            if written.isascii():
                assert written not in text, (where, written)


def test_what_stripe_tells_of_a_card_leaves_no_trace_but_four_digits(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A platform's own mistake: a number in the metadata is Stripe's to refuse; of a card we keep
    its brand, last four digits and expiry, in columns that nothing longer fits into."""

    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            (row,) = await it.query("SELECT * FROM saved_cards")
            assert set(row) == {
                *("payment_method", "customer", "brand", "last4", "exp_month", "exp_year"),
                *("status", "barred", "set_up_at", "read_at", "ended_at"),
            }
            with pytest.raises(Exception, match=r"(?i)check"):
                async with it.context.database.write() as session:
                    await session.run("UPDATE saved_cards SET last4 = '4242424242424242'")

    run(story)
