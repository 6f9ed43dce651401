"""The audit log over HTTP: who did what, newest first."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from handlers import rendering
from handlers.paging import DEFAULT_PAGE, LARGEST_PAGE
from handlers.problems import Problem
from reconciler.context import Context
from reconciler.moments import moment
from reconciler.oversight import audit

LONGEST_FILTER = 255


async def rows(context: Context, request: Request) -> Any:
    """`GET /v1/audit`: a page of rows, and what a page of them may be narrowed to."""
    found, more, _ = await page(context, request, DEFAULT_PAGE)
    return rendering.listing([{**row, "at": moment(row["at"])} for row in found], more)


async def head(context: Context, _: Request) -> Any:
    """`GET /v1/audit/head`: an anchor, for whoever keeps them."""
    last = await audit.head(context)
    if last is None:
        raise Problem(503, "broken_chain", "The head of the audit log is gone; verify it.")
    return {"seq": last.seq, "hash": last.hash, "anchor": str(last), "at": moment(context.now())}


async def page(
    context: Context, request: Request, size: int
) -> tuple[list[dict[str, Any]], bool, dict[str, str]]:
    """The rows asked for, whether there are more, and what they were narrowed to."""
    asked = _filters(request)
    limit = _number(request, "limit", size, LARGEST_PAGE, "bad_limit")
    before = _number(request, "starting_after", None, 2**62, "bad_cursor")
    found, more = await audit.listed(context, limit or size, before, **asked)
    return found, more, asked


def _filters(request: Request) -> dict[str, str]:
    """The subject, the action and the key that are asked for; empty for all."""
    asked = {name: request.query_params.get(name, "") for name in ("subject", "action", "key_id")}
    for name, value in asked.items():
        if len(value) > LONGEST_FILTER or "\x00" in value:
            raise Problem(400, f"bad_{name}", f"{name} is too long, or holds what no id does.")
    if asked["action"] and asked["action"] not in list(audit.Action):
        known = ", ".join(audit.Action)
        raise Problem(400, "bad_action", f"action must be one of {known}.")
    return asked


def _number(request: Request, name: str, default: int | None, most: int, code: str) -> int | None:
    written = request.query_params.get(name)
    if written is None:
        return default
    usable = written.isascii() and written.isdigit() and len(written) <= 19
    if not usable or not 1 <= int(written) <= most:
        what = f"from 1 to {most}" if name == "limit" else "that of the last row you have"
        raise Problem(400, code, f"{name} must be a number {what}.")
    return int(written)
