"""What accounts and the people behind them look like before anything is known of them.

Shapes only, with every field that Stripe serves; what fills them is decided by who uses them.
"""

from typing import Any

from reconciler.simulator.kernel.world import Json
from reconciler.simulator.objects.connect import countries

_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
_LISTS = ("currently_due", "errors", "eventually_due", "past_due", "pending_verification")
_RELATIONS = ("director", "executive", "legal_guardian", "owner", "representative")

_CONTROLLERS: dict[str, tuple[str, str, str, str]] = {
    "custom": ("application_custom", "application", "application", "none"),
    "express": ("application_express", "application", "stripe", "express"),
    "standard": ("account", "stripe", "stripe", "full"),
}


def account(account_id: str, now: int, country: str, currency: str) -> Json:
    return {
        "id": account_id,
        "object": "account",
        "business_profile": business_profile(),
        "business_type": None,
        "capabilities": {},
        "charges_enabled": False,
        "controller": {},
        "country": country,
        "created": now,
        "default_currency": currency,
        "details_submitted": False,
        "email": None,
        # Filled in when served.
        "external_accounts": None,
        "future_requirements": nothing_due(),
        "metadata": {},
        "payouts_enabled": False,
        "requirements": nothing_due(),
        "settings": settings(country),
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": "none",
        **notes(),
    }


def notes() -> Json:
    """What the simulator remembers of an account and never serves."""
    return {
        # Fields asked for beyond the usual: until when, and for which capability alone.
        "_asked": {},
        # The same, for rules that are not in force yet.
        "_asked_later": {},
        "_being_checked": [],
        "_errors": [],
        # Capabilities asked for, and since when; and those Stripe withholds, with their status.
        "_requested": {},
        "_withheld": {},
        # Test mode lets an account that nobody has said anything about take transfers.
        "_unasked": False,
        # From the first link on, what Stripe itself collects is out of the platform's hands.
        "_handed_over": False,
        "_submitted": False,
        "_rejected": None,
        "_payouts_after_rejection": False,
    }


def controller(type_: str) -> Json:
    return controlled_by(*_CONTROLLERS[type_])


def controlled_by(fees: str, losses: str, collection: str, dashboard: str) -> Json:
    return {
        "fees": {"payer": fees},
        "is_controller": True,
        "losses": {"payments": losses},
        "requirement_collection": collection,
        "stripe_dashboard": {"type": dashboard},
        "type": "application",
    }


def business_profile() -> Json:
    return {
        "annual_revenue": None,
        "estimated_worker_count": None,
        "mcc": None,
        "minority_owned_business_designation": None,
        "name": None,
        "product_description": None,
        "specified_commercial_transactions_act_url": None,
        "support_address": None,
        "support_email": None,
        "support_phone": None,
        "support_url": None,
        "url": None,
    }


def nothing_due() -> Json:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": [],
        "disabled_reason": None,
        "errors": [],
        "eventually_due": [],
        "past_due": [],
        "pending_verification": [],
    }


def settings(country: str) -> Json:
    return {
        "bacs_debit_payments": {"display_name": None, "service_user_number": None},
        "branding": dict.fromkeys(("icon", "logo", "primary_color", "secondary_color")),
        "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            **_scripts("statement_descriptor_prefix"),
        },
        "dashboard": {"display_name": None, "timezone": "Etc/UTC"},
        "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "offer"},
        "payments": _scripts("statement_descriptor"),
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": countries.payout_delay(country), "interval": "manual"},
            "statement_descriptor": None,
        },
        "paypay_payments": {},
        "sepa_debit_payments": {},
    }


def address() -> Json:
    return dict.fromkeys(_ADDRESS)


def company() -> Json:
    return {
        "address": address(),
        "directors_provided": False,
        "executives_provided": False,
        "name": None,
        "owners_provided": False,
        "phone": None,
        "tax_id_provided": False,
        "verification": {"document": _document()},
    }


def person(person_id: str, account_id: str, now: int) -> Json:
    return {
        "id": person_id,
        "object": "person",
        "account": account_id,
        "address": address(),
        "created": now,
        "dob": {"day": None, "month": None, "year": None},
        "email": None,
        "first_name": None,
        "future_requirements": due_of_person(),
        "id_number_provided": False,
        "last_name": None,
        "metadata": {},
        "phone": None,
        "relationship": relationship(),
        "requirements": due_of_person(),
        "ssn_last_4_provided": False,
        "verification": {
            "additional_document": _document(),
            "details": None,
            "details_code": None,
            "document": _document(),
            "status": "unverified",
        },
    }


def relationship() -> Json:
    given: dict[str, Any] = dict.fromkeys(_RELATIONS, False)
    given.update(authorizer=False, percent_ownership=None, title=None)
    return dict(sorted(given.items()))


def due_of_person() -> Json:
    return {"alternatives": [], **{name: [] for name in _LISTS}}


def due_of_external_account() -> Json:
    return {name: [] for name in _LISTS if name != "eventually_due"}


def _document() -> Json:
    return dict.fromkeys(("back", "details", "details_code", "front"))


def _scripts(name: str) -> Json:
    """A text on bank statements, also in the scripts of Japan."""
    return dict.fromkeys((name, f"{name}_kana", f"{name}_kanji"))
