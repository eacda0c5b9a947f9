"""The tables of the breaker matrix: what an open one leaves, what it may be told to do, and in which order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.breakers import BreakerAction, BreakerRule, Watch
from risk.breaker import BreakerState
from risk.matrix import ALLOWED, DEFAULTS, PRIORITY, in_order, left_by, misfits

A = BreakerAction
OPEN, HALF_OPEN = BreakerState.OPEN, BreakerState.HALF_OPEN
QUARTER = Decimal("0.25")


@pytest.mark.parametrize(
    ("watch", "actions", "left"),
    [
        (Watch.LATENCY, (A.REDUCE_ACTIVITY,), QUARTER),
        (Watch.LATENCY, (A.REDUCE_ACTIVITY, A.PAUSE), Decimal(0)),
        (Watch.OVERLOAD, (A.SHED_LOAD,), Decimal(1)),
        (Watch.POSITION_TIMEOUT, (A.CLOSE_OLD, A.TELL_RISK), Decimal(1)),
        (Watch.ERROR_RATE, (A.RESTART_STRATEGIES,), Decimal(1)),
        (Watch.PORTFOLIO_LOSS, (A.HALVE_POSITIONS,), Decimal(0)),
        (Watch.SECURITY, (A.SHUT_DOWN, A.LOCK_DOWN), Decimal(0)),
        (Watch.SPREAD, (), Decimal(1)),
        (Watch.EXCHANGE_FAILURE, (), Decimal(0)),
    ],
)
def test_an_open_breaker_leaves_what_its_actions_leave(
    watch: Watch, actions: tuple[BreakerAction, ...], left: Decimal
) -> None:
    assert left_by(OPEN, BreakerRule(actions=actions), watch) == left


@pytest.mark.parametrize("watch", list(Watch))
def test_closed_leaves_all_half_open_a_fraction_and_by_hand_nothing_whatever_it_does(watch: Watch) -> None:
    rule = BreakerRule(actions=(A.TELL_RISK,), fraction=Decimal("0.4"))
    states = (BreakerState.CLOSED, HALF_OPEN, BreakerState.FORCED_OPEN)
    assert [left_by(state, rule, watch) for state in states] == [Decimal(1), Decimal("0.4"), Decimal(0)]


def test_only_what_does_not_fit_a_breaker_is_a_misfit_in_the_order_given() -> None:
    assert misfits(Watch.SPREAD, (A.LOCK_DOWN, A.PAUSE, A.FLATTEN)) == [A.LOCK_DOWN, A.FLATTEN]
    assert misfits(Watch.SPREAD, (A.PAUSE,)) == []
    assert misfits(Watch.FEED_AGE, ()) == []


def test_every_breaker_of_the_mission_may_do_what_it_does() -> None:
    rules = {watch: DEFAULTS.rule(watch) for watch in Watch}
    assert set(ALLOWED) == set(Watch)
    assert [watch for watch, rule in rules.items() if rule is None or misfits(watch, rule.actions)] == []


def test_actions_are_ordered_by_priority_and_each_runs_once() -> None:
    given = (A.TELL_RISK, A.PAUSE, A.CLOSE_OLD, A.PAUSE, A.EMERGENCY_STOP, A.HALVE_POSITIONS)
    ordered = [A.EMERGENCY_STOP, A.HALVE_POSITIONS, A.PAUSE, A.CLOSE_OLD, A.TELL_RISK]
    assert in_order(given) == ordered
    assert in_order(reversed(given)) == ordered
    assert in_order(()) == []


def test_every_action_has_a_priority_and_they_stand_in_its_order() -> None:
    assert set(PRIORITY) == set(BreakerAction)
    assert list(PRIORITY.values()) == sorted(PRIORITY.values())
