"""What may arrive at the two webhook doors: durable, deduplicated, refused or kept, never a 500."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

import reconciler.app
from handlers import webhooks
from reconciler.intake.apply import ATTEMPTS, BACKOFF_SECONDS, apply_all
from reconciler.simulator import Simulator
from reconciler.simulator.outside.webhooks.delivery import signature
from reconciler.store import inbox
from reconciler.store.database import Database
from tests.engines import PgServer
from tests.harness import CONNECT_SECRET, SECRET, Service, run, service

PLATFORM_DOOR = "/webhooks/stripe"
CONNECT_DOOR = "/webhooks/stripe/connect"
NEW = {"received": True, "duplicate": False}
AGAIN = {"received": True, "duplicate": True}

Header = list[tuple[bytes, bytes]]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that gives up on a lock at once."""
    hurried = functools.partial(Database, busy_timeout_seconds=0.02)
    monkeypatch.setattr(reconciler.app, "Database", hurried)


def event(id: str = "evt_1", **more: Any) -> dict[str, Any]:
    """An event whose object the books do not follow: what the door does, it does to any."""
    customer = {"id": "cus_1", "object": "customer"}
    return {
        "id": id,
        "object": "event",
        "type": "customer.created",
        "created": 1_790_000_000,
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "data": {"object": customer},
        **more,
    }


def events(stripe: Simulator) -> list[dict[str, Any]]:
    """Every snapshot event the simulated Stripe has made, as it would be sent."""
    shelves = [book.shelf("event") for book in stripe.world.books.values()]
    made = [found for shelf in shelves for found in shelf.values()]
    return [{k: v for k, v in one.items() if not k.startswith("_")} for one in made]


def encoded(body: Any) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


def signed(it: Service, body: bytes, *secrets: str, late: int = 0) -> str:
    return signature(list(secrets or (SECRET,)), it.simulator.clock.now() - late, body)


async def post(
    it: Service, body: Any, header: str | None = None, door: str = PLATFORM_DOOR
) -> httpx.Response:
    """Post a body to a door, signed with that door's secret unless told otherwise."""
    content = encoded(body)
    secret = CONNECT_SECRET if door == CONNECT_DOOR else SECRET
    written = signed(it, content, secret) if header is None else header
    return await it.http.post(door, content=content, headers={"Stripe-Signature": written})


async def stored(it: Service) -> list[dict[str, Any]]:
    return await it.query("SELECT event_id, channel, stripe_account, type, body, status FROM inbox")


async def until_settled(it: Service) -> None:
    """Apply, again and again, until nothing will be tried again."""
    for pause in (0, *BACKOFF_SECONDS):
        it.simulator.clock.advance(pause)
        await apply_all(it.context)
    assert await it.query("SELECT event_id FROM inbox WHERE status = 'received'") == []


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    """Whether this is an RFC 9457 document of that status and code."""
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) - {"field", "errors"} == {"type", "title", "status", "code", "detail"}
    assert body["type"] == "about:blank"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return bool(body["code"] == code)


