"""What people say of findings: whose they are, settled, set aside; and what opens them again."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.oversight.keys import Role
from tests.front.asking import ask
from tests.front.repairing import (
    DAY,
    FINDINGS,
    found,
    key,
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
from tests.harness import Service, run, service


async def _aside(it: Service, finding: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"reason": "known to finance", "digest": finding["digest"], "days": 30, **more}
    answer = await say(it, finding["id"], "suppress", body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_finding_has_an_owner_notes_and_a_time_line(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await outside_transfer(it)
            id = (await the(it))["id"]
            operator = await key(it, "ops", Role.OPERATOR)
            said = await say(it, id, "assign", {"assignee": "Finance, Monday"}, operator)
            assert said.json()["assignee"] == "Finance, Monday"
            await say(it, id, "note", {"note": "asked the bakery"}, operator)
            viewer = await key(it, "looks", Role.VIEWER)
            none = await say(it, id, "note", {"note": "me too"}, viewer)
            assert refused(none, 403, "forbidden")
            assert [f["id"] for f in await found(it, assignee="Finance, Monday")] == [id]
            assert await found(it, assignee="Nobody") == []
            lines = (await whole(it, id))["time_line"]
            assert [(e["action"], e["actor"], e["note"]) for e in lines] == [
                ("finding.assigned", "ops", ""),
                ("finding.noted", "ops", "asked the bakery"),
            ]
            await it.check()
            assert (await the(it))["assignee"] == "Finance, Monday"
            audited = (await it.get("/v1/audit", subject=id)).json()["data"]
            assert [row["action"] for row in audited] == ["finding.noted", "finding.assigned"]

    run(story)


def test_a_resolved_finding_whose_difference_stands_opens_again(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            transfer = await outside_transfer(it)
            finding = await the(it)
            body = {"reason": "fixed_at_stripe", "digest": finding["digest"]}
            done = await say(it, finding["id"], "resolve", body)
            assert (done.json()["status"], done.json()["resolution"]) == (
                "resolved", "fixed_at_stripe",
            )  # fmt: skip
            assert (await it.check())["status"] == "drift"
            again = await the(it)
            assert (again["id"], again["status"], again["resolution"]) == (
                finding["id"], "open", None,
            )  # fmt: skip
            actions = [e["action"] for e in (await whole(it, finding["id"]))["time_line"]]
            assert actions == ["finding.resolved", "finding.reopened"]
            done = await say(it, finding["id"], "resolve", {**body, "digest": again["digest"]})
            assert done.status_code == 200
            it.simulator.acts.reverse_transfer(transfer["id"])
            await it.listen()
            assert (await it.check())["found"] == []
            assert (await whole(it, finding["id"]))["status"] == "cleared"
            late = await say(it, finding["id"], "resolve", body)
            assert refused(late, 409, "finding_cleared")

    run(story)


def test_suppressed_money_is_always_shown_and_never_clean(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            finding = await unknown_movement(it, -900)
            done = await _aside(it, finding)
            assert done["status"] == "suppressed"
            twice = {"reason": "again", "digest": done["digest"], "days": 5}
            assert refused(
                await say(it, finding["id"], "suppress", twice), 409, "already_suppressed"
            )
            checked = await it.check()
            assert checked["status"] == "drift"
            assert checked["counts"] == {"open": 0, "timing": 0, "suppressed": 1}
            assert checked["drift"]["drift"] == checked["drift"]["suppressed"] == {"usd": -900}
            lines = [x for b in checked["bridge"] for x in b["differences"]]
            assert [(x["suppressed"], x["amount"]) for x in lines] == [(True, -900)]
            assert checked["bridge"][0]["unexplained"] == 0
            shown = (await it.get("/v1/drift/runs/latest")).json()
            assert shown["drift"] == {"usd": -900}
            sums = (await it.get("/v1/drift/ageing", status="suppressed")).json()["sums"]
            assert [s["at_stake"] for s in sums] == [900]
            lifted = await say(it, finding["id"], "lift", {"reason": "looked again"})
            assert lifted.json()["status"] == "open"
            assert refused(await say(it, finding["id"], "lift", {}), 409, "not_suppressed")
            assert (await it.check())["counts"]["open"] == 1

    run(story)


def test_a_suppression_ends_by_itself_when_it_expires(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            finding = await unknown_movement(it)
            await _aside(it, finding, days=2)
            it.simulator.clock.advance(2 * DAY - 10)
            assert (await it.check())["counts"]["suppressed"] == 1
            it.simulator.clock.advance(20)
            assert (await it.check())["counts"]["open"] == 1
            kept = await whole(it, finding["id"])
            assert kept["suppressions"][0]["ended_why"] == "expired"
            assert kept["time_line"][-1]["note"] == "its suppression has expired"

    run(story)


@pytest.mark.parametrize(("cap", "back", "why"), [(None, 500, "facts_changed"), (9_000, 500, "")])
def test_a_fact_that_changes_opens_it_again_unless_it_stays_below_the_cap(
    sqlite_url: str, cap: int | None, back: int, why: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            transfer = await outside_transfer(it)
            await _aside(it, await the(it), cap=cap)
            it.simulator.acts.reverse_transfer(transfer["id"], back)
            await it.listen()
            it.simulator.clock.advance(DAY)
            checked = await it.check()
            assert checked["counts"]["suppressed"] == (0 if why else 1)
            rows = await it.query("SELECT ended_why FROM suppressions")
            assert rows == [{"ended_why": why}]

    run(story)


def test_an_amount_above_the_cap_opens_it_again(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.webhooks.drop("*")
            await it.merchant("bakery")
            intent = it.simulator.acts.pay(
                10_000, "usd", card="pm_card_bypassPending", metadata={"merchant_id": "bakery"}
            )
            await it.listen()
            it.simulator.clock.advance(DAY)
            await it.check()
            finding = await the(it)
            await _aside(it, finding, cap=10_000)
            async with it.context.write() as session:
                await session.run("UPDATE suppressions SET cap = 9999")
            assert intent["id"]
            assert (await it.check())["counts"]["suppressed"] == 0
            rows = await it.query("SELECT ended_why FROM suppressions")
            assert rows == [{"ended_why": "over_cap"}]

    run(story)


def test_what_is_set_aside_by_a_repair_is_taken_back_by_undoing_it(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            finding = await unknown_movement(it)
            shown = await previewed(it, finding["id"], "ignore", note="known", days=7)
            assert (shown["clears"], shown["remains"]["status"]) == (False, "suppressed")
            done = await repaired(it, finding["id"], "ignore", note="known", days=7)
            assert done["finding"]["status"] == "suppressed"
            back = await say(it, finding["id"], "undo", {"repair": done["id"]})
            assert back.json()["finding"]["status"] == "open"

    run(story)


def test_a_finding_is_the_same_finding_while_only_time_passes(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await outside_transfer(it)
            first = await the(it)
            it.simulator.clock.advance(3_000)
            await it.check()
            assert (await the(it))["digest"] == first["digest"]

    run(story)


def test_findings_are_listed_by_age_and_by_what_they_are(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await outside_transfer(it)
            for days, age in ((0, "0-1"), (2, "2-7"), (6, "8-30"), (30, "30+")):
                it.simulator.clock.advance(days * DAY)
                assert (await the(it))["age"] == age
                assert len(await found(it, age=age, kind="missing_in_books")) == 1
                assert len(await found(it, age="0-1" if age != "0-1" else "2-7")) == 0
            asked = {"cause": "made_outside", "currency": "usd"}
            ages = (await it.get("/v1/drift/ageing", **asked)).json()["ages"]
            assert ages == {"0-1": 0, "2-7": 0, "8-30": 0, "30+": 1}
            for bad in ({"age": "old"}, {"kind": "odd"}, {"status": "lost"}, {"cause": "x" * 300}):
                answer = await it.get(FINDINGS, **bad)
                assert refused(answer, 400, f"bad_{next(iter(bad))}")
            assert refused(await it.get(FINDINGS, hue="red"), 400, "unknown_parameter")

    run(story)


@pytest.mark.parametrize(
    ("what", "body", "status", "code"),
    [
        ("resolve", {"reason": "fixed_here"}, 400, "invalid_body"),
        ("resolve", {"reason": "gone", "digest": "DIGEST"}, 400, "unknown_resolution"),
        ("resolve", {"reason": "fixed_here", "digest": "0" * 64}, 409, "finding_changed"),
        ("suppress", {"reason": "so", "digest": "0" * 64, "days": 3}, 409, "finding_changed"),
        ("suppress", {"reason": "so", "digest": "DIGEST", "days": 367}, 400, "invalid_body"),
        ("suppress", {"reason": "so", "digest": "DIGEST", "days": 3, "cap": 1}, 409, "cap_too_low"),
        ("note", {"note": ""}, 400, "invalid_body"),
        ("assign", {"assignee": "a\nb"}, 400, "invalid_body"),
        ("undo", {"repair": "rep_none"}, 404, "unknown_repair"),
    ],
)
def test_a_word_that_cannot_be_taken_is_refused(
    sqlite_url: str, what: str, body: dict[str, Any], status: int, code: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            finding = await unknown_movement(it)
            sent = {k: finding["digest"] if v == "DIGEST" else v for k, v in body.items()}
            answer = await say(it, finding["id"], what, sent)
            assert refused(answer, status, code), answer.text
            assert (await the(it))["status"] == "open"
            if code == "finding_changed":
                assert answer.json()["finding"]["digest"] == finding["digest"]

    run(story)


def test_a_broken_ledger_is_never_set_aside_by_a_word(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            from reconciler.reconciling.self_check import self_check

            await it.merchant("bakery")
            it.simulator.acts.pay(1_000, "usd", metadata={"merchant_id": "bakery"})
            await it.listen()
            async with it.context.write() as session:
                await session.run(
                    "UPDATE balances SET books = books + 1 WHERE account = 'merchant:bakery'"
                )
            await self_check(it.context)
            finding = (await found(it, kind="invariant_broken"))[0]
            assert finding["repairs"] == []
            body = {"reason": "false_alarm", "digest": finding["digest"]}
            assert refused(await say(it, finding["id"], "resolve", body), 409, "not_set_aside")
            asked = await preview(it, finding["id"], "ignore", note="no", days=1)
            assert refused(asked, 409, "repair_does_not_fit")
            nobody = await ask(it, f"{FINDINGS}/fnd_none/note", {"note": "hello"})
            assert refused(nobody, 404, "unknown_finding")

    run(story)
