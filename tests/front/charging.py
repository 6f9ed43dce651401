"""Customers with cards and invoices to debit, made as a platform and its customers make them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import httpx

from reconciler.domain.audit import Actor
from reconciler.domain.invoices import today
from reconciler.invoicing.debit_runs import debit_today
from reconciler.money_out.resolve import resolve_outcomes
from reconciler.simulator.objects.methods import cards
from reconciler.simulator.objects.methods.behaviours import Card
from tests.harness import ADMIN_KEY, BASE, Service

JOB = Actor.job("debit_due")


async def post(
    it: Service, path: str, body: Any = None, *, idempotency: str = "", key: str = ADMIN_KEY
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    if idempotency:
        headers["Idempotency-Key"] = idempotency
    return await it.http.post(path, json=body if body is not None else {}, headers=headers)


async def customer(it: Service, id: str = "c1", card: str = "pm_card_visa", **more: Any) -> str:
    """A customer of ours, with a card left on Stripe's page unless `card` is empty; its Stripe
    customer."""
    made = await post(it, "/v1/customers", {"id": id, "name": id.title(), **more})
    assert made.status_code == 201, made.text
    if card:
        await leave_card(it, id, card)
    return str(made.json()["stripe_customer_id"])


async def leave_card(it: Service, id: str, card: str = "pm_card_visa") -> None:
    """The customer goes to Stripe's page, leaves a card there, and Stripe tells us."""
    begun = await post(it, f"/v1/customers/{id}/card-setup", {"currency": "usd"})
    assert begun.status_code == 200, begun.text
    await at_stripe(it, begun.json()["url"], card)
    await it.listen()


async def at_stripe(it: Service, url: str, card: str = "pm_card_visa", outcome: str = "") -> str:
    """What a customer does on one of Stripe's pages, over HTTP; the address they are led back to.

    With an outcome, the page is the bank's.
    """
    transport = httpx.ASGITransport(app=it.simulator.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://stripe.test") as browser:
        if outcome:
            answer = await browser.post(url, data={"choice": outcome})
        else:
            page = await browser.get(url)
            assert page.status_code == 200
            if f'value="{card}"' not in page.text:  # a card that only its number would name
                it.simulator.acts.complete_checkout(url.rpartition("/")[2], card=card)
                return ""
            answer = await browser.post(url, data={"card": card})
            if "Confirm that it is you" in answer.text:
                answer = await browser.post(f"{url}/authentication", data={"outcome": "passed"})
        return answer.headers.get("location", "")


async def invoice(it: Service, id: str = "i1", owner: str = "c1", **more: Any) -> None:
    day = today(it.context.now()).isoformat()
    body = {"id": id, "customer": owner, "amount": 5_000, "currency": "usd", "due_on": day, **more}
    made = await post(it, "/v1/invoices", body)
    assert made.status_code == 201, made.text


async def debited(it: Service, id: str = "i1", key: str = "") -> dict[str, Any]:
    answer = await post(it, f"/v1/invoices/{id}/debit", idempotency=key or f"debit {id}")
    return {"http": answer.status_code, **answer.json()}


async def read(it: Service, id: str = "i1") -> dict[str, Any]:
    answer = await it.get(f"/v1/invoices/{id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def daily(it: Service) -> str:
    """What the job does when it ticks."""
    assert it.context.stripe is not None
    return await debit_today(it.context, it.context.stripe, JOB)


async def next_day(it: Service, days: int = 1) -> None:
    it.simulator.clock.advance(days * 86400)
    await it.listen()


async def resolved(it: Service, seconds: int = 300) -> None:
    """Time passes, and what was not known is settled."""
    assert it.context.stripe is not None
    it.simulator.clock.advance(seconds)
    await resolve_outcomes(it.context, it.context.stripe)
    await it.listen()


def intents(it: Service, invoice: str = "i1") -> list[dict[str, Any]]:
    """Stripe's PaymentIntents for an invoice."""
    shelf = it.simulator.world.home.shelf("payment_intent")
    rows = list(shelf.values())
    return [row for row in rows if row["metadata"].get("reconciler_invoice") == invoice]


def charged(it: Service, invoice: str = "i1") -> int:
    """What Stripe took for an invoice, in all."""
    return sum(row["amount_received"] for row in intents(it, invoice))


def link_in(page: httpx.Response) -> str:
    """Where a page of ours sends its visitor."""
    found = re.search(r'class="onward" href="([^"]+)"', page.text)
    assert found, page.text
    return html.unescape(found[1])


def ours(url: str) -> str:
    """The path of an address of ours."""
    assert url.startswith(BASE), url
    return url.removeprefix(BASE)


@contextmanager
def slow_cards() -> Iterator[None]:
    """Cards whose bank answers later, as it does where it must tell its customer beforehand: the
    payment is `processing` until then. None of Stripe's test cards does that."""
    slow = Card("0000", settles="later", wait="delayed_debit_seconds")
    fails = Card("0001", settles="later", wait="delayed_debit_seconds", code="insufficient_funds")
    new = {"pm_card_slow": slow, "pm_card_slow_fails": fails}
    with mock.patch.dict(cards._ALL, new):
        yield
