"""The whole state of a simulator as one JSON document, and back.

A document says everything: going on after a load gives the same bytes as going on without it.
What rooms keep for themselves they hand out and take back by `state` and `restore`; the world's own
attributes are taken as they are, so none can be forgotten. A load happens in place, since others
hold on to the world, its clock and its ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from fractions import Fraction
from typing import Any, Protocol, get_type_hints

import msgspec

from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.kernel.world import Book, Json, World

FORMAT = 1

# Of the world: kept by themselves, or tied anew by every simulator.
_APART = frozenset({"settings", "clock", "ids", "journal", "books", "publish", "follows"})


class Unfit(ValueError):
    """Why a state cannot be written down, or not be taken up."""


class Part(Protocol):
    """What keeps state of its own beside the world."""

    def state(self) -> Json: ...

    def restore(self, state: Json) -> None: ...


def dump(world: World, parts: Mapping[str, Part]) -> bytes:
    """Everything there is, as one JSON document."""
    rest = {name: value for name, value in vars(world).items() if name not in _APART}
    document = {
        "format": FORMAT,
        "settings": vars(world.settings),
        "clock": world.clock.state(),
        "ids": world.ids.state(),
        "world": rest,
        "books": [vars(book) for book in world.books.values()],
        "parts": {name: part.state() for name, part in parts.items()},
        "journal": world.journal.state(),
    }
    try:
        return msgspec.json.encode(document, enc_hook=_as_text)
    except TypeError as error:
        raise Unfit(f"This state cannot be written down: {error}.") from error


def load(world: World, parts: Mapping[str, Part], state: Json) -> None:
    """Take up a state that was read, instead of everything there was."""
    try:
        settings = settings_from(state["settings"])
        books = [_book(stored) for stored in state["books"]]
        rest = {**state["world"], "index": _index(state["world"]["index"])}
        for name, value in settings.items():
            setattr(world.settings, name, value)
        world.clock.restore(state["clock"])
        world.ids.restore(state["ids"])
        world.journal.restore(state["journal"])
        world.books = {book.id: book for book in books}
        vars(world).update(rest)
        for name, part in parts.items():
            part.restore(state["parts"][name])
    except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise Unfit(f"This is not the state of a simulator: {error!r}.") from error


def read(document: bytes) -> Json:
    """What a document says, if it is the state of a simulator at all."""
    try:
        state = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unfit(f"This is not the state of a simulator: {error}.") from error
    if not isinstance(state, dict) or "format" not in state:
        raise Unfit("This is not the state of a simulator: it names no format.")
    if state["format"] != FORMAT:
        raise Unfit(f"This state has format {state['format']}; this simulator reads {FORMAT}.")
    return state


def _as_text(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"it holds a {type(value).__name__}")


def settings_from(given: Json) -> Json:
    """Settings by name, from plain values or, as on a command line, from texts."""
    hints = get_type_hints(Settings)
    unknown = sorted(given.keys() - {setting.name for setting in fields(Settings)})
    if unknown:
        raise Unfit(f"There is no such setting: {', '.join(unknown)}.")
    return {name: _setting(name, hints[name], value) for name, value in given.items()}


def _setting(name: str, hint: Any, value: Any) -> Any:
    readings = [value]
    if isinstance(value, str):
        with suppress(msgspec.DecodeError):
            readings.append(msgspec.json.decode(value))
    for reading in readings:
        try:
            return msgspec.convert(
                reading, hint, strict=not isinstance(reading, str), dec_hook=_from_text
            )
        except (msgspec.ValidationError, ValueError, ZeroDivisionError):
            continue
    raise Unfit(f"Wrong {name}: {value!r}.")


def _from_text(type_: type, value: Any) -> Any:
    if type_ is Fraction and isinstance(value, str | int):
        return Fraction(value)
    raise ValueError(f"nothing known of {type_.__name__}")


def _book(stored: Json) -> Book:
    book = Book(stored["account"])
    vars(book).update(stored)
    return book


def _index(stored: dict[str, list[str]]) -> dict[str, tuple[str, str]]:
    return {object_id: (account, kind) for object_id, (account, kind) in stored.items()}
