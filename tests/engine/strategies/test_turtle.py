"""Turtle: breaks, units, protection, sessions, and what happens when its world changes under it."""

import random
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from domain.desired import NOTHING, Hedge, Qty, Strength, Style, Target
from engine.strategies.turtle import Turtle
from tests.engine.strategies.harness import BTC, MINUTE_NS, SECOND_NS, Bench

FAST = {"interval_s": 60, "entry_bars": 5, "atr_bars": 3}


def turtle(**params) -> Bench:
    return Bench(Turtle.build([BTC], FAST | params))


def wanted(target: Target) -> float:
    assert not isinstance(target.want, Hedge)
    return target.want.value


def quiet(bench: Bench, bars: int = 15) -> Bench:
    """A range from 99 to 101: ATR is 2."""
    bench.closes(*[100.0] * bars)
    return bench


def long_entry(**params) -> Bench:
    bench = quiet(turtle(**params))
    bench.closes(102.0)
    return bench


def test_nothing_is_wanted_inside_the_range_and_before_the_channel_is_known():
    bench = turtle()
    assert bench.closes(100, 105, 95) is NOTHING
    assert quiet(turtle()).desired is NOTHING


def test_a_break_is_entered_once_with_its_stop_and_take_profit():
    bench = long_entry()
    (target,), (protection,) = bench.desired.targets, bench.desired.protections
    assert target.entry == protection.entry == f"{bench.view.ts_ns}:1"
    assert target.style is Style.PASSIVE
    atr = bench.memory.atr.value
    assert target.want == Strength(1.0, 2 * atr)
    assert protection.stop == pytest.approx(102 - 2 * atr)
    assert protection.take_profit == pytest.approx(102 * 1.002)
    bench.fill(1, 102.0, 0.5, target.entry)
    before = bench.desired
    assert bench.closes(103.0) is before, "a second break within the entry changes nothing"


def test_a_break_downwards_is_entered_short():
    bench = quiet(turtle(style="take"))
    desired = bench.closes(98.0)
    assert wanted(desired.targets[0]) == -1.0
    assert desired.targets[0].style is Style.TAKE
    assert desired.protections[0].stop > 98.0 > desired.protections[0].take_profit


def test_a_direction_that_is_switched_off_is_not_entered():
    assert quiet(turtle(direction="short")).closes(102.0) is NOTHING
    assert quiet(turtle(direction="long")).closes(98.0) is NOTHING


def test_a_fired_stop_ends_the_entry_and_only_a_new_break_makes_a_new_one():
    bench = long_entry()
    first = bench.desired.targets[0].entry
    bench.fill(1, 102.0, 0.5, first)
    assert bench.fill(-1, 97.0, 0.5, first, protective=True) is NOTHING
    assert bench.closes(99.5, 100.0) is NOTHING, "no buying back"
    again = bench.closes(110.0)
    assert again.targets[0].entry not in ("", first)


def test_what_a_partly_fired_protection_leaves_keeps_its_stop_and_is_not_refilled():
    bench = long_entry()
    entry = bench.desired.targets[0].entry
    bench.fill(1, 102.0, 0.5, entry)
    stop = bench.desired.protections[0].stop
    desired = bench.fill(-1, 102.3, 0.2, entry, protective=True)
    assert desired.targets == ()
    assert desired.protections[0].stop == stop
    assert bench.closes(102.0, 102.1) is desired
    assert bench.fill(-1, 102.3, 0.3, entry, protective=True) is NOTHING


def test_a_late_fill_after_the_end_of_an_entry_is_closed():
    bench = long_entry()
    entry = bench.desired.targets[0].entry
    bench.fill(1, 102.0, 0.5, entry)
    bench.fill(-1, 97.0, 0.5, entry, protective=True)
    desired = bench.fill(1, 102.0, 0.1, entry)
    assert desired.targets[0].want == Qty(0.0)
    assert desired.targets[0].style is Style.TAKE
    assert bench.fill(-1, 97.0, 0.1, entry) is NOTHING


