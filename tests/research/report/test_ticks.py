"""Axes: round numbers and round times, few enough, within what is shown."""

from datetime import UTC, datetime

import pytest

from research.report import ticks

DAY_NS = 86_400 * 10**9


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.003, 0.0001), (99_700, 100_020), (1e-9, 3e-9), (-5e12, 8e12)])
def test_values_are_few_round_and_inside(low, high):
    marks = ticks.values(low, high)
    assert 2 <= len(marks) <= 7
    assert all(low - 1e-9 * abs(high) <= mark <= high + 1e-9 * abs(high) for mark in marks)
    assert len({f"{mark:.{ticks.digits(marks)}f}" for mark in marks}) == len(marks)


def test_a_flat_scale_has_one_mark_and_a_steep_one_powers():
    assert ticks.values(5.0, 5.0) == [5.0]
    assert ticks.powers(3, 60) == [5.0, 10.0, 20.0, 50.0]
    assert ticks.powers(1, 10_000) == [1.0, 10.0, 100.0, 1000.0, 10000.0]


@pytest.mark.parametrize("days", [0.0001, 0.01, 0.3, 1, 3, 9, 31, 100, 400, 2000, 20_000])
def test_times_are_few_round_and_inside_for_minutes_and_for_decades(days):
    first = int(datetime(2023, 1, 3, 1, 10, tzinfo=UTC).timestamp()) * 10**9
    last = first + int(days * DAY_NS)
    marks = ticks.times(first, last)
    assert 1 <= len(marks) <= 8
    assert all(first <= at <= last for at, _ in marks)
    assert sorted({at for at, _ in marks}) == [at for at, _ in marks]
    assert all(at % 10**9 == 0 for at, _ in marks)
