"""What Stripe wants to know of an account, and what the account may do because of it.

One pure reading: from what is known, asked and being checked follow the requirements, the
capabilities and the flags. Nothing is changed here.
"""

from typing import Any

from reconciler.simulator.kernel.world import Book, Json
from reconciler.simulator.objects.connect import countries
from reconciler.simulator.objects.connect.account_data import held

_TERMS = ["tos_acceptance.date", "tos_acceptance.ip"]
_ADDRESS = ("city", "line1", "postal_code")
_BIRTH = ["dob.day", "dob.month", "dob.year"]
_NAME = ["first_name", "last_name"]
_WITH_DASHBOARD = [
    "business_profile.product_description",
    "business_profile.support_phone",
    "business_profile.url",
]
_SECRETS = {
    "id_number": "id_number_provided",
    "ssn_last_4": "ssn_last_4_provided",
    "tax_id": "tax_id_provided",
}
_PAYOUTS_ONLY = "external_account"


def missing(book: Book) -> list[str]:
    """Fields that an account of this kind has to have and has not."""
    return sorted({field for field in _usual(book.account) if not _has(book, field)})


def due(book: Book, name: str | None = None) -> list[str]:
    """What is wanted now: for everything, or for one capability."""
    asked = book.account["_asked"]
    fields = {*missing(book), *(f for f in asked if asked[f]["for"] in (None, name) or not name)}
    if name is not None:
        fields.discard(_PAYOUTS_ONLY)
    return sorted(fields - set(book.account["_being_checked"]))


def past_due(book: Book, now: int, name: str | None = None) -> list[str]:
    """Of what is due, what should have been there already."""
    account, asked = book.account, book.account["_asked"]
    late = {
        field
        for field in due(book, name)
        if field not in asked or (asked[field]["by"] is not None and asked[field]["by"] <= now)
    }
    if account["type"] == "standard":
        late -= {field for field in late if field not in (_PAYOUTS_ONLY, *_TERMS, *asked)}
    return sorted(late)


def standing(book: Book, now: int) -> Json:
    """The account's fields that follow from all others."""
    account = book.account
    late = past_due(book, now)
    submitted = account["details_submitted"] or _submitted(book)
    capabilities = {name: status(book, now, name) for name in sorted(account["_requested"])}
    able = "active" in capabilities.values() and not account["_unasked"]
    late_for_all = [f for f in late if f != _PAYOUTS_ONLY and _for_all(account, f)]
    paying = able and not late and not account["_being_checked"] and _has(book, _PAYOUTS_ONLY)
    if account["_rejected"] is not None:
        paying = paying or (account["_payouts_after_rejection"] and _has(book, _PAYOUTS_ONLY))
    return {
        "capabilities": capabilities,
        "charges_enabled": able and not late_for_all,
        "details_submitted": submitted,
        "future_requirements": _future(account),
        "payouts_enabled": paying,
        "requirements": _requirements(book, now),
    }


def status(book: Book, now: int, name: str) -> str:
    """What a capability that was asked for has come to."""
    account = book.account
    if account["_rejected"] is not None:
        return "inactive"
    if name in account["_withheld"]:
        return str(account["_withheld"][name])
    if account["_unasked"]:
        return "active"
    if past_due(book, now, name):
        return "inactive"
    return "pending" if account["_being_checked"] else "active"


def _for_all(account: Json, field: str) -> bool:
    return field not in account["_asked"] or account["_asked"][field]["for"] is None


def _submitted(book: Book) -> bool:
    account = book.account
    by_platform = account["controller"].get("requirement_collection") == "application"
    return bool(account["_submitted"] or (by_platform and not missing(book)))


def _requirements(book: Book, now: int) -> Json:
    account, wanted = book.account, due(book)
    late = past_due(book, now)
    deadlines = [entry["by"] for entry in account["_asked"].values() if entry["by"]]
    return {
        "alternatives": _alternatives(account, wanted),
        "current_deadline": min(deadlines, default=None),
        "currently_due": wanted,
        "disabled_reason": _disabled(account, late),
        "errors": list(account["_errors"]),
        "eventually_due": list(wanted),
        "past_due": late,
        "pending_verification": sorted(account["_being_checked"]),
    }


