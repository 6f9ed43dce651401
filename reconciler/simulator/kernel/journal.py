"""What happened, in order: one list of plain entries, findable by the ids they are about.

Requests, acts, events, movements of money, deliveries and controls are noted here by those who
carry them out. The journal is bounded: the oldest entries are forgotten first. It explains the
world to people and decides nothing in it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import dropwhile, islice
from typing import Any

from reconciler.simulator.kernel.clock import Clock

Entry = dict[str, Any]

KINDS = ("request", "act", "event", "money", "delivery", "control")

# The fields by which objects name each other.
_LINKS = (
    "id",
    "payment_intent",
    "charge",
    "latest_charge",
    "source_transaction",
    "transfer",
    "destination",
    "destination_payment",
    "customer",
    "payment_method",
    "setup_intent",
    "balance_transaction",
    "payout",
    "source",
)


class Journal:
    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._entries: dict[int, Entry] = {}
        self._about: dict[str, deque[int]] = {}
        self.written = 0

    def note(self, kind: str, account: str, about: Iterable[str | None], **details: Any) -> None:
        """Write down one thing that happened; `about` are the ids by which it is to be found."""
        self.written += 1
        entry = {
            "number": self.written,
            "at": self._clock.now(),
            "kind": kind,
            "account": account,
            "about": list(dict.fromkeys(id_ for id_ in about if id_)),
            **details,
        }
        self._add(entry)
        if len(self._entries) > self._limit:
            self._forget_oldest()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """Oldest first."""
        return (self._entries[number] for number in range(self._oldest, self.written + 1))

    @property
    def _oldest(self) -> int:
        """Numbers have no gaps, so that nothing has to be searched for."""
        return self.written - len(self._entries) + 1

    def entry(self, number: int) -> Entry | None:
        return self._entries.get(number)

    def newest(self, about: str | None = None, before: int | None = None) -> Iterator[Entry]:
        """Newest first, of one object or of all, from below a number on."""
        below = self.written + 1 if before is None else min(before, self.written + 1)
        if about is None:
            numbers: Iterable[int] = range(below - 1, self._oldest - 1, -1)
        else:
            found = reversed(self._about.get(about, deque()))
            numbers = dropwhile(lambda number: number >= below, found)
        return (self._entries[number] for number in numbers)

    def state(self) -> dict[str, Any]:
        return {"written": self.written, "entries": list(self._entries.values())}

    def restore(self, state: dict[str, Any]) -> None:
        self._entries.clear()
        self._about.clear()
        self.written = state["written"]
        for entry in islice(state["entries"], max(0, len(state["entries"]) - self._limit), None):
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        number: int = entry["number"]
        self._entries[number] = entry
        for id_ in entry["about"]:
            self._about.setdefault(id_, deque()).append(number)

    def _forget_oldest(self) -> None:
        oldest = self._entries.pop(self._oldest)
        for id_ in oldest["about"]:
            numbers = self._about[id_]
            numbers.popleft()
            if not numbers:
                del self._about[id_]


def linked(thing: dict[str, Any]) -> Iterator[str]:
    """The ids of an object and of those it names, by which it is to be found."""
    for name in _LINKS:
        value = thing.get(name)
        if isinstance(value, str) and "_" in value:
            yield value
