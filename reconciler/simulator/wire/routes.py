"""Which request is which operation: the whole served interface in one table.

Which parameters an operation takes is said by Stripe's published schema. A row names parameters
only where its operation is not in the part of the schema that is kept here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.simulator.kernel.pages import PAGING
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects import (
    accounts,
    cards,
    charges,
    customers,
    disputes,
    endpoints,
    events,
    ledger,
    payments,
    payouts,
    refunds,
    topups,
    transfers,
)
from reconciler.simulator.wire.contract import Contract


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    run: Callable[[Call], Json]
    contract: Contract
    lists: bool = False


def _get(path: str, run: Callable[[Call], Json], also: str = "") -> Operation:
    return Operation("GET", path, run, Contract("GET", path, also.split()))


def _list(path: str, run: Callable[[Call], Json], also: str = "") -> Operation:
    return Operation("GET", path, run, Contract("GET", path, (*PAGING, *also.split())), lists=True)


def _post(path: str, run: Callable[[Call], Json], also: str = "") -> Operation:
    return Operation("POST", path, run, Contract("POST", path, also.split()))


def _delete(path: str, run: Callable[[Call], Json]) -> Operation:
    return Operation("DELETE", path, run, Contract("DELETE", path))


OPERATIONS: tuple[Operation, ...] = (
    _get("/v1/account", accounts.retrieve_own),
    _list("/v1/accounts", accounts.listing),
    _post("/v1/accounts", accounts.create),
    _get("/v1/accounts/{id}", accounts.retrieve),
    _post("/v1/accounts/{id}", accounts.update),
    _delete("/v1/accounts/{id}", accounts.delete),
    _post("/v1/accounts/{id}/login_links", accounts.login_link),
    _post("/v1/account_links", accounts.link),
    _get("/v1/balance", ledger.balance),
    _list("/v1/balance_transactions", ledger.listing),
    _get("/v1/balance_transactions/{id}", ledger.retrieve),
    _list("/v1/charges", charges.listing),
    _get("/v1/charges/{id}", charges.retrieve),
    _post("/v1/charges/{id}", charges.update),
    _list("/v1/customers", customers.listing),
    _post("/v1/customers", customers.create),
    _get("/v1/customers/{id}", customers.retrieve),
    _post("/v1/customers/{id}", customers.update),
    _list("/v1/disputes", disputes.listing),
    _get("/v1/disputes/{id}", disputes.retrieve),
    _post("/v1/disputes/{id}", disputes.update),
    _post("/v1/disputes/{id}/close", disputes.close),
    _list("/v1/events", events.listing),
    _get("/v1/events/{id}", events.retrieve),
    _get("/v2/core/events/{id}", events.retrieve_thin),
    _list("/v1/payment_intents", payments.listing),
    _post("/v1/payment_intents", payments.create),
    _get("/v1/payment_intents/{id}", payments.retrieve),
    _post("/v1/payment_intents/{id}", payments.update),
    _post("/v1/payment_intents/{id}/cancel", payments.cancel),
    _post("/v1/payment_intents/{id}/capture", payments.capture),
    _post("/v1/payment_intents/{id}/confirm", payments.confirm),
    _get("/v1/payment_methods/{id}", cards.retrieve),
    _post("/v1/payment_methods/{id}/attach", cards.attach),
    _list("/v1/payouts", payouts.listing),
    _post("/v1/payouts", payouts.create),
    _get("/v1/payouts/{id}", payouts.retrieve),
    _post("/v1/payouts/{id}", payouts.update),
    _post("/v1/payouts/{id}/cancel", payouts.cancel),
    _list("/v1/refunds", refunds.listing),
    _post("/v1/refunds", refunds.create),
    _get("/v1/refunds/{id}", refunds.retrieve),
    _post("/v1/refunds/{id}", refunds.update),
    _post("/v1/refunds/{id}/cancel", refunds.cancel),
    _list("/v1/topups", topups.listing),
    _get("/v1/topups/{id}", topups.retrieve),
    _list("/v1/transfers", transfers.listing),
    _post("/v1/transfers", transfers.create),
    _get("/v1/transfers/{id}", transfers.retrieve),
    _post("/v1/transfers/{id}", transfers.update),
    _list("/v1/transfers/{id}/reversals", transfers.list_reversals),
    _post("/v1/transfers/{id}/reversals", transfers.reverse),
    _get("/v1/transfers/{id}/reversals/{reversal}", transfers.retrieve_reversal),
    _list("/v1/webhook_endpoints", endpoints.listing),
    _post("/v1/webhook_endpoints", endpoints.create),
    _get("/v1/webhook_endpoints/{id}", endpoints.retrieve),
    _post("/v1/webhook_endpoints/{id}", endpoints.update),
    _delete("/v1/webhook_endpoints/{id}", endpoints.delete),
)
