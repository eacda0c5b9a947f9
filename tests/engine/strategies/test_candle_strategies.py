"""What every strategy on bars keeps whatever bars and fills come: restart, warm-up, broken bars, finite wishes."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest

from domain.codec import encode
from domain.desired import NOTHING, Desired, Qty, Strength
from engine.strategies import registry
from tests.engine.strategies.harness import BTC, ETH, MINUTE_NS, Bench

CASES: dict[str, dict[str, Any]] = {
    "turtle": {"entry_bars": 5, "exit_bars": 3, "atr_bars": 3, "max_units": 4, "skip_after_winner": True}
    | {"failsafe_bars": 9},
    "consolidation": {"window": 4, "tight_pct": 3.0, "edge": 0.4, "pause_bars": 1, "hold_bars": 9},
    "lead_lag": {"level_bars": 4, "max_open": 2, "min_correlation": 0.01, "correlation_bars": 9, "patience_bars": 0},
    "mean_reversion": {"bars": 8, "k": 1.2, "regime_bars": 20, "max_open": 2, "leave_at_mean": True, "hold_bars": 9},
    "nadaraya_watson": {"bandwidth": 2, "rsi_bars": 3, "stochastic_bars": 4, "smooth_bars": 2, "exit_crossings": 2},
}
ONE = (BTC,)
MANY = (BTC, ETH, "SOL-USDC-PERP.PAPER")
WHO = {"lead_lag": MANY, "mean_reversion": MANY}
kinds = pytest.mark.parametrize("kind", CASES)
Bars = dict[str, tuple[float, float, float]]
"""High, low and close of each instrument at one instant."""


def bench_of(kind: str) -> Bench:
    strategy = registry.load(kind).strategy
    return Bench(strategy.build(WHO.get(kind, ONE), CASES[kind] | {"interval_s": 60}))


def walk(kind: str, seed: int, count: int, silence: float = 0.03) -> Iterator[Bars]:
    """Random walks that go half together: calm and wild stretches, dead bars, gaps, one silent now and then."""
    draw = random.Random(seed)
    closes = dict.fromkeys(WHO.get(kind, ONE), 100.0)
    for step in range(count):
        deviation = 0.02 if step // 40 % 2 else 0.003
        common = draw.gauss(0, deviation) + (0.05 if draw.random() < 0.01 else 0)
        bars: Bars = {}
        for name in closes:
            closes[name] *= math.exp((common + draw.gauss(0, deviation)) / 2)
            up, down = (0.0, 0.0) if draw.random() < 0.05 else (draw.random() * 0.004, draw.random() * 0.004)
            if name == BTC or draw.random() >= silence:
                bars[name] = (closes[name] * (1 + up), closes[name] * (1 - down), closes[name])
        yield bars


def feed(bench: Bench, bars: Bars) -> Desired:
    """The bars of one instant, in the order given."""
    at_ns = bench.view.ts_ns + MINUTE_NS
    for name, (high, low, close) in bars.items():
        bench.bar(high, low, close, of=name, at_ns=at_ns)
    return bench.desired


def is_sound(desired: Desired) -> bool:
    """Finite numbers, a conviction of at most one, stops and targets on a price's side of zero."""
    sizes = [target.want.value for target in desired.targets if isinstance(target.want, Strength | Qty)]
    prices = [price for p in desired.protections for price in (p.stop, p.take_profit)]
    strong = all(abs(t.want.value) <= 1 for t in desired.targets if isinstance(t.want, Strength))
    return strong and all(map(math.isfinite, sizes + prices)) and min(prices, default=0) >= 0


def trade(benches: list[Bench], draw: random.Random, bars: Bars) -> int:
    """What a venue may do next, to each of them: fill a part or all of what is wanted, or fire a stop."""
    first, fills = benches[0], 0
    for target in first.desired.targets:
        assert isinstance(target.want, Strength | Qty)
        held, goal = first.view.position(target.instrument), target.want.value
        if draw.random() < 0.3 or (goal and abs(held) >= 0.4) or target.instrument not in bars:
            continue
        close = bars[target.instrument][2]
        if not goal and not held:
            continue
        side = math.copysign(1, goal or -held)
        qty = 0.2 if goal else abs(held)
        for bench in benches:
            bench.fill(int(side), close, qty, target.entry, of=target.instrument)
        fills += 1
    for p in first.desired.protections:
        held, close = first.view.position(p.instrument), bars.get(p.instrument, (0.0, 0.0, p.stop))[2]
        if held and ((close - p.stop) * held <= 0 or (p.take_profit and (close - p.take_profit) * held >= 0)):
            for bench in benches:
                bench.fill(-int(math.copysign(1, held)), close, abs(held), p.entry, protective=True, of=p.instrument)
            fills += 1
    return fills


