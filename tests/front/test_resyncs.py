"""Resyncs: objects read from Stripe again, by ids or by type and window, whatever happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.resync import run as run_job
from reconciler.intake import resync
from reconciler.store import resyncs
from tests.harness import ADMIN_KEY, Service, ask_stripe, run, service

AUTH = {"Authorization": f"Bearer {ADMIN_KEY}"}
OWNED = {"merchant_id": "bakery"}


async def asked(it: Service, **body: Any) -> Any:
    return await it.http.post("/v1/resyncs", json=body, headers=AUTH)


async def to_the_end(it: Service, id: str) -> Any:
    assert it.context.stripe is not None
    await resync.go_on(it.context, it.context.stripe, id)
    return (await it.get(f"/v1/resyncs/{id}")).json()


def lost(it: Service) -> None:
    """From here on no webhook comes."""
    it.simulator.webhooks.drop("*")


def test_what_no_webhook_told_of_is_brought_by_ids(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            lost(it)
            payment = it.simulator.acts.pay(10_000, "usd", metadata=OWNED)
            await it.listen()
            answer = await asked(it, ids=[payment["id"], payment["latest_charge"]], reason="lost")
            assert answer.status_code == 202
            done = await to_the_end(it, answer.json()["id"])
            assert (done["status"], done["progress"]) == ("completed", 1.0)
            assert (done["objects_read"], done["objects_changed"], done["problems"]) == (2, 2, 0)
            assert (await it.balances())["merchant:bakery", "usd"] == -10_000
            again = await asked(it, ids=[payment["id"]])
            assert (await to_the_end(it, again.json()["id"]))["objects_changed"] == 0
            actions = [row["action"] for row in (await it.get("/v1/audit")).json()["data"]]
            assert actions.count("resync.started") == 2

    run(story)


@pytest.mark.parametrize(
    "type", ["payment_intent", "charge", "refund", "dispute", "transfer", "payout"]
)
def test_every_type_is_brought_by_its_window(tmp_path: Path, type: str) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'types.db'}") as it:
            account = await it.merchant("bakery")
            began = it.simulator.clock.now()
            lost(it)
            acts = it.simulator.acts
            payment = acts.pay(30_000, "usd", metadata=OWNED)
            acts.refund(payment["id"], amount=1_000)
            acts.dispute(acts.pay(5_000, "usd", metadata=OWNED)["latest_charge"])
            it.simulator.clock.advance(8 * 86400)
            acts.transfer(account, 2_000, "usd")
            await ask_stripe(it, "/v1/payouts", amount="3000", currency="usd")
            until = it.simulator.clock.now()
            window = {"since": _written(began), "until": _written(until)}
            done = await to_the_end(it, (await asked(it, type=type, **window)).json()["id"])
            assert (done["status"], done["problems"]) == ("completed", 0)
            assert done["objects_read"] == done["objects_changed"] > 0
            rows = await it.query("SELECT kind FROM objects")
            kinds = {"payout": "bank_payout"}.get(type, type)
            assert kinds in {row["kind"] for row in rows}

    run(story)


def _written(seconds: int) -> str:
    from reconciler.moments import moment

    found = moment(seconds)
    assert found is not None
    return found


def test_movements_that_were_lost_here_come_back_with_their_window(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'movements.db'}") as it:
            it.simulator.acts.pay(10_000, "usd", metadata=OWNED)
            answer = await asked(it, type="balance_transaction", since="2020-01-01")
            done = await to_the_end(it, answer.json()["id"])
            assert done["objects_changed"] == 1
            assert (await it.balances())["stripe_balance", "usd"] == 9_680
            [row] = await it.query("SELECT id FROM balance_transactions")
            again = await to_the_end(it, (await asked(it, ids=[row["id"]])).json()["id"])
            assert (again["objects_read"], again["objects_changed"]) == (1, 0)

    run(story)


def test_a_long_one_goes_on_where_it_was_cut_short(tmp_path: Path) -> None:
    """The job does so many pages at a time; the process may end between any two of them."""
    url = f"sqlite:///{tmp_path / 'long.db'}"

    async def story() -> None:
        async with service(url) as it:
            lost(it)
            for _ in range(230):
                it.simulator.acts.pay(1_000, "usd", metadata=OWNED)
                it.simulator.clock.advance(60)
            since = _written(it.simulator.clock.now() - 300 * 60)
            id = (await asked(it, type="payment_intent", since=since)).json()["id"]
            assert it.context.stripe is not None
            first = await resync.go_on(it.context, it.context.stripe, id, 1)
            assert (first["status"], first["objects_read"]) == ("running", 100)
            assert 0.3 < first["progress"] < 0.4
            stripe = it.simulator
        async with service(url, stripe, first_id=1000) as it:
            assert await run_job(it.context) == f"{id} completed"
            done = (await it.get(f"/v1/resyncs/{id}")).json()
            assert (done["objects_read"], done["pages"], done["objects_changed"]) == (230, 3, 230)
            assert (await it.balances())["merchant:bakery", "usd"] == -230_000

    run(story)


def test_a_page_that_somebody_else_did_meanwhile_is_not_kept_twice(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            lost(it)
            for _ in range(3):
                it.simulator.acts.pay(1_000, "usd", metadata=OWNED)
            id = (await asked(it, type="charge", since="2020-01-01")).json()["id"]
            async with it.context.database.read() as session:
                row = await resyncs.get(session, id)
            assert row is not None
            assert it.context.stripe is not None
            for _ in range(2):
                await resync._step(it.context, it.context.stripe, row)
            done = (await it.get(f"/v1/resyncs/{id}")).json()
            assert (done["objects_read"], done["pages"]) == (3, 1)

    run(story)


def test_one_that_is_stopped_keeps_what_it_has_read_and_goes_no_further(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            id = (await asked(it, ids=["pi_1"])).json()["id"]
            stopped = await it.http.delete(f"/v1/resyncs/{id}", headers=AUTH)
            assert stopped.json()["status"] == "cancelled"
            assert (await to_the_end(it, id))["objects_read"] == 0
            again = await it.http.delete(f"/v1/resyncs/{id}", headers=AUTH)
            assert (again.status_code, again.json()["code"]) == (409, "resync_ended")
            none = await it.http.delete("/v1/resyncs/rsy_none", headers=AUTH)
            assert (none.status_code, none.json()["code"]) == (404, "unknown_resync")

    run(story)


def test_what_stripe_does_not_have_is_named_and_holds_up_nothing(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            lost(it)
            payment = it.simulator.acts.pay(1_000, "usd", metadata=OWNED)
            answer = await asked(it, ids=["pi_none", payment["id"], "txn_none", "po_none"])
            done = await to_the_end(it, answer.json()["id"])
            assert (done["status"], done["problems"], done["objects_changed"]) == (
                "completed",
                3,
                1,
            )
            assert done["problem_list"][0].startswith("pi_none: ")

    run(story)


def test_while_stripe_does_not_answer_it_stays_where_it_is_and_says_why(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            payment = it.simulator.acts.pay(1_000, "usd", metadata=OWNED)
            answer = await asked(it, type="charge", since="2020-01-01")
            it.simulator.faults.add("GET", "/v1/charges", "before", "500", times=20)
            id = answer.json()["id"]
            stood = await to_the_end(it, id)
            assert (stood["status"], stood["objects_read"]) == ("running", 0)
            assert stood["error"]
            it.simulator.faults.clear()
            it.simulator.clock.advance(120)
            done = await to_the_end(it, id)
            assert (done["status"], done["error"], done["objects_read"]) == ("completed", "", 1)
            assert payment["id"]

    run(story)


BAD = {
    "nothing": ({}, "resync_unclear"),
    "both": ({"ids": ["pi_1"], "type": "charge", "since": "2020-01-01"}, "resync_unclear"),
    "a type that is none": ({"type": "payouts", "since": "2020-01-01"}, "type_not_listed"),
    "an id in another's path": ({"ids": ["pi_1/../../customers"]}, "id_not_readable"),
    "an id of another kind": ({"ids": ["cus_1"]}, "id_not_readable"),
    "another account": ({"ids": ["pi_1"], "account": "../x"}, "account_not_readable"),
    "the future": ({"type": "charge", "since": "2020-01-01", "until": "2999-01-01"},
                   "window_in_future"),
    "an empty window": ({"type": "charge", "since": "2020-01-02", "until": "2020-01-01"},
                        "window_empty"),
    "no moment": ({"type": "charge", "since": "yesterday"}, "bad_moment"),
    "a moment without a zone": ({"type": "charge", "since": "2020-01-01T00:00:00"}, "bad_moment"),
    "too many": ({"ids": [f"pi_{n}" for n in range(1001)]}, "too_many_ids"),
    "another type of field": ({"ids": "pi_1"}, "invalid_body"),
    "an unknown field": ({"ids": ["pi_1"], "force": True}, "invalid_body"),
}  # fmt: skip


def test_what_cannot_be_asked_for_is_refused_by_name_and_nothing_is_begun(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'bad.db'}") as it:
            for what, (body, code) in BAD.items():
                answer = await asked(it, **body)
                assert (answer.status_code, answer.json()["code"]) == (400, code), what
                assert answer.headers["content-type"] == "application/problem+json"
            assert (await it.get("/v1/resyncs")).json() == {"data": [], "has_more": False}
            assert (await it.get("/v1/resyncs/rsy_none")).status_code == 404
            assert (await it.get("/v1/resyncs/rsy_none/progress")).status_code == 404

    run(story)


def test_progress_is_told_until_the_end(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            lost(it)
            payment = it.simulator.acts.pay(1_000, "usd", metadata=OWNED)
            id = (await asked(it, ids=[payment["id"]])).json()["id"]
            await to_the_end(it, id)
            told = await it.get(f"/v1/resyncs/{id}/progress")
            assert told.headers["content-type"].startswith("text/event-stream")
            [data] = [line for line in told.text.splitlines() if line.startswith("data: ")]
            assert json.loads(data.removeprefix("data: "))["status"] == "completed"
            listed = (await it.get("/v1/resyncs", limit="1")).json()
            assert [row["id"] for row in listed["data"]] == [id]

    run(story)


def test_the_console_shows_how_far_each_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with service(f"sqlite:///{tmp_path / 'page.db'}") as it:
            await asked(it, ids=["pi_none"], reason="<b>why</b>")
            browser = ("anyone", ADMIN_KEY)
            page = await it.http.get("/console/resyncs", auth=browser)
            assert page.headers["refresh"]
            assert "&lt;b&gt;why" in page.text
            id = (await it.get("/v1/resyncs")).json()["data"][0]["id"]
            await to_the_end(it, id)
            page = await it.http.get("/console/resyncs", auth=browser)
            assert "refresh" not in page.headers
            assert "1 not readable" in page.text

    run(story)
