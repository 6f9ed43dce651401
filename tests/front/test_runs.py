"""Runs: what they cover, that planted differences are found, and that each can be judged again."""

from __future__ import annotations

import contextlib
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reconciler.domain import bridge
from reconciler.gateway.client import Gateway
from reconciler.reconciling import canary_rows, pinning
from reconciler.reconciling.detecting import clearings, suspense
from reconciler.reconciling.outcome import Control, judge, judged_at, written
from reconciler.reconciling.spreadsheet import Spreadsheet
from reconciler.reconciling.verify import NotARun, verify
from reconciler.store import kept_runs, runs, shadow
from tests.front.test_check import _random_acts
from tests.harness import ADMIN_KEY, Service, run, service

DAY = 86400


async def _paid(it: Service, amount: int = 10_000, **more: Any) -> dict[str, Any]:
    intent = it.simulator.acts.pay(amount, "usd", metadata={"merchant_id": "bakery"}, **more)
    return dict(intent)


async def _month(it: Service, seed: int = 1) -> None:
    """Something of everything, with lost webhooks."""
    chance = random.Random(seed)
    account = await it.merchant("bakery")
    it.simulator.webhooks.drop(lambda _: chance.random() < 0.3)
    await _random_acts(it, chance, account)
    it.simulator.clock.advance(2 * DAY)
    await it.listen()


