"""Take in a file of invoices: every good line is one, and every bad line is named.

A long file is read and looked at while others go on writing; it is written down in small parts, or
in one piece where it is to be all or nothing. Must not charge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reconciler.context import Context
from reconciler.domain.invoice_files import BadLine, Read, read
from reconciler.domain.invoices import Draft
from reconciler.invoicing.invoices import SortedOut, sort_out, store
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store.database import Session

AT_ONCE = 1000
"""Lines that are looked at, and written, in one transaction."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: in numbers, and every line that was not taken. With `dry_run`, what
    would have become of it."""

    lines: int
    created: int
    unchanged: int
    bad: tuple[BadLine, ...]
    dry_run: bool
    all_or_nothing: bool

    @property
    def nothing(self) -> bool:
        return bool(self.bad) and self.all_or_nothing


@dataclass(frozen=True, slots=True)
class By:
    """Who takes the file in, and why."""

    actor: Actor
    reason: str


class _Overtaken(Exception):
    """Somebody else wrote one of these invoices since they were looked at."""


async def import_file(
    context: Context,
    content: bytes,
    actor: Actor,
    *,
    all_or_nothing: bool = False,
    dry_run: bool = False,
    reason: str = "",
) -> Imported:
    """Every good line of a CSV file is an invoice afterwards; with `all_or_nothing`, only if no
    line is bad."""
    found = await asyncio.to_thread(read, content)
    by = By(actor, reason)
    created = 0
    while True:
        looked = await _looked_at(context, found)
        if dry_run or (all_or_nothing and looked.bad):
            created = len(looked.new)
            break
        stored = await _store_all(context, looked.new, by, together=all_or_nothing)
        created += stored
        if stored == len(looked.new):
            break
    unchanged = len(looked.new) + looked.unchanged - created
    bad = tuple(sorted(looked.bad, key=lambda each: (each.line, each.column)))
    return Imported(found.lines, created, unchanged, bad, dry_run, all_or_nothing)


async def _looked_at(context: Context, found: Read) -> SortedOut:
    """The file's lines beside what is there now."""
    whole = SortedOut([], found.repeated, list(found.bad))
    for at in range(0, len(found.drafts), AT_ONCE):
        async with context.database.read() as session:
            part = await sort_out(session, found.drafts[at : at + AT_ONCE])
        whole.new += part.new
        whole.bad += part.bad
        whole.unchanged += part.unchanged
    return whole


async def _store_all(context: Context, new: Sequence[Draft], by: By, *, together: bool) -> int:
    """How many were written, before somebody else wrote one of them: then the rest is to be looked
    at again. All, if nobody did; if `together`, all or none."""
    size = max(1, len(new)) if together else AT_ONCE
    done = 0
    for at in range(0, len(new), size):
        part = new[at : at + size]
        try:
            async with context.write() as session:
                await _store_part(context, session, part, by)
        except _Overtaken:
            return done
        done += len(part)
    return done


async def _store_part(context: Context, session: Session, new: Sequence[Draft], by: By) -> None:
    for at in range(0, len(new), AT_ONCE):
        batch = new[at : at + AT_ONCE]
        if len(await store(context, session, batch)) < len(batch):
            raise _Overtaken
    after = {"invoices": len(new), "first": new[0].id, "last": new[-1].id}
    audited = Audit(by.actor, Action.INVOICE_IMPORTED, new[0].id, None, after, by.reason)
    record(session, audited, context.now())


def import_shown(outcome: Imported) -> dict[str, Any]:
    """The report of an import. Of a refused file nothing was created."""
    return {
        "lines": outcome.lines,
        "created": 0 if outcome.nothing else outcome.created,
        "unchanged": outcome.unchanged,
        "bad": len({line.line for line in outcome.bad}),
        "dry_run": outcome.dry_run,
        "all_or_nothing": outcome.all_or_nothing,
        "errors": [asdict(line) for line in outcome.bad],
    }
