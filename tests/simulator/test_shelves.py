"""Shelves and the lists read from them: quick to walk, and nothing lost or seen twice."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.shelf import Shelf
from reconciler.simulator.kernel.world import Call

ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), max_size=40)


def row(number: int, created: int, value: str = "a") -> dict:
    return {"id": f"x_{number}", "object": "thing", "created": created, "source": value}


def filled(rows: list[tuple[int, str]]) -> Shelf:
    """A shelf of rows so many seconds apart."""
    shelf, now = Shelf(kind="balance_transaction"), 1_000
    for number, (pause, value) in enumerate(rows):
        now += pause
        shelf[f"x_{number}"] = row(number, now, value)
    return shelf


def asked(**form: object) -> Call:
    sim = Simulator()
    return Call(sim.world, sim.world.home).asking(**form)


def ids(call: Call, shelf: Shelf) -> list[str]:
    return [each["id"] for each in page(call, shelf, equal=("source",))["data"]]


def test_a_shelf_is_a_dictionary():
    shelf = filled([(0, "a"), (1, "b"), (1, "c")])
    assert list(shelf) == ["x_0", "x_1", "x_2"]
    assert shelf.pop("x_1")["source"] == "b"
    assert shelf.pop("x_1", None) is None
    assert "x_1" not in shelf
    assert len(shelf) == 2
    shelf.update({"x_9": row(9, 2_000)})
    assert shelf.setdefault("x_9", {})["created"] == 2_000
    assert [each["id"] for each in reversed(shelf.values())] == ["x_9", "x_2", "x_0"]
    shelf.clear()
    assert not shelf
    assert ids(asked(), shelf) == []


@given(rows=ROWS, gone=st.sets(st.integers(0, 39)), limit=st.integers(1, 7), value=st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_walk_in_either_direction_sees_everything_once(rows, gone, limit, value):
    shelf = filled(rows)
    ids(asked(), shelf)
    for number in gone:
        shelf.pop(f"x_{number}", None)
    wanted = {"source": "a"} if value else {}
    expected = [id_ for id_, each in shelf.items() if not value or each["source"] == "a"]
    down: list[str] = []
    cursor = None
    while True:
        found = page(asked(limit=limit, starting_after=cursor, **wanted), shelf, equal=("source",))
        down += [each["id"] for each in found["data"]]
        if not found["has_more"]:
            break
        cursor = down[-1]
    assert down == expected[::-1]
    up = down[-1:]
    while up:
        found = page(asked(limit=limit, ending_before=up[-1], **wanted), shelf, equal=("source",))
        up += [each["id"] for each in reversed(found["data"])]
        if not found["has_more"]:
            break
    assert up == expected


@given(rows=ROWS, inserts=st.lists(st.integers(0, 3), max_size=20))
@settings(max_examples=100, deadline=None)
def test_what_comes_during_a_walk_is_neither_repeated_nor_pushes_out_anything(rows, inserts):
    shelf = filled(rows)
    before, seen, cursor = list(shelf), [], None
    now = 2_000
    while True:
        for count in inserts[len(seen) : len(seen) + 1]:
            for _ in range(count):
                shelf[f"x_{len(shelf)}"] = row(len(shelf), now)
        found = page(asked(limit=3, starting_after=cursor), shelf)
        seen += [each["id"] for each in found["data"]]
        if not found["has_more"]:
            break
        cursor = seen[-1]
    assert len(seen) == len(set(seen))
    assert [id_ for id_ in seen if id_ in set(before)] == before[::-1]


@given(rows=ROWS, low=st.integers(990, 1_070), high=st.integers(990, 1_070))
@settings(max_examples=100, deadline=None)
def test_a_window_of_time_holds_what_was_created_in_it(rows, low, high):
    shelf = filled(rows)
    for lower, upper in (("gt", "lt"), ("gte", "lte")):
        window = {lower: low, upper: high}
        found = ids(asked(limit=100, created=window), shelf)
        inside = [
            id_
            for id_, each in shelf.items()
            if (low < each["created"] < high) or (lower == "gte" and low <= each["created"] <= high)
        ]
        assert found == inside[::-1]


def test_a_shelf_whose_times_go_backwards_is_still_filtered_by_time():
    shelf = Shelf()
    for number, created in enumerate((5, 9, 2, 7)):
        shelf[f"x_{number}"] = row(number, created)
    assert ids(asked(created={"gte": 5}), shelf) == ["x_3", "x_1", "x_0"]


def test_the_members_of_a_group_are_paged_in_their_own_order():
    shelf = filled([(1, "a")] * 20)
    group = [f"x_{number}" for number in range(0, 20, 3)]
    call = asked(limit=2, starting_after="x_9")
    found = page(call, shelf, within=group)
    assert [each["id"] for each in found["data"]] == ["x_6", "x_3"]
    assert found["has_more"]


class Counted(dict):
    """A row that counts how often any of its kind is looked at."""

    looked = 0

    def __getitem__(self, name):
        Counted.looked += 1
        return super().__getitem__(name)

    def get(self, name, default=None):
        Counted.looked += 1
        return super().get(name, default)


def test_a_walk_of_many_looks_at_each_row_a_few_times_only():
    call, count = asked(), 5_000
    shelf = Shelf(kind="balance_transaction")
    for number in range(count):
        shelf[f"x_{number}"] = Counted(row(number, number))
    Counted.looked, cursor, seen = 0, None, 0
    while cursor != "x_0":
        found = page(call.asking(limit=100, starting_after=cursor), shelf)
        cursor = found["data"][-1]["id"]
        seen += len(found["data"])
    assert seen == count
    assert Counted.looked < 8 * count
