"""Breakers of a simulated day: quick ones, so that a day has several trips, and what each must never let through.

Of the engine only the states of breakers are read; which orders stand under one, and how much it leaves, is reckoned
anew here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import TypeAlias

from msgspec.structs import replace

from domain.account import venue_of
from domain.breakers import BreakerAction, BreakerRule, BreakerSettings, Watch
from domain.instrument import Instrument
from domain.order import Amend, Order, Place, Role
from domain.settings import SECOND_NS
from engine.core.core import Core
from engine.core.state import Slot
from research.simulation.violation import Violation
from risk.breaker import BreakerState
from risk.matrix import DEFAULTS

Row: TypeAlias = tuple[str, BreakerState, BreakerRule, bool]
"""A breaker: name, state, rule, and whether it is one of a connection."""
SHARE = 0.5
"""Of the seeds whose breakers of the matrix are on."""
QUARTER = Decimal("0.25")
LEAST_MARGIN = Decimal("1.03")
"""An order of the smallest worth may be this much larger: the price may move until it is judged."""
_HARMLESS = frozenset(
    {
        BreakerAction.REDUCE_ACTIVITY,
        BreakerAction.CLOSE_OLD,
        BreakerAction.TELL_RISK,
        BreakerAction.RESTART_STRATEGIES,
        BreakerAction.SHED_LOAD,
    }
)
"""Actions of an open breaker that leave what adds risk alone."""


def draw(random: Random) -> BreakerSettings:
    """Breakers that a day of ten minutes trips, cools and closes."""
    quick = BreakerRule(cool_down_ns=10 * SECOND_NS)
    if random.random() > SHARE:
        return BreakerSettings(exchange_failure=quick)

    def of(watch: Watch, threshold: str, window_s: int, **changes: int) -> BreakerRule:
        found = DEFAULTS.rule(watch) or BreakerRule()
        cool_s = random.choice((5, 15, 40))
        window_ns, cool_ns = window_s * SECOND_NS, cool_s * SECOND_NS
        times = {name: seconds * SECOND_NS for name, seconds in changes.items()}
        return replace(
            found, threshold=Decimal(threshold), window_ns=window_ns, cool_down_ns=cool_ns, thresholds={}, **times
        )

    return BreakerSettings(
        exchange_failure=quick,
        portfolio_loss=of(Watch.PORTFOLIO_LOSS, random.choice(("0.0005", "0.002", "0.05")), 86_400),
        drawdown=of(Watch.DRAWDOWN, random.choice(("0.001", "0.15", "0.15")), 600),
        latency=of(Watch.LATENCY, "500", 20),
        error_rate=of(Watch.ERROR_RATE, "0.05", 20),
        position_timeout=of(Watch.POSITION_TIMEOUT, "1", 60),
        overload=of(Watch.OVERLOAD, "0.9", 20),
        security=of(Watch.SECURITY, "1", 60),
        volatility=of(Watch.VOLATILITY, random.choice(("0.0005", "0.002", "0.05")), 60, hold_ns=3),
        spread=of(Watch.SPREAD, random.choice(("0.0003", "0.01")), 20, hold_ns=2),
        feed_age=of(Watch.FEED_AGE, "5", 20),
        data_gap=of(Watch.DATA_GAP, "1", 20),
    )


def above(core: Core, slot: Slot) -> Iterator[Row]:
    """Every breaker that a slot stands under and that is not closed."""
    venue, rules = venue_of(slot.account), core.state.settings.breakers
    for operation, breaker in core.state.breakers.get(venue, {}).items():
        if breaker.state is not BreakerState.CLOSED:
            yield f"{venue} {operation}", breaker.state, rules.exchange_failure, True
    for key, breaker in core.state.matrix.items():
        name, _, scope = key.partition(":")
        if breaker.state is not BreakerState.CLOSED and scope in {"", venue, slot.owner, slot.instrument}:
            yield key, breaker.state, rules.rule(Watch(name)) or BreakerRule(), False


def judge_leaving(core: Core, slot: Slot, intent: Place | Amend) -> None:
    """Nothing that adds risk leaves past a breaker that is open, by itself or by hand."""
    for row in above(core, slot):
        if blocks(row):
            raise Violation("tripped breaker", f"{intent} leaves past {row[0]}, which is {row[1].value}")


def blocks(row: Row) -> bool:
    """Whether a breaker stops what adds risk: nothing of it leaves."""
    _, state, rule, of_connection = row
    stops = of_connection or any(action not in _HARMLESS for action in rule.actions)
    return state is BreakerState.FORCED_OPEN or (state is BreakerState.OPEN and stops)


def judge_size(
    core: Core, slot: Slot, order: Order, instrument: Instrument, qty: int, *, worst: int, held: int
) -> None:
    """Under a breaker that is half open an order is a quarter of its normal size, or the least that the venue takes.

    By an order of `qty` the position gets to `worst` on its side at the furthest; `held` is what is held on that side.
    """
    rows = list(above(core, slot))
    found = [(name, by_answers) for name, state, rule, by_answers in rows if reduces(state, rule)]
    if not found or slot.hedge_lead or slot.key in core.pairs or any(blocks(row) for row in rows):
        return
    least, held = least_of(instrument, order.price), max(held, 0)
    for name, by_answers in found:
        most: Decimal
        if order.role is Role.TARGET:
            goal = max(0, (slot.target or 0) * order.side)
            # a connection is tried with a part of each order, the others leave a part of the position
            asked, normal = (worst - held, goal - held) if by_answers else (worst, goal)
            most = max(normal * QUARTER, Decimal(least), Decimal(0 if by_answers else held))
        elif order.role is Role.QUOTE:
            normal = max([quote.qty for quote in slot.quotes if quote.side == order.side], default=0)
            asked, most = qty, max(normal * QUARTER, Decimal(least))
        elif order.role is Role.TAKE:
            takes = core.state.strategies[slot.owner].desired.takes
            normal = max([instrument.round_qty(take.qty) for take in takes if take.id == order.entry], default=0)
            asked, most = qty, max(normal * QUARTER, Decimal(least))
        else:
            return
        if asked > most:
            raise Violation("half open", f"{order}: {asked} of {normal} while {name} leaves a quarter; least {least}")


def reduces(state: BreakerState, rule: BreakerRule) -> bool:
    """Whether a breaker leaves a quarter."""
    if state is BreakerState.HALF_OPEN:
        return True
    is_only_less = all(action in _HARMLESS for action in rule.actions)
    return state is BreakerState.OPEN and is_only_less and BreakerAction.REDUCE_ACTIVITY in rule.actions


def least_of(instrument: Instrument, price: int) -> int:
    """The smallest quantity that a venue takes at a price, in whole lots."""
    least = max(instrument.min_qty, instrument.lot)
    if price:
        least = max(least, math.ceil(instrument.min_notional * LEAST_MARGIN / (price * instrument.unit)))
    return -(-least // instrument.lot) * instrument.lot