def _future(account: Json) -> Json:
    later = account["_asked_later"]
    deadlines = [entry["by"] for entry in later.values() if entry["by"]]
    return {
        "alternatives": [],
        "current_deadline": min(deadlines, default=None),
        "currently_due": sorted(later),
        "disabled_reason": None,
        "errors": [],
        "eventually_due": sorted(later),
        "past_due": [],
        "pending_verification": [],
    }


def _disabled(account: Json, late: list[str]) -> str | None:
    if account["_rejected"] is not None:
        return f"rejected.{account['_rejected']}"
    if late or account["_unasked"]:
        return "requirements.past_due"
    return "requirements.pending_verification" if account["_being_checked"] else None


def _alternatives(account: Json, wanted: list[str]) -> list[Json]:
    if account["country"] != "US" or "business_profile.url" not in wanted:
        return []
    if "business_profile.product_description" in wanted:
        return []
    return [
        {
            "alternative_fields_due": ["business_profile.product_description"],
            "original_fields_due": ["business_profile.url"],
        }
    ]


# What is usual.


def _usual(account: Json) -> list[str]:
    """What is asked of every account of this kind, in this country, wanting these things."""
    if account["type"] == "standard":
        known = [] if account["email"] else ["email"]
        return [*_WITH_DASHBOARD, *known, _PAYOUTS_ONLY, *_TERMS]
    business = held(account, "business_type")
    charges = any(name.endswith("_payments") for name in account["_requested"])
    fields = ["business_type", _PAYOUTS_ONLY, "business_profile.url", *_TERMS]
    if charges:
        fields.append("business_profile.mcc")
    by_stripe = account["controller"].get("requirement_collection") == "stripe"
    if charges and by_stripe and account["country"] == "US":
        fields.append("settings.payments.statement_descriptor")
    if business not in (None, "individual"):
        fields += ["company.name", "company.phone", "company.tax_id"]
        fields += [f"company.address.{part}" for part in _parts(account)]
    who = "individual" if business == "individual" else "representative"
    return fields + [f"{who}.{part}" for part in _of_person(account, business, charges)]


def _of_person(account: Json, business: str | None, charges: bool) -> list[str]:
    """In the United States, who it is about is known before where they live is asked."""
    at_home = account["country"] == "US"
    parts = [*_BIRTH, *_NAME, *(["email"] if charges else [])]
    if not at_home or business is not None:
        parts += [f"address.{part}" for part in _parts(account)]
        parts += ["phone"] if charges else []
    return parts + (["ssn_last_4"] if at_home and business == "individual" else [])


def _parts(account: Json) -> list[str]:
    return [*_ADDRESS, *(["state"] if account["country"] in countries.WITH_STATES else [])]


# What is there.


def _has(book: Book, field: str) -> bool:
    account = book.account
    first, _, rest = field.partition(".")
    if field == _PAYOUTS_ONLY:
        return any(usable(thing) for thing in external_accounts(book))
    if field == "business_profile.url":
        profile = account["business_profile"]
        return bool(profile["url"] or profile["product_description"])
    if first in ("individual", "company", "business_type"):
        return _filled(held(account, first), rest)
    if first == "representative":
        acting = [p for p in book.shelf("person").values() if p["relationship"]["representative"]]
        return any(_filled(person, rest) for person in acting)
    return _filled(account.get(first), rest)


def _filled(thing: Any, path: str) -> bool:
    """Whether there is a value at this path."""
    for name in path.split(".") if path else ():
        name = _SECRETS.get(name, name)
        thing = thing.get(name) if isinstance(thing, dict) else None
    return thing not in (None, "", False)


def external_accounts(book: Book) -> list[Json]:
    """The bank accounts and debit cards that an account is paid out to, oldest first."""
    things = [*book.shelf("bank_account").values(), *book.shelf("card").values()]
    own = [thing for thing in things if thing.get("account") == book.id]
    return sorted(own, key=lambda thing: thing.get("_added", 0))


def usable(external_account: Json) -> bool:
    """Not one that a payout has failed to reach."""
    return external_account.get("status") not in ("errored", "verification_failed")
