"""A bracket's life: given up, closed in time, partly fired, and fills that come when they should not."""

from domain.desired import Protection, Qty, Strength, Target
from domain.strategy import FillView
from engine.strategies.bracket import Bracket, BracketParams, after_fill
from tests.engine.strategies.harness import BTC

PARAMS = BracketParams(stop_pct=1, take_profit_pct=2, patience_bars=2, hold_bars=3)


def signal(side: int = 1) -> Bracket:
    return Bracket.at_signal(7, side, 100.0, PARAMS)


def fill(side: int, price: float, entry: str = "7:1", *, protective: bool = False) -> FillView:
    return FillView(BTC, 9, side, price, 1.0, entry, protective)


def filled(bracket: Bracket | None, of: FillView, position: float, paid: float) -> Bracket:
    after = after_fill(bracket, of, position, paid, PARAMS)
    assert after is not None
    return after


def target_of(bracket: Bracket) -> Target:
    target, _ = bracket.wants(BTC, PARAMS)
    assert target is not None
    return target


def exits(bracket: Bracket) -> Protection:
    _, protection = bracket.wants(BTC, PARAMS)
    assert protection is not None
    return protection


def test_an_entry_without_a_fill_is_withdrawn_and_is_over_a_bar_later():
    bracket = signal()
    assert bracket.after_bar(100.0, 0.0, PARAMS) is bracket
    assert not bracket.closing
    assert bracket.after_bar(100.0, 0.0, PARAMS) is bracket
    assert target_of(bracket).want == Qty(0.0)
    assert bracket.after_bar(100.0, 0.0, PARAMS) is None


def test_what_is_not_filled_in_time_is_given_up_and_what_is_stays_protected():
    bracket = filled(signal(), fill(1, 100.0), 0.3, 100.0)
    bracket.after_bar(100.0, 0.3, PARAMS)
    assert target_of(bracket).want == Strength(1.0, 1.0)
    bracket.after_bar(100.0, 0.3, PARAMS)
    target, _ = bracket.wants(BTC, PARAMS)
    assert target is None
    assert exits(bracket).stop == 99.0


def test_an_entry_whose_stop_is_passed_before_its_fill_is_withdrawn():
    bracket = signal(-1)
    bracket.after_bar(101.0, 0.0, PARAMS)
    assert bracket.closing


def test_a_position_is_closed_after_its_time():
    bracket = filled(signal(), fill(1, 100.0), 1.0, 100.0)
    for _ in range(2):
        bracket.after_bar(100.0, 1.0, PARAMS)
        assert not bracket.closing
    bracket.after_bar(100.0, 1.0, PARAMS)
    assert target_of(bracket).want == Qty(0.0)
    assert (exits(bracket).stop, exits(bracket).take_profit) == (99.0, 102.0), "protected until it is flat"


def test_exits_follow_what_was_paid_and_a_stop_only_tightens():
    bracket = filled(signal(-1), fill(-1, 99.0), -1.0, 99.0)
    assert (bracket.stop, bracket.take_profit) == (99.99, 97.02)
    after_fill(bracket, fill(-1, 101.0), -2.0, 100.0, PARAMS)
    assert (bracket.stop, bracket.take_profit) == (99.99, 98.0)


def test_what_a_partly_fired_stop_leaves_keeps_it_and_is_not_filled_up():
    bracket = filled(signal(), fill(1, 100.0), 2.0, 100.0)
    after_fill(bracket, fill(-1, 99.0, protective=True), 1.0, 100.0, PARAMS)
    target, _ = bracket.wants(BTC, PARAMS)
    assert target is None
    assert exits(bracket).stop == 99.0
    assert after_fill(bracket, fill(-1, 99.0, protective=True), 0.0, 0.0, PARAMS) is None


def test_a_fill_after_the_end_is_closed_again():
    late = filled(None, fill(-1, 100.0, "7:-1"), -1.0, 100.0)
    _, protection = late.wants(BTC, PARAMS)
    assert (target_of(late).want, target_of(late).entry, protection) == (Qty(0.0), "7:-1", None)


def test_a_fill_on_the_way_while_closing_changes_neither_exit_nor_the_wish_to_be_flat():
    bracket = signal()
    bracket.closing = True
    assert target_of(filled(bracket, fill(1, 90.0), 1.0, 90.0)).want == Qty(0.0)
    assert bracket.stop == 99.0
