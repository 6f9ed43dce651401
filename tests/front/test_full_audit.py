"""The full audit: it agrees with the clearing accounts, whatever happened, or says where not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from reconciler.reconciling.self_check import self_check
from tests.front.repairing import outside_transfer, repaired, the
from tests.front.test_check import _random_acts
from tests.harness import ADMIN_KEY, Service, ask_stripe, run, service

DAY = 86400


async def _paid(it: Service, amount: int = 10_000, **more: Any) -> dict[str, Any]:
    intent = it.simulator.acts.pay(amount, "usd", metadata={"merchant_id": "bakery"}, **more)
    return dict(intent)


def _audit(checked: dict[str, Any]) -> dict[str, Any]:
    [audit] = checked["coverage"]["audits"]
    return dict(audit)


@pytest.mark.parametrize("seed", range(4))
def test_the_audit_of_a_random_month_agrees_with_the_open_clearing_accounts(
    database_url: str, seed: int
) -> None:
    """Lost and reordered webhooks, refunds, disputes, transfers, bank payouts, three currencies."""

    async def story() -> None:
        async with service(database_url) as it:
            chance = random.Random(seed)
            account = await it.merchant("bakery")
            it.simulator.webhooks.drop(lambda _: chance.random() < 0.3)
            it.simulator.webhooks.reorder(seed)
            await _random_acts(it, chance, account)
            it.simulator.clock.advance(2 * DAY)
            await it.listen()
            checked = await it.check(full=True)
            audit = _audit(checked)
            assert audit["agrees"], checked["found"]
            open = await it.query(
                "SELECT currency, books + facts AS open FROM balances"
                " WHERE kind = 'clearing' AND books + facts <> 0"
            )
            assert audit["differences"] == len(open) > 0
            sums: dict[str, int] = {}
            for row in open:
                sums[row["currency"]] = sums.get(row["currency"], 0) - row["open"]
            assert audit["drift"] == {c: a for c, a in sorted(sums.items()) if a}
            await it.sweep()
            assert _audit(await it.check(full=True))["agrees"]

    run(story)


def test_what_is_told_beside_an_objects_own_record_is_audited_too(database_url: str) -> None:
    """A PaymentIntent whose charge never came; a part captured in another currency; a refund that
    failed; a payout of ours, executed and in part reversed."""

    async def story() -> None:
        async with service(database_url) as it:
            account = await it.merchant("bakery")
            it.simulator.webhooks.drop("charge.*")
            await _paid(it, 40_000, card="pm_card_bypassPending")
            manual = it.simulator.acts.pay(10_000, "gbp", capture_method="manual")
            path = f"/v1/payment_intents/{manual['id']}/capture"
            await ask_stripe(it, path, amount_to_capture="4000")
            failing = await _paid(it, 9_000, card="pm_card_bypassPending")
            refund = it.simulator.acts.refund(payment_intent=failing["id"], amount=4_000)
            await it.listen()
            it.simulator.acts.fail_refund(refund["id"])
            headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Idempotency-Key": "one"}
            body = {"merchant": "bakery", "amount": 5_000, "currency": "usd"}
            made = (await it.http.post("/v1/payouts", json=body, headers=headers)).json()
            assert made["status"] == "completed"
            transfer = made["stripe_transfer_id"]
            await ask_stripe(it, f"/v1/transfers/{transfer}/reversals", amount="1200")
            await it.listen()
            assert account
            checked = await it.check(full=True)
            assert _audit(checked)["agrees"], checked["found"]
            unheard = await it.query("SELECT id FROM objects WHERE kind = 'charge'")
            assert unheard == []

    run(story)


def test_what_a_person_repaired_is_audited_as_it_stands(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await outside_transfer(it, 7_500)
            it.simulator.acts.unknown_movement(500, "usd")
            await it.check()
            transfer, moved = [
                await the(it, kind=kind) for kind in ("missing_in_books", "unknown_movement")
            ]
            adjusted = {"account": "merchant:bakery", "reason": "merchant_correction"}
            await repaired(it, transfer["id"], "adjust", amount=2_500, **adjusted)
            await repaired(it, moved["id"], "adjust", account="fees", reason="stripe_fee")
            checked = await it.check(full=True)
            assert (_audit(checked)["agrees"], _audit(checked)["drift"]) == (True, {"usd": -5_000})

    run(story)


def test_a_transfer_that_was_adopted_is_audited_as_the_payout_it_became(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            made = await outside_transfer(it, 7_500)
            await repaired(it, (await the(it))["id"], "adopt", merchant="bakery")
            await ask_stripe(it, f"/v1/transfers/{made['id']}/reversals", amount="1200")
            await it.listen()
            checked = await it.check(full=True)
            assert _audit(checked)["agrees"], checked["found"]
            assert checked["status"] == "clean"

    run(story)


CORRUPTIONS = {
    "a balance": "UPDATE balances SET books = books + 7 WHERE kind = 'clearing'",
    "a closed one": "UPDATE balances SET facts = 0, books = 0 WHERE kind = 'clearing'"
    " AND books + facts <> 0",
    "stripe_balance": "UPDATE balances SET facts = facts + 3 WHERE account = 'stripe_balance'",
    "fees": "UPDATE balances SET facts = facts - 3 WHERE account = 'fees'",
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_ledger_that_was_changed_behind_our_back_is_a_finding_until_it_is_right_again(
    database_url: str, name: str
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            it.simulator.webhooks.drop("charge.*")
            await _paid(it)
            it.simulator.acts.refund(payment_intent=(await _paid(it, 2_000))["id"])
            it.simulator.webhooks.drop("*")
            await it.listen()
            await _paid(it, 3_000)
            it.simulator.clock.advance(DAY)
            assert _audit(await it.check(full=True))["agrees"]
            before = await it.query("SELECT * FROM balances")
            async with it.context.write() as session:
                await session.run(CORRUPTIONS[name])
            checked = await it.check(full=True)
            assert checked["status"] == "drift"
            assert not _audit(checked)["agrees"]
            found = [f for f in checked["found"] if f["reference"].startswith("full_audit:")]
            assert found
            assert {(f["kind"], f["cause"]) for f in found} == {("invariant_broken", "overwritten")}
            assert all(f["difference"] == 0 and f["at_risk"] > 0 for f in found)
            for row in before:
                async with it.context.write() as session:
                    await session.run(
                        "UPDATE balances SET books = :books, facts = :facts"
                        " WHERE account = :account AND currency = :currency",
                        **{n: row[n] for n in ("books", "facts", "account", "currency")},
                    )
            assert await self_check(it.context) == []
            kept = await it.check()  # not a full one: it cannot know
            assert {f["id"] for f in found} <= {f["id"] for f in kept["found"]}
            cleared = await it.check(full=True)
            assert _audit(cleared)["agrees"]
            assert not [f for f in cleared["found"] if f["kind"] == "invariant_broken"]

    run(story)


def test_a_record_that_was_lost_is_told_by_the_audit_though_the_clearing_is_closed(
    database_url: str,
) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            await _paid(it)
            await it.listen()
            assert (await it.check(full=True))["status"] == "clean"
            async with it.context.write() as session:
                await session.run("DELETE FROM objects WHERE kind IN ('charge', 'payment_intent')")
            checked = await it.check(full=True)
            [found] = [f for f in checked["found"] if f["reference"].startswith("full_audit:ch_")]
            assert (found["cause"], found["at_risk"]) == ("overwritten", 10_000)
            apart = found["evidence"][1]
            assert (apart["audit_stripe"], apart["audit_books"]) == (10_000, 0)
            assert (apart["clearing_stripe"], apart["clearing_books"]) == (0, 0)

    run(story)


def test_a_movement_that_somebody_deleted_is_no_defect_of_ours(database_url: str) -> None:
    async def story() -> None:
        async with service(database_url) as it:
            intent = await _paid(it)
            await it.listen()
            assert (await it.check(full=True))["status"] == "clean"
            it.simulator.clock.advance(90 * DAY)  # nobody lists it again
            await it.check()
            async with it.context.write() as session:
                await session.run("DELETE FROM balance_transactions WHERE type = 'charge'")
            checked = await it.check(full=True)
            found = {f["reference"]: f["cause"] for f in checked["found"]}
            assert f"full_audit:{intent['latest_charge']}" in found
            assert set(found.values()) == {"overwritten"}

    run(story)


def test_a_full_audit_is_asked_for_over_http_and_by_the_job(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await _paid(it)
            await it.listen()
            headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
            body = {"full": True}
            answer = await it.http.post("/v1/drift/runs", json=body, headers=headers)
            [audit] = answer.json()["coverage"]["audits"]
            assert (audit["objects"], audit["movements"], audit["agrees"]) == (1, 1, True)
            words = " ".join(answer.json()["coverage"]["words"])
            assert "1 record and 1 movement recomputed, 0 differences" in words
            plain = await it.http.post("/v1/drift/runs", headers=headers)
            assert plain.json()["coverage"]["audits"] == []

    run(story)
