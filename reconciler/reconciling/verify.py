"""Verify an exported run: judge again what it read, and hold every part of the file against that.

Needs the file and nothing else: no service, no database, no network. Pure. It proves that a file is
whole and follows from what it says was read; that this is what the service wrote is proven only by
the digest that the service shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from reconciler.moments import rendered
from reconciler.reconciling.document import FORMAT
from reconciler.reconciling.outcome import (
    control,
    judge,
    judged_at,
    key_of,
    not_yet_told,
    told,
    written,
)
from reconciler.reconciling.pinning import NotPinned, Pinned, canonical, digest, rules, unpin

LISTED = 50
"""How many differences in one part are named."""

PARTS = ("control", "digest", "findings", "format", "run", "seen")
Json = Any


class NotARun(Exception):
    """A file that is no exported run; the message says why."""


@dataclass(frozen=True, slots=True)
class Said:
    """One part of a file: whether it agrees with what it should be, and where it does not."""

    part: str
    agrees: bool
    words: str
    differences: tuple[str, ...] = ()


def verify(body: bytes, known: str = "") -> list[Said]:
    """What became of each part. `known` is the run's digest as somebody else keeps it. Raises
    NotARun."""
    document = _opened(body)
    said = [
        _form(body, document),
        _digest("what was read", digest(canonical(document["seen"])), document["digest"]["seen"]),
        _digest("the run", _whole(document), document["digest"]["run"]),
    ]
    if known:
        said.append(_digest("the digest known from elsewhere", document["digest"]["run"], known))
    said.append(_compared("control totals", control(document["findings"]), document["control"]))
    said.append(_rules(document["run"]))
    try:
        pinned = unpin(canonical(document["seen"]))
        return [*said, *_judged_again(pinned, document)]
    except NotPinned as error:
        return [*said, Said("judged again", False, str(error))]
    except Exception as error:  # what somebody has changed may break any rule in any way
        words = f"what was read cannot be judged: {type(error).__name__}: {error}"
        return [*said, Said("judged again", False, words)]


def _opened(body: bytes) -> dict[str, Json]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotARun(f"The file is not JSON: {error}.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotARun(f"The file is not an exported run: its format is not {FORMAT!r}.")
    if document.keys() != set(PARTS):
        raise NotARun(f"The file does not have just these parts: {', '.join(PARTS)}.")
    if document["seen"] is None:
        raise NotARun("The run was written before runs kept what they read: nothing to judge.")
    if problem := _misshapen(document):
        raise NotARun(f"The file is not an exported run: {problem}.")
    return document


def _misshapen(document: Mapping[str, Json]) -> str:
    """What keeps a document from being read part by part; nothing if it can be."""
    digests, run, findings = document["digest"], document["run"], document["findings"]
    if not isinstance(digests, dict) or digests.keys() != {"run", "seen"}:
        return "its digest is not of a run and of what was read"
    if not isinstance(run, dict) or not isinstance(findings, list):
        return "its run or its findings are not where they should be"
    needed = ("id", "status", "stripe_account", "kind", "currency", "reference")
    amounts = ("stripe_amount", "books_amount", "difference", "at_risk")
    for finding in findings:
        whole = isinstance(finding, dict) and all(
            isinstance(finding.get(name), str) for name in needed
        )
        if not whole or not all(type(finding.get(name)) is int for name in amounts):
            return "one of its findings is none"
        if finding["status"] not in ("open", "timing", "suppressed"):
            return f"finding {finding['id']} has a status that there is not"
    return ""


def _form(body: bytes, document: Json) -> Said:
    if canonical(document) + b"\n" == body:
        return Said("form", True, "the file is in canonical form, byte for byte")
    return Said("form", False, "the file is not in canonical form: something rewrote it")


def _whole(document: Mapping[str, Json]) -> str:
    """The run's digest: of everything but itself, with what was read as its digest."""
    parts = {name: document[name] for name in PARTS if name not in ("digest", "seen")}
    return digest(canonical({**parts, "seen": digest(canonical(document["seen"]))}))


def _digest(part: str, found: Json, stated: Json) -> Said:
    if found == stated:
        return Said(f"digest of {part}", True, f"{found}")
    return Said(f"digest of {part}", False, f"it is {found}, and {stated} is stated")


def _rules(run: Mapping[str, Json]) -> Said:
    ours, theirs = rules(), run.get("rules")
    if ours == theirs:
        return Said("rules", True, f"judged by the same rules, {ours}")
    words = (
        f"judged by another version of the rules, {theirs}, and judged again by {ours}: what does"
        " not agree below may be the rules' doing"
    )
    return Said("rules", True, words)


def _judged_again(pinned: Pinned, document: Mapping[str, Json]) -> Iterator[Said]:
    outcome, now = judge(pinned), judged_at(pinned)
    run, findings = document["run"], document["findings"]
    again = rendered(written(outcome, findings))
    for part in ("status", "drift", "counts", "bridge", "coverage"):
        yield _compared(part, again[part], run.get(part))
    standing = not_yet_told(pinned.standing, outcome.findings)
    due = {key_of(row): rendered(row) for row in standing}
    for finding in outcome.findings:
        row = {**rendered(told(finding, now))}
        due[key_of(row)] = row
    yield _findings(_plain(due), findings)


def _plain(due: Mapping[Any, Json]) -> dict[Any, Json]:
    """As they are once they have been written and read."""
    return {key: msgspec.json.decode(canonical(row)) for key, row in due.items()}


def _findings(due: Mapping[Any, Json], stated: list[Json]) -> Said:
    """Each finding that follows is there, each that is there follows, and they say the same."""
    held = {key_of(finding): finding for finding in stated}
    wrong = [f"{_name(key)} follows from what was read and is missing" for key in due.keys() - held]
    wrong += [f"{_name(key)} does not follow from what was read" for key in held.keys() - due]
    for key in sorted(due.keys() & held.keys()):
        shown = {name: held[key].get(name) for name in due[key]}
        wrong += [f"{_name(key)}, {text}" for text in _apart(due[key], shown)]
    if len(held) < len(stated):
        wrong.append("one difference is told by several findings")
    return _said(f"{len(stated)} findings", sorted(wrong))


def _name(key: tuple[str, ...]) -> str:
    return " ".join(part for part in (*key[1:3], key[3], f"of {key[0]}") if part)


def _compared(part: str, due: Json, stated: Json) -> Said:
    return _said(part, list(_apart(msgspec.json.decode(canonical(due)), stated)))


def _said(part: str, wrong: list[str]) -> Said:
    if not wrong:
        return Said(part, True, "follows from what was read")
    more = f", of which {LISTED} are named" if len(wrong) > LISTED else ""
    words = f"{len(wrong)} {'differences' if len(wrong) > 1 else 'difference'}{more}"
    return Said(part, False, words, tuple(wrong[:LISTED]))


def _apart(due: Json, stated: Json, path: str = "") -> Iterator[str]:
    """Where two values differ, and how: first what follows, then what is stated."""
    if isinstance(due, dict) and isinstance(stated, dict):
        for name in sorted(due.keys() | stated.keys()):
            yield from _apart(due.get(name), stated.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(due, list) and isinstance(stated, list) and len(due) == len(stated):
        for number, (one, other) in enumerate(zip(due, stated, strict=True)):
            yield from _apart(one, other, f"{path}[{number}]")
    elif type(due) is not type(stated) or due != stated:
        yield f"{path or 'value'}: {_short(due)} follows, {_short(stated)} is stated"


def _short(value: Json) -> str:
    written = canonical(value).decode()
    return written if len(written) <= 80 else f"{written[:77]}…"
