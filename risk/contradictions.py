"""Settings that cannot be meant: limits that contradict each other, and votes that nobody could give.

Each finding is the path of the key, as in the file, and a sentence. Kept free of everything but settings, so that the
file, a change while running and an approved change are judged alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TypeAlias

from domain.settings import Limits, Rules, Settings
from risk.approvals import unreachable
from risk.rules import RULES

_NOT_ABOVE = (
    ("order_notional", "position_notional"),
    ("daily_loss", "portfolio_drawdown"),
    ("strategy_drawdown", "portfolio_drawdown"),
    ("kelly_min", "kelly_max"),
    ("open_positions_warn", "open_positions"),
)
"""Rules of which the first may not be above the second: it could never bind, or the second would be meaningless."""
Finding: TypeAlias = tuple[tuple[str, ...], str]


def contradictions(settings: Settings) -> Iterator[Finding]:
    """Everything that is wrong, all at once."""
    risk = settings.risk
    named: list[tuple[tuple[str, ...], Limits]] = [
        (("risk", "limits", name), limits) for name, limits in risk.limits.items()
    ]
    if risk.default_limits is not None:
        named.append((("risk", "default_limits"), risk.default_limits))
    for path, limits in named:
        for key, sentence in _limits(limits):
            yield (*path, key), sentence
        yield from _collar((*path, "price_collar"), limits.price_collar, settings)
    if risk.max_exposure <= 0:
        yield ("risk", "max_exposure"), f"{risk.max_exposure} would let nothing be traded: /halt does that"
    if risk.base_position_fraction > risk.max_position_fraction:
        text = f"{risk.base_position_fraction} is more than max_position_fraction {risk.max_position_fraction}"
        yield ("risk", "base_position_fraction"), text
    yield from _rules(settings)
    yield from _quorum(settings)


def _rules(settings: Settings) -> Iterator[Finding]:
    """Values of the rules that leave each other no room, at the portfolio and at each narrower scope."""
    risk = settings.risk
    scopes: list[tuple[tuple[str, ...], Rules]] = [(("risk", "portfolio"), risk.portfolio)]
    for kind, named in (("venue", risk.venue), ("strategy", risk.strategy), ("instrument", risk.instrument)):
        scopes += [(("risk", kind, name), values) for name, values in named.items()]
    for path, values in scopes:
        for small, large in _NOT_ABOVE:
            least, most = values.get(small), values.get(large, RULES[large].default_in(settings.environment))
            if least is not None and most is not None and least > most:
                yield (*path, small), f"{least} is above {large} {most}"
        yield from _collar((*path, "price_collar"), values.get("price_collar"), settings)


def _collar(path: tuple[str, ...], collar: Decimal | None, settings: Settings) -> Iterator[Finding]:
    """What closes a position takes a price that is off by the slippage, and the collar judges it too."""
    slippage = settings.execution.slippage
    if collar is not None and collar < slippage:
        yield path, f"{collar} is below execution.slippage {slippage}: nothing could be closed, /flatten neither"


def _limits(limits: Limits) -> Iterator[tuple[str, str]]:
    for key in ("max_position_notional", "max_order_notional"):
        if getattr(limits, key) <= 0:
            yield key, f"{getattr(limits, key)} is no limit: it is above 0"
    if limits.max_order_notional > limits.max_position_notional:
        text = f"{limits.max_order_notional} is more than max_position_notional {limits.max_position_notional}"
        yield "max_order_notional", f"{text}: no order may be larger than the position it leads to"
    if not 0 < limits.price_collar <= Decimal(1):
        yield "price_collar", f"{limits.price_collar} is no fraction between 0 and 1"


def _quorum(settings: Settings) -> Iterator[Finding]:
    """A vote that can never be reached is refused when it is configured, not when it is needed."""
    if settings.approvals.enabled:
        for key, text in unreachable(settings.persons, settings.approvals):
            yield ("approvals", key), text
