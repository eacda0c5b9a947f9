"""Pairs: what is entered and at what ratio, by hand; what ends it; and that half of a pair decides nothing."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.desired import NOTHING, Desired, Hedge, Qty, Strength, Style
from domain.errors import StrategyError
from engine.strategies.pairs import Pairs
from tests.engine.strategies.harness import BTC, ETH, MINUTE_NS, Bench

WINDOW = 120
FAST = {"interval_s": 60, "window": WINDOW, "max_half_life": 20, "cost_factor": 0.0, "naked_usd": 500.0}


def walk(count: int, seed: int = 6, ratio: float = 0.8, back: float = 0.3) -> list[tuple[float, float]]:
    """Closes of hedge (about 50) and lead (about 100): the logs on a line, and noise that comes back."""
    draw, x, e, closes = random.Random(seed), math.log(50.0), 0.0, []
    for _ in range(count):
        x += draw.gauss(0, 0.004)
        e = (1 - back) * e + draw.gauss(0, 0.001)
        closes.append((math.exp(x), 100.0 * math.exp(ratio * (x - math.log(50.0)) + e)))
    return closes


def pairs(**params) -> Bench:
    return Bench(Pairs.build([BTC, ETH], FAST | params))


def instant(bench: Bench, hedge: float, lead: float, legs: tuple[str, ...] = (BTC, ETH)) -> Desired:
    """One bar of each leg, closing at one time."""
    at_ns = bench.view.ts_ns + MINUTE_NS
    for leg in legs:
        close = lead if leg == BTC else hedge
        bench.bar(close, close, close, of=leg, at_ns=at_ns)
    return bench.desired


def full(closes: list[tuple[float, float]] | None = None, **params) -> Bench:
    """A pair whose window is full of a market that is one, and that is not apart."""
    bench = pairs(**params)
    for close in closes or walk(WINDOW):
        instant(bench, *close)
    assert bench.desired is NOTHING
    return bench


def apart(bench: Bench, deviations: float) -> tuple[float, float]:
    """Closes at which the pair is about so far apart, with the hedge where it is."""
    found = bench.memory.test.test()
    hedge = bench.memory.closes[ETH].price
    y = found.intercept + found.slope * math.log(hedge) + deviations * found.deviation
    return hedge, math.exp(y)


def entered(side: int = -1, deviations: float = 3.0, **params) -> Bench:
    """The lead was sold (bought) dear (cheap), and both legs are filled."""
    bench = full(**params)
    instant(bench, *apart(bench, -side * deviations))
    bench.fill(side, bench.memory.closes[BTC].price, 1.0, bench.desired.targets[0].entry)
    bench.fill(-side, bench.memory.closes[ETH].price, hedge_of(bench.desired).ratio, of=ETH)
    return bench


def hedge_of(desired: Desired) -> Hedge:
    want = desired.targets[1].want
    assert isinstance(want, Hedge)
    return want


def strength_of(desired: Desired) -> Strength:
    want = desired.targets[0].want
    assert isinstance(want, Strength)
    return want


def is_closing(desired: Desired) -> bool:
    return bool(desired.targets) and desired.targets[0].want == Qty(0.0)


@pytest.mark.parametrize("side", [1, -1])
def test_the_dear_one_is_sold_and_the_other_bought_money_for_money(side):
    closes = walk(WINDOW)
    bench = full(closes)
    hedge, lead = apart(bench, -side * 3.0)
    desired = instant(bench, hedge, lead)
    window = np.log([*closes[1:], (hedge, lead)])
    slope, intercept = np.polyfit(window[:, 0], window[:, 1], 1)
    spread = window[:, 1] - intercept - slope * window[:, 0]
    z = spread[-1] / spread.std()
    assert 2.0 <= -side * z < 4.0
    first, second = desired.targets
    assert first.instrument == BTC
    assert strength_of(desired).value == side
    assert strength_of(desired).stop_distance == pytest.approx((4.0 - abs(z)) * spread.std() * lead, rel=1e-6)
    assert second.instrument == ETH
    follows = hedge_of(desired)
    assert follows.lead == BTC
    assert (follows.ratio, follows.naked_cap) == pytest.approx((slope * lead / hedge, 500.0 / lead), rel=1e-6)
    (protection,) = desired.protections
    assert (protection.instrument, protection.entry) == (BTC, first.entry)
    assert protection.stop == pytest.approx(lead * (1 - side * 0.15))


def test_nothing_is_decided_until_both_closes_of_an_instant_have_come():
    bench = full()
    hedge, lead = apart(bench, 3.0)
    assert instant(bench, hedge, lead, (BTC,)) is NOTHING
    assert bench.bar(hedge, hedge, hedge, of=ETH, at_ns=bench.view.ts_ns).targets
    late = full()
    instant(late, hedge, lead, (BTC,))
    instant(late, hedge, lead, (ETH,))
    assert late.desired is NOTHING, "closes of different times are no spread"


def test_the_order_in_which_the_closes_come_changes_nothing():
    benches = []
    for legs in ((BTC, ETH), (ETH, BTC)):
        bench = pairs()
        for close in walk(WINDOW):
            instant(bench, *close, legs)
        instant(bench, *apart(bench, 3.0), legs)
        benches.append(bench)
    assert benches[0].desired == benches[1].desired != NOTHING


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"min_correlation": 0.999}, "correlation of returns"),
        ({"min_ratio": 0.95}, "hedge ratio 0.8"),
        ({"max_half_life": 1.01, "min_half_life": 1.0}, "half-life"),
        ({"naked_usd": 0.01}, "naked_usd is less than the smallest order"),
    ],
)
def test_what_is_no_pair_is_not_entered_and_says_why(params, says):
    bench = full(**params)
    assert instant(bench, *apart(bench, 3.0)) is NOTHING
    assert says in bench.memory.because


def test_two_walks_are_no_pair():
    other = walk(WINDOW, seed=8)
    bench = full([(hedge, lead) for (hedge, _), (_, lead) in zip(walk(WINDOW), other, strict=True)])
    assert instant(bench, *apart(bench, 3.0)) is NOTHING
    assert bench.memory.because.startswith("not cointegrated: ")


@pytest.mark.parametrize(("deviations", "enters"), [(1.5, False), (3.0, True), (30.0, False)])
def test_a_spread_is_entered_between_entry_and_stop(deviations, enters):
    bench = full()
    assert bool(instant(bench, *apart(bench, deviations)).targets) is enters


def test_a_spread_that_does_not_pay_its_fees_is_not_entered():
    bench = full(cost_factor=1.5)
    bench.view.fees = {BTC: 0.01, ETH: 0.01}
    assert instant(bench, *apart(bench, 3.0)) is NOTHING
    assert bench.memory.because.startswith("coming back would earn 0.")


def test_it_is_left_when_the_two_have_met_by_the_line_of_the_entry():
    bench = entered()
    line = bench.memory.idea.line
    hedge = bench.memory.closes[ETH].price
    instant(bench, hedge, math.exp(line.level + line.ratio * math.log(hedge) + 0.6 * line.deviation))
    assert not is_closing(bench.desired)
    desired = instant(bench, hedge, math.exp(line.level + line.ratio * math.log(hedge) + 0.4 * line.deviation))
    assert is_closing(desired)
    assert hedge_of(desired).ratio > 0, "the hedge goes on following while the lead is closed"
    bench.fill(1, 100.0, 1.0)
    assert is_closing(bench.desired), "not over while the hedge is held"
    assert bench.fill(-1, 50.0, bench.view.position(ETH), of=ETH) is NOTHING
    assert bench.memory.unmet == 0


def test_past_the_stop_it_is_given_up_and_not_entered_again_until_the_two_have_met():
    bench = entered()
    line, hedge = bench.memory.idea.line, bench.memory.closes[ETH].price
    desired = instant(bench, hedge, math.exp(line.level + line.ratio * math.log(hedge) + 4.1 * line.deviation))
    assert is_closing(desired)
    bench.view.positions.clear()
    bench.fill(1, 100.0, 0.0)
    assert bench.desired is NOTHING
    for deviations, again in ((3.0, False), (0.0, False), (3.0, True)):
        desired = instant(bench, *apart(bench, deviations))
        assert bool(desired.targets) is again, (deviations, bench.memory.because)


def test_a_pair_that_takes_too_long_is_closed():
    bench = entered(max_half_lives=3.0)
    most = bench.memory.idea.most_bars
    assert most == math.ceil(3.0 * bench.memory.test.test().half_life)
    for _ in range(most - 1):
        assert not is_closing(instant(bench, *apart(bench, 2.0)))
    assert is_closing(instant(bench, *apart(bench, 2.0)))
    assert bench.memory.unmet == 1


def test_a_pair_that_is_none_any_more_is_closed_after_some_bars():
    bench = entered(regime_bars=4, max_half_lives=0.0, stop_z=50.0)
    draw, lost = random.Random(1), 0
    hedge, lead = bench.memory.closes[ETH].price, bench.memory.closes[BTC].price
    while not is_closing(bench.desired):
        before = bench.memory.idea.lost_bars
        hedge *= math.exp(draw.gauss(0, 0.004))
        lead *= math.exp(abs(draw.gauss(0, 0.004)))
        instant(bench, hedge, lead)
        lost += 1
    assert before == 3
    assert lost < WINDOW


def test_a_stop_of_the_lead_that_fires_ends_the_pair():
    bench = entered()
    entry = bench.desired.targets[0].entry
    desired = bench.fill(1, 115.0, 0.4, entry, protective=True)
    assert is_closing(desired)
    assert desired.targets[0].entry == entry
    assert bench.memory.unmet == 1


@pytest.mark.parametrize("hedged", [-1.5, 0.0])
def test_a_pair_found_at_the_start_is_held_as_it_is(hedged):
    bench = full()
    bench.view.positions, bench.view.paid = {BTC: 1.0, ETH: hedged}, {BTC: 100.0}
    hedge, lead = apart(bench, -2.0)
    desired = instant(bench, hedge, lead)
    assert desired.targets[0].want == Qty(1.0)
    fitted = bench.memory.test.test().slope * lead / hedge
    assert hedge_of(desired).ratio == pytest.approx(1.5 if hedged else fitted)
    assert desired.protections[0].stop == pytest.approx(85.0)
    assert is_closing(instant(bench, *apart(bench, 0.0)))


@pytest.mark.parametrize(("held", "hedged"), [(1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 2.0)])
def test_what_is_found_and_is_no_pair_is_closed(held, hedged):
    bench = full(min_correlation=0.999)
    bench.view.positions, bench.view.paid = {BTC: held, ETH: hedged}, {BTC: 100.0}
    assert is_closing(instant(bench, *apart(bench, 0.0)))


def test_a_fill_that_comes_after_the_end_is_closed_at_once():
    bench = full()
    desired = bench.fill(1, 100.0, 0.2)
    assert is_closing(desired)
    assert desired.targets[0].style is Style.TAKE
    assert bench.fill(-1, 100.0, 0.2) is NOTHING


def test_the_kalman_line_is_what_was_expected_before_the_newest_close():
    bench = full(walk(3 * WINDOW), hedge="kalman", kalman_delta=1e-6, entry_z=2.8)
    kalman = bench.memory.kalman
    slope, level = kalman.slope, kalman.level
    deviation = bench.memory.errors.value
    hedge = bench.memory.closes[ETH].price
    lead = math.exp(level + slope * math.log(hedge) + 3.5 * deviation)
    desired = instant(bench, hedge, lead)
    assert strength_of(desired).value == -1
    line = bench.memory.idea.line
    assert line.z(math.log(hedge), math.log(lead)) == pytest.approx(3.5, rel=0.2)
    assert bench.memory.idea.per_lead == pytest.approx(line.ratio * lead / hedge)
    assert line.ratio == pytest.approx(0.8, abs=0.05)


broken = st.sampled_from([math.nan, 0.0, -1.0, math.inf, 1e-300, 1e300])
moves = st.lists(
    st.tuples(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02), st.integers(0, 9), broken), min_size=1, max_size=60
)


@settings(max_examples=40)
@given(moves, st.sampled_from(["rolling", "kalman"]))
def test_whatever_comes_its_wishes_are_finite_and_its_hedge_is_on_the_other_side(steps, hedge_by):
    bench = full(hedge=hedge_by, min_correlation=-1.0, max_half_life=1000.0, significance_pct=10)
    x, y = math.log(bench.memory.closes[ETH].price), math.log(bench.memory.closes[BTC].price)
    for dx, dy, odd, price in steps:
        x, y = x + dx, y + dy
        legs = (BTC,) if odd == 1 else (ETH,) if odd == 2 else (BTC, ETH)
        instant(bench, math.exp(x), price if odd == 3 else math.exp(y), legs)
        for target in bench.desired.targets:
            want = target.want
            if isinstance(want, Hedge):
                assert 0 <= want.ratio < math.inf
                assert 0 < want.naked_cap < math.inf
            else:
                assert isinstance(want, Strength | Qty)
                assert abs(want.value) <= 1
                if want.value and not bench.view.position(BTC):
                    bench.fill(1 if want.value > 0 else -1, math.exp(y), 1.0, target.entry)
        assert all(0 < p.stop < math.inf for p in bench.desired.protections)
        if is_closing(bench.desired) and odd != 4:
            bench.view.positions.clear()


def test_a_restart_in_the_middle_gives_the_same_decisions():
    closes = walk(6 * WINDOW, seed=11)
    for hedge_by in ("rolling", "kalman"):
        params = {"hedge": hedge_by, "entry_z": 1.0, "exit_z": 0.2}
        plain, restarted, wishes = pairs(**params), pairs(**params), 0
        for (_, before), (hedge, lead) in pairwise(closes):
            for bench in (plain, restarted):
                instant(bench, hedge, lead)
                held = bench.view.position(BTC)
                if is_closing(bench.desired):
                    bench.view.positions.clear()
                    bench.fill(1, lead, 0.0)
                elif bench.desired.targets and not held:
                    bench.fill(round(strength_of(bench.desired).value), before, 1.0, of=BTC)
            assert plain.desired == restarted.desired
            wishes += bool(plain.desired.targets)
            restarted.save_and_restore()
        assert plain.memory == restarted.memory
        assert wishes > 20


def test_warming_up_only_fills_the_window():
    bench = pairs()
    bench.view.warming = True
    for close in walk(WINDOW):
        instant(bench, *close)
    assert instant(bench, *apart(bench, 3.0)) is NOTHING
    bench.view.warming = False
    assert instant(bench, *apart(bench, 3.0)).targets


def test_legs_and_parameters_that_cannot_be_are_refused():
    for legs in ([BTC], [BTC, BTC], [BTC, ETH, "SOL-USDC-PERP.PAPER"]):
        with pytest.raises(StrategyError, match="needs two instruments"):
            Pairs.build(legs, FAST)
    for wrong in ({"exit_z": 3.0}, {"stop_z": 1.0}, {"min_ratio": 1.2}, {"window": 30, "lags": 5}):
        with pytest.raises(ValidationError):
            pairs(**wrong)
