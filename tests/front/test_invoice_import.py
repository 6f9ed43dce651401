"""Invoices from a file, over HTTP and at the command line: good lines taken, bad ones named."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.front.charging import customer, invoice, post, read
from tests.harness import ADMIN_KEY, Service, run, service

HEADING = "id,customer,amount,currency,due_on,description\r\n"
GOOD = "a1,c1,1250,usd,2026-12-01,November\r\n"


def reconciler(url: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command as the console script runs it."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("reconciler")), *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


async def send(it: Service, text: str | bytes, kind: str = "text/csv", **params: str) -> Any:
    content = text.encode() if isinstance(text, str) else text
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": kind}
    return await it.http.post(
        "/v1/invoices/import", content=content, headers=headers, params=params
    )


def test_good_lines_are_taken_and_every_bad_one_is_named(database_url: str) -> None:
    text = (
        "\ufeffid;customer;amount;currency;due_on;description\r\n"
        'a1;c1;1250;usd;2026-12-01;"=HYPERLINK(1)\r\nsecond line"\r\n'
        "a2;c1;12,50;usd;2026-12-01;decimal comma\r\n"
        "a3;nobody;1250;usd;2026-12-01;\r\n"
        "a4;c1;1250;usd;31.12.2026;\r\n"
        "a5;c1;-5;eur;2026-12-01;\r\n"
        "=a6;c1;500;eur;2026-12-01;\r\n"
        "a1;c1;1250;usd;2026-12-01;=HYPERLINK(1) second line\r\n"
        "a1;c1;9999;usd;2026-12-01;\r\n"
        "a7;c1\r\n"
        "\r\n"
        "a8;c1;700;jpy;2026-12-01;\r\n"
    )

    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="")
            answer = await send(it, text)
            assert answer.status_code == 200, answer.text
            report = answer.json()
            assert (report["created"], report["unchanged"], report["bad"]) == (2, 1, 7)
            assert [(e["line"], e["column"], e["code"]) for e in report["errors"]] == [
                (4, "amount", "bad_amount"),
                (5, "customer", "unknown_customer"),
                (6, "due_on", "bad_date"),
                (7, "amount", "bad_amount"),
                (8, "id", "bad_id"),
                (10, "id", "duplicate_id"),
                (11, "", "wrong_number_of_fields"),
            ]
            assert "1250 for 12.50 usd" in report["errors"][0]["message"]
            shown = await read(it, "a1")
            assert (shown["amount"], shown["description"]) == (1250, "=HYPERLINK(1) second line")
            again = (await send(it, text)).json()
            assert (again["created"], again["unchanged"]) == (0, 3)

    run(story)


def test_all_or_nothing_and_a_dry_run_take_nothing(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="")
            bad = HEADING + GOOD + "a2,c1,1.5,usd,2026-12-01,\r\n"
            report = (await send(it, bad, all_or_nothing="true")).json()
            assert (report["created"], report["bad"]) == (0, 1)
            report = (await send(it, HEADING + GOOD, dry_run="true")).json()
            assert (report["created"], report["bad"], report["dry_run"]) == (1, 0, True)
            assert await it.query("SELECT id FROM invoices") == []
            assert (await send(it, HEADING + GOOD, all_or_nothing="true")).json()["created"] == 1

    run(story)


def test_a_file_does_not_overwrite_what_is_there(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="")
            await invoice(it, "a1", amount=99)
            (error,) = (await send(it, HEADING + GOOD)).json()["errors"]
            assert (error["line"], error["code"]) == (2, "invoice_exists")
            assert (await read(it, "a1"))["amount"] == 99

    run(story)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"\xff\xfei\x00d\x00", "not_utf8"),
        (b"id,customer\xe4", "not_utf8"),
        (b"PK\x03\x04rest", "not_csv"),
        (b"id,customer\n\x00", "not_text"),
        (b"id,customer,amount,currency\n", "missing_column"),
        (b"id,id,customer,amount,currency,due_on\n", "repeated_column"),
        (b"id,customer,amount,currency,due_on,colour\n", "unknown_column"),
        (HEADING.encode() + b'a1,c1,"1', "broken_line"),
    ],
)
def test_a_file_that_is_none_is_refused_with_a_hint(
    sqlite_url: str, content: bytes, code: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            report = (await send(it, content)).json()
            assert [error["code"] for error in report["errors"]] == [code]
            assert report["created"] == 0

    run(story)


def test_only_csv_and_not_too_much_of_it(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert (await send(it, GOOD, "application/json")).json()["code"] == "not_csv"
            assert (await send(it, GOOD, dry_run="maybe")).json()["code"] == "bad_flag"
            large = await send(it, b"x" * (16 * 1024 * 1024 + 1))
            assert (large.status_code, large.json()["code"]) == (413, "body_too_large")

    run(story)


def test_the_command_line_says_the_same(sqlite_url: str, tmp_path: Path) -> None:
    async def prepared() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="")

    run(prepared)
    file = tmp_path / "november.csv"
    file.write_text(HEADING + GOOD + "a2,c1,12.50,usd,2026-12-01,x\n", newline="")
    tried = reconciler(sqlite_url, tmp_path, "import-invoices", str(file), "--dry-run", "--json")
    assert tried.returncode == 1, tried.stderr
    report = json.loads(tried.stdout)
    assert (report["created"], report["bad"], report["dry_run"]) == (1, 1, True)
    done = reconciler(sqlite_url, tmp_path, "import-invoices", str(file))
    assert done.returncode == 1
    assert "1250 for 12.50 usd" in " ".join(done.stdout.split())
    none = reconciler(sqlite_url, tmp_path, "import-invoices", str(tmp_path / "none.csv"))
    assert none.returncode == 2
    assert "cannot be read" in " ".join(none.stderr.split())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": "=1"}, "bad_id"),
        ({"id": " a"}, "invalid_body"),
        ({"amount": 0}, "invalid_body"),
        ({"amount": 12.5}, "invalid_body"),
        ({"amount": "12"}, "invalid_body"),
        ({"amount": 10**12}, "invalid_body"),
        ({"amount": 49}, "amount_too_small"),
        ({"amount": 101, "currency": "isk"}, "amount_too_fine"),
        ({"amount": 101, "currency": "kwd"}, "amount_too_fine"),
        ({"currency": "USD"}, "invalid_body"),
        ({"due_on": "2026-02-30"}, "bad_date"),
        ({"due_on": "tomorrow"}, "bad_date"),
        ({"description": "two\nlines"}, "bad_description"),
        ({"customer": "nobody"}, "unknown_customer"),
        ({"merchant": "nobody"}, "unknown_merchant"),
        ({"surprise": 1}, "invalid_body"),
    ],
)
def test_a_bad_invoice_is_refused_by_name(
    sqlite_url: str, change: dict[str, Any], code: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="")
            body = {"id": "i1", "customer": "c1", "amount": 500, "currency": "usd"}
            answer = await post(it, "/v1/invoices", {**body, "due_on": "2026-12-01", **change})
            assert answer.json()["code"] == code, answer.text
            assert answer.status_code in (400, 404)
            assert await it.query("SELECT id FROM invoices") == []

    run(story)


def test_the_same_invoice_again_is_the_same_and_another_is_refused(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="")
            await invoice(it)
            await invoice(it)
            body = {"id": "i1", "customer": "c1", "amount": 100, "currency": "usd"}
            answer = await post(it, "/v1/invoices", {**body, "due_on": "2026-12-01"})
            assert (answer.status_code, answer.json()["code"]) == (409, "invoice_exists")
            listed = (await it.get("/v1/invoices", customer="c1", status="open")).json()
            assert [row["id"] for row in listed["data"]] == ["i1"]
            assert (await it.get("/v1/invoices", status="paid")).json()["data"] == []
            assert (await it.get("/v1/invoices", status="x")).json()["code"] == "bad_status"

    run(story)


@pytest.mark.parametrize("all_or_nothing", ["false", "true"])
def test_the_same_file_twice_at_once_makes_each_invoice_once(
    database_url: str, all_or_nothing: str
) -> None:
    lines = [f"i{number},c1,500,usd,2026-12-01" for number in range(2500)]
    text = "\n".join(["id,customer,amount,currency,due_on", *lines])

    async def story() -> None:
        async with service(database_url) as it:
            await customer(it, card="")
            asked = {"all_or_nothing": all_or_nothing}
            answers = await asyncio.gather(*(send(it, text, **asked) for _ in range(3)))
            said = [answer.json() for answer in answers]
            assert [each["errors"] for each in said] == [[], [], []]
            assert sum(each["created"] for each in said) == 2500
            assert {each["created"] + each["unchanged"] for each in said} == {2500}
            [row] = await it.query("SELECT COUNT(*) AS n FROM invoices")
            assert row["n"] == 2500

    run(story)
