"""What a study looks for, as functions of pieces. None = these pieces cannot say.

Sharpe, Sortino and Calmar are annualised from steps (a day, or less where days are few), without a risk-free rate.
"""

from __future__ import annotations

from collections.abc import Callable
from math import expm1, log

import numpy as np
from msgspec import Struct

from domain.errors import ConfigError
from research.measures.curve import compounded, under_high
from research.measures.figure import Floats
from research.measures.sharpe import moments, sortino_rows
from research.optimise.pieces import Pieces
from risk.statistics import DAYS_A_YEAR

LEAST_RETURNS = 5
"""Returns below which a spread says nothing at all."""
MOST_EXPONENT = 50.0
"""Of growth a year: an hour's luck over a year is more than floats hold."""


class Objective(Struct, frozen=True, kw_only=True):
    """A figure, and whether more of it is better. `steps_a_year` is handed to `of`."""

    name: str
    unit: str
    is_more_better: bool
    idle: float
    """What doing nothing would score."""
    of: Callable[[Pieces, float], float | None]
    describes: str

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.is_more_better else -1

    def text(self, value: float | None) -> str:
        """A value as people read it."""
        if value is None:
            return "insufficient data"
        return f"{value:.2%}" if self.unit == "%" else f"{value:.2f}"


def _returns(pieces: Pieces) -> Floats:
    return np.asarray(pieces.returns, dtype=np.float64)


def sharpe(pieces: Pieces, steps_a_year: float) -> float | None:
    """Mean over standard deviation of the steps, annualised."""
    returns = _returns(pieces)
    seen = moments(returns) if len(returns) >= LEAST_RETURNS else None
    return seen.ratio * steps_a_year**0.5 if seen is not None else None


def sortino(pieces: Pieces, steps_a_year: float) -> float | None:
    """Mean over the deviation of losing steps (target 0), annualised."""
    returns = _returns(pieces)
    if len(returns) < LEAST_RETURNS:
        return None
    daily = float(sortino_rows(returns[np.newaxis])[0])
    return daily * (steps_a_year / DAYS_A_YEAR) ** 0.5 if np.isfinite(daily) else None


def profit(pieces: Pieces, _: float) -> float | None:
    """Compounded return of the steps, as a fraction."""
    return compounded(_returns(pieces))


def drawdown(pieces: Pieces, _: float) -> float | None:
    """Deepest fall from a peak over the steps, as a positive fraction."""
    return float(under_high(np.concatenate(([1.0], np.cumprod(1.0 + _returns(pieces))))).max())


def calmar(pieces: Pieces, steps_a_year: float) -> float | None:
    """Annualised compounded return over the deepest fall."""
    fall, steps = drawdown(pieces, steps_a_year), len(pieces.returns)
    if steps < LEAST_RETURNS or not fall:
        return None
    grown = 1.0 + (profit(pieces, steps_a_year) or 0.0)
    if grown <= 0:
        return -1.0 / fall
    return expm1(min(MOST_EXPONENT, log(grown) * steps_a_year / steps)) / fall


def turnover(pieces: Pieces, steps_a_year: float) -> float | None:
    """Notional turned over a year, in deposits."""
    if not pieces.returns:
        return None
    return sum(block.traded for block in pieces.blocks) / pieces.deposit * steps_a_year / len(pieces.returns)


def profit_factor(pieces: Pieces, _: float) -> float | None:
    """What winning round trips won over what losing ones lost."""
    lost = sum(block.lost for block in pieces.blocks)
    return sum(block.won for block in pieces.blocks) / lost if lost else None


def win_rate(pieces: Pieces, _: float) -> float | None:
    """Share of round trips that earned something after fees."""
    trades = sum(block.trades for block in pieces.blocks)
    return sum(block.wins for block in pieces.blocks) / trades if trades else None


def _objective(
    of: Callable[[Pieces, float], float | None], unit: str, describes: str, *, more: bool = True, idle: float = 0.0
) -> Objective:
    name = of.__name__.replace("_", "-")
    return Objective(name=name, unit=unit, is_more_better=more, idle=idle, of=of, describes=describes)


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        _objective(sharpe, "", "annualised Sharpe ratio"),
        _objective(sortino, "", "annualised Sortino ratio"),
        _objective(calmar, "", "annualised return over the deepest fall"),
        _objective(profit, "%", "return after costs"),
        _objective(drawdown, "%", "deepest fall of equity", more=False),
        _objective(turnover, "", "notional turned over a year, in deposits", more=False),
        _objective(profit_factor, "", "what was won over what was lost", idle=1.0),
        _objective(win_rate, "%", "share of round trips that earned", idle=0.5),
    )
}


def objectives_of(text: str) -> tuple[Objective, ...]:
    """`sharpe` or `sharpe,drawdown`. Raises `ConfigError` naming the choices."""
    names = [name for part in text.split(",") if (name := part.strip().lower())]
    for name in names:
        if name not in OBJECTIVES:
            raise ConfigError(f"--objective {name!r}: choose {', '.join(OBJECTIVES)}, or several with commas")
    if not names or len(set(names)) != len(names):
        raise ConfigError("--objective: name each objective once")
    return tuple(OBJECTIVES[name] for name in names)
