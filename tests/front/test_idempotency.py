"""One effect and one answer for one Idempotency-Key, with a command of the simplest kind.

The command is a route of this file's own: it decides one instruction (a merchant's row), may be
stopped between deciding and answering, and may refuse. What payouts and refunds do with their keys
is tested with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from handlers import idempotency, routes
from handlers.bodies import Body, body_of
from handlers.problems import Problem, refused
from handlers.table import Entry
from jobs import prune_requests
from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.money_out import claims
from reconciler.money_out.claims import KEPT_SECONDS, LEASE_SECONDS, Claim
from reconciler.oversight.keys import Role, create_key
from reconciler.simulator import Simulator
from tests.engines import PgServer
from tests.front.reading import bearer
from tests.front.test_webhooks import is_problem
from tests.harness import ADMIN_KEY, BASE, Service, run, service

PATH = "/v1/tests/commands"


class Asked(Body):
    name: str
    note: str = ""


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Command:
    """What the route does, and where it is held up."""

    calls: int = 0
    before: Callable[[], Awaitable[None]] | None = None
    after: Callable[[], Awaitable[None]] | None = None
    found: list[str] = field(default_factory=list)

    async def answer(self, context: Context, request: Request) -> Any:
        self.calls += 1
        asked = await body_of(request, Asked)
        claim: Claim = request.state.claim
        self.found.append(claim.instruction)
        if asked.name == "nobody":
            raise refused(Refusal("unknown_merchant", "There is no merchant nobody."))
        if asked.name == "limited":
            raise Problem(429, "slow_down", "Ask again later.")
        if self.before:
            await self.before()
        id = claim.instruction or await self._decided(context, claim, asked.name)
        if self.after:
            await self.after()
        return {"id": id, "name": asked.name, "call": self.calls}

    async def _decided(self, context: Context, claim: Claim, name: str) -> str:
        id = context.new_id("cmd")
        async with context.write() as session:
            await session.run(
                "INSERT INTO merchants (id, name, country, stripe_account, created_at)"
                " VALUES (:id, :name, '', '', :now)",
                id=id,
                name=name,
                now=context.now(),
            )
            await claims.decided(session, claim, id)
        return id


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    made = Command()
    entry = Entry("POST", PATH, Role.OPERATOR, made.answer, keyed=True, query=("a",))
    monkeypatch.setattr(routes, "TABLE", (*routes.TABLE, entry))
    return made


@pytest.fixture
def pg_url(pg_server: PgServer) -> str:
    """A fresh PostgreSQL database, for two instances."""
    return pg_server.migrated()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeat does not wait for the first to end."""
    monkeypatch.setattr(idempotency, "LOOKS", 2)
    monkeypatch.setattr(idempotency, "LOOK_SECONDS", 0.0)


async def ask(
    it: Service, key: str | None = "key-1", body: Any = None, caller: str = ADMIN_KEY, **more: Any
) -> httpx.Response:
    headers = bearer(caller) | ({"Idempotency-Key": key} if key is not None else {})
    options = {"json": {"name": "bakery"} if body is None else body, **more}
    return await it.http.post(PATH, headers=headers, **options)


async def made(it: Service) -> int:
    return len(await it.query("SELECT id FROM merchants"))


@asynccontextmanager
async def two_instances(url: str) -> AsyncIterator[tuple[Service, Service]]:
    """Two services on one database, each with its own connections and ids."""
    stripe = Simulator(seed=3)
    async with service(url, stripe) as one, service(url, stripe) as other:
        names = other.context.new_id

        def elsewhere(prefix: str) -> str:
            return f"{names(prefix)}_b"

        # The second instance's ids, as random ones would, do not repeat the first one's.
        transport = other.http._transport
        assert isinstance(transport, httpx.ASGITransport)
        state = transport.app.state.shared  # type: ignore[attr-defined]
        state.open(replace(other.context, new_id=elsewhere), state.endpoints)
        yield one, other


