"""Customers of ours: each made once at Stripe, whatever is lost, and followed afterwards."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.front.charging import at_stripe, customer, invoice, post, read, resolved
from tests.harness import Service, ask_stripe, run, service


def at_stripe_now(it: Service) -> list[dict[str, Any]]:
    return list(it.simulator.world.home.shelf("customer").values())


def test_a_customer_is_made_once_however_often_it_is_asked_for(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.merchant("bakery")
            asked = {"id": "c1", "name": "Ada", "email": "ada@example.com", "merchant": "bakery"}
            first = await post(it, "/v1/customers", asked)
            again = await post(it, "/v1/customers", asked)
            assert (first.status_code, first.json()) == (201, again.json())
            (made,) = at_stripe_now(it)
            assert made["metadata"] == {"reconciler_customer": "c1"}
            other = await post(it, "/v1/customers", {**asked, "name": "Eve"})
            assert (other.status_code, other.json()["code"]) == (409, "customer_exists")
            nobody = await post(it, "/v1/customers", {"id": "c2", "merchant": "nobody"})
            assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown_merchant")
            await customer(it, "c3", card="")
            listed = (await it.get("/v1/customers", limit=1)).json()
            assert ([row["id"] for row in listed["data"]], listed["has_more"]) == (["c3"], True)
            rest = (await it.get("/v1/customers", starting_after="c3")).json()
            assert [row["id"] for row in rest["data"]] == ["c1"]
            assert (await it.get("/v1/customers/c9")).status_code == 404

    run(story)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_makes_no_second_customer(database_url: str, when: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.faults.add("POST", "/v1/customers", when, "reset")
            made = await post(it, "/v1/customers", {"id": "c1"})
            assert (made.status_code, made.json()["status"]) == (201, "creating")
            refused = await post(it, "/v1/customers/c1/card-setup")
            assert refused.json()["code"] == "customer_not_ready"
            await resolved(it)
            assert (await it.get("/v1/customers/c1")).json()["status"] == "active"
            assert len(at_stripe_now(it)) == 1

    run(story)


@pytest.mark.parametrize("what", ["detached", "deleted"])
def test_a_card_that_is_taken_away_at_stripe_is_gone_here(database_url: str, what: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            stripe_customer = await customer(it)
            card = (await it.get("/v1/customers/c1")).json()["card"]["payment_method"]
            if what == "detached":
                await ask_stripe(it, f"/v1/payment_methods/{card}/detach")
            else:
                await delete(it, f"/v1/customers/{stripe_customer}")
            await it.listen()
            shown = (await it.get("/v1/customers/c1")).json()
            assert shown["card"] is None
            assert [each["status"] for each in shown["former_cards"]] == ["detached"]
            assert shown["status"] == ("active" if what == "detached" else "deleted")
            if what == "deleted":
                refused = await post(it, "/v1/customers/c1/card-setup")
                assert refused.json()["code"] == "customer_deleted"

    run(story)


async def delete(it: Service, path: str) -> None:
    transport = httpx.ASGITransport(app=it.simulator.app)
    headers = {"Authorization": f"Bearer {it.simulator.secret_key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://stripe.test") as client:
        assert (await client.delete(path, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//evil",
        "https://u@evil.example",
        "ftp://x",
        "https://x y",
        "x" * 2000,
    ],
)
def test_a_return_address_is_one_that_a_browser_may_be_sent_to(sqlite_url: str, url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await customer(it, card="")
            refused = await post(it, "/v1/customers/c1/card-setup", {"return_url": url})
            assert refused.status_code == 400
            said = refused.json()
            assert (said["code"], said["field"]) == ("bad_return_url", "return_url")

    run(story)


def test_the_address_of_a_hosted_page_is_kept_nowhere(sqlite_url: str, tmp_path: Any) -> None:
    async def story() -> str:
        async with service(sqlite_url) as it:
            await customer(it, card="")
            begun = await post(it, "/v1/customers/c1/card-setup")
            url = str(begun.json()["url"])
            await at_stripe(it, url)
            await it.listen()
            return url.rpartition("/c/pay/")[0]

    address = run(story)
    assert address
    for path in tmp_path.glob("*.db*"):
        assert f"{address}/c/pay/".encode() not in path.read_bytes(), path.name


def test_the_console_shows_invoices_and_runs_and_escapes_what_they_say(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            empty = await it.get("/console/invoices")
            assert "No invoice here yet" in empty.text
            await customer(it, name="<b>Ada</b>")
            await invoice(it, description="<script>alert(1)</script>")
            begun = await post(it, "/v1/debit-runs", idempotency="now")
            page = await it.get(f"/console/debit-runs/{begun.json()['id']}")
            assert "0 of 1 invoice" in page.text
            assert page.headers["refresh"] == "3"
            for path in ("/console/invoices", "/console/invoices/i1", "/console/debit-runs"):
                page = await it.get(path)
                assert page.status_code == 200, path
                assert "<script>" not in page.text
                assert "<b>Ada" not in page.text
            assert (await it.get("/console/invoices/none")).status_code == 404
            assert (await read(it))["status"] == "open"

    run(story)
