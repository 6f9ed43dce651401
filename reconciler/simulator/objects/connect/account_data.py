"""What is known of an account: read from forms, and filled with Stripe's test values.

What may not be shown again, such as a tax number, is only remembered as given. Whether it is enough
is decided in `requirements`.
"""

from typing import Any
from urllib.parse import urlsplit

from reconciler.simulator.kernel.form import merged, whole
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.connect import account_shapes, countries

# Given as text, kept as a number.
_WHOLE = ("amount", "date", "day", "estimated_worker_count", "month", "year")
_FLAGS = (
    *("authorizer", "director", "executive", "legal_guardian", "owner", "representative"),
    *("directors_provided", "executives_provided", "owners_provided"),
    *("avs_failure", "cvc_failure", "debit_negative_balances"),
)

# Only whether these were given is shown.
_SECRET = {
    "id_number": ("id_number_provided", "ssn_last_4_provided"),
    "ssn_last_4": ("ssn_last_4_provided",),
    "tax_id": ("tax_id_provided",),
    "vat_id": ("vat_id_provided",),
    "registration_number": (),
}
# Stripe's test values that match nobody.
_NOBODY = {"id_number": "111111111", "line1": "address_no_match"}
_NOT_SHOWN = (
    *("additional_tos_acceptances", "documents", "full_name_aliases", "id_number_secondary"),
    *("person_token", "us_cfpb_data"),
)

_TEST_ADDRESS = {"city": "Testville", "line1": "address_full_match", "postal_code": "10000"}
_TEST_PERSON: Json = {
    "dob": {"day": 1, "month": 1, "year": 1901},
    "email": "merchant@example.com",
    "first_name": "Test",
    "id_number": "000000000",
    "last_name": "Merchant",
    "phone": "+10000000000",
}
_TEST_PROFILE = {"mcc": "5734", "url": "https://merchant.example"}


def describe(call: Call, book: Book, form: Json) -> None:
    """Keep what a form says of an account's owner and business."""
    account = book.account
    blank = account_shapes.account(book.id, call.now, account["country"], "")
    for name in ("business_profile", "settings", "tos_acceptance"):
        _deepen(account[name], _read(form.get(name) or {}), blank[name])
    if "business_type" in form:
        account["business_type"] = form["business_type"] or None
    if form.get("individual"):
        _describe_individual(call, book, form["individual"])
    if form.get("company"):
        _describe_company(account, form["company"])
    _name_after(account)
    _in_order(account)


def describe_person(person: Json, given: Json) -> None:
    """Keep what a form says of one person."""
    given = dict(given)
    if "metadata" in given:
        person["metadata"] = merged(person["metadata"], _texts(given.pop("metadata")))
    line = (given.get("address") or {}).get("line1")
    if _NOBODY["id_number"] == given.get("id_number") or _NOBODY["line1"] == line:
        person["_matches_nobody"] = True
    if (given.get("verification") or {}).get("document"):
        person.pop("_matches_nobody", None)
    for name, shown in _SECRET.items():
        if given.pop(name, None):
            person.update(dict.fromkeys(shown, True))
    for name in _NOT_SHOWN:
        given.pop(name, None)
    _deepen(person, _read(given), account_shapes.person("", "", 0))


def accept_terms(account: Json, date: int, ip: str | None, agent: str | None) -> None:
    account["tos_acceptance"].update(date=date, ip=ip, user_agent=agent)


def fill(call: Call, book: Book, missing: list[str]) -> None:
    """Answer what is missing with Stripe's test values, as a merchant would."""
    account = book.account
    if "business_type" in missing:
        account["business_type"] = "individual"
    place = {**_TEST_ADDRESS, "country": account["country"]}
    if account["country"] in countries.WITH_STATES:
        place["state"] = "CA" if account["country"] == "US" else "Testshire"
    who = {**_TEST_PERSON, "address": place, "phone": "+41000000000"}
    if account["business_type"] == "individual":
        known = account.get("individual") or {}
        _describe_individual(call, book, _new_only(known, who))
    elif any(field.startswith(("company.", "representative.")) for field in missing):
        company = {"name": "Test Company", "tax_id": "000000000", "phone": who["phone"]}
        _describe_company(account, {**company, "address": place, "owners_provided": "true"})
        representative(call, book, who)
    for name, value in _TEST_PROFILE.items():
        if account["business_profile"][name] is None:
            account["business_profile"][name] = value
    for field in missing:
        _fill_text(account, field)
    if account["tos_acceptance"]["date"] is None:
        accept_terms(account, call.now, "127.0.0.1", None)
    _in_order(account)


