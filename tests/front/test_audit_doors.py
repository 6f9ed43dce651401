"""The audit log through the doors: what each leaves behind, from where, and who may read it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import structlog
from starlette.requests import Request

from handlers.addresses import client_address
from jobs import self_check
from reconciler.intake.apply import apply_all, requeue_dead
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.oversight.keys import Role, bootstrap_key, create_key, revoke_key
from reconciler.settings import BadSettings, Settings, load
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, Service, run, service

OPERATOR = Actor("key_9", "ops", "operator", "192.0.2.9", "req_9")
ROOT = Path(__file__).parents[2]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def rows(it: Service, **narrowed: Any) -> list[dict[str, Any]]:
    answer = await it.get("/v1/audit", limit=100, **narrowed)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def test_every_action_is_documented() -> None:
    text = (ROOT / "docs" / "audit.md").read_text()
    for action in Action:
        assert f"| `{action}` |" in text, action


# What leaves a row.


def test_a_run_that_somebody_asked_for_says_who_and_from_where(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            id, key = await create_key(it.context, "ops", Role.OPERATOR)
            answer = await it.http.post("/v1/drift/runs", headers=bearer(key))
            (row,) = await rows(it, action="run.started")
            assert row["subject"] == answer.json()["id"]
            assert (row["key_id"], row["actor"], row["role"]) == (id, "ops", "operator")
            assert row["address"] == "127.0.0.1"
            assert row["request_id"] == answer.headers["request-id"]
            found = {"open": 0, "timing": 0, "suppressed": 0}
            assert row["after"] == {"status": "clean", **found}
            await it.check()  # as the schedule does
            assert len(await rows(it, action="run.started")) == 1

    run(story)


def test_keys_that_are_made_and_revoked_leave_rows_without_the_key(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            id, key = await create_key(it.context, "eyes", Role.VIEWER, OPERATOR)
            assert await revoke_key(it.context, id, OPERATOR, f"leaked {key} in a chat")
            assert not await revoke_key(it.context, id, OPERATOR)
            assert not await revoke_key(it.context, "key_nowhere", OPERATOR)
            revoked, created, first = await rows(it)
            assert (created["action"], created["subject"]) == ("key.created", id)
            assert created["after"] == {"name": "eyes", "role": "viewer"}
            assert (revoked["action"], revoked["subject"]) == ("key.revoked", id)
            assert revoked["before"] == {"name": "eyes", "role": "viewer"}
            assert revoked["reason"] == "leaked [secret] in a chat"
            assert revoked["actor"] == "ops"
            assert (first["actor"], first["action"]) == ("service", "key.created")
            assert key not in json.dumps(await it.query("SELECT * FROM audit_log"))

    run(story)


def test_an_admin_key_changed_in_the_settings_leaves_two_rows_and_an_unchanged_one_none(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            assert len(await rows(it)) == 1
            await bootstrap_key(it.context, ADMIN_KEY)
            assert len(await rows(it)) == 1
            await bootstrap_key(it.context, "rec_another_admin_key")
            await bootstrap_key(it.context, ADMIN_KEY)
            actions = [row["action"] for row in await rows(it)]
            assert actions == ["key.created", "key.revoked"] * 2 + ["key.created"]

    run(story)


async def two_dead(it: Service) -> list[str]:
    """Events that could not be applied; their ids."""
    it.simulator.acts.pay(2000, "usd")
    await it.simulator.webhooks.deliver(it.send)
    async with it.context.write() as session:
        await session.run(
            "UPDATE inbox SET status = 'dead', error = 'x' WHERE seq IN"
            " (SELECT seq FROM inbox ORDER BY seq LIMIT 2)"
        )
    found = await it.query("SELECT event_id FROM inbox WHERE status = 'dead' ORDER BY event_id")
    return [row["event_id"] for row in found]


def test_a_replay_leaves_a_row_that_names_the_events(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            one, other = await two_dead(it)
            assert await requeue_dead(it.context, [one], OPERATOR) == 1
            assert await requeue_dead(it.context, ["evt_nowhere"], OPERATOR) == 0
            assert await requeue_dead(it.context, None) == 1  # a start's own
            await apply_all(it.context)
            (row,) = await rows(it, action="event.replayed")
            assert row["subject"] == one
            assert row["after"] == {"events": [one], "count": 1}
            assert other not in json.dumps(row)

    run(story)


def test_the_self_check_logs_an_anchor_or_an_alarm(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await create_key(it.context, "eyes", Role.VIEWER)
            with structlog.testing.capture_logs() as logs:
                outcome = await self_check.run(it.context)
            head = (await it.get("/v1/audit/head")).json()
            assert outcome == "0 invariants broken"
            assert {"event": "audit.head", "anchor": head["anchor"], "log_level": "info"} in logs
            async with it.context.database.write() as session:
                await session.run("DROP TRIGGER audit_rows_are_never_changed")
                await session.run("UPDATE audit_log SET reason = 'none' WHERE seq = 1")
            with structlog.testing.capture_logs() as logs:
                assert "the audit log is broken" in await self_check.run(it.context)
            (alarm,) = [line for line in logs if line["event"] == "audit.broken"]
            assert alarm["log_level"] == "error"
            assert "row 1 was changed" in alarm["first"][0]

    run(story)


# Reading it.


def test_the_log_is_listed_in_pages_and_narrowed_down(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            for number in range(5):
                async with it.context.write() as session:
                    entry = Audit(OPERATOR, Action.MERCHANT_CREATED, f"m{number % 2}")
                    record(session, entry, it.context.now())
            first = (await it.get("/v1/audit", limit=4)).json()
            assert [row["seq"] for row in first["data"]] == [6, 5, 4, 3]
            assert first["has_more"] is True
            rest = (await it.get("/v1/audit", limit=4, starting_after=3)).json()
            assert ([row["seq"] for row in rest["data"]], rest["has_more"]) == ([2, 1], False)
            assert [row["seq"] for row in await rows(it, subject="m1")] == [5, 3]
            assert [row["seq"] for row in await rows(it, key_id="key_9", subject="m0")] == [6, 4, 2]
            assert await rows(it, subject="m1", action="key.created") == []
            assert re.fullmatch(r"20\d\d-.*Z", first["data"][0]["at"])
            for query, code in (
                ({"limit": "0"}, "bad_limit"),
                ({"limit": "x"}, "bad_limit"),
                ({"limit": "101"}, "bad_limit"),
                ({"starting_after": "-1"}, "bad_cursor"),
                ({"starting_after": "9" * 30}, "bad_cursor"),
                ({"action": "key.eaten"}, "bad_action"),
                ({"subject": "x" * 300}, "bad_subject"),
            ):
                assert is_problem(await it.get("/v1/audit", **query), 400, code), query

    run(story)


def test_finance_and_admin_read_the_log_and_nobody_else(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for role in Role:
                _, key = await create_key(it.context, role.name, role)
                for path in ("/v1/audit", "/v1/audit/head", "/console/audit"):
                    answer = await it.http.get(path, auth=("anybody", key))
                    expected = 200 if role >= Role.FINANCE else 403
                    assert answer.status_code == expected, (role, path)

    run(story)


def test_the_page_shows_rows_and_escapes_what_they_say(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            hostile = "<script>alert(1)</script>"
            actor = Actor("key_1", hostile, "admin", "192.0.2.1", "req_1")
            for number in range(60):
                async with it.context.write() as session:
                    entry = Audit(
                        actor, Action.POLICY_CHANGED, f"{hostile}{number}", {"a": hostile},
                        {"amount": 1250, "currency": "usd"}, hostile,
                    )  # fmt: skip
                    record(session, entry, it.context.now())
            page = await it.http.get("/console/audit", auth=("anybody", ADMIN_KEY))
            assert page.status_code == 200
            assert "<script" not in page.text
            assert "&lt;script&gt;alert(1)&lt;/script&gt;59" in page.text
            assert "12.50" in page.text  # as people write it, not as it is stored
            assert "1250" not in page.text
            assert page.headers["content-security-policy"].startswith("default-src 'none'")
            assert "style=" not in page.text
            (onward,) = re.findall(r'href="(/console/audit\?[^"]+)"', page.text)
            older = await it.http.get(onward.replace("&amp;", "&"), auth=("anybody", ADMIN_KEY))
            assert "key.created" in older.text
            assert "Older rows" not in older.text
            narrowed = await it.http.get(
                "/console/audit", params={"action": "key.created"}, auth=("anybody", ADMIN_KEY)
            )
            assert "192.0.2.1" not in narrowed.text

    run(story)


# Where a request came from.


def asked(peer: str | None, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    client = (peer, 4711) if peer is not None else None
    return Request({"type": "http", "headers": headers, "client": client})


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not a proxy of ours
        ("10.0.0.5", [], "10.0.0.5"),
        ("10.0.0.5", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.5", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # what the caller made up
        ("10.0.0.5", ["6.6.6.6, 198.51.100.1, 10.0.0.77"], "198.51.100.1"),
        ("10.0.0.5", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.5", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("10.0.0.5", ["198.51.100.1, nonsense"], "10.0.0.5"),
        ("10.0.0.5", [""], "10.0.0.5"),
        ("10.0.0.5", ["198.51.100.1:4711"], "198.51.100.1"),
        ("::ffff:10.0.0.5", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("2001:db8:ffff::1", ["198.51.100.1"], "198.51.100.1"),
        ("unix", ["198.51.100.1"], ""),
        (None, ["198.51.100.1"], ""),
    ],
)
def test_only_a_proxy_of_ours_is_believed(
    peer: str | None, forwarded: list[str], expected: str
) -> None:
    proxies = Settings.model_validate(
        {"RECONCILER_TRUSTED_PROXIES": "10.0.0.0/24, 2001:db8:ffff::1"}
    ).proxies
    assert client_address(asked(peer, *forwarded), proxies) == expected


@pytest.mark.parametrize(
    ("trusted", "expected"), [("", "127.0.0.1"), ("127.0.0.1", "198.51.100.1")]
)
def test_the_setting_reaches_the_log(sqlite_url: str, trusted: str, expected: str) -> None:
    async def story() -> None:
        async with service(sqlite_url, RECONCILER_TRUSTED_PROXIES=trusted) as it:
            headers = {**bearer(ADMIN_KEY), "X-Forwarded-For": "198.51.100.1"}
            await it.http.post("/v1/drift/runs", headers=headers)
            assert (await rows(it, action="run.started"))[0]["address"] == expected

    run(story)


def test_proxies_that_are_none_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_TRUSTED_PROXIES", "10.0.0.0/24, proxy.example")
    with pytest.raises(BadSettings, match="RECONCILER_TRUSTED_PROXIES: must be addresses"):
        load()


def test_every_answer_names_its_request(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            answers = [
                await it.get("/v1/events"),
                await it.get("/v1/events", "rec_wrong"),
                await it.get("/v1/events/evt_nowhere"),
            ]
            ids = {answer.headers["request-id"] for answer in answers}
            assert len(ids) == 3
            assert all(id.startswith("req_") for id in ids)

    run(story)


def test_a_dead_event_is_replayed_over_http_once_and_with_its_reason(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            one, other = await two_dead(it)
            _, viewer = await create_key(it.context, "eyes", Role.VIEWER)
            _, operator = await create_key(it.context, "ops", Role.OPERATOR)

            async def replay(id: str, key: str, **more: Any) -> Any:
                path = f"/v1/events/{id}/replay"
                return await it.http.post(path, headers=bearer(key), **more)

            assert is_problem(await replay(one, viewer), 403, "forbidden")
            for body in ("[]", '{"why": "x"}', '{"reason": 7}', "{"):
                refused = await replay(one, operator, content=body)
                assert refused.status_code == 400, body
            done = await replay(one, operator, json={"reason": "a new version can read it"})
            assert done.status_code == 200, done.text
            assert done.json()["id"] == one
            assert done.json()["status"] in ("applied", "waiting")
            assert is_problem(await replay(one, operator), 409, "event_not_dead")
            assert is_problem(await replay("evt_nowhere", operator), 404, "unknown_event")
            (row,) = await rows(it, action="event.replayed")
            assert (row["subject"], row["actor"]) == (one, "ops")
            assert row["reason"] == "a new version can read it"
            (still,) = (await it.get("/v1/events", status="dead")).json()["data"]
            assert still["id"] == other

    run(story)


def test_an_event_that_fails_again_says_why(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            one, _ = await two_dead(it)
            async with it.context.write() as session:
                await session.run(
                    "UPDATE inbox SET body = :body WHERE event_id = :id", body=b"{}", id=one
                )
            answer = await it.http.post(f"/v1/events/{one}/replay", headers=bearer(ADMIN_KEY))
            assert answer.status_code == 200
            assert answer.json()["status"] == "received"
            assert "livemode" in answer.json()["error"]

    run(story)
