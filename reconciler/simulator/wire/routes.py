"""Which request is which operation: the whole served interface in one table.

Each row names the parameters it knows; any other is refused, as at Stripe. Some are accepted for
their callers' sake and change nothing here.
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


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    run: Callable[[Call], Json]
    params: frozenset[str]
    lists: bool = False

    @property
    def kind(self) -> str:
        """What a POST answers with, read off its path: the noun after /v1/, or the reversal."""
        if self.path.endswith("/reversals"):
            return "transfer_reversal"
        return self.path.split("/")[2].removesuffix("s")


def _get(path: str, run: Callable[[Call], Json]) -> Operation:
    return Operation("GET", path, run, frozenset())


def _list(path: str, run: Callable[[Call], Json], params: str = "") -> Operation:
    return Operation("GET", path, run, frozenset((*PAGING, *params.split())), lists=True)


def _post(path: str, run: Callable[[Call], Json], params: str = "") -> Operation:
    return Operation("POST", path, run, frozenset(params.split()))


def _delete(path: str, run: Callable[[Call], Json]) -> Operation:
    return Operation("DELETE", path, run, frozenset())


_INTENT = "amount currency customer description metadata receipt_email transfer_group"
_ACCEPTED = (
    "allowed_payment_method_types automatic_payment_methods confirmation_method "
    "error_on_requires_action off_session payment_method_options return_url setup_future_usage "
    "shipping statement_descriptor statement_descriptor_suffix"
)
_ACCOUNT = (
    "account_token business_profile business_type capabilities company email external_account "
    "individual metadata settings tos_acceptance"
)

OPERATIONS: tuple[Operation, ...] = (
    _get("/v1/account", accounts.retrieve_own),
    _list("/v1/accounts", accounts.listing, "created"),
    _post("/v1/accounts", accounts.create, f"{_ACCOUNT} controller country default_currency type"),
    _get("/v1/accounts/{id}", accounts.retrieve),
    _post("/v1/accounts/{id}", accounts.update, _ACCOUNT),
    _delete("/v1/accounts/{id}", accounts.delete),
    _post("/v1/accounts/{id}/login_links", accounts.login_link),
    _post(
        "/v1/account_links",
        accounts.link,
        "account collect collection_options refresh_url return_url type",
    ),
    _get("/v1/balance", ledger.balance),
    _list(
        "/v1/balance_transactions",
        ledger.listing,
        "created currency payout source type",
    ),
    _get("/v1/balance_transactions/{id}", ledger.retrieve),
    _list("/v1/charges", charges.listing, "created customer payment_intent transfer_group"),
    _get("/v1/charges/{id}", charges.retrieve),
    _post(
        "/v1/charges/{id}",
        charges.update,
        "description fraud_details metadata receipt_email shipping transfer_group",
    ),
    _list("/v1/customers", customers.listing, "created email"),
    _post(
        "/v1/customers",
        customers.create,
        "address description email metadata name payment_method phone preferred_locales shipping",
    ),
    _get("/v1/customers/{id}", customers.retrieve),
    _post(
        "/v1/customers/{id}",
        customers.update,
        "address description email invoice_settings metadata name phone preferred_locales shipping",
    ),
    _list("/v1/disputes", disputes.listing, "charge created payment_intent"),
    _get("/v1/disputes/{id}", disputes.retrieve),
    _post("/v1/disputes/{id}", disputes.update, "evidence metadata submit"),
    _post("/v1/disputes/{id}/close", disputes.close),
    _list("/v1/events", events.listing, "created delivery_success type types"),
    _get("/v1/events/{id}", events.retrieve),
    _get("/v2/core/events/{id}", events.retrieve_thin),
    _list("/v1/payment_intents", payments.listing, "created customer"),
    _post(
        "/v1/payment_intents",
        payments.create,
        f"{_INTENT} {_ACCEPTED} capture_method confirm payment_method",
    ),
    _get("/v1/payment_intents/{id}", payments.retrieve),
    _post("/v1/payment_intents/{id}", payments.update, f"{_INTENT} {_ACCEPTED} payment_method"),
    _post("/v1/payment_intents/{id}/cancel", payments.cancel, "cancellation_reason"),
    _post(
        "/v1/payment_intents/{id}/capture",
        payments.capture,
        "amount_to_capture final_capture metadata statement_descriptor statement_descriptor_suffix",
    ),
    _post("/v1/payment_intents/{id}/confirm", payments.confirm, f"{_ACCEPTED} payment_method"),
    _get("/v1/payment_methods/{id}", cards.retrieve),
    _post("/v1/payment_methods/{id}/attach", cards.attach, "customer"),
    _list("/v1/payouts", payouts.listing, "arrival_date created destination status"),
    _post(
        "/v1/payouts",
        payouts.create,
        "amount currency description destination metadata method source_type statement_descriptor",
    ),
    _get("/v1/payouts/{id}", payouts.retrieve),
    _post("/v1/payouts/{id}", payouts.update, "metadata"),
    _post("/v1/payouts/{id}/cancel", payouts.cancel),
    _list("/v1/refunds", refunds.listing, "charge created payment_intent"),
    _post(
        "/v1/refunds",
        refunds.create,
        "amount charge instructions_email metadata origin payment_intent reason "
        "refund_application_fee reverse_transfer",
    ),
    _get("/v1/refunds/{id}", refunds.retrieve),
    _post("/v1/refunds/{id}", refunds.update, "metadata"),
    _post("/v1/refunds/{id}/cancel", refunds.cancel),
    _list("/v1/topups", topups.listing, "created status"),
    _get("/v1/topups/{id}", topups.retrieve),
    _list("/v1/transfers", transfers.listing, "created destination transfer_group"),
    _post(
        "/v1/transfers",
        transfers.create,
        "amount currency description destination metadata source_transaction source_type "
        "transfer_group",
    ),
    _get("/v1/transfers/{id}", transfers.retrieve),
    _post("/v1/transfers/{id}", transfers.update, "description metadata"),
    _list("/v1/transfers/{id}/reversals", transfers.list_reversals),
    _post(
        "/v1/transfers/{id}/reversals",
        transfers.reverse,
        "amount description metadata refund_application_fee",
    ),
    _get("/v1/transfers/{id}/reversals/{reversal}", transfers.retrieve_reversal),
    _list("/v1/webhook_endpoints", endpoints.listing),
    _post(
        "/v1/webhook_endpoints",
        endpoints.create,
        "api_version connect description enabled_events metadata url",
    ),
    _get("/v1/webhook_endpoints/{id}", endpoints.retrieve),
    _post(
        "/v1/webhook_endpoints/{id}",
        endpoints.update,
        "description disabled enabled_events metadata url",
    ),
    _delete("/v1/webhook_endpoints/{id}", endpoints.delete),
)
