"""Lead-lag: what breaks the leader, which alt lags most, and that half a cross-section decides nothing."""

from itertools import permutations

import pytest
from pydantic import ValidationError

from domain.desired import NOTHING, Desired, Qty, Strength
from domain.errors import StrategyError
from engine.strategies.lead_lag import LeadLag
from tests.engine.strategies.harness import ETH, MINUTE_NS, Bench

SOL, XRP, DOT = "SOL-USDC-PERP.PAPER", "XRP-USDC-PERP.PAPER", "DOT-USDC-PERP.PAPER"
NAMES = (ETH, SOL, XRP, DOT)
FAST = {"interval_s": 60, "level_bars": 4, "min_lag_pct": 0.05}


def lead_lag(names=NAMES, **params) -> Bench:
    """All at 100, the leader between 99 and 101: its true range is 2."""
    bench = Bench(LeadLag.build(names, FAST | params))
    for _ in range(20):
        instant(bench, dict.fromkeys(names, 100.0))
    return bench


def instant(bench: Bench, closes: dict[str, float], reach: float = 1.0) -> Desired:
    """One bar of each, in the order given, all closing at one time."""
    at_ns = bench.view.ts_ns + MINUTE_NS
    for name, close in closes.items():
        bench.bar(close + reach, close - reach, close, of=name, at_ns=at_ns)
    return bench.desired


def entered(desired: Desired) -> list[tuple[str, float]]:
    return [(t.instrument, t.want.value) for t in desired.targets if isinstance(t.want, Strength)]


@pytest.mark.parametrize(("leader", "side"), [(102.1, 1), (101.9, 0), (97.9, -1), (98.1, 0)])
def test_a_move_of_more_than_the_true_range_trades_the_alt_that_lags_most(leader, side):
    bench = lead_lag(trigger="range")
    desired = instant(bench, {ETH: leader, SOL: 100 + side * 1.5, XRP: 100 + side * 0.2, DOT: 100 + side * 0.7})
    assert entered(desired) == ([(XRP, side)] if side else [])
    if side:
        (protection,) = desired.protections
        close = 100 + side * 0.2
        assert (protection.instrument, protection.entry) == (XRP, f"{bench.view.ts_ns}:{side}")
        assert protection.stop == pytest.approx(close * (1 - side * 0.002))
        assert protection.take_profit == pytest.approx(close * (1 + side * 0.0025))


@pytest.mark.parametrize(("trigger", "trades"), [("levels", True), ("either", True), ("range", False)])
def test_a_close_beyond_the_levels_of_the_bars_before_is_a_break_too(trigger, trades):
    bench = lead_lag(trigger=trigger, level_bars=4)
    assert bool(instant(bench, {ETH: 101.1, SOL: 101.0, XRP: 100.2, DOT: 101.0}).targets) is trades
    assert lead_lag(trigger=trigger).desired is NOTHING


@pytest.mark.parametrize("order", [*permutations(NAMES)])
def test_the_order_in_which_the_bars_of_an_instant_come_changes_nothing(order):
    bench = lead_lag()
    closes = {ETH: 103.0, SOL: 101.0, XRP: 100.2, DOT: 100.9}
    at_ns = bench.view.ts_ns + MINUTE_NS
    for name in order[:-1]:
        assert bench.bar(104, 100, closes[name], of=name, at_ns=at_ns) is NOTHING, "half of them decide nothing"
    assert entered(bench.bar(104, 100, closes[order[-1]], of=order[-1], at_ns=at_ns)) == [(XRP, 1.0)]


def test_a_silent_alt_costs_one_decision_and_is_never_the_follower():
    bench = lead_lag()
    assert instant(bench, {ETH: 103.0, SOL: 101.0, DOT: 101.5}) is NOTHING
    assert entered(instant(bench, {ETH: 106.0, SOL: 102.0, DOT: 104.0})) == [(SOL, 1.0)]
    bench = lead_lag()
    instant(bench, {SOL: 100.0, XRP: 100.0, DOT: 100.0})
    assert instant(bench, {SOL: 100.0, XRP: 90.0, DOT: 100.0}) is NOTHING, "without the leader there is no break"