def test_an_entry_that_is_never_filled_is_given_up():
    bench = long_entry(patience_bars=2)
    bench.closes(102.0)
    assert wanted(bench.desired.targets[0]) == 1.0
    assert bench.closes(102.0).targets[0].want == Qty(0.0)
    assert bench.closes(101.0) is NOTHING


def test_an_entry_whose_stop_is_passed_before_a_fill_is_given_up():
    bench = long_entry()
    assert bench.closes(80.0).targets[0].want == Qty(0.0)


def test_flat_by_another_hand_ends_the_entry():
    bench = long_entry()
    bench.fill(1, 102.0, 0.5, bench.desired.targets[0].entry)
    assert bench.fill(-1, 101.0, 0.5) is NOTHING, "an operator's flatten is not bought back"


def test_the_classic_variant_leaves_by_the_opposite_channel():
    bench = long_entry(exit_bars=3, take_profit_pct=0)
    bench.fill(1, 102.0, 0.5, bench.desired.targets[0].entry)
    assert bench.desired.protections[0].take_profit == 0.0
    bench.closes(104, 106, 108)
    assert isinstance(bench.desired.targets[0].want, Strength)
    desired = bench.closes(102.5)
    assert desired.targets[0].want == Qty(0.0)
    assert desired.protections, "the stop stays until it is flat"


def test_units_are_added_from_own_fills_up_to_the_most():
    bench = long_entry(max_units=3, take_profit_pct=0, stop_atr=2.0)
    entry, atr = bench.desired.targets[0].entry, bench.memory.idea.atr
    bench.closes(110.0)
    assert wanted(bench.desired.targets[0]) == 1.0, "no unit is added to one that is not filled"
    bench.fill(1, 102.5, 0.3, entry)
    first_stop = bench.desired.protections[0].stop
    desired = bench.closes(102.5 + 0.5 * atr)
    assert desired.targets[0].want == Qty(0.6)
    assert desired.targets[0].entry == entry
    bench.fill(1, 104.0, 0.3, entry)
    assert bench.desired.protections[0].stop == pytest.approx(104.0 - 2 * atr)
    assert bench.desired.protections[0].stop > first_stop
    bench.closes(104.0 + 0.4 * atr)
    assert bench.desired.targets[0].want == Qty(0.6), "not yet half an ATR from the last unit"
    assert wanted(bench.closes(104.0 + 0.6 * atr).targets[0]) == pytest.approx(0.9)
    bench.fill(1, 106.0, 0.3, entry)
    assert wanted(bench.closes(120.0).targets[0]) == pytest.approx(0.9), "three units are the most"


def test_a_stop_never_loosens_within_an_entry():
    bench = long_entry()
    entry, stop = bench.desired.targets[0].entry, bench.desired.protections[0].stop
    bench.fill(1, 101.0, 0.2, entry)
    assert bench.desired.protections[0].stop == stop
    bench.fill(1, 104.0, 0.2, entry)
    assert bench.desired.protections[0].stop > stop
    assert bench.desired.protections[0].take_profit == pytest.approx(102.5 * 1.002)


def test_a_position_found_at_the_start_is_adopted_with_a_stop():
    bench = turtle()
    bench.view.positions[BTC], bench.view.paid[BTC] = -0.4, 101.0
    bench.view.warming = True
    quiet(bench)
    assert bench.desired is NOTHING
    bench.view.warming = False
    desired = bench.closes(100.0)
    assert desired.targets[0].want == Qty(-0.4)
    assert desired.protections[0].stop == pytest.approx(101.0 + 2 * bench.memory.atr.value)


def test_a_found_position_beyond_its_stop_is_closed():
    bench = turtle()
    bench.view.positions[BTC], bench.view.paid[BTC] = 0.4, 200.0
    assert quiet(bench).desired.targets[0].want == Qty(0.0)


