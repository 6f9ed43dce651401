"""Who may ask the API, and what must never be in an answer or a log."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from starlette.routing import Route

from handlers import console
from handlers.routes import build_routes
from handlers.state import State
from handlers.table import FORM_ROLES, FORMS, PAGES, TABLE, Entry
from reconciler.app import configure_logging
from reconciler.oversight.keys import Role, bootstrap_key, create_key, revoke_key
from reconciler.simulator import Simulator
from tests.front.reading import bearer, month
from tests.front.test_webhooks import (
    CONNECT_DOOR,
    PLATFORM_DOOR,
    event,
    is_problem,
    post,
    until_settled,
)
from tests.harness import ADMIN_KEY, CONNECT_SECRET, SECRET, Service, run, service

# Who may ask.


def called(entry: Entry) -> str:
    return f"{entry.method} {entry.path}"


def at(path: str) -> str:
    """The address of a route, for some object that is not there."""
    return path.replace("{id}", "latest")


KEYED = {"Idempotency-Key": "key-1"}

NO_KEYS: tuple[dict[str, Any], ...] = (
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": ADMIN_KEY},
    {"Authorization": f"Token {ADMIN_KEY}"},
    {"Authorization": f"Basic {ADMIN_KEY}"},
    {"Authorization": f"Basic {base64.b64encode(b'user:wrong').decode()}"},
    {"Authorization": "Basic ====="},
    {"Authorization": b"Bearer \xff\xfe"},
    bearer("rec_wrong"),
    bearer(ADMIN_KEY[:-1]),
    bearer(ADMIN_KEY.upper()),
    bearer(ADMIN_KEY + " " + ADMIN_KEY),
    bearer("x" * 100_000),
    bearer(Simulator.secret_key),
)
"""What is no key, in every way that it may be sent."""


async def everything(it: Service) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    tables = await it.query("SELECT name FROM sqlite_master WHERE type = 'table'")
    names = sorted(row["name"] for row in tables if not row["name"].startswith("sqlite_"))
    return {name: await it.query(f"SELECT * FROM {name}") for name in names}


@pytest.mark.parametrize("entry", TABLE, ids=called)
def test_a_route_answers_nobody_without_a_living_key_of_its_role(
    sqlite_url: str, entry: Entry
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            id, revoked = await create_key(it.context, "gone", Role.ADMIN)
            assert await revoke_key(it.context, id)
            keys = {role: (await create_key(it.context, role.name, role))[1] for role in Role}
            before = await everything(it)

            async def asked(headers: Any) -> httpx.Response:
                return await it.http.request(
                    entry.method, at(entry.path), headers={**KEYED, **headers}
                )

            for headers in (*NO_KEYS, bearer(revoked)):
                answer = await asked(headers)
                assert is_problem(answer, 401, "unauthenticated"), headers
                assert answer.headers["www-authenticate"] == "Bearer"
            for role in Role:
                if role < entry.role:
                    assert is_problem(await asked(bearer(keys[role])), 403, "forbidden"), role
            assert await everything(it) == before
            for role in Role:
                if role >= entry.role:
                    status = (await asked(bearer(keys[role]))).status_code
                    assert status in (200, 201, 202, 400, 404, 409, 415), (role, status)

    run(story)


@pytest.mark.parametrize("entry", [e for e in TABLE if e.method == "GET"], ids=called)
def test_looking_changes_nothing(sqlite_url: str, entry: Entry) -> None:
    """What has an effect is never a GET: browsers and crawlers repeat those as they like."""

    async def story() -> None:
        async with service(sqlite_url) as it:
            kept = await month(it)
            await it.check()
            before, calls = await everything(it), len(it.simulator.world.home.shelf("transfer"))
            for id in ("latest", "bakery", kept["paid"]["id"]):
                path = entry.path.replace("{id}", id)
                assert (await it.get(path)).status_code in (200, 404)
            assert await everything(it) == before
            assert len(it.simulator.world.home.shelf("transfer")) == calls

    run(story)


# The authorisation matrix.

MATRIX = Path(__file__).parents[2] / "docs" / "access.md"
ROW = re.compile(
    r"^\| (GET|POST|PUT|DELETE|PATCH) \| `([^`]+)` \| (\w+) \| (\w*) ?\|", re.MULTILINE
)

OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/webhooks/stripe"),
    ("POST", "/webhooks/stripe/connect"),
    ("GET", "/console/style.css"),
    # With a token in the address, for one thing only.
    ("GET", "/connect/{id}"),
    ("GET", "/pay/{token}"),
    ("POST", "/pay/{token}"),
    ("POST", "/pay/{token}/card"),
    ("GET", "/cards/return"),
}
"""What needs no key of ours; a route that is added here is a decision, and is looked at as one."""


def served() -> set[tuple[str, str]]:
    """Every method and path that the service answers."""
    found = set()
    for route in build_routes(State("http://service.test"), http=True):
        assert isinstance(route, Route)
        found |= {(method, route.path) for method in (route.methods or set()) - {"HEAD"}}
    return found


def documented() -> dict[tuple[str, str], tuple[str, str]]:
    rows = ROW.findall(MATRIX.read_text())
    found = {(method, path): (role, key) for method, path, role, key in rows}
    assert len(found) == len(rows), "a route stands in the matrix twice"
    return found


def test_every_route_has_a_row_in_the_authorisation_matrix_and_every_row_a_route() -> None:
    assert set(documented()) == served()


@pytest.mark.parametrize("entry", TABLE, ids=called)
def test_the_matrix_has_the_role_that_the_route_asks_for(entry: Entry) -> None:
    needed = "needed" if entry.keyed else ""
    assert documented()[entry.method, entry.path] == (entry.role.name.lower(), needed)


def test_the_matrix_has_the_role_of_every_page() -> None:
    for path, page in PAGES.items():
        role = console.ROLES.get(page, Role.VIEWER).name.lower()
        expected = "none" if ("GET", path) in OPEN else role
        assert documented()["GET", path] == (expected, ""), path
    for path in FORMS:
        assert documented()["POST", path] == (FORM_ROLES[path].name.lower(), ""), path


def test_what_needs_no_key_is_a_short_list() -> None:
    assert {route for route, (role, _) in documented().items() if role == "none"} == OPEN


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_page_opens_without_a_key(sqlite_url: str, method: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            paths = PAGES if method == "GET" else FORMS
            for path in paths:
                if (method, path) in OPEN:
                    continue
                for headers in NO_KEYS:
                    answer = await it.http.request(method, at(path), headers=headers)
                    assert answer.status_code == 401, (path, headers)
                    assert answer.headers["www-authenticate"].startswith("Basic ")

    run(story)


def test_what_moves_money_needs_an_idempotency_key() -> None:
    moving = ("/v1/payouts", "/v1/refunds")
    for entry in TABLE:
        moves = entry.path.startswith(moving) or entry.path.endswith("/debit")
        if entry.method != "GET" and moves:
            assert entry.keyed, called(entry)
        assert not (entry.keyed and entry.method == "GET"), called(entry)


@pytest.mark.parametrize("entry", [e for e in TABLE if e.keyed], ids=called)
def test_a_route_that_moves_money_refuses_a_request_without_one(
    sqlite_url: str, entry: Entry
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            answer = await it.http.request(
                entry.method, at(entry.path), headers=bearer(ADMIN_KEY), json={}
            )
            assert is_problem(answer, 400, "idempotency_key_missing")

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