def test_the_same_request_gets_the_same_answer_and_has_one_effect(
    database_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            first = await ask(it)
            again = await ask(it)
            assert first.status_code == again.status_code == 200
            assert first.content == again.content
            assert again.headers["content-type"] == first.headers["content-type"]
            assert "idempotent-replayed" not in first.headers
            assert again.headers["idempotent-replayed"] == "true"
            assert (command.calls, await made(it)) == (1, 1)

    run(story)


def test_another_request_with_the_key_is_refused_and_a_new_key_is_a_new_request(
    sqlite_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            first = await ask(it)
            for body in ({"name": "florist"}, {"name": "bakery", "note": "x"}):
                assert is_problem(await ask(it, body=body), 409, "idempotency_key_reused")
            headers = bearer(ADMIN_KEY) | {"Idempotency-Key": "key-1"}
            other = await it.http.post(f"{PATH}?a=1", headers=headers, json={"name": "bakery"})
            assert is_problem(other, 409, "idempotency_key_reused")
            assert (await ask(it, "key-2")).json()["id"] != first.json()["id"]
            assert await made(it) == 2

    run(story)


def test_a_body_written_otherwise_is_the_same_request(sqlite_url: str, command: Command) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            written = (
                b'{"name":"bakery","note":"\xc3\xa9"}',
                b'{ "note" : "\\u00e9",\n "name" : "bakery" }',
            )
            headers = bearer(ADMIN_KEY) | {"Idempotency-Key": "key-1"}
            answers = [await it.http.post(PATH, headers=headers, content=body) for body in written]
            assert [a.status_code for a in answers] == [200, 200]
            assert answers[0].content == answers[1].content

    run(story)


def test_a_key_belongs_to_the_caller_that_sent_it(sqlite_url: str, command: Command) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            _, other = await create_key(it.context, "other", Role.OPERATOR)
            mine, theirs = await ask(it), await ask(it, caller=other, body={"name": "florist"})
            assert mine.status_code == theirs.status_code == 200
            assert mine.json()["id"] != theirs.json()["id"]

    run(story)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"),
        ("", "bad_idempotency_key"),
        ("k" * 256, "bad_idempotency_key"),
        (b"k\xe9y", "bad_idempotency_key"),
        (b"k\x7fey", "bad_idempotency_key"),
        (b"k\tey", "bad_idempotency_key"),
        ("4242424242424242", "card_number_refused"),
        ("order 4242 4242 4242 4242", "card_number_refused"),
    ],
)
def test_a_key_that_is_none_is_refused(
    sqlite_url: str, command: Command, key: Any, code: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert is_problem(await ask(it, key), 400, code)
            assert command.calls == 0
            assert await it.query("SELECT id FROM request_keys") == []

    run(story)


@pytest.mark.parametrize("key", ["k", "k" * 255, "a b", "!~", "1732237123456", "20261122153000123"])
def test_a_key_may_be_any_printable_text(sqlite_url: str, command: Command, key: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            assert (await ask(it, key)).status_code == 200
            assert (await ask(it, key)).headers["idempotent-replayed"] == "true"

    run(story)


def test_two_keys_in_one_request_are_refused(sqlite_url: str, command: Command) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            headers = [
                ("Authorization", f"Bearer {ADMIN_KEY}"),
                ("Idempotency-Key", "key-1"),
                ("Idempotency-Key", "key-2"),
            ]
            answer = await it.http.post(PATH, headers=headers, json={"name": "bakery"})
            assert is_problem(answer, 400, "bad_idempotency_key")

    run(story)


# What is kept as an answer, and what is not.


def test_a_refusal_is_an_answer_and_is_given_again(sqlite_url: str, command: Command) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            first = await ask(it, body={"name": "nobody"})
            again = await ask(it, body={"name": "nobody"})
            assert is_problem(first, 404, "unknown_merchant")
            assert first.content == again.content
            assert again.headers["content-type"] == "application/problem+json"
            assert again.headers["idempotent-replayed"] == "true"
            assert command.calls == 1

    run(story)


def test_a_body_that_was_corrected_may_come_with_the_same_key(
    sqlite_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            for wrong in ({}, {"name": 3}, {"name": "bakery", "colour": "red"}):
                assert is_problem(await ask(it, body=wrong), 400, "invalid_body")
            headers = bearer(ADMIN_KEY) | {"Idempotency-Key": "key-1"}
            for raw in (
                b"{",
                b"[]",
                b"\xff",
                b'{"name":NaN}',
                b'{"name":1e400}',
                b'{"name":"a","name":"b"}',
                b'{"name":{"a":1,"a":1}}',
                b'{"name":"a\\u0000"}',
                b'{"name":"\\ud800"}',
                b'{"name":' + b"9" * 5_000 + b"}",
                b'{"name":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
            ):
                answer = await it.http.post(PATH, headers=headers, content=raw)
                assert is_problem(answer, 400, "body_not_json")
            large = await it.http.post(PATH, headers=headers, content=b" " * 70_000)
            assert is_problem(large, 413, "body_too_large")
            assert (await ask(it)).status_code == 200
            assert await made(it) == 1

    run(story)


def test_being_unauthorised_or_asked_to_wait_uses_up_no_key(
    sqlite_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            _, viewer = await create_key(it.context, "eyes", Role.VIEWER)
            assert (await ask(it, caller="rec_wrong")).status_code == 401
            assert (await ask(it, caller=viewer)).status_code == 403
            assert await it.query("SELECT id FROM request_keys") == []
            for _ in range(2):
                assert is_problem(await ask(it, body={"name": "limited"}), 429, "slow_down")
            assert command.calls == 2

    run(story)


def test_a_key_serves_again_after_thirty_days_and_not_before(
    sqlite_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            first = await ask(it)
            it.simulator.clock.advance(KEPT_SECONDS)
            assert await prune_requests.run(it.context) == "0 forgotten"
            assert (await ask(it)).content == first.content
            it.simulator.clock.advance(1)
            assert await prune_requests.run(it.context) == "1 forgotten"
            assert (await ask(it)).json()["id"] != first.json()["id"]

    run(story)


# At once, and elsewhere.


@pytest.mark.usefixtures("impatient")
def test_while_the_first_is_still_running_a_repeat_is_told_so(
    database_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            inside, go_on = asyncio.Event(), asyncio.Event()

            async def held() -> None:
                inside.set()
                await go_on.wait()

            command.before = held
            first = asyncio.create_task(ask(it))
            await inside.wait()
            repeat = await ask(it)
            assert is_problem(repeat, 409, "idempotency_key_in_use")
            assert repeat.headers["retry-after"] == "1"
            go_on.set()
            assert (await first).status_code == 200
            assert (await ask(it)).content == (await first).content
            assert command.calls == 1

    run(story)


def test_fifty_at_once_have_one_effect_and_fifty_equal_answers(
    database_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            answers = await asyncio.gather(*(ask(it) for _ in range(50)))
            assert [a.status_code for a in answers] == [200] * 50
            assert len({a.content for a in answers}) == 1
            assert sum("idempotent-replayed" in a.headers for a in answers) == 49
            assert (command.calls, await made(it)) == (1, 1)

    run(story)


def test_fifty_at_once_on_two_instances_have_one_effect(pg_url: str, command: Command) -> None:
    async def story() -> None:
        async with two_instances(pg_url) as (one, other):
            answers = await asyncio.gather(*(ask((one, other)[n % 2]) for n in range(50)))
            assert [a.status_code for a in answers] == [200] * 50
            assert len({a.content for a in answers}) == 1
            assert (command.calls, await made(one)) == (1, 1)
            different = await asyncio.gather(
                ask(one, body={"name": "florist"}), ask(other, body={"name": "florist"})
            )
            for answer in different:
                assert is_problem(answer, 409, "idempotency_key_reused")

    run(story)


# After a crash.


async def crashed(it: Service) -> None:
    with pytest.raises(Crash):
        await ask(it)


async def dies() -> None:
    raise Crash


@pytest.fixture
def abrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies lets go of nothing."""

    async def nothing(*_: Any, **__: Any) -> None:
        raise Crash

    monkeypatch.setattr(claims, "let_go", nothing)


@pytest.mark.usefixtures("abrupt", "impatient")
def test_after_a_crash_before_deciding_the_request_is_decided_once_the_lease_is_over(
    database_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            command.before = dies
            await crashed(it)
            command.before = None
            assert is_problem(await ask(it), 409, "idempotency_key_in_use")
            it.simulator.clock.advance(LEASE_SECONDS)
            assert is_problem(
                await ask(it, body={"name": "florist"}), 409, "idempotency_key_reused"
            )
            assert (await ask(it)).status_code == 200
            assert await made(it) == 1

    run(story)


@pytest.mark.usefixtures("abrupt", "impatient")
def test_after_a_crash_between_deciding_and_answering_the_same_instruction_is_answered(
    database_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            command.after = dies
            await crashed(it)
            command.after = None
            decided = await it.query("SELECT id FROM merchants")
            it.simulator.clock.advance(LEASE_SECONDS)
            answer = await ask(it)
            assert answer.json()["id"] == decided[0]["id"]
            assert command.found == ["", decided[0]["id"]]
            assert await made(it) == 1
            assert (await ask(it)).content == answer.content

    run(story)


def test_after_an_error_the_next_attempt_may_go_on_at_once(
    sqlite_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            command.after = dies
            await crashed(it)
            command.after = None
            assert is_problem(
                await ask(it, body={"name": "florist"}), 409, "idempotency_key_reused"
            )
            assert (await ask(it)).status_code == 200
            assert await made(it) == 1

    run(story)


@pytest.mark.usefixtures("impatient")
def test_a_holder_whose_lease_ran_out_decides_nothing_any_more(
    pg_url: str, command: Command
) -> None:
    async def story() -> None:
        async with two_instances(pg_url) as (one, other):
            inside, go_on = asyncio.Event(), asyncio.Event()

            async def held() -> None:
                if not inside.is_set():
                    inside.set()
                    await go_on.wait()

            command.before = held
            slow = asyncio.create_task(ask(one))
            await inside.wait()
            one.simulator.clock.advance(LEASE_SECONDS)
            quick = await ask(other)
            assert quick.status_code == 200
            go_on.set()
            assert (await slow).content == quick.content
            assert (await slow).headers["idempotent-replayed"] == "true"
            assert await made(one) == 1

    run(story)


@pytest.mark.usefixtures("impatient")
def test_a_holder_that_was_overtaken_decides_nothing_while_the_other_still_works(
    pg_url: str, command: Command
) -> None:
    async def story() -> None:
        async with two_instances(pg_url) as (one, other):
            inside = [asyncio.Event(), asyncio.Event()]
            go_on = [asyncio.Event(), asyncio.Event()]

            async def held() -> None:
                turn = int(inside[0].is_set())
                inside[turn].set()
                await go_on[turn].wait()

            command.before = held
            slow = asyncio.create_task(ask(one))
            await inside[0].wait()
            one.simulator.clock.advance(LEASE_SECONDS)
            quick = asyncio.create_task(ask(other))
            await inside[1].wait()
            go_on[0].set()
            assert is_problem(await slow, 409, "idempotency_key_in_use")
            assert await made(one) == 0
            go_on[1].set()
            assert (await quick).status_code == 200
            assert await made(one) == 1
            assert (await ask(one)).content == (await quick).content

    run(story)


@pytest.mark.usefixtures("impatient")
def test_a_holder_that_was_overtaken_after_deciding_gives_the_answer_that_is_kept(
    pg_url: str, command: Command
) -> None:
    async def story() -> None:
        async with two_instances(pg_url) as (one, other):
            inside, go_on = asyncio.Event(), asyncio.Event()

            async def held() -> None:
                if not inside.is_set():
                    inside.set()
                    await go_on.wait()

            command.after = held
            slow = asyncio.create_task(ask(one))
            await inside.wait()
            one.simulator.clock.advance(LEASE_SECONDS)
            quick = await ask(other)
            go_on.set()
            assert (await slow).content == quick.content
            assert (await slow).headers["idempotent-replayed"] == "true"
            assert await made(one) == 1

    run(story)


def test_what_is_kept_is_a_digest_of_the_request_and_never_its_body(
    sqlite_url: str, command: Command
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await ask(it, body={"name": "bakery", "note": "told in confidence"})
            rows = await it.query("SELECT * FROM request_keys")
            assert "told in confidence" not in repr(rows)
            assert BASE not in repr(rows)

    run(story)
