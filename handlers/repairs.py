"""Repairs over HTTP: what one would do, doing just that, and taking it back.

What was shown is what is done: a body carries the digest of its preview. Must not decide what fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from handlers.answers import made
from handlers.bodies import LARGEST_AMOUNT, Amount, Body, Note, body_of
from handlers.findings import Digest, shown_again
from handlers.problems import Problem, path_id
from reconciler.context import Context
from reconciler.domain.audit import Actor
from reconciler.domain.repairs import READS_AGAIN, Choice, Repair
from reconciler.moments import rendered
from reconciler.oversight.keys import Role, role_named
from reconciler.reconciling.repairing import repair, views
from reconciler.reconciling.repairing.repair import Asked, Shown
from reconciler.reconciling.repairing.undo import undo

Word = Annotated[str, StringConstraints(max_length=300, pattern=r"^[\x20-\x7e]*$")]


class Wanted(Body):
    """A repair, and what was chosen of what it asks for. Amounts in minor units."""

    repair: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    account: Word = ""
    merchant: Word = ""
    amount: Amount | None = None
    reason: Word = ""
    note: Note = ""
    cap: Annotated[int, Field(ge=0, le=LARGEST_AMOUNT)] | None = None
    days: Annotated[int, Field(ge=1, le=366)] | None = None


class Confirmed(Wanted):
    """The same, with the digest that its preview showed."""

    digest: Digest


class Undone(Body):
    """The repair that is to be taken back, and why."""

    repair: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    note: Note = ""


def choice_of(asked: Wanted) -> Choice:
    """What was chosen. Raises Problem 400 for a repair that there is not."""
    if asked.repair not in tuple(Repair):
        detail = f"repair must be one of {', '.join(Repair)}."
        raise Problem(400, "unknown_repair", detail, field="repair")
    names = ("account", "merchant", "amount", "reason", "note", "cap", "days")
    return Choice(Repair(asked.repair), **{name: getattr(asked, name) for name in names})


def require_role(choice: Choice, actor: Actor) -> None:
    """Raises Problem 403 where the repair decides about money and the key may not."""
    if choice.repair not in READS_AGAIN and role_named(actor.role) < Role.FINANCE:
        detail = f"{choice.repair.value} needs a key of role finance or above."
        raise Problem(403, "forbidden", detail)


async def previewed(context: Context, request: Request) -> Any:
    """`POST /v1/drift/findings/{id}/repair/preview`: changes nothing."""
    choice = choice_of(await body_of(request, Wanted))
    done = await repair.preview(context, path_id(request), choice, request.state.actor)
    if isinstance(done, Shown):
        raise shown_again(done, context.now())
    return rendered(done)


async def applied(context: Context, request: Request) -> Response:
    """`POST /v1/drift/findings/{id}/repair`, with the digest of the preview."""
    asked = await body_of(request, Confirmed)
    choice = choice_of(asked)
    require_role(choice, request.state.actor)
    who = Asked(request.state.actor, request.state.claim)
    done = await repair.apply(context, path_id(request), choice, asked.digest, who)
    return made(await outcome(context, done))


async def undone(context: Context, request: Request) -> Any:
    """`POST /v1/drift/findings/{id}/undo`: takes a repair back, where that can be done."""
    asked = await body_of(request, Undone)
    who = Asked(request.state.actor, request.state.claim)
    done = await undo(context, path_id(request), asked.repair, asked.note, who)
    return rendered(await outcome(context, done))


async def outcome(context: Context, done: dict[str, Any] | Shown) -> dict[str, Any]:
    """What was done, with the finding as it stands and why it has not cleared, if it has not.
    Raises the Problem of a refusal."""
    now = context.now()
    if isinstance(done, Shown):
        raise shown_again(done, now)
    finding = done["finding"]
    async with context.database.read(snapshot=True) as session:
        made_ = await views.repair_shown(session, done["repair"])
    return {
        **made_,
        "finding": views.shown(finding, now),
        "cleared": not done["left"],
        "left": [each["id"] for each in done["left"]],
        "why_not": why_not(done["left"], made_, done["unread"]),
    }


def why_not(left: Sequence[Mapping[str, Any]], made_: Mapping[str, Any], unread: str) -> str | None:
    """Why something is left to be found about that money, in a sentence; None if nothing is."""
    if not left:
        return None
    finding = left[0]
    if unread:
        return f"Stripe could not be read again ({unread}); the next run shows it."
    if made_["made_status"] == "awaiting_approval":
        return "It waits for a second person."
    if made_["made_status"] in ("pending", "sending", "unknown"):
        return "Stripe has not answered yet; the finding clears when it has."
    if finding["status"] == "suppressed":
        return "It is set aside, and keeps its difference."
    return str(finding["explanation"])
