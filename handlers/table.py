"""The route table: path, method, role and function of everything this service answers.

`routes` makes Starlette's routes and the authorisation of each from it, so that none can be
forgotten. Must not know how a route is guarded or answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from handlers import (
    api,
    approvals,
    audit,
    bank_payouts,
    connect,
    console,
    console_approvals,
    console_bank_payouts,
    console_delivery,
    console_findings,
    console_invoices,
    console_merchants,
    console_repairs,
    console_resyncs,
    console_runs,
    customers,
    delivery,
    findings,
    invoices,
    merchants,
    payment_systems,
    payouts,
    policies,
    refunds,
    repair_jobs,
    repairs,
    replays,
    resyncs,
    runs,
)
from handlers.metrics import metrics
from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.oversight.keys import Role

Answer = Callable[[Context, Request], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One route: what it answers, the least role that may ask, and the query parameters it knows.
    What moves money is `keyed`: it needs an Idempotency-Key, and has its effect once for each."""

    method: str
    path: str
    role: Role
    answer: Answer
    keyed: bool = False
    query: tuple[str, ...] = ()


METRICS = "/metrics"

PAGED = ("limit", "starting_after")
"""What every listing may be asked with."""

TABLE = (
    Entry("GET", "/v1/payments", Role.VIEWER, api.payments, query=PAGED),
    Entry("GET", "/v1/payments/{id}", Role.VIEWER, api.payment),
    Entry("GET", "/v1/refunds", Role.VIEWER, refunds.listed, query=PAGED),
    Entry("POST", "/v1/refunds", Role.OPERATOR, refunds.asked, keyed=True),
    Entry("GET", "/v1/refunds/{id}", Role.VIEWER, refunds.one),
    Entry("POST", "/v1/refunds/{id}/cancel", Role.OPERATOR, refunds.cancelled, keyed=True),
    Entry("GET", "/v1/payouts", Role.VIEWER, payouts.listed, query=(*PAGED, "merchant", "status")),
    Entry("POST", "/v1/payouts", Role.OPERATOR, payouts.asked, keyed=True),
    Entry("GET", "/v1/payouts/{id}", Role.VIEWER, payouts.one),
    Entry("POST", "/v1/payouts/{id}/cancel", Role.OPERATOR, payouts.cancelled, keyed=True),
    Entry("POST", "/v1/payouts/{id}/reverse", Role.OPERATOR, payouts.reversed_, keyed=True),
    Entry("GET", "/v1/disputes", Role.VIEWER, api.of_kind(Kind.DISPUTE), query=PAGED),
    Entry("GET", "/v1/disputes/{id}", Role.VIEWER, api.one_of_kind(Kind.DISPUTE)),
    Entry("GET", "/v1/bank-payouts", Role.VIEWER, bank_payouts.listed, query=PAGED),
    Entry("GET", "/v1/bank-payouts/{id}", Role.VIEWER, bank_payouts.one),
    Entry("GET", "/v1/bank-payouts/{id}/items", Role.VIEWER, bank_payouts.items, query=PAGED),
    Entry("GET", "/v1/balance-transactions", Role.VIEWER, api.balance_transactions, query=PAGED),
    Entry("GET", "/v1/events", Role.VIEWER, api.events, query=(*PAGED, "status")),
    Entry("GET", "/v1/events/{id}", Role.VIEWER, api.event),
    Entry("GET", "/v1/merchants", Role.VIEWER, merchants.listed, query=PAGED),
    Entry("POST", "/v1/merchants", Role.OPERATOR, merchants.asked),
    Entry("GET", "/v1/merchants/{id}", Role.VIEWER, merchants.one),
    Entry("PUT", "/v1/merchants/{id}/mirror", Role.OPERATOR, merchants.marked),
    Entry("GET", "/v1/merchants/{id}/entries", Role.VIEWER, merchants.entries, query=PAGED),
    Entry("GET", "/v1/merchants/{id}/balance", Role.VIEWER, api.merchant_balance),
    Entry("POST", "/v1/merchants/{id}/connect", Role.OPERATOR, connect.started),
    Entry("GET", "/v1/merchants/{id}/connect", Role.VIEWER, connect.state),
    Entry("DELETE", "/v1/merchants/{id}/connect", Role.OPERATOR, connect.ended),
    Entry("GET", "/v1/customers", Role.VIEWER, customers.listed, query=PAGED),
    Entry("POST", "/v1/customers", Role.OPERATOR, customers.created),
    Entry("GET", "/v1/customers/{id}", Role.VIEWER, customers.one),
    Entry("POST", "/v1/customers/{id}/card-setup", Role.OPERATOR, customers.card_setup_started),
    Entry(
        "GET",
        "/v1/invoices",
        Role.VIEWER,
        invoices.listed,
        query=(*PAGED, "status", "customer", "merchant"),
    ),
    Entry("POST", "/v1/invoices", Role.OPERATOR, invoices.created),
    Entry(
        "POST",
        "/v1/invoices/import",
        Role.OPERATOR,
        invoices.imported,
        query=("all_or_nothing", "dry_run", "reason"),
    ),
    Entry("GET", "/v1/invoices/{id}", Role.VIEWER, invoices.one),
    Entry("POST", "/v1/invoices/{id}/debit", Role.OPERATOR, invoices.debited, keyed=True),
    Entry("POST", "/v1/invoices/{id}/cancel", Role.OPERATOR, invoices.cancelled),
    Entry("POST", "/v1/invoices/{id}/pay-link", Role.OPERATOR, invoices.pay_link),
    Entry("GET", "/v1/debit-runs", Role.VIEWER, invoices.runs_listed, query=PAGED),
    Entry("POST", "/v1/debit-runs", Role.OPERATOR, invoices.run_started, keyed=True),
    Entry("GET", "/v1/debit-runs/{id}", Role.VIEWER, invoices.run),
    Entry(
        "GET",
        "/v1/debit-runs/{id}/invoices",
        Role.VIEWER,
        invoices.run_items,
        query=(*PAGED, "outcome"),
    ),
    Entry("GET", "/v1/platform/balance", Role.VIEWER, api.platform_balance),
    Entry("GET", "/v1/payment-systems", Role.VIEWER, payment_systems.listed),
    Entry("GET", "/v1/delivery", Role.VIEWER, delivery.summary, query=("days",)),
    Entry("GET", "/v1/delivery/{id}", Role.VIEWER, delivery.of_account, query=("days",)),
    Entry("GET", "/v1/resyncs", Role.VIEWER, resyncs.listed, query=PAGED),
    Entry("POST", "/v1/resyncs", Role.OPERATOR, resyncs.asked),
    Entry("GET", "/v1/resyncs/{id}", Role.VIEWER, resyncs.one),
    Entry("DELETE", "/v1/resyncs/{id}", Role.OPERATOR, resyncs.cancelled),
    Entry("GET", "/v1/resyncs/{id}/progress", Role.VIEWER, resyncs.progress),
    Entry("GET", "/v1/drift/runs", Role.VIEWER, runs.listed, query=(*PAGED, "as_of")),
    Entry("POST", "/v1/drift/runs", Role.OPERATOR, runs.started),
    Entry("GET", "/v1/drift/runs/{id}", Role.VIEWER, runs.one),
    Entry("GET", "/v1/drift/runs/{id}/bridge", Role.VIEWER, runs.bridge),
    Entry(
        "GET",
        "/v1/drift/runs/{id}/lines/{key}",
        Role.VIEWER,
        runs.line,
        query=(*PAGED, *runs.LINE),
    ),
    Entry("GET", "/v1/drift/runs/{id}/export", Role.VIEWER, runs.export, query=("format",)),
    Entry(
        "GET",
        "/v1/drift/findings",
        Role.VIEWER,
        findings.listed,
        query=(*PAGED, *findings.FILTERS),
    ),
    Entry("GET", "/v1/drift/ageing", Role.VIEWER, findings.ageing, query=findings.FILTERS),
    Entry("GET", "/v1/drift/findings/{id}", Role.VIEWER, findings.one),
    Entry("POST", "/v1/drift/findings/{id}/assign", Role.OPERATOR, findings.assigned),
    Entry("POST", "/v1/drift/findings/{id}/note", Role.OPERATOR, findings.noted),
    Entry("POST", "/v1/drift/findings/{id}/resolve", Role.FINANCE, findings.resolved),
    Entry("POST", "/v1/drift/findings/{id}/suppress", Role.FINANCE, findings.suppressed),
    Entry("POST", "/v1/drift/findings/{id}/lift", Role.FINANCE, findings.lifted),
    Entry("POST", "/v1/drift/findings/{id}/repair/preview", Role.OPERATOR, repairs.previewed),
    Entry("POST", "/v1/drift/findings/{id}/repair", Role.OPERATOR, repairs.applied, keyed=True),
    Entry("POST", "/v1/drift/findings/{id}/undo", Role.FINANCE, repairs.undone, keyed=True),
    Entry("GET", "/v1/repair-jobs", Role.VIEWER, repair_jobs.listed, query=PAGED),
    Entry("POST", "/v1/repair-jobs", Role.OPERATOR, repair_jobs.planned),
    Entry("GET", "/v1/repair-jobs/{id}", Role.VIEWER, repair_jobs.one),
    Entry("GET", "/v1/repair-jobs/{id}/findings", Role.VIEWER, repair_jobs.items, query=PAGED),
    Entry("POST", "/v1/repair-jobs/{id}/confirm", Role.OPERATOR, repair_jobs.confirmed, True),
    Entry("POST", "/v1/repair-jobs/{id}/cancel", Role.OPERATOR, repair_jobs.cancelled),
    Entry(
        "POST",
        "/v1/adjustments/{id}/approve",
        Role.FINANCE,
        approvals.approved("adjustment"),
        True,
    ),
    Entry(
        "POST",
        "/v1/adjustments/{id}/decline",
        Role.FINANCE,
        approvals.declined("adjustment"),
        True,
    ),
    Entry("POST", "/v1/payouts/{id}/approve", Role.FINANCE, approvals.approved("payout"), True),
    Entry("POST", "/v1/payouts/{id}/decline", Role.FINANCE, approvals.declined("payout"), True),
    Entry("POST", "/v1/refunds/{id}/approve", Role.FINANCE, approvals.approved("refund"), True),
    Entry("POST", "/v1/refunds/{id}/decline", Role.FINANCE, approvals.declined("refund"), True),
    Entry("GET", "/v1/approvals", Role.VIEWER, approvals.listed, query=(*PAGED, "status")),
    Entry("GET", "/v1/approvals/{id}", Role.VIEWER, approvals.one),
    Entry("GET", "/v1/policies", Role.VIEWER, policies.listed),
    Entry("GET", "/v1/policies/{id}", Role.VIEWER, policies.one),
    Entry("PUT", "/v1/policies/{id}", Role.ADMIN, policies.changed),
    Entry("POST", "/v1/events/{id}/replay", Role.OPERATOR, replays.replayed),
    Entry(
        "GET", "/v1/audit", Role.FINANCE, audit.rows, query=(*PAGED, "subject", "action", "key_id")
    ),
    Entry("GET", "/v1/audit/head", Role.FINANCE, audit.head),
    Entry("GET", METRICS, Role.VIEWER, metrics),
)


PAGES = {
    **console.PAGES,
    **console_approvals.PAGES,
    **console_bank_payouts.PAGES,
    **console_delivery.PAGES,
    **console_findings.PAGES,
    **console_invoices.PAGES,
    **console_merchants.PAGES,
    **console_repairs.PAGES,
    **console_resyncs.PAGES,
    **console_runs.PAGES,
}
"""The console's pages, all read with GET."""

FORMS = {
    **console_approvals.FORMS,
    **console_findings.FORMS,
    **console_invoices.FORMS,
    **console_repairs.FORMS,
}
"""What pages of ours may post."""

FORM_ROLES = dict.fromkeys(FORMS, Role.FINANCE) | dict.fromkeys(
    console_invoices.FORMS, Role.OPERATOR
)
"""The least role that may."""
