"""The breaker matrix: defaults, which action fits which breaker, how urgent each is, and how much an open one leaves.

Pure tables and functions; the state machine of one breaker is `risk.breaker`, what its actions do is
`engine.core.matrix`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from domain.breakers import (
    BreachSource,
    BreakerAction,
    BreakerRule,
    BreakerSettings,
    Priority,
    Watch,
)
from domain.instrument import ZERO
from domain.settings import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from risk.breaker import BreakerState

A, W = BreakerAction, Watch
ONE = Decimal(1)

PRIORITY: dict[BreakerAction, Priority] = {
    A.EMERGENCY_STOP: Priority.CRITICAL,
    A.SHUT_DOWN: Priority.CRITICAL,
    A.LOCK_DOWN: Priority.CRITICAL,
    A.FLATTEN: Priority.CRITICAL,
    A.HALVE_POSITIONS: Priority.HIGH,
    A.REFUSE_NEW: Priority.HIGH,
    A.PAUSE: Priority.HIGH,
    A.CANCEL_PENDING: Priority.HIGH,
    A.FAIL_OVER: Priority.HIGH,
    A.CLOSE_OLD: Priority.MEDIUM,
    A.REDUCE_ACTIVITY: Priority.MEDIUM,
    A.RESTART_STRATEGIES: Priority.LOW,
    A.SHED_LOAD: Priority.LOW,
    A.TELL_RISK: Priority.LOW,
}
"""In the order in which actions of the same breaker are begun."""
DEADLINE_NS: dict[Priority, int] = {
    Priority.CRITICAL: 0,
    Priority.HIGH: SECOND_NS,
    Priority.MEDIUM: 5 * SECOND_NS,
    Priority.LOW: 30 * SECOND_NS,
}
"""By when an action has to have begun, counted from the trip."""
START_NS: dict[Priority, int] = {
    Priority.CRITICAL: 0,
    Priority.HIGH: 0,
    Priority.MEDIUM: SECOND_NS // 10,
    Priority.LOW: SECOND_NS,
}
"""When it is begun: what runs code of strategies waits until what stops and closes has left."""

_EVERYWHERE = frozenset({A.REFUSE_NEW, A.PAUSE, A.REDUCE_ACTIVITY, A.TELL_RISK, A.HALVE_POSITIONS, A.FLATTEN})
_OF_STRATEGIES = frozenset({A.RESTART_STRATEGIES, A.SHED_LOAD})
_OF_ALL = frozenset({A.EMERGENCY_STOP, A.SHUT_DOWN, A.LOCK_DOWN})
_OF_MONEY = _EVERYWHERE | _OF_ALL
ALLOWED: dict[Watch, frozenset[BreakerAction]] = {
    W.PORTFOLIO_LOSS: _OF_MONEY,
    W.DRAWDOWN: _OF_MONEY,
    W.SECURITY: _OF_MONEY,
    W.LATENCY: _EVERYWHERE | {A.RESTART_STRATEGIES},
    W.ERROR_RATE: _EVERYWHERE | {A.RESTART_STRATEGIES},
    W.EXCHANGE_FAILURE: frozenset({A.FAIL_OVER, A.CANCEL_PENDING, A.REFUSE_NEW}),
    W.POSITION_TIMEOUT: frozenset({A.CLOSE_OLD, A.REFUSE_NEW, A.PAUSE, A.TELL_RISK}),
    W.OVERLOAD: _EVERYWHERE | _OF_STRATEGIES,
    W.VOLATILITY: frozenset({A.PAUSE, A.REFUSE_NEW, A.REDUCE_ACTIVITY, A.TELL_RISK, A.FLATTEN, A.HALVE_POSITIONS}),
    W.SPREAD: frozenset({A.PAUSE, A.REFUSE_NEW, A.REDUCE_ACTIVITY, A.TELL_RISK}),
    W.FEED_AGE: frozenset({A.PAUSE, A.REFUSE_NEW, A.TELL_RISK}),
    W.DATA_GAP: frozenset({A.PAUSE, A.REFUSE_NEW, A.TELL_RISK}),
}
"""What a breaker may be told to do: anything else in the settings is refused."""

DEFAULTS = BreakerSettings(
    exchange_failure=BreakerRule(actions=(A.FAIL_OVER, A.CANCEL_PENDING)),
    portfolio_loss=BreakerRule(
        threshold=Decimal("0.05"), window_ns=DAY_NS, cool_down_ns=30 * MINUTE_NS,
        actions=(A.HALVE_POSITIONS, A.REFUSE_NEW),
    ),
    drawdown=BreakerRule(
        threshold=Decimal("0.15"), window_ns=7 * DAY_NS, cool_down_ns=HOUR_NS, recovers=False,
        actions=(A.EMERGENCY_STOP,),
    ),
    latency=BreakerRule(
        threshold=Decimal(500), window_ns=5 * MINUTE_NS, cool_down_ns=10 * MINUTE_NS, actions=(A.REDUCE_ACTIVITY,)
    ),
    error_rate=BreakerRule(
        threshold=Decimal("0.05"), window_ns=10 * MINUTE_NS, cool_down_ns=15 * MINUTE_NS,
        actions=(A.PAUSE, A.RESTART_STRATEGIES),
    ),
    position_timeout=BreakerRule(
        threshold=ONE, window_ns=HOUR_NS, cool_down_ns=5 * MINUTE_NS, probes=1, actions=(A.CLOSE_OLD, A.TELL_RISK)
    ),
    overload=BreakerRule(
        threshold=Decimal("0.9"), window_ns=5 * MINUTE_NS, cool_down_ns=10 * MINUTE_NS, actions=(A.SHED_LOAD,)
    ),
    security=BreakerRule(
        threshold=ONE, window_ns=10 * MINUTE_NS, cool_down_ns=2 * HOUR_NS, recovers=False,
        actions=(A.SHUT_DOWN, A.LOCK_DOWN), thresholds={BreachSource.LOGIN.value: Decimal(5)},
    ),
    volatility=BreakerRule(
        threshold=Decimal("0.1"), window_ns=5 * MINUTE_NS, cool_down_ns=5 * MINUTE_NS, hold_ns=15 * SECOND_NS,
        actions=(A.PAUSE,), thresholds={"BTC": Decimal("0.05"), "ETH": Decimal("0.05")},
    ),
    spread=BreakerRule(
        threshold=Decimal("0.01"), window_ns=MINUTE_NS, cool_down_ns=MINUTE_NS, hold_ns=15 * SECOND_NS,
        actions=(A.PAUSE,),
    ),
    feed_age=BreakerRule(threshold=Decimal(30), cool_down_ns=10 * SECOND_NS, actions=(A.PAUSE,)),
    data_gap=BreakerRule(threshold=ONE, cool_down_ns=10 * SECOND_NS, actions=(A.PAUSE,)),
)  # fmt: skip
"""The matrix of the mission. A second source or asset with a threshold of its own stands in `thresholds`."""

OF_A_SYMBOL = (W.VOLATILITY, W.SPREAD, W.FEED_AGE, W.DATA_GAP)
"""The row `market`: each symbol has its own of these."""
MEASURES_WINDOW = frozenset({W.LATENCY, W.ERROR_RATE, W.OVERLOAD, W.VOLATILITY})
"""Whose measure is made of everything in the window: it has moved when the whole of it lies after the trip."""
LONGEST_WINDOW_NS = 5 * HOUR_NS
"""The longest window of these and of security, whose samples are kept one by one."""
KEEPS_SAMPLES = MEASURES_WINDOW | {W.SECURITY}
BY_PEOPLE = frozenset({W.DRAWDOWN, W.SECURITY})
"""Only two persons release these: no measure says that what they saw is over."""
LATCHES_FOR_THE_DAY = frozenset({W.PORTFOLIO_LOSS})
"""Open until the next PNL day begins, whatever the cool-down."""


def misfits(watch: Watch, actions: Iterable[BreakerAction]) -> list[BreakerAction]:
    """Actions that this breaker cannot have, in their order."""
    return [action for action in actions if action not in ALLOWED[watch]]


def in_order(actions: Iterable[BreakerAction]) -> list[BreakerAction]:
    """Actions by their priority, then as `PRIORITY` has them."""
    wanted = list(actions)
    return [action for action in PRIORITY if action in wanted]


def left_by(state: BreakerState, rule: BreakerRule, watch: Watch) -> Decimal:
    """The part of the normal size that a breaker leaves: 1, its fraction, or 0 for nothing that adds risk.

    One that a person opened stops what adds risk whatever its actions; one that closes positions does not also stop
    the strategy, unless it is told to.
    """
    match state:
        case BreakerState.CLOSED:
            return ONE
        case BreakerState.HALF_OPEN:
            return rule.fraction
        case BreakerState.FORCED_OPEN:
            return ZERO
    stops = [a for a in rule.actions if a not in _LEAVE_BE]
    if stops or watch is W.EXCHANGE_FAILURE:
        return ZERO
    return rule.fraction if A.REDUCE_ACTIVITY in rule.actions else ONE


_LEAVE_BE = frozenset({A.REDUCE_ACTIVITY, A.CLOSE_OLD, A.TELL_RISK, A.RESTART_STRATEGIES, A.SHED_LOAD})
"""Actions that stop nobody from adding risk by themselves."""