def test_lag_is_measured_against_each_ones_own_last_close():
    bench = lead_lag()
    for _ in range(6):
        instant(bench, {ETH: 100.0, SOL: 50.0, XRP: 100.0, DOT: 100.0})
    assert entered(instant(bench, {ETH: 103.0, SOL: 50.5, XRP: 100.9, DOT: 101.1})) == [(XRP, 1.0)], "1 % against 0.9 %"


def test_an_alt_that_went_along_is_no_follower_and_equals_go_by_their_order():
    assert instant(lead_lag(), {ETH: 103.0, SOL: 103.0, XRP: 104.0, DOT: 102.96}) is NOTHING
    assert entered(instant(lead_lag(), {ETH: 103.0, SOL: 103.0, XRP: 101.0, DOT: 101.0})) == [(XRP, 1.0)]


def test_one_is_held_at_a_time_and_a_break_the_other_way_ends_it():
    bench = lead_lag(patience_bars=0, hold_bars=0)
    entry = instant(bench, {ETH: 103.0, SOL: 101.0, XRP: 100.0, DOT: 101.0}).targets[0].entry
    held = bench.fill(1, 100.0, 2.0, entry, of=XRP)
    assert instant(bench, {ETH: 106.0, SOL: 101.0, XRP: 100.1, DOT: 101.0}) is held
    (target,) = instant(bench, {ETH: 97.0, SOL: 100.9, XRP: 100.0, DOT: 101.0}).targets
    assert (target.instrument, target.want, target.entry) == (XRP, Qty(0.0), entry)
    assert bench.fill(-1, 100.0, 2.0, entry, of=XRP) is NOTHING


def test_several_are_held_up_to_the_most():
    bench = lead_lag(max_open=2)
    instant(bench, {ETH: 103.0, SOL: 101.0, XRP: 100.0, DOT: 101.0})
    desired = instant(bench, {ETH: 106.0, SOL: 102.0, XRP: 100.0, DOT: 101.5})
    assert entered(desired) == [(XRP, 1.0), (DOT, 1.0)]
    assert instant(bench, {ETH: 109.0, SOL: 102.0, XRP: 100.0, DOT: 101.5}) is desired


def test_one_that_does_not_go_with_the_leader_is_left_out_when_that_is_asked():
    bench = lead_lag(names=NAMES[:3], min_correlation=0.8, correlation_bars=6)
    for step in range(8):
        wave = (-1) ** step * 0.2
        instant(bench, {ETH: 100 + wave, SOL: 100 + 2 * wave, XRP: 100 + 0.1 * (step % 3)})
    assert entered(instant(bench, {ETH: 103.0, SOL: 101.5, XRP: 100.0})) == [(SOL, 1.0)]


def test_positions_found_at_the_start_are_adopted_but_not_the_leaders():
    bench = Bench(LeadLag.build(NAMES, FAST))
    bench.view.positions.update({ETH: 1.0, DOT: -2.0})
    bench.view.paid.update({ETH: 100.0, DOT: 100.0})
    desired = instant(bench, dict.fromkeys(NAMES, 100.0))
    (protection,) = desired.protections
    assert protection.instrument == DOT
    assert protection.entry.endswith(":adopted")
    assert desired.targets == ()


def test_it_needs_a_leader_and_alts_each_once():
    for names in ((ETH,), (ETH, SOL, SOL), (ETH, ETH)):
        with pytest.raises(StrategyError, match="the leader, then one or more alts, each once"):
            LeadLag.build(names, {})
    with pytest.raises(ValidationError, match="max_open"):
        LeadLag.build(NAMES, {"max_open": 0})
