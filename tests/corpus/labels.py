"""What is known of a planted difference: what a right report says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.domain.findings import Cause, FindingKind

if TYPE_CHECKING:
    from tests.corpus.month import Month


@dataclass(frozen=True, slots=True)
class Label:
    """One difference: Stripe minus books, in minor units of `currency`. `timing` says that it
    should clear by itself; `also` are causes under which other findings, without money, may speak
    of the same thing (of the same object, or of one that belongs to it)."""

    object: str
    currency: str
    amount: int
    kind: FindingKind
    cause: Cause
    timing: bool = False
    also: frozenset[Cause] = frozenset()
    about: frozenset[str] = frozenset()


Act = Callable[["Month"], Awaitable[list[Label]]]

STAGES = ("unsent", "lost", "rows", "recent")
"""When a plant is put in: before the sweep of Stripe's events, after it, once everything else is
done, in the last minutes of the month."""


@dataclass(frozen=True, slots=True)
class Plant:
    """One way in which a difference comes about. `alone` plants do not bear another like them in
    the same month: what they break is one thing for everything. `mended` ones need events in our
    own API version: an object that is read again leaves nothing to find."""

    name: str
    stage: str
    act: Act
    alone: bool = False
    mended: bool = False
