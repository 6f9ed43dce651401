"""JSON bodies, read once and strictly: what is unknown, doubtful or of another type is refused.

Must not echo a value: what somebody sent by mistake may be a secret. Field names are echoed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import ClientDisconnect, Request

from handlers.problems import Problem
from reconciler.domain.pan import card_number

LARGEST_BODY_BYTES = 64 * 1024
LARGEST_AMOUNT = 999_999_999_999
"""Twelve digits: the most that Stripe takes in one amount."""

_TYPES = {
    "int_type": "must be a whole number of minor units, not text, a decimal or true",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
}


class Body(BaseModel):
    """A body's fields. An unknown one is refused: it may be a known one, misspelt."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Amount = Annotated[int, Field(ge=1, le=LARGEST_AMOUNT)]
Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(max_length=500)]


class Why(Body):
    """A command that needs no more than its path, and a reason for the audit log if there is one
    to give."""

    reason: Note = ""


B = TypeVar("B", bound=Body)


async def body_of(request: Request, model: type[B]) -> B:
    """The request's body. Raises Problem 400 with the field's name and what it must be."""
    value = await json_body(request)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _refused(error, model) from None


async def json_body(request: Request) -> dict[str, Any]:
    """The body as a JSON object, kept for whoever asks again; no body at all is an empty one.

    Raises Problem 400 `body_not_json` for anything that two readers could read differently.
    """
    if not hasattr(request.state, "body"):
        detail = f"The body is larger than {LARGEST_BODY_BYTES // 1024} KiB."
        request.state.body = _parsed(await raw_body(request, LARGEST_BODY_BYTES, detail))
    found: dict[str, Any] = request.state.body
    return found


async def raw_body(request: Request, largest: int, too_large: str) -> bytes:
    """The body as it was sent. Raises Problem 413 with this sentence beyond so many bytes, and 400
    if it ended early."""
    pieces, size = [], 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > largest:
                raise Problem(413, "body_too_large", too_large)
            pieces.append(piece)
    except ClientDisconnect:
        raise Problem(400, "body_incomplete", "The body ended before it was complete.") from None
    return b"".join(pieces)


def _parsed(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        _refuse_broken_text(value)
    except (ValueError, RecursionError) as error:
        detail = f"The body must be one JSON object in UTF-8{_why(error)}."
        raise Problem(400, "body_not_json", detail) from None
    if not isinstance(value, dict):
        detail = "The body must be one JSON object, as {…}."
        raise Problem(400, "body_not_json", detail)
    refuse_card_number(value)
    return value


def refuse_card_number(value: dict[str, Any]) -> None:
    """Raises Problem 400 with the field's name, if a field holds what looks like one."""
    place = card_number(value)
    if place:
        detail = (
            f"{place} holds what looks like a card number; it was not kept. Card numbers are"
            " entered on Stripe's own page only."
        )
        raise Problem(400, "card_number_refused", detail, field=place)


class _Doubtful(ValueError):
    """JSON that readers disagree about; the message is ours and may be shown."""


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f": it cannot be read at line {error.lineno}, column {error.colno}"
    return f": {error}" if isinstance(error, _Doubtful) else ""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Doubtful(f"the field {twice[:80]!r} stands in it twice")
    return found


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise _Doubtful("a number in it is too large to be one")
    return number


def _no_constant(name: str) -> Any:
    raise _Doubtful(f"{name} is not JSON")


def _refuse_broken_text(value: Any) -> None:
    """What no database could hold, or could not hold unchanged."""
    for text in texts(value):
        if "\x00" in text:
            raise _Doubtful("it holds a character of code 0")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise _Doubtful("it holds half a surrogate pair")


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, field names too, and every number as it is written."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _refused(error: ValidationError, model: type[Body]) -> Problem:
    found = error.errors(include_input=False, include_url=False, include_context=True)
    errors = [
        {"field": _field(item["loc"]), "detail": _sentence(dict(item), model)} for item in found
    ]
    first = errors[0]
    return Problem(400, "invalid_body", first["detail"], field=first["field"], errors=errors)


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)[:80]


def _sentence(item: dict[str, Any], model: type[Body]) -> str:
    name, kind = _field(item["loc"]), item["type"]
    if kind == "extra_forbidden":
        known = ", ".join(model.model_fields) or "none at all"
        return f"There is no field {name!r} here; the fields are: {known}."
    if kind == "missing":
        return f"{name} is missing."
    if kind == "string_pattern_mismatch" and item["ctx"]["pattern"].startswith("^[a-z]{3}"):
        return f"{name} must be a currency in three lower-case letters, such as usd."
    if kind == "value_error":
        return f"{name}: {str(item['msg']).removeprefix('Value error, ')}."
    words = _TYPES.get(kind) or re.sub("^(Input|String) should", "must", str(item["msg"]))
    return f"{name} {words[0].lower()}{words[1:]}."
