"""What the door has to know of a line that may break: faults are planned elsewhere.

Here are the shape of a fault that strikes, and what it looks like to whoever is at the other end.
"""

import asyncio
from typing import Any, Protocol

import httpx

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.wire.answers import Answer

# effect, when, seconds, real_seconds, saved
Fault = dict[str, Any]

_STALL_TURNS = 50
_GATEWAY_PAGE = b"<html><head><title>%d</title></head><body><h1>%d</h1></body></html>\n"

REFUSALS = ("500", "429", "409_lock_timeout", "429_lock_timeout")
# They take time and change nothing.
HARMLESS = ("stall", "delay", "drip")
PAGES = {"502": 502, "503": 503}


class ConnectionLost(httpx.ReadError):
    """The connection broke before the answer arrived."""


class Line(Protocol):
    """Faults, as the door asks for them."""

    def strike(self, method: str, path: str, when: str, operation: str = "") -> Fault | None: ...

    def hidden(self, path: str) -> frozenset[str]: ...


def refusal_of(fault: Fault) -> Refusal | None:
    """What Stripe says when a fault is one that Stripe itself answers for."""
    effect = fault["effect"]
    if effect == "500":
        return Refusal("api", "An unknown error occurred")
    if effect == "429":
        return refusals.too_fast()
    if effect == "429_lock_timeout":
        return refusals.locked("rate_limit")
    if effect == "409_lock_timeout":
        return refusals.locked("conflict")
    return None


def spoilt(fault: Fault, answer: Answer | None = None) -> Answer | None:
    """An answer in place of the true one; None where the fault leaves the true one alone."""
    effect = fault["effect"]
    if effect == "reset":
        moment = "the answer arrived" if answer else "the request was handled"
        raise ConnectionLost(f"connection reset before {moment}")
    if effect in PAGES:
        status = PAGES[effect]
        return Answer(status, _GATEWAY_PAGE % (status, status), media_type="text/html")
    if effect == "broken_body":
        whole = answer.body if answer else b'{"id": "'
        return Answer(200, whole[: max(1, len(whole) // 2)] if answer else whole)
    return None


async def wait(fault: Fault) -> None:
    """Real time that a fault takes; others are served meanwhile."""
    for _ in range(_STALL_TURNS if fault["effect"] == "stall" else 0):
        await asyncio.sleep(0)
    if fault["real_seconds"] and fault["effect"] != "drip":
        await asyncio.sleep(fault["real_seconds"])
