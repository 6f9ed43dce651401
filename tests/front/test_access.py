"""Who may ask the API, and what must never be in an answer or a log."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from handlers.routes import TABLE, Entry
from reconciler.app import configure_logging
from reconciler.keys import Role, bootstrap_key, create_key
from reconciler.simulator import Simulator
from reconciler.store import keys as stored_keys
from tests.front.reading import bearer, month
from tests.front.test_webhooks import (
    CONNECT_DOOR,
    PLATFORM_DOOR,
    event,
    is_problem,
    post,
    until_settled,
)
from tests.harness import ADMIN_KEY, CONNECT_SECRET, SECRET, run, service

# Who may ask.


def called(entry: Entry) -> str:
    return f"{entry.method} {entry.path}"


@pytest.mark.parametrize("entry", TABLE, ids=called)
def test_a_route_answers_nobody_without_a_living_key_of_its_role(
    sqlite_url: str, entry: Entry
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            path = entry.path.replace("{id}", "latest")

            async def status(headers: Any) -> httpx.Response:
                return await it.http.request(entry.method, path, headers=headers)

            id, revoked = await create_key(it.context, "gone", Role.ADMIN)
            async with it.context.write() as session:
                assert await stored_keys.revoke(session, id, it.context.now())
            password = base64.b64encode(b"user:wrong").decode()
            for headers in (
                {},
                {"Authorization": ""},
                {"Authorization": "Bearer"},
                {"Authorization": "Bearer "},
                {"Authorization": ADMIN_KEY},
                {"Authorization": f"Token {ADMIN_KEY}"},
                {"Authorization": f"Basic {ADMIN_KEY}"},
                {"Authorization": f"Basic {password}"},
                {"Authorization": "Basic ====="},
                {"Authorization": b"Bearer \xff\xfe"},
                bearer("rec_wrong"),
                bearer(ADMIN_KEY[:-1]),
                bearer(ADMIN_KEY.upper()),
                bearer(ADMIN_KEY + " " + ADMIN_KEY),
                bearer("x" * 100_000),
                bearer(revoked),
                bearer(Simulator.secret_key),
            ):
                answer = await status(headers)
                assert is_problem(answer, 401, "unauthenticated"), headers
                assert answer.headers["www-authenticate"] == "Bearer"
            for role in Role:
                _, key = await create_key(it.context, role.name, role)
                answer = await status(bearer(key))
                if role < entry.role:
                    assert is_problem(answer, 403, "forbidden"), role
                else:
                    assert answer.status_code in (200, 404), (role, answer.text)
            if entry.method == "POST":
                assert len(await it.query("SELECT id FROM runs")) == len(Role) - entry.role

    run(story)


def test_a_browser_may_send_its_key_as_a_password(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            answer = await it.http.get("/v1/events", auth=("anybody", ADMIN_KEY))
            assert answer.status_code == 200

    run(story)


def test_an_admin_key_that_was_replaced_in_the_settings_opens_nothing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            # What the next start does, after the setting was changed.
            await bootstrap_key(it.context, "rec_another_admin_key")
            assert (await it.get("/v1/events", "rec_another_admin_key")).status_code == 200
            assert (await it.get("/v1/events", ADMIN_KEY)).status_code == 401

    run(story)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/events", 405),
        ("GET", PLATFORM_DOOR, 405),
        ("POST", "/healthz", 405),
    ],
)
def test_a_route_that_is_not_there_is_answered_with_a_problem_document(
    sqlite_url: str, method: str, path: str, status: int
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            answer = await it.http.request(method, path, headers=bearer(ADMIN_KEY))
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"

    run(story)


# What must not be told.


def test_no_secret_leaves_in_an_answer_or_a_log(
    sqlite_url: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[str] = []
    made: list[str] = []

    async def story() -> None:
        async with service(sqlite_url) as it:
            made.append((await create_key(it.context, "eyes", Role.VIEWER))[1])

            async def note(answer: httpx.Response) -> httpx.Response:
                await answer.aread()
                answers.append(f"{answer.status_code} {answer.headers} {answer.text}")
                return answer

            await month(it)
            for door in (PLATFORM_DOOR, CONNECT_DOOR):
                await note(await post(it, event(), "t=1,v1=0", door))
                await note(await post(it, b"not json", door=door))
                await note(await post(it, event("evt_bad", data={"object": []}), door=door))
            await until_settled(it)
            faults = it.simulator.faults
            for effect in ("reset", "500", "429", "broken_body"):
                faults.add("GET", "/v1/balance*", "before", effect, times=None)
                await note(await it.http.post("/v1/drift/runs", headers=bearer(ADMIN_KEY)))
                await note(await it.get("/v1/platform/balance"))
                faults.clear()
            for entry in TABLE:
                path = entry.path.replace("{id}", "latest")
                for key in (ADMIN_KEY, made[0], "rec_wrong_key_of_somebody"):
                    headers = bearer(key)
                    await note(await it.http.request(entry.method, path, headers=headers))
            await note(await it.http.get("/console/runs/latest", auth=("me", ADMIN_KEY)))
            await note(await it.http.get("/console/runs/latest", auth=("me", "wrong")))
            await it.context.database.close()
            await note(await post(it, event("evt_lost")))
            await note(await it.get("/v1/events"))
            await note(await it.http.get("/readyz"))

    caplog.set_level("DEBUG")
    configure_logging("debug")
    try:
        run(story)
    finally:
        structlog.reset_defaults()
    printed = capsys.readouterr()
    said = {
        "answers": "\n".join(answers),
        "logs": printed.out + printed.err + caplog.text,
    }
    assert "webhook.refused" in said["logs"]
    assert "webhook.not_kept" in said["logs"]
    assert "event.set_aside" in said["logs"]
    assert "stripe_unavailable" in said["answers"]
    assert "storage_unavailable" in said["answers"]
    secrets = [Simulator.secret_key, SECRET, CONNECT_SECRET, ADMIN_KEY, *made]
    for where, text in said.items():
        for secret in [*secrets, "rec_wrong_key_of_somebody"]:
            assert secret not in text, where


def test_keys_are_stored_as_digests_only(sqlite_url: str) -> None:
    async def story() -> str:
        async with service(sqlite_url) as it:
            return (await create_key(it.context, "eyes", Role.VIEWER))[1]

    key = run(story)
    folder = Path(sqlite_url.removeprefix("sqlite:///")).parent
    for path in folder.iterdir():
        content = path.read_bytes()
        for secret in (key, ADMIN_KEY, SECRET, CONNECT_SECRET, Simulator.secret_key):
            assert secret.encode() not in content, path.name
