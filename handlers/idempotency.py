"""One effect and one answer for one `Idempotency-Key`, however often and wherever it is sent.

A request that moves money is claimed before it is answered, and its answer is kept. Refusals are
answers too. Not kept is what says nothing about the request (401, 403, 429, 5xx) and what the
caller corrects (400, 413): then the key may be used again. Must not know what is asked for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog
from starlette.requests import Request
from starlette.responses import Response

from handlers.bodies import json_body
from handlers.problems import Problem
from reconciler.context import Context
from reconciler.domain.pan import begins_like_a_card, holds_card_number
from reconciler.domain.requests import LONGEST_KEY, digest, is_key
from reconciler.money_out import claims
from reconciler.money_out.claims import Answered, Claim, Held, LostClaim

log = structlog.get_logger()

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

LOOKS = 25
LOOK_SECONDS = 0.2
"""A repeated request waits this often and this long for the first one's answer: five seconds."""

CORRECTED = frozenset({400, 413})
KEPT = frozenset(range(200, 500)) - CORRECTED - {401, 403, 408, 429}

_REUSED = (
    "This Idempotency-Key was used for another request: method, path or body differ. Send a new"
    " key for a new request."
)
_RUNNING = (
    "A request with this Idempotency-Key is still being worked on. Send the same again in a moment"
    " to get its answer."
)


class Desk:
    """One process's requests under way, so that repeats here wait without asking the database."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], asyncio.Event] = {}

    @contextmanager
    def working(self, mark: tuple[str, str]) -> Iterator[None]:
        """Repeats of this request wait until the block ends."""
        if mark in self._running:
            yield
            return
        done = self._running[mark] = asyncio.Event()
        try:
            yield
        finally:
            done.set()
            del self._running[mark]

    async def free(self, mark: tuple[str, str]) -> bool:
        """Whether nobody here works on the request any more; waits a look's time for it."""
        done = self._running.get(mark)
        if done is None:
            return True
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await done.wait()
        except TimeoutError:
            return False
        return True


async def once(
    desk: Desk,
    context: Context,
    request: Request,
    caller: str,
    answer: Callable[[], Awaitable[Response]],
) -> Response:
    """The answer to this request, given now or before. `answer` finds the claim in
    `request.state.claim`. Raises Problem 400 for a bad key, 409 if there is no answer yet."""
    key = _key(request)
    mark = (caller, key)
    asked = digest(request.method, _target(request), await json_body(request))
    for _ in range(LOOKS):
        if not await desk.free(mark):
            continue
        with desk.working(mark):
            taken = await claims.take(context, caller, key, asked)
            if isinstance(taken, Claim):
                given = await _worked(context, request, taken, answer)
                if given is not None:
                    return given
                continue
        if isinstance(taken, Answered):
            return _replayed(taken)
        if taken is Held.REUSED:
            raise Problem(409, "idempotency_key_reused", _REUSED)
        await asyncio.sleep(LOOK_SECONDS)
    raise _in_use()


def _in_use() -> Problem:
    return Problem(409, "idempotency_key_in_use", _RUNNING, retry_after=1)


def _key(request: Request) -> str:
    sent = request.headers.getlist(HEADER)
    if not sent:
        detail = f"Send an {HEADER} of your own making: a repeat then gets the same answer."
        raise Problem(400, "idempotency_key_missing", detail)
    if len(sent) > 1 or not is_key(sent[0]):
        detail = f"{HEADER} must be one value of 1 to {LONGEST_KEY} printable ASCII characters."
        raise Problem(400, "bad_idempotency_key", detail)
    if holds_card_number(sent[0]) and any(
        begins_like_a_card(run) for run in re.findall(r"\d{4,}", sent[0])
    ):
        detail = f"{HEADER} looks like a card number; it was not kept. Make one of random letters."
        raise Problem(400, "card_number_refused", detail)
    return sent[0]


def _target(request: Request) -> str:
    """The path as it was sent, and what follows it."""
    path = bytes(request.scope.get("raw_path") or request.url.path.encode())
    return b"?".join((path, bytes(request.scope["query_string"]))).decode("latin-1")


async def _worked(
    context: Context,
    request: Request,
    claim: Claim,
    answer: Callable[[], Awaitable[Response]],
) -> Response | None:
    """The answer, worked out and kept; None if another attempt has taken over: its answer
    counts."""
    request.state.claim = claim
    kept = forget = False
    try:
        response = await answer()
        forget = response.status_code in CORRECTED
        if response.status_code not in KEPT:
            return response
        body = bytes(response.body).decode()
        said = Answered(response.status_code, response.media_type or "", body)
        kept = await claims.answered(context, claim, said)
        if kept:
            return response
    except LostClaim:
        log.warning("request.claim_lost", claim=claim.id, instruction=claim.instruction)
    finally:
        if not kept:
            await asyncio.shield(claims.let_go(context, claim, forget=forget))
    return None


def _replayed(said: Answered) -> Response:
    headers = {REPLAYED: "true"}
    return Response(said.body, said.status, headers, media_type=said.media_type)
