"""Connected accounts at Stripe: links into their pages, and all of them page by page.

Opening one is a command like any other and goes through `sending`; here is what it sends. Links are
single-use and open somebody's account: they are handed on, and never stored or logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import stripe

from reconciler.domain.cross_border import Agreement
from reconciler.domain.snapshot import PLATFORM, Snapshot
from reconciler.gateway import fields
from reconciler.gateway.account_fields import MERCHANT_METADATA, OPENING_METADATA, is_account
from reconciler.gateway.client import Gateway, Page
from reconciler.gateway.outcomes import Ending, Missing, Refusal, StripeUnavailable, outcome_of

ACCOUNTS = "/v1/accounts"
PAGE = 100


@dataclass(frozen=True, slots=True)
class Link:
    """An address at Stripe that works once. `expires_at` is 0 where Stripe does not say."""

    url: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True)
class Opening:
    """An account that is to be opened: for which decision of ours, and as what."""

    merchant: str
    id: str
    country: str
    email: str = ""
    capabilities: tuple[str, ...] = ("transfers",)
    agreement: Agreement = Agreement.FULL


def opening(new: Opening) -> dict[str, Any]:
    """What opens an Express account that can be paid by transfer. Recipients take no payments.

    https://docs.stripe.com/api/accounts/create
    """
    recipient = new.agreement is Agreement.RECIPIENT
    wanted = ("transfers",) if recipient else new.capabilities
    return {
        "type": "express",
        "country": new.country,
        **({"email": new.email} if new.email else {}),
        "capabilities": {name: {"requested": True} for name in wanted},
        **({"tos_acceptance": {"service_agreement": new.agreement.value}} if recipient else {}),
        "metadata": {MERCHANT_METADATA: new.merchant, OPENING_METADATA: new.id},
    }


async def onboarding_link(
    door: Gateway, account: str, return_url: str, refresh_url: str
) -> Link | Missing | Refusal:
    """A way into Stripe's form. Raises StripeUnavailable.

    https://docs.stripe.com/api/account_links/create
    """
    parameters = {
        "account": account,
        "type": "account_onboarding",
        "return_url": return_url,
        "refresh_url": refresh_url,
        "collection_options": {"fields": "eventually_due", "future_requirements": "include"},
    }
    return await _link(door, "/v1/account_links", parameters)


async def login_link(door: Gateway, account: str) -> Link | Missing | Refusal:
    """A way into the Express Dashboard. Raises StripeUnavailable."""
    return await _link(door, f"{ACCOUNTS}/{account}/login_links", {})


async def _link(
    door: Gateway, path: str, parameters: Mapping[str, Any]
) -> Link | Missing | Refusal:
    """A link that is made in vain does nothing: no key, no proof, no second look."""
    try:
        body = await door._request("post", path, **parameters)
    except stripe.StripeError as error:
        outcome = outcome_of(error)
        if outcome.refusal.code in ("account_invalid", "resource_missing"):
            return Missing(outcome.refusal.message)
        if outcome.ending is Ending.REFUSED:
            return outcome.refusal
        raise StripeUnavailable(path, error, "POST") from error
    url = body.get("url")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise StripeUnavailable(path, stripe.APIError("the answer holds no address"), "POST")
    try:
        return Link(url, fields.seconds(body, "expires_at", 0))
    except fields.Unreadable:
        return Link(url, 0)


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform's own account, and its country in two capitals."""

    id: str
    country: str


async def platform(door: Gateway) -> Platform:
    """The account that our key belongs to. Raises StripeUnavailable, or Unreadable."""
    body = await door.get("/v1/account", {}, PLATFORM)
    return Platform(fields.text(body, "id"), fields.text(body, "country"))


async def page(door: Gateway, cursor: str, read_at: int) -> Page[Snapshot]:
    """One page of every account connected to the platform, newest first.

    Raises StripeUnavailable, or Unreadable.
    """
    parameters: dict[str, Any] = {"limit": PAGE}
    if cursor:
        parameters["starting_after"] = cursor
    body = await door.get(ACCOUNTS, parameters, PLATFORM)
    rows = [row for row in fields.rows(body, "data") if is_account(row)]
    found = [s for row in rows for s in door.read_answer(row, read_at)]
    return Page(tuple(found), fields.next_cursor(body))
