"""The circuit breaker, against a reference that reads the whole history each time."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from reconciler.gateway.breaker import (
    ENOUGH,
    FIRST_PAUSE_SECONDS,
    IN_A_ROW,
    LONGEST_PAUSE_SECONDS,
    SHARE,
    WINDOW_SECONDS,
    Breaker,
    State,
)


def failing(breaker: Breaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        breaker.ended(breaker.begin(now), now, answered=False)


@dataclass
class Reference:
    """What the description says, computed anew from everything that happened."""

    log: list[tuple[float, bool]] = field(default_factory=list)
    """Outcomes that counted, since the breaker was last closed."""
    pauses: list[float] = field(default_factory=list)
    opened_at: float = 0.0

    def is_open(self) -> bool:
        return bool(self.pauses)

    def refuses(self, now: float) -> bool:
        return self.is_open() and now < self.opened_at + self.pauses[-1]

    def outcome(self, begun_open: bool, probe: bool, now: float, answered: bool) -> None:
        if not self.is_open():
            self.log.append((now, answered))
            last = self.log[-IN_A_ROW:]
            row = len(last) == IN_A_ROW and not any(each for _, each in last)
            recent = [each for at, each in self.log if at > now - WINDOW_SECONDS]
            many = len(recent) >= ENOUGH and recent.count(False) >= SHARE * len(recent)
            if not answered and (row or many):
                self.pauses, self.opened_at = [FIRST_PAUSE_SECONDS], now
        elif begun_open and answered:
            self.log, self.pauses = [], []
        elif begun_open and probe:
            self.pauses.append(min(LONGEST_PAUSE_SECONDS, self.pauses[-1] * 2))
            self.opened_at = now


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 1.0, 5.0, 9.0, 40.0, 70.0]), st.booleans()),
        max_size=200,
    )
)
def test_it_opens_and_closes_as_the_reference_does(story: list[tuple[float, bool]]):
    """One request after the other; whoever may not ask does not."""
    breaker, reference, now = Breaker(), Reference(), 0.0
    for pause, answered in story:
        now += pause
        assert breaker.refuses(now) == reference.refuses(now)
        assert (breaker.state is State.CLOSED) == (not reference.is_open())
        if reference.refuses(now):
            continue
        was_open = reference.is_open()
        breaker.ended(breaker.begin(now), now, answered=answered)
        reference.outcome(was_open, was_open, now, answered)
        if was_open and not answered:
            assert breaker.again_at == reference.opened_at + reference.pauses[-1]


def test_a_few_failures_among_answers_open_nothing():
    breaker = Breaker()
    for number in range(200):
        now = float(number)
        breaker.ended(breaker.begin(now), now, answered=number % 3 != 0)
    assert breaker.state is State.CLOSED


def test_half_of_many_open_it_though_none_follow_each_other():
    breaker, now = Breaker(), 0.0
    for number in range(ENOUGH):
        breaker.ended(breaker.begin(now), now, answered=number % 2 == 0)
    assert breaker.state is State.OPEN


def test_one_request_at_a_time_is_let_through_to_see():
    breaker = Breaker()
    failing(breaker, IN_A_ROW)
    assert breaker.refuses(FIRST_PAUSE_SECONDS - 0.1)
    now = FIRST_PAUSE_SECONDS
    assert not breaker.refuses(now)
    probe = breaker.begin(now)
    assert breaker.state is State.HALF_OPEN
    assert breaker.refuses(now)
    breaker.ended(probe, now + 1, answered=True)
    assert not breaker.refuses(now + 1)
    assert breaker.state is State.CLOSED
    assert breaker.opened == 1


def test_a_probe_that_was_given_up_lets_another_try():
    breaker = Breaker()
    failing(breaker, IN_A_ROW)
    now = FIRST_PAUSE_SECONDS
    breaker.ended(breaker.begin(now), now, answered=None)
    assert not breaker.refuses(now)


def test_a_command_that_had_been_begun_can_close_it_early():
    breaker = Breaker()
    failing(breaker, IN_A_ROW)
    ticket = breaker.begin(1.0)
    assert breaker.state is State.OPEN
    breaker.ended(ticket, 2.0, answered=True)
    assert breaker.state is State.CLOSED


def test_an_answer_to_what_was_asked_before_it_opened_closes_nothing():
    breaker = Breaker()
    slow = breaker.begin(0.0)
    failing(breaker, IN_A_ROW, 1.0)
    breaker.ended(slow, 2.0, answered=True)
    assert breaker.state is State.OPEN
    assert breaker.again_at == 1.0 + FIRST_PAUSE_SECONDS


def test_failures_that_come_in_late_do_not_make_the_pause_longer():
    breaker = Breaker()
    tickets = [breaker.begin(0.0) for _ in range(30)]
    for number, ticket in enumerate(tickets):
        breaker.ended(ticket, 1.0 + number / 10, answered=False)
    assert breaker.opened == 1
    assert breaker.again_at <= 1.5 + FIRST_PAUSE_SECONDS
