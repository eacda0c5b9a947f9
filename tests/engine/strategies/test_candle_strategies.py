"""What every strategy on bars keeps whatever bars and fills come: restart, warm-up, broken bars, finite wishes."""

import math
import random
from typing import Any

import pytest

from domain.desired import NOTHING, Desired, Qty, Strength
from domain.strategy import Strategy
from engine.strategies import registry
from tests.engine.strategies.harness import BTC, MINUTE_NS, Bench

CASES: dict[str, dict[str, Any]] = {
    "turtle": {"entry_bars": 5, "exit_bars": 3, "atr_bars": 3, "max_units": 4},
    "consolidation": {"window": 4, "tight_pct": 3.0, "edge": 0.4, "pause_bars": 1, "hold_bars": 9},
}
kinds = pytest.mark.parametrize("kind", CASES)


def make(kind: str) -> Strategy:
    return registry.load(kind).strategy.build([BTC], CASES[kind] | {"interval_s": 60})


def bench_of(kind: str) -> Bench:
    return Bench(make(kind))


def walk(seed: int, bars: int):
    """High, low and close of a random walk with calm and wild stretches, dead bars and a gap now and then."""
    draw, close = random.Random(seed), 100.0
    for step in range(bars):
        close *= math.exp(draw.gauss(0, 0.02 if step // 40 % 2 else 0.003) + (0.05 if draw.random() < 0.01 else 0))
        up, down = (0.0, 0.0) if draw.random() < 0.05 else (draw.random() * 0.004, draw.random() * 0.004)
        yield close * (1 + up), close * (1 - down), close


def is_sound(desired: Desired) -> bool:
    """Finite numbers, a conviction of at most one, stops and targets on a price's side of zero."""
    sizes = [target.want.value for target in desired.targets if isinstance(target.want, Strength | Qty)]
    prices = [price for p in desired.protections for price in (p.stop, p.take_profit)]
    strong = all(abs(t.want.value) <= 1 for t in desired.targets if isinstance(t.want, Strength))
    return strong and all(map(math.isfinite, sizes + prices)) and min(prices, default=0) >= 0


def trade(benches: list[Bench], draw: random.Random, close: float) -> int:
    """What a venue may do next, to each of them: fill a part or all of what is wanted, or fire a stop."""
    first, fills = benches[0], 0
    for target in first.desired.targets:
        assert isinstance(target.want, Strength | Qty)
        held, goal = first.view.position(target.instrument), target.want.value
        if draw.random() < 0.3 or (goal and abs(held) >= 0.4):
            continue
        if not goal and not held:
            continue
        side = math.copysign(1, goal or -held)
        qty = 0.2 if goal else abs(held)
        for bench in benches:
            bench.fill(int(side), close, qty, target.entry, of=target.instrument)
        fills += 1
    for p in first.desired.protections:
        held = first.view.position(p.instrument)
        if held and ((close - p.stop) * held <= 0 or (p.take_profit and (close - p.take_profit) * held >= 0)):
            for bench in benches:
                bench.fill(-int(math.copysign(1, held)), close, abs(held), p.entry, protective=True, of=p.instrument)
            fills += 1
    return fills


@kinds
def test_a_restart_after_any_bar_or_fill_changes_no_decision(kind):
    plain, restarted = bench_of(kind), bench_of(kind)
    draw, entries, fills = random.Random(4), set(), 0
    for high, low, close in walk(5, 700):
        assert plain.bar(high, low, close) == restarted.bar(high, low, close)
        fills += trade([plain, restarted], draw, close)
        assert plain.desired == restarted.desired
        assert is_sound(plain.desired)
        entries |= {target.entry for target in plain.desired.targets}
        restarted.save_and_restore()
        assert plain.memory == restarted.memory
    assert len(entries) > 15
    assert fills > 30


@kinds
def test_warmed_up_by_what_it_asks_for_it_decides_as_one_that_ran_long(kind):
    bars = list(walk(6, 400))
    long, warmed = bench_of(kind), bench_of(kind)
    asked = warmed.strategy.warmup()
    for bench, first in ((long, 0), (warmed, 200 - asked)):
        bench.view.warming, bench.view.ts_ns = True, bench.view.ts_ns + first * MINUTE_NS
        for high, low, close in bars[first:200]:
            assert bench.bar(high, low, close) is NOTHING
        bench.view.warming = False
    wanted = 0
    for high, low, close in bars[200:]:
        ours, theirs = warmed.bar(high, low, close), long.bar(high, low, close)
        assert [t.entry for t in ours.targets] == [t.entry for t in theirs.targets]
        wanted += bool(ours.targets)
    assert wanted


@kinds
@pytest.mark.parametrize("broken", [(math.nan, 99.0, 100.0), (101.0, math.nan, 100.0), (101.0, 99.0, math.inf)])
def test_a_bar_that_is_no_number_changes_nothing(kind, broken):
    bench = bench_of(kind)
    for bar in walk(7, 60):
        bench.bar(*bar)
    before, memory = bench.desired, registry.source_hash(str(bench.memory))
    assert bench.bar(*broken) is before
    assert registry.source_hash(str(bench.memory)) == memory


@kinds
def test_a_market_that_is_dead_is_not_traded(kind):
    bench = bench_of(kind)
    for _ in range(100):
        assert bench.bar(100.0, 100.0, 100.0) is NOTHING
