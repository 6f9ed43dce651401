"""The read API: one function for each route, from a request to a plain value."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from handlers import rendering
from handlers.paging import Cursor, after_of, limit_of, unknown_cursor
from handlers.problems import Problem, not_found, path_id
from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import PLATFORM
from reconciler.moments import rendered
from reconciler.oversight import views
from reconciler.store import inbox, merchants, mirror, objects


async def payments(context: Context, request: Request) -> Any:
    limit, after = limit_of(request), after_of(request)
    async with context.database.read(snapshot=True) as session:
        before = await views.payment_cursor(session, after) if after else None
        if after and before is None:
            raise unknown_cursor(after)
        found, more = await views.payments(session, limit, before)
    return rendering.listing([rendering.payment(p) for p in found], more)


async def payment(context: Context, request: Request) -> Any:
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        found = await views.one_payment(session, id)
    if found is None:
        raise not_found("payment", id)
    return rendered(rendering.payment(found))


async def _object_cursor(session: Any, after: str) -> Cursor | None:
    if not after:
        return None
    record = (await objects.get(session, [after])).get(after)
    if record is None:
        raise unknown_cursor(after)
    return record.snapshot.created, record.snapshot.id


def of_kind(kind: Kind) -> Any:
    """The listing of one kind of Stripe object on the platform's own account."""

    async def listed(context: Context, request: Request) -> Any:
        limit, after = limit_of(request), after_of(request)
        async with context.database.read(snapshot=True) as session:
            before = await _object_cursor(session, after)
            found = await objects.page(session, kind, PLATFORM, limit + 1, before)
        rows = [rendering.stripe_object(record.snapshot) for record in found[:limit]]
        return rendering.listing(rows, len(found) > limit)

    return listed


def one_of_kind(kind: Kind) -> Any:
    """One object of a kind, by Stripe's id."""

    async def found(context: Context, request: Request) -> Any:
        id = path_id(request)
        async with context.database.read() as session:
            record = (await objects.get(session, [id])).get(id)
        if record is None or record.snapshot.kind is not kind:
            raise not_found(kind.value.replace("_", " "), id)
        return rendered(rendering.stripe_object(record.snapshot))

    return found


async def balance_transactions(context: Context, request: Request) -> Any:
    limit, after = limit_of(request), after_of(request)
    async with context.database.read(snapshot=True) as session:
        before = await mirror.cursor(session, after) if after else None
        if after and before is None:
            raise unknown_cursor(after)
        found = await mirror.page(session, PLATFORM, limit + 1, before)
    rows = [rendering.balance_transaction(row) for row in found[:limit]]
    return rendering.listing(rows, len(found) > limit)


async def events(context: Context, request: Request) -> Any:
    limit, after = limit_of(request), after_of(request)
    status = request.query_params.get("status", "")
    if status not in ("", "received", "waiting", "applied", "irrelevant", "dead"):
        raise Problem(
            400, "bad_status", "status must be received, waiting, applied, irrelevant or dead."
        )
    async with context.database.read(snapshot=True) as session:
        last = await inbox.get(session, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = last["seq"] if last else 2**62
        found = await inbox.page(session, limit + 1, before, status)
    return rendering.listing([event_shown(row) for row in found[:limit]], len(found) > limit)


async def event(context: Context, request: Request) -> Any:
    id = path_id(request)
    async with context.database.read() as session:
        row = await inbox.get(session, id)
    if row is None:
        raise not_found("event", id)
    body = bytes(row["body"]).decode("utf-8", "replace")
    return rendered({**event_shown(row), "body": body})


def event_shown(row: Any) -> dict[str, Any]:
    """An event of the inbox as the interface has it, without its body."""
    shown = {k: v for k, v in row.items() if k not in ("seq", "event_id", "body", "livemode")}
    return {"id": row["event_id"], **shown, "livemode": bool(row["livemode"])}


async def merchant_balance(context: Context, request: Request) -> Any:
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        known = await merchants.get(session, id)
        found = await views.merchant_balance(session, id)
    if not found and known is None:
        raise not_found("merchant", id)
    return {"merchant": id, "balances": found}


async def platform_balance(context: Context, _: Request) -> Any:
    return {"balances": rendered(await views.platform_balance(context))}
