"""Every route with an effect leaves its row in the audit log: who, by which key, from where, why.

A new route that changes something needs a story here: what has to be there before it, and what it
is asked with. It must succeed.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from handlers.table import TABLE, Entry
from reconciler.oversight.keys import Role, create_key
from tests.front import charging, onboarding, repairing
from tests.front.asking import ask, funded, paid, payout
from tests.front.reading import bearer
from tests.front.test_access import called
from tests.front.test_audit_doors import two_dead
from tests.harness import ADMIN_KEY, Service, run, service

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Told:
    """A request that will be done: to what, with which body, and the actions that its rows name;
    an empty one if it only looks."""

    id: str
    action: str
    body: dict[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Story = Callable[[Service], Awaitable[Told]]


async def _held(it: Service, status: str = "pending") -> str:
    """A payout that Stripe was too busy for, or one that waits for a second person."""
    await funded(it)
    if status == "awaiting_approval":
        limits = {"version": 0, "approval_above": 0}
        await it.http.put("/v1/policies/usd", headers=bearer(ADMIN_KEY), json=limits)
    else:
        it.simulator.faults.add(method="POST", path="/v1/transfers", effect="429")
    made = await payout(it, 1_000)
    assert made["status"] == status
    return str(made["id"])


async def _refund(it: Service, *, waits: bool) -> dict[str, Any]:
    """A refund that waits for a second person, or for Stripe to be less busy."""
    await it.merchant("bakery")
    await paid(it, 50_000, "florist")
    intent = await paid(it, 10_000)
    if waits:
        limits = {"version": 0, "approval_above": 0}
        await it.http.put("/v1/policies/usd", headers=bearer(ADMIN_KEY), json=limits)
    else:
        it.simulator.faults.add(method="POST", path="/v1/refunds", effect="429")
    made = await ask(it, "/v1/refunds", {"payment": intent["id"]})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def pay(it: Service) -> Told:
    await funded(it)
    asked = {"merchant": "bakery", "amount": 1_000, "currency": "usd"}
    return Told("", "payout.requested", asked)


async def cancel_payout(it: Service) -> Told:
    return Told(await _held(it), "payout.cancelled")


async def reverse(it: Service) -> Told:
    await funded(it)
    return Told((await payout(it, 1_000))["id"], "payout.reversed")


async def approve_payout(it: Service) -> Told:
    id = await _held(it, "awaiting_approval")
    digest = (await it.get(f"/v1/approvals/{id}")).json()["digest"]
    return Told(id, "payout.approved", {"digest": digest})


async def decline_payout(it: Service) -> Told:
    return Told(await _held(it, "awaiting_approval"), "payout.rejected")


async def refund(it: Service) -> Told:
    await it.merchant("bakery")
    intent = await paid(it, 10_000)
    return Told("", "refund.requested", {"payment": intent["id"], "amount": 100})


async def cancel_refund(it: Service) -> Told:
    return Told((await _refund(it, waits=False))["id"], "refund.cancelled")


async def approve_refund(it: Service) -> Told:
    made = await _refund(it, waits=True)
    return Told(made["id"], "refund.approved", {"digest": made["approval"]["digest"]})


async def decline_refund(it: Service) -> Told:
    return Told((await _refund(it, waits=True))["id"], "refund.rejected")


async def add_merchant(_: Service) -> Told:
    return Told("", "merchant.created", {"id": "bakery", "name": "Bakery"})


async def connect(it: Service) -> Told:
    await onboarding.known(it)
    return Told("bakery", "onboarding.started", {"country": "US"}, also=("onboarding.linked",))


async def mirror(it: Service) -> Told:
    await it.merchant("bakery")
    return Told("bakery", "merchant.mirrored", {"mirror": True})


async def disconnect(it: Service) -> Told:
    await onboarding.onboarded(it)
    return Told("bakery", "onboarding.disconnected")


async def add_customer(_: Service) -> Told:
    return Told("", "customer.created", {"id": "c1", "name": "C1"})


async def set_up_card(it: Service) -> Told:
    await charging.customer(it, card="")
    return Told("c1", "card.setup_started", {"currency": "usd"})


async def add_invoice(it: Service) -> Told:
    await charging.customer(it)
    body = {"id": "i1", "customer": "c1", "amount": 500, "currency": "usd", "due_on": "2026-12-01"}
    return Told("", "invoice.created", body)


async def import_invoices(it: Service) -> Told:
    await charging.customer(it)
    content = b"id,customer,amount,currency,due_on\ni1,c1,500,usd,2026-12-01\n"
    headers = {"Content-Type": "text/csv"}
    return Told("", "invoice.imported", content=content, headers=headers)


def about_an_invoice(action: str) -> Story:
    async def story(it: Service) -> Told:
        await charging.customer(it)
        await charging.invoice(it)
        return Told("i1", action)

    return story


async def run_debits(it: Service) -> Told:
    await charging.customer(it)
    await charging.invoice(it)
    return Told("", "debit_run.started")


async def check(_: Service) -> Told:
    return Told("", "run.started")


async def set_policy(_: Service) -> Told:
    return Told("usd", "policy.changed", {"version": 0, "minimum": 1})


async def replay(it: Service) -> Told:
    return Told((await two_dead(it))[0], "event.replayed")


async def resync(it: Service) -> Told:
    intent = await paid(it, 1_000)
    return Told("", "resync.started", {"ids": [intent["id"]]})


async def cancel_resync(it: Service) -> Told:
    told = await resync(it)
    begun = await it.http.post("/v1/resyncs", headers=bearer(ADMIN_KEY), json=told.body)
    return Told(begun.json()["id"], "resync.cancelled")


def about_a_finding(action: str, **body: Any) -> Story:
    """What is said of a finding, with the digest that it shows where one is asked for."""

    async def story(it: Service) -> Told:
        await repairing.outside_transfer(it)
        finding = await repairing.whole(it, (await repairing.the(it))["id"])
        if action == "finding.lifted":
            aside = {"reason": "known", "digest": finding["digest"], "days": 3}
            done = await repairing.say(it, finding["id"], "suppress", aside)
            assert done.is_success, done.text
        shown = {name: finding[name] for name in ("digest",) if body.get(name) == "shown"}
        return Told(finding["id"], action, {**body, **shown})

    return story


async def preview_repair(it: Service) -> Told:
    await repairing.outside_transfer(it)
    return Told((await repairing.the(it))["id"], "", {"repair": "adopt"})


async def repair(it: Service) -> Told:
    await repairing.outside_transfer(it)
    id = (await repairing.the(it))["id"]
    shown = await repairing.previewed(it, id, "adopt")
    return Told(id, "finding.repaired", {"repair": "adopt", "digest": shown["digest"]})


async def undo_repair(it: Service) -> Told:
    await repairing.outside_transfer(it)
    id = (await repairing.the(it))["id"]
    done = await repairing.repaired(it, id, "adopt")
    return Told(id, "repair.undone", {"repair": done["id"]})


def about_an_adjustment(action: str) -> Story:
    async def story(it: Service) -> Told:
        limits = {"version": 0, "approval_above": 0}
        await it.http.put("/v1/policies/usd", headers=bearer(ADMIN_KEY), json=limits)
        finding = await repairing.unknown_movement(it)
        chosen = {"account": "fees", "reason": "stripe_fee"}
        done = await repairing.repaired(it, finding["id"], "adjust", **chosen)
        (waits,) = (await it.get("/v1/approvals", status="waiting")).json()["data"]
        assert waits["instruction"] == done["made"]
        body = {"digest": waits["digest"]} if action == "adjustment.approved" else {}
        return Told(done["made"], action, body)

    return story


async def plan_repairs(it: Service) -> Told:
    finding = await repairing.unknown_movement(it)
    body = {
        "findings": {"ids": [finding["id"]]},
        "repair": "adjust",
        "account": "fees",
        "reason": "stripe_fee",
    }
    return Told("", "repair_job.planned", body)


def about_a_plan(action: str) -> Story:
    async def story(it: Service) -> Told:
        told = await plan_repairs(it)
        plan = await ask(it, "/v1/repair-jobs", told.body)
        assert plan.is_success, plan.text
        body = {"digest": plan.json()["digest"]} if action == "repair_job.confirmed" else {}
        return Told(plan.json()["id"], action, body)

    return story


STORIES: dict[str, Story] = {
    "POST /v1/payouts": pay,
    "POST /v1/payouts/{id}/cancel": cancel_payout,
    "POST /v1/payouts/{id}/reverse": reverse,
    "POST /v1/payouts/{id}/approve": approve_payout,
    "POST /v1/payouts/{id}/decline": decline_payout,
    "POST /v1/refunds": refund,
    "POST /v1/refunds/{id}/cancel": cancel_refund,
    "POST /v1/refunds/{id}/approve": approve_refund,
    "POST /v1/refunds/{id}/decline": decline_refund,
    "POST /v1/merchants": add_merchant,
    "POST /v1/merchants/{id}/connect": connect,
    "DELETE /v1/merchants/{id}/connect": disconnect,
    "PUT /v1/merchants/{id}/mirror": mirror,
    "POST /v1/customers": add_customer,
    "POST /v1/customers/{id}/card-setup": set_up_card,
    "POST /v1/invoices": add_invoice,
    "POST /v1/invoices/import": import_invoices,
    "POST /v1/invoices/{id}/debit": about_an_invoice("invoice.debited"),
    "POST /v1/invoices/{id}/cancel": about_an_invoice("invoice.cancelled"),
    "POST /v1/invoices/{id}/pay-link": about_an_invoice("invoice.pay_link_made"),
    "POST /v1/debit-runs": run_debits,
    "POST /v1/drift/runs": check,
    "POST /v1/resyncs": resync,
    "DELETE /v1/resyncs/{id}": cancel_resync,
    "POST /v1/drift/findings/{id}/assign": about_a_finding("finding.assigned", assignee="me"),
    "POST /v1/drift/findings/{id}/note": about_a_finding("finding.noted", note="known"),
    "POST /v1/drift/findings/{id}/resolve": about_a_finding(
        "finding.resolved", reason="explained", digest="shown"
    ),
    "POST /v1/drift/findings/{id}/suppress": about_a_finding(
        "finding.suppressed", reason="known", digest="shown", days=3
    ),
    "POST /v1/drift/findings/{id}/lift": about_a_finding("finding.lifted"),
    "POST /v1/drift/findings/{id}/repair/preview": preview_repair,
    "POST /v1/drift/findings/{id}/repair": repair,
    "POST /v1/drift/findings/{id}/undo": undo_repair,
    "POST /v1/adjustments/{id}/approve": about_an_adjustment("adjustment.approved"),
    "POST /v1/adjustments/{id}/decline": about_an_adjustment("adjustment.rejected"),
    "POST /v1/repair-jobs": plan_repairs,
    "POST /v1/repair-jobs/{id}/confirm": about_a_plan("repair_job.confirmed"),
    "POST /v1/repair-jobs/{id}/cancel": about_a_plan("repair_job.cancelled"),
    "PUT /v1/policies/{id}": set_policy,
    "POST /v1/events/{id}/replay": replay,
}
"""By route: what makes a request of it that succeeds."""

EFFECTS = [entry for entry in TABLE if entry.method != "GET"]


def test_every_route_with_an_effect_has_a_story() -> None:
    assert {called(entry) for entry in EFFECTS} == set(STORIES)


@pytest.mark.parametrize("entry", EFFECTS, ids=called)
def test_a_route_with_an_effect_leaves_one_row_of_whoever_asked(
    sqlite_url: str, entry: Entry
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            told = await STORIES[called(entry)](it)
            who, key = await create_key(it.context, "whoever", Role.ADMIN)
            last = (await it.get("/v1/audit/head")).json()["seq"]
            sent = {"content": told.content} if told.content else {"json": told.body}
            answer = await it.http.request(
                entry.method,
                entry.path.replace("{id}", told.id),
                headers={
                    **bearer(key),
                    "Idempotency-Key": f"audited-{next(_numbers)}",
                    **told.headers,
                },
                **sent,  # type: ignore[arg-type]
            )
            assert answer.is_success, answer.text
            rows = [
                row
                for row in (await it.get("/v1/audit", limit=100)).json()["data"]
                if row["seq"] > last
            ]
            asked = [row for row in rows if row["key_id"] == who]
            assert sorted(row["action"] for row in asked) == sorted(
                [action for action in (told.action, *told.also) if action]
            )
            for row in asked:
                assert (row["actor"], row["role"]) == ("whoever", "admin")
                assert row["address"] == "127.0.0.1"
                assert row["request_id"] == answer.headers["request-id"]
                assert row["subject"]
                assert row["before"] or row["after"] or row["reason"]
            # What else was written tells what came of it, and is the service's own.
            others = [row for row in rows if row["key_id"] != who]
            assert {row["role"] for row in others} <= {"system"}, others

    run(story)


REASONED = {
    "POST /v1/payouts": "reason",
    "POST /v1/payouts/{id}/cancel": "reason",
    "POST /v1/payouts/{id}/reverse": "reason",
    "POST /v1/payouts/{id}/approve": "reason",
    "POST /v1/payouts/{id}/decline": "reason",
    "POST /v1/refunds": "note",
    "POST /v1/refunds/{id}/cancel": "reason",
    "POST /v1/refunds/{id}/approve": "reason",
    "POST /v1/refunds/{id}/decline": "reason",
    "PUT /v1/policies/{id}": "reason",
    "POST /v1/events/{id}/replay": "reason",
    "DELETE /v1/merchants/{id}/connect": "reason",
    "POST /v1/merchants": "reason",
    "POST /v1/merchants/{id}/connect": "reason",
    "POST /v1/customers": "reason",
    "POST /v1/customers/{id}/card-setup": "reason",
    "POST /v1/invoices": "reason",
    "POST /v1/invoices/{id}/debit": "reason",
    "POST /v1/invoices/{id}/cancel": "reason",
    "POST /v1/invoices/{id}/pay-link": "reason",
    "POST /v1/debit-runs": "reason",
}
"""The routes that take a reason, and under which name."""


@pytest.mark.parametrize("route", REASONED)
def test_the_reason_that_was_given_is_in_the_row(sqlite_url: str, route: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            told = await STORIES[route](it)
            _, key = await create_key(it.context, "whoever", Role.ADMIN)
            method, path = route.split()
            answer = await it.http.request(
                method,
                path.replace("{id}", told.id),
                headers={**bearer(key), "Idempotency-Key": f"reasoned-{next(_numbers)}"},
                content=json.dumps({**told.body, REASONED[route]: "because"}),
            )
            assert answer.is_success, answer.text
            (row,) = (await it.get("/v1/audit", action=told.action)).json()["data"]
            assert row["reason"] == "because"

    run(story)
