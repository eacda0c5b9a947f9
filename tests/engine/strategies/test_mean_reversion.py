"""Mean reversion: what is far, in which regime, the furthest of several first, and never again without coming back."""

import math
import random

import pytest
from pydantic import ValidationError

from domain.desired import NOTHING, Desired, Qty, Strength
from domain.errors import StrategyError
from engine.strategies.mean_reversion import MeanReversion
from tests.engine.strategies.harness import BTC, ETH, MINUTE_NS, Bench

SOL = "SOL-USDC-PERP.PAPER"
FAST = {"interval_s": 60, "bars": 5, "k": 1.9, "max_variance_ratio": 0, "stop_pct": 1.0, "take_profit_pct": 1.0}


def reverting(*names: str, **params) -> Bench:
    """Each alternates between 99 and 101, ten times."""
    bench = Bench(MeanReversion.build(names or (BTC,), FAST | params))
    for step in range(10):
        instant(bench, dict.fromkeys(names or (BTC,), 99.0 + 2 * (step % 2)))
    return bench


def instant(bench: Bench, closes: dict[str, float]) -> Desired:
    at_ns = bench.view.ts_ns + MINUTE_NS
    for name, close in closes.items():
        bench.bar(close, close, close, of=name, at_ns=at_ns)
    return bench.desired


def entered(desired: Desired) -> list[tuple[str, float]]:
    return [(t.instrument, t.want.value) for t in desired.targets if isinstance(t.want, Strength)]


@pytest.mark.parametrize(("close", "side"), [(80.0, 1), (120.0, -1), (101.5, 0), (98.0, 0)])
def test_what_is_k_deviations_from_its_mean_is_faded(close, side):
    desired = instant(reverting(), {BTC: close})
    assert entered(desired) == ([(BTC, side)] if side else [])
    if side:
        assert desired.protections[0].stop == pytest.approx(close * (1 - side * 0.01))
        assert desired.protections[0].take_profit == pytest.approx(close * (1 + side * 0.01))


def test_how_far_is_counted_in_population_deviations_of_the_window_with_this_bar():
    bench = reverting()
    instant(bench, {BTC: 95.0})
    window = [99.0, 101.0, 99.0, 101.0, 95.0]
    mean = sum(window) / 5
    deviation = math.sqrt(sum((x - mean) ** 2 for x in window) / 5)
    assert bench.memory.members[BTC].away == pytest.approx((95.0 - mean) / deviation)


def test_of_several_at_once_the_furthest_come_first_and_no_more_than_may_be_open():
    closes = {BTC: 92.0, ETH: 80.0, SOL: 120.0}
    for names in ((BTC, ETH, SOL), (SOL, ETH, BTC)):
        bench = reverting(BTC, ETH, SOL, max_open=2)
        at_ns = bench.view.ts_ns + MINUTE_NS
        for name in names[:2]:
            assert bench.bar(closes[name], closes[name], closes[name], of=name, at_ns=at_ns) is NOTHING
        last = names[2]
        assert entered(bench.bar(closes[last], closes[last], closes[last], of=last, at_ns=at_ns)) == [
            (ETH, 1.0),
            (SOL, -1.0),
        ], "in the order of the instruments, whoever came first"


def test_it_is_entered_again_only_after_it_has_come_back():
    bench = reverting()
    entry = instant(bench, {BTC: 80.0}).targets[0].entry
    bench.fill(1, 80.0, 1.0, entry)
    assert bench.fill(-1, 79.0, 1.0, entry, protective=True) is NOTHING
    assert instant(bench, {BTC: 20.0}) is NOTHING, "still falling, and further away than ever"
    for step in range(6):
        assert instant(bench, {BTC: 19.0 + 2 * (step % 2)}) is NOTHING
    assert entered(instant(bench, {BTC: 10.0})) == [(BTC, 1.0)]


def test_a_close_back_at_the_mean_ends_it_when_asked():
    for leave, ended in ((True, True), (False, False)):
        bench = reverting(leave_at_mean=leave)
        entry = instant(bench, {BTC: 90.0}).targets[0].entry
        bench.fill(1, 90.0, 1.0, entry)
        assert isinstance(instant(bench, {BTC: 91.0}).targets[0].want, Strength)
        assert (instant(bench, {BTC: 100.0}).targets[0].want == Qty(0.0)) is ended


def test_a_market_that_trends_is_not_faded_and_one_that_comes_back_is():
    draw = random.Random(3)
    trades = {}
    for name, memory in (("trends", 0.6), ("reverts", -0.6)):
        bench = Bench(MeanReversion.build([BTC], FAST | {"max_variance_ratio": 1.0, "regime_bars": 96}))
        price, move, entries = 100.0, 0.0, set()
        for _ in range(600):
            move = memory * move + draw.gauss(0, 0.01)
            price *= math.exp(move)
            entries |= {target.entry for target in instant(bench, {BTC: price}).targets}
        trades[name] = len(entries)
    assert trades["reverts"] > 8
    assert trades["trends"] == 0


def test_a_silent_instrument_keeps_the_exits_of_others_and_costs_one_instant_of_entries():
    bench = reverting(BTC, ETH, SOL, hold_bars=2)
    entry = instant(bench, {BTC: 80.0, ETH: 100.0, SOL: 99.0}).targets[0].entry
    bench.fill(1, 80.0, 1.0, entry, of=BTC)
    assert entered(instant(bench, {BTC: 80.0, SOL: 120.0})) == [(BTC, 1.0)], "ETH is missing: SOL is not entered"
    assert instant(bench, {BTC: 80.0}).targets[0].want == Qty(0.0), "its time is up, whoever is silent"
    assert [t.instrument for t in instant(bench, {BTC: 80.0, SOL: 20.0}).targets] == [BTC]
    assert entered(instant(bench, {BTC: 80.0, SOL: 500.0})) == [(SOL, -1.0)]


def test_a_flat_market_whose_prices_have_no_exact_binary_form_is_not_far_from_itself():
    bench = Bench(MeanReversion.build([BTC], FAST))
    for _ in range(50):
        assert instant(bench, {BTC: 0.1}) is NOTHING


def test_wrong_parameters_and_universes_are_refused():
    with pytest.raises(StrategyError, match="one or more instruments, each once"):
        MeanReversion.build([BTC, BTC], {})
    with pytest.raises(ValidationError, match="regime_lag"):
        MeanReversion.build([BTC], {"regime_lag": 96})
