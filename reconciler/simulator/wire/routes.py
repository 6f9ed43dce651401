"""Which request is which operation: the whole served interface in one table.

Which parameters an operation takes is said by Stripe's published schema. A row names parameters
only where its operation is not in the part of the schema that is kept here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.simulator.kernel.pages import PAGING
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.balance import (
    balance_settings,
    balances,
    payouts,
    topups,
    transfers,
)
from reconciler.simulator.objects.connect import (
    accounts,
    capabilities,
    external_accounts,
    links,
    oauth,
    persons,
)
from reconciler.simulator.objects.methods import (
    confirmation_tokens,
    customers,
    mandates,
    methods,
    setup_attempts,
    setups,
    source_objects,
    sources,
    tokens,
)
from reconciler.simulator.objects.notices import destinations, endpoints, events, thin_events
from reconciler.simulator.objects.payments import application_fees, cash, charge_calls, payments
from reconciler.simulator.objects.reporting import files, report_types, reports
from reconciler.simulator.objects.returns import dispute_evidence, disputes, refunds, warnings
from reconciler.simulator.objects.selling import (
    catalogue,
    checkout,
    checkout_course,
    coupons,
    invoices,
    plans,
    prices,
    promotion_codes,
    subscriptions,
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


def _delete(path: str, run: Callable[[Call], Json], also: str = "") -> Operation:
    return Operation("DELETE", path, run, Contract("DELETE", path, also.split()))


_DESTINATION = (
    "amazon_eventbridge azure_event_grid description enabled_events event_payload events_from "
    "include metadata name snapshot_api_version type webhook_endpoint"
)

# Besides these, a real page sends what it knows of the browser.
_PAGE = "payment_method expected_amount"

OPERATIONS: tuple[Operation, ...] = (
    _get("/v1/account", accounts.retrieve_own),
    _list("/v1/accounts", accounts.listing),
    _post("/v1/accounts", accounts.create),
    _get("/v1/accounts/{id}", accounts.retrieve),
    _post("/v1/accounts/{id}", accounts.update),
    _delete("/v1/accounts/{id}", accounts.delete),
    _list("/v1/accounts/{id}/capabilities", capabilities.listing),
    _get("/v1/accounts/{id}/capabilities/{capability}", capabilities.retrieve),
    _post("/v1/accounts/{id}/capabilities/{capability}", capabilities.update),
    _list("/v1/accounts/{id}/external_accounts", external_accounts.listing),
    _post("/v1/accounts/{id}/external_accounts", external_accounts.create),
    _get("/v1/accounts/{id}/external_accounts/{external}", external_accounts.retrieve),
    _post("/v1/accounts/{id}/external_accounts/{external}", external_accounts.update),
    _delete("/v1/accounts/{id}/external_accounts/{external}", external_accounts.delete),
    _post("/v1/accounts/{id}/login_links", links.create_login),
    _list("/v1/accounts/{id}/persons", persons.listing, "relationship"),
    _post("/v1/accounts/{id}/persons", persons.create, persons.PARAMETERS),
    _get("/v1/accounts/{id}/persons/{person}", persons.retrieve),
    _post("/v1/accounts/{id}/persons/{person}", persons.update, persons.PARAMETERS),
    _delete("/v1/accounts/{id}/persons/{person}", persons.delete),
    _post("/v1/accounts/{id}/reject", accounts.reject),
    _post("/v1/account_links", links.create),
    _post("/oauth/deauthorize", oauth.deauthorize, "client_id stripe_user_id"),
    _get("/v1/balance", balances.balance),
    _list("/v1/balance/history", balances.history),
    _get("/v1/balance_settings", balance_settings.retrieve),
    _post("/v1/balance_settings", balance_settings.update),
    _get("/v1/balance/history/{id}", balances.retrieve),
    _list("/v1/balance_transactions", balances.listing),
    _get("/v1/balance_transactions/{id}", balances.retrieve),
    _list("/v1/charges", charge_calls.listing),
    _post("/v1/charges", charge_calls.create),
    _get("/v1/charges/search", charge_calls.search_),
    _get("/v1/charges/{id}", charge_calls.retrieve),
    _post("/v1/charges/{id}", charge_calls.update),
    _post("/v1/charges/{id}/capture", charge_calls.capture),
    _list("/v1/customers", customers.listing),
    _post("/v1/customers", customers.create, "coupon"),
    _get("/v1/customers/search", customers.search_, "limit page query"),
    _get("/v1/customers/{id}", customers.retrieve),
    _post("/v1/customers/{id}", customers.update, "coupon"),
    _delete("/v1/customers/{id}", customers.delete),
    _list("/v1/customers/{id}/sources", sources.listing, "object"),
    _post("/v1/customers/{id}/sources", sources.create, sources.PARAMETERS),
    _get("/v1/customers/{id}/sources/{source}", sources.retrieve),
    _post("/v1/customers/{id}/sources/{source}", sources.update, sources.CHANGES),
    _delete("/v1/customers/{id}/sources/{source}", sources.delete),
    _post("/v1/customers/{id}/sources/{source}/verify", sources.verify, "amounts"),
    _list("/v1/customers/{id}/payment_methods", methods.list_of_customer),
    _get("/v1/customers/{id}/payment_methods/{payment_method}", methods.retrieve_of_customer),
    _list("/v1/disputes", disputes.listing),
    _get("/v1/disputes/{id}", disputes.retrieve),
    _post("/v1/disputes/{id}", dispute_evidence.update),
    _post("/v1/disputes/{id}/close", dispute_evidence.close),
    _get("/v1/charges/{id}/dispute", disputes.retrieve_for_charge),
    _post("/v1/charges/{id}/dispute", dispute_evidence.update_for_charge),
    _post("/v1/charges/{id}/dispute/close", dispute_evidence.close_for_charge),
    _list("/v1/radar/early_fraud_warnings", warnings.listing, "charge payment_intent created"),
    _get("/v1/radar/early_fraud_warnings/{id}", warnings.retrieve),
    _list("/v1/events", events.listing),
    _get("/v1/events/{id}", events.retrieve),
    _get("/v2/core/events", thin_events.listing, "created limit object_id types page"),
    _get("/v2/core/events/{id}", thin_events.retrieve),
    _get("/v2/core/event_destinations", destinations.listing, "include limit page"),
    _post("/v2/core/event_destinations", destinations.create, _DESTINATION),
    _get("/v2/core/event_destinations/{id}", destinations.retrieve, "include"),
    _post("/v2/core/event_destinations/{id}", destinations.update, _DESTINATION),
    _delete("/v2/core/event_destinations/{id}", destinations.delete),
    _post("/v2/core/event_destinations/{id}/disable", destinations.disable, "include"),
    _post("/v2/core/event_destinations/{id}/enable", destinations.enable, "include"),
    _post("/v2/core/event_destinations/{id}/ping", destinations.ping),
    _list("/v1/invoice_payments", invoices.list_payments, invoices.FILTERS),
    _list("/v1/payment_intents", payments.listing),
    _post("/v1/payment_intents", payments.create),
    _get("/v1/payment_intents/search", payments.search_),
    _get("/v1/payment_intents/{id}", payments.retrieve),
    _post("/v1/payment_intents/{id}", payments.update),
    _post("/v1/payment_intents/{id}/cancel", payments.cancel),
    _post("/v1/payment_intents/{id}/capture", payments.capture),
    _post("/v1/payment_intents/{id}/confirm", payments.confirm),
    _post("/v1/payment_intents/{id}/increment_authorization", payments.increment_authorization),
    _post("/v1/payment_intents/{id}/apply_customer_balance", payments.apply_customer_balance),
    _list("/v1/payment_intents/{id}/amount_details_line_items", payments.line_items),
    _list("/v1/application_fees", application_fees.listing),
    _get("/v1/application_fees/{id}", application_fees.retrieve),
    _post("/v1/application_fees/{id}/refund", application_fees.refund_whole),
    _list("/v1/application_fees/{id}/refunds", application_fees.list_refunds),
    _post("/v1/application_fees/{id}/refunds", application_fees.create_refund),
    _get("/v1/application_fees/{id}/refunds/{refund}", application_fees.retrieve_refund),
    _post("/v1/application_fees/{id}/refunds/{refund}", application_fees.update_refund),
    _get("/v1/customers/{id}/cash_balance", cash.retrieve),
    _post("/v1/customers/{id}/cash_balance", cash.update, "settings"),
    _list("/v1/customers/{id}/cash_balance_transactions", cash.list_entries),
    _get("/v1/customers/{id}/cash_balance_transactions/{transaction}", cash.retrieve_entry),
    _post(
        "/v1/test_helpers/customers/{id}/fund_cash_balance", cash.fund, "amount currency reference"
    ),
    _list("/v1/payment_methods", methods.listing),
    _post("/v1/payment_methods", methods.create),
    _get("/v1/payment_methods/{id}", methods.retrieve),
    _post("/v1/payment_methods/{id}", methods.update),
    _post("/v1/payment_methods/{id}/attach", methods.attach),
    _post("/v1/payment_methods/{id}/detach", methods.detach),
    _get("/v1/confirmation_tokens/{id}", confirmation_tokens.retrieve),
    _post(
        "/v1/test_helpers/confirmation_tokens",
        confirmation_tokens.create,
        confirmation_tokens.PARAMETERS,
    ),
    _get("/v1/mandates/{id}", mandates.retrieve),
    _list("/v1/payouts", payouts.listing),
    _post("/v1/payouts", payouts.create),
    _get("/v1/payouts/{id}", payouts.retrieve),
    _post("/v1/payouts/{id}", payouts.update),
    _post("/v1/payouts/{id}/cancel", payouts.cancel),
    _post("/v1/payouts/{id}/reverse", payouts.reverse),
    _list("/v1/refunds", refunds.listing),
    _post("/v1/refunds", refunds.create),
    _get("/v1/refunds/{id}", refunds.retrieve),
    _post("/v1/refunds/{id}", refunds.update),
    _post("/v1/refunds/{id}/cancel", refunds.cancel),
    _post("/v1/test_helpers/refunds/{id}/expire", refunds.expire),
    _list("/v1/reporting/report_runs", reports.listing),
    _post("/v1/reporting/report_runs", reports.create),
    _get("/v1/reporting/report_runs/{id}", reports.retrieve),
    _list("/v1/reporting/report_types", report_types.listing),
    _get("/v1/reporting/report_types/{id}", report_types.retrieve),
    _list("/v1/files", files.listing),
    _post("/v1/files", files.create),
    _get("/v1/files/{id}", files.retrieve),
    _get("/v1/files/{id}/contents", files.contents),
    _post("/v1/charges/{id}/refund", refunds.refund_charge),
    _list("/v1/charges/{id}/refunds", refunds.list_for_charge),
    _post("/v1/charges/{id}/refunds", refunds.create_for_charge),
    _get("/v1/charges/{id}/refunds/{refund}", refunds.retrieve),
    _post("/v1/charges/{id}/refunds/{refund}", refunds.update),
    _list("/v1/checkout/sessions", checkout.listing),
    _post("/v1/checkout/sessions", checkout.create),
    _get("/v1/checkout/sessions/{id}", checkout.retrieve),
    _post("/v1/checkout/sessions/{id}", checkout.update),
    _post("/v1/checkout/sessions/{id}/expire", checkout.expire),
    _list("/v1/checkout/sessions/{id}/line_items", checkout.list_items),
    _get("/v1/payment_pages/{id}", checkout_course.view),
    _post("/v1/payment_pages/{id}/confirm", checkout_course.confirm_page, _PAGE),
    _list("/v1/coupons", coupons.listing, coupons.COUPON_FILTERS),
    _post("/v1/coupons", coupons.create, coupons.COUPON),
    _get("/v1/coupons/{id}", coupons.retrieve),
    _post("/v1/coupons/{id}", coupons.update, coupons.COUPON_CHANGES),
    _delete("/v1/coupons/{id}", coupons.delete),
    _delete("/v1/customers/{id}/discount", coupons.delete_from_customer),
    _list("/v1/plans", plans.listing, plans.FILTERS),
    _post("/v1/plans", plans.create, plans.TERMS),
    _get("/v1/plans/{id}", plans.retrieve),
    _post("/v1/plans/{id}", plans.update, plans.CHANGES),
    _delete("/v1/plans/{id}", plans.delete),
    _list("/v1/prices", prices.listing, prices.FILTERS),
    _post("/v1/prices", catalogue.create_price, catalogue.PRICE),
    _get("/v1/prices/{id}", prices.retrieve),
    _post("/v1/prices/{id}", prices.update, prices.CHANGES),
    _list("/v1/products", catalogue.list_products, catalogue.PRODUCT_FILTERS),
    _post("/v1/products", catalogue.create_product, catalogue.PRODUCT),
    _get("/v1/products/{id}", catalogue.retrieve_product),
    _post("/v1/products/{id}", catalogue.update_product, catalogue.PRODUCT_CHANGES),
    _delete("/v1/products/{id}", catalogue.delete_product),
    _list("/v1/promotion_codes", promotion_codes.listing, promotion_codes.FILTERS),
    _post("/v1/promotion_codes", promotion_codes.create, promotion_codes.TERMS),
    _get("/v1/promotion_codes/{id}", promotion_codes.retrieve),
    _post("/v1/promotion_codes/{id}", promotion_codes.update, promotion_codes.CHANGES),
    _list("/v1/subscriptions", subscriptions.listing, subscriptions.FILTERS),
    _post("/v1/subscriptions", subscriptions.create, subscriptions.TERMS),
    _get("/v1/subscriptions/{id}", subscriptions.retrieve),
    _post("/v1/subscriptions/{id}", subscriptions.update, subscriptions.CHANGES),
    _delete("/v1/subscriptions/{id}", subscriptions.cancel, subscriptions.CANCELLATION),
    _post("/v1/subscriptions/{id}/resume", subscriptions.resume, subscriptions.RESUMPTION),
    _list("/v1/setup_attempts", setup_attempts.listing, "created setup_intent"),
    _list("/v1/setup_intents", setups.listing),
    _post("/v1/setup_intents", setups.create),
    _get("/v1/setup_intents/{id}", setups.retrieve),
    _post("/v1/setup_intents/{id}", setups.update),
    _post("/v1/setup_intents/{id}/cancel", setups.cancel),
    _post("/v1/setup_intents/{id}/confirm", setups.confirm),
    _post("/v1/setup_intents/{id}/verify_microdeposits", setups.verify_microdeposits),
    _post("/v1/sources", source_objects.create, source_objects.PARAMETERS),
    _get("/v1/sources/{id}", source_objects.retrieve, "client_secret"),
    _post("/v1/sources/{id}", source_objects.update, source_objects.CHANGES),
    _post("/v1/tokens", tokens.create, tokens.PARAMETERS),
    _get("/v1/tokens/{id}", tokens.retrieve),
    _list("/v1/topups", topups.listing),
    _post("/v1/topups", topups.create),
    _get("/v1/topups/{id}", topups.retrieve),
    _post("/v1/topups/{id}", topups.update),
    _post("/v1/topups/{id}/cancel", topups.cancel),
    _list("/v1/transfers", transfers.listing),
    _post("/v1/transfers", transfers.create),
    _get("/v1/transfers/{id}", transfers.retrieve),
    _post("/v1/transfers/{id}", transfers.update),
    _list("/v1/transfers/{id}/reversals", transfers.list_reversals),
    _post("/v1/transfers/{id}/reversals", transfers.reverse),
    _get("/v1/transfers/{id}/reversals/{reversal}", transfers.retrieve_reversal),
    _post("/v1/transfers/{id}/reversals/{reversal}", transfers.update_reversal),
    _list("/v1/webhook_endpoints", endpoints.listing),
    _post("/v1/webhook_endpoints", endpoints.create),
    _get("/v1/webhook_endpoints/{id}", endpoints.retrieve),
    _post("/v1/webhook_endpoints/{id}", endpoints.update),
    _delete("/v1/webhook_endpoints/{id}", endpoints.delete),
)
