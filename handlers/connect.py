"""The command API of onboarding: start or continue, look, disconnect.

A link is answered once and kept nowhere, so these answers are not replayed: asking again is safe,
and gives a fresh link to the one account.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator
from starlette.requests import Request
from starlette.responses import Response

from handlers.answers import stripe_of
from handlers.bodies import Id, Why, body_of
from handlers.problems import Problem, not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.countries import NAMES
from reconciler.domain.cross_border import Agreement
from reconciler.domain.onboarding import State, Tenure
from reconciler.domain.refusals import Refusal
from reconciler.domain.requirements_words import Asked, capability
from reconciler.moments import moment
from reconciler.onboarding.adopt_account import adopt_account
from reconciler.onboarding.connections import Connection, Holding, connection
from reconciler.onboarding.disconnect import disconnect
from reconciler.onboarding.onboard import Way, being_sent, onboard
from reconciler.onboarding.open_account import BEING_OPENED, Wish
from reconciler.oversight.audit import Actor
from reconciler.oversight.keys import Role

LOOKS = 25
LOOK_SECONDS = 0.2
"""How often and how long a second click waits for the first: five seconds."""

EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")


def _country(written: str) -> str:
    if written not in NAMES:
        raise ValueError("must be a two-letter ISO 3166 code in capitals, such as US")
    return written


def _email(written: str) -> str:
    if not EMAIL.fullmatch(written):
        raise ValueError("must be an e-mail address")
    return written


class ConnectAsked(Why):
    """What onboarding begins with; nothing of it is needed to continue."""

    country: Annotated[str, AfterValidator(_country)] | None = None
    email: Annotated[str, AfterValidator(_email)] | None = None
    service_agreement: Literal["full", "recipient"] = "full"
    stripe_account: Id | None = None


class DisconnectAsked(Why):
    """Whether to insist, and why."""

    force: bool = False


async def started(context: Context, request: Request) -> Any:
    """A fresh link to Stripe's pages: `{"url", "expires_at", "kind"}`."""
    merchant, actor = path_id(request), request.state.actor
    asked = await body_of(request, ConnectAsked)
    if asked.stripe_account is not None:
        return await _adopted(context, request, merchant, asked)
    agreement = Agreement(asked.service_agreement)
    wish = Wish(asked.country or "", asked.email or "", agreement, asked.reason)
    way = await _way(context, merchant, wish, actor)
    if isinstance(way, Refusal):
        raise refused(way)
    answer = {
        "url": way.link.url,
        "expires_at": moment(way.link.expires_at),
        "kind": way.kind,
    }
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(answer), 200, headers, media_type="application/json")


async def _way(context: Context, merchant: str, wish: Wish, actor: Actor) -> Way | Refusal:
    """A fresh link. Whoever clicks while somebody else's click is opening the account waits for
    that, and gets a link of their own to the same account."""
    stripe = stripe_of(context)
    for _ in range(LOOKS):
        way = await onboard(context, stripe, merchant, wish, actor)
        if way is not BEING_OPENED or not await being_sent(context, merchant):
            return way
        await asyncio.sleep(LOOK_SECONDS)
    return BEING_OPENED


async def _adopted(
    context: Context, request: Request, merchant: str, asked: ConnectAsked
) -> dict[str, Any]:
    """The merchant's money goes to that account from now on: an admin's decision."""
    _admin_only(request, "stripe_account")
    if asked.model_fields_set - {"reason"} != {"stripe_account"}:
        sentence = "stripe_account stands alone: the account is opened already, as what it is."
        raise Problem(400, "invalid_body", sentence, field="stripe_account")
    account, actor, why = asked.stripe_account or "", request.state.actor, asked.reason
    refusal = await adopt_account(context, stripe_of(context), merchant, account, actor, reason=why)
    if refusal is not None:
        raise refused(refusal)
    return await _shown(context, merchant)


async def state(context: Context, request: Request) -> Any:
    """Where the merchant stands with Stripe, as last heard."""
    return await _shown(context, path_id(request))


async def ended(context: Context, request: Request) -> Any:
    """The merchant is disconnected, on our side only."""
    merchant, actor = path_id(request), request.state.actor
    asked = await body_of(request, DisconnectAsked)
    if asked.force:
        _admin_only(request, "force")
    if asked.force and not asked.reason.strip():
        raise Problem(400, "invalid_body", "force needs a reason; it is kept.", field="reason")
    row = await disconnect(context, merchant, actor, force=asked.force, reason=asked.reason)
    if isinstance(row, Refusal):
        raise refused(row)
    return await _shown(context, merchant)


def _admin_only(request: Request, field: str) -> None:
    if request.state.actor.role != Role.ADMIN.name.lower():
        raise Problem(403, "forbidden", f"{field} needs a key of role admin.", field=field)


async def _shown(context: Context, merchant: str) -> dict[str, Any]:
    async with context.database.read(snapshot=True) as session:
        found = await connection(session, merchant)
    if found is None:
        raise not_found("merchant", merchant)
    return rendering(found)


def rendering(found: Connection) -> dict[str, Any]:
    """A connection as the interface has it."""
    holding = found.holding
    failure = found.last_failure
    return {
        "merchant": found.merchant["id"],
        **(_account(holding) if holding else _nothing(found)),
        "disconnected_by": _ended_by(found),
        "last_failure": failure
        and {
            "country": failure["country"],
            "code": failure["failure_code"],
            "message": failure["failure_message"],
            "at": moment(failure["updated_at"]),
        },
        "earlier_accounts": [_account(earlier) for earlier in found.earlier],
    }


def _nothing(found: Connection) -> dict[str, Any]:
    return {
        "state": found.state.value,
        "country": found.merchant["country"] or None,
        "stripe_account": None,
        "receives_payouts": False,
        "next_step": found.standing.next_step,
    }


def _ended_by(found: Connection) -> str | None:
    if found.state is not State.DISCONNECTED or found.holding is None:
        return None
    left = found.holding.tenure["state"] == Tenure.DISCONNECTED_BY_MERCHANT
    return "merchant" if left else "platform"


def _account(holding: Holding) -> dict[str, Any]:
    tenure, standing, detail = holding.tenure, holding.standing, holding.detail or {}
    return {
        "state": standing.state.value,
        "country": detail.get("country") or tenure["country"] or None,
        "stripe_account": tenure["stripe_account"] or None,
        "valid_from": moment(tenure["valid_from"]),
        "valid_to": moment(tenure["valid_to"]),
        "receives_payouts": standing.receives_payouts,
        "reaches_bank": standing.reaches_bank,
        "details_submitted": detail.get("details_submitted") is True,
        "service_agreement": detail.get("service_agreement") or None,
        "capabilities": [
            {"name": name, "status": status, "words": capability(name)}
            for name, status in sorted(detail.get("capabilities", {}).items())
        ],
        "requirements": {
            "current_deadline": moment(standing.current_deadline),
            "past_due": _listed(standing.past_due),
            "currently_due": _listed(standing.due_now),
            "eventually_due": _listed(standing.due_later),
            "pending_verification": _listed(standing.being_checked),
            "future_deadline": moment(standing.future_deadline),
            "future_due": _listed(standing.due_in_future),
        },
        "disabled_reason": {"code": standing.disabled_reason, "words": standing.disabled_words}
        if standing.disabled_reason
        else None,
        "next_step": standing.next_step,
        "as_of": moment(holding.as_of),
    }


def _listed(asked: Iterable[Asked]) -> list[dict[str, Any]]:
    return [
        {"words": a.words, "fields": list(a.fields), "problem": a.problem or None} for a in asked
    ]
