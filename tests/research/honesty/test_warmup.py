"""Two runs are told apart by what they want, not by the last digit of a number or by how often it was said."""

from domain.desired import Desired, Protection
from domain.strategy import Wake
from research.honesty.trace import Decision
from research.honesty.warmup import nearly


def stops(*prices: float) -> list[Decision]:
    """A stop that is moved a bar later each time."""
    wanted = [Desired(protections=(Protection(instrument="X", entry="a", stop=price),)) for price in prices]
    return [Decision(at, at, at, Wake.BAR, desired) for at, desired in enumerate(wanted)]


def test_a_stop_that_is_said_again_with_another_last_digit_is_no_difference():
    apart, furthest = nearly(stops(4919.976687024442), stops(4919.976687024439, 4919.97668702444))
    assert apart is None
    assert furthest < 1e-14


def test_a_stop_that_is_moved_in_one_run_alone_is_one():
    apart, _ = nearly(stops(4919.9), stops(4919.9, 4919.95))
    assert apart is not None
    assert apart.first is None
