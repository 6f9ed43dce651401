"""Events that are not what was expected: other accounts, other modes, unknown, thin, or damaged."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from reconciler.intake import apply
from reconciler.intake.apply import ATTEMPTS, apply_all
from reconciler.intake.reread import reread_due
from tests.front.test_webhooks import CONNECT_DOOR, event, events, post, until_settled
from tests.harness import BASE, SECRET, Service, run, service


@pytest.fixture
def quiet() -> Iterator[None]:
    """Hundreds of events will fail; what is logged about it is tested elsewhere."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    structlog.reset_defaults()


def changed(original: dict[str, Any], event_id: str, /, **values: Any) -> dict[str, Any]:
    """The event under another id, with other values in its object."""
    other = copy.deepcopy(original)
    other["id"] = event_id
    other["data"]["object"].update(values)
    return other


def named(it: Service, type: str) -> dict[str, Any]:
    """The newest event of this type that the simulated Stripe has made."""
    return [one for one in events(it.simulator) if one["type"] == type][-1]


async def statuses(it: Service) -> dict[str, str]:
    """What became of each event, as the API tells it."""
    return {one["id"]: one["status"] for one in await listed(it, "/v1/events")}


async def listed(it: Service, path: str) -> list[dict[str, Any]]:
    """Every row of a listing, through all its pages."""
    rows: list[dict[str, Any]] = []
    while True:
        after = {"starting_after": rows[-1]["id"]} if rows else {}
        answer = await it.get(path, limit=100, **after)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["data"]
        if not answer.json()["has_more"]:
            return rows


# Whose event it is.