@kinds
def test_a_restart_after_any_bar_or_fill_changes_no_decision(kind):
    plain, restarted = bench_of(kind), bench_of(kind)
    draw, entries, fills = random.Random(4), set(), 0
    for bars in walk(kind, 5, 500):
        assert feed(plain, bars) == feed(restarted, bars)
        fills += trade([plain, restarted], draw, bars)
        assert plain.desired == restarted.desired
        assert is_sound(plain.desired)
        entries |= {target.entry for target in plain.desired.targets}
        restarted.save_and_restore()
        assert plain.memory == restarted.memory
    assert len(entries) > 15
    assert fills > 30


@kinds
def test_warmed_up_by_what_it_asks_for_it_decides_as_one_that_ran_long(kind):
    instants = list(walk(kind, 6, 500))
    long, warmed = bench_of(kind), bench_of(kind)
    asked = warmed.strategy.warmup() + 5  # one or the other instrument is silent meanwhile
    for bench, first in ((long, 0), (warmed, 200 - asked)):
        bench.view.warming, bench.view.ts_ns = True, bench.view.ts_ns + first * MINUTE_NS
        for bars in instants[first:200]:
            assert feed(bench, bars) is NOTHING
        bench.view.warming = False
    wanted = 0
    for bars in instants[200:]:
        ours, theirs = feed(warmed, bars), feed(long, bars)
        assert [t.entry for t in ours.targets] == [t.entry for t in theirs.targets]
        wanted += bool(ours.targets)
    assert wanted


@kinds
@pytest.mark.parametrize(
    "broken",
    [(math.nan, 99.0, 100.0), (101.0, math.nan, 100.0), (101.0, 99.0, math.inf), (1.0, 0.0, 0.0), (1.0, -37.0, 1.0)],
)
def test_a_bar_that_is_no_number_or_no_price_changes_nothing(kind, broken):
    bench = bench_of(kind)
    for bars in walk(kind, 7, 60):
        feed(bench, bars)
    before, memory = bench.desired, encode(bench.memory)
    for name in bench.strategy.instruments:
        assert feed(bench, {name: broken}) is before
    assert encode(bench.memory) == memory


@kinds
def test_a_market_that_is_dead_is_not_traded(kind):
    bench = bench_of(kind)
    for _ in range(100):
        assert feed(bench, dict.fromkeys(bench.strategy.instruments, (100.0, 100.0, 100.0))) is NOTHING


@pytest.mark.parametrize("kind", WHO)
def test_the_order_in_which_bars_of_one_instant_come_changes_no_entry(kind):
    plain, shuffled, draw = bench_of(kind), bench_of(kind), random.Random(8)
    wanted = 0
    for bars in walk(kind, 9, 400, silence=0.0):
        feed(plain, bars)
        feed(shuffled, dict(draw.sample(list(bars.items()), len(bars))))
        assert plain.desired == shuffled.desired
        wanted += bool(plain.desired.targets)
    assert wanted > 50


@pytest.mark.parametrize("kind", WHO)
def test_a_bar_that_comes_twice_or_too_late_changes_nothing(kind):
    bench = bench_of(kind)
    earlier: Bars = {}
    for bars in walk(kind, 10, 80, silence=0.0):
        feed(bench, bars)
        wanted, memory, now_ns = bench.desired, encode(bench.memory), bench.view.ts_ns
        for again, at_ns in ((bars, now_ns), (earlier, now_ns - MINUTE_NS)):
            for name, bar in again.items():
                assert bench.bar(*bar, of=name, at_ns=at_ns) is wanted
        assert encode(bench.memory) == memory
        earlier, bench.view.ts_ns = bars, now_ns
