"""Nadaraya-Watson: turns, extremes, exits and reversal, and that its path never repaints while the common one does."""

import math
import random

import numpy as np
import pytest
from pydantic import ValidationError

from domain.desired import NOTHING, Qty, Strength
from engine.indicators import KernelRegression, StochasticRsi
from engine.strategies.nadaraya_watson import NadarayaWatson, NadarayaWatsonParams
from tests.engine.strategies.harness import BTC, Bench

FAST = {"interval_s": 60, "bandwidth": 2.0, "rsi_bars": 5, "stochastic_bars": 5, "smooth_bars": 1, "patience_bars": 0}


def watson(**params) -> Bench:
    return Bench(NadarayaWatson.build([BTC], FAST | params))


def closes(seed: int, bars: int, noise: float = 1.0) -> list[float]:
    draw = random.Random(seed)
    return [100 + 8 * math.sin(i / 9) + draw.gauss(0, noise) for i in range(bars)]


def two_sided(series: np.ndarray, bandwidth: float) -> np.ndarray:
    """The common form: every point is a mean of all bars, those after it too."""
    age = np.subtract.outer(np.arange(len(series)), np.arange(len(series)))
    weights = np.exp(-0.5 * (age / bandwidth) ** 2)
    return weights @ series / weights.sum(axis=1)


def test_the_path_of_the_past_never_changes_and_that_of_the_common_form_does():
    series = np.array(closes(1, 300))
    path = KernelRegression.of(8)
    told = np.array([path.update(x) for x in series])
    for end in range(60, 300, 20):
        again = KernelRegression.of(8)
        assert [again.update(x) for x in series[:end]][40:] == told[40:end].tolist(), "bit for bit"
    drawn_then, drawn_now = two_sided(series[:200], 8), two_sided(series, 8)
    assert abs(drawn_now[:200] - drawn_then)[-8:].max() > 1.0, "it repaints what it had shown"
    assert drawn_then[-1] == pytest.approx(told[199], rel=1e-4), "and at the newest bar it is what ours is"


def test_turns_of_the_common_form_look_like_money_only_because_they_were_drawn_later():
    series = np.cumsum(np.random.default_rng(2).normal(0, 1, 1200)) + 1000  # a random walk: nothing to be earned
    path = KernelRegression.of(8)
    ours = np.array([path.update(x) for x in series])

    def earned(line: np.ndarray) -> float:
        """Mean gain a bar of being long after a rise of the line and short after a fall, over its standard error."""
        gains = np.sign(np.diff(line))[:-1] * np.diff(series)[1:]
        gains = gains[np.isfinite(gains)]
        return float(gains.mean() / (gains.std() / math.sqrt(len(gains))))

    assert earned(two_sided(series, 8)) > 6, "standard errors from zero, out of a random walk"
    assert abs(earned(ours)) < 2.5


def test_the_path_is_the_weighted_mean_of_what_was_known():
    path, series = KernelRegression.of(8), closes(3, 100)
    assert path.window == 41
    for x in series:
        path.update(x)
    weights = [math.exp(-(age**2) / 128) for age in range(41)]
    expected = sum(w * x for w, x in zip(weights, reversed(series), strict=False)) / sum(weights)
    assert path.value == pytest.approx(expected, rel=1e-12)


def in_and_out(bench: Bench, price: float) -> int:
    """Fill the entry and fire its stop at once, so that the next signal finds it idle; returns the entry's side."""
    (target,) = bench.desired.targets
    assert isinstance(target.want, Strength)
    side = int(target.want.value)
    bench.fill(side, price, 1.0, target.entry)
    assert bench.fill(-side, price, 1.0, target.entry, protective=True) is NOTHING
    return side


def test_entries_stand_exactly_at_the_turns_of_the_path():
    bench, path, series = watson(trigger="kernel"), KernelRegression.of(2.0), closes(4, 400)
    line = [path.update(x) for x in series]
    turns: dict[int, int] = {}
    seen: dict[int, int] = {}
    for i in range(2, 400):
        earlier, now = line[i - 1] - line[i - 2], line[i] - line[i - 1]
        if earlier * now < 0:
            turns[i] = 1 if now > 0 else -1
    for i, close in enumerate(series):
        if bench.closes(close).targets:
            seen[i] = in_and_out(bench, close)
    assert len(seen) > 50
    assert seen == turns


