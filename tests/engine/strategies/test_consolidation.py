"""Consolidation: what a tight range is, its thirds, its break, and the pause after an exit."""

import pytest
from pydantic import ValidationError

from domain.desired import NOTHING, Qty, Strength, Style
from engine.strategies.consolidation import Consolidation
from tests.engine.strategies.harness import BTC, Bench

FAST = {"interval_s": 60, "window": 4, "tight_pct": 0.7, "stop_pct": 0.25, "take_profit_pct": 0.3, "pause_bars": 2}


def consolidation(**params) -> Bench:
    return Bench(Consolidation.build([BTC], FAST | params))


def tight(**params) -> Bench:
    """Four bars from 1000 to 1006: a range of 0.6 %, closes in its middle."""
    bench = consolidation(**params)
    for _ in range(4):
        bench.bar(1006, 1000, 1003)
    return bench


@pytest.mark.parametrize(
    ("close", "side"), [(1000.5, 1), (1002.0, 1), (1002.1, 0), (1003.9, 0), (1004.0, -1), (1005.5, -1)]
)
def test_the_lower_third_is_bought_and_the_upper_third_sold(close, side):
    bench = tight()
    assert bench.desired is NOTHING
    desired = bench.bar(1005.5, 1000.5, close)
    if not side:
        assert desired is NOTHING
        return
    (target,), (protection,) = desired.targets, desired.protections
    assert target.want == Strength(side, close * 0.25 * 0.01)
    assert target.entry == protection.entry == f"{bench.view.ts_ns}:{side}"
    assert protection.stop == pytest.approx(close * (1 - side * 0.0025))
    assert protection.take_profit == pytest.approx(close * (1 + side * 0.003))


def test_a_range_is_measured_as_one_bar_with_the_gap_before_it():
    bench = consolidation()
    bench.bar(1011, 1009, 1010)
    for _ in range(4):
        bench.bar(1003, 1001, 1002)
    assert bench.bar(1003, 1001, 1001.1).targets, "the gap has left the window"
    bench = consolidation()
    bench.bar(1011, 1009, 1010)
    for _ in range(3):
        bench.bar(1003, 1001, 1002)
    assert bench.bar(1003, 1001, 1001.1) is NOTHING, "from 1010 to 1001 is 0.9 %"


def test_a_wide_range_and_one_without_width_are_left_alone():
    wide = consolidation()
    for _ in range(6):
        assert wide.bar(1008, 1000, 1000.5) is NOTHING
    dead = consolidation()
    for _ in range(6):
        assert dead.bar(1000, 1000, 1000) is NOTHING


def test_the_variant_follows_the_break_of_a_tight_range_and_of_no_other():
    bench = tight(variant="break")
    assert bench.bar(1006, 1000, 1000.1) is NOTHING, "inside"
    assert bench.bar(1009, 1003, 1007).targets[0].want == Strength(1.0, 1007 * 0.25 * 0.01)
    bench = tight(variant="break", direction="long")
    assert bench.bar(1003, 998, 999) is NOTHING
    bench = consolidation(variant="break")
    for _ in range(4):
        bench.bar(1008, 1000, 1003)
    assert bench.bar(1010, 1003, 1009) is NOTHING, "0.8 % is not tight"


def test_after_an_exit_it_pauses_and_then_makes_a_new_entry():
    bench = tight(style="passive")
    first = bench.bar(1005, 1001, 1001.5).targets[0]
    assert first.style is Style.PASSIVE
    held = bench.fill(1, 1001.0, 0.5, first.entry)
    assert held.protections[0].stop == pytest.approx(1001.5 * 0.9975), "tighter than from the fill: it stays"
    assert held.protections[0].take_profit == pytest.approx(1001.0 * 1.003)
    assert bench.bar(1005, 1001, 1001.5) is held
    assert bench.fill(-1, 998.5, 0.5, first.entry, protective=True) is NOTHING
    for _ in range(2):
        assert bench.bar(1005, 1001, 1001.5) is NOTHING
    assert bench.bar(1005, 1001, 1001.5).targets[0].entry != first.entry


def test_a_position_found_at_the_start_gets_its_stop_or_is_closed_past_it():
    for close, wanted in ((1003.0, []), (990.0, [Qty(0.0)])):
        bench = consolidation()
        bench.view.positions[BTC], bench.view.paid[BTC] = 0.5, 1003.0
        desired = bench.bar(close + 1, close - 1, close)
        assert [target.want for target in desired.targets] == wanted, "neither more nor less than what is held"
        assert desired.protections[0].stop == pytest.approx(1003 * 0.9975)


@pytest.mark.parametrize(
    ("params", "said"),
    [({"edge": 0.6}, "less than or equal to 0.5"), ({"tight": 1}, "tight"), ({"stop_pct": 0}, "greater than 0")],
)
def test_wrong_parameters_are_refused_with_the_reason(params, said):
    with pytest.raises(ValidationError, match=said):
        consolidation(**params)