def test_warmed_up_equals_having_run_longer():
    prices = [100 + (i * 7 % 11) * 0.1 for i in range(400)]
    long_run, fresh = turtle(), turtle()
    needed = fresh.strategy.warmup()
    for bench, history in ((long_run, prices), (fresh, prices[-needed:])):
        bench.view.warming = True
        bench.view.ts_ns -= len(history) * MINUTE_NS
        bench.closes(*history)
        bench.view.warming = False
    for close in (100.5, 103.0, 103.5):
        one, two = long_run.closes(close), fresh.closes(close)
        assert [t.entry for t in one.targets] == [t.entry for t in two.targets]
    assert fresh.desired.targets
    assert fresh.memory.atr.value == pytest.approx(long_run.memory.atr.value, rel=2e-4)
    assert fresh.memory.entry_channel.upper == long_run.memory.entry_channel.upper


def test_what_broke_during_warm_up_is_not_entered_late():
    bench = turtle()
    bench.view.warming = True
    quiet(bench)
    assert bench.closes(110.0) is NOTHING
    bench.view.warming = False
    assert bench.closes(105.0) is NOTHING


def test_a_bar_that_is_not_a_number_changes_nothing():
    bench = quiet(turtle())
    before = bench.memory.atr.value
    assert bench.bar(float("nan"), 90.0, 200.0) is NOTHING
    assert bench.bar(float("inf"), 90.0, 200.0) is NOTHING
    assert bench.memory.atr.value == before


NEW_YORK = ZoneInfo("America/New_York")


def at_new_york(bench: Bench, text: str, interval_ns: int = MINUTE_NS) -> None:
    """Let the next bar close at this New York time."""
    moment = datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)
    bench.view.ts_ns = int(moment.timestamp()) * SECOND_NS - interval_ns


@pytest.mark.parametrize(
    ("moment", "entered"),
    [
        ("2024-03-08T09:29", False),  # Friday before the clocks change: 14:29 UTC
        ("2024-03-08T09:30", True),
        ("2024-03-11T09:30", True),  # Monday after: 13:30 UTC
        ("2024-03-11T09:29", False),
        ("2024-11-04T15:59", True),  # Monday after the change back: 20:59 UTC
        ("2024-11-04T16:00", False),
        ("2024-11-03T11:00", False),  # Sunday
        ("2024-11-01T15:44", True),  # Friday, 16 minutes before the close
        ("2024-11-01T15:46", False),
    ],
)
def test_a_session_follows_new_york_across_daylight_saving(moment, entered):
    bench = quiet(turtle(session=True))
    at_new_york(bench, moment)
    assert bool(bench.closes(102.0).targets) is entered


def test_a_session_is_flat_before_the_weekend_but_keeps_positions_overnight():
    bench = quiet(turtle(session=True, take_profit_pct=0))
    at_new_york(bench, "2024-03-07T10:00")
    bench.closes(102.0)
    bench.fill(1, 102.0, 0.5, bench.desired.targets[0].entry)
    at_new_york(bench, "2024-03-07T23:00")
    assert wanted(bench.closes(102.0).targets[0]) == 1.0
    at_new_york(bench, "2024-03-08T15:45")
    assert bench.closes(102.0).targets[0].want == Qty(0.0)


def test_an_unfilled_entry_ends_with_the_session():
    bench = quiet(turtle(session=True, patience_bars=0))
    at_new_york(bench, "2024-03-07T15:59")
    assert bench.closes(102.0).targets
    assert bench.closes(102.0).targets[0].want == Qty(0.0)


