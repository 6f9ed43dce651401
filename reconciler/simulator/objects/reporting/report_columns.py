"""The columns of the reports, by the names Stripe gives them. Names only, no reading.

https://docs.stripe.com/reports/report-types/balance and …/payout-reconciliation
"""

BALANCE_SUMMARY = ("category", "description", "net_amount", "currency")
SUMMARY = ("reporting_category", "currency", "count", "gross", "fee", "net")

CONNECTED = ("connected_account", "connected_account_name", "connected_account_country")

_ROW = (
    "balance_transaction_id",
    "created_utc",
    "created",
    "available_on_utc",
    "available_on",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
    "source_id",
    "description",
    "customer_facing_amount",
    "customer_facing_currency",
    "regulatory_tag",
)
_PAYOUT = (
    "automatic_payout_id",
    "automatic_payout_effective_at_utc",
    "automatic_payout_effective_at",
)
_ORIGIN = ("customer_id", "charge_id", "payment_intent_id", "charge_created_utc", "charge_created")

ACTIVITY = (*_ROW, *_PAYOUT, *_ORIGIN)
RECONCILIATION = (*_PAYOUT, *_ROW, *_ORIGIN)

PAYOUT_ITEMS = (
    "payout_id",
    "effective_at_utc",
    "effective_at",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
    "balance_transaction_id",
    "description",
    "payout_expected_arrival_date",
    "payout_status",
    "payout_reversed_at_utc",
    "payout_reversed_at",
    "payout_type",
    "payout_description",
    "payout_destination_id",
    "regulatory_tag",
)

_PARTS = ("line1", "line2", "city", "state", "postal_code", "country")
_ADDRESSES = ("customer_shipping", "customer", "shipping", "card")

MORE = (
    "customer_email",
    "customer_name",
    "customer_description",
    *(f"{whose}_address_{part}" for whose in _ADDRESSES for part in _PARTS),
    "invoice_id",
    "invoice_number",
    "subscription_id",
    "order_id",
    "payment_method_type",
    "is_link",
    "card_brand",
    "card_funding",
    "card_country",
    "statement_descriptor",
    "dispute_reason",
    "connected_account_id",
    "connected_account_name",
    "connected_account_country",
    "connected_account_direct_charge_id",
    "destination_payment_id",
    "trace_id",
    "trace_id_status",
)
"""What itemized reports have when it is asked for."""

METADATA = ("payment_metadata", "refund_metadata", "transfer_metadata")
"""Asked for with a key: `payment_metadata[order_id]`."""
