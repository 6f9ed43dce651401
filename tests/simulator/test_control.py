"""The controls over HTTP: documented from their signatures, and never a 500 for what is wrong."""

from contextlib import suppress

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.journal import Journal
from reconciler.simulator.outside.control.controls import duration
from reconciler.simulator.outside.control.parameters import WrongCall
from reconciler.simulator.outside.control.running import standing
from reconciler.simulator.outside.webhooks.courier import Courier

from .sdk import client, inside, run

DAY = 86_400


async def post(sim, control, **body):
    return await inside(sim, "POST", f"/_simulator/{control}", json=body)


async def get(sim, path):
    return (await inside(sim, "GET", f"/_simulator/{path}")).json()


# Time.


def test_the_clock_is_moved_frozen_and_let_go():
    async def story(sim):
        lent = [0.0]
        sim.clock.follow(lambda: lent[0])
        sim.clock.freeze()
        before = (await get(sim, "clock"))["now"]
        assert (await post(sim, "clock", advance="1d 2h")).json()["now"] == before + 26 * 3600
        assert (await post(sim, "clock", to=before + 30 * 3600)).json()["now"] == before + 108_000
        assert (await post(sim, "clock", speed=60)).json()["following"] is True
        lent[0] += 10
        await client(sim).v1.balance.retrieve_async()
        assert (await get(sim, "clock"))["now"] == before + 108_600
        assert (await post(sim, "clock", freeze=True)).json()["following"] is False

    run(story(Simulator()))


def test_what_will_happen_is_shown():
    async def story(sim):
        sim.acts.pay(1_000, "usd")
        shown = await get(sim, "clock")
        assert shown["planned"] == len(shown["agenda"]) > 0
        first = shown["agenda"][0]
        assert first["due"] > shown["now"]
        assert first["account"] == sim.account

    run(story(Simulator()))


@pytest.mark.parametrize(
    "body",
    [
        {"advance": -1},
        {"advance": "soon"},
        {"advance": "9" * 30 + "d"},
        {"advance": 10**12},
        {"advance": None},
        {"to": "tomorrow"},
        {"to": "2026-02-30"},
        {"freeze": "perhaps"},
        {"freeze": True, "speed": 2},
        {"speed": 2},
        {"follow": True},
        {"jump": 1},
    ],
)
def test_a_wrong_time_is_said_to_be_wrong(body):
    async def story(sim):
        before = sim.clock.now()
        refused = await post(sim, "clock", **body)
        assert refused.status_code == 400
        assert refused.json()["error"]["type"] == "control_error"
        assert sim.clock.now() == before

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(90, 90), ("90", 90), ("90s", 90), ("15m", 900), ("2h30m", 9_000), ("3d", 3 * DAY)],
)
def test_durations(text, seconds):
    assert duration(text) == seconds


@given(st.text())
def test_any_duration_is_a_number_or_refused(text):
    with suppress(WrongCall):
        assert duration(text) >= 0


# Acts.


def test_every_act_is_listed_with_what_it_takes():
    async def story(sim):
        acts = {act["name"]: act for act in (await get(sim, "acts"))["acts"]}
        takes = acts["pay"]["takes"]
        assert takes["amount"]["type"] == "integer"
        assert takes["amount"]["required"] is True
        assert takes["card"]["default"] == "pm_card_visa"
        assert "smallest unit" in takes["amount"]["meaning"]
        assert "topup" in acts
        assert all(act["does"] for act in acts.values())

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"currency": "usd"}, "Missing parameter: amount. It takes amount (integer, required)"),
        ({"amount": 1, "currency": "usd", "colour": "red"}, "Unknown parameter: colour"),
        ({"amount": "a lot", "currency": "usd"}, "Wrong amount: it takes integer"),
        ({"amount": 1.5, "currency": "usd"}, "Wrong amount"),
        ({"amount": 100, "currency": 3}, "Wrong currency: it takes text"),
        ({"amount": 100, "currency": "usd", "metadata": "no"}, "Wrong metadata"),
    ],
)
def test_a_wrong_act_is_told_what_it_takes(body, why):
    async def story(sim):
        refused = await post(sim, "acts/pay", **body)
        assert refused.status_code == 400
        assert why in refused.json()["error"]["message"]
        assert not sim.world.home.shelf("payment_intent")

    run(story(Simulator()))


