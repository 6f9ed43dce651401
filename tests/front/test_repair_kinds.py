"""Each kind of repair where it fits: Stripe is read again, money goes back, two people post."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.gateway.snapshots import PAYOUT_METADATA
from reconciler.intake import apply as applying
from reconciler.oversight.keys import Role
from tests.front.asking import ask, funded, owed, paid, payout, refunds, sound, transfers
from tests.front.charging import customer, debited, invoice
from tests.front.reading import bearer
from tests.front.repairing import (
    DAY,
    FINDINGS,
    apply,
    found,
    key,
    outside_transfer,
    preview,
    previewed,
    refused,
    repaired,
    say,
    the,
    unknown_movement,
    whole,
)
from tests.harness import ADMIN_KEY, Service, run, service


async def _unheard_of(it: Service) -> dict[str, Any]:
    """A payment that no webhook told of, found by a check; its finding."""
    await it.merchant("bakery")
    it.simulator.webhooks.drop("*")
    it.simulator.acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
    await it.listen()
    it.simulator.clock.advance(1_000)
    await it.check()
    return await the(it)


def test_an_object_nobody_told_of_is_read_from_stripe(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            finding = await _unheard_of(it)
            shown = await previewed(it, finding["id"], "resync")
            assert shown["clears"]
            assert [e["kind"] for e in shown["entries"]][:1] == ["payment"]
            done = (await apply(it, finding["id"], shown)).json()
            assert done["cleared"]
            back = await say(it, finding["id"], "undo", {"repair": done["id"]})
            assert refused(back, 409, "undo_refused")
            await sound(it)

    run(story)


def test_events_that_never_came_are_fetched_from_stripes_list(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            finding = await _unheard_of(it)
            done = await repaired(it, finding["id"], "fetch_events")
            assert done["cleared"]
            rows = await it.query("SELECT channel, status FROM inbox")
            assert {row["channel"] for row in rows} == {"recovered"}
            assert (await owed(it))["balance"] == 10_000

    run(story)


def test_an_event_that_failed_is_tried_again_or_left_as_it_was(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            prepare = applying.prepare

            def defective(*_: Any) -> Any:
                raise ValueError("a defect")

            monkeypatch.setattr(applying, "prepare", defective)
            monkeypatch.setattr(applying, "ATTEMPTS", 1)
            await it.merchant("bakery")
            it.simulator.acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
            await it.simulator.webhooks.deliver(it.send)
            await applying.apply_all(it.context)
            await it.check()
            failed = await found(it, kind="delivery_gap")
            monkeypatch.setattr("reconciler.reconciling.repairing.reading.prepare", defective)
            still = await preview(it, failed[0]["id"], "replay")
            assert refused(still, 409, "still_fails")
            monkeypatch.setattr("reconciler.reconciling.repairing.reading.prepare", prepare)
            monkeypatch.setattr(applying, "prepare", prepare)
            for one in failed:
                assert (await repaired(it, one["id"], "replay"))["made"].startswith("evt_")
            assert {r["status"] for r in await it.query("SELECT status FROM inbox")} <= {
                "applied", "irrelevant",
            }  # fmt: skip

    run(story)


def test_what_a_transfer_sent_beyond_its_payout_is_taken_back_from_nobodys_balance(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            account = await funded(it)
            it.simulator.faults.add(path="/v1/transfers", method="POST", when="before", times=1)
            made = await payout(it, 5_000)
            named = {PAYOUT_METADATA: made["id"]}
            it.simulator.acts.transfer(account, 5_400, "usd", metadata=named)
            await it.listen()
            it.simulator.clock.advance(DAY)
            await it.check()
            finding = await the(it)
            assert (finding["cause"], finding["difference"]) == ("differs_from_decision", -400)
            shown = await previewed(it, finding["id"], "reverse")
            assert shown["clears"], shown
            done = (await apply(it, finding["id"], shown)).json()
            assert done["cleared"], done
            await it.listen()
            assert transfers(it)[0]["amount_reversed"] == 400
            assert (await owed(it))["balance"] == 45_000
            assert (await it.check())["drift"]["drift"] == {}
            again = (await it.get(f"/v1/payouts/{made['id']}")).json()
            assert again["status"] == "completed"
            await sound(it)

    run(story)


def test_a_transfer_to_an_account_of_no_merchant_needs_one_to_be_chosen(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await funded(it)
            stray = it.simulator.acts.connect_account(country="US")
            it.simulator.acts.transfer(stray, 900, "usd")
            await it.listen()
            await it.check()
            finding = await the(it)
            asked = await preview(it, finding["id"], "adopt")
            assert refused(asked, 409, "merchant_needed")
            nobody = await preview(it, finding["id"], "adopt", merchant="nobody")
            assert refused(nobody, 404, "unknown_merchant")
            done = await repaired(it, finding["id"], "adopt", merchant="bakery")
            assert done["cleared"]
            assert (await owed(it))["paid_out"] == 900

    run(story)


def test_the_second_charge_of_an_invoice_is_refunded_once(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            stripe_customer = await customer(it)
            await invoice(it)
            await debited(it)
            await it.listen()
            it.simulator.clock.advance(60)
            second = it.simulator.acts.pay(
                5_000,
                "usd",
                customer=stripe_customer,
                metadata={"reconciler_invoice": "i1"},
                card="pm_card_bypassPending",
            )
            await it.listen()
            await it.check()
            finding = await the(it, cause="second_charge")
            assert finding["repairs"][0]["repair"] == "refund"
            done = await repaired(it, finding["id"], "refund")
            assert done["cleared"], done
            await it.listen()
            assert [r["amount"] for r in refunds(it)] == [5_000]
            assert refunds(it)[0]["payment_intent"] == second["id"]
            assert (await it.check())["status"] == "clean"
            back = await say(it, finding["id"], "undo", {"repair": done["id"]})
            assert refused(back, 409, "undo_refused")
            await sound(it)

    run(story)


def test_what_is_not_there_cannot_be_fetched_nor_adopted_by_another(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await outside_transfer(it)
            await it.merchant("florist")
            transfer = (await the(it))["id"]
            wrong = await preview(it, transfer, "adopt", merchant="florist")
            assert refused(wrong, 409, "not_that_merchant")
            it.simulator.webhooks.drop("*")
            intent = it.simulator.acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
            await it.listen()
            it.simulator.clock.advance(1_000)
            await it.check()
            charge = it.simulator.world.find(intent["id"])[1]["latest_charge"]  # type: ignore[index]
            unheard = await the(it, reference=charge)
            it.simulator.world.home.shelf("event").clear()
            none = await preview(it, unheard["id"], "fetch_events")
            assert refused(none, 409, "nothing_missing")
            async with it.context.write() as session:
                sql = "UPDATE findings SET reference = 'ch_gone' WHERE id = :id"
                await session.run(sql, id=unheard["id"])
            gone = await preview(it, unheard["id"], "resync")
            assert refused(gone, 409, "not_at_stripe")

    run(story)


def test_an_adopted_payout_that_was_taken_back_since_stays_one(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await outside_transfer(it)
            finding = await the(it)
            done = await repaired(it, finding["id"], "adopt")
            back = await ask(it, f"/v1/payouts/{done['made']}/reverse", {"amount": 500})
            assert back.status_code == 200, back.text
            kept = await say(it, finding["id"], "undo", {"repair": done["id"]})
            assert refused(kept, 409, "undo_refused")
            assert (await whole(it, finding["id"]))["repairs_made"][0]["status"] == "applied"

    run(story)


async def _limit(it: Service, above: int) -> None:
    body = {"version": 0, "approval_above": above}
    answer = await it.http.put("/v1/policies/usd", headers=bearer(ADMIN_KEY), json=body)
    assert answer.status_code == 200, answer.text


def test_a_large_adjustment_waits_for_another_person(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await outside_transfer(it)
            await _limit(it, 5_000)
            first, second = await key(it, "first"), await key(it, "second")
            finding = await the(it)
            chosen = {"account": "platform", "reason": "write_off"}
            shown = await previewed(it, finding["id"], "adjust", **chosen)
            assert (shown["waits"], shown["entries"]) == (
                ["above_threshold: more than 50.00 usd"], [],
            )  # fmt: skip
            done = (await apply(it, finding["id"], shown, key=first)).json()
            assert (done["made_status"], done["cleared"]) == ("awaiting_approval", False)
            seen = (await it.get(f"/v1/approvals/{done['made']}")).json()
            assert (seen["kind"], seen["amount"], seen["destination"]) == (
                "adjustment", 7_500, "platform",
            )  # fmt: skip
            assert "write_off" in seen["terms"][1]
            twice = await preview(it, finding["id"], "adjust", **chosen)
            assert refused(twice, 409, "adjustment_waiting")
            path = f"/v1/adjustments/{done['made']}/approve"
            own = await ask(it, path, {"digest": seen["digest"]}, key=first)
            assert refused(own, 409, "own_request")
            assert (await it.check())["drift"]["drift"] == {"usd": -7_500}
            said = await ask(it, path, {"digest": seen["digest"]}, key=second)
            assert said.status_code == 200, said.text
            assert said.json()["status"] == "posted"
            assert await found(it) == []
            assert (await it.check())["drift"]["drift"] == {}
            await sound(it)

    run(story)


def test_an_adjustment_that_fits_no_more_is_not_approved_and_can_be_withdrawn(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            transfer = await outside_transfer(it)
            await _limit(it, 0)
            first, second = await key(it, "first"), await key(it, "second")
            finding = await the(it)
            chosen = {"account": "platform", "reason": "write_off"}
            shown = await previewed(it, finding["id"], "adjust", **chosen)
            done = (await apply(it, finding["id"], shown, key=first)).json()
            it.simulator.acts.reverse_transfer(transfer["id"], 500)
            await it.listen()
            await it.check()
            seen = (await it.get(f"/v1/approvals/{done['made']}")).json()
            path = f"/v1/adjustments/{done['made']}/approve"
            late = await ask(it, path, {"digest": seen["digest"]}, key=second)
            assert refused(late, 409, "finding_changed")
            back = await say(it, finding["id"], "undo", {"repair": done["id"]}, key=first)
            assert back.status_code == 200, back.text
            assert (await it.get(f"/v1/approvals/{done['made']}")).json()["status"] == "withdrawn"
            none = await ask(it, "/v1/adjustments/adj_none/approve", {"digest": seen["digest"]})
            assert refused(none, 404, "unknown_adjustment")
            await sound(it)

    run(story)


def test_an_adjustment_that_the_books_do_not_hold_is_found_by_the_self_check(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            from reconciler.reconciling.self_check import self_check

            finding = await unknown_movement(it)
            await repaired(it, finding["id"], "adjust", account="fees", reason="stripe_fee")
            assert await self_check(it.context) == []
            async with it.context.write() as session:
                await session.run("UPDATE adjustments SET status = 'cancelled'")
            broken = await self_check(it.context)
            assert [b.explanation.endswith("the adjustments say.") for b in broken] == [True]

    run(story)


@pytest.mark.parametrize(
    ("chosen", "status", "code"),
    [
        ({"repair": "burn"}, 400, "unknown_repair"),
        ({"repair": "refund"}, 409, "repair_does_not_fit"),
        (
            {"repair": "adjust", "account": "suspense", "reason": "write_off"},
            400,
            "unknown_account",
        ),
        ({"repair": "adjust", "account": "platform", "reason": "because"}, 400, "unknown_reason"),
        (
            {"repair": "adjust", "account": "merchant:nobody", "reason": "write_off"},
            404,
            "unknown_merchant",
        ),
        ({"repair": "reverse", "amount": 7_501}, 409, "reversal_too_large"),
        ({"repair": "reverse", "amount": 0}, 400, "invalid_body"),
        ({"repair": "ignore", "note": "known"}, 409, "bad_expiry"),
        ({"repair": "ignore", "days": 5}, 409, "reason_needed"),
        ({"repair": "ignore", "note": "known", "days": 5, "cap": 10}, 409, "cap_too_low"),
        ({"repair": "adopt", "colour": "red"}, 400, "invalid_body"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(
    sqlite_url: str, chosen: dict[str, Any], status: int, code: str
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await outside_transfer(it)
            id = (await the(it))["id"]
            answer = await ask(it, f"{FINDINGS}/{id}/repair/preview", chosen)
            assert refused(answer, status, code), answer.text
            assert await it.query("SELECT id FROM repairs") == []

    run(story)


def test_stripe_failing_in_the_middle_leaves_nothing_half_done(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await outside_transfer(it)
            finding = await the(it)
            shown = await previewed(it, finding["id"], "reverse")
            it.simulator.faults.add("GET", "/v1/transfers/*", "before", "reset", times=None)
            down = await apply(it, finding["id"], shown)
            assert refused(down, 503, "stripe_unavailable")
            assert await it.query("SELECT id FROM repairs") == []
            it.simulator.faults.clear()
            it.simulator.faults.add("POST", "/v1/transfers/*/reversals", "after", "reset", times=1)
            unsure = await apply(it, finding["id"], shown)
            assert unsure.status_code == 201, unsure.text
            body = unsure.json()
            # No answer came; reading the transfer again proved it.
            assert (body["made_status"], body["cleared"]) == ("completed", True)
            await it.listen()
            assert (await it.check())["drift"]["drift"] == {}
            assert len(it.simulator.world.home.shelf("transfer_reversal")) == 1

    run(story)


def test_roles_say_who_may_decide_about_money(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await outside_transfer(it)
            finding = await the(it)
            operator = await key(it, "operator", Role.OPERATOR)
            shown = await previewed(it, finding["id"], "adopt")
            assert refused(await apply(it, finding["id"], shown, key=operator), 403, "forbidden")
            read = await previewed(it, finding["id"], "resync")
            assert (await apply(it, finding["id"], read, key=operator)).status_code == 201
            missing = await preview(it, "fnd_none", "resync")
            assert refused(missing, 404, "unknown_finding")
            await paid(it, 100)
            assert refunds(it) == []

    run(story)
