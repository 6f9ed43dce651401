"""Updates that do not join: found, read again, cleared; and no alarm where all have come."""

from __future__ import annotations

from typing import Any

import msgspec

from jobs import join_chains
from reconciler.context import STRIPE_API_VERSION
from reconciler.intake.apply import apply_all
from reconciler.intake.envelopes import open_envelope
from reconciler.intake.ingest import keep
from reconciler.intake.reread import reread_due
from tests.harness import Service, ask_stripe, run, service


async def _described(it: Service, charge: str, text: str) -> None:
    it.simulator.clock.advance(100)
    await ask_stripe(it, f"/v1/charges/{charge}", description=text)


async def _open(it: Service) -> list[dict[str, Any]]:
    return await it.query("SELECT * FROM broken_chains WHERE healed_at = 0")


async def _deliver(it: Service) -> None:
    await it.simulator.webhooks.deliver(it.send)
    await apply_all(it.context)


async def _paid(it: Service) -> str:
    charge: str = it.simulator.acts.pay(2000, "usd")["latest_charge"]
    await it.listen()
    return charge


def test_a_missed_update_is_found_read_again_and_cleared(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            charge = await _paid(it)
            await _described(it, charge, "first")
            await _deliver(it)
            it.simulator.webhooks.drop("charge.updated", times=1)
            await _described(it, charge, "second")
            await _deliver(it)
            await _described(it, charge, "third")
            await _deliver(it)
            await join_chains.run(it.context)
            [broken] = await _open(it)
            assert broken["object_id"] == charge
            [field] = msgspec.json.decode(broken["fields"])
            assert field == {"field": "description", "left": '"first"', "found": '"second"'}
            [finding] = [f for f in (await it.check())["found"] if f["kind"] == "broken_chain"]
            assert (finding["reference"], finding["status"]) == (charge, "timing")
            while await reread_due(it.context):
                pass
            await join_chains.run(it.context)
            assert await _open(it) == []
            assert not [f for f in (await it.check())["found"] if f["kind"] == "broken_chain"]

    run(story)


def test_the_missing_event_heals_the_break_when_it_comes_late(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            charge = await _paid(it)
            it.simulator.webhooks.delay("charge.updated", seconds=500, times=1)
            await _described(it, charge, "first")
            await _described(it, charge, "second")
            await _deliver(it)
            await join_chains.run(it.context)
            assert len(await _open(it)) == 1
            it.simulator.clock.advance(600)
            await _deliver(it)
            await join_chains.run(it.context)
            [healed] = await it.query("SELECT healed_by FROM broken_chains")
            assert healed["healed_by"] == "event"

    run(story)


def test_a_connected_accounts_break_is_found_and_cleared_like_the_platforms_own(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await it.merchant("bakery")
            await it.listen()
            for number in range(3):
                it.simulator.clock.advance(100)
                if number == 1:
                    it.simulator.webhooks.drop("account.updated", times=1)
                await ask_stripe(it, f"/v1/accounts/{account}", **{"metadata[a]": str(number)})
                await _deliver(it)
            await join_chains.run(it.context)
            [finding] = [f for f in (await it.check())["found"] if f["kind"] == "broken_chain"]
            assert (finding["stripe_account"], finding["reference"]) == (account, account)
            it.simulator.clock.advance(60)
            await it.settle()
            await join_chains.run(it.context)
            await it.check()
            [row] = await it.query("SELECT status FROM findings WHERE kind = 'broken_chain'")
            assert row["status"] == "cleared"

    run(story)


def test_without_anything_new_nothing_is_looked_at(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            charge = await _paid(it)
            await _described(it, charge, "first")
            await _deliver(it)
            assert "1 objects" in await join_chains.run(it.context)
            assert "0 objects" in await join_chains.run(it.context)

    run(story)


def test_a_break_that_nobody_can_heal_is_open_after_ten_minutes(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            charge = await _paid(it)
            it.simulator.webhooks.drop("charge.updated", times=1)
            await _described(it, charge, "first")
            await _described(it, charge, "second")
            await _deliver(it)
            await join_chains.run(it.context)
            it.simulator.clock.advance(700)
            found = (await it.check())["found"]
            [finding] = [f for f in found if f["kind"] == "broken_chain"]
            assert (finding["cause"], finding["status"]) == ("missed_update", "open")
            evidence = {"field": "description", "held": "null", "said": '"first"'}
            assert any(evidence.items() <= row.items() for row in finding["evidence"])
            assert finding["proposed_repair"] == f"resync {charge}"

    run(story)


def test_a_field_that_an_older_version_does_not_have_is_its_own_cause(sqlite_url: str) -> None:
    """A charge of 2020 has no balance_transaction here; the next event tells of one that was."""

    async def story() -> None:
        async with service(sqlite_url) as it:
            older, ours = _two_versions()
            await _given(it, older, ours)
            await join_chains.run(it.context)
            [broken] = await _open(it)
            assert broken["cause"] == "field_dropped"
            [finding] = [f for f in (await it.check())["found"] if f["kind"] == "broken_chain"]
            assert finding["cause"] == "field_dropped"

    run(story)


def _two_versions() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two events of one charge: the first of an API version that lacks a field."""
    charge = {
        "id": "ch_versions",
        "object": "charge",
        "amount": 500,
        "currency": "usd",
        "created": 1_790_000_000,
        "status": "succeeded",
        "captured": True,
        "description": "a",
    }
    older = _event("evt_older", 1_790_000_010, "2020-08-27", charge)
    changed = {**charge, "radar_options": {"session": "b"}}
    previous = {"radar_options": {"session": "a"}}
    return older, _event("evt_ours", 1_790_000_020, STRIPE_API_VERSION, changed, previous)


def _event(
    id: str, created: int, version: str, subject: dict[str, Any], previous: Any = None
) -> dict[str, Any]:
    data = {"object": subject, **({"previous_attributes": previous} if previous else {})}
    return {
        "id": id,
        "object": "event",
        "type": "charge.updated",
        "created": created,
        "api_version": version,
        "livemode": False,
        "data": data,
    }


async def _given(it: Service, *events: dict[str, Any]) -> None:
    bodies = [msgspec.json.encode(event) for event in events]
    await keep(it.context.database, [open_envelope(b, "platform", 1_790_000_030) for b in bodies])
    await apply_all(it.context)
