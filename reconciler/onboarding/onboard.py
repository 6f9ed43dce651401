"""Onboard a merchant: a way into Stripe's pages, and the account that it leads to.

Start and continue are one: whoever asks gets a fresh link, to Stripe's form while something is
asked for and to the merchant's own Dashboard when nothing is. The account is read from Stripe each
time. A link is single-use and opens an account: it is answered, and kept nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from reconciler.context import Context
from reconciler.domain.countries import country_name
from reconciler.domain.cross_border import out_of_reach
from reconciler.domain.onboarding import Detail, State, Tenure, is_done, state_of
from reconciler.domain.refusals import Refusal
from reconciler.domain.requirements_words import disabled
from reconciler.domain.sending import Status
from reconciler.gateway.accounts import Link, login_link, onboarding_link, platform
from reconciler.gateway.client import Gateway
from reconciler.gateway.outcomes import Missing
from reconciler.gateway.outcomes import Refusal as StripeRefusal
from reconciler.money_out.resolve import settle
from reconciler.money_out.sending import Sending, send
from reconciler.onboarding.account_access import lost
from reconciler.onboarding.open_account import (
    BEING_OPENED,
    HANDLING,
    Wish,
    decide,
    last_attempt,
    outcome,
)
from reconciler.onboarding.read_account import read_account
from reconciler.onboarding.visits import new_visit
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import accounts, merchants
from reconciler.store.database import Row

GONE = (Tenure.DISCONNECTED, Tenure.DISCONNECTED_BY_MERCHANT)


@dataclass(frozen=True, slots=True)
class Way:
    """A fresh link, and where it leads: `onboarding` or `login`."""

    link: Link
    kind: str


@dataclass(frozen=True, slots=True)
class _Held:
    """A merchant's accounts as stored: the one in use, the one being opened, the last one left."""

    merchant: Row
    current: Row | None
    opening: Row | None
    left: Row | None


async def onboard(
    context: Context, stripe: Gateway, merchant: str, wish: Wish, actor: Actor
) -> Way | Refusal:
    """A way into Stripe's pages, or why there is none. Raises StripeUnavailable."""
    held = await _held(context, merchant)
    if held is None:
        return Refusal("unknown_merchant", f"There is no merchant {merchant}; create it first.")
    if held.opening is not None:
        refusal = _other_opening(held.opening, wish)
        refusal = refusal or await _go_on(context, stripe, held.opening["id"])
        return refusal or await _entered(context, stripe, merchant, actor)
    row = held.current or held.left
    detail = await read_account(context, stripe, row["stripe_account"], actor) if row else None
    if row is None or detail is None:
        return await _opened(context, stripe, held.merchant, wish, actor)
    if wish.country and wish.country != detail["country"]:
        refusal = _fixed(detail, wish.country) if held.current else None
        return refusal or await _opened(context, stripe, held.merchant, wish, actor)
    if held.current is None:
        refusal = await _reconnected(context, row, actor, wish.reason)
        if refusal is not None:
            return refusal
    return await _way(context, stripe, merchant, row, detail, actor)


async def being_sent(context: Context, merchant: str) -> bool:
    """Whether somebody else is at it: what they come to is known in a moment."""
    held = await _held(context, merchant)
    if held is None or held.opening is None:
        return held is not None and held.current is not None
    found = await last_attempt(context, held.opening["id"])
    return found is not None and found.status is Status.SENDING


async def _held(context: Context, merchant: str) -> _Held | None:
    async with context.database.read(snapshot=True) as session:
        found = await merchants.get(session, merchant)
        rows = await accounts.of_merchant(session, merchant) if found else []
    if found is None:
        return None
    left = [row for row in rows if row["state"] in GONE]
    return _Held(
        found,
        next((row for row in rows if row["state"] == Tenure.CURRENT), None),
        next((row for row in rows if row["state"] == Tenure.OPENING), None),
        max(left, key=lambda row: (row["valid_to"], row["id"]), default=None),
    )


def _other_opening(opening: Row, wish: Wish) -> Refusal | None:
    if not wish.country or wish.country == opening["country"]:
        return None
    return Refusal(
        "account_opening",
        f"An account in {country_name(opening['country'])} is being opened; once Stripe has"
        " confirmed it, the country can still be changed.",
    )


async def _go_on(context: Context, stripe: Gateway, opening_id: str) -> Refusal | None:
    """An opening whose outcome is open is looked after now, if that is due: why the merchant has no
    account yet, or None if it has."""
    found = await last_attempt(context, opening_id)
    if found is not None and stripe.not_now() is None:
        await settle(context, stripe, found)
        found = await last_attempt(context, opening_id)
    return outcome(found) if found is not None else BEING_OPENED


