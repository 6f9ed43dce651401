"""What a run read, kept so that it can be judged again: the canonical bytes of everything that its
outcome follows from, and the version of the rules that judge it.

docs/runs.md defines the canonical form. Must not judge: `report` does. Must not read anything.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from reconciler.reconciling.detecting.registry import DETECTORS
from reconciler.reconciling.look import Look


class NotPinned(Exception):
    """Bytes that do not hold what this version pins; the message says where they fail."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """Everything that a run's outcome follows from. `standing` are findings of the self-check that
    had not cleared; `canary` is the look at the planted differences."""

    looks: tuple[Look, ...]
    standing: tuple[Mapping[str, Any], ...]
    canary: Look


def canonical(value: Any) -> bytes:
    """The one way to write a value as JSON: UTF-8, names sorted, nothing between the tokens."""
    return msgspec.json.encode(value, order="sorted")


def digest(body: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def pin(pinned: Pinned) -> bytes:
    """What was read, in canonical form."""
    return canonical(pinned)


def unpin(body: bytes) -> Pinned:
    """What was read, from its canonical form. Raises NotPinned."""
    try:
        return _read(msgspec.json.decode(body))
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise NotPinned(f"What the run read cannot be read here: {error}.") from None


def _read(given: Any) -> Pinned:
    looks = tuple(_look(look) for look in given["looks"])
    return Pinned(looks, tuple(given["standing"]), _look(given["canary"]))


def _look(given: Any) -> Look:
    seen = {
        name: msgspec.convert(given["seen"][name], detector.Seen)
        for name, detector in DETECTORS.items()
    }
    unknown = given["seen"].keys() - seen.keys()
    if unknown:
        raise ValueError(f"no rule here knows {', '.join(sorted(unknown))}")
    look: Look = msgspec.convert({**given, "seen": {}}, Look)
    return replace(look, seen=seen)


def compressed(body: bytes) -> bytes:
    return zlib.compress(body, 6)


def restored(body: bytes) -> bytes:
    return zlib.decompress(body)


RULES = ("reconciler.domain", "reconciler.reconciling", "reconciler.reconciling.detecting")
"""The rooms whose sources decide what a run says of what it read."""


@cache
def rules() -> str:
    """The version of the rules: a digest of their sources, so that nobody can forget to change it.

    Another version may judge the same in the end: it says only that the rules were touched.
    """
    sums = hashlib.sha256()
    for package in RULES:
        for source in sorted(files(package).iterdir(), key=lambda entry: entry.name):
            if source.name.endswith(".py"):
                sums.update(f"{package}/{source.name}\n".encode() + source.read_bytes())
    return sums.hexdigest()[:16]
