"""What every story stands on: a service that may die and be started again, on a Stripe with faults.

A story is a hypothesis state machine. Its rules are what callers, customers, Stripe, the network
and the clock do, in any order; its invariants hold after each of them; and `teardown` settles
everything and looks at the whole. `tests/stories.py` runs them by the thousand.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import httpx
import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from jobs import expire_approvals, recover_events, reread, resolve_outcomes
from reconciler.domain.sending import KEY_SECONDS
from reconciler.reconciling.self_check import self_check
from reconciler.simulator import Simulator
from tests import engines
from tests.front.mortal import Died, Life, mortal
from tests.harness import ADMIN_KEY, Service, service

T = TypeVar("T")

STEPS = 30
IN_THE_SUITE = 8
"""Stories of each machine on each engine in every run of the tests; `make stories` tells more."""

EFFECTS = ("reset", "500", "429", "broken_body", "409_lock_timeout", "502", "429_lock_timeout")
WEBHOOKS = ("drop", "duplicate", "reorder", "late", "calm")
SECONDS = (1, 15, 100, 100, 400, 3_600, KEY_SECONDS // 2, KEY_SECONDS + 7_200)
REMEMBERED = {"api_error", "APIError"}
"""What Stripe answers again to a key for which it failed once; its lists tell the truth in time."""

DAY_IN_TURNS = 10
LONGEST_LIFE = 120

numbers = st.integers(0, 50)


@dataclass
class Request:
    """A command as its caller sends it, and the answer that was given for good."""

    path: str
    body: dict[str, Any]
    key: str
    once: str
    answer: httpx.Response | None = None

    @property
    def began(self) -> bool:
        return self.answer is not None and self.answer.status_code in (200, 201)


def is_final(answer: httpx.Response) -> bool:
    """Whether this is the answer, and no request to send the same again."""
    in_use = answer.status_code == 409 and answer.json()["code"] == "idempotency_key_in_use"
    return answer.status_code < 500 and not in_use


class Story(RuleBasedStateMachine):
    """`engine` and `server` say on what database."""

    engine = "sqlite"
    server: engines.PgServer | None = None
    posts: tuple[str, ...] = ("*",)
    tally: ClassVar[Counter[str]] = Counter()
    """What has happened in all stories so far: those in which nothing happens prove nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory(dir=engines.memory())
        self.life = Life()
        self.url = engines.migrated_url(self.engine, Path(self.folder.name), self.server)
        self.simulator = Simulator(seed=3)
        self.lives = 0
        self.requests: list[Request] = []
        self.failures: list[str] = []
        self._listen()
        self.start()

    # -- one process after another ----------------------------------------------------------------

    def start(self) -> None:
        self.life = Life(self._cut_off)
        self.opened = service(self.url, self.simulator, first_id=self.lives * 10_000 + 1)
        self.lives += 1
        self.it: Service = self.runner.run(self.opened.__aenter__())
        assert self.it.context.stripe is not None
        self.stripe = self.it.context.stripe

    def _cut_off(self) -> None:
        """The server notices that nobody is there any more."""
        if self.engine == "postgresql":
            pool: Any = self.it.context.database._target.pool._backend
            pool._pool.terminate()

    def does(self, work: Awaitable[T]) -> T | None:
        """What the service gives; nothing if its process ended, and another was started."""
        given = None
        try:
            given = self.runner.run(self._while_it_lives(work))
        except BaseException:
            if not self.life.over:
                raise
        if self.life.over:
            self.tally["processes that ended"] += 1
            self.runner.run(self._bury())
            self.start()
        return given

    async def _while_it_lives(self, work: Awaitable[T]) -> T:
        if not self.life.left:
            return await work
        task = asyncio.ensure_future(work)
        end = asyncio.ensure_future(self.life.end.wait())
        await asyncio.wait({task, end}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if not task.done():
            task.cancel()
            raise Died
        return task.result()

    async def _bury(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=10)
            assert not left, left
        with suppress(BaseException):
            await self.opened.__aexit__(None, None, None)

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """A webhook to the service; a dead one does not answer."""
        if self.life.over:
            raise httpx.ConnectError("nobody is there")
        try:
            return await self._while_it_lives(self.it.send(url, headers, body))
        except BaseException:
            if not self.life.over:
                raise
            raise httpx.ConnectError("nobody is there") from None

    # -- commands ---------------------------------------------------------------------------------

    def ask(self, path: str, body: dict[str, Any], key: str = ADMIN_KEY) -> Request:
        """A new request, sent once."""
        request = Request(path, body, key, f"once-{len(self.requests)}")
        self.requests.append(request)
        self.send_request(request)
        return request

    def send_request(self, request: Request) -> None:
        answer = self.does(self.sent(request))
        if answer is not None:
            self.answered(request, answer)

    async def sent(self, request: Request) -> httpx.Response:
        headers = {"Authorization": f"Bearer {request.key}", "Idempotency-Key": request.once}
        return await self.it.http.post(request.path, json=request.body, headers=headers)

    def answered(self, request: Request, answer: httpx.Response) -> None:
        """The same request has the same answer, however often it is sent."""
        if not is_final(answer):
            assert not request.began, "what was answered is forgotten"
            return
        if request.answer is not None:
            assert answer.status_code == request.answer.status_code, answer.text
            assert answer.content == request.answer.content, "another answer to the same request"
            self.tally["requests answered again"] += 1
        request.answer = answer

    @rule(number=numbers)
    def a_request_is_repeated(self, number: int) -> None:
        if self.requests:
            self.send_request(self.requests[-1 - number % len(self.requests)])

    # -- what goes wrong --------------------------------------------------------------------------

    @rule(
        what=st.sampled_from(("a command", "a command", "a reading", "down", "up", "up")),
        path=st.integers(0, 9),
        when=st.sampled_from(("before", "after")),
        effect=st.sampled_from(EFFECTS),
        times=st.integers(1, 3),
    )
    def stripe_has_trouble(self, what: str, path: int, when: str, effect: str, times: int) -> None:
        faults = self.simulator.faults
        if what == "up":
            faults.clear()
        elif what == "down":
            faults.add(path="/v1/*", effect="reset", times=None)
        elif what == "a reading":
            faults.add(method="GET", path="/v1/*", effect=effect, times=times)
        else:
            at = self.posts[path % len(self.posts)]
            if effect.startswith("429"):  # then Stripe has not even looked at what was asked
                when = "before"
            faults.add(method="POST", path=at, when=when, effect=effect, times=times)

    @rule(steps=st.integers(1, LONGEST_LIFE), done=st.booleans())
    def the_process_will_die(self, steps: int, done: bool) -> None:
        self.life.ends_after(steps, done=done)

    @rule(how=st.sampled_from(WEBHOOKS))
    def webhooks_go_astray(self, how: str) -> None:
        webhooks = self.simulator.webhooks
        if how == "drop":
            webhooks.drop("*")
        elif how == "duplicate":
            webhooks.duplicate("*", times=2)
        elif how == "reorder":
            webhooks.reorder(5)
        elif how == "late":
            webhooks.delay("*", 4_000, times=3)
        else:
            webhooks.calm()

    # -- what the service does by itself ----------------------------------------------------------

    @rule()
    def webhooks_arrive(self) -> None:
        self.runner.run(self.simulator.webhooks.deliver(self.send))
        self.does(self.it.settle())

    @rule()
    def missed_events_are_found(self) -> None:
        self.does(recover_events.run(self.it.context))
        self.does(self.it.settle())

    @rule(seconds=st.sampled_from(SECONDS))
    def time_passes(self, seconds: int) -> None:
        self.simulator.clock.advance(seconds)
        self.jobs()

    def jobs(self) -> None:
        self.does(resolve_outcomes.run(self.it.context))
        self.does(expire_approvals.run(self.it.context))
        self.does(reread.run(self.it.context))

    # -- what always holds ------------------------------------------------------------------------

    @invariant()
    def what_always_holds(self) -> None:
        self.every_ledger_transaction_sums_to_zero()
        self.what_is_not_known_is_shown()
        assert self.failures == [], self.failures

    def every_ledger_transaction_sums_to_zero(self) -> None:
        rows = self.query(
            "SELECT transaction_id, currency FROM entries GROUP BY transaction_id, currency"
            " HAVING SUM(amount) <> 0"
        )
        assert rows == []

    def what_is_not_known_is_shown(self) -> None:
        rows = self.query("SELECT kind, instruction FROM sendings WHERE status = 'unknown'")
        for row in rows:
            self.shows_unknown(row["kind"], row["instruction"])

    def shows_unknown(self, kind: str, instruction: str) -> None:
        raise NotImplementedError

    # -- the end ----------------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            self.settle()
            self.count()
        finally:
            self.runner.run(self.opened.__aexit__(None, None, None))
            self.runner.close()
            self.folder.cleanup()

    def settle(self) -> None:
        """Once Stripe answers again, everything is settled within minutes, and agrees."""
        self.life.ends_after(0, done=False)
        self.simulator.faults.clear()
        self.simulator.webhooks.calm()
        for _ in range(DAY_IN_TURNS):
            self.simulator.clock.advance(90)
            self.jobs()
        left = self.unsettled()
        assert {row["code"] for row in left} <= REMEMBERED, left
        if left:
            self.simulator.clock.advance(KEY_SECONDS)
            for _ in range(3):
                self.simulator.clock.advance(90)
                self.jobs()
        assert self.unsettled() == []
        self.webhooks_arrive()
        self.missed_events_are_found()
        for _ in range(DAY_IN_TURNS):
            self.simulator.clock.advance(300)
            self.does(self.it.settle())
        doubtful = self.query("SELECT * FROM fetches")
        assert doubtful == [], doubtful
        self.what_always_holds()
        assert self.simulator.audit() == []
        assert self.runner.run(self_check(self.it.context)) == []

    def count(self) -> None:
        for row in self.query("SELECT kind, status, sends FROM sendings"):
            again = ", asked again" if row["sends"] > 1 else ""
            self.tally[f"{row['kind']} {row['status']}{again}"] += 1

    def unsettled(self) -> list[dict[str, Any]]:
        return self.query(
            "SELECT kind, instruction, status, code FROM sendings"
            " WHERE status IN ('ready', 'sending', 'unknown')"
        )

    # -- looking ----------------------------------------------------------------------------------

    def query(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Rows, read past whatever the process still has to live."""
        left, self.life.left = self.life.left, 0
        try:
            return self.runner.run(self.it.query(sql, **values))
        finally:
            self.life.left = left

    def made(self, shelf: str, key: str) -> Counter[str]:
        """How many objects there are at Stripe for each instruction."""
        objects = self.simulator.world.home.shelf(shelf).values()
        return Counter(o["metadata"][key] for o in objects if key in o["metadata"])

    def _listen(self) -> None:
        """What is only logged, or only told to the loop, is a failure too."""

        def heard(_: Any, __: str, event: dict[str, Any]) -> Any:
            # A process that ends fails everywhere at once; what is caught then is not looked at.
            if event.get("exc_info") and not self.life.over:
                self.failures.append(repr(sys.exception()))
            raise structlog.DropEvent

        def unheard(_: Any, context: dict[str, Any]) -> None:
            # Of what a process left behind when it ended, nobody knows when it is looked at.
            if self.lives == 1 and not self.life.over:
                self.failures.append(repr(context))

        self.runner.get_loop().set_exception_handler(unheard)
        structlog.configure(processors=[heard])


def tell(
    machine: type[Story],
    stories: int,
    *,
    first: int,
    steps: int = STEPS,
    engine: str = "sqlite",
    server: engines.PgServer | None = None,
    as_found: bool = False,
) -> None:
    """So many stories of a machine, as the seed `first` has them; raises what one of them breaks.

    A story that fails is made shorter first, unless it is wanted `as_found`.
    """
    told = type(machine.__name__, (machine,), {"engine": engine, "server": server})
    plan = settings(
        max_examples=stories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate] if as_found else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    try:
        if server is not None:
            server.migrated()  # its template, made by a process that lives
        with mortal():
            run_state_machine_as_test(seed(first)(told), settings=plan)
    finally:
        structlog.reset_defaults()
