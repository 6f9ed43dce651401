"""A merchant on the way through Stripe's pages and back, with a browser: for the tests of it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from reconciler.store import merchants
from tests.harness import ADMIN_KEY, BASE, Service

STRIPE = "http://stripe.test"


async def known(it: Service, id: str = "bakery", country: str = "") -> None:
    """A merchant that nobody has sent to Stripe yet."""
    async with it.context.write() as session:
        await merchants.insert(session, id, id.title(), country, it.context.now())


async def ask(
    it: Service, method: str = "POST", id: str = "bakery", key: str = ADMIN_KEY, **body: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    path = f"/v1/merchants/{id}/connect"
    return await it.http.request(method, path, headers=headers, json=body or None)


async def state(it: Service, id: str = "bakery") -> dict[str, Any]:
    answer = await it.get(f"/v1/merchants/{id}/connect")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def link(it: Service, **body: Any) -> str:
    """The address of a fresh way into Stripe."""
    answer = await ask(it, **body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["url"])


async def browse(it: Service, url: str, **form: str) -> httpx.Response:
    """One request of a browser without any key, to Stripe or to us; it follows no redirect."""
    to_stripe = url.startswith((STRIPE, "/_simulator"))
    app = it.simulator.app if to_stripe else None
    if app is None:
        return await it.http.get(url.removeprefix(BASE))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=STRIPE) as client:
        if form:
            return await client.post(url, data=form)
        return await client.get(url)


async def walk(it: Service, url: str, choice: str = "complete") -> str:
    """Follow a link to Stripe's form, do what `choice` says there; the address that leads back."""
    entered = await browse(it, url)
    assert entered.status_code == 303, entered.text
    form = entered.headers["location"]
    assert (await browse(it, form)).status_code == 200
    left = await browse(it, form, choice=choice)
    assert left.status_code == 303
    it.simulator.clock.advance(30)
    return str(left.headers["location"])


async def onboarded(it: Service, id: str = "bakery", country: str = "US") -> str:
    """A merchant that has been all the way through Stripe's form; its account."""
    await known(it, id)
    answer = await ask(it, id=id, country=country)
    assert answer.status_code == 200, answer.text
    page = await browse(it, await walk(it, answer.json()["url"]))
    assert page.status_code == 200
    return str((await state(it, id))["stripe_account"])


def accounts_at_stripe(it: Service) -> list[str]:
    """Every connected account there is at Stripe, also those that have left."""
    return [id for id in it.simulator.world.books if id != it.simulator.world.platform]


def visit_of(url: str) -> str:
    """The token in the address that leads back from Stripe."""
    return parse_qs(urlsplit(url).query)["visit"][0]


def text_of(page: httpx.Response) -> str:
    """What a person reads on a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))
