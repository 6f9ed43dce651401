"""All state, and nothing else: one book of objects per Stripe account.

Everything is dictionaries and lists of plain values, in the order it came to be, so that a world
can be stored and compared. Keys that start with an underscore are the simulator's own notes and are
never served. What objects mean is decided in the rooms of their families; this room only keeps
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.clock import Clock
from reconciler.simulator.kernel.form import Form
from reconciler.simulator.kernel.ids import Ids
from reconciler.simulator.kernel.journal import Journal
from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.kernel.shelf import Shelf

Json = dict[str, Any]


class Book:
    """One Stripe account: its objects, its money, and who belongs to whom."""

    def __init__(self, account: Json) -> None:
        self.account = account
        self.id: str = account["id"]
        self.shelves: dict[str, Shelf] = {}
        self.children: dict[str, list[str]] = {}
        self.totals: dict[str, dict[str, int]] = {}
        # Of the totals, what came from bank accounts; and what is held outside of them.
        self.bank_totals: dict[str, dict[str, int]] = {}
        self.pots: dict[str, dict[str, int]] = {}
        # Balance transactions by the day on which they become available, and by currency those
        # available that no automatic payout consists of yet.
        self.unsettled: dict[str, list[str]] = {}
        self.unpaid: dict[str, list[str]] = {}
        # By currency, what the platform holds because this account owes it.
        self.reserved: dict[str, Json] = {}
        self.grown = False
        self.settlement_override: int | None = None
        self.schedule: Json = {"hour": 6, "plan": 0}
        self.payout_settings: Json = {"minimum": {}, "start_of_day": None}
        self.deleted = False

    def shelf(self, kind: str) -> Shelf:
        """Objects of a kind, oldest first."""
        shelf = self.shelves.get(kind)
        if type(shelf) is not Shelf:
            shelf = self.shelves[kind] = Shelf(shelf, kind)
        return shelf

    def get(self, kind: str, object_id: str, param: str = "id") -> Json:
        found = self.shelf(kind).get(object_id)
        if found is None:
            raise refusals.no_such(kind, object_id, param)
        return found

    def belong(self, parent: str, relation: str, child: str) -> None:
        self.children.setdefault(f"{parent}/{relation}", []).append(child)

    def belonging(self, parent: str, relation: str, kind: str) -> list[Json]:
        """Children of an object, oldest first."""
        shelf = self.shelf(kind)
        return [shelf[child] for child in self.children.get(f"{parent}/{relation}", [])]


class World:
    def __init__(self, *, seed: int, now: int, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock(now)
        self.ids = Ids(seed)
        self.journal = Journal(self.clock, settings.journal_entries)
        self.books: dict[str, Book] = {}
        self.index: dict[str, tuple[str, str]] = {}
        self.platform = ""
        self.publish: Callable[[Book, Json], None] = lambda book, event: None
        self.follows: dict[str, Callable[[Call, Json], None]] = {}

    def put(self, book: Book, kind: str, thing: Json) -> Json:
        book.shelf(kind)[thing["id"]] = thing
        self.index[thing["id"]] = (book.id, kind)
        return thing

    def find(self, object_id: str) -> tuple[Book, Json] | None:
        """An object of any account, by id."""
        if object_id in self.books:
            book = self.books[object_id]
            return book, book.account
        where = self.index.get(object_id)
        if where is None:
            return None
        book = self.books[where[0]]
        return book, book.shelves[where[1]][object_id]

    def live_books(self) -> Iterator[Book]:
        return (book for book in self.books.values() if not book.deleted)

    @property
    def home(self) -> Book:
        return self.books[self.platform]


@dataclass(frozen=True)
class Call:
    """One command or question: in which account, with what, and who asked.

    `request` and `key` are null for what happens by itself and for what people do in the Dashboard,
    and so they are in the events it causes. `address` is where the simulator was reached: links to
    its own pages begin with it.
    """

    world: World
    book: Book
    form: Form = field(default_factory=Form)
    path: dict[str, str] = field(default_factory=dict)
    request: str | None = None
    key: str | None = None
    hidden: frozenset[str] = frozenset()
    asked_version: str | None = None
    address: str = "http://stripe.test"

    def at(self, book: Book) -> Call:
        """The same cause, in another account."""
        return replace(self, book=book)

    def asking(self, **values: Any) -> Call:
        """The same cause, with another form."""
        given = {name: value for name, value in values.items() if value is not None}
        return replace(self, form=Form(given), path={})

    @property
    def now(self) -> int:
        return self.world.clock.now()

    @property
    def settings(self) -> Settings:
        return self.world.settings

    @property
    def version(self) -> str:
        """The API version asked for, or the account's own."""
        return self.asked_version or self.world.settings.account_version

    @property
    def on_platform(self) -> bool:
        return self.book.id == self.world.platform
