"""How the fields of the API are called on pages for people."""

from typing import NamedTuple

from reconciler.simulator.kernel.world import Json


class Asked(NamedTuple):
    """What a merchant is asked for, and the fields of the API that it stands for."""

    title: str
    fields: list[str]


# By the end of the path; the first that fits.
_TITLES: tuple[tuple[str, str], ...] = (
    ("verification.document", "Proof of identity"),
    ("verification.additional_document", "A second proof"),
    ("tos_acceptance.date", "Agreement to the terms of service"),
    ("tos_acceptance.ip", "Agreement to the terms of service"),
    ("external_account", "Bank account for payouts"),
    ("business_type", "Kind of business"),
    ("business_profile.mcc", "Industry"),
    ("business_profile.url", "Website"),
    ("business_profile.product_description", "What is sold"),
    ("business_profile.support_phone", "Phone number for customers"),
    ("statement_descriptor", "Name on bank statements"),
    ("ssn_last_4", "Last four digits of the Social Security number"),
    ("id_number", "Personal identification number"),
    ("tax_id", "Tax number of the company"),
    ("company.name", "Name of the company"),
    ("company.phone", "Phone number of the company"),
    ("first_name", "Legal name"),
    ("last_name", "Legal name"),
    ("email", "E-mail address"),
    ("phone", "Phone number"),
)
_GROUPS = ((".dob.", "Date of birth"), (".address.", "Address"))

_CAPABILITIES = {
    "card_payments": "take card payments",
    "transfers": "receive transfers from the platform",
}


def asked_for(fields: list[str]) -> list[Asked]:
    """One line for each thing asked for, in the order of the fields."""
    lines: dict[str, Asked] = {}
    for field in fields:
        title = _title(field)
        lines.setdefault(title, Asked(title, [])).fields.append(field)
    return list(lines.values())


def capability(name: str) -> str:
    return _CAPABILITIES.get(name, name.removesuffix("_payments").replace("_", " "))


def standing(account: Json) -> tuple[str, str]:
    """How the account is doing in one or two words, and the colour of that."""
    reason = account["requirements"]["disabled_reason"] or ""
    if reason.startswith("rejected"):
        return "Rejected", "bad"
    if account["requirements"]["pending_verification"]:
        return "Being checked", "warn"
    if account["payouts_enabled"]:
        return (
            ("Enabled", "good")
            if not account["requirements"]["currently_due"]
            else ("Soon due", "warn")
        )
    return "Restricted", "bad"


def _title(field: str) -> str:
    whose = "the company" if field.startswith("company.") else "the person"
    for inside, title in _GROUPS:
        if inside in field:
            return title if whose == "the person" else f"{title} of {whose}"
    found = (title for end, title in _TITLES if field.endswith(end))
    return next(found, field.replace(".", " ").replace("_", " ").capitalize())