def test_an_extreme_of_the_stochastic_rsi_is_faded_when_it_is_entered_and_not_while_it_lasts():
    bench, momentum, previous, entered = watson(trigger="stochastic"), StochasticRsi.of(5, 5, 1), math.nan, 0
    for close in closes(5, 300):
        now = momentum.update(close)
        expected = 1 if now < 10 <= previous else -1 if now > 90 >= previous else 0
        previous = now
        assert bool(bench.closes(close).targets) is bool(expected)
        if expected:
            assert in_and_out(bench, close) == expected
            entered += 1
    assert entered > 20


def held_long(**params) -> tuple[Bench, float]:
    """Long from a turn of the path upwards, filled at the close that it returns."""
    bench, close = watson(stop_pct=40, **params), 100.0
    for _ in range(20):
        close -= 1
        bench.closes(close)
    while not bench.desired.targets:
        close += 3
        bench.closes(close)
    bench.fill(1, close, 1.0, bench.desired.targets[0].entry)
    return bench, close


def turned_down(**params) -> tuple[Bench, float]:
    """Long, and the path has just turned against it."""
    bench, close = held_long(trigger="kernel", **params)
    while isinstance(bench.desired.targets[0].want, Strength):
        close -= 4
        bench.closes(close)
    return bench, close


def test_a_turn_against_it_ends_it_and_is_entered_once_flat():
    bench, close = turned_down()
    assert bench.desired.targets[0].want == Qty(0.0)
    turned_ns = bench.view.ts_ns
    desired = bench.fill(-1, close, 1.0, bench.desired.targets[0].entry)
    assert desired.targets[0].entry == f"{turned_ns}:-1"
    assert desired.targets[0].want == Strength(-1.0, close * 40 * 0.01)


def test_the_second_crossing_of_the_far_extreme_ends_it():
    bench, close = held_long(trigger="either", exit_crossings=2)
    waves, before = 0, bench.memory.momentum.value
    for step in range(200):
        close += -2.2 if step % 5 == 4 else 3
        bench.closes(close)
        now = bench.memory.momentum.value
        waves += now > 90 >= before
        before = now
        if bench.desired.targets[0].want == Qty(0.0):
            break
    assert waves == 2
    assert bench.memory.slope == 1, "the path has not turned"


def test_a_turn_and_an_extreme_that_contradict_each_other_are_no_entry():
    strategy = NadarayaWatson([BTC], NadarayaWatsonParams())
    assert strategy._side(1, -1) == 0
    assert strategy._side(1, 1) == strategy._side(1, 0) == strategy._side(0, 1) == 1


def test_a_turn_against_an_entry_whose_fill_is_on_its_way_waits_until_that_is_closed():
    bench, close = watson(trigger="kernel", stop_pct=40), 100.0
    for step in (*[-1] * 20, 3):
        close += step
        bench.closes(close)
    while not bench.desired.targets:
        close += 3
        bench.closes(close)
    entry = bench.desired.targets[0].entry
    while isinstance(bench.desired.targets[0].want, Strength):
        close -= 9
        bench.closes(close)
    assert bench.fill(1, close, 1.0, entry).targets[0].want == Qty(0.0), "the fill came late: closed, not turned into"
    assert bench.fill(-1, close, 1.0, entry).targets[0].want == Strength(-1.0, close * 40 * 0.01)


def test_a_reversal_that_cannot_be_entered_in_time_is_given_up():
    bench, close = turned_down(patience_bars=2)
    bench.closes(close - 4, close - 8)
    assert bench.fill(-1, close, 1.0, bench.desired.targets[0].entry) is NOTHING


def test_extremes_have_to_be_apart():
    with pytest.raises(ValidationError, match="oversold"):
        watson(oversold=50, overbought=50)
