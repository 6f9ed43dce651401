"""Forms of the console's pages: small, each field once.

Whether a form came from a page of ours is checked where its sender is: in `auth`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

from starlette.requests import Request

from handlers.bodies import LARGEST_AMOUNT, raw_body
from handlers.problems import Problem
from reconciler.domain.money import exponent

LARGEST_FORM = 16 * 1024
MOST_FIELDS = 20
LONGEST_NOTE = 500


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form. Raises Problem 400 or 413."""
    raw = await raw_body(request, LARGEST_FORM, "The form is larger than 16 KiB.")
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise Problem(400, "bad_form", "The form cannot be read; open the page again.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Problem(400, "bad_form", "A field of the form came twice; open the page again.")
    return form


def note_of(form: Mapping[str, str], name: str = "reason") -> str:
    """What somebody wrote. Raises Problem 400 if it cannot be kept."""
    note = form.get(name, "").strip()
    if len(note) > LONGEST_NOTE or "\x00" in note:
        detail = f"The {name} must be at most {LONGEST_NOTE} characters."
        raise Problem(400, f"bad_{name}", detail)
    return note


def minor_of(form: Mapping[str, str], name: str, currency: str) -> int | None:
    """An amount that a person wrote in major units, in minor units; None for none. Raises Problem
    400 for what is no amount of that currency."""
    written = form.get(name, "").strip().replace(",", "")
    if not written:
        return None
    bad = Problem(400, f"bad_{name}", f"{name} must be an amount in {currency}, as 12.50.")
    try:
        amount = Decimal(written).scaleb(exponent(currency)) if currency else Decimal("NaN")
    except InvalidOperation:
        raise bad from None
    if not amount.is_finite() or amount != int(amount) or not 0 <= amount <= LARGEST_AMOUNT:
        raise bad
    return int(amount)
