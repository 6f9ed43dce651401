"""Import stored events, as if they had been received: for backfill and drills.

Takes files of one event, JSON Lines, and folders of either. What cannot be an event is named and
left out; everything else goes through the same inbox and the same apply as a webhook.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import track

from reconciler.context import Context
from reconciler.intake.apply import NAMED, apply_all
from reconciler.intake.envelopes import open_envelope
from reconciler.intake.ingest import keep
from reconciler.oversight.audit import SERVICE, Action, Actor, Audit, record
from reconciler.store import inbox, objects
from reconciler.store.inbox import Delivery

BATCH = 500


async def import_files(
    context: Context,
    paths: Sequence[Path],
    out: Console | None = None,
    actor: Actor = SERVICE,
) -> dict[str, Any]:
    """What became of the events in these files, in numbers and names."""
    unreadable: list[str] = []
    found = list(_bodies(paths, unreadable))
    await _record(context, paths, [body for _, body in found], actor)
    batches = [found[at : at + BATCH] for at in range(0, len(found), BATCH)]
    shown = track(batches, "importing", console=out, transient=True) if out else batches
    new: list[Delivery] = []
    for batch in shown:
        now = context.now()
        deliveries = [open_envelope(body, "imported", now) for _, body in batch]
        kept = await keep(context.database, deliveries)
        new += [deliveries[index] for index in sorted(kept)]
    await apply_all(context)
    async with context.database.read(snapshot=True) as session:
        counts = await inbox.counts(session)
        waiting = await objects.waiting(session, 1000)
        dead = await inbox.dead(session, 1000)
    return {
        "events": len(found),
        "new": len(new),
        "repeated": len(found) - len(new),
        "unreadable": unreadable,
        "inbox": [dict(row) for row in counts],
        "waiting_for": waiting,
        "dead": [{"event": row["event_id"], "error": row["error"]} for row in dead],
    }


async def _record(
    context: Context, paths: Sequence[Path], bodies: Sequence[bytes], actor: Actor
) -> None:
    """First, because the events come in several transactions: none is there without this row."""
    if not bodies:
        return
    digest = hashlib.sha256()
    for body in bodies:
        digest.update(b"%d " % len(body) + body)
    after = {
        "files": [path.name for path in paths[:NAMED]],
        "events": len(bodies),
        "sha256": digest.hexdigest(),
    }
    async with context.write() as session:
        entry = Audit(actor, Action.EVENT_IMPORTED, "inbox", after=after)
        record(session, entry, context.now())


def _bodies(paths: Sequence[Path], unreadable: list[str]) -> Iterator[tuple[str, bytes]]:
    """Each event's own bytes, with the file (and line) that it came from."""
    for path in _files(paths, unreadable):
        try:
            content = path.read_bytes()
        except OSError as error:
            unreadable.append(f"{path}: {error.strerror}")
            continue
        yield from _events(path, content, unreadable)


def _files(paths: Sequence[Path], unreadable: list[str]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted([*path.rglob("*.json"), *path.rglob("*.jsonl")])
        elif path.exists():
            yield path
        else:
            unreadable.append(f"{path}: there is no such file")


def _events(path: Path, content: bytes, unreadable: list[str]) -> Iterator[tuple[str, bytes]]:
    if path.suffix != ".jsonl" and _is_event(content):
        yield str(path), content
        return
    lines = [(n, line) for n, line in enumerate(content.splitlines(), 1) if line.strip()]
    events = [(f"{path}:{n}", line) for n, line in lines if _is_event(line)]
    if not events:
        unreadable.append(f"{path}: holds no event")
        return
    yield from events
    held = {name for name, _ in events}
    unreadable += [f"{path}:{n}: is no event" for n, _ in lines if f"{path}:{n}" not in held]


def _is_event(content: bytes) -> bool:
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return isinstance(body, dict) and str(body.get("object")).endswith("event") and "type" in body
