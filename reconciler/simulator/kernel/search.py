"""Searching: a small part of Stripe's query language, over what an account has.

Clauses are joined by AND or by OR, never both. Unlike at Stripe, what was written is found at once.
https://docs.stripe.com/search
"""

import re
from collections.abc import Callable
from itertools import islice
from typing import Any

from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.world import Call, Json

Test = Callable[[Json], bool]

_CLAUSE = re.compile(
    r"""\s*(?P<no>-)?(?P<field>\w+(?:\.\w+)*)(?:\[(?P<q>["'])(?P<key>.*?)(?P=q)\])?\s*
    (?P<op>:|~|>=|<=|>|<)\s*
    (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<bare>[^\s"']+))\s*""",
    re.VERBOSE,
)
_JOIN = re.compile(r"(AND|OR)\b\s*", re.IGNORECASE)
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
}


def search(call: Call, shelf: dict[str, Json], url: str, fields: tuple[str, ...]) -> Json:
    """One page of what matches, newest first; the next page is asked for by number."""
    matches = _query(call.form.needed("query"), (*fields, "metadata", "created"))
    limit = call.form.integer("limit") or 10
    if not 1 <= limit <= 100:
        raise refused("Limit must be between 1 and 100.", param="limit")
    start = _start(call.form.text("page"))
    rows = (row for row in reversed(shelf.values()) if matches(row))
    found = list(islice(rows, start, start + limit + 1))
    more = len(found) > limit
    return {
        "object": "search_result",
        "data": found[:limit],
        "has_more": more,
        "next_page": f"page_{start + limit}" if more else None,
        "url": url,
    }


def _start(given: str | None) -> int:
    if given is None:
        return 0
    number = re.fullmatch(r"page_(\d{1,9})", given, re.ASCII)
    if number is None:
        raise refused(f"Invalid page: {given}", param="page")
    return int(number[1])


def _query(text: str, fields: tuple[str, ...]) -> Test:
    tests: list[Test] = []
    joins: set[str] = set()
    place = 0
    while True:
        clause = _CLAUSE.match(text, place)
        if clause is None:
            raise _unreadable(text)
        tests.append(_test(clause.groupdict(), fields))
        place = clause.end()
        if place == len(text):
            break
        join = _JOIN.match(text, place)
        if join is None:
            raise _unreadable(text)
        joins.add(join[1].upper())
        place = join.end()
    if len(joins) > 1:
        raise refused("You cannot combine AND and OR in the same search query.", param="query")
    together = any if joins == {"OR"} else all
    return lambda row: together(test(row) for test in tests)


def _test(clause: dict[str, Any], fields: tuple[str, ...]) -> Test:
    field, key, op = clause["field"], clause["key"], clause["op"]
    if field not in fields:
        raise refused(f"Field `{field}` is an unsupported search field for this resource.")
    text = next(t for t in (clause["double"], clause["single"], clause["bare"]) if t is not None)
    text = re.sub(r"\\(.)", r"\1", text)
    unwanted = clause["no"] is not None

    def value_of(row: Json) -> Any:
        value: Any = row
        for step in field.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value.get(key) if key is not None and isinstance(value, dict) else value

    def fits(row: Json) -> bool:
        return _holds(value_of(row), op, text) != unwanted

    return fits


def _holds(value: Any, op: str, text: str) -> bool:
    if text == "null" and op == ":":
        return value is None
    if value is None:
        return False
    if op == "~":
        return text.lower() in str(value).lower()
    if op == ":":
        return str(value).lower() == text.lower()
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII) or not isinstance(value, int):
        return False
    return _COMPARE[op](value, int(text))


def _unreadable(text: str) -> Refusal:
    return refused(f"We were unable to parse your search query: {text}", param="query")
