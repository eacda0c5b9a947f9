"""Round trips in numbers: how often they win, what one is worth, how they are spread."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from msgspec import Struct

from research.measures.figure import TRADES, Bools, Figure, Floats, Ints, Z, figure, interval, ratio_rows, wilson
from risk.statistics import Trade

HOUR_NS = 3_600_000_000_000


class Trips(Struct, frozen=True, kw_only=True):
    """Columns of closed round trips, in order of closing. Money is after fees; `notional` is the larger position's."""

    pnl: Floats
    fees: Floats
    sides: Ints
    opened: Ints
    closed: Ints
    notional: Floats
    strategies: tuple[str, ...]
    instruments: tuple[str, ...]

    def __len__(self) -> int:
        """How many."""
        return len(self.pnl)

    def of(self, instrument: str) -> Bools:
        """Which of them are an instrument's."""
        return np.array([each == instrument for each in self.instruments], dtype=np.bool_)


def trips_of(trades: Sequence[Trade]) -> Trips:
    """The columns of round trips."""
    return Trips(
        pnl=np.array([float(trade.pnl) for trade in trades], dtype=np.float64),
        fees=np.array([float(trade.fees) for trade in trades], dtype=np.float64),
        sides=np.array([trade.side for trade in trades], dtype=np.int64),
        opened=np.array([trade.opened_ns for trade in trades], dtype=np.int64),
        closed=np.array([trade.closed_ns for trade in trades], dtype=np.int64),
        notional=np.array([float(trade.qty) * (trade.entry_price or trade.exit_price) for trade in trades]),
        strategies=tuple(trade.strategy for trade in trades),
        instruments=tuple(trade.instrument for trade in trades),
    )


class Tripped(Struct, frozen=True, kw_only=True):
    """What round trips say. Money is in the account's currency, after fees."""

    count: int
    longs: int
    win_rate: Figure
    profit_factor: Figure
    expectancy: Figure
    """Mean profit of one."""
    payoff: Figure
    """Mean win over mean loss."""
    best: float
    worst: float
    median: float
    losing_streak: int
    """The most losses in a row."""
    median_held_h: float
    """Hours."""
    gross_profit: float
    gross_loss: float
    """What losing ones lost, as a positive amount."""


def win_rate(pnl: Floats) -> Figure:
    """Share of round trips that earned something after fees."""
    n = len(pnl)
    wins = int((pnl > 0).sum())
    low, high = wilson(wins, n) if n else (None, None)
    return figure(wins / n if n else 0.0, n, TRADES, low=low, high=high)


def profit_factor(pnl: Floats, draws: Floats) -> Figure:
    """What winning round trips won, over what losing ones lost; interval by bootstrap."""
    if len(pnl) and not (pnl < 0).any():
        return figure(float("nan"), len(pnl), TRADES, caveat="none of them a loss")
    low, high = interval(draws)
    value = float(factor_rows(pnl[np.newaxis])[0]) if len(pnl) else 0.0
    return figure(value, len(pnl), TRADES, low=low, high=high)


def factor_rows(rows: Floats) -> Floats:
    """Profit factor of each row; infinite for one without a loss, NaN where nothing was won either."""
    won: Floats = np.maximum(rows, 0.0).sum(axis=1)
    return ratio_rows(won, won - rows.sum(axis=1), 1e-12 * won)


def expectancy(pnl: Floats) -> Figure:
    """Mean profit of a round trip with the interval of a mean (normal, s / sqrt(n))."""
    n = len(pnl)
    if n < 2:
        return figure(0.0, n, TRADES)
    mean, error = float(pnl.mean()), float(pnl.std(ddof=1)) / sqrt(n)
    return figure(mean, n, TRADES, low=mean - Z * error, high=mean + Z * error)


def payoff(pnl: Floats) -> Figure:
    """Mean win over mean loss."""
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]
    if not len(wins) or not len(losses):
        return figure(
            float("nan"), len(pnl), TRADES, caveat="none of them a loss" if len(wins) else "none of them a win"
        )
    return figure(float(wins.mean() / -losses.mean()), len(pnl), TRADES)


def longest_run(flags: Bools) -> int:
    """The most true values in a row."""
    edges = np.diff(np.concatenate(([False], flags, [False])).astype(np.int8))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths.max()) if len(lengths) else 0


def tripped(trips: Trips, factor_draws: Floats) -> Tripped:
    """Everything that round trips say."""
    pnl = trips.pnl
    has_any = len(trips) > 0
    return Tripped(
        count=len(trips),
        longs=int((trips.sides > 0).sum()),
        win_rate=win_rate(pnl),
        profit_factor=profit_factor(pnl, factor_draws),
        expectancy=expectancy(pnl),
        payoff=payoff(pnl),
        best=float(pnl.max()) if has_any else 0.0,
        worst=float(pnl.min()) if has_any else 0.0,
        median=float(np.median(pnl)) if has_any else 0.0,
        losing_streak=longest_run(pnl <= 0),
        median_held_h=float(np.median(trips.closed - trips.opened)) / HOUR_NS if has_any else 0.0,
        gross_profit=float(pnl[pnl > 0].sum()),
        gross_loss=float(-pnl[pnl < 0].sum()),
    )
