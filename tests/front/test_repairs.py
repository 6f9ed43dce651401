"""Repairs of findings: what a preview shows is what is done, once, and the finding clears."""

from __future__ import annotations

import asyncio

from tests.front.asking import ask, owed, sound, transfers
from tests.front.repairing import (
    DAY,
    apply,
    outside_transfer,
    preview,
    previewed,
    refused,
    repaired,
    say,
    the,
    unknown_movement,
    whole,
)
from tests.harness import run, service


def test_an_outside_transfer_is_adopted_as_a_payout_and_given_up_again(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            transfer = await outside_transfer(it)
            finding = await the(it)
            assert [r["repair"] for r in finding["repairs"]] == [
                "reverse", "adopt", "resync", "adjust", "ignore",
            ]  # fmt: skip
            shown = await previewed(it, finding["id"], "adopt")
            assert shown["clearing"] == [{"currency": "usd", "before": 7_500, "after": 0}]
            assert shown["clears"]
            assert shown["remains"] is None
            moved = {(e["account"].partition(":")[0], e["amount"]) for e in shown["entries"]}
            assert moved == {
                ("merchant", 7_500),
                ("reserved", -7_500),
                ("reserved", 7_500),
                ("clearing", -7_500),
            }
            assert (await owed(it))["balance"] == 50_000  # a preview leaves nothing behind
            assert await it.query("SELECT id FROM payouts") == []
            done = (await apply(it, finding["id"], shown)).json()
            assert done["cleared"], done
            payout = (await it.get(f"/v1/payouts/{done['made']}")).json()
            assert (payout["status"], payout["stripe_transfer_id"]) == ("completed", transfer["id"])
            assert (await owed(it))["balance"] == 42_500
            assert (await it.check(full=True))["status"] == "clean"
            await sound(it)
            it.simulator.acts.reverse_transfer(transfer["id"], 500)
            await it.listen()
            assert (await owed(it))["balance"] == 43_000
            assert (await it.check())["status"] == "clean"
            back = await say(it, finding["id"], "undo", {"repair": done["id"]})
            assert back.status_code == 200, back.text
            assert (await owed(it))["balance"] == 50_000
            late = await it.check()
            assert late["drift"]["drift"] == {"usd": -7_000}
            await sound(it)
            actions = [e["action"] for e in (await whole(it, finding["id"]))["time_line"]]
            assert actions == ["finding.repaired", "repair.undone"]

    run(story)


def test_an_outside_transfer_is_taken_back_exactly_once(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            transfer = await outside_transfer(it)
            finding = await the(it)
            shown = await previewed(it, finding["id"], "reverse")
            assert shown["clears"]
            assert shown["foreseen"]["clearing"] == [
                {"currency": "usd", "before": 7_500, "after": 0}
            ]
            assert shown["entries"] == []
            done = await apply(it, finding["id"], shown, once="one")
            assert done.status_code == 201, done.text
            again = await apply(it, finding["id"], shown, once="one")
            assert again.json() == done.json()
            other = await apply(it, finding["id"], shown, once="two")
            assert other.status_code == 409
            await it.listen()
            assert transfers(it)[0]["amount_reversed"] == 7_500
            assert len(it.simulator.world.home.shelf("transfer_reversal")) == 1
            assert (await it.check())["status"] == "clean"
            assert (await it.query("SELECT status, payout FROM reversals")) == [
                {"status": "completed", "payout": None}
            ]
            assert transfer["id"] == (await whole(it, finding["id"]))["reference"]
            await sound(it)

    run(story)


def test_an_adjustment_meets_the_clearing_and_is_undone_by_reversing_entries(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await outside_transfer(it)
            finding = await the(it)
            chosen = {"account": "merchant:bakery", "reason": "merchant_correction"}
            done = await repaired(it, finding["id"], "adjust", **chosen)
            assert done["cleared"]
            mine = await owed(it)
            assert (mine["adjusted"], mine["balance"]) == (-7_500, 42_500)
            assert (await it.check(full=True))["status"] == "clean"
            await sound(it)
            back = (await say(it, finding["id"], "undo", {"repair": done["id"]})).json()
            assert back["status"] == "undone"
            assert (await owed(it))["balance"] == 50_000
            assert (await it.check())["drift"]["drift"] == {"usd": -7_500}
            again = await say(it, finding["id"], "undo", {"repair": done["id"]})
            assert refused(again, 409, "already_undone")
            await sound(it)

    run(story)


def test_a_movement_of_an_unknown_kind_is_posted_whole_to_where_it_belongs(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            finding = await unknown_movement(it)
            part = {"account": "fees", "reason": "known_movement", "amount": 100}
            assert refused(
                await preview(it, finding["id"], "adjust", **part), 409, "adjustment_not_whole"
            )
            done = await repaired(it, finding["id"], "adjust", account="fees", reason="stripe_fee")
            assert done["cleared"]
            assert (await it.check(full=True))["status"] == "clean"
            await sound(it)

    run(story)


def test_part_of_a_difference_is_posted_and_the_finding_says_what_is_left(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await outside_transfer(it)
            finding = await the(it)
            chosen = {"account": "platform", "reason": "write_off", "amount": 2_500}
            shown = await previewed(it, finding["id"], "adjust", **chosen)
            assert not shown["clears"]
            assert shown["remains"]["difference"] == -5_000
            done = (await apply(it, finding["id"], shown)).json()
            assert not done["cleared"]
            assert done["why_not"]
            assert (await the(it))["difference"] == -5_000
            it.simulator.clock.advance(DAY)
            await it.check()
            more = {"account": "platform", "reason": "write_off", "amount": 5_001}
            left = (await the(it))["id"]
            too_much = await preview(it, left, "adjust", **more)
            assert refused(too_much, 409, "adjustment_too_large")

    run(story)


def test_of_two_people_at_once_one_repairs_and_the_other_is_told(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await outside_transfer(it)
            finding = await the(it)
            adopt = await previewed(it, finding["id"], "adopt")
            chosen = {"account": "platform", "reason": "write_off"}
            adjust = await previewed(it, finding["id"], "adjust", **chosen)
            answers = await asyncio.gather(
                apply(it, finding["id"], adopt),
                apply(it, finding["id"], adjust),
                apply(it, finding["id"], adopt),
            )
            assert sorted(a.status_code for a in answers) == [201, 409, 409]
            lost = {a.json()["code"] for a in answers if a.status_code == 409}
            assert lost <= {
                "finding_changed",
                "preview_stale",
                "already_adopted",
                "finding_cleared",
            }
            assert (await it.check())["status"] == "clean"
            assert len(await it.query("SELECT id FROM repairs")) == 1
            await sound(it)

    run(story)


def test_a_preview_that_no_longer_holds_is_refused_and_shown_again(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            transfer = await outside_transfer(it)
            finding = await the(it)
            shown = await previewed(it, finding["id"], "adopt")
            it.simulator.acts.reverse_transfer(transfer["id"], 500)
            late = await apply(it, finding["id"], shown)
            assert refused(late, 409, "preview_stale")
            fresh = late.json()["preview"]
            assert fresh["digest"] != shown["digest"]
            assert await it.query("SELECT id FROM payouts") == []
            await it.listen()
            await it.check()
            older = await apply(it, finding["id"], fresh)
            assert refused(older, 409, "finding_changed")
            assert older.json()["finding"]["difference"] == -7_000
            body = {"repair": "adopt", "digest": "0" * 64}
            made_up = await ask(it, f"/v1/drift/findings/{finding['id']}/repair", body)
            assert refused(made_up, 409, "finding_changed")

    run(story)
