"""A shelf: objects of one kind by id, oldest first, and quick to walk from any place in it.

To everybody else it is a dictionary. Beside that it knows where every object stands, so that a list
can go on from a cursor, start in the middle of time, or follow one value of one field, without
passing over all the others. What it knows is gathered when first asked for and kept up from then
on; none of it is state, and a shelf is stored as the dictionary that it is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

Json = dict[str, Any]

# Where the only object with a value stands, or where all of them do, in order.
Places = int | list[int]

INDEXED: dict[str, tuple[str, ...]] = {
    "balance_transaction": ("source", "type", "currency"),
    "charge": ("payment_intent",),
    "event": ("type",),
    "refund": ("charge", "payment_intent"),
    "transfer": ("transfer_group", "destination"),
    "transfer_reversal": ("transfer",),
}
"""Fields that lists are filtered by, and that never change once an object is on its shelf."""


class Shelf(dict[str, Json]):
    def __init__(self, rows: Mapping[str, Json] | None = None, kind: str = "") -> None:
        super().__init__(rows or {})
        self.indexed = INDEXED.get(kind, ())
        # Ids in the order they came; None where one has been taken away.
        self._ids: list[str | None] = list(self)
        self._places: dict[str, int] = {}
        self._times: list[int] = []
        self._monotone = True
        self._by_value: dict[str, dict[Any, Places]] = {}
        self._indexed_up_to: dict[str, int] = {}

    def __setitem__(self, object_id: str, row: Json) -> None:
        if object_id not in self:
            self._ids.append(object_id)
        super().__setitem__(object_id, row)

    def __delitem__(self, object_id: str) -> None:
        self._keep_up()
        super().__delitem__(object_id)
        self._ids[self._places.pop(object_id)] = None

    def pop(self, object_id: str, *default: Any) -> Any:
        if object_id not in self:
            return super().pop(object_id, *default)
        row = self[object_id]
        del self[object_id]
        return row

    def setdefault(self, object_id: str, default: Json) -> Json:
        if object_id not in self:
            self[object_id] = default
        return self[object_id]

    def update(self, rows: Mapping[str, Json]) -> None:  # type: ignore[override]
        for object_id, row in rows.items():
            self[object_id] = row

    def clear(self) -> None:
        for object_id in list(self):
            del self[object_id]

    def extend(self, rows: list[Json]) -> None:
        """Many new objects at once, oldest first."""
        ids = [row["id"] for row in rows]
        self._ids.extend(ids)
        super().update(zip(ids, rows, strict=True))

    # Walking.

    def place(self, object_id: str) -> int:
        """Where this object stands; a higher place came later."""
        self._keep_up()
        return self._places[object_id]

    def places(self, ids: list[str]) -> Sequence[int]:
        """Where these objects stand, looked up only as far as is read."""
        return _Places(self, ids)

    def span(self, bounds: Mapping[str, int]) -> tuple[int, int]:
        """The places, from and before, that can hold what was created within these bounds."""
        self._keep_up()
        low, high = 0, len(self._times)
        if not self._monotone:
            return low, high
        for bound, moment in bounds.items():
            after = bisect_right if bound in ("gt", "lte") else bisect_left
            place = after(self._times, moment)
            if bound in ("gt", "gte"):
                low = max(low, place)
            else:
                high = min(high, place)
        return low, high

    def walk(
        self, low: int, high: int, *, newest_first: bool, places: Sequence[int] | None = None
    ) -> Iterator[Json]:
        """What stands in [low, high), of these places only when they are given, in order."""
        chosen: Iterable[int]
        if places is None:
            chosen = range(high - 1, low - 1, -1) if newest_first else range(low, high)
        else:
            first, last = bisect_left(places, low), bisect_left(places, high)
            numbers = range(last - 1, first - 1, -1) if newest_first else range(first, last)
            chosen = (places[number] for number in numbers)
        for place in chosen:
            object_id = self._ids[place]
            if object_id is not None:
                yield self[object_id]

    def having(self, name: str, value: Any) -> list[int]:
        """Where the objects stand that have this value in an indexed field."""
        index, start = self._by_value.setdefault(name, {}), self._indexed_up_to.get(name, 0)
        for place in range(start, len(self._ids)):
            object_id = self._ids[place]
            if object_id is not None:
                _add(index, self[object_id].get(name), place)
        self._indexed_up_to[name] = len(self._ids)
        found = index.get(value, [])
        return [found] if isinstance(found, int) else found

    def _keep_up(self) -> None:
        """Take note of what came since the last look."""
        for place in range(len(self._times), len(self._ids)):
            object_id = self._ids[place]
            last = self._times[-1] if self._times else 0
            created: Any = last
            if object_id is not None:
                self._places[object_id] = place
                created = self[object_id].get("created")
            if not isinstance(created, int) or created < last:
                self._monotone, created = False, last
            self._times.append(created)


class _Places(Sequence[int]):
    def __init__(self, shelf: Shelf, ids: list[str]) -> None:
        self._shelf = shelf
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, number: int) -> int: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[int]: ...

    def __getitem__(self, number: int | slice) -> int | Sequence[int]:
        if isinstance(number, slice):
            return _Places(self._shelf, self._ids[number])
        return self._shelf.place(self._ids[number])


def _add(index: dict[Any, Places], value: Any, place: int) -> None:
    known = index.get(value)
    if known is None:
        index[value] = place
    elif isinstance(known, int):
        index[value] = [known, place]
    else:
        known.append(place)
