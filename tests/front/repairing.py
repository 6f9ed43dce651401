"""Findings and what is done about them, as their callers ask: found, shown, previewed, applied."""

from __future__ import annotations

from typing import Any

import httpx

from reconciler.oversight.keys import Role, create_key
from tests.front.asking import ask, funded
from tests.harness import ADMIN_KEY, Service

DAY = 86400
FINDINGS = "/v1/drift/findings"


async def found(it: Service, **chosen: Any) -> list[dict[str, Any]]:
    """The findings that have not cleared, as the API lists them."""
    answer = await it.get(FINDINGS, **chosen)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


async def the(it: Service, **chosen: Any) -> dict[str, Any]:
    """The one finding that there is."""
    listed = await found(it, **chosen)
    assert len(listed) == 1, listed
    return listed[0]


async def whole(it: Service, id: str) -> dict[str, Any]:
    answer = await it.get(f"{FINDINGS}/{id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def preview(it: Service, id: str, repair: str, **chosen: Any) -> httpx.Response:
    return await ask(it, f"{FINDINGS}/{id}/repair/preview", {"repair": repair, **chosen})


async def previewed(it: Service, id: str, repair: str, **chosen: Any) -> dict[str, Any]:
    answer = await preview(it, id, repair, **chosen)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def apply(
    it: Service, id: str, shown: dict[str, Any], *, key: str = ADMIN_KEY, once: str = ""
) -> httpx.Response:
    """Do what a preview showed."""
    body = {"repair": shown["repair"], **shown["choices"], "digest": shown["digest"]}
    return await ask(it, f"{FINDINGS}/{id}/repair", body, key=key, once=once)


async def repaired(it: Service, id: str, repair: str, **chosen: Any) -> dict[str, Any]:
    """Preview a repair and do it."""
    shown = await previewed(it, id, repair, **chosen)
    answer = await apply(it, id, shown)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def say(it: Service, id: str, what: str, body: Any, key: str = ADMIN_KEY) -> httpx.Response:
    """Assign, note, resolve, suppress, lift or undo."""
    return await ask(it, f"{FINDINGS}/{id}/{what}", body, key=key)


async def key(it: Service, name: str, role: Role = Role.FINANCE) -> str:
    return (await create_key(it.context, name, role))[1]


async def outside_transfer(it: Service, amount: int = 7_500) -> dict[str, Any]:
    """A transfer that nobody here asked for, found by a check; the transfer."""
    account = await funded(it)
    made = it.simulator.acts.transfer(account, amount, "usd")
    await it.listen()
    it.simulator.clock.advance(DAY)
    await it.check()
    return dict(made)


async def unknown_movement(it: Service, amount: int = 500) -> dict[str, Any]:
    """A movement of a kind that did not exist, found by a check; its finding."""
    await funded(it)
    it.simulator.acts.unknown_movement(amount, "usd")
    await it.check()
    return await the(it, kind="unknown_movement")


def refused(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether this is that refusal, with a sentence that says what to do."""
    body = answer.json()
    kind = answer.headers["content-type"]
    assert kind == "application/problem+json", answer.text
    return (answer.status_code, body["code"]) == (status, code) and len(body["detail"]) > 12
