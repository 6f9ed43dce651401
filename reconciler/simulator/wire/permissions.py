"""What a restricted key needs for an operation: Stripe's names of permissions, by address."""

# The first part of an address that says which resource it is about, and Stripe's name for it.
# Some resources share one permission.
_RESOURCES = {
    "account": "accounts_kyc_basic",
    "accounts": "accounts_kyc_basic",
    "account_links": "account_link",
    "application_fees": "application_fee",
    "apps": "secret",
    "balance": "balance",
    "balance_settings": "balance_settings",
    "balance_transactions": "balance_transaction_source",
    "charges": "charge",
    "checkout": "checkout_session",
    "confirmation_tokens": "confirmation_token",
    "core/event_destinations": "webhook",
    "core/events": "event",
    "coupons": "coupon",
    "customers": "customer",
    "disputes": "dispute",
    "events": "event",
    "file_links": "file",
    "files": "file",
    "invoices": "invoice",
    "mandates": "mandate",
    "payment_intents": "payment_intent",
    "payment_methods": "payment_method",
    "payment_pages": "checkout_session",
    "payouts": "payout",
    "prices": "plan",
    "products": "product",
    "promotion_codes": "promotion_code",
    "radar": "radar",
    "refunds": "charge",
    "reporting": "report_runs_and_report_types",
    "setup_attempts": "setup_intent",
    "setup_intents": "setup_intent",
    "sources": "source",
    "subscriptions": "subscription",
    "tokens": "token",
    "topups": "top_up",
    "transfers": "transfer",
    "webhook_endpoints": "webhook",
}

NAMES = tuple(sorted({*_RESOURCES.values(), "login_link"}))

# What a publishable key may do: make what holds card data, and act on one intent whose client
# secret it knows.
PUBLISHABLE = frozenset(
    {
        "POST /v1/confirmation_tokens",
        "POST /v1/payment_methods",
        "POST /v1/sources",
        "POST /v1/tokens",
    }
)
WITH_CLIENT_SECRET = frozenset(
    {
        "GET /v1/payment_intents/{}",
        "GET /v1/setup_intents/{}",
        "POST /v1/payment_intents/{}/confirm",
        "POST /v1/setup_intents/{}/confirm",
    }
)


def needed(method: str, path: str) -> tuple[str, str]:
    """The resource and the level that an operation needs: `("charge", "write")`."""
    level = "read" if method in ("GET", "HEAD") else "write"
    if path.endswith("/login_links"):
        return "login_link", level
    segments = path.strip("/").split("/")[1:]
    if segments[:1] == ["test_helpers"]:
        segments = segments[1:]
    two = "/".join(segments[:2])
    first = segments[0] if segments else ""
    return _RESOURCES.get(two) or _RESOURCES.get(first) or first.rstrip("s"), level
