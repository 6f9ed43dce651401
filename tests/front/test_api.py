"""The read API: every listing, page by page, and every single thing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.intake.apply import apply_all
from reconciler.oversight.keys import Role, create_key
from tests.engines import PgServer
from tests.front.reading import LISTINGS, RFC_3339, bearer, month, pages
from tests.front.test_webhooks import (
    event,
    events,
    is_problem,
    post,
    until_settled,
)
from tests.harness import ADMIN_KEY, run, service

# Listings.


def test_every_listing_shows_every_row_once_whatever_the_page_size(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            kept = await month(it)
            for number in range(4):
                it.simulator.acts.refund(payment_intent=kept["euro"]["id"], amount=10 + number)
                it.simulator.acts.unknown_movement(500 + number, "usd")
            await it.listen()
            for _ in range(3):
                await it.check()
            for path in LISTINGS:
                whole = await pages(it, path, 100)
                assert whole, path
                ids = [row["id"] for row in whole]
                assert len(set(ids)) == len(ids), path
                for size in (1, 2, 3):
                    assert await pages(it, path, size) == whole, path

    run(story)


def test_payments_come_newest_first_also_within_one_second(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            made = []
            for number in range(9):
                made.append(it.simulator.acts.pay(1_000 + number, "usd"))
                it.simulator.clock.advance(number % 2)
            await it.listen()
            rows = await pages(it, "/v1/payments", 4)
            assert {row["id"] for row in rows} == {one["id"] for one in made}
            moments = [(row["created"], row["id"]) for row in rows]
            assert moments == sorted(moments, reverse=True)

    run(story)


def test_payments_known_only_by_their_charges_can_be_paged_through(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.webhooks.drop("payment_intent.*")
            made = []
            for number in range(5):
                made.append(it.simulator.acts.pay(1_000 + number, "usd")["id"])
                it.simulator.clock.advance(10)
            await it.simulator.webhooks.deliver(it.send)
            await apply_all(it.context)
            rows = await pages(it, "/v1/payments", 2)
            assert [row["id"] for row in rows] == made[::-1]

    run(story)


def test_a_cursor_that_is_not_listed_is_refused(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for path in LISTINGS:
                for cursor in ("pi_nowhere", "x" * 256, "a\0b", "' OR 1=1 --"):
                    answer = await it.get(path, starting_after=cursor)
                    assert is_problem(answer, 400, "bad_cursor"), (path, cursor)

    run(story)


def test_a_limit_that_is_none_is_refused(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for path in LISTINGS:
                for limit in ("0", "101", "-1", "1.5", "1e2", "", "x", "²", "9" * 5000):
                    answer = await it.get(path, limit=limit)
                    assert is_problem(answer, 400, "bad_limit"), (path, limit)

    run(story)


@pytest.mark.parametrize("limit", ["000100999999", "000001" + "9" * 30, "000001" + "9" * 5000])
def test_a_limit_does_not_grow_behind_leading_zeros(sqlite_url: str, limit: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert is_problem(await it.get("/v1/payments", limit=limit), 400, "bad_limit")

    run(story)


def test_events_are_listed_by_status_and_shown_whole(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.acts.pay(1_000, "usd")
            await it.simulator.webhooks.deliver(it.send)
            await post(it, event("evt_other"))
            await post(it, event("evt_bad", data={"object": {"object": "charge"}}))
            await until_settled(it)
            await post(it, event("evt_new"))
            by_status = {
                status: {row["id"] for row in await pages(it, "/v1/events", 1, status=status)}
                for status in ("received", "waiting", "applied", "irrelevant", "dead")
            }
            assert by_status["received"] == {"evt_new"}
            assert by_status["irrelevant"] == {"evt_other"}
            assert by_status["dead"] == {"evt_bad"}
            assert by_status["applied"] | by_status["waiting"] == {
                e["id"] for e in events(it.simulator)
            }
            assert is_problem(await it.get("/v1/events", status="lost"), 400, "bad_status")
            shown = (await it.get("/v1/events/evt_bad")).json()
            assert '"evt_bad"' in shown.pop("body")
            assert shown == (await it.get("/v1/events", status="dead")).json()["data"][0]
            assert {
                "id",
                "type",
                "status",
                "reason",
                "error",
                "created",
                "received_at",
                "livemode",
                "api_version",
                "stripe_account",
                "channel",
                "attempts",
            } <= shown.keys()
            assert is_problem(await it.get("/v1/events/evt_nowhere"), 404, "not_found")

    run(story)


# One thing.


def test_a_payment_is_found_by_its_own_id_its_charges_and_its_refunds(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            kept = await month(it)
            paid = kept["paid"]
            shown = (await it.get(f"/v1/payments/{paid['id']}")).json()
            for other in (paid["latest_charge"], kept["refund"]["id"], kept["dispute"]["id"]):
                assert (await it.get(f"/v1/payments/{other}")).json() == shown
            assert shown["id"] == paid["id"]
            assert shown["status"] == "disputed"
            assert shown["merchant"] == "bakery"
            assert (shown["amount"], shown["currency"]) == (10_004, "usd")
            assert (shown["amount_received"], shown["amount_refunded"]) == (10_004, 1_000)
            assert shown["platform_fee"] == 300
            assert [c["id"] for c in shown["charges"]] == [paid["latest_charge"]]
            assert [r["id"] for r in shown["refunds"]] == [kept["refund"]["id"]]
            assert [d["id"] for d in shown["disputes"]] == [kept["dispute"]["id"]]
            for nothing in ("pi_nowhere", kept["payout"]["id"], "%00", "a%2Fb", "x" * 300):
                answer = await it.get(f"/v1/payments/{nothing}")
                assert answer.status_code == 404, nothing

    run(story)


@pytest.mark.parametrize(
    ("path", "name", "amount"),
    [("refunds", "refund", 1_000), ("disputes", "dispute", 2_000), ("bank-payouts", "payout", 700)],
)
def test_a_stripe_object_is_listed_and_shown_by_its_id(
    sqlite_url: str, path: str, name: str, amount: int
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            kept = await month(it)
            (listed,) = await pages(it, f"/v1/{path}", 20)
            id = kept[name]["id"]
            assert listed == (await it.get(f"/v1/{path}/{id}")).json()
            assert (listed["id"], listed["amount"], listed["currency"]) == (id, amount, "usd")
            assert listed["stripe_account"] == "platform"
            # An object of another kind is not found here.
            other = kept["paid"]["id"]
            assert is_problem(await it.get(f"/v1/{path}/{other}"), 404, "not_found")

    run(story)


def test_balance_transactions_add_up_to_stripes_balance(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await month(it)
            await it.check()
            sums: dict[str, int] = {}
            for row in await pages(it, "/v1/balance-transactions", 3):
                assert row["net"] == row["amount"] - row["fee"]
                sums[row["currency"]] = sums.get(row["currency"], 0) + row["net"]
            shown = (await it.get("/v1/platform/balance")).json()["balances"]
            assert sums == {b["currency"]: b["available"] + b["pending"] for b in shown}

    run(story)


def test_a_merchants_balance_is_what_its_parts_leave(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            kept = await month(it)
            answer = (await it.get("/v1/merchants/bakery/balance")).json()
            assert answer["merchant"] == "bakery"
            by_currency = {b["currency"]: b for b in answer["balances"]}
            assert list(by_currency) == ["eur", "usd"]
            assert by_currency["usd"] == {
                "currency": "usd",
                "settled_in": 5 * (10_000 - 300) + 10,
                "refunded": 1_000,
                "paid_out": 0,
                "reserved": 0,
                "disputed": 2_000,
                "adjusted": 0,
                "balance": 5 * (10_000 - 300) + 10 - 1_000 - 2_000,
            }
            assert by_currency["eur"]["balance"] == 5_000
            held = await it.balances()
            for currency, shown in by_currency.items():
                assert shown["balance"] == -held["merchant:bakery", currency]
                parts = shown["refunded"] + shown["paid_out"] + shown["disputed"]
                assert shown["balance"] == shown["settled_in"] - parts
            it.simulator.acts.close_dispute(kept["dispute"]["id"], "won")
            await it.listen()
            answer = (await it.get("/v1/merchants/bakery/balance")).json()
            usd = {b["currency"]: b for b in answer["balances"]}["usd"]
            assert (usd["disputed"], usd["balance"]) == (0, 5 * 9_700 + 10 - 1_000)
            nobody = await it.get("/v1/merchants/nobody/balance")
            assert is_problem(nobody, 404, "not_found")

    run(story)


def test_the_platforms_balance_sets_stripes_figures_beside_the_books(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await month(it)
            assert (await it.check())["status"] == "clean"
            it.simulator.acts.unknown_movement(500, "usd")
            await it.check()
            shown = (await it.get("/v1/platform/balance")).json()["balances"]
            usd = {b["currency"]: b for b in shown}["usd"]
            assert set(usd) == {
                "currency",
                "available",
                "pending",
                "books",
                "reserved",
                "drift",
                "drift_as_of",
            }
            assert usd["drift"] == 500
            assert usd["available"] + usd["pending"] - usd["books"] == 500
            assert RFC_3339.fullmatch(usd["drift_as_of"])
            it.simulator.faults.add("GET", "/v1/balance", "before", "500", times=None)
            answer = await it.get("/v1/platform/balance")
            assert is_problem(answer, 502, "stripe_unavailable")

    run(story)


# Drift.


def test_an_operator_starts_a_run_and_everybody_reads_it(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await month(it)
            it.simulator.acts.unknown_movement(500, "usd")
            assert is_problem(await it.get("/v1/drift/runs/latest"), 404, "not_found")
            _, operator = await create_key(it.context, "ops", Role.OPERATOR)
            _, viewer = await create_key(it.context, "eyes", Role.VIEWER)
            refused = await it.http.post("/v1/drift/runs", headers=bearer(viewer))
            assert is_problem(refused, 403, "forbidden")
            assert await pages(it, "/v1/drift/runs", 5) == []
            started = (await it.http.post("/v1/drift/runs", headers=bearer(operator))).json()
            assert started["status"] == "drift"
            assert started["drift"] == {"usd": 500}
            assert started["findings"]["open"] == 1
            assert started["coverage"]["complete"] is True
            for id in (started["id"], "latest"):
                assert (await it.get(f"/v1/drift/runs/{id}", viewer)).json() == started
            assert await pages(it, "/v1/drift/runs", 5) == [started]
            shown = (await it.get("/v1/drift/runs/latest/bridge", viewer)).json()
            assert shown["run"] == started["id"]
            for bridge in shown["bridge"]:
                between = sum(line["amount"] for line in bridge["differences"])
                assert bridge["stripe"] == bridge["available"] + bridge["pending"]
                assert bridge["stripe"] - bridge["books"] == between + bridge["unexplained"]
                assert bridge["unexplained"] == 0
                held = sum(line["amount"] for line in bridge["holdings"])
                assert bridge["books"] == held
            for path in ("", "/bridge", "/export"):
                answer = await it.get(f"/v1/drift/runs/run_nowhere{path}")
                assert is_problem(answer, 404, "not_found")

    run(story)


def test_a_run_that_could_not_read_everything_is_incomplete(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.faults.add("GET", "/v1/transfers", "before", "reset", times=None)
            started = (await it.http.post("/v1/drift/runs", headers=bearer(ADMIN_KEY))).json()
            assert started["status"] == "incomplete"
            assert started["coverage"]["errors"]

    run(story)


def test_without_a_stripe_key_a_run_cannot_be_started_but_all_can_be_read(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url, STRIPE_SECRET_KEY="") as it:
            answer = await it.http.post("/v1/drift/runs", headers=bearer(ADMIN_KEY))
            assert is_problem(answer, 503, "no_stripe_key")
            assert (await it.get("/v1/platform/balance")).json() == {"balances": []}
            for path in LISTINGS:
                assert (await it.get(path)).json() == {"data": [], "has_more": False}

    run(story)


def test_findings_are_listed_by_status_and_shown_as_the_interface_says(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.acts.pay(1_000, "usd")
            await it.check()
            (timing,) = await pages(it, "/v1/drift/findings", 5, status="timing")
            assert timing["expected_clear_by"]
            await it.listen()
            it.simulator.acts.unknown_movement(500, "usd")
            await it.check()
            (cleared,) = await pages(it, "/v1/drift/findings", 5, status="cleared")
            assert cleared["id"] == timing["id"]
            assert RFC_3339.fullmatch(cleared["cleared_at"])
            (found,) = await pages(it, "/v1/drift/findings", 5, status="open")
            assert await pages(it, "/v1/drift/findings", 5) == [found]
            whole = (await it.get(f"/v1/drift/findings/{found['id']}")).json()
            assert {**whole, **found} == whole
            assert {
                "id",
                "kind",
                "cause",
                "status",
                "stripe_account",
                "reference",
                "currency",
                "stripe_amount",
                "books_amount",
                "difference",
                "at_risk",
                "first_seen",
                "expected_clear_by",
                "evidence",
                "proposed_repair",
            } <= found.keys()
            assert found["kind"] == "unknown_movement"
            assert found["difference"] == found["stripe_amount"] - found["books_amount"] == 500
            answer = await it.get("/v1/drift/findings", status="all")
            assert is_problem(answer, 400, "bad_status")
            answer = await it.get("/v1/drift/findings/fnd_nowhere")
            assert is_problem(answer, 404, "not_found")

    run(story)


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")


def test_no_cell_of_an_export_is_a_formula(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            acts = it.simulator.acts
            for number, start in enumerate(FORMULAS):
                acts.pay(1_000, "usd", metadata={"merchant_id": start}, description=start)
                acts.unknown_movement(5 + number, "usd", type=start, reporting_category=start)
                bad = event(f"{start}_{number}", type=start, data={"object": {"object": "charge"}})
                assert (await post(it, bad)).status_code == 200
            acts.unknown_movement(-500, "usd")
            await it.listen()
            await until_settled(it)
            report = await it.check()
            answer = await it.get("/v1/drift/runs/latest/export", format="csv")
            assert answer.headers["content-type"] == "text/csv; charset=utf-8"
            name = f'attachment; filename="{report["id"]}.csv"'
            assert answer.headers["content-disposition"] == name
            rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
            references = {row["reference"] for row in rows}
            assert {f"'{start}_{n}" for n, start in enumerate(FORMULAS)} <= references
            money = {"stripe_amount", "books_amount", "difference", "at_risk", "difference_major"}
            for row in rows:
                for column, cell in row.items():
                    if column in money:
                        assert re.fullmatch(r"(-?\d+(\.\d+)?)?", cell), cell
                    else:
                        assert not cell.startswith((*FORMULAS, "=", "+", "-", "@")), cell
            control = [row for row in rows if row["status"] == "control"]
            findings = [row for row in rows if row["status"] != "control"]
            assert len(findings) == len(report["found"])
            total = sum(int(row["difference"]) for row in findings if row["currency"] == "usd")
            assert [(r["currency"], int(r["difference"])) for r in control] == [("usd", total)]
            again = await it.get("/v1/drift/runs/latest/export", format="csv")
            assert again.content == answer.content

    run(story)


def test_an_export_as_json_holds_the_run_and_its_control_totals(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.acts.unknown_movement(500, "usd")
            report = await it.check()
            for params in ({}, {"format": "json"}):
                answer = await it.get("/v1/drift/runs/latest/export", **params)
                assert answer.headers["content-type"] == "application/json"
                document = answer.json()
                assert document["run"]["id"] == report["id"]
                assert [f["id"] for f in document["findings"]] == [f["id"] for f in report["found"]]
                sums = {"differences": {"usd": 500}, "stripe_amounts": {"usd": 500}}
                nothing = {"books_amounts": {"usd": 0}, "at_risk": {"usd": 500}}
                assert document["control"] == {"findings": 1, **sums, **nothing}
            answer = await it.get("/v1/drift/runs/latest/export", format="exe")
            assert is_problem(answer, 400, "bad_format")

    run(story)


def test_an_export_of_an_id_with_a_zero_byte_is_not_found(pg_server: PgServer) -> None:
    url = pg_server.migrated()

    async def story() -> None:
        async with service(url) as it:
            answer = await it.get("/v1/drift/runs/%00/export")
            assert is_problem(answer, 404, "not_found")

    run(story)


# Times.


def moments(value: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """Every integer that looks like an epoch second of this century, with where it stands."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from moments(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from moments(item, f"{path}[]")
    elif type(value) is int and 10**9 < value < 4 * 10**9:
        yield path, value


def test_every_time_in_the_api_is_written_as_rfc_3339_in_utc(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            kept = await month(it)
            it.simulator.acts.unknown_movement(500, "usd")
            it.simulator.acts.transfer(kept["account"], 700, "usd")
            it.simulator.acts.pay(1_000, "usd")
            await post(it, event("evt_bad", data={"object": {"object": "charge"}}))
            await until_settled(it)
            report = await it.check()
            paths = [*LISTINGS, "/v1/platform/balance", "/v1/drift/runs/latest"]
            paths += ["/v1/drift/runs/latest/bridge", f"/v1/payments/{kept['paid']['id']}"]
            paths += [f"/v1/drift/findings/{f['id']}" for f in report["found"]]
            paths += [f"/v1/events/{e['id']}" for e in events(it.simulator)[:1]]
            for path in paths:
                body = (await it.get(path)).json()
                assert list(moments({**body, "body": ""})) == [], path
            row = (await it.get(f"/v1/payments/{kept['paid']['id']}")).json()
            assert RFC_3339.fullmatch(row["created"])
            read = datetime.strptime(row["created"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            assert int(read.timestamp()) == kept["paid"]["created"]

    run(story)
