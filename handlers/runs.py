"""Runs over HTTP: started, listed, as of a moment, and opened down to what stands behind a line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from handlers import rendering
from handlers.answers import stripe_of
from handlers.bodies import Body, body_of
from handlers.files import run_file
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import Problem, not_found, path_id
from reconciler.context import Context
from reconciler.domain.snapshot import PLATFORM
from reconciler.moments import rendered
from reconciler.reconciling.check import check
from reconciler.reconciling.drill_down import Line, Opened, open_line
from reconciler.reconciling.words import words
from reconciler.store import runs

LINE = ("currency", "stripe_account", "account")
LONGEST_NAME = 300


class Asked(Body):
    """What is asked of a new run: `full` recomputes everything without the ledger, too. It looks at
    Stripe as it is, so `as_of` can be no other moment than now."""

    full: bool = Field(default=False)
    as_of: str = Field(default="", max_length=40)


async def listed(context: Context, request: Request) -> Any:
    """Runs, newest first; with `as_of`, those that were finished by then."""
    limit, after = limit_of(request), after_of(request)
    moment = _moment(request.query_params.get("as_of", ""), context.now())
    async with context.database.read(snapshot=True) as session:
        last = await runs.run(session, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last["started_at"], last["id"]) if last else None
        if moment is None:
            found = await runs.runs(session, limit + 1, before)
        else:
            found = await runs.as_of(session, moment, limit + 1, before)
    return rendering.listing([shown(row) for row in found[:limit]], len(found) > limit)


def _moment(written: str, now: int) -> int | None:
    """A moment in the past as epoch seconds; None for none. Raises Problem 400."""
    if not written:
        return None
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        detail = "as_of must be a moment with its zone, such as 2026-10-31T23:59:59Z."
        raise Problem(400, "bad_as_of", detail)
    if at.timestamp() > now:
        raise Problem(
            400, "as_of_in_the_future", "as_of lies in the future: nobody has looked there yet."
        )
    return int(at.timestamp())


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A run as the interface has it; its bridge has a route of its own."""
    return {
        "id": row["id"],
        "status": row["status"],
        "as_of": row["coverage"]["as_of"],
        "started_at": row["started_at"],
        "finished_at": row["finished_at"],
        "coverage": {**row["coverage"], "words": words(row["coverage"])},
        "drift": row["drift"]["drift"],
        "timing": row["drift"]["timing"],
        "suppressed": row["drift"].get("suppressed", {}),
        "findings": row["counts"],
        "rules": row["rules"],
        "sha256": row["sha256"],
    }


async def started(context: Context, request: Request) -> Any:
    """Mirror and reconcile now. Anything Stripe would not tell makes the run incomplete."""
    asked = await body_of(request, Asked)
    moment = _moment(asked.as_of, context.now())
    if moment is not None and moment < context.now():
        detail = "A run looks at Stripe as it is; for those of before: GET /v1/drift/runs?as_of=…"
        raise Problem(400, "as_of_in_the_past", detail)
    stripe = stripe_of(context)
    run = await check(context, stripe, actor=request.state.actor, full=asked.full)
    return rendered(shown(run))


async def _run(context: Context, id: str) -> dict[str, Any]:
    async with context.database.read() as session:
        row = await runs.run(session, id)
    if row is None:
        raise not_found("run", id)
    return row


async def one(context: Context, request: Request) -> Any:
    return rendered(shown(await _run(context, path_id(request))))


async def bridge(context: Context, request: Request) -> Any:
    row = await _run(context, path_id(request))
    return {"run": row["id"], "bridge": rendered(row["bridge"])}


async def line(context: Context, request: Request) -> Any:
    """A line of the bridge, opened: findings with their evidence, accounts, or entries with what
    caused them."""
    row, opened = await opened_line(context, request, limit_of(request))
    return rendered(
        {
            "run": row["id"],
            "stripe_account": opened.line.stripe_account,
            "currency": opened.line.currency,
            "key": opened.line.key,
            "amount": opened.amount,
            "lines": opened.parts,
            "findings": opened.findings,
            "accounts": opened.accounts,
            "entries": opened.entries,
            "has_more": opened.more,
        }
    )


async def opened_line(
    context: Context, request: Request, limit: int
) -> tuple[dict[str, Any], Opened]:
    """The run and the line that a request names. Raises Problem 404 where there is none."""
    row = await _run(context, path_id(request))
    key = str(request.path_params["key"])
    named = [request.query_params.get(name, "") for name in LINE]
    if any(len(part) > LONGEST_NAME or "\x00" in part for part in (key, *named)):
        raise not_found("line", key)
    currency, stripe_account, account = named
    currencies = {bridge["currency"] for bridge in row["bridge"]}
    if not currency and len(currencies) != 1:
        raise Problem(404, "not_found", "Name the line's currency: the run has not just one.")
    asked = Line(stripe_account or PLATFORM, currency or min(currencies), key, account)
    opened = await open_line(context, row, asked, after_of(request), limit)
    if opened is None:
        raise not_found("line", key)
    return row, opened


async def export(context: Context, request: Request) -> Response:
    """A run as a file, `?format=json|csv|xlsx`."""
    return await run_file(context, path_id(request), request.query_params.get("format", "json"))
