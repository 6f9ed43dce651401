"""Where the simulated versions of the API differ from the published schema, and why: one table.

The published schema is of 2026-08-26; the service's SDK speaks 2026-10-28. What came since is added
to it, what went away is refused from its version on. Places are an operation (`POST /v1/…`, without
the names of its path's parameters) for what is asked, and a resource for what is answered.
"""

from typing import Any, NamedTuple

Json = dict[str, Any]

PUBLISHED_VERSION = "2026-08-26.dahlia"


class Difference(NamedTuple):
    """A parameter or field `name`, in brackets when nested, that is there or not `since` then."""

    since: str
    place: str
    name: str
    schema: Json | None
    reason: str


_INTENT_COMMANDS = tuple(
    f"POST /v1/{kind}_intents{command}"
    for kind in ("payment", "setup")
    for command in ("", "/{}", "/{}/confirm")
)
_USAGE: Json = {"type": "string", "enum": ["recurring", "unscheduled", "installment"]}
_TEXT: Json = {"type": "string"}
_TEXT_OR_NULL: Json = {"type": "string", "nullable": True}
_TOKEN_OR_NUMBERS: Json = {
    "anyOf": [_TEXT, {"type": "object", "additionalProperties": _TEXT}],
}
_UI_MODES = ("elements", "embedded_page", "hosted_page")
_BANK_TRANSFERS = [f"{region}_bank_transfer" for region in ("eu", "gb", "jp", "mx", "us")]
_TEXTS: Json = {"type": "array", "items": _TEXT}
_TEXTS_OR_NULL: Json = {**_TEXTS, "nullable": True}
_ANYTHING: Json = {}
_SERVED_SINCE_EVER = (
    ("charge", "destination", _TEXT_OR_NULL),
    ("charge", "dispute", _TEXT_OR_NULL),
    ("charge", "order", _TEXT_OR_NULL),
    ("charge", "source", _ANYTHING),
    ("payment_intent", "source", _TEXT_OR_NULL),
    ("source", "mandate", _ANYTHING),
)
_SERVED_BESIDES = (
    ("card", "wallet", _TEXT_OR_NULL),
    ("payment_intent", "shared_payment_granted_token", _TEXT_OR_NULL),
    ("payment_intent_payment_method_options_link", "persistent_token", _TEXT_OR_NULL),
    ("payment_method", "shared_payment_granted_token", _TEXT_OR_NULL),
    ("payment_method_details_card", "electronic_commerce_indicator", _TEXT_OR_NULL),
)

DIFFERENCES: tuple[Difference, ...] = (
    *(
        Difference(
            "2026-09-30",
            place,
            "payment_method_types",
            None,
            "read-only since endive; allowed_payment_method_types takes its place",
        )
        for place in _INTENT_COMMANDS
    ),
    Difference(
        "2026-09-30",
        "POST /v1/checkout/sessions",
        "payment_method_types",
        None,
        "read-only since endive; allowed_payment_method_types takes its place",
    ),
    Difference(
        "2026-09-30",
        "POST /v1/checkout/sessions",
        "allowed_payment_method_types",
        _TEXTS,
        "filters the methods that fit currency and amount",
    ),
    Difference(
        "",
        "POST /v1/checkout/sessions",
        "ui_mode",
        {"type": "string", "enum": [*_UI_MODES, "custom", "embedded", "hosted"]},
        "the last three are the names before 2026-03-25, refused since then by the operation",
    ),
    Difference(
        "2026-09-30",
        "checkout.session",
        "allowed_payment_method_types",
        _TEXTS_OR_NULL,
        "what the methods were filtered by",
    ),
    *(
        Difference(
            "2026-10-28",
            place,
            f"payment_method_options[card][{kind}_credential_usage]",
            _USAGE,
            "networks ask how a stored card is used",
        )
        for place in _INTENT_COMMANDS
        for kind in ("setup", "stored")
    ),
    Difference(
        "",
        "POST /v1/payment_intents",
        "payment_method_options[customer_balance][bank_transfer][type]",
        {"type": "string", "enum": [*_BANK_TRANSFERS, "jp_bank_account"]},
        "an older name, with which the official CLI triggers payment_intent.partially_funded",
    ),
    *(
        Difference(
            "",
            place,
            f"payment_method_data[{name}]",
            schema,
            "published without cards, which Stripe takes as tokens or, in test mode, numbers",
        )
        for place in _INTENT_COMMANDS
        for name, schema in (
            ("type", _TEXT),
            ("card", {"additionalProperties": _TEXT, "type": "object"}),
        )
    ),
    Difference(
        "2026-10-28",
        "POST /v1/disputes/{}",
        "intended_submission_method",
        _TEXT,
        "how evidence will be handed in",
    ),
    Difference(
        "2026-10-28",
        "dispute",
        "intended_submission_method",
        _TEXT_OR_NULL,
        "how evidence will be handed in",
    ),
    Difference(
        "2026-10-28",
        "dispute",
        "status",
        _TEXT,
        "appeal_needs_response and appeal_under_review are new",
    ),
    Difference(
        "",
        "balance_transaction",
        "type",
        _TEXT,
        "monthly releases add types; a drill may post one that nobody has heard of yet",
    ),
    *(
        Difference("", place, name, schema, "no longer published, and served in every version")
        for place, name, schema in _SERVED_SINCE_EVER
    ),
    *(
        Difference("", place, name, schema, "served in every version, and not published")
        for place, name, schema in _SERVED_BESIDES
    ),
    *(
        Difference("", place, "requested_capabilities", _TEXTS, "how capabilities were asked for")
        for place in ("POST /v1/accounts", "POST /v1/accounts/{}")
    ),
    Difference(
        "",
        "payment_intent",
        "payment_record",
        _TEXT_OR_NULL,
        "the payment record behind the payment, always null here",
    ),
    Difference(
        "2026-09-30",
        "POST /v1/webhook_endpoints",
        "api_version",
        _TEXT,
        "the published list of versions ends with its own; later ones exist",
    ),
    *(
        Difference(
            "",
            place,
            "external_account",
            _TOKEN_OR_NUMBERS,
            "published as a token only; the numbers of an account or card are taken as well",
        )
        for place in (
            "POST /v1/accounts",
            "POST /v1/accounts/{}",
            "POST /v1/accounts/{}/external_accounts",
        )
    ),
)
"""A `schema` of None means that the parameter is refused from that version on."""


def gone_from(place: str) -> dict[str, str]:
    """Parameters that the published schema has and a version no longer takes; since when."""
    return {
        difference.name: difference.since
        for difference in DIFFERENCES
        if difference.place == place and difference.schema is None
    }


def added_to(place: str) -> dict[str, Json]:
    """Schemas of what is there besides, or otherwise than, the published schema says; by name."""
    return {
        difference.name: difference.schema
        for difference in DIFFERENCES
        if difference.place == place and difference.schema is not None
    }
