"""The whole state in one document: what goes on after a load goes on as it would have."""

import asyncio
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.simulator import Settings, Simulator
from reconciler.simulator.outside.control.running import StateFile, standing
from reconciler.simulator.outside.control.state import Unfit
from reconciler.simulator.outside.webhooks.courier import Courier

from .sdk import client, inside, run
from .stories import STEPS, Story


async def _told(sim, steps, story=None):
    story = story or Story(sim)
    for step in steps:
        await story.take(step)
    return story


def _differences(one, other, where=""):
    """Where two documents differ, for a failing test to say."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            yield from _differences(one.get(key), other.get(key), f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(*pair, f"{where}[{number}]")
    elif one != other:
        yield f"{where}: {str(one)[:200]} is not {str(other)[:200]}"


@given(
    seed=st.integers(0, 100),
    before=st.lists(STEPS, min_size=3, max_size=25),
    after=st.lists(STEPS, min_size=3, max_size=15),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_going_on_after_a_load_is_going_on(seed, before, after):
    async def story():
        first = Simulator(seed=seed)
        told = Story(first)
        told.begin()
        await _told(first, before, told)
        stored = first.dump()
        second = Simulator(seed=seed + 1)
        second.load(stored)
        assert second.dump() == stored

        retold = Story(second)
        retold._keyed = list(told._keyed)
        del told.answers[:]
        await _told(first, after, told)
        await _told(second, after, retold)
        assert retold.answers == told.answers
        if first.dump() != second.dump():
            pair = (msgspec.json.decode(each.dump()) for each in (first, second))
            raise AssertionError("\n".join(list(_differences(*pair))[:20]))
        assert first.audit() == second.audit()

    run(story())


def _plain(value, where):
    """Every value that JSON would not give back as it was."""
    if isinstance(value, dict):
        for key, below in value.items():
            if type(key) is not str:
                yield f"{where} has the key {key!r}"
            yield from _plain(below, f"{where}.{key}")
    elif type(value) is list:
        for number, below in enumerate(value):
            yield from _plain(below, f"{where}[{number}]")
    elif value is not None and type(value) not in (str, int, bool, float):
        yield f"{where} is a {type(value).__name__}"


@given(steps=st.lists(STEPS, min_size=10, max_size=40))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_state_is_nothing_but_plain_values(steps):
    async def story():
        sim = Simulator()
        told = Story(sim)
        told.begin()
        await _told(sim, steps, told)
        found = [
            sentence
            for book in sim.world.books.values()
            for sentence in _plain(vars(book), f"book {book.id}")
        ]
        found += [sentence for entry in sim.world.journal for sentence in _plain(entry, "entry")]
        found += list(_plain(sim.clock.state(), "clock"))
        assert found == []

    run(story())


def test_everything_comes_back():
    """Settings with their fractions, secrets, faults, memories of keys, and the clock's agenda."""

    async def story():
        sim = Simulator(seed=3, settings=Settings(fee_fixed=7))
        sim.webhooks.register("https://a.test", "whsec_a")
        sim.webhooks.drop("charge.*")
        sim.faults.add(path="/v1/balance", effect="500", times=3)
        merchant = sim.acts.connect_account()
        paid = sim.acts.pay(1_000, "usd")
        sdk = client(sim)
        sim.acts.topup(5_000, "usd")
        asked = {"amount": 500, "currency": "usd", "destination": merchant}
        made = await sdk.v1.transfers.create_async(asked, {"idempotency_key": "once"})

        other = Simulator()
        other.load(sim.dump())
        assert other.settings.fee_fixed == 7
        assert other.settings.fee_rate == sim.settings.fee_rate
        assert other.account == sim.account
        assert other.faults.list() == sim.faults.list()
        assert other.webhooks.rules() == sim.webhooks.rules()
        assert other.webhooks.queue == sim.webhooks.queue
        assert other.requests == sim.requests
        again = client(other)
        replayed = await again.v1.transfers.create_async(asked, {"idempotency_key": "once"})
        assert replayed.id == made.id
        assert replayed.last_response.headers["idempotent-replayed"] == "true"
        other.clock.advance(7 * 86_400)
        charge = other.world.find(paid["latest_charge"])[1]
        row = other.world.find(charge["balance_transaction"])[1]
        assert row["status"] == "available"
        assert sim.world.find(row["id"])[1]["status"] == "pending"
        assert other.audit() == []

    run(story())


