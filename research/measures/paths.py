"""Other lives of the same strategy: days and round trips drawn anew, and how often such a life ends badly.

Days are drawn in blocks (stationary bootstrap), so that runs of bad days stay together; round trips one by one. Both
assume that the future is made of the same days as the past, which is the most favourable thing that can be assumed.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from research.measures.figure import DAYS, LEAST, TRADES, Bools, Figure, Floats, figure, none, too_few, wilson
from research.measures.resample import affordable, chunks, stationary_rows
from risk.statistics import LEAST_DAYS, LEAST_TRADES

MISSION_DRAWDOWN = 0.25
"""The deepest drawdown that the mission allows."""
RUIN = 0.5
"""Ruin is to have lost this much of the deposit at some time."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FAN_POINTS = 120
LEAST_PATHS = 250
"""Paths of round trips at least, however many they are."""


class Fan(Struct, frozen=True, kw_only=True):
    """Quantiles of equity, as a multiple of the deposit, along the way: `days[i]` has `values[q][i]`."""

    days: tuple[float, ...]
    quantiles: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]


class Paths(Struct, frozen=True, kw_only=True):
    """Probabilities over paths as long as the record, and what the typical and the bad path come to.

    Intervals are those of the drawing alone (Wilson); what the record itself does not know, they do not know either.
    """

    paths: int
    block_days: float
    loss: Figure
    """Probability of ending with less than the deposit."""
    deep_drawdown: Figure
    """Probability of a drawdown of the mission's 25 % or more."""
    ruin: Figure
    """Probability of losing half of the deposit at some time."""
    drawdown_median: Figure
    drawdown_bad: Figure
    """The drawdown that one path in twenty exceeds."""
    end_bad: Figure
    """What one path in twenty ends below, as growth."""
    fan: Fan | None = None


class _Lives:
    """Gathers what becomes of paths, part by part."""

    def __init__(self) -> None:
        self.deepest: list[Floats] = []
        self.lowest: list[Floats] = []
        self.ends: list[Floats] = []

    def add(self, wealth: Floats) -> None:
        """Rows of wealth that begin at 1."""
        highs = np.maximum.accumulate(wealth, axis=1)
        self.deepest.append(((highs - wealth) / highs).max(axis=1))
        self.lowest.append(wealth.min(axis=1))
        self.ends.append(wealth[:, -1])

    def paths(self, n: int, of: str, block: float, fan: Fan | None) -> Paths:
        """What there is to say of all of them."""
        deepest, lowest, ends = (np.concatenate(parts) for parts in (self.deepest, self.lowest, self.ends))
        return Paths(
            paths=len(ends),
            block_days=block,
            loss=_share(ends < 1, n, of),
            deep_drawdown=_share(deepest >= MISSION_DRAWDOWN, n, of),
            ruin=_share(lowest <= 1 - RUIN, n, of),
            drawdown_median=figure(float(np.median(deepest)), n, of),
            drawdown_bad=figure(float(np.quantile(deepest, 0.95)), n, of),
            end_bad=figure(float(np.quantile(ends, 0.05)) - 1, n, of),
            fan=fan,
        )


def day_paths(returns: Floats, draws: int, block: float, rng: np.random.Generator) -> Paths:
    """Paths of compounded daily returns."""
    n = len(returns)
    if n < LEAST_DAYS or not draws:
        return _no_paths(n, DAYS)
    lives, steps = _Lives(), np.unique(np.linspace(0, n, min(n + 1, FAN_POINTS)).astype(np.int64))
    fan: list[Floats] = []
    for part in chunks(2 * n, affordable(n, draws)):
        factors = np.maximum(1 + returns[stationary_rows(n, n, part, block, rng)], 0.0)
        wealth = np.cumprod(np.concatenate((np.ones((part, 1)), factors), axis=1), axis=1)
        lives.add(wealth)
        fan.append(wealth[:, steps])
    values = np.quantile(np.concatenate(fan), QUANTILES, axis=0)
    drawn = Fan(
        days=tuple(steps.astype(np.float64).tolist()),
        quantiles=QUANTILES,
        values=tuple(tuple(row) for row in values.tolist()),
    )
    return lives.paths(n, DAYS, block, drawn)


def trip_paths(pnl: Floats, deposit: float, draws: int, rng: np.random.Generator) -> Paths:
    """Paths of as many round trips, each adding what it added, whatever the equity is by then."""
    n = len(pnl)
    if n < LEAST_TRADES or not draws or deposit <= 0:
        return _no_paths(n, TRADES)
    lives = _Lives()
    for part in chunks(3 * n, affordable(n, draws, LEAST_PATHS)):
        drawn = pnl[rng.integers(0, n, size=(part, n))] / deposit
        lives.add(np.concatenate((np.ones((part, 1)), 1 + np.cumsum(drawn, axis=1)), axis=1))
    return lives.paths(n, TRADES, 1.0, None)


def _share(flags: Bools, n: int, of: str) -> Figure:
    hits = int(flags.sum())
    low, high = wilson(hits, len(flags))
    return figure(hits / len(flags), n, of, low=low, high=high, caveat=f"{hits} of {len(flags)} paths")


def _no_paths(n: int, of: str) -> Paths:
    why = too_few(n, of) if n < LEAST[of] else none(n, of, "not drawn")
    return Paths(
        paths=0,
        block_days=1.0,
        loss=why,
        deep_drawdown=why,
        ruin=why,
        drawdown_median=why,
        drawdown_bad=why,
        end_bad=why,
    )