async def _started(it: Service, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    return await it.http.post("/v1/drift/runs", json=body, headers=headers)


def _disagreeing(body: bytes, known: str = "") -> list[str]:
    return [said.part for said in verify(body, known) if not said.agrees]


async def _exported(it: Service, format: str = "json", id: str = "latest") -> bytes:
    answer = await it.get(f"/v1/drift/runs/{id}/export", format=format)
    assert answer.status_code == 200
    return answer.content


# Planted differences.


def test_every_run_finds_what_was_planted_and_no_book_knows_of_it(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _paid(it)
            await it.listen()
            before = await it.query("SELECT * FROM balances ORDER BY account, currency")
            checked = await it.check()
            planted = len(canary_rows.CANARIES) + 1
            told = {"planted": planted, "found": planted, "missed": []}
            assert (checked["status"], checked["coverage"]["canaries"]) == ("clean", told)
            kept = await it.query("SELECT * FROM balances ORDER BY account, currency")
            assert [r for r in kept if "canary" in r["account"]] == []
            assert [r["account"] for r in before] == [
                r["account"] for r in kept if r["account"] in {b["account"] for b in before}
            ]
            for table in canary_rows.rows(0):
                rows = await it.query(f"SELECT * FROM {table}")
                assert "canary" not in str(rows), table

    run(story)


@pytest.mark.parametrize(
    ("detector", "missed"),
    [(clearings, "amount_differs ch_canary_3"), (suspense, "unknown_movement txn_canary_7")],
)
def test_a_run_whose_detector_is_blind_is_incomplete_and_says_that_it_cannot_be_trusted(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, detector: Any, missed: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _paid(it)
            await it.listen()
            assert (await it.check())["status"] == "clean"
            monkeypatch.setattr(detector, "detect", lambda seen, look: [])
            checked = await it.check()
            assert checked["status"] == "incomplete"
            assert missed in checked["coverage"]["canaries"]["missed"]
            assert any("cannot be trusted" in error for error in checked["coverage"]["errors"])
            shown = (await it.get("/v1/drift/runs/latest")).json()
            assert any("cannot be trusted" in text for text in shown["coverage"]["words"])

    run(story)


def test_a_detector_that_is_off_by_a_cent_misses_what_was_planted(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_kind = canary_rows._BOOKED
    monkeypatch.setattr(canary_rows, "_BOOKED", (by_kind[0], ("ch_canary_3", 7_001, "usd")))

    async def story() -> None:
        async with service(sqlite_url) as it:
            missed = (await it.check())["coverage"]["canaries"]["missed"]
            assert "amount_differs ch_canary_3" in missed
            assert "bridge" in missed

    run(story)


def test_every_kind_of_finding_has_a_planted_difference() -> None:
    from reconciler.domain.findings import FindingKind

    assert {canary.kind for canary in canary_rows.CANARIES} == set(FindingKind)


def test_what_is_planted_cannot_reach_a_real_table(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _paid(it)
            await it.listen()
            with pytest.raises(Exception, match=r"temp|no such table|does not exist"):
                await _plant(it, {"nowhere": [{"id": "x"}]})
            hidden = await _plant(it, {"leases": [{"job": "planted"}]})
            assert hidden == {"objects": 0, "leases": 1}
            assert await it.query("SELECT * FROM leases") == []

    run(story)


async def _plant(it: Service, rows: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    """What two tables hold behind the shadows, which are gone at the end."""
    counts: dict[str, int] = {}
    with contextlib.suppress(ZeroDivisionError):
        async with it.context.database.write() as session:
            await shadow.plant(session, rows)
            for table in ("objects", "leases"):
                [row] = await session.all(f"SELECT COUNT(*) AS n FROM {table}")
                counts[table] = row["n"]
            raise ZeroDivisionError
    return counts


# Coverage.


def test_stripe_failing_in_the_middle_of_a_list_makes_the_run_incomplete(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Gateway.balance_transactions

    async def story() -> None:
        async with service(sqlite_url) as it:

            async def breaks(self: Gateway, window: Any, cursor: str, account: str) -> Any:
                page = await real(self, window, cursor, account)
                path = "/v1/balance_transactions"
                it.simulator.faults.add(path=path, effect="500", times=None)
                return page

            for _ in range(120):
                await _paid(it, 1_000)
            await it.listen()
            monkeypatch.setattr(Gateway, "balance_transactions", breaks)
            checked = await it.check()
            [walk] = [w for w in checked["coverage"]["walks"] if w["rows"] == 100]
            assert (walk["pages"], walk["complete"], checked["status"]) == (1, False, "incomplete")
            assert walk["error"]
            monkeypatch.undo()
            it.simulator.faults.clear()
            assert (await it.check())["status"] == "clean"

    run(story)


def test_events_that_wait_too_long_to_be_applied_are_a_hole(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _paid(it)
            await it.simulator.webhooks.deliver(it.send)
            it.simulator.clock.advance(300)
            assert (await it.check())["status"] != "incomplete"
            it.simulator.clock.advance(301)
            checked = await it.check()
            assert checked["status"] == "incomplete"
            [error] = checked["coverage"]["errors"]
            assert "wait to be applied" in error
            await it.settle()
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_sweep_that_has_not_reached_the_end_for_days_is_a_hole(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _paid(it)
            await it.listen()
            await it.sweep()
            assert (await it.check())["status"] == "clean"
            it.simulator.clock.advance(3 * DAY + 1)
            checked = await it.check()
            assert checked["status"] == "incomplete"
            rest = next(r for r in checked["coverage"]["rests_on"] if r["hole"])
            assert rest["what"] == "events_taken_in"
            await it.sweep()
            assert (await it.check())["status"] == "clean"

    run(story)


def test_a_run_tells_its_moments_its_lists_and_what_it_rests_on(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _paid(it)
            await it.listen()
            await it.sweep()
            await it.check()
            shown = (await it.get("/v1/drift/runs/latest")).json()
            [cut] = shown["coverage"]["cut_offs"]
            assert cut["balance_as_of"] == cut["judged_at"] == shown["as_of"]
            assert all(cut[name] for name in ("movements_to", "transfers_to", "events_to"))
            words = " ".join(shown["coverage"]["words"])
            assert "Balance transactions of platform: 1 row on 1 page" in words
            assert "planted differences the run found" in words
            assert "Nothing was left out." in words

    run(story)


def test_a_moment_in_the_future_is_refused_and_one_in_the_past_lists_the_runs_of_then(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            first = await it.check()
            it.simulator.clock.advance(DAY)
            second = await it.check()
            then = "2026-01-01T00:00:00Z"
            for written, code in (
                ("2126-01-01T00:00:00Z", "as_of_in_the_future"),
                ("2026-01-01T00:00:00", "bad_as_of"),
                ("yesterday", "bad_as_of"),
            ):
                for answer in (
                    await it.get("/v1/drift/runs", as_of=written),
                    await _started(it, as_of=written),
                ):
                    assert (answer.status_code, answer.json()["code"]) == (400, code), written
            assert (await _started(it, as_of=then)).json()["code"] == "as_of_in_the_past"
            moment = (await it.get(f"/v1/drift/runs/{first['id']}")).json()["finished_at"]
            listed = (await it.get("/v1/drift/runs", as_of=moment)).json()["data"]
            assert [row["id"] for row in listed] == [first["id"]]
            listed = (await it.get("/v1/drift/runs")).json()["data"]
            assert [row["id"] for row in listed] == [second["id"], first["id"]]
            assert (await _started(it, fulll=True)).json()["code"] == "invalid_body"

    run(story)


# Judging again.


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_run_kept_is_judged_again_to_the_same_bytes_and_hash(
    database_url: str, seed: int
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _month(it, seed)
            checked = await it.check(full=True)
            assert checked["found"]
            async with it.context.database.read() as session:
                kept = await runs.run(session, checked["id"])
                body = pinning.restored(await kept_runs.seen(session, checked["id"]))
            assert kept is not None
            pinned = pinning.unpin(body)
            assert pinning.pin(pinned) == body
            again = written(judge(pinned), checked["found"])
            assert {name: kept[name] for name in again} == msgspec.json.decode(
                pinning.canonical(again)
            )
            assert judged_at(pinned) <= kept["finished_at"]
            file = await _exported(it)
            assert file == await _exported(it, id=checked["id"])
            assert _disagreeing(file, kept["sha256"]) == []
            assert _disagreeing(file, "0" * 64) == ["digest of the digest known from elsewhere"]

    run(story)


def _file(url: str) -> bytes:
    async def story() -> bytes:
        async with service(url) as it:
            await _month(it)
            await it.check()
            return await _exported(it)

    return run(story)


def test_tampering_with_any_byte_of_a_file_is_found(sqlite_url: str) -> None:
    body = _file(sqlite_url)
    chance = random.Random(5)
    for place in chance.sample(range(len(body)), 60):
        other = bytes([body[place] ^ chance.choice([1, 2, 4, 8])])
        touched = body[:place] + other + body[place + 1 :]
        assert _refused(touched), body[max(place - 30, 0) : place + 30]
    assert _refused(body + b" ")
    assert _refused(body[:-1])
    assert _refused(json.dumps(json.loads(body)).encode())


def _refused(body: bytes) -> bool:
    try:
        return bool(_disagreeing(body))
    except NotARun:
        return True


def _rewritten(body: bytes, change: Any) -> bytes:
    """The file after a change by somebody who also makes its digests right again."""
    document = json.loads(body)
    change(document)
    seen = pinning.digest(pinning.canonical(document["seen"]))
    parts = {n: v for n, v in document.items() if n not in ("digest", "seen")}
    whole = pinning.digest(pinning.canonical({**parts, "seen": seen}))
    document["digest"] = {"run": whole, "seen": seen}
    return pinning.canonical(document) + b"\n"


def test_whoever_rewrites_a_file_with_its_digests_is_still_told_what_does_not_follow(
    sqlite_url: str,
) -> None:
    body = _file(sqlite_url)
    assert _disagreeing(_rewritten(body, lambda document: None)) == []

    def drop(document: Any) -> None:
        gone = document["findings"].pop()
        document["control"]["findings"] -= 1
        if gone["currency"]:
            for name, field in (("differences", "difference"), ("at_risk", "at_risk")):
                document["control"][name][gone["currency"]] -= gone[field]

    def soften(document: Any) -> None:
        document["run"]["status"] = "clean"

    def explain(document: Any) -> None:
        document["run"]["bridge"][0]["unexplained"] = 7

    found = len(json.loads(body)["findings"])
    assert f"{found - 1} findings" in _disagreeing(_rewritten(body, drop))
    assert _disagreeing(_rewritten(body, soften)) == ["status"]
    assert _disagreeing(_rewritten(body, explain)) == ["bridge"]
    told = {said.part: said for said in verify(_rewritten(body, explain))}
    assert told["bridge"].differences == ("[0].unexplained: 0 follows, 7 is stated",)


def test_a_run_judged_by_other_rules_says_so(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = _file(sqlite_url)
    said = {s.part: s for s in verify(body)}
    assert "the same rules" in said["rules"].words
    monkeypatch.setattr("reconciler.reconciling.verify.rules", lambda: "f" * 16)
    said = {s.part: s for s in verify(body)}
    assert said["rules"].agrees
    assert "another version of the rules" in said["rules"].words
    real = bridge._by_cause
    monkeypatch.setattr(bridge, "_by_cause", lambda found, now: real(found, now)[1:])
    said = {s.part: s for s in verify(body)}
    assert not said["bridge"].agrees


def test_a_run_of_before_runs_kept_what_they_read_is_exported_and_not_verified(
    sqlite_url: str,
) -> None:
    coverage = {"stripe_accounts": [], "as_of": 1, "walks": [], "errors": [], "complete": True}
    old = {"id": "run_old", "started_at": 1, "finished_at": 1, "status": "clean", "bridge": []}
    sums = {"drift": {"drift": {}, "timing": {}}, "counts": {"open": 0, "timing": 0}}

    async def story() -> bytes:
        async with service(sqlite_url) as it:
            async with it.context.write() as session:
                await runs.save_run(session, {**old, **sums, "coverage": coverage}, [])
            page = await it.http.get("/console/runs/run_old", auth=("x", ADMIN_KEY))
            assert "it cannot be judged again" in page.text
            assert (await it.get("/v1/drift/runs/run_old")).json()["sha256"] == ""
            return await _exported(it)

    with pytest.raises(NotARun, match="before runs kept what they read"):
        verify(run(story))


# Files.


def test_a_workbook_has_the_findings_and_no_formula_and_is_the_same_each_time(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.acts.unknown_movement(
                -995, "usd", type="=HYPERLINK(1)", reporting_category="https://example.test/x"
            )
            await it.check()
            body = await _exported(it, "xlsx")
            assert body == await _exported(it, "xlsx")
            with zipfile.ZipFile(io.BytesIO(body)) as book:
                sheets = {n: book.read(n).decode() for n in book.namelist() if "sheet" in n}
                names = book.read("xl/workbook.xml").decode()
            for name in ("Run", "Bridge", "Findings", "Control totals"):
                assert f'name="{name}"' in names
            text = "".join(sheets.values())
            assert "<f>" not in text
            assert "hyperlink" not in text.replace("HYPERLINK", "")
            assert "=HYPERLINK(1)" in text
            assert "<v>-995</v>" in text
            assert "<v>-9.95</v>" in text

    run(story)


def test_text_that_looks_like_markup_of_a_workbook_is_a_text_in_it(tmp_path: Path) -> None:
    coverage = {"as_of": 1, "complete": True, "errors": []}
    told = {"id": "run_1", "status": "drift", "rules": "", "sha256": "", "coverage": coverage}
    run_ = {**told, "started_at": 1, "finished_at": 1, "bridge": []}
    book = Spreadsheet(tmp_path / "run.xlsx", run_, ("reference",))
    amounts = {name: 1 for _, name in Control.NAMES}
    book.add([({"currency": "usd", **amounts}, ["<r><t>x</t></r>", "0.01"])])
    book.close()
    with zipfile.ZipFile(tmp_path / "run.xlsx") as file:
        sheet = file.read("xl/worksheets/sheet3.xml").decode()
    assert "&lt;r&gt;&lt;t&gt;x" in sheet
    assert "<r><t>" not in sheet


def test_findings_beyond_one_page_are_all_in_every_file(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.reconciling.exports.AT_ONCE", 2)
    monkeypatch.setattr("reconciler.reconciling.spreadsheet.MOST_ROWS", 3)

    async def story() -> None:
        async with service(sqlite_url) as it:
            for number in range(7):
                it.simulator.acts.unknown_movement(100 + number, "usd")
            checked = await it.check()
            document = json.loads(await _exported(it))
            assert [f["id"] for f in document["findings"]] == [f["id"] for f in checked["found"]]
            assert document["control"]["findings"] == 7
            assert (await _exported(it, "csv")).count(b"\r\n") == 9
            with zipfile.ZipFile(io.BytesIO(await _exported(it, "xlsx"))) as book:
                names = book.read("xl/workbook.xml").decode()
            assert 'name="Findings 3"' in names

    run(story)


# Lines, opened.


def test_each_line_of_a_bridge_opens_to_what_makes_it_up(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _month(it)
            checked = await it.check()
            [usd] = [b for b in checked["bridge"] if b["currency"] == "usd"]
            for part in usd["differences"]:
                opened = await _open(it, part["key"])
                parts = [p for p in usd["differences"] if p["key"] == part["key"]]
                assert opened["amount"] == sum(p["amount"] for p in parts)
                assert sum(f["difference"] for f in opened["findings"]) == opened["amount"]
                assert all(f["evidence"] for f in opened["findings"])
            for part in usd["holdings"]:
                opened = await _open(it, part["key"])
                rows = opened["accounts"] or opened["entries"]
                assert -sum(row["amount"] for row in rows) == part["amount"], part["key"]
            opened = await _open(it, "unexplained")
            assert (opened["amount"], opened["findings"]) == (0, [])
            fees = await _open(it, "fees")
            assert all(row["balance_transaction"] for row in fees["entries"])
            [bakery] = (await _open(it, "merchant"))["accounts"]
            opened = await _open(it, "merchant", account=bakery["account"])
            assert sum(row["amount"] for row in opened["entries"]) == bakery["amount"]
            assert any(row["event"] for row in opened["entries"])

    run(story)


async def _open(it: Service, key: str, **more: str) -> Any:
    path = f"/v1/drift/runs/latest/lines/{key}"
    answer = await it.get(path, currency="usd", limit=100, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_line_is_listed_to_its_end_page_by_page_and_an_unknown_one_is_not_found(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for number in range(5):
                await _paid(it, 1_000 + number)
                it.simulator.acts.unknown_movement(10 + number, "usd")
            await it.listen()
            await it.check()
            for key, name in (("fees", "entries"), ("unknown_movement.unknown_type", "findings")):
                path, seen, after = f"/v1/drift/runs/latest/lines/{key}", [], ""
                while True:
                    page = (await it.get(path, limit=2, starting_after=after)).json()
                    seen += [row["id"] for row in page[name]]
                    if not page["has_more"]:
                        break
                    after = seen[-1]
                assert len(seen) == len(set(seen)) == 5
            for path, params in (
                ("latest/lines/nothing", {}),
                ("latest/lines/fees", {"currency": "eur"}),
                ("latest/lines/fees", {"account": "merchant:bakery"}),
                ("latest/lines/fees", {"starting_after": "x.y"}),
                ("latest/lines/unknown_movement.unknown_type", {"starting_after": "fnd_none"}),
                ("run_nowhere/lines/fees", {}),
            ):
                answer = await it.get(f"/v1/drift/runs/{path}", **params)
                assert answer.status_code == 404, path

    run(story)
