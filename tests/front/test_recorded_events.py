"""Real events of many API versions, imported and received: nothing fails, order means nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec

from reconciler.intake.apply import apply_all
from reconciler.intake.importing import import_files
from reconciler.simulator.outside.webhooks.delivery import signature
from tests.harness import BASE, CONNECT_SECRET, SECRET, Service, run, service, state_of

EVENTS = Path(__file__).parent.parent / "recorded" / "events"
FILES = sorted(path for path in EVENTS.glob("*.json") if path.name != "manifest.json")


async def _export(it: Service) -> bytes:
    async with it.context.database.read() as session:
        return msgspec.json.encode(await state_of(session))


async def _imported(database_url: str) -> tuple[bytes, dict[str, Any]]:
    async with service(database_url) as it:
        summary = await import_files(it.context, FILES)
        return await _export(it), summary


async def _received(it: Service, bodies: list[bytes]) -> None:
    now = it.simulator.clock.now()
    for body in bodies:
        connect = json.loads(body).get("account") is not None
        route = "/webhooks/stripe/connect" if connect else "/webhooks/stripe"
        secret = CONNECT_SECRET if connect else SECRET
        headers = {"Stripe-Signature": signature([secret], now, body)}
        assert await it.send(BASE + route, headers, body) == 200


def test_every_recorded_event_is_applied_irrelevant_or_waiting_for_something_named(
    database_url: str,
) -> None:
    _, summary = run(lambda: _imported(database_url))
    assert summary["events"] == 74
    assert summary["unreadable"] == []
    assert summary["dead"] == []
    by_status: dict[str, int] = {}
    for row in summary["inbox"]:
        by_status[row["status"]] = by_status.get(row["status"], 0) + row["events"]
        assert row["status"] != "irrelevant" or row["reason"]
    assert by_status.keys() <= {"applied", "irrelevant", "waiting"}
    assert sum(by_status.values()) + summary["repeated"] == 74
    # An event id is used for several of these files: what they say is kept all the same.
    assert by_status["waiting"] == 27
    assert all(row["object_id"] and row["reason"] for row in summary["waiting_for"])


def test_signed_shuffled_and_sent_three_times_they_end_in_the_same_bytes(
    tmp_path: Path,
) -> None:
    imported, _ = run(lambda: _imported(f"sqlite:///{tmp_path / 'imported.db'}"))
    bodies = [path.read_bytes() for path in FILES] * 3

    async def received(seed: int) -> bytes:
        random.Random(seed).shuffle(bodies)
        async with service(f"sqlite:///{tmp_path / f'received{seed}.db'}") as it:
            await _received(it, bodies)
            await apply_all(it.context, limit=7 + seed)
            return await _export(it)

    for seed in range(3):
        assert run(lambda seed=seed: received(seed)) == imported  # type: ignore[misc]


def test_importing_again_changes_nothing(tmp_path: Path) -> None:
    async def twice() -> None:
        async with service(f"sqlite:///{tmp_path / 'twice.db'}") as it:
            await import_files(it.context, FILES)
            before = await _export(it)
            again = await import_files(it.context, [EVENTS])
            assert (again["new"], again["repeated"]) == (0, 74)
            assert await _export(it) == before

    run(twice)
