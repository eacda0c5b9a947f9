"""The engine's clock: never back, never still, every step of the machine's clock told once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.settings import SECOND_NS
from engine.clock import STEP_NS, WallClock

HOUR_NS = 3_600 * SECOND_NS


class Machine:
    """A wall clock that can be set, and a monotonic one that cannot."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000 * SECOND_NS
        self.monotonic = 5 * SECOND_NS
        self.steps: list[int] = []

    def clock(self, not_before_ns: int = 0) -> WallClock:
        clock = WallClock(lambda: self.wall, lambda: self.monotonic, not_before_ns=not_before_ns)
        clock.on_step = self.steps.append
        return clock

    def wait(self, span_ns: int, set_by_ns: int = 0) -> None:
        self.monotonic += span_ns
        self.wall += span_ns + set_by_ns


def test_without_steps_it_is_the_wall_clock() -> None:
    machine = Machine()
    clock = machine.clock()
    for _ in range(10):
        machine.wait(SECOND_NS, 1_000_000)
        assert clock.now_ns() == machine.wall
    assert machine.steps == []


def test_after_a_step_back_time_goes_on_and_both_become_level_again() -> None:
    machine = Machine()
    clock = machine.clock()
    before = clock.now_ns()
    machine.wait(SECOND_NS, -10 * SECOND_NS)
    assert clock.now_ns() == before + SECOND_NS // 2
    for _ in range(20):
        machine.wait(SECOND_NS)
        clock.now_ns()
    assert clock.now_ns() == machine.wall
    assert machine.steps == [-10 * SECOND_NS]


def test_an_hour_ahead_and_back_is_told_twice() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wait(SECOND_NS, HOUR_NS)
    for _ in range(100):
        machine.wait(SECOND_NS)
        clock.now_ns()
    machine.wait(SECOND_NS, -HOUR_NS)
    for _ in range(100):
        machine.wait(SECOND_NS)
        clock.now_ns()
    assert machine.steps == [HOUR_NS, -HOUR_NS]


def test_a_start_with_a_clock_behind_the_journal_goes_on_from_the_journal() -> None:
    machine = Machine()
    written = machine.wall + HOUR_NS
    clock = machine.clock(written)
    machine.wait(SECOND_NS)
    assert clock.now_ns() == written + SECOND_NS // 2
    assert machine.steps == [-HOUR_NS]


@given(st.lists(st.tuples(st.integers(0, 10 * SECOND_NS), st.integers(-HOUR_NS, HOUR_NS)), max_size=30))
def test_it_never_goes_back_and_never_stands_still(turns: list[tuple[int, int]]) -> None:
    machine = Machine()
    clock = machine.clock()
    last = clock.now_ns()
    for span_ns, set_by_ns in turns:
        machine.wait(span_ns, set_by_ns)
        now = clock.now_ns()
        assert now >= last + span_ns // 2
        last = now
    assert len(machine.steps) == sum(abs(set_by) > STEP_NS for _, set_by in turns)
