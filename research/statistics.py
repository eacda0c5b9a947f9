"""What a run is judged by: round trips, drawdown, Sharpe, time in the market. Pure functions of what was booked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from math import sqrt

from msgspec import Struct

from domain.facts import FillBooked
from domain.instrument import ZERO

DAY_NS = 86_400_000_000_000
DAYS_A_YEAR = 365
LEAST_DAYS = 30
"""Daily returns below which a Sharpe ratio says nothing."""
LEAST_TRADES = 30
"""Round trips below which a win rate says nothing."""


class Trade(Struct, frozen=True, kw_only=True):
    """One round trip: from flat (or the other side) to flat (or the other side).

    `qty` is the largest position held, in base units; `pnl` is after fees and before funding.
    """

    side: int
    opened_ns: int
    closed_ns: int
    qty: Decimal
    fills: int
    fees: Decimal
    pnl: Decimal


class Sharpe(Struct, frozen=True, kw_only=True):
    """Annualised Sharpe ratio of `n` daily returns (365 days, no risk-free rate); None where `n` is too small."""

    value: float | None
    n: int
    caveat: str


class Drawdown(Struct, frozen=True, kw_only=True):
    """Largest fall of sampled equity from its peak, as money and as a fraction of the peak."""

    amount: Decimal
    fraction: float
    peak_ns: int
    trough_ns: int


def round_trips(fills: Iterable[FillBooked], qty_scale: int) -> list[Trade]:
    """Closed round trips of one account and instrument, in order of closing."""
    trades: list[Trade] = []
    held = largest = count = opened_ns = 0
    pnl = fees = ZERO
    for fill in fills:
        signed = fill.side * fill.qty
        before, held = held, held + signed
        if not before:
            opened_ns = fill.ts_ns
        count += 1
        fees += fill.fee
        if held and (not before or (held > 0) == (before > 0)):
            pnl += fill.realised - fill.fee
            largest = max(largest, abs(before), abs(held))
            continue
        opening = fill.fee * abs(held) / fill.qty if held else ZERO
        pnl += fill.realised - (fill.fee - opening)
        trades.append(
            Trade(
                side=1 if before > 0 else -1,
                opened_ns=opened_ns,
                closed_ns=fill.ts_ns,
                qty=Decimal(max(largest, abs(before))) / qty_scale,
                fills=count,
                fees=fees - opening,
                pnl=pnl,
            )
        )
        opened_ns, largest, count = fill.ts_ns, abs(held), 1 if held else 0
        pnl, fees = -opening, opening
    return trades


def time_in_market_ns(fills: Iterable[FillBooked], end_ns: int) -> int:
    """How long a position was held."""
    held = since_ns = total_ns = 0
    for fill in fills:
        before, held = held, held + fill.side * fill.qty
        if not before:
            since_ns = fill.ts_ns
        if before and not held:
            total_ns += fill.ts_ns - since_ns
    return total_ns + (end_ns - since_ns if held else 0)


def drawdown(equity: Sequence[tuple[int, Decimal]]) -> Drawdown:
    """The deepest fall of equity samples (ts_ns, equity)."""
    peak_ns, peak = equity[0]
    worst = Drawdown(amount=ZERO, fraction=0.0, peak_ns=peak_ns, trough_ns=peak_ns)
    for ts_ns, value in equity:
        if value > peak:
            peak_ns, peak = ts_ns, value
        elif peak - value > worst.amount:
            fraction = float((peak - value) / peak) if peak > 0 else 1.0
            worst = Drawdown(amount=peak - value, fraction=fraction, peak_ns=peak_ns, trough_ns=ts_ns)
    return worst


def daily_returns(equity: Sequence[tuple[int, Decimal]]) -> list[float]:
    """Returns from one UTC day's last sample to the next's, over whole days only."""
    closes: dict[int, Decimal] = {}
    for ts_ns, value in equity:
        closes[ts_ns // DAY_NS] = value
    days = list(closes)[:-1]
    return [
        float(closes[day] / closes[before] - 1)
        for before, day in pairwise(days)
        if closes[before] > 0 and day == before + 1
    ]


def sharpe(equity: Sequence[tuple[int, Decimal]]) -> Sharpe:
    """Sharpe ratio of daily returns, or why there is none."""
    returns = daily_returns(equity)
    n = len(returns)
    if n < LEAST_DAYS:
        return Sharpe(value=None, n=n, caveat=f"insufficient data: n = {n} daily returns, at least {LEAST_DAYS} needed")
    mean = sum(returns) / n
    spread = sqrt(sum((r - mean) ** 2 for r in returns) / (n - 1))
    if not spread:
        return Sharpe(value=None, n=n, caveat=f"n = {n} daily returns, all equal")
    error = sqrt(DAYS_A_YEAR / n)
    return Sharpe(
        value=mean / spread * sqrt(DAYS_A_YEAR),
        n=n,
        caveat=f"n = {n} daily returns; standard error about {error:.1f}; in sample, one path",
    )
