"""The route table: path, method, role and function of everything this service answers.

`routes` makes Starlette's routes and the authorisation of each from it, so that none can be
forgotten. Must not know how a route is guarded or answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from handlers import (
    api,
    approvals,
    audit,
    connect,
    console,
    console_approvals,
    console_invoices,
    console_merchants,
    customers,
    invoices,
    merchants,
    payment_systems,
    payouts,
    policies,
    refunds,
    replays,
)
from handlers.files import run_file
from handlers.metrics import metrics
from handlers.problems import path_id
from reconciler.context import Context
from reconciler.domain.lifecycle import Kind
from reconciler.oversight.keys import Role

Answer = Callable[[Context, Request], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One route: what it answers, and the least role that may ask. What moves money is `keyed`: it
    needs an Idempotency-Key, and has its effect once for each."""

    method: str
    path: str
    role: Role
    answer: Answer
    keyed: bool = False


async def export(context: Context, request: Request) -> Response:
    """A run as a file, `?format=json|csv`."""
    return await run_file(context, path_id(request), request.query_params.get("format", "json"))


METRICS = "/metrics"

TABLE = (
    Entry("GET", "/v1/payments", Role.VIEWER, api.payments),
    Entry("GET", "/v1/payments/{id}", Role.VIEWER, api.payment),
    Entry("GET", "/v1/refunds", Role.VIEWER, refunds.listed),
    Entry("POST", "/v1/refunds", Role.OPERATOR, refunds.asked, keyed=True),
    Entry("GET", "/v1/refunds/{id}", Role.VIEWER, refunds.one),
    Entry("POST", "/v1/refunds/{id}/cancel", Role.OPERATOR, refunds.cancelled, keyed=True),
    Entry("GET", "/v1/payouts", Role.VIEWER, payouts.listed),
    Entry("POST", "/v1/payouts", Role.OPERATOR, payouts.asked, keyed=True),
    Entry("GET", "/v1/payouts/{id}", Role.VIEWER, payouts.one),
    Entry("POST", "/v1/payouts/{id}/cancel", Role.OPERATOR, payouts.cancelled, keyed=True),
    Entry("POST", "/v1/payouts/{id}/reverse", Role.OPERATOR, payouts.reversed_, keyed=True),
    Entry("GET", "/v1/disputes", Role.VIEWER, api.of_kind(Kind.DISPUTE)),
    Entry("GET", "/v1/disputes/{id}", Role.VIEWER, api.one_of_kind(Kind.DISPUTE)),
    Entry("GET", "/v1/bank-payouts", Role.VIEWER, api.of_kind(Kind.BANK_PAYOUT)),
    Entry("GET", "/v1/bank-payouts/{id}", Role.VIEWER, api.one_of_kind(Kind.BANK_PAYOUT)),
    Entry("GET", "/v1/balance-transactions", Role.VIEWER, api.balance_transactions),
    Entry("GET", "/v1/events", Role.VIEWER, api.events),
    Entry("GET", "/v1/events/{id}", Role.VIEWER, api.event),
    Entry("GET", "/v1/merchants", Role.VIEWER, merchants.listed),
    Entry("POST", "/v1/merchants", Role.OPERATOR, merchants.asked),
    Entry("GET", "/v1/merchants/{id}", Role.VIEWER, merchants.one),
    Entry("GET", "/v1/merchants/{id}/entries", Role.VIEWER, merchants.entries),
    Entry("GET", "/v1/merchants/{id}/balance", Role.VIEWER, api.merchant_balance),
    Entry("POST", "/v1/merchants/{id}/connect", Role.OPERATOR, connect.started),
    Entry("GET", "/v1/merchants/{id}/connect", Role.VIEWER, connect.state),
    Entry("DELETE", "/v1/merchants/{id}/connect", Role.OPERATOR, connect.ended),
    Entry("GET", "/v1/customers", Role.VIEWER, customers.listed),
    Entry("POST", "/v1/customers", Role.OPERATOR, customers.created),
    Entry("GET", "/v1/customers/{id}", Role.VIEWER, customers.one),
    Entry("POST", "/v1/customers/{id}/card-setup", Role.OPERATOR, customers.card_setup_started),
    Entry("GET", "/v1/invoices", Role.VIEWER, invoices.listed),
    Entry("POST", "/v1/invoices", Role.OPERATOR, invoices.created),
    Entry("POST", "/v1/invoices/import", Role.OPERATOR, invoices.imported),
    Entry("GET", "/v1/invoices/{id}", Role.VIEWER, invoices.one),
    Entry("POST", "/v1/invoices/{id}/debit", Role.OPERATOR, invoices.debited, keyed=True),
    Entry("POST", "/v1/invoices/{id}/cancel", Role.OPERATOR, invoices.cancelled),
    Entry("POST", "/v1/invoices/{id}/pay-link", Role.OPERATOR, invoices.pay_link),
    Entry("GET", "/v1/debit-runs", Role.VIEWER, invoices.runs_listed),
    Entry("POST", "/v1/debit-runs", Role.OPERATOR, invoices.run_started, keyed=True),
    Entry("GET", "/v1/debit-runs/{id}", Role.VIEWER, invoices.run),
    Entry("GET", "/v1/debit-runs/{id}/invoices", Role.VIEWER, invoices.run_items),
    Entry("GET", "/v1/platform/balance", Role.VIEWER, api.platform_balance),
    Entry("GET", "/v1/payment-systems", Role.VIEWER, payment_systems.listed),
    Entry("GET", "/v1/drift/runs", Role.VIEWER, api.runs_listed),
    Entry("POST", "/v1/drift/runs", Role.OPERATOR, api.run_started),
    Entry("GET", "/v1/drift/runs/{id}", Role.VIEWER, api.run),
    Entry("GET", "/v1/drift/runs/{id}/bridge", Role.VIEWER, api.run_bridge),
    Entry("GET", "/v1/drift/runs/{id}/export", Role.VIEWER, export),
    Entry("GET", "/v1/drift/findings", Role.VIEWER, api.findings),
    Entry("GET", "/v1/drift/findings/{id}", Role.VIEWER, api.finding),
    Entry("POST", "/v1/payouts/{id}/approve", Role.FINANCE, approvals.approved("payout"), True),
    Entry("POST", "/v1/payouts/{id}/decline", Role.FINANCE, approvals.declined("payout"), True),
    Entry("POST", "/v1/refunds/{id}/approve", Role.FINANCE, approvals.approved("refund"), True),
    Entry("POST", "/v1/refunds/{id}/decline", Role.FINANCE, approvals.declined("refund"), True),
    Entry("GET", "/v1/approvals", Role.VIEWER, approvals.listed),
    Entry("GET", "/v1/approvals/{id}", Role.VIEWER, approvals.one),
    Entry("GET", "/v1/policies", Role.VIEWER, policies.listed),
    Entry("GET", "/v1/policies/{id}", Role.VIEWER, policies.one),
    Entry("PUT", "/v1/policies/{id}", Role.ADMIN, policies.changed),
    Entry("POST", "/v1/events/{id}/replay", Role.OPERATOR, replays.replayed),
    Entry("GET", "/v1/audit", Role.FINANCE, audit.rows),
    Entry("GET", "/v1/audit/head", Role.FINANCE, audit.head),
    Entry("GET", METRICS, Role.VIEWER, metrics),
)


PAGES = {
    **console.PAGES,
    **console_approvals.PAGES,
    **console_invoices.PAGES,
    **console_merchants.PAGES,
}
"""The console's pages, all read with GET."""
