"""EMA cross against the reference loop of the benchmark, written out."""

import random

import pytest
from pydantic import ValidationError

from domain.desired import NOTHING, Qty, Style
from domain.errors import StrategyError
from engine.strategies.ema_cross import EmaCross
from tests.engine.strategies.harness import BTC, ETH, MINUTE_NS, Bench


def walk(bars: int, seed: int = 7) -> list[float]:
    draw = random.Random(seed)
    price, closes = 50_000.0, []
    for _ in range(bars):
        price = round(price + draw.gauss(0, 20), 1)
        closes.append(price)
    return closes


def reference_sides(closes, fast=10, slow=20):
    fast_weight, slow_weight = 2 / (fast + 1), 2 / (slow + 1)
    f = s = None
    for i, x in enumerate(closes):
        if f is None:
            f = s = x
        f = fast_weight * x + (1 - fast_weight) * f
        s = slow_weight * x + (1 - slow_weight) * s
        yield 0 if i + 1 < slow else 1 if f >= s else -1


def test_sides_equal_the_reference_bar_by_bar():
    bench = Bench(EmaCross.build([BTC], {}))
    closes = walk(5000)
    flips = 0
    for close, side in zip(closes, reference_sides(closes), strict=True):
        before = bench.desired
        desired = bench.closes(close)
        if side == 0:
            assert desired is NOTHING
        else:
            assert desired.targets[0].want == Qty(side * 0.01)
            flips += desired is not before
    assert flips > 100


def test_an_unchanged_side_returns_the_same_object():
    bench = Bench(EmaCross.build([BTC], {"fast": 2, "slow": 3}))
    first = bench.closes(1, 2, 3)
    assert first.targets[0].style is Style.TAKE
    assert bench.closes(4, 5, 6) is first


def test_warm_up_then_live_equals_live_throughout():
    closes = walk(300)
    whole, warmed = Bench(EmaCross.build([BTC], {})), Bench(EmaCross.build([BTC], {}))
    needed = warmed.strategy.params.slow - 1
    warmed.view.warming = True
    assert warmed.closes(*closes[:needed]) is NOTHING
    warmed.view.warming = False
    whole.closes(*closes[:needed])
    for close in closes[needed:]:
        assert whole.closes(close) == warmed.closes(close)


def test_after_the_declared_warm_up_nothing_hangs_on_the_first_close():
    closes = walk(12_000)
    for start in range(2_000, 12_000, 500):
        short, long = Bench(EmaCross.build([BTC], {})), Bench(EmaCross.build([BTC], {}))
        for bench, history in ((short, short.strategy.warmup()), (long, 2_000)):
            bench.view.warming = True
            bench.closes(*closes[start - history : start])
            bench.view.warming = False
        for close in closes[start : start + 200]:
            assert short.closes(close).targets[0].want == long.closes(close).targets[0].want


def test_more_warm_up_leaves_the_first_decision_to_the_first_live_bar():
    bench = Bench(EmaCross.build([BTC], {}))
    bench.view.warming = True
    assert bench.closes(*walk(100)) is NOTHING
    bench.view.warming = False
    assert bench.closes(50_000.0).targets


def test_a_restart_in_the_middle_gives_the_same_decisions():
    plain, restarted = Bench(EmaCross.build([BTC], {})), Bench(EmaCross.build([BTC], {}))
    for close in walk(500):
        assert plain.closes(close) == restarted.closes(close)
        restarted.save_and_restore()


def test_a_close_that_is_not_a_number_changes_nothing():
    bench = Bench(EmaCross.build([BTC], {"fast": 2, "slow": 3}))
    before = bench.closes(1, 2, 3)
    assert bench.closes(float("nan")) is before
    assert bench.memory.count == 3


def test_an_own_fill_changes_nothing():
    bench = Bench(EmaCross.build([BTC], {"fast": 2, "slow": 3}))
    before = bench.closes(1, 2, 3)
    assert bench.fill(1, 3.0, 0.01) is before


def test_feeds_and_parameters():
    strategy = EmaCross.build([BTC], {"interval_s": 300})
    assert strategy.feeds()[0].interval_ns == 5 * MINUTE_NS
    with pytest.raises(ValidationError, match=r"fast \(20\) must be less than slow \(20\)"):
        EmaCross.build([BTC], {"fast": 20})
    with pytest.raises(StrategyError, match="exactly one instrument, got 2"):
        EmaCross.build([BTC, ETH], {})
