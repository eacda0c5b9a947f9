"""The fitted intensity of orders: a known one is found again, and what is no market does not spoil it."""

import math
import random

import msgspec
import pytest

from domain.codec import encode
from engine.indicators import Intensity
from engine.indicators.intensity import LONGEST_GAP, STEP_NS

START_NS = 1_700_000_000 * 10**9


def poisson_market(a_per_s, k, half, seconds, seed=1, tick=0.0):
    """Touches each 100 ms and orders of intensity a exp(-k delta) on both sides; (ts_ns, price, side), 0 = touch."""
    rng, events = random.Random(seed), []
    for side in (1, -1):
        ts_s = 0.0
        while (ts_s := ts_s + rng.expovariate(a_per_s * math.exp(-k * half))) < seconds:
            beyond = rng.expovariate(k)
            beyond = math.floor(beyond / tick) * tick if tick else beyond
            events.append((START_NS + int(ts_s * 1e9), 100.0 + side * (half + beyond), side))
    events += [(START_NS + i * STEP_NS, 100.0, 0) for i in range(seconds * 10)]
    return sorted(events)


def fed(intensity, events, half):
    for ts_ns, price, side in events:
        if side:
            intensity.trade(ts_ns, price, side)
        else:
            intensity.touch(ts_ns, 100.0 - half, 100.0 + half)
    return intensity


@pytest.mark.parametrize(
    ("a_per_s", "k", "half", "width", "tick"),
    [
        (2.0, 1.5, 0.05, 0.1, 0.0),
        (20.0, 3.0, 0.05, 0.1, 0.0),  # two orders in most steps: a step keeps only the further
        (0.5, 0.4, 0.5, 0.25, 0.0),
        (4.0, 5.0, 0.05, 0.2, 0.1),  # prices on a grid of which a cell is two
        (1.0, 0.3, 0.05, 0.1, 0.0),  # most reach past the last cell
    ],
)
def test_the_intensity_of_a_poisson_market_is_found_within_its_interval(a_per_s, k, half, width, tick):
    fit = fed(Intensity(width, 1e9), poisson_market(a_per_s, k, half, 1_500, tick=tick), half).fit()
    assert abs(fit.k - k) < 3 * fit.k_error
    # ln A = ln lambda(half) + k half: errors of the count and of k
    error = math.hypot(1 / math.sqrt(fit.arrivals), fit.k_error * half)
    assert abs(math.log(fit.a_per_s / a_per_s)) < 3 * error


def test_the_past_fades():
    half, before = 0.05, poisson_market(2.0, 5.0, 0.05, 600)
    later = [(ts + 600 * 10**9, price, side) for ts, price, side in poisson_market(2.0, 1.0, half, 300, seed=2)]
    fit = fed(fed(Intensity(0.1, 60.0), before, half), later, half).fit()
    assert abs(fit.k - 1.0) < 3 * fit.k_error
    assert fit.arrivals < 2 * 2 * 60 * 1.2, "no more than a memory of 60 s can hold"


def test_no_fit_without_orders_or_from_orders_of_one_depth():
    intensity = Intensity(0.1, 600.0)
    intensity.trade(START_NS, 100.0, 1)
    assert intensity.fit() is None, "before the first touch a trade says nothing"
    for i in range(50):
        intensity.touch(START_NS + i * STEP_NS, 99.9, 100.1)
        intensity.trade(START_NS + i * STEP_NS, 100.1, 1)
    assert intensity.fit() is None, "depth is not known from orders that all stop at the touch"
    assert intensity.cells[0] == pytest.approx(49, rel=0.01)


def test_a_trade_inside_the_spread_of_its_step_reached_nobody():
    intensity = Intensity(0.1, 600.0)
    intensity.touch(START_NS, 99.0, 101.0)
    intensity.trade(START_NS + 1, 100.5, 1)
    intensity.touch(START_NS + STEP_NS, 99.0, 101.0)
    assert sum(intensity.cells) == 0.0
    assert intensity.steps == 2


def test_a_feed_that_was_away_does_not_count_as_a_quiet_market():
    intensity = Intensity(0.1, 600.0)
    intensity.touch(START_NS, 99.9, 100.1)
    intensity.touch(START_NS + LONGEST_GAP * STEP_NS, 99.9, 100.1)
    quiet = intensity.steps
    intensity.touch(START_NS + 2 * LONGEST_GAP * STEP_NS + STEP_NS, 99.9, 100.1)
    assert intensity.steps == quiet > 0
    intensity.touch(START_NS, 99.9, 100.1)
    assert intensity.steps == quiet, "time that goes back is ignored"


def test_a_save_in_the_middle_changes_nothing():
    events = poisson_market(2.0, 1.5, 0.05, 60)
    plain, saved = Intensity(0.1, 60.0), Intensity(0.1, 60.0)
    fed(plain, events, 0.05)
    fed(saved, events[:500], 0.05)
    saved = msgspec.msgpack.decode(encode(saved), type=Intensity)
    fed(saved, events[500:], 0.05)
    assert saved == plain
    assert saved.fit() == plain.fit()