def test_numbers_may_come_as_text_as_from_a_command_line():
    async def story(sim):
        body = {"amount": "1200", "currency": "usd", "metadata": '{"order": "7"}'}
        paid = (await post(sim, "acts/pay", **body)).json()
        assert (paid["amount"], paid["metadata"]) == (1200, {"order": "7"})

    run(story(Simulator()))


def test_stripes_own_no_has_stripes_shape():
    async def story(sim):
        refused = await post(sim, "acts/refund", charge="ch_nothing")
        assert refused.status_code == 404
        assert refused.json()["error"]["code"] == "resource_missing"
        assert refused.json()["error"]["type"] == "invalid_request_error"

    run(story(Simulator()))


def test_a_reset_lets_time_go_on():
    async def story(sim):
        lent = [0.0]
        sim.clock.follow(lambda: lent[0], speed=60)
        begun = (await post(sim, "reset", seed=3, now=2_000_000_000, opening_balance=500)).json()
        assert begun["accounts"][sim.account]["balance"]["usd"]["available"] == 500
        lent[0] += 1
        assert (await get(sim, "clock"))["speed"] == 60
        await client(sim).v1.balance.retrieve_async()
        assert sim.clock.now() == 2_000_000_060

    run(story(Simulator()))


# Everything else.


def test_the_index_names_every_control():
    async def story(sim):
        index = await get(sim, "")
        assert "POST /_simulator/clock" in index["controls"]
        assert any(act["name"] == "pay" for act in index["acts"])
        for control in index["controls"]:
            method, path = control.split()
            if method == "GET" and "{" not in path:
                assert (await inside(sim, "GET", path)).status_code == 200, control
        page = await inside(sim, "GET", "/_simulator/", headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        for control in index["controls"]:
            assert control in page.text

    run(story(Simulator()))


def test_faults_are_listed_and_taken_back():
    async def story(sim):
        await post(sim, "faults", path="/v1/balance", effect="500", times=2)
        second = (await post(sim, "faults", path="/v1/charges*", effect="429")).json()["id"]
        assert [fault["effect"] for fault in (await get(sim, "faults"))["planned"]] == [
            "500",
            "429",
        ]
        await inside(sim, "DELETE", f"/_simulator/faults/{second}")
        assert [fault["effect"] for fault in (await get(sim, "faults"))["planned"]] == ["500"]
        gone = await inside(sim, "DELETE", f"/_simulator/faults/{second}")
        assert gone.status_code == 400

    run(story(Simulator()))


def test_webhooks_are_registered_drilled_and_delivered():
    async def story(sim):
        arrived = []

        async def send(url, headers, body):
            arrived.append(msgspec.json.decode(body)["type"])
            return 200

        sim.courier = Courier(sim.webhooks, send)
        made = (await post(sim, "webhooks", url="https://a.test")).json()
        assert made["secret"].startswith("whsec_")
        assert (await post(sim, "webhooks/drop", match="topup.*")).status_code == 200
        sim.acts.topup(1_000, "usd")
        await client(sim).v1.customers.create_async({})
        shown = await get(sim, "webhooks")
        assert shown["endpoints"][0]["secrets"] == [made["secret"]]
        assert shown["rules"][0]["match"] == "topup.*"
        assert shown["waiting"] > 0
        assert (await post(sim, "deliver")).json()["dropped"] > 0
        assert "customer.created" in arrived
        assert not [type_ for type_ in arrived if type_.startswith("topup.")]
        assert (await post(sim, "webhooks/calm")).status_code == 200
        event = next(iter(sim.world.home.shelf("event")))
        assert (await post(sim, "webhooks/resend", event=event)).status_code == 200
        assert (await post(sim, "webhooks/resend", event="evt_nothing")).status_code == 404
        assert (await post(sim, "webhooks/explode")).status_code == 404

    run(story(Simulator()))


def test_the_ledger_is_what_the_movements_sum_to():
    async def story(sim):
        merchant = sim.acts.connect_account()
        sim.acts.topup(10_000, "usd")
        sim.acts.transfer(merchant, 4_000, "usd")
        accounts = {book["account"]: book for book in (await get(sim, "ledger"))["accounts"]}
        [own] = accounts[sim.account]["balances"]
        [theirs] = accounts[merchant]["balances"]
        assert own["available"] + own["pending"] == own["movements"] == 6_000
        assert theirs["movements"] == 4_000

    run(story(Simulator()))


def test_settings_are_shown_and_changed():
    async def story(sim):
        assert (await get(sim, "settings"))["fee_rate"] == "29/1000"
        changed = await post(sim, "settings", changes={"fee_rate": "1/100", "fee_fixed": 0})
        assert changed.json()["fee_rate"] == "1/100"
        sim.acts.pay(10_000, "usd")
        [row] = sim.world.home.shelf("balance_transaction").values()
        assert row["fee"] == 100
        assert (await post(sim, "settings", changes={"colour": 1})).status_code == 400
        assert (await post(sim, "settings", changes={"fee_fixed": "x"})).status_code == 400

    run(story(Simulator()))


def test_restricted_keys_are_made_and_revoked():
    async def story(sim):
        made = (await post(sim, "keys", permissions={"balance": "read"})).json()
        headers = {"Authorization": f"Bearer {made['secret']}"}
        assert (await inside(sim, "GET", "/v1/balance", headers=headers)).status_code == 200
        assert (await inside(sim, "GET", "/v1/refunds", headers=headers)).status_code == 403
        [listed] = (await get(sim, "keys"))["keys"]
        assert made["secret"] not in str(listed)
        await inside(sim, "DELETE", f"/_simulator/keys/{listed['id']}")
        assert (await inside(sim, "GET", "/v1/balance", headers=headers)).status_code == 401
        assert (await post(sim, "keys", permissions={"moon": "read"})).status_code == 400

    run(story(Simulator()))


def test_a_reset_begins_a_new_world_and_may_keep_its_endpoints():
    async def story(sim):
        sim.acts.pay(1_000, "usd")
        sim.webhooks.register("https://a.test", "whsec_a")
        begun = (await post(sim, "reset", seed=8, now=1_800_000_000, keep_endpoints=True)).json()
        assert begun["platform"] == sim.account == Simulator(seed=8).account
        assert sim.clock.now() == 1_800_000_000
        assert not sim.world.home.shelf("charge")
        sim.acts.topup(100, "usd")
        assert sim.webhooks.pending() > 0
        await post(sim, "reset", seed=8, now=1_800_000_000)
        fresh = Simulator(seed=8, now=1_800_000_000)
        for each in (sim, fresh):
            each.acts.pay(1_000, "usd")
        assert list(sim.world.home.shelf("event")) == list(fresh.world.home.shelf("event"))

    run(story(Simulator()))


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff\xfe", b'{"a": 1}', b'"x"', b"null"])
def test_wrong_json_is_never_a_500(body):
    async def story(sim):
        index = await get(sim, "")
        paths = [c.split()[1] for c in index["controls"] if c.startswith("POST")]
        paths += ["/_simulator/acts/pay", "/_simulator/webhooks/drop"]
        for path in paths:
            answer = await inside(sim, "POST", path, content=body)
            assert answer.status_code == 400, path

    run(story(Simulator()))


def test_other_web_sites_cannot_reach_a_control():
    async def story(sim):
        for headers in (
            {"Origin": "http://evil.test"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            refused = await inside(sim, "POST", "/_simulator/reset", headers=headers)
            assert refused.status_code == 403
        own = {"Origin": "http://stripe.test"}
        allowed = await inside(sim, "POST", "/_simulator/clock", json={}, headers=own)
        assert allowed.status_code == 200

    run(story(Simulator()))


def test_a_standing_simulator_answers_only_to_its_own_name():
    async def story(sim):
        transport = httpx.ASGITransport(app=standing(sim))
        async with httpx.AsyncClient(transport=transport) as http:
            for host, status in [("127.0.0.1:12111", 200), ("localhost", 200), ("evil.test", 421)]:
                answer = await http.get(f"http://{host}/_simulator/clock")
                assert answer.status_code == status, host

    run(story(Simulator()))


# The log.


def test_everything_is_in_the_log_and_found_by_id():
    async def story(sim):
        sim.webhooks.register("https://a.test", "whsec_a")
        sdk = client(sim)
        asked = {"amount": 1_000, "currency": "usd", "destination": "acct_x"}
        for _ in range(2):
            with pytest.raises(Exception, match="No such destination"):
                await sdk.v1.transfers.create_async(asked, {"idempotency_key": "k"})
        made = sim.acts.topup(5_000, "usd")

        async def send(url, headers, body):
            return 200

        await sim.webhooks.deliver(send)
        await post(sim, "clock", advance=60)
        about = (await get(sim, f"log?object={made['id']}"))["data"]
        kinds = {entry["kind"] for entry in about}
        assert kinds == {"act", "event", "money", "delivery"}
        money = next(entry for entry in about if entry["kind"] == "money")
        assert (money["net"], money["type"]) == (5_000, "topup")
        requests = (await get(sim, "log?kind=request"))["data"]
        assert [entry["replayed"] for entry in requests] == [True, False]
        assert requests[0]["status"] == 400
        assert requests[1]["error"]["message"].startswith("No such destination")
        everything = (await get(sim, "log?limit=1000"))["data"]
        assert [e["number"] for e in everything] == sorted(
            (e["number"] for e in everything), reverse=True
        )
        assert everything[0]["kind"] == "control"
        wanted = (await get(sim, "log?type=topup.*"))["data"]
        assert {entry["type"] for entry in wanted} == {"topup.created", "topup.succeeded"}

    run(story(Simulator()))


def test_the_log_pages_without_gaps():
    async def story(sim):
        for _ in range(7):
            sim.acts.topup(100, "usd")
        whole = [entry["number"] for entry in (await get(sim, "log?limit=1000"))["data"]]
        found, before = [], ""
        while True:
            page = await get(sim, f"log?limit=5{before}")
            found += [entry["number"] for entry in page["data"]]
            if not page["has_more"]:
                break
            before = f"&before={found[-1]}"
        assert found == whole
        assert (await inside(sim, "GET", "/_simulator/log?limit=0")).status_code == 400
        assert (await inside(sim, "GET", "/_simulator/log?colour=red")).status_code == 400

    run(story(Simulator()))


def test_the_journal_forgets_the_oldest_first():
    sim = Simulator()
    journal = Journal(sim.clock, 10)
    for number in range(25):
        journal.note("act", "acct_1", [f"tu_{number % 3}"], act="topup")
    assert [entry["number"] for entry in journal] == list(range(16, 26))
    assert [entry["number"] for entry in journal.newest("tu_0")] == [25, 22, 19, 16]
    assert [entry["number"] for entry in journal.newest("tu_0", before=22)] == [19, 16]
    assert [entry["number"] for entry in journal.newest(before=18)] == [17, 16]
    again = Journal(sim.clock, 4)
    again.restore(journal.state())
    assert [entry["number"] for entry in again] == [22, 23, 24, 25]
    assert list(again.newest("tu_2")) == [again.entry(24)]
