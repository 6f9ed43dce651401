"""The console's button that makes a pay link: who may press it, from where, and what it shows."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx
import pytest

from reconciler.oversight.keys import Role, create_key
from tests.engines import migrated_url
from tests.front.charging import customer, invoice, ours, post
from tests.harness import ADMIN_KEY, BASE, Service, run, service

PAGE = "/console/invoices/i1"
HERE = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return migrated_url("sqlite", tmp_path, None)


async def press(it: Service, key: str, *, headers: dict[str, str] | None = None) -> httpx.Response:
    return await it.http.post(
        f"{PAGE}/pay-link",
        auth=("me", key),
        headers=HERE if headers is None else headers,
        data={"reason": "asked by phone"},
    )


def test_a_button_makes_a_pay_link_and_shows_it_once(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            await invoice(it)
            who, operator = await create_key(it.context, "desk", Role.OPERATOR)
            page = await it.http.get(PAGE, auth=("me", operator))
            assert "Make a pay link" in page.text
            made = await press(it, operator)
            assert made.status_code == 200
            assert made.headers["cache-control"] == "no-store"
            found = re.search(r"<code>(http[^<]+/pay/[^<]+)</code>", made.text)
            assert found, made.text
            url = html.unescape(found[1])
            assert "Invoice" in (await it.http.get(ours(url))).text
            assert url not in (await it.http.get(PAGE, auth=("me", operator))).text
            (row,) = (await it.get("/v1/audit", action="invoice.pay_link_made")).json()["data"]
            assert (row["key_id"], row["reason"]) == (who, "asked by phone")
            assert url not in str(row)

    run(story)


def test_the_button_is_for_operators_on_a_page_of_ours(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            await invoice(it)
            _, viewer = await create_key(it.context, "looks", Role.VIEWER)
            page = await it.http.get(PAGE, auth=("me", viewer))
            assert "Make a pay link" not in page.text
            assert (await press(it, viewer)).status_code == 403
            for headers in ({}, {"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
                assert (await press(it, ADMIN_KEY, headers=headers)).status_code == 403
            rows = (await it.get("/v1/audit", action="invoice.pay_link_made")).json()["data"]
            assert rows == []

    run(story)


def test_what_is_not_to_be_paid_has_no_button_and_no_link(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it)
            await invoice(it)
            await post(it, "/v1/invoices/i1/cancel")
            page = await it.http.get(PAGE, auth=("me", ADMIN_KEY))
            assert "Make a pay link" not in page.text
            refused = await press(it, ADMIN_KEY)
            assert refused.status_code == 409
            assert "/pay/" not in refused.text

    run(story)
