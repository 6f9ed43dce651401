"""Whatever is wrong with a command, it is said by field and in a sentence, and nothing is done."""

from __future__ import annotations

import itertools
import json
from typing import Any
from unittest import mock
from urllib.parse import quote

import httpx
import pytest

from handlers.table import TABLE
from reconciler.gateway.fields import Unreadable
from tests.front.asking import ask, funded, paid, payout
from tests.front.reading import bearer
from tests.front.test_access import KEYED, called, everything
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, BASE, Service, run, service

_numbers = itertools.count(1)

JUNK = (
    None, True, False, 0, -1, 1.5, 1.0, 10**12, 2**63, 10**40, "", " ", "100", "1.00", "\x00",
    "a\x00b", "é" * 300, "x" * 5_000, "\u202eusd", "usd\n", "bakery\n", "USD", "zzz", "../payouts",
    "a\r\nb: c", "4242424242424242", "NaN", "١٠٠", [], [1], {}, {"amount": 1},
)  # fmt: skip
"""What no field of the commands below can be."""

BODIES = {
    "not UTF-8": b"\xff\xfe{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "half": b"{",
    "two": b"{}{}",
    "not a number": b'{"amount": NaN}',
    "infinite": b'{"amount": Infinity}',
    "too large to be one": b'{"amount": 1e999}',
    "five thousand digits": b'{"amount": ' + b"1" * 5_000 + b"}",
    "a field twice": b'{"amount": 1, "amount": 2}',
    "deep": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "a deep list": b"[" * 60_000,
    "half a surrogate pair": b'{"merchant": "\\ud800"}',
    "half of one in a name": b'{"\\udfff": 1}',
    "a form": b"merchant=bakery&amount=1&currency=usd",
    "larger than 64 KiB": b'{"reason": "' + b"x" * 70_000 + b'"}',
}


async def there(it: Service) -> dict[str, dict[str, Any]]:
    """Every command about money, by its address, with a body that is right but for what a test
    puts into it, and would be refused or harmless as it is."""
    await funded(it)
    intent = await paid(it, 10_000)
    done = (await payout(it, 1_000))["id"]
    limits = {"version": 0, "approval_above": 20_000}
    await it.http.put("/v1/policies/usd", headers=bearer(ADMIN_KEY), json=limits)
    waits = (await payout(it, 20_001))["id"]
    return {
        "/v1/payouts": {"merchant": "bakery", "amount": 100, "currency": "usd"},
        f"/v1/payouts/{done}/reverse": {"amount": 100},
        f"/v1/payouts/{done}/cancel": {},
        f"/v1/payouts/{waits}/approve": {"digest": "0" * 64, "reason": ""},
        f"/v1/payouts/{waits}/decline": {"reason": ""},
        "/v1/refunds": {
            "payment": intent["id"],
            "amount": 100,
            "reason": "duplicate",
            "recover_from_merchant": True,
        },
        "/v1/refunds/rfq_nowhere/cancel": {},
        "/v1/invoices/inv_nowhere/debit": {},
        "/v1/debit-runs": {},
    }


def _is_right(path: str, field: str, value: Any) -> bool:
    """What is junk in most places and right in a few."""
    no_reason = (path, field, value) == ("/v1/refunds", "reason", "")
    return no_reason or (field == "recover_from_merchant" and isinstance(value, bool))


async def _nothing_done(it: Service, answer: httpx.Response, before: dict[str, Any]) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"]
    assert problem["detail"].endswith(".")
    assert await _state(it) == before, problem


async def _state(it: Service) -> dict[str, Any]:
    """Everything but the keys of requests, which are kept with their refusals."""
    kept = await everything(it)
    return {name: rows for name, rows in kept.items() if name != "request_keys"}


def _body(given: dict[str, Any], field: str, value: Any) -> bytes:
    return json.dumps({**given, field: value}).encode()


def test_no_field_of_a_command_takes_what_it_cannot_be(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            commands = await there(it)
            before = await _state(it)
            for path, given in commands.items():
                for field in (*given, "amonut"):
                    for value in JUNK:
                        if _is_right(path, field, value):
                            continue
                        answer = await ask(it, path, _body(given, field, value))
                        assert answer.status_code in (400, 404, 409), (path, field, value)
                        assert answer.json()["code"], (path, field, value)
            await _nothing_done(it, answer, before)

    run(story)


def test_a_body_that_two_readers_could_read_differently_is_no_command(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            commands = await there(it)
            before = await _state(it)
            for name, body in BODIES.items():
                for path in commands:
                    answer = await ask(it, path, body)
                    assert answer.status_code in (400, 413), (path, name)
                    assert answer.json()["detail"].endswith("."), (path, name)
            await _nothing_done(it, answer, before)

    run(story)


IDS = (
    "..", "../payouts", "%2e%2e%2fpayouts", "a%00b", "%00", "x" * 300, "x" * 5_000, "%ff%fe", "%20",
    "a%0d%0aSet-Cookie:%20x=1", "%ed%a0%80", "1;DROP%20TABLE%20payouts", "'", "%25s", ":id",
    "%7Beach:ids%7D", "usd:", "usd:%00", "USD", "-1", quote("💣"),
)  # fmt: skip


def test_an_id_that_is_none_is_not_found_and_nothing_else(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            for entry, id in itertools.product(TABLE, IDS):
                if "{id}" not in entry.path:
                    continue
                answer = await _raw(it, entry.method, entry.path.replace("{id}", id))
                assert "set-cookie" not in answer.headers
                # Some are a part of another address, and -1 or usd: may be asked about.
                good = answer.status_code == 200 and entry.method == "GET"
                assert good or answer.status_code in (400, 404, 405), (called(entry), id)
                assert good or answer.json()["code"], (called(entry), id)

    run(story)


async def _raw(it: Service, method: str, path: str) -> httpx.Response:
    """A request whose path goes out as it is written."""
    headers = {**bearer(ADMIN_KEY), "Idempotency-Key": f"raw-{next(_numbers)}"}
    content = b"{}" if method in ("POST", "PUT") else None
    request = it.http.build_request(method, BASE, headers=headers, content=content)
    request.url = request.url.copy_with(raw_path=path.encode())
    return await it.http.send(request)


ODD = (
    "limit=-1", "limit=0", "limit=101", "limit=1.5", "limit=", "limit=%00", "limit=%EF%BC%91",
    "limit=99999999999999999999", "limit=1&limit=2", "starting_after=%00", "starting_after=nowhere",
    "starting_after=" + "x" * 300, "starting_after=%ed%a0%80", "amonut=1", "%00=1", "limit[]=1",
)  # fmt: skip


def test_a_query_that_means_nothing_is_refused_by_its_name(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            for entry in TABLE:
                if "{id}" in entry.path:
                    continue
                for query in ODD:
                    answer = await _raw(it, entry.method, f"{entry.path}?{query}")
                    assert answer.status_code == 400, (called(entry), query, answer.text)
                    assert answer.json()["detail"].endswith("."), (called(entry), query)
                    if query.partition("=")[0] not in entry.query:
                        assert is_problem(answer, 400, "unknown_parameter"), (called(entry), query)
                for name in entry.query:
                    twice = await _raw(it, entry.method, f"{entry.path}?{name}=x&{name}=x")
                    assert is_problem(twice, 400, "repeated_parameter"), (called(entry), name)
                    answer = await _raw(it, entry.method, f"{entry.path}?{name}=%00")
                    assert answer.status_code in (400, 415), (called(entry), name)

    run(story)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Content-Type": "text/plain"},
    ],
    ids=["another site", "no site", "nobody says"],
)
def test_a_browser_that_another_site_steers_does_nothing_with_the_password_it_keeps(
    sqlite_url: str, headers: dict[str, str]
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            before = await everything(it)
            for entry in TABLE:
                if entry.method == "GET":
                    continue
                path, sent = entry.path.replace("{id}", "usd"), {**headers, **KEYED}
                answer = await it.http.request(
                    entry.method, path, headers=sent, auth=("me", ADMIN_KEY), content=b"{}"
                )
                assert is_problem(answer, 403, "cross_site"), called(entry)
            assert await everything(it) == before

    run(story)


async def _answered(it: Service, error: Exception) -> httpx.Response:
    """What a caller gets when reading the merchant's account ends like this."""

    async def ends(*_: Any, **__: Any) -> Any:
        raise error

    served: Any = it.http._transport
    transport = httpx.ASGITransport(app=served.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        with mock.patch.object(it.context.available, "read", ends):
            return await client.post(
                "/v1/payouts",
                headers={**bearer(ADMIN_KEY), "Idempotency-Key": f"error-{next(_numbers)}"},
                json={"merchant": "bakery", "amount": 100, "currency": "usd"},
            )


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unreadable("amount must be an integer"), 502, "stripe_unreadable"),
        (RuntimeError("a mistake of ours"), 500, "internal_error"),
    ],
)
def test_what_goes_wrong_here_is_a_problem_document_too_and_tells_no_more(
    sqlite_url: str, error: Exception, status: int, code: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await funded(it)
            before = await _state(it)
            answer = await _answered(it, error)
            assert is_problem(answer, status, code), answer.text
            assert answer.headers["request-id"].startswith("req_")
            assert "mistake" not in answer.text
            assert await _state(it) == before

    run(story)
