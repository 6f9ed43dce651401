"""What every listing is asked with: how many rows, and after which one."""

from __future__ import annotations

from collections.abc import Collection

from starlette.requests import Request

from handlers.problems import Problem

LARGEST_PAGE = 100
DEFAULT_PAGE = 20

Cursor = tuple[int, str]
"""A place in the order of a listing: when its last row was made, and its id."""


def require_known(request: Request, known: Collection[str]) -> None:
    """Raises Problem 400 for a query parameter that is none here, or comes twice: what is misspelt
    would otherwise be left out without a word."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            takes = ", ".join(known) or "none at all"
            detail = f"There is no parameter {name[:80]!r} here; the parameters are: {takes}."
            raise Problem(400, "unknown_parameter", detail, field=name[:80])
        if names.count(name) > 1:
            detail = f"{name} is there twice; send it once."
            raise Problem(400, "repeated_parameter", detail, field=name)


def limit_of(request: Request) -> int:
    """`limit`. Raises Problem 400."""
    written = request.query_params.get("limit", str(DEFAULT_PAGE))
    usable = written.isascii() and written.isdigit() and len(written) <= 3
    if not usable or not 1 <= int(written) <= LARGEST_PAGE:
        raise Problem(400, "bad_limit", f"limit must be a number from 1 to {LARGEST_PAGE}.")
    return int(written)


def after_of(request: Request) -> str:
    """`starting_after`, or nothing. Raises Problem 400 for what can be no id."""
    written = request.query_params.get("starting_after", "")
    if len(written) > 255 or "\x00" in written:
        raise Problem(400, "bad_cursor", "starting_after must be the id of the last row you have.")
    return written


def unknown_cursor(after: str) -> Problem:
    """What was to be listed on from is not there."""
    return Problem(400, "bad_cursor", f"starting_after names {after[:80]!r}, which is not listed.")
