"""The console's page of what waits for a second person: what it shows, and who may press what."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.oversight.keys import Role, create_key
from tests.engines import migrated_url
from tests.front.test_approvals import People, people
from tests.harness import BASE, Service, run, service

PAGE = "/console/approvals"
HERE = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return migrated_url("sqlite", tmp_path, None)


async def seen(it: Service, key: str) -> str:
    answer = await it.http.get(PAGE, auth=("me", key))
    assert answer.status_code == 200, answer.text
    return answer.text


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def digest_in(page: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


async def press(
    it: Service,
    id: str,
    key: str,
    form: dict[str, str] | bytes,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    sent: dict[str, Any] = {"content": form} if isinstance(form, bytes) else {"data": form}
    return await it.http.post(
        f"{PAGE}/{id}", auth=("me", key), headers=HERE if headers is None else headers, **sent
    )


async def waiting(it: Service) -> tuple[People, str]:
    all = await people(it)
    return all, (await all.pay())["id"]


def test_the_page_shows_what_waits_for_whom_and_why(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all, id = await waiting(it)
            text = words(await seen(it, all.second))
            assert "1 payout waits for a second person" in text
            assert "Payout to bakery 600.00 USD" in text
            assert all.account in text
            assert f"asker {all.asker.key_id}" in text
            assert "more than 500.00 usd, above which a second person has to look at it" in text
            assert "No finding is open on bakery now." in text
            assert id in text

    run(story)


def test_findings_that_are_open_now_are_shown_with_what_waits(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all, _ = await waiting(it)
            it.simulator.acts.transfer(all.account, 5_000, "usd")
            it.simulator.clock.advance(7200)
            found = (await it.check())["found"]
            page = await seen(it, all.second)
            opened = [f["id"] for f in found if f["status"] == "open"]
            assert f"/console/runs/latest#{opened[0]}" in page

    run(story)


def test_pressing_approve_approves_what_was_shown(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all, id = await waiting(it)
            form = {"decision": "approve", "reason": "looks right"}
            form["digest"] = digest_in(await seen(it, all.second))
            done = await press(it, id, all.second, form)
            assert done.status_code == 303
            assert done.headers["location"] == f"{PAGE}?decided={id}"
            assert await all.status(id) == "completed"
            after = await it.http.get(done.headers["location"], auth=("me", all.second))
            assert "Approved, and on its way to Stripe: payout of 600.00 USD" in words(after.text)
            assert "Nothing waits for a second person" in after.text
            assert "looks right" in after.text
            again = await press(it, id, all.second, form)
            assert again.status_code == 409
            assert all.transfers() == 1

    run(story)


def test_pressing_decline_gives_the_money_back(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all, id = await waiting(it)
            done = await press(it, id, all.second, {"decision": "decline", "reason": "no"})
            assert done.status_code == 303
            assert await all.status(id) == "cancelled"
            assert await all.owed() == 100_000

    run(story)


def test_there_is_no_button_for_whoever_asked_nor_for_whoever_may_only_look(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all, id = await waiting(it)
            digest = (await all.approval(id))["digest"]
            form = {"decision": "approve", "digest": digest}
            page = await seen(it, all.asker_key)
            assert "<form" not in page
            assert "Your key asked for this." in page
            assert (await press(it, id, all.asker_key, form)).status_code == 409
            _, operator = await create_key(it.context, "operator", Role.OPERATOR)
            page = await seen(it, operator)
            assert "<form" not in page
            assert "Deciding needs a key of role finance" in page
            assert (await press(it, id, operator, form)).status_code == 403
            assert (await it.http.post(f"{PAGE}/{id}", data=form, headers=HERE)).status_code == 401
            assert await all.status(id) == "awaiting_approval"

    run(story)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "http://service.test.evil.example"},
        {"Origin": "http://evil.example:80@service.test.evil.example"},
        {"Origin": "service.test"},
        {"Origin": "file://service.test"},
        {"Origin": "http://["},
        {"Origin": f"{BASE}:8443"},
        {"Origin": BASE, "Sec-Fetch-Site": "cross-site"},
        {"Origin": BASE, "Sec-Fetch-Site": "same-site"},
        {"Origin": BASE, "Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Referer": f"{BASE}/console/approvals"},
    ],
)
def test_a_form_that_no_page_of_ours_sent_decides_nothing(
    sqlite_url: str, headers: dict[str, str]
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all, id = await waiting(it)
            form = {"decision": "approve", "digest": (await all.approval(id))["digest"]}
            for decision in ("approve", "decline"):
                answer = await press(it, id, all.second, {**form, "decision": decision}, headers)
                assert answer.status_code == 403
                assert "not sent from a page of this console" in answer.text
            assert await all.status(id) == "awaiting_approval"
            assert all.transfers() == 0

    run(story)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": BASE},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://service.test", "Sec-Fetch-Site": "same-origin"},
        {"Origin": BASE.upper()},
    ],
)
def test_a_form_of_our_own_page_is_taken_from_every_kind_of_browser(
    sqlite_url: str, headers: dict[str, str]
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all, id = await waiting(it)
            answer = await press(it, id, all.second, {"decision": "decline"}, headers)
            assert answer.status_code == 303

    run(story)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"decision": "approve"}, 409),
        ({"decision": "approve", "digest": "0" * 64}, 409),
        ({"decision": "approve", "digest": "é"}, 409),
        ({"decision": "maybe"}, 400),
        ({}, 400),
        ({"decision": "decline", "reason": "x" * 501}, 400),
        ({"decision": "decline", "reason": "\x00"}, 400),
        (b"decision=decline&decision=approve", 400),
        (b"\xff\xfe", 400),
        (b"decision=%FF", 400),
        (b"&".join(b"a%d=1" % n for n in range(20)), 400),
        (b"x" * 20_000, 413),
    ],
)
def test_a_form_that_is_none_decides_nothing(
    sqlite_url: str, form: dict[str, str] | bytes, status: int
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all, id = await waiting(it)
            answer = await press(it, id, all.second, form)
            assert answer.status_code == status
            assert answer.headers["content-type"].startswith("text/html")
            assert await all.status(id) == "awaiting_approval"
            unknown = await press(it, "pyt_none", all.second, {"decision": "decline"})
            assert unknown.status_code == 404

    run(story)


def test_nothing_that_was_typed_becomes_markup(sqlite_url: str) -> None:
    hostile = "<script>alert(1)</script>\"'&{{ 7*7 }}"

    async def story() -> None:
        async with service(sqlite_url) as it:
            all, id = await waiting(it)
            await press(it, id, all.second, {"decision": "decline", "reason": hostile})
            page = await seen(it, all.second)
            assert "<script" not in page
            assert hostile in words(page)

    run(story)


def test_every_page_lets_the_browser_say_where_a_form_comes_from(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            all, _ = await waiting(it)
            answer = await it.http.get(PAGE, auth=("me", all.second))
            # With no-referrer a browser sends `Origin: null` with our own form.
            assert answer.headers["referrer-policy"] == "same-origin"
            assert "form-action 'self'" in answer.headers["content-security-policy"]

    run(story)