async def asgi(
    it: Service,
    receive: Callable[[], Awaitable[Any]],
    headers: Header,
    before_answer: Callable[[], Awaitable[None]] | None = None,
) -> tuple[int, bytes]:
    """The platform door without an HTTP client in between; status 0 if it never answered."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        if before_answer is not None and not sent:
            await before_answer()
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": PLATFORM_DOOR,
        "raw_path": PLATFORM_DOOR.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("service.test", 80),
    }
    app = it.http._transport.app  # type: ignore[attr-defined]
    await app(scope, receive, send)
    if not sent:
        return 0, b""
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])


def chunks(*bodies: bytes, disconnect: bool = False) -> Callable[[], Awaitable[Any]]:
    """An ASGI `receive` of these pieces; with `disconnect`, the sender hangs up after them."""
    left = [
        {"type": "http.request", "body": body, "more_body": disconnect or n < len(bodies)}
        for n, body in enumerate(bodies, 1)
    ]

    async def receive() -> Any:
        return left.pop(0) if left else {"type": "http.disconnect"}

    return receive


# What is genuine.


def test_a_genuine_event_is_durable_before_it_is_acknowledged(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            body = encoded(event())
            header = [(b"stripe-signature", signed(it, body).encode())]
            found: list[Any] = []

            async def look() -> None:
                async with Database(database_url) as other, other.read() as session:
                    found.extend(await session.all("SELECT event_id, body, status FROM inbox"))

            status, answer = await asgi(it, chunks(body), header, before_answer=look)
            assert (status, msgspec.json.decode(answer)) == (200, NEW)
            assert [(r["event_id"], bytes(r["body"])) for r in found] == [("evt_1", body)]

    run(story)


def test_the_same_event_again_is_a_duplicate_and_one_row(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            first = await post(it, event())
            again = await post(it, event(pending_webhooks=3))
            assert (first.status_code, first.json()) == (200, NEW)
            assert (again.status_code, again.json()) == (200, AGAIN)
            assert first.headers["content-type"] == "application/json"
            assert len(await stored(it)) == 1

    run(story)


def test_one_event_id_with_two_contents_is_kept_twice(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            other = event(data={"object": {"id": "cus_2", "object": "customer"}})
            assert (await post(it, event())).json() == NEW
            assert (await post(it, other)).json() == NEW
            assert (await post(it, other)).json() == AGAIN
            assert [r["body"] for r in await stored(it)] == [encoded(event()), encoded(other)]

    run(story)


def test_of_fifty_deliveries_of_one_event_at_once_exactly_one_is_new(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            answers = await asyncio.gather(*(post(it, event()) for _ in range(50)))
            assert {a.status_code for a in answers} == {200}
            assert sum(not a.json()["duplicate"] for a in answers) == 1
            assert len(await stored(it)) == 1

    run(story)


def test_many_events_at_once_are_all_stored_and_share_commits(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    insert = inbox.insert_durable

    async def counted(database: Database, deliveries: Sequence[Any]) -> set[str]:
        commits.append(len(deliveries))
        return await insert(database, deliveries)

    monkeypatch.setattr(inbox, "insert_durable", counted)

    async def story() -> None:
        async with service(database_url) as it:
            sent = [event(f"evt_{n}") for n in range(200)]
            answers = await asyncio.gather(*(post(it, one) for one in sent))
            assert [a.json() for a in answers] == [NEW] * 200
            assert {r["event_id"] for r in await stored(it)} == {one["id"] for one in sent}
            assert sum(commits) == 200
            assert len(commits) < 100

    run(story)


def test_a_signature_is_good_for_five_minutes_either_way_and_no_second_more(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for late in (301, -301, 86_400, -86_400):
                header = signed(it, encoded(event()), late=late)
                answer = await post(it, event(), header)
                assert is_problem(answer, 400, "bad_signature"), late
            assert await stored(it) == []
            for late in (300, 0, -300):
                body = encoded(event(f"evt_{late}"))
                assert (await post(it, body, signed(it, body, late=late))).json() == NEW, late

    run(story)


def test_during_a_rotation_any_secret_that_both_sides_know_is_enough(sqlite_url: str) -> None:
    async def story() -> None:
        known = {"STRIPE_WEBHOOK_SECRET": "whsec_new, whsec_old"}
        async with service(sqlite_url, **known) as it:
            used = [("whsec_old",), ("whsec_new",), ("whsec_newer", "whsec_new")]
            for number, secrets in enumerate(used):
                body = encoded(event(f"evt_{number}"))
                assert (await post(it, body, signed(it, body, *secrets))).json() == NEW, secrets
            for unknown in ("whsec_newer", "whsec_new, whsec_old", ""):
                body = encoded(event("evt_no"))
                answer = await post(it, body, signed(it, body, unknown))
                assert is_problem(answer, 400, "bad_signature"), unknown

    run(story)


def test_a_body_is_verified_and_kept_to_the_byte(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            body = b" " + encoded(event()) + b"\r\n"
            assert (await post(it, body)).json() == NEW
            assert (await stored(it))[0]["body"] == body
            trimmed = await post(it, body.strip(), signed(it, body))
            assert is_problem(trimmed, 400, "bad_signature")

    run(story)


# What is not.

BODY = encoded(event())
DIGEST = "a" * 64


def _v1(at: int, body: bytes = BODY, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()


REFUSED: dict[str, Callable[[int], str | bytes]] = {
    "an empty header": lambda _: "",
    "garbage": lambda _: "garbage",
    "another secret": lambda now: f"t={now},v1={_v1(now, secret='whsec_other')}",
    "the other endpoint's secret": lambda now: f"t={now},v1={_v1(now, secret=CONNECT_SECRET)}",
    "a secret with a newline": lambda now: f"t={now},v1={_v1(now, secret=SECRET + chr(10))}",
    "an empty secret": lambda now: f"t={now},v1={_v1(now, secret='')}",
    "another body": lambda now: f"t={now},v1={_v1(now, BODY + b' ')}",
    "another time": lambda now: f"t={now},v1={_v1(now - 1)}",
    "upper-case hex": lambda now: f"t={now},v1={_v1(now).upper()}",
    "a space after the comma": lambda now: f"t={now}, v1={_v1(now)}",
    "only v0": lambda now: f"t={now},v0={_v1(now)}",
    "no t": lambda now: f"v1={_v1(now)}",
    "an empty t": lambda now: f"t=,v1={_v1(now)}",
    "a huge t": lambda _: f"t={'9' * 40},v1={DIGEST}",
    "an endless t": lambda _: f"t={'9' * 4000},v1={DIGEST}",
    "a negative t": lambda now: f"t=-{now},v1={_v1(-now)}",
    "a t with an underscore": lambda now: f"t={now:_},v1={_v1(now)}",
    "the same t twice": lambda now: f"t={now},t={now},v1={_v1(now)}",
    "an old t and a new one": lambda now: f"t={now},t={now - 999},v1={_v1(now - 999)}",
    "a new t and an old one": lambda now: f"t={now - 999},t={now},v1={_v1(now - 999)}",
    "a v1 with padding": lambda now: f"t={now},v1={_v1(now)}==",
    "an empty v1": lambda now: f"t={now},v1=",
    "too long a header": lambda now: f"t={now},v1={_v1(now)}" + f",v0={DIGEST}" * 70,
    "a byte above 0x7f in v1": lambda now: f"t={now},v1=é{DIGEST}".encode("latin-1"),
    "a byte above 0x7f in t": lambda now: f"t=²{now},v1={DIGEST}".encode("latin-1"),
    "bytes that are no text": lambda now: b"t=%d,v1=\xff\xfe" % now,
}


@pytest.mark.parametrize("door", [PLATFORM_DOOR, CONNECT_DOOR])
def test_without_a_signature_header_nothing_is_taken(sqlite_url: str, door: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert is_problem(await it.http.post(door, content=BODY), 400, "bad_signature")
            assert await stored(it) == []

    run(story)


def test_a_signature_that_is_no_good_is_refused_and_nothing_is_kept(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for name, header in REFUSED.items():
                written = header(it.simulator.clock.now())
                raw = written if isinstance(written, bytes) else written.encode()
                headers = [(b"Stripe-Signature", raw)]
                answer = await it.http.post(PLATFORM_DOOR, content=BODY, headers=headers)
                assert is_problem(answer, 400, "bad_signature"), name
            assert await stored(it) == []

    run(story)


def test_each_door_takes_only_its_own_endpoints_secret(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            ours, theirs = signed(it, BODY, SECRET), signed(it, BODY, CONNECT_SECRET)
            assert (await post(it, BODY, theirs, PLATFORM_DOOR)).status_code == 400
            assert (await post(it, BODY, ours, CONNECT_DOOR)).status_code == 400
            assert await stored(it) == []
            assert (await post(it, BODY, theirs, CONNECT_DOOR)).json() == NEW
            assert [r["channel"] for r in await stored(it)] == ["connect"]

    run(story)


def test_a_signed_body_that_is_not_utf_8_is_refused_without_a_500(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert is_problem(await post(it, b'{"id": "\xff\xfe"}'), 400, "bad_signature")

    run(story)


KEPT = {
    "nothing": b"",
    "text": b"not json",
    "half an event": BODY[:-20],
    "a list": b"[]",
    "a list of events": b"[" + BODY + b"]",
    "null": b"null",
    "a number": b"5",
    "an object": b"{}",
    "an object that is no event": b'{"hello": "world"}',
    "an event without an object": encoded({**event(), "data": {}}),
    "an event whose object is a list": encoded({**event(), "data": {"object": []}}),
    "an event of no moment": encoded({**event(), "created": None}),
    "an event with an id that is no text": encoded({**event(), "id": 7, "data": None}),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "half a surrogate pair": b'{"id": "\\ud800"}',
    "a very deep list": b"[" * 100_000,
    "a very deep event": b'{"id":"evt_deep","data":{"object":' + b"[" * 100_000,
    "a number beyond all bounds": b'{"id":"evt_big","created":' + b"9" * 5000 + b"}",
}


def test_what_stripe_signed_and_nobody_can_read_is_kept_and_ends_as_dead(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for name, body in KEPT.items():
                assert (await post(it, body)).json() == NEW, name
                assert (await post(it, body)).json() == AGAIN, name
            await until_settled(it)
            dead = (await it.get("/v1/events", status="dead", limit=100)).json()["data"]
            assert len(dead) == len(KEPT)
            for row in dead:
                assert row["error"], row
                assert row["attempts"] == ATTEMPTS, row
            ids = [row["id"] for row in dead]
            shown = [(await it.get(f"/v1/events/{id}")).json()["body"] for id in ids]
            assert sorted(shown) == sorted(body.decode() for body in KEPT.values())

    run(story)


# How large, how slow, how interrupted.


def padded(size: int) -> bytes:
    """An event of exactly so many bytes."""
    bare = len(encoded(event(padding="")))
    return encoded(event(padding="x" * (size - bare)))


MIB = 1024 * 1024


def test_a_body_of_exactly_one_mebibyte_is_accepted(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            assert len(padded(MIB)) == MIB
            assert (await post(it, padded(MIB))).json() == NEW
            assert bytes((await stored(it))[0]["body"]) == padded(MIB)

    run(story)


def test_one_byte_more_is_too_large_however_it_is_sent(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            body = padded(MIB + 1)
            assert is_problem(await post(it, body), 413, "too_large")

            async def pieces() -> AsyncIterator[bytes]:
                for at in range(0, len(body), 65_536):
                    yield body[at : at + 65_536]

            headers = {"Stripe-Signature": signed(it, body)}
            chunked = await it.http.post(PLATFORM_DOOR, content=pieces(), headers=headers)
            assert "content-length" not in chunked.request.headers
            assert is_problem(chunked, 413, "too_large")
            assert chunked.headers["connection"] == "close"
            assert await stored(it) == []

    run(story)


def test_a_content_length_that_lies_does_not_let_a_large_body_in(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            body = padded(MIB + 1)
            header = (b"stripe-signature", signed(it, body).encode())
            half = len(body) // 2
            for stated in (b"10", b"0", b"-1", b"1e9", b"", b"1_048_577"):
                receive = chunks(body[:half], body[half:])
                status, _ = await asgi(it, receive, [(b"content-length", stated), header])
                assert status == 413, stated
            assert await stored(it) == []

    run(story)


@pytest.mark.parametrize(
    "stated",
    [
        b"1048577",
        b"9" * 30,
        pytest.param(
            b"9" * 5000,
        ),
    ],
)
def test_a_content_length_beyond_the_cap_is_refused_before_a_byte_is_read(
    sqlite_url: str, stated: bytes
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:

            async def receive() -> Any:
                raise AssertionError("the body was read")

            status, _ = await asgi(it, receive, [(b"content-length", stated)])
            assert status == 413

    run(story)


def test_only_post_is_answered(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for door in (PLATFORM_DOOR, CONNECT_DOOR):
                for method in ("GET", "PUT", "DELETE", "PATCH"):
                    answer = await it.http.request(method, door)
                    assert answer.status_code == 405, (method, door)
                    assert answer.headers["allow"] == "POST"

    run(story)


def test_a_body_that_never_ends_is_given_up(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "BODY_SECONDS", 0.005)

    async def story() -> None:
        async with service(sqlite_url) as it:
            first = chunks(BODY[:10], disconnect=True)

            async def receive() -> Any:
                message = await first()
                if message["type"] == "http.request":
                    return message
                return await asyncio.Event().wait()

            status, answer = await asgi(it, receive, [])
            assert status == 408
            assert msgspec.json.decode(answer)["code"] == "too_slow"
            assert await stored(it) == []

    run(story)


def test_a_sender_that_hangs_up_in_mid_body_leaves_nothing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            header = [(b"stripe-signature", signed(it, BODY).encode())]
            assert await asgi(it, chunks(BODY[:40], disconnect=True), header) == (0, b"")
            assert await asgi(it, chunks(BODY, disconnect=True), header) == (0, b"")
            assert await stored(it) == []

    run(story)


def test_an_event_in_many_small_pieces_is_one_event(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            header = [(b"stripe-signature", signed(it, BODY).encode())]
            pieces = [BODY[at : at + 1] for at in range(len(BODY))]
            status, answer = await asgi(it, chunks(*pieces, b""), header)
            assert (status, msgspec.json.decode(answer)) == (200, NEW)
            assert (await stored(it))[0]["body"] == BODY

    run(story)


# When it cannot be kept.


async def refused_then_taken(it: Service, repair: Callable[[], Awaitable[None]]) -> None:
    """While the database is broken every delivery is refused; repaired, none has been lost."""
    sent = [event(f"evt_{n}", padding="x" * 20_000) for n in range(8)]
    for answer in await asyncio.gather(*(post(it, one) for one in sent)):
        assert is_problem(answer, 503, "storage_unavailable")
    await repair()
    assert await stored(it) == []
    answers = await asyncio.gather(*(post(it, one) for one in sent))
    assert [a.json() for a in answers] == [NEW] * len(sent)
    assert {r["event_id"] for r in await stored(it)} == {one["id"] for one in sent}


@pytest.mark.usefixtures("impatient")
def test_while_the_database_is_locked_events_are_refused_and_a_retry_succeeds(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            if database_url.startswith("sqlite"):
                other = sqlite3.connect(database_url.removeprefix("sqlite:///"))
                other.isolation_level = None
                other.execute("BEGIN IMMEDIATE")

                async def unlock() -> None:
                    other.close()
            else:
                holder = await asyncpg.connect(database_url)
                await holder.execute("BEGIN; LOCK TABLE inbox IN EXCLUSIVE MODE")

                async def unlock() -> None:
                    await holder.execute("ROLLBACK")
                    await holder.close()

            await refused_then_taken(it, unlock)

    run(story)


def test_while_the_disk_is_full_events_are_refused_and_a_retry_succeeds(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            writer = it.context.database._writer
            assert writer is not None
            raw = writer.raw_connection
            pages = (await raw.execute_fetchall("PRAGMA page_count"))[0][0]
            await raw.execute(f"PRAGMA max_page_count = {pages}")

            async def more_room() -> None:
                await raw.execute("PRAGMA max_page_count = 1000000")

            await refused_then_taken(it, more_room)

    run(story)


def test_while_the_database_is_gone_events_are_refused_and_a_retry_succeeds(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await it.context.database.close()
            assert is_problem(await it.http.get("/readyz"), 503, "not_ready")
            assert (await it.http.get("/healthz")).status_code == 200
            await refused_then_taken(it, it.context.database.open)
            assert (await it.http.get("/readyz")).json() == {"status": "ready"}

    run(story)


def test_after_postgresql_dropped_every_connection_events_are_taken_again(
    pg_server: PgServer,
) -> None:
    url = pg_server.migrated()

    async def story() -> None:
        async with service(url) as it:
            assert (await post(it, event("evt_before"))).json() == NEW
            admin = await asyncpg.connect(url)
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await admin.close()
            # As Stripe would: again, until it is acknowledged.
            answers = [(await post(it, event("evt_after"))).status_code for _ in range(12)]
            assert set(answers) <= {200, 503}
            assert answers[-1] == 200
            assert {r["event_id"] for r in await stored(it)} == {"evt_before", "evt_after"}

    run(story)


def test_a_door_without_a_secret_says_so_and_the_other_works(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url, STRIPE_CONNECT_WEBHOOK_SECRET=" , ") as it:
            forged = signed(it, BODY, "")
            assert is_problem(await post(it, BODY, forged, CONNECT_DOOR), 503, "not_configured")
            assert (await post(it, BODY)).json() == NEW

    run(story)
