"""Payouts through the front door: what is made, what is refused and why, called off, taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.money_out.resolve import resolve_outcomes
from reconciler.oversight.keys import Role, create_key
from tests.front.asking import ask, funded, owed, paid, payout, sound, transfers
from tests.front.test_webhooks import is_problem
from tests.harness import Service, ask_stripe, run, service

USD = {"merchant": "bakery", "amount": 12_000, "currency": "usd"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'payouts.db'}"


def test_a_payout_is_made_shown_listed_and_audited(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await funded(it)
            answer = await ask(it, "/v1/payouts", USD)
            assert answer.status_code == 201
            made = answer.json()
            [transfer] = transfers(it)
            assert made["status"] == "completed"
            assert made["stripe_transfer_id"] == transfer["id"]
            assert (made["amount"], made["currency"]) == (12_000, "usd")
            assert (made["destination"], made["failure"]) == (account, None)
            assert transfer["metadata"]["reconciler_payout"] == made["id"]
            assert transfer["transfer_group"] == made["id"]
            shown = (await it.get(f"/v1/payouts/{made['id']}")).json()
            assert [leg["id"] for leg in shown.pop("legs")][:2] == [made["id"], transfer["id"]]
            assert shown == made
            listed = (await it.get("/v1/payouts", merchant="bakery", status="completed")).json()
            assert [row["id"] for row in listed["data"]] == [made["id"]]
            assert (await it.get("/v1/payouts", merchant="florist")).json()["data"] == []
            assert (await it.get("/v1/payouts", status="failed")).json()["data"] == []
            assert await owed(it) == {
                "settled_in": 50_000,
                "refunded": 0,
                "paid_out": 12_000,
                "reserved": 0,
                "disputed": 0,
                "adjusted": 0,
                "balance": 38_000,
            }
            audited = await it.query(
                "SELECT action FROM audit_log WHERE subject = :id", id=made["id"]
            )
            actions = {row["action"] for row in audited}
            assert {"payout.requested", "payout.settled"} <= actions
            await it.listen()
            assert (await it.check())["status"] == "clean"
            await sound(it)

    run(story)


def test_payouts_are_listed_page_by_page_newest_first(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            made = []
            for amount in (100, 200, 300):
                made.append((await payout(it, amount))["id"])
                it.simulator.clock.advance(1)
            first = (await it.get("/v1/payouts", limit=2)).json()
            assert [row["id"] for row in first["data"]] == [made[2], made[1]]
            assert first["has_more"]
            rest = (await it.get("/v1/payouts", limit=2, starting_after=made[1])).json()
            assert ([row["id"] for row in rest["data"]], rest["has_more"]) == ([made[0]], False)
            wrong = await it.get("/v1/payouts", starting_after="pyt_none")
            assert is_problem(wrong, 400, "bad_cursor")
            assert is_problem(await it.get("/v1/payouts", status="lost"), 400, "bad_status")
            assert is_problem(await it.get("/v1/payouts/pyt_none"), 404, "not_found")

    run(story)


BAD = {
    "not json": (b"{", "body_not_json", ""),
    "a list": (b"[]", "body_not_json", ""),
    "twice": (b'{"amount": 1, "amount": 2}', "body_not_json", ""),
    "unknown field": ({**USD, "amonut": 1}, "invalid_body", "amonut"),
    "no merchant": ({"amount": 1, "currency": "usd"}, "invalid_body", "merchant"),
    "zero": ({**USD, "amount": 0}, "invalid_body", "amount"),
    "negative": ({**USD, "amount": -5}, "invalid_body", "amount"),
    "fractional": ({**USD, "amount": 1.5}, "invalid_body", "amount"),
    "whole float": ({**USD, "amount": 1.0}, "invalid_body", "amount"),
    "text": ({**USD, "amount": "100"}, "invalid_body", "amount"),
    "true": ({**USD, "amount": True}, "invalid_body", "amount"),
    "null": ({**USD, "amount": None}, "invalid_body", "amount"),
    "huge": ({**USD, "amount": 10**15}, "invalid_body", "amount"),
    "huger": (b'{"merchant":"bakery","currency":"usd","amount":1e400}', "body_not_json", ""),
    "upper case": ({**USD, "currency": "USD"}, "invalid_body", "currency"),
    "no currency of Stripe's": ({**USD, "currency": "zzz"}, "currency_not_supported", "currency"),
    "forints": (
        {**USD, "currency": "huf", "amount": 150},
        "amount_not_a_multiple",
        "amount",
    ),
    "dinars": (
        {**USD, "currency": "kwd", "amount": 1_005},
        "amount_not_a_multiple",
        "amount",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_body_that_cannot_be_a_payout_is_refused_by_field_and_nothing_is_posted(
    url: str, name: str
) -> None:
    body, code, field = BAD[name]

    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            before = await it.balances()
            answer = await ask(it, "/v1/payouts", body)
            assert answer.status_code == 400, answer.text
            problem = answer.json()
            assert not code or problem["code"] == code
            assert problem.get("field", "") == field
            assert problem["detail"].endswith(".")
            assert await it.balances() == before
            assert transfers(it) == []

    run(story)


async def _refused(it: Service, code: str, status: int = 409, **asked: Any) -> str:
    answer = await ask(it, "/v1/payouts", {**USD, **asked})
    assert is_problem(answer, status, code), answer.text
    assert await it.query("SELECT id FROM payouts") == []
    assert transfers(it) == []
    return str(answer.json()["detail"])


def test_a_merchant_that_is_not_there_or_not_connected_is_not_paid(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            assert "create it" in await _refused(it, "unknown_merchant", 404)
            made = await ask(it, "/v1/merchants", {"id": "bakery", "name": "Bakery"})
            assert made.status_code == 201
            await paid(it, 50_000)
            assert "onboard" in await _refused(it, "not_connected")

    run(story)


def test_an_account_that_cannot_take_money_is_not_paid_and_says_what_is_missing(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            account = await funded(it)
            it.simulator.acts.set_capability(account, "transfers", "inactive")
            await it.listen()
            assert "bakery cannot take money yet" in await _refused(it, "account_not_ready")
            # Its webhook is lost when it can: what would be refused is looked at again first.
            it.simulator.webhooks.drop("*")
            it.simulator.acts.set_capability(account, "transfers", "active")
            assert (await payout(it, 1_000))["status"] == "completed"

    run(story)


def test_an_account_of_another_platform_is_not_paid(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            async with it.context.write() as session:
                await session.run("UPDATE merchants SET stripe_account = 'acct_elsewhere'")
            assert "another platform" in await _refused(it, "account_not_found")

    run(story)


@pytest.mark.parametrize("known", [True, False])
def test_an_account_that_stripe_no_longer_shows_us_is_lost_at_once(url: str, known: bool) -> None:
    async def story() -> None:
        async with service(url) as it:
            await it.merchant("florist")
            account = await funded(it)
            if known:
                it.simulator.acts.set_capability(account, "transfers", "inactive")
                await it.listen()
            it.simulator.webhooks.drop("*")
            it.simulator.acts.deauthorize(account)
            if not known:  # Stripe's no is the first we hear of it, and is looked into
                assert (await payout(it, 1_000))["status"] == "failed"
                await it.settle()
            else:
                answer = await ask(it, "/v1/payouts", USD)
                assert is_problem(answer, 409, "account_not_found"), answer.text
            shown = (await it.get("/v1/merchants/bakery/connect")).json()
            assert (shown["state"], shown["disconnected_by"]) == ("disconnected", "merchant")
            answer = await ask(it, "/v1/payouts", USD)
            assert is_problem(answer, 409, "not_connected"), answer.text
            assert (await owed(it))["balance"] == 50_000

    run(story)


def test_more_than_the_merchant_is_owed_is_not_paid(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            detail = await _refused(it, "insufficient_merchant_balance", amount=50_001)
            assert "500.00 usd" in detail

    run(story)


def test_pending_funds_are_named_with_the_day_on_which_they_suffice(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            code = "insufficient_platform_available"
            await it.merchant("bakery")
            await paid(it, 30_000, card="pm_card_visa")
            detail = await _refused(it, code)
            assert "is pending, and it is not known here yet from when on" in detail
            it.simulator.clock.advance(86_400)
            await paid(it, 12_500, card="pm_card_visa")
            it.simulator.acts.pay(
                90_000, "eur", card="pm_card_visa", metadata={"merchant_id": "bakery"}
            )
            await it.listen()
            await it.check()  # the mirror knows what is pending
            first, second = await it.query(
                "SELECT net, available_on FROM balance_transactions WHERE currency = 'usd'"
                " ORDER BY available_on"
            )
            for amount, net, on in (
                (first["net"], first["net"], first["available_on"]),
                (first["net"] + 1, first["net"] + second["net"], second["available_on"]),
            ):
                day = f"{datetime.fromtimestamp(on, UTC):%Y-%m-%d}"
                expected = f"another {net / 100:.2f} usd will be available on {day}"
                assert expected in await _refused(it, code, amount=amount)
            assert "which will not suffice" in await _refused(it, code, amount=42_500)
            euro = await _refused(it, code, currency="eur", amount=80_000)
            assert " eur will be available on 20" in euro
            assert " usd" not in euro
            await it.simulator.webhooks.deliver(it.send)
            it.simulator.clock.advance(first["available_on"] - it.simulator.clock.now())
            done = await ask(it, "/v1/payouts", {**USD, "amount": first["net"]})
            assert done.json()["status"] == "completed", "it was true"

    run(story)


def test_money_that_came_by_bank_debit_is_not_promised_to_a_payout(url: str) -> None:
    """Stripe keeps it apart, and a transfer draws on what came by card."""

    async def story() -> None:
        async with service(url) as it:
            await it.merchant("bakery")
            await paid(it, 10_000, card="pm_card_visa")
            debit = {
                "amount": "60000",
                "currency": "usd",
                "payment_method": "pm_usBankAccount_success",
                "confirm": "true",
                "allowed_payment_method_types[]": "us_bank_account",
                "mandate_data[customer_acceptance][type]": "offline",
                "metadata[merchant_id]": "bakery",
            }
            await ask_stripe(it, "/v1/payment_intents", **debit)
            for _ in range(40):  # until the bank has answered and the money is on its way
                it.simulator.clock.advance(3 * 3600)
                await it.listen()
                (balance,) = await it.query(
                    "SELECT COALESCE(SUM(books), 0) AS books FROM balances"
                    " WHERE account = 'merchant:bakery'"
                )
                if balance["books"] <= -70_000:
                    break
            await paid(it, 5_000, card="pm_card_visa")
            await it.check()
            (debited,) = await it.query(
                "SELECT net FROM balance_transactions WHERE type = 'payment'"
                " AND available_on > :now",
                now=it.context.now(),
            )
            of_both = await _refused(it, "insufficient_platform_available", amount=30_000)
            assert "will be available on" in of_both, "here Stripe keeps nothing apart"
            apart = {"available": 0, "pending": debited["net"]}  # older bank debits are kept so
            it.simulator.world.home.bank_totals["usd"] = apart
            detail = await _refused(it, "insufficient_platform_available", amount=30_000)
            assert "will be available on" not in detail
            assert "which will not suffice" in detail

    run(story)


def test_what_another_command_has_reserved_is_not_promised_again(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it, 50_000)
            await funded(it, 50_000, "florist")
            it.simulator.acts.pay_out_bank("usd", 40_000)
            it.simulator.faults.add(method="POST", path="/v1/transfers", when="before")
            assert (await payout(it, 30_000))["status"] == "unknown"
            florist = {**USD, "merchant": "florist", "amount": 40_000}
            answer = await ask(it, "/v1/payouts", florist)
            assert is_problem(answer, 409, "insufficient_platform_available"), answer.text

    run(story)


def test_stripes_own_no_ends_the_payout_and_gives_the_money_back(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            account = await funded(it)
            it.simulator.webhooks.drop("*")
            it.simulator.acts.set_capability(account, "transfers", "inactive")
            failed = await payout(it, 12_000)
            assert failed["status"] == "failed"
            assert failed["failure"]["code"]
            assert failed["failure"]["message"]
            assert (await owed(it))["balance"] == 50_000
            assert (await owed(it))["reserved"] == 0
            await it.settle()  # what Stripe refused is looked into
            again = await ask(it, "/v1/payouts", USD)
            assert is_problem(again, 409, "account_not_ready"), again.text
            await sound(it)

    run(story)


def test_too_fast_is_no_answer_to_what_was_asked_and_is_sent_again_later(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.faults.add(method="POST", path="/v1/transfers", effect="429")
            waiting = await payout(it, 12_000)
            assert waiting["status"] == "pending"
            assert (await owed(it))["reserved"] == 12_000
            it.simulator.clock.advance(60)
            assert it.context.stripe is not None
            assert await resolve_outcomes(it.context, it.context.stripe) == 1
            assert (await it.get(f"/v1/payouts/{waiting['id']}")).json()["status"] == "completed"
            assert len(transfers(it)) == 1

    run(story)


def test_what_was_not_sent_yet_can_be_called_off_and_nothing_else(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.faults.add(method="POST", path="/v1/transfers", effect="429")
            waiting = await payout(it, 12_000)
            path = f"/v1/payouts/{waiting['id']}/cancel"
            gone = await ask(it, path)
            assert (gone.status_code, gone.json()["status"]) == (200, "cancelled")
            assert (await owed(it))["balance"] == 50_000
            assert is_problem(await ask(it, path), 409, "already_over")
            it.simulator.clock.advance(3600)
            assert it.context.stripe is not None
            assert await resolve_outcomes(it.context, it.context.stripe) == 0
            assert transfers(it) == []
            done = await payout(it, 12_000)
            late = await ask(it, f"/v1/payouts/{done['id']}/cancel")
            assert is_problem(late, 409, "already_sent")
            assert "reverse it" in late.json()["detail"]
            assert is_problem(await ask(it, "/v1/payouts/pyt_no/cancel"), 404, "unknown_payout")
            await sound(it)

    run(story)


def test_a_completed_payout_is_taken_back_in_parts_and_never_more_than_it_was(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await funded(it)
            done = await payout(it, 12_000)
            path = f"/v1/payouts/{done['id']}/reverse"
            part = (await ask(it, path, {"amount": 2_000})).json()
            assert (part["status"], part["amount_reversed"]) == ("partially_reversed", 2_000)
            assert part["reversals"][0]["status"] == "completed"
            assert (await owed(it))["balance"] == 40_000
            too_much = await ask(it, path, {"amount": 10_001})
            assert is_problem(too_much, 409, "reversal_too_large")
            assert "100.00 usd" in too_much.json()["detail"]
            whole = (await ask(it, path)).json()
            assert (whole["status"], whole["amount_reversed"]) == ("reversed", 12_000)
            assert is_problem(await ask(it, path), 409, "already_reversed")
            assert (await owed(it))["balance"] == 50_000
            await it.listen()
            assert (await it.check())["status"] == "clean"
            await sound(it)

    run(story)


def test_only_a_completed_payout_can_be_taken_back(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            it.simulator.faults.add(method="POST", path="/v1/transfers")
            unknown = await payout(it, 12_000)
            answer = await ask(it, f"/v1/payouts/{unknown['id']}/reverse")
            assert is_problem(answer, 409, "not_completed")
            nothing = await ask(it, "/v1/payouts/pyt_no/reverse", {"amount": 1})
            assert is_problem(nothing, 404, "unknown_payout")
            for amount in (0, -1, 1.5, None, "2"):
                wrong = await ask(it, f"/v1/payouts/{unknown['id']}/reverse", {"amount": amount})
                assert is_problem(wrong, 400, "invalid_body"), amount

    run(story)


def test_a_reversal_that_stripe_refuses_changes_nothing(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            account = await funded(it)
            done = await payout(it, 12_000)
            it.simulator.acts.pay_out_bank("usd", 12_000, account=account)
            answer = (await ask(it, f"/v1/payouts/{done['id']}/reverse")).json()
            assert answer["status"] == "completed"
            [leg] = answer["reversals"]
            assert leg["status"] == "failed"
            assert leg["failure"]["code"]
            assert (await owed(it))["balance"] == 38_000

    run(story)


def test_a_reversal_without_an_answer_is_settled_without_a_second_one(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            done = await payout(it, 12_000)
            path = "/v1/transfers/*/reversals"
            it.simulator.faults.add(method="POST", path=path, when="after")
            answer = (await ask(it, f"/v1/payouts/{done['id']}/reverse", {"amount": 5_000})).json()
            assert answer["reversals"][0]["status"] == "unknown"
            more = await ask(it, f"/v1/payouts/{done['id']}/reverse", {"amount": 7_001})
            assert is_problem(more, 409, "reversal_too_large")
            it.simulator.clock.advance(30)
            assert it.context.stripe is not None
            await resolve_outcomes(it.context, it.context.stripe)
            shown = (await it.get(f"/v1/payouts/{done['id']}")).json()
            assert (shown["status"], shown["amount_reversed"]) == ("partially_reversed", 5_000)
            assert len(it.simulator.world.home.shelf("transfer_reversal")) == 1
            await sound(it)

    run(story)


def test_one_request_is_one_payout_however_often_it_is_sent(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            await funded(it)
            first = await ask(it, "/v1/payouts", USD, once="mine")
            again = await ask(it, "/v1/payouts", USD, once="mine")
            assert first.json() == again.json()
            assert len(transfers(it)) == 1
            other = await ask(it, "/v1/payouts", {**USD, "amount": 1}, once="mine")
            assert other.status_code == 409
            headers = {
                "Authorization": f"Bearer {(await create_key(it.context, 'o', Role.OPERATOR))[1]}"
            }
            without = await it.http.post("/v1/payouts", headers=headers, json=USD)
            assert without.status_code == 400
            assert len(transfers(it)) == 1

    run(story)


def test_without_a_stripe_key_nothing_is_begun(tmp_path: Path) -> None:
    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'keyless.db'}"
        async with service(url, STRIPE_SECRET_KEY="") as it:
            assert is_problem(await ask(it, "/v1/payouts", USD), 503, "no_stripe_key")

    run(story)


def test_a_merchant_is_made_once_and_shows_what_moved_its_balance(url: str) -> None:
    async def story() -> None:
        async with service(url) as it:
            body = {"id": "bakery", "name": "Bakery", "country": "US"}
            made = await ask(it, "/v1/merchants", body)
            assert made.status_code == 201
            assert (await ask(it, "/v1/merchants", body)).json() == made.json()
            other = await ask(it, "/v1/merchants", {**body, "name": "Other"})
            assert is_problem(other, 409, "merchant_exists")
            for wrong in ({"id": "a b"}, {"name": ""}, {"country": "usa"}, {"id": ""}):
                answer = await ask(it, "/v1/merchants", {**body, **wrong})
                assert is_problem(answer, 400, "invalid_body"), wrong
            await funded(it)
            await payout(it, 12_000)
            shown = (await it.get("/v1/merchants/bakery")).json()
            assert (shown["name"], shown["country"], shown["transfers"]) == (
                "Bakery",
                "US",
                "active",
            )
            assert shown["balances"][0]["balance"] == 38_000
            assert [m["id"] for m in (await it.get("/v1/merchants")).json()["data"]] == ["bakery"]
            first = (await it.get("/v1/merchants/bakery/entries", limit=1)).json()
            after = first["data"][0]["id"]
            rest = (await it.get("/v1/merchants/bakery/entries", starting_after=after)).json()
            rows = first["data"] + rest["data"]
            assert [(r["kind"], r["amount"]) for r in rows] == [
                ("payout", -12_000),
                ("payment", 50_000),
            ]
            assert is_problem(await it.get("/v1/merchants/nobody"), 404, "not_found")
            assert is_problem(await it.get("/v1/merchants/nobody/entries"), 404, "not_found")
            wrong = await it.get("/v1/merchants/bakery/entries", starting_after="x")
            assert is_problem(wrong, 400, "bad_cursor")

    run(story)