def representative(call: Call, book: Book, who: Json) -> Json:
    """The person who acts for a company; the one there is, or a new one."""
    people = book.shelf("person").values()
    person = next((p for p in people if p["relationship"]["representative"]), None)
    if person is None:
        person = account_shapes.person(call.world.ids.new("person"), book.id, call.now)
        person["relationship"]["representative"] = True
        call.world.put(book, "person", person)
    describe_person(person, _new_only(person, who))
    return person


def mask(account: Json) -> None:
    """Once Stripe collects them itself, the platform no longer sees who is behind an account."""
    for name in ("business_type", "company", "individual"):
        if name in account:
            account[f"_{name}"] = account.pop(name)


def held(account: Json, name: str) -> Any:
    """What is known under this name, whether the platform sees it or not."""
    return account.get(name) or account.get(f"_{name}")


def _describe_individual(call: Call, book: Book, given: Json) -> None:
    account = book.account
    person = account.get("individual")
    if not person:
        person = account_shapes.person(call.world.ids.new("person"), book.id, call.now)
        person["relationship"].update(representative=True, account_opener=True)
        person["relationship"] = dict(sorted(person["relationship"].items()))
        account["individual"] = person
    describe_person(person, given)
    company = account.setdefault("company", account_shapes.company())
    company.update(directors_provided=True, executives_provided=True, owners_provided=True)
    company.update(address=dict(person["address"]), phone=person["phone"])


def _describe_company(account: Json, given: Json) -> None:
    company = account.setdefault("company", account_shapes.company())
    given = dict(given)
    for name, shown in _SECRET.items():
        if given.pop(name, None):
            company.update(dict.fromkeys(shown, True))
    _deepen(company, _read(given), account_shapes.company())
    account["company"] = dict(sorted(company.items()))


def _fill_text(account: Json, field: str) -> None:
    """A missing field of the profile or the settings, by its path."""
    *path, leaf = field.split(".")
    if path[:1] not in (["business_profile"], ["settings"]):
        return
    branch = account
    for name in path:
        branch = branch[name]
    if branch.get(leaf) is None:
        branch[leaf] = "MERCHANT.EXAMPLE" if "descriptor" in leaf else f"Test {leaf}"


def _new_only(known: Json, given: Json) -> Json:
    """Of what is given, what is not known yet."""
    fresh: Json = {}
    for name, value in given.items():
        if isinstance(value, dict):
            fresh[name] = _new_only(known.get(name) or {}, value)
        elif known.get(name) is None:
            fresh[name] = value
    return fresh


def _name_after(account: Json) -> None:
    """What the business is called where nobody said: after its address on the web."""
    address = account["business_profile"]["url"] or ""
    host = urlsplit(address if "//" in address else f"//{address}").hostname
    if not host or account["controller"].get("requirement_collection") != "application":
        return
    settings = account["settings"]
    if settings["payments"]["statement_descriptor"] is None:
        settings["payments"]["statement_descriptor"] = host.removeprefix("www.").upper()[:22]
    if settings["dashboard"]["display_name"] is None:
        settings["dashboard"]["display_name"] = host.removeprefix("www.").split(".")[0].title()


def _in_order(account: Json) -> None:
    """Fields in the order in which Stripe serves them."""
    ordered = dict(sorted(account.items()))
    account.clear()
    account.update({"id": ordered.pop("id"), "object": ordered.pop("object"), **ordered})


def _deepen(known: Json, given: Json, blank: Json) -> None:
    """Take over what is given, leaf by leaf; what is unset is again as it was at first."""
    for name, value in given.items():
        first = blank.get(name)
        if value is None and name not in blank:
            known.pop(name, None)
        elif value is None:
            known[name] = copied(first)
        elif isinstance(value, dict) and isinstance(known.get(name), dict):
            _deepen(known[name], value, first if isinstance(first, dict) else {})
        else:
            known[name] = _without_nothing(value)


def _without_nothing(value: Any) -> Any:
    """What is given for the first time has no empty fields."""
    if not isinstance(value, dict):
        return value
    return {name: _without_nothing(below) for name, below in value.items() if below is not None}


def _read(given: Any, name: str = "") -> Any:
    """Values of a form as they are kept: an empty one unsets."""
    if isinstance(given, dict):
        return {key: _read(value, key) for key, value in given.items()}
    if isinstance(given, list):
        return [_read(value, name) for value in given]
    if given == "":
        return None
    if name in _WHOLE:
        return whole(name, given)
    if name in _FLAGS:
        return given is True or str(given).lower() == "true"
    return float(given) if name == "percent_ownership" else given


def _texts(given: Any) -> dict[str, str]:
    return {key: str(value) for key, value in given.items()} if isinstance(given, dict) else {}
