"""One repair as it is being done, and what every way of repairing has.

A way looks first (outside any transaction: it may ask Stripe), then acts inside one. The same act
makes the preview, rolled back, and the repair, committed. Must not know any particular way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice
from reconciler.money_out.sending import Handling, Sending
from reconciler.oversight.audit import Actor
from reconciler.store.database import Session


@dataclass(slots=True)
class Work:
    """A repair under way. `made` is what it makes, `says` what else a person should know of it,
    `waits` why it waits for a second person, `attempt` what is to be sent once it is committed."""

    session: Session
    context: Context
    finding: Mapping[str, Any]
    choice: Choice
    actor: Actor
    id: str
    now: int
    made: str = ""
    says: list[str] = field(default_factory=list)
    waits: tuple[str, ...] = ()
    attempt: Sending | None = None

    @property
    def reference(self) -> str:
        return str(self.finding["reference"])

    @property
    def currency(self) -> str:
        return str(self.finding["currency"])


Looked = Any
"""What a way read before it acts; of its own kind."""


async def no_look(_: Context, __: Mapping[str, Any], ___: Choice) -> None:
    """Nothing has to be read before."""


async def nothing_foreseen(_: Work, __: Looked) -> None:
    """Nothing more is to come from Stripe."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one kind of repair is done.

    `look` reads what it rests on, and may refuse. `act` does it, in the caller's transaction under
    the books' lock, or says why not; then nothing may be kept. `foresee` adds what Stripe is going
    to say of it, in a transaction that is rolled back. `handling` is how what was prepared is sent,
    once that is committed. `undo` takes it back in the caller's transaction, or says why not.
    `fresh` says that Stripe's movements are read again before looking whether the finding has
    cleared.
    """

    act: Callable[[Work, Looked], Awaitable[Refusal | None]]
    look: Callable[[Context, Mapping[str, Any], Choice], Awaitable[Looked]] = no_look
    foresee: Callable[[Work, Looked], Awaitable[None]] = nothing_foreseen
    handling: Handling | None = None
    undo: Callable[[Work, Mapping[str, Any]], Awaitable[Refusal | None]] | None = None
    fresh: bool = False


class RolledBack(Exception):
    """Ends a transaction that must leave nothing behind; carries what it came to."""

    def __init__(self, outcome: Any) -> None:
        super().__init__("rolled back")
        self.outcome = outcome


def noting_ids(context: Context) -> tuple[Context, list[str]]:
    """The same context, and the list of every id that it gives out from now on."""
    given: list[str] = []

    def new_id(prefix: str) -> str:
        id = context.new_id(prefix)
        given.append(id)
        return id

    return replace(context, new_id=new_id), given
