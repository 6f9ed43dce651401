"""A request that must have its effect once: claimed, decided, answered, and answered again.

An idempotency key is a row. Whoever holds its lease may work on it; whoever repeats the request
gets the stored answer. What a request decides is named in its row in the same transaction, so
that after a crash the next attempt finds the instruction instead of making a second one; and a
holder whose lease ran out can decide nothing any more. Must not know what is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.context import Context
from reconciler.store import request_keys
from reconciler.store.database import Row, Session

LEASE_SECONDS = 120
"""Longer than one request works: it waits for Stripe twice, thirty seconds each at most."""

KEPT_SECONDS = 30 * 86400
PRUNED_AT_ONCE = 1000


class LostClaim(Exception):
    """Another attempt of this request took over: what this one was about to decide must not be."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one request. `id` stands in what it makes, as its `request_key`;
    `instruction` names what an earlier attempt of it decided, if one did."""

    id: str
    token: str
    instruction: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer that was given, to be given again."""

    status: int
    media_type: str
    body: str


class Held(StrEnum):
    """Why a key is not to be had."""

    REUSED = "reused"  # it belongs to another request
    RUNNING = "running"  # this request is being worked on


async def take(context: Context, api_key: str, key: str, digest: str) -> Claim | Answered | Held:
    """The claim of a key for one request, or what stands in its way."""
    async with context.database.read(brief=True) as session:
        row = await request_keys.get(session, api_key, key)
    if row is None or _takeable(row, digest, context.now()):
        claimed = await _claimed(context, api_key, key, digest)
        if isinstance(claimed, Claim):
            return claimed
        row = claimed
    if row is None:
        return Held.RUNNING  # let go of between two looks: the next one has it
    if row["digest"] != digest:
        return Held.REUSED
    if row["status"]:
        return Answered(row["status"], row["media_type"], row["body"])
    return Held.RUNNING


def _takeable(row: Row, digest: str, now: int) -> bool:
    return row["digest"] == digest and not row["status"] and row["leased_until"] <= now


async def _claimed(context: Context, api_key: str, key: str, digest: str) -> Claim | Row | None:
    """The claim; or the row of whoever was first, if it is still there."""
    token = context.new_id("clm")
    async with context.write(brief=True) as session:
        row = await request_keys.claim(
            session,
            id=context.new_id("rqk"),
            api_key=api_key,
            key=key,
            digest=digest,
            token=token,
            now=context.now(),
            seconds=LEASE_SECONDS,
        )
        if row is None:
            return await request_keys.get(session, api_key, key)
    return Claim(row["id"], token, row["instruction"])


async def decided(session: Session, claim: Claim | None, instruction: str) -> None:
    """The claim names what it decided, in the transaction that decides it.

    Raises LostClaim, which undoes that transaction, if the claim is no longer ours. Work that no
    request asked for has no claim.
    """
    if claim is None:
        return
    if not await request_keys.decided(session, claim.id, claim.token, instruction):
        raise LostClaim(f"the claim of {claim.id} was taken over before {instruction} was decided")


async def answered(context: Context, claim: Claim, answer: Answered) -> bool:
    """Whether this is now the answer to the request; False if another attempt took it over."""
    async with context.write(brief=True) as session:
        return await request_keys.answer(
            session, claim.id, claim.token, answer.status, answer.media_type, answer.body
        )


async def let_go(context: Context, claim: Claim, *, forget: bool) -> None:
    """Nothing was answered for good: the next attempt may go on at once. With `forget`, and if
    nothing was decided, the key may also serve another request."""
    async with context.write(brief=True) as session:
        if forget:
            await request_keys.forget(session, claim.id, claim.token)
        else:
            await request_keys.release(session, claim.id, claim.token)


async def prune(context: Context) -> int:
    """Keys older than thirty days are forgotten: how many."""
    total = 0
    while True:
        async with context.write() as session:
            gone = await request_keys.prune(session, context.now() - KEPT_SECONDS, PRUNED_AT_ONCE)
        total += gone
        if gone < PRUNED_AT_ONCE:
            return total
