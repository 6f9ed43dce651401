"""The rules of delivery health: shares, times, gaps, and which silence is unusual."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.delivery import (
    EPISODE_SECONDS,
    LEAST,
    WEEKS,
    Fate,
    Missed,
    Silence,
    Tally,
    gaps,
    total,
)

BUSY = (LEAST,) * WEEKS


def missed(number: int, created: int, healed: int = 0, account: str = "platform") -> Missed:
    return Missed(f"evt_{number}", account, "charge.succeeded", created, created + 60, healed, 0)


def test_completeness_is_of_what_was_due() -> None:
    fates = {
        Fate.DELIVERED: 8,
        Fate.HEALED: 1,
        Fate.MISSING: 1,
        Fate.UNDER_WAY: 5,
        Fate.IMPORTED: 9,
    }
    assert Tally(fates).completeness == 0.8
    assert Tally({Fate.UNDER_WAY: 5}).completeness is None


@given(st.lists(st.integers(0, 500), min_size=1))
def test_percentiles_are_the_nearest_rank(seconds: list[int]) -> None:
    tally = total(Tally(seconds={s: 1}) for s in seconds)
    ordered = sorted(seconds)
    for share in (1, 50, 99, 100):
        rank = -(-len(ordered) * share // 100)
        assert tally.percentile(share) == ordered[rank - 1]
    assert Tally().percentile(50) is None


def test_misses_near_each_other_are_one_gap() -> None:
    near, far = 1_000 + EPISODE_SECONDS, 1_001 + 2 * EPISODE_SECONDS
    found = gaps([missed(3, far), missed(1, 1_000, healed=9_000), missed(2, near, healed=9_500)])
    assert [(g.first, g.last, g.events, g.healed_at) for g in found] == [
        (far, far, 1, 0),
        (1_000, near, 2, 9_500),
    ]
    assert [g.stripe_account for g in gaps([missed(1, 5), missed(2, 5, account="acct_1")])] == [
        "platform",
        "acct_1",
    ]


def silence(seconds: int, before: tuple[int, ...] = BUSY, longest: tuple[int, ...] = ()) -> bool:
    return Silence("platform", 1_000_000, 1_000_000 + seconds, before, longest).unusual


def test_silence_is_unusual_only_beside_its_own_history() -> None:
    assert silence(7_200, longest=(90_000, 3_000))
    assert not silence(3_599, longest=(900, 600))  # under an hour
    assert not silence(7_200, longest=(90_000, 7_200))  # no longer than usual
    assert silence(7_200, (*BUSY[1:], 0), (90_000, 3_000))  # one week was an outage, too
    assert not silence(7_200, (*BUSY[2:], 0, 0), (90_000, 3_000))
    assert not silence(7_200, BUSY[1:], (90_000, 3_000))  # young
    assert not silence(7_200, (LEAST - 1,) * WEEKS, (90_000, 3_000))  # quiet