def _fixed(detail: Detail, country: str) -> Refusal | None:
    if not detail["details_submitted"]:
        return None
    return Refusal(
        "country_fixed",
        f"The merchant has already submitted details for {country_name(detail['country'])}, and"
        f" Stripe never changes an account's country. To go on in {country_name(country)}, pay out"
        " what is owed, disconnect the account, and connect again.",
    )


async def _opened(
    context: Context, stripe: Gateway, merchant: Row, wish: Wish, actor: Actor
) -> Way | Refusal:
    """A way into a new account, in place of the current one if there is one."""
    country = wish.country or merchant["country"]
    if not country:
        return Refusal("country_needed", 'Say in which country: POST {"country": "US"}.')
    busy = stripe.not_now()
    if busy is not None:
        return busy
    refusal = out_of_reach((await platform(stripe)).country, country, wish.agreement)
    if refusal is not None:
        return refusal
    decided = await _decided(context, merchant, replace(wish, country=country), actor)
    if isinstance(decided, Refusal):
        return decided
    refusal = outcome(await send(context, stripe, decided, HANDLING))
    return refusal or await _entered(context, stripe, merchant["id"], actor)


async def _decided(context: Context, merchant: Row, wish: Wish, actor: Actor) -> Sending | Refusal:
    """The decision, unless somebody else has decided since the merchant was read."""
    async with context.write() as session:
        await accounts.lock_merchant(session, merchant["id"])
        for row in await accounts.of_merchant(session, merchant["id"]):
            living = row["state"] in (Tenure.OPENING, Tenure.CURRENT)
            known = merchant["stripe_account"] == row["stripe_account"] != ""
            if living and not known:
                return BEING_OPENED
        return await decide(session, context, merchant["id"], wish, actor)


async def _entered(context: Context, stripe: Gateway, merchant: str, actor: Actor) -> Way | Refusal:
    """A way into the account that was opened just now."""
    held = await _held(context, merchant)
    if held is None or held.current is None:
        return BEING_OPENED
    account = held.current["stripe_account"]
    detail = await read_account(context, stripe, account, actor)
    if detail is None:
        return _not_shown()
    return await _way(context, stripe, merchant, held.current, detail, actor)


async def _reconnected(context: Context, row: Row, actor: Actor, reason: str) -> Refusal | None:
    """The account that was left is the merchant's again."""
    now = context.now()
    async with context.write() as session:
        await accounts.lock_merchant(session, row["merchant"])
        rows = await accounts.of_merchant(session, row["merchant"])
        if any(r["state"] in (Tenure.CURRENT, Tenure.OPENING) for r in rows):
            return BEING_OPENED
        await accounts.begun(session, row["id"], row["stripe_account"], now)
        after = {"stripe_account": row["stripe_account"], "reconnected": True}
        entry = Audit(actor, Action.ONBOARDING_STARTED, row["merchant"], None, after, reason)
        record(session, entry, now)
    return None


async def _way(
    context: Context, stripe: Gateway, merchant: str, row: Row, detail: Detail, actor: Actor
) -> Way | Refusal:
    if state_of(Tenure.CURRENT, detail) is State.REJECTED:
        return Refusal(
            "account_rejected",
            f"{disabled(detail['disabled_reason'])} No link can change that: the merchant can ask"
            " Stripe's support.",
        )
    kind = "login" if is_done(detail) else "onboarding"
    account = row["stripe_account"]
    if kind == "login":
        made = await login_link(stripe, account)
    else:
        made = await form_link(context, stripe, merchant, row)
    if isinstance(made, Missing):
        await lost(context, account, actor)
        return _not_shown()
    if isinstance(made, StripeRefusal):
        return Refusal("link_refused", f"Stripe gave no link: {made.message}")
    linked = Action.ONBOARDING_LOGIN_LINKED if kind == "login" else Action.ONBOARDING_LINKED
    async with context.write() as session:
        entry = Audit(actor, linked, merchant, None, {"stripe_account": account})
        record(session, entry, context.now())
    return Way(made, kind)


async def form_link(
    context: Context, stripe: Gateway, merchant: str, row: Row
) -> Link | Missing | StripeRefusal:
    """A fresh link to Stripe's form, which leads back to our pages with a token of their own."""
    token = await new_visit(context, merchant, row["id"])
    back = f"{context.base_url}/connect/{quote(merchant, safe='')}"
    return await onboarding_link(
        stripe,
        row["stripe_account"],
        f"{back}?stripe=return&visit={token}",
        f"{back}?stripe=refresh&visit={token}",
    )


def _not_shown() -> Refusal:
    return Refusal(
        "access_ended",
        "Stripe does not show this account to the platform any more: the merchant ended the"
        " connection. Ask again to open a new account.",
    )
