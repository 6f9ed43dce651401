"""What happens to an account without its platform: what merchants hand in, what Stripe then finds.

Stripe asks, checks, withholds and gives back. The pages that merchants see are elsewhere; so is
what follows for the account, in `requirements`.
"""

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.connect import (
    account_data,
    capabilities,
    external_accounts,
    requirements,
)
from reconciler.simulator.objects.connect.account_changes import changing
from reconciler.simulator.objects.notices import events

_PROOF = "verification.document"
_PROOF_DAYS = 14
_BLURRED = (
    "The image supplied is not readable. It may have been too blurry or not well lit. Upload a new "
    "document."
)
_MISMATCHED = "failed_keyed_identity"
_MISMATCH = (
    "The person's keyed-in identity information could not be verified. Correct any errors or "
    "upload a document that matches the identity fields entered."
)


# The merchant.


def meet(call: Call) -> Json:
    """Everything that is asked for is handed in, and found to be right at once."""
    with changing(call) as account:
        _hand_in(call)
        account.update(_asked={}, _errors=[], _being_checked=[])
    return account


def hand_in(call: Call) -> Json:
    """Everything that is asked for is handed in, and has to be checked first."""
    with changing(call) as account:
        checked = requirements.due(call.book) or [_proof(account)]
        _hand_in(call)
        account.update(_asked={}, _errors=[])
        kept = [field for field in checked if not field.startswith("tos_acceptance")]
        account["_being_checked"] = [f for f in kept if f != "external_account"] or kept
    due = call.now + call.settings.verification_seconds
    call.world.clock.at(due, "account_checked", account=call.book.id)
    return account


def hand_in_unreadable(call: Call) -> Json:
    """Everything is handed in, but the proof of identity cannot be read."""
    with changing(call) as account:
        _hand_in(call)
        field = _proof(account)
        account.update(_being_checked=[], _asked={field: {"by": call.now, "for": None}})
        account["_errors"] = [_error(account, "verification_document_not_readable", _BLURRED)]
    return account


def _hand_in(call: Call, *, told: bool = True) -> None:
    """Answer every question with test values; `told` says whether a new bank account is news."""
    book = call.book
    wanted = requirements.missing(book)
    # Who it is about may open further questions.
    while wanted:
        account_data.fill(call, book, wanted)
        if "external_account" in wanted:
            bank = external_accounts.bank_of_tests(call, book)
            if told:
                events.emit(call, "account.external_account.created", bank)
        left = requirements.missing(book)
        if left == wanted:
            break
        wanted = left
    book.account.update(_submitted=True, _unasked=False)


# Stripe.


def ask(call: Call, fields: list[str], by: int | None, *, later: bool = False) -> Json:
    """Stripe wants to know more, until then; `later` is for rules not in force yet."""
    with changing(call) as account:
        place = account["_asked_later" if later else "_asked"]
        place.update({field: {"by": by, "for": None} for field in fields})
    if by is not None:
        call.world.clock.at(max(by, call.now), "account_deadline", account=call.book.id)
    return account


def pass_deadline(world: World, account: str) -> None:
    """What was wanted until now is past due; rules of the future are in force."""
    book = world.books[account]
    if book.deleted:
        return
    call = Call(world, book)
    with changing(call) as kept:
        for field, entry in list(kept["_asked_later"].items()):
            if entry["by"] is not None and entry["by"] <= call.now:
                kept["_asked"][field] = kept["_asked_later"].pop(field)


def finish_check(world: World, account: str) -> None:
    """What was handed in has been checked, and is right."""
    book = world.books[account]
    if book.deleted or not book.account["_being_checked"]:
        return
    with changing(Call(world, book)) as kept:
        kept["_being_checked"] = []


def plan_identity_check(call: Call) -> None:
    """The person behind an account is checked by and by, while the account works already."""
    person = call.book.account.get("individual")
    born = person and (person["dob"] or {}).get("year")
    if person and born and person["verification"]["status"] == "unverified":
        person["verification"]["status"] = "pending"
        due = call.now + call.settings.verification_seconds
        call.world.clock.at(due, "person_checked", account=call.book.id)


def verify_person(world: World, account: str) -> None:
    """The person behind an account is who they say they are, or has to prove it."""
    book = world.books[account]
    person = account_data.held(book.account, "individual")
    if book.deleted or not person or person["verification"]["status"] != "pending":
        return
    call = Call(world, book)
    with changing(call) as kept:
        found: Json = {"status": "verified"}
        if person.get("_matches_nobody"):
            found = {"status": "unverified", "details": _MISMATCH, "details_code": _MISMATCHED}
            by = call.now + _PROOF_DAYS * DAY
            kept["_asked"][_proof(kept)] = {"by": by, "for": None}
            kept["_errors"] = [_error(kept, f"verification_{_MISMATCHED}", _MISMATCH)]
            world.clock.at(by, "account_deadline", account=book.id)
        verification = {**person["verification"], **found}
        events.amend(call, person, {"verification": verification}, "person.updated")


def set_capability(call: Call, name: str, status: str) -> Json:
    """Stripe's judgement of a merchant. An active one has handed in all there is to hand in."""
    if status not in ("active", "inactive", "pending"):
        raise refused(f"No such status of a capability: {status}", param="status")
    with changing(call) as account:
        capabilities.ask(account, {name: {"requested": "true"}}, call.now)
        account["_withheld"].pop(name, None)
        if status == "active":
            _hand_in(call, told=False)
            account.update(_asked={}, _errors=[], _being_checked=[], _rejected=None)
        else:
            account["_withheld"][name] = status
        if status == "inactive":
            account["_asked"][_proof(account)] = {"by": call.now, "for": name}
    return account


def withhold(call: Call, name: str) -> Json:
    """Stripe takes a capability away, and asks for nothing."""
    if name not in call.book.account["capabilities"]:
        raise refused(f"This account has no capability {name}.", param="name")
    with changing(call) as account:
        account["_withheld"][name] = "inactive"
    return account


def _error(account: Json, code: str, reason: str) -> Json:
    return {"code": code, "reason": reason, "requirement": _proof(account)}


def _proof(account: Json) -> str:
    business = account_data.held(account, "business_type")
    who = "individual" if business in (None, "individual") else "company"
    return f"{who}.{_PROOF}"