def test_a_connected_accounts_money_does_not_move_the_platforms_books(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await it.merchant("bakery")
            it.simulator.acts.pay(
                9_000,
                "usd",
                card="pm_card_bypassPending",
                metadata={"merchant_id": "bakery"},
                account=account,
            )
            payout = it.simulator.acts.pay_out_bank("usd", 500, account=account)
            it.simulator.clock.advance(7 * 86_400)
            await it.listen()
            it.simulator.acts.fail_payout(payout["id"])
            await it.listen()
            assert await it.balances() == {}
            rows = await listed(it, "/v1/events")
            theirs = [row for row in rows if row["type"].startswith(("charge.", "payout."))]
            assert {row["type"] for row in theirs} >= {
                "charge.succeeded",
                "payout.created",
                "payout.failed",
            }
            assert {row["stripe_account"] for row in theirs} == {account}
            assert {row["channel"] for row in theirs} == {"connect"}
            assert {row["status"] for row in theirs} <= {"applied", "waiting"}
            for path in ("/v1/payments", "/v1/bank-payouts"):
                assert (await it.get(path)).json() == {"data": [], "has_more": False}
            merchant = (await it.get("/v1/merchants/bakery/balance")).json()
            assert merchant["balances"] == []

    run(story)


def test_an_event_with_an_account_belongs_to_it_through_either_door(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await it.merchant("bakery")
            it.simulator.acts.topup(1_000, "usd", account=account)
            it.simulator.acts.pay_out_bank("usd", 500, account=account)
            payout = named(it, "payout.created")
            assert payout["account"] == account
            assert (await post(it, payout)).status_code == 200
            await it.settle()
            assert await it.balances() == {}

    run(story)


@pytest.mark.parametrize(
    "damage",
    [{"livemode": None}, {"type": 7}, {"request": 7, "id": None}, {"account": "acct_\0"}],
    ids=["livemode", "type", "id", "account"],
)
def test_a_connected_accounts_event_with_a_damaged_envelope_is_not_the_platforms(
    sqlite_url: str, damage: dict[str, Any]
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await it.merchant("bakery")
            it.simulator.acts.topup(1_000, "usd", account=account)
            it.simulator.acts.pay_out_bank("usd", 500, account=account)
            payout = named(it, "payout.created")
            assert (await post(it, {**payout, **damage}, door=CONNECT_DOOR)).status_code == 200
            await until_settled(it)
            assert await it.balances() == {}
            assert len(await listed(it, "/v1/events")) == 1

    run(story)


def test_an_event_of_the_other_mode_is_kept_with_a_reason_and_not_applied(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.acts.pay(10_000, "usd")
            for one in events(it.simulator):
                assert (await post(it, {**one, "livemode": True})).status_code == 200
            await it.settle()
            rows = await listed(it, "/v1/events")
            assert len(rows) == len(events(it.simulator))
            assert {row["status"] for row in rows} == {"irrelevant"}
            assert {row["reason"] for row in rows} == {"a live event, and the key is a test key"}
            assert {row["livemode"] for row in rows} == {True}
            assert await it.balances() == {}

    run(story)


def test_a_thin_notification_waits_until_its_object_was_read(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.webhooks.register(f"{BASE}/webhooks/stripe", SECRET, payload="thin")
            it.simulator.webhooks.drop("payment_intent.*")
            it.simulator.webhooks.drop("charge.*")
            paid = it.simulator.acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
            note = it.simulator.acts.notify_thin(paid["id"])
            await it.simulator.webhooks.deliver(it.send)
            await apply_all(it.context)
            assert await statuses(it) == {note["id"]: "waiting"}
            waiting = (await it.get("/v1/events", status="waiting")).json()["data"]
            assert [row["object_id"] for row in waiting] == [paid["id"]]
            assert (await it.get("/v1/events", status="applied")).json()["data"] == []
            assert await it.balances() == {}
            await it.settle()
            assert await statuses(it) == {note["id"]: "applied"}
            assert (await it.balances())["merchant:bakery", "usd"] == -10_000

    run(story)


def test_a_thin_notification_of_a_connected_account_is_read_there(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            account = await it.merchant("bakery")
            paid = it.simulator.acts.pay(10_000, "usd", account=account)
            note = it.simulator.acts.notify_thin(paid["id"])
            shown = {k: v for k, v in note.items() if not k.startswith("_")}
            assert (await post(it, shown, door=CONNECT_DOOR)).status_code == 200
            await it.settle()
            assert await statuses(it) == {note["id"]: "applied"}
            objects = await it.query("SELECT id, stripe_account FROM objects")
            assert objects == [{"id": paid["id"], "stripe_account": account}]
            assert await it.balances() == {}

    run(story)


@pytest.mark.parametrize(
    "related", [None, {}, {"id": "cus_1", "type": "customer"}, {"id": "", "type": "charge"}]
)
def test_a_thin_notification_about_nothing_we_follow_is_kept_with_a_reason(
    sqlite_url: str, related: Any
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            note = {
                "id": "evt_thin",
                "object": "v2.core.event",
                "type": "v1.customer.updated",
                "created": "2026-09-21T14:13:20.000Z",
                "livemode": False,
                "context": None,
                "related_object": related,
            }
            assert (await post(it, note)).status_code == 200
            await it.settle()
            (row,) = await listed(it, "/v1/events")
            assert (row["id"], row["status"]) == ("evt_thin", "irrelevant")
            assert row["reason"]

    run(story)


# What this version does not know.


def test_unknown_types_and_objects_are_kept_with_a_reason_and_shown(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.acts.pay(10_000, "usd")
            charge = named(it, "charge.succeeded")
            strange = {"object": {"id": "x_1", "object": "brand_new_thing"}}
            nameless = {"object": {"id": "x_2"}}
            for sent in (
                event("evt_kind", data=strange),
                event("evt_nameless", data=nameless),
                {**charge, "id": "evt_type", "type": "charge.brand_new"},
            ):
                assert (await post(it, sent)).status_code == 200
            await it.settle()
            rows = {row["id"]: row for row in await listed(it, "/v1/events")}
            assert rows["evt_kind"]["status"] == "irrelevant"
            assert rows["evt_kind"]["reason"] == "the books do not follow a brand_new_thing"
            assert rows["evt_nameless"]["reason"] == "the books do not follow a nameless object"
            # Of a new type about an object we know, the object still counts.
            assert rows["evt_type"]["status"] == "applied"
            assert (await it.balances())["platform", "usd"] == -10_000

    run(story)


@pytest.mark.parametrize(
    ("type", "reference"),
    [
        ("payment_intent.succeeded", "payment_intent"),
        ("charge.succeeded", "charge"),
        ("refund.created", "refund"),
        ("charge.dispute.created", "dispute"),
        ("payout.created", "payout"),
    ],
)
def test_a_record_of_unknown_status_is_kept_shown_and_reported(
    sqlite_url: str, type: str, reference: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            paid = it.simulator.acts.pay(10_000, "usd", card="pm_card_bypassPending")
            it.simulator.acts.refund(payment_intent=paid["id"], amount=1_000)
            it.simulator.acts.pay_out_bank("usd", 500)
            it.simulator.acts.dispute(paid["latest_charge"], amount=2_000)
            await it.listen()
            it.simulator.clock.advance(5)
            strange = changed(named(it, type), "evt_strange", status="brand_new")
            strange["created"] = it.simulator.clock.now()
            id = strange["data"]["object"]["id"]
            assert strange["data"]["object"]["object"] == reference
            it.simulator.faults.add("GET", f"/v1/*/{id}", "before", "500", times=None)
            assert (await post(it, strange)).status_code == 200
            await apply_all(it.context)
            assert (await statuses(it))["evt_strange"] in ("applied", "waiting")
            report = await it.check()
            assert report["status"] == "drift"
            found = [f for f in report["found"] if f["cause"] == "unknown_status"]
            assert [f["reference"] for f in found] == [id]
            assert "brand_new" in found[0]["explanation"]

    run(story)


# One bad event among many.


def test_four_poisoned_events_do_not_hold_up_the_other_sixteen(
    database_url: str, quiet: None
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            for _ in range(20):
                it.simulator.acts.pay(1_000, "usd", metadata={"merchant_id": "bakery"})
                it.simulator.clock.advance(1)
            sent = [one for one in events(it.simulator) if one["type"] == "charge.succeeded"]
            assert len(sent) == 20
            poison = {
                3: ("amount", -5, "amount is negative"),
                8: ("amount", 10**30, "amount is larger than any amount of money"),
                9: ("currency", "dollars", "currency must be three lower-case letters"),
                17: ("amount_captured", 10.5, "amount_captured must be an integer"),
            }
            for number, (field, value, _) in poison.items():
                sent[number]["data"]["object"][field] = value
            for one in sent:
                assert (await post(it, one)).status_code == 200
            await apply_all(it.context)
            first = await statuses(it)
            for number, one in enumerate(sent):
                assert first[one["id"]] == ("received" if number in poison else "applied")
            assert (await it.balances())["merchant:bakery", "usd"] == -16_000
            await until_settled(it)
            dead = (await it.get("/v1/events", status="dead")).json()["data"]
            expected = {sent[number]["id"]: why for number, (_, _, why) in poison.items()}
            assert {row["id"] for row in dead} == set(expected)
            for row in dead:
                assert expected[row["id"]] in row["error"]
                assert row["attempts"] == ATTEMPTS
            gaps = [f for f in (await it.check())["found"] if f["kind"] == "delivery_gap"]
            assert {f["reference"] for f in gaps} == set(expected)

    run(story)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "step",
    [
        "absorb",
        pytest.param(
            "prepare",
        ),
    ],
)
def test_an_event_that_our_own_code_fails_on_is_isolated_too(
    sqlite_url: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(apply, step)

    def prepare(row: Any, context: Any) -> Any:
        if row["event_id"] == "evt_bad":
            raise TypeError("a mistake in our own code")
        return real(row, context)

    async def absorb(session: Any, policy: Any, arrivals: Any, now: int) -> Any:
        if "evt_bad" in [arrival.cause for arrival in arrivals]:
            raise TypeError("a mistake in our own code")
        return await real(session, policy, arrivals, now)

    async def story() -> None:
        async with service(sqlite_url) as it:
            for _ in range(6):
                it.simulator.acts.pay(1_000, "usd")
            bad = {**named(it, "charge.succeeded"), "id": "evt_bad"}
            assert (await post(it, bad)).status_code == 200
            await it.simulator.webhooks.deliver(it.send)
            monkeypatch.setattr(apply, step, {"prepare": prepare, "absorb": absorb}[step])
            await until_settled(it)
            ends = await statuses(it)
            assert ends.pop("evt_bad") == "dead"
            assert set(ends.values()) <= {"applied", "waiting"}
            assert (await it.balances())["platform", "usd"] == -6_000

    run(story)


JUNK = (
    None, True, -1, 0, 1.5, "", "x", "\0", "é" * 600, [], [1], {}, {"id": 5}, {"data": 5},
    {"data": [5]}, {"data": [{}]}, [[]],
)  # fmt: skip
# What says which payment it belongs to is damaged in a test of its own.
LEFT_ALONE = {"payment_method_details", "billing_details", "outcome", "payment_intent"}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in an event's JSON where something else could stand."""
    if at:
        yield at
    if isinstance(value, dict):
        for key in value.keys() - LEFT_ALONE:
            yield from places(value[key], (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*at, index))


def damaged(original: dict[str, Any], at: tuple[Any, ...], value: Any, id: str) -> dict[str, Any]:
    other = copy.deepcopy(original)
    other["id"] = id
    target: Any = other
    for step in at[:-1]:
        target = target[step]
    target[at[-1]] = value
    return other


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "type",
    [
        "payment_intent.succeeded",
        "charge.refunded",
        "refund.created",
        "charge.dispute.funds_withdrawn",
        "transfer.reversed",
        "payout.created",
        "capability.updated",
        "account.updated",
    ],
)
def test_whatever_is_damaged_in_an_event_every_event_finds_its_end(
    sqlite_url: str, type: str
) -> None:
    """And what was damaged must not break a listing or a check either."""

    async def story() -> None:
        async with service(sqlite_url) as it:
            acts = it.simulator.acts
            account = await it.merchant("bakery")
            paid = acts.pay(10_000, "usd", card="pm_card_bypassPending")
            acts.refund(payment_intent=paid["id"], amount=500)
            acts.dispute(paid["latest_charge"], amount=1_000)
            sent = acts.transfer(account, 2_000, "usd")
            acts.reverse_transfer(sent["id"], 500)
            acts.pay_out_bank("usd", 100)
            original = named(it, type)
            # Two objects of one id are for a test of their own.
            spots = sorted((at for at in places(original) if at[-1] != "id"), key=str)
            cases = [(at, value) for at in spots for value in JUNK]
            chosen = random.Random(7).sample(cases, min(len(cases), 50))
            due = ("data", "object", "requirements", "currently_due")
            chosen += [(due, value) for value in (5, True) if due in spots]
            for number, (at, value) in enumerate(chosen):
                body = damaged(original, at, value, f"evt_{number}")
                assert (await post(it, body)).status_code == 200, (at, value)
            await it.simulator.webhooks.deliver(it.send)
            await until_settled(it)
            while await reread_due(it.context):
                it.simulator.clock.advance(1)
            ends = await statuses(it)
            assert len(ends) == len(chosen) + len(events(it.simulator))
            assert set(ends.values()) <= {"applied", "waiting", "irrelevant", "dead"}
            assert {ends[one["id"]] for one in events(it.simulator)} <= {"applied", "irrelevant"}
            for path in ("payments", "refunds", "disputes", "bank-payouts"):
                await listed(it, f"/v1/{path}")
            assert (await it.check())["status"] in ("clean", "drift")

    run(story)


@pytest.mark.parametrize("where", ["event", "object"])
def test_a_moment_beyond_the_year_9999_does_not_break_the_listings(
    sqlite_url: str, where: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.acts.pay(1_000, "usd")
            far = named(it, "charge.succeeded")
            (far if where == "event" else far["data"]["object"])["created"] = 10**12
            assert (await post(it, far)).status_code == 200
            await until_settled(it)
            for path in ("/v1/events", "/v1/payments", f"/v1/events/{far['id']}"):
                assert (await it.get(path)).status_code == 200

    run(story)


def test_amounts_that_no_sum_can_hold_never_reach_the_ledger(
    database_url: str, quiet: None
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.acts.pay(1_000, "usd", metadata={"merchant_id": "bakery"})
            charge = named(it, "charge.succeeded")
            for number in range(3):
                values = {"id": f"ch_{number}", "payment_intent": f"pi_{number}"}
                money = {"amount": 2**62 - 1, "amount_captured": 2**62 - 1}
                huge = changed(charge, f"evt_{number}", **values, **money)
                assert (await post(it, huge)).status_code == 200
            await it.listen()
            await until_settled(it)
            for row in await it.query("SELECT account, books, facts FROM balances"):
                assert type(row["books"]) is int, row
                assert abs(row["books"]) < 10**17, row
            answer = await it.get("/v1/merchants/bakery/balance")
            assert answer.json()["balances"][0]["balance"] == 1_000

    run(story)


def test_an_object_under_another_objects_id_does_not_take_its_place(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            paid = it.simulator.acts.pay(10_000, "usd")
            it.simulator.acts.refund(payment_intent=paid["id"], amount=500)
            await it.listen()
            it.simulator.clock.advance(5)
            false = changed(named(it, "refund.created"), "evt_false", id=paid["id"])
            false["created"] = it.simulator.clock.now()
            assert (await post(it, false)).status_code == 200
            await until_settled(it)
            shown = (await it.get(f"/v1/payments/{paid['id']}")).json()
            assert shown["amount_refunded"] == 500

    run(story)


def test_an_object_whose_reading_cannot_be_absorbed_does_not_hold_up_the_others(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            it.simulator.acts.pay(10_000, "usd")
            charge = named(it, "charge.succeeded")
            other = it.simulator.acts.pay(2_000, "usd")
            assert (await post(it, changed(charge, "evt_a", payment_intent="pi_x"))).is_success
            await apply_all(it.context)
            await it.listen()
            thin = {
                "id": "evt_b",
                "object": "v2.core.event",
                "type": "v1.payment_intent.updated",
                "created": "2026-09-21T14:13:20.000Z",
                "livemode": False,
                "related_object": {"id": other["id"], "type": "payment_intent"},
            }
            assert (await post(it, thin)).is_success
            await it.settle()
            assert (await statuses(it))["evt_b"] == "applied"

    run(story)


def test_a_dead_event_delivered_again_stays_one_row(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            bad = event("evt_bad", data={"object": {"object": "charge"}})
            await post(it, bad)
            await until_settled(it)
            assert (await post(it, bad)).json()["duplicate"] is True
            await apply_all(it.context)
            assert await statuses(it) == {"evt_bad": "dead"}

    run(story)
