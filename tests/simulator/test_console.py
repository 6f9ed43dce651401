"""The console: what happened, in order, and buttons that do what the controls do."""

import re
from urllib.parse import urlencode

import pytest

from reconciler.simulator import Simulator
from reconciler.simulator.outside.webhooks.courier import Courier

from .sdk import client, inside, run

ROOT = "/_simulator/console"
OWN = {"Origin": "http://stripe.test", "Content-Type": "application/x-www-form-urlencoded"}


async def see(sim, path="", **query):
    answer = await inside(sim, "GET", f"{ROOT}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


async def press(sim, name, headers=OWN, **form):
    return await inside(sim, "POST", f"{ROOT}/run/{name}", content=urlencode(form), headers=headers)


async def traffic(sim):
    sim.webhooks.register("https://a.test/hook", "whsec_a")
    merchant = sim.acts.connect_account()
    topup = sim.acts.topup(50_000, "usd")
    sim.faults.add("POST", "/v1/customers", "after", "500")
    headers = {"Authorization": f"Bearer {sim.secret_key}", "Idempotency-Key": "once"}
    for _ in range(2):
        await inside(
            sim, "POST", "/v1/customers", data={"metadata[<b>]": "<script>"}, headers=headers
        )
    await client(sim).v1.transfers.create_async(
        {"amount": 700, "currency": "usd", "destination": merchant}
    )

    async def send(url, headers, body):
        return 503 if b"topup" in body else 200

    await sim.webhooks.deliver(send)
    return merchant, topup


def test_everything_that_happened_is_shown_newest_first():
    async def story(sim):
        _, topup = await traffic(sim)
        page = await see(sim)
        assert page.index("POST /v1/transfers") < page.index("POST /v1/customers")
        for shown in ("replayed", "fault:", "503", "+500.00 USD", "-7.00 USD", topup["id"]):
            assert shown in page, shown
        assert "<script>" not in page
        assert "&lt;script&gt;" in page
        assert "Idempotency-Key" in page

    run(story(Simulator()))


def test_the_timeline_is_filtered_and_paged():
    async def story(sim):
        merchant, topup = await traffic(sim)
        about = await see(sim, object=topup["id"])
        assert "topup.succeeded" in about
        assert "transfer.created" not in about
        money = await see(sim, kind="money")
        assert "transfer.created" not in money
        theirs = await see(sim, account=merchant, kind="money")
        assert "+7.00 USD" in theirs
        assert "+500.00 USD" not in theirs
        assert "Nothing here matches" in await see(sim, type="nothing.*")
        for _ in range(60):
            sim.acts.topup(100, "usd")
        first = await see(sim, kind="act")
        older = re.search(r'href="/_simulator/console\?([^"]+)">Older', first)
        assert older
        second = await inside(sim, "GET", f"{ROOT}?{older[1].replace('&amp;', '&')}")
        assert "connect account" in second.text
        assert "Newest" in second.text
        assert (await inside(sim, "GET", f"{ROOT}?before=x")).status_code == 200

    run(story(Simulator()))


def test_an_object_has_a_page_with_links_and_its_history():
    async def story(sim):
        await traffic(sim)
        transfer = next(iter(sim.world.home.shelf("transfer").values()))
        page = await see(sim, f"/objects/{transfer['id']}")
        assert f"{ROOT}/objects/{transfer['balance_transaction']}" in page
        assert "transfer.created" in page
        assert "7.00 USD" in page
        missing = await inside(sim, "GET", f"{ROOT}/objects/tr_nothing")
        assert missing.status_code == 404
        request = sim.requests and next(e for e in sim.world.journal if e["kind"] == "request")
        assert "/v1/customers" in await see(sim, f"/objects/{request['request']}")

    run(story(Simulator()))


def test_every_kind_of_object_can_be_looked_at():
    async def story(sim):
        merchant, _ = await traffic(sim)
        paid = sim.acts.pay(1_000, "usd")
        sim.acts.refund(paid["latest_charge"], amount=100)
        sim.acts.dispute(paid["latest_charge"])
        for book in list(sim.world.books.values()):
            for shelf in book.shelves.values():
                for object_id in list(shelf)[:2]:
                    assert object_id in await see(sim, f"/objects/{object_id}")
        assert merchant in await see(sim, f"/objects/{merchant}")

    run(story(Simulator()))


def test_accounts_acts_and_controls_are_shown():
    async def story(sim):
        merchant, _ = await traffic(sim)
        accounts = await see(sim, "/accounts")
        assert merchant in accounts
        assert "493.00 USD" in accounts
        acts = await see(sim, "/acts", act="pay", amount="77")
        assert 'value="77"' in acts
        assert "fail_payout" in acts
        sim.webhooks.drop("charge.*")
        sim.faults.add("GET", "/v1/balance", "before", "429")
        controls = await see(sim, "/controls", audit="1")
        for shown in ("The books are right", "/v1/balance", "drop charge.*", "https://a.test/hook"):
            assert shown in controls, shown
        next(iter(sim.world.home.shelf("balance_transaction").values()))["net"] += 1
        assert "The books are wrong" in await see(sim, "/controls", audit="1")
        assert "they sum to" in await see(sim, "/accounts")

    run(story(Simulator()))


def test_an_empty_world_has_pages_too():
    async def story(sim):
        assert "Nothing has happened yet" in await see(sim)
        for path in ("/accounts", "/acts", "/controls"):
            await see(sim, path)

    run(story(Simulator()))


def test_buttons_do_what_the_controls_do():
    async def story(sim):
        arrived = []

        async def send(url, headers, body):
            arrived.append(url)
            return 200

        sim.courier = Courier(sim.webhooks, send)
        before = sim.clock.now()
        back = {"back": f"{ROOT}/controls"}
        moved = await press(sim, "set_clock", advance="1d", **back)
        assert (moved.status_code, moved.headers["location"]) == (303, f"{ROOT}/controls")
        assert sim.clock.now() == before + 86_400
        await press(sim, "register", url="https://a.test", connect="false", **back)
        made = await press(sim, "act.pay", amount="1200", currency="usd", card="", metadata="")
        assert made.status_code == 303
        intent = made.headers["location"].rpartition("/")[2]
        assert sim.world.find(intent)[1]["amount"] == 1_200
        await press(sim, "deliver", **back)
        assert arrived
        await press(sim, "add", method="POST", path="/v1/*", effect="500", when="after", times="2")
        assert sim.faults.list()[0]["times"] == 2
        await press(sim, "clear_faults", **back)
        assert sim.faults.list() == []
        sim.webhooks.drop("charge.*")
        await press(sim, "calm", **back)
        assert sim.webhooks.rules() == []
        assert "advance: 1d" in await see(sim, kind="control")

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("name", "form", "status"),
    [
        ("act.refund", {"charge": "ch_nothing"}, 404),
        ("act.pay", {"amount": "much", "currency": "usd"}, 400),
        ("act._done", {}, 404),
        ("act.nothing", {}, 404),
        ("dump", {}, 404),
        ("set_clock", {"advance": "soon"}, 400),
        ("resend", {"event": "evt_nothing"}, 404),
        ("add", {"effect": "earthquake"}, 400),
    ],
)
def test_a_wrong_button_says_what_was_wrong(name, form, status):
    async def story(sim):
        answer = await press(sim, name, **form)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")

    run(story(Simulator()))


def test_buttons_are_not_pressed_from_other_sites_nor_lead_there():
    async def story(sim):
        before = sim.clock.now()
        for headers in ({"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
            refused = await press(sim, "set_clock", headers=headers, advance="1d")
            assert refused.status_code == 403
        assert sim.clock.now() == before
        led = await press(sim, "set_clock", advance="1d", back="https://evil.test/")
        assert led.headers["location"] == ROOT
        policy = (await inside(sim, "GET", ROOT)).headers["content-security-policy"]
        assert "default-src 'none'" in policy

    run(story(Simulator()))


def test_among_many_entries_an_object_is_found_and_a_page_stays_a_page():
    async def story(sim):
        topup = sim.acts.topup(100, "usd")
        for number in range(20_000):
            sim.world.journal.note("event", sim.account, [f"evt_{number}"], type="charge.updated")
        assert topup["id"] in (await see(sim, object=topup["id"]))
        assert topup["id"] not in (await see(sim))
        assert (await see(sim)).count("evt_") < 1_000

    run(story(Simulator()))