def test_a_restart_in_the_middle_gives_the_same_decisions():
    plain, restarted = turtle(max_units=4, exit_bars=3), turtle(max_units=4, exit_bars=3)
    draw, close = random.Random(3), 100.0
    entries, most_units = set(), 0
    for _ in range(600):
        close += draw.gauss(0, 1.5)
        assert plain.closes(close) == restarted.closes(close)
        for target in plain.desired.targets:
            held, goal = plain.view.position(BTC), wanted(target)
            if goal and abs(held) < 0.4 and draw.random() < 0.7:
                fill = (1 if goal > 0 else -1, close, 0.1, target.entry)
            elif not goal and held:
                fill = (-1 if held > 0 else 1, close, abs(held), target.entry)
            else:
                continue
            assert plain.fill(*fill) == restarted.fill(*fill)
            entries.add(target.entry)
            most_units = max(most_units, plain.memory.idea.units if plain.memory.idea else 0)
        restarted.save_and_restore()
    assert len(entries) > 20
    assert most_units >= 3


SKIPS = {"exit_bars": 2, "take_profit_pct": 0, "skip_after_winner": True, "failsafe_bars": 8, "patience_bars": 0}


def after_a_break(*closes: float, **params) -> Bench:
    """A range from 99 to 101, a break to 102, then these closes; what is entered is stopped out at once."""
    bench = quiet(turtle(**SKIPS | params))
    for close in (102.0, *closes):
        if bench.closes(close).targets:
            entry = bench.desired.targets[0].entry
            bench.fill(1, close, 0.1, entry)
            assert bench.fill(-1, close, 0.1, entry, protective=True) is NOTHING
    return bench


WON = (104.0, 107.0, 110.0, 108.0, 105.0)
"""Up, then a close below the lowest low of two bars: left with a profit."""
LOST = (102.0, 97.0, 99.0, 100.0, 100.0)
"""Two ATR against it."""


def test_a_break_after_a_winner_is_skipped_and_one_after_a_loser_is_not():
    winner, loser = after_a_break(*WON), after_a_break(*LOST)
    assert winner.memory.newest is None
    assert (winner.memory.won, loser.memory.won) == (True, False)
    for _ in range(3):
        winner.closes(105.5)
    assert winner.memory.newest is None
    assert winner.closes(109.5) is NOTHING, "beyond five bars, within the failsafe's eight"
    assert winner.memory.newest is not None
    assert winner.memory.newest.skipped
    assert loser.closes(104.0).targets


def test_a_skipped_break_is_entered_once_it_breaks_the_failsafe_too():
    bench = after_a_break(*WON)
    for _ in range(3):
        bench.closes(105.5)
    bench.closes(109.5)
    assert bench.closes(110.9) is NOTHING
    assert wanted(bench.closes(112.5).targets[0]) == 1.0
    bench = after_a_break(*WON, failsafe_bars=0)
    for _ in range(3):
        bench.closes(105.5)
    bench.closes(109.5)
    assert bench.closes(112.5, 115.0) is NOTHING


def test_a_skipped_break_counts_as_if_it_had_been_taken():
    bench = after_a_break(*WON)
    for _ in range(3):
        bench.closes(105.5)
    bench.closes(109.5)
    assert wanted(bench.closes(95.0).targets[0]) == -1.0, "it was stopped out by this very bar: the next is taken"


def test_whether_a_break_won_is_learned_while_warming_too():
    bench = turtle(**SKIPS)
    bench.view.warming = True
    quiet(bench)
    bench.closes(102.0, *WON)
    assert bench.memory.won


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"skip_after_winner": True}, "needs exit_bars"),
        ({"skip_after_winner": True, "exit_bars": 2, "failsafe_bars": 5}, "must be more than entry_bars"),
        ({"session_zone": "Mars/Olympus"}, "no time zone is called 'Mars/Olympus'"),
        ({"session_open": "9.30"}, "write HH:MM"),
        ({"session_open": "17:00"}, "not before it closes"),
        ({"entry_bar": 5}, "entry_bar"),
        ({"stop_atr": 0}, "greater than 0"),
    ],
)
def test_wrong_parameters_are_refused_with_the_reason(params, said):
    with pytest.raises(ValidationError, match=said):
        turtle(**params)