def test_what_cannot_be_stored_is_refused_with_a_sentence():
    sim = Simulator()
    sim.webhooks.drop(lambda event: True)
    with pytest.raises(ValueError, match="function cannot be stored"):
        sim.dump()


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "not the state"),
        (b"\xff\xfe", "not the state"),
        (b"[]", "names no format"),
        (b'{"format": 99}', "format 99"),
        (b'{"format": 1}', "not the state"),
    ],
)
def test_what_is_no_state_changes_nothing(document, why):
    sim = Simulator()
    before = sim.dump()
    with pytest.raises(Unfit, match=why):
        sim.load(document)
    assert sim.dump() == before


def test_a_state_that_ends_in_the_middle_changes_nothing():
    sim, other = Simulator(), Simulator(seed=2)
    sim.acts.pay(1_000, "usd")
    state = msgspec.json.decode(sim.dump())
    del state["parts"]["webhooks"]
    before = other.dump()
    with pytest.raises(Unfit, match="not the state"):
        other.load(msgspec.json.encode(state))
    assert other.dump() == before
    state["settings"]["colour"] = "red"
    with pytest.raises(Unfit, match="colour"):
        other.load(msgspec.json.encode(state))


def test_state_goes_over_http():
    async def story():
        sim, other = Simulator(), Simulator(seed=9)
        paid = sim.acts.pay(1_000, "usd")
        dumped = await inside(sim, "GET", "/_simulator/state/dump")
        loaded = await inside(other, "POST", "/_simulator/state/load", content=dumped.content)
        assert loaded.json()["platform"] == sim.account
        assert other.world.find(paid["id"]) is not None
        refused = await inside(other, "POST", "/_simulator/state/load", content=b"nonsense")
        assert refused.status_code == 400
        assert "not the state" in refused.json()["error"]["message"]

    run(story())


def test_a_file_always_holds_one_whole_state(tmp_path):
    async def story():
        path = tmp_path / "state.json"
        sim = Simulator()
        file = StateFile(sim, path)
        assert not file.load()
        sim.acts.pay(1_000, "usd")
        await file.save()
        written = path.stat().st_mtime_ns
        await file.save()
        assert path.stat().st_mtime_ns == written
        paid = sim.acts.pay(2_000, "usd")
        await file.save()
        assert [each.name for each in tmp_path.iterdir()] == ["state.json"]
        other = Simulator(seed=4)
        assert StateFile(other, path).load()
        assert other.world.find(paid["id"]) is not None
        assert other.dump() == sim.dump()

    run(story())


def test_time_that_followed_goes_on_as_if_it_had_never_stopped():
    lent = [1_000.0]
    sim = Simulator(now=5_000)
    sim.clock.follow(lambda: lent[0], speed=60)
    lent[0] += 10
    sim.clock.catch_up()
    stored = sim.dump()
    other = Simulator()
    other.clock.follow(lambda: lent[0])
    lent[0] += 10
    other.load(stored)
    other.clock.catch_up()
    assert other.clock.now() == 5_000 + 20 * 60
    still = Simulator()
    still.load(stored)
    still.clock.catch_up()
    assert still.clock.now() == 5_000 + 10 * 60


def test_a_standing_simulator_delivers_keeps_time_and_saves_by_itself(tmp_path):
    async def story():
        arrived = asyncio.Event()

        async def send(url, headers, body):
            arrived.set()
            return 200

        sim = Simulator()
        sim.courier = Courier(sim.webhooks, send)
        lent = [0.0]
        sim.clock.follow(lambda: lent[0])
        sim.webhooks.register("https://a.test", "whsec_a")
        file = StateFile(sim, tmp_path / "state.json")
        app = standing(sim, file=file)
        async with app.router.lifespan_context(app):
            paid = sim.acts.pay(1_000, "usd", capture_method="automatic_async")
            lent[0] += 3_600
            async with asyncio.timeout(10):
                await arrived.wait()
                while sim.clock.now() < paid["created"] + 3_600:
                    await asyncio.sleep(0)
        other = Simulator()
        assert StateFile(other, tmp_path / "state.json").load()
        assert other.world.find(paid["id"]) is not None
        assert other.clock.now() == sim.clock.now()
        assert sim.webhooks.stamp() >= time.time() - 60

    run(story())
