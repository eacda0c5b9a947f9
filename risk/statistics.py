"""What a run is judged by: round trips, drawdown, Sharpe, time in the market. Pure functions of what was booked."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from math import fsum, sqrt
from typing import Protocol

from msgspec import Struct

from domain.instrument import ZERO
from domain.performance import Ratio

DAY_NS = 86_400_000_000_000
DAYS_A_YEAR = 365
LEAST_DAYS = 30
"""Daily returns below which a Sharpe ratio says nothing."""
LEAST_TRADES = 30
"""Round trips below which a win rate says nothing."""


class Trade(Struct, frozen=True, kw_only=True):
    """One round trip: from flat (or the other side) to flat (or the other side).

    `qty` is the largest position held, in base units; `pnl` is after fees and before funding, which was paid while it
    was open. Prices are averages in quote units, weighted by quantity; 0.0 where the fills before are not known.
    """

    side: int
    opened_ns: int
    closed_ns: int
    qty: Decimal
    fills: int
    fees: Decimal
    pnl: Decimal
    strategy: str = ""
    instrument: str = ""
    entry_price: float = 0.0
    exit_price: float = 0.0
    funding: Decimal = ZERO


class Drawdown(Struct, frozen=True, kw_only=True):
    """The deepest fall of sampled equity, by the fraction of its peak, with the money that this was.

    The same that `research.measures.curve` lists first, and what live figures call the deepest: one drawdown a curve.
    """

    amount: Decimal
    fraction: float
    peak_ns: int
    trough_ns: int


class Booked(Protocol):
    """What of a fill is counted here: quantity in integer scale, money before the fee."""

    @property
    def ts_ns(self) -> int:
        """When it was booked."""
        ...

    @property
    def owner(self) -> str:
        """The strategy that it is for."""
        ...

    @property
    def instrument(self) -> str:
        """What was traded."""
        ...

    @property
    def side(self) -> int:
        """+1 bought, -1 sold."""
        ...

    @property
    def price(self) -> int:
        """At what price, in integer scale."""
        ...

    @property
    def qty(self) -> int:
        """How much."""
        ...

    @property
    def fee(self) -> Decimal:
        """What it cost."""
        ...

    @property
    def realised(self) -> Decimal:
        """What it earned before the fee."""
        ...


class RoundTrips:
    """Counts the round trips of one account and instrument, fill by fill; begins with `held` units."""

    def __init__(self, qty_scale: int = 1, held: int = 0, price_scale: int = 1) -> None:
        self._qty_scale, self._price_scale = qty_scale, price_scale
        self.held = held
        self._largest = abs(held)
        self._count = self._opened_ns = 0
        self._pnl = self._fees = self._funding = ZERO
        self._is_known = not held
        self._entered = self._entered_value = self._left = self._left_value = 0

    def pay(self, amount: Decimal) -> None:
        """Funding was paid (or received: positive) on what is open; on nothing, it belongs to no trade."""
        if self.held:
            self._funding += amount

    def add(self, fill: Booked) -> Trade | None:
        """The trade that this fill ends, if it does. One through zero ends a trade and begins the next."""
        before, held = self.held, self.held + fill.side * fill.qty
        self.held = held
        if not before:
            self._opened_ns = fill.ts_ns
        self._count += 1
        self._fees += fill.fee
        if held and (not before or (held > 0) == (before > 0)):
            self._pnl += fill.realised - fill.fee
            self._largest = max(self._largest, abs(before), abs(held))
            self._weigh(fill, fill.qty, enters=abs(held) > abs(before))
            return None
        opening = fill.fee * abs(held) / fill.qty if held else ZERO
        self._weigh(fill, abs(before), enters=False)
        done = Trade(
            side=1 if before > 0 else -1,
            opened_ns=self._opened_ns,
            closed_ns=fill.ts_ns,
            qty=Decimal(max(self._largest, abs(before))) / self._qty_scale,
            fills=self._count,
            fees=self._fees - opening,
            pnl=self._pnl + fill.realised - (fill.fee - opening),
            strategy=fill.owner,
            instrument=fill.instrument,
            entry_price=self._average(self._entered_value, self._entered),
            exit_price=self._average(self._left_value, self._left),
            funding=self._funding,
        )
        self._opened_ns, self._largest, self._count = fill.ts_ns, abs(held), 1 if held else 0
        self._pnl, self._fees, self._funding, self._is_known = -opening, opening, ZERO, True
        self._entered, self._entered_value, self._left, self._left_value = abs(held), abs(held) * fill.price, 0, 0
        return done

    def _weigh(self, fill: Booked, qty: int, *, enters: bool) -> None:
        if enters:
            self._entered += qty
            self._entered_value += qty * fill.price
        else:
            self._left += qty
            self._left_value += qty * fill.price

    def _average(self, value: int, qty: int) -> float:
        return value / (qty * self._price_scale) if self._is_known and qty else 0.0


def drawdown(equity: Sequence[tuple[int, Decimal]]) -> Drawdown:
    """The fall of equity samples (ts_ns, equity) that took the largest part of the peak before it."""
    peak_ns, peak = equity[0]
    worst = Drawdown(amount=ZERO, fraction=0.0, peak_ns=peak_ns, trough_ns=peak_ns)
    for ts_ns, value in equity:
        if value > peak:
            peak_ns, peak = ts_ns, value
        elif value < peak:
            fraction = float((peak - value) / peak) if peak > 0 else 1.0
            if fraction > worst.fraction:
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


def sharpe(equity: Sequence[tuple[int, Decimal]]) -> Ratio:
    """Annualised Sharpe ratio of daily returns (365 days, no risk-free rate), or why there is none."""
    returns = daily_returns(equity)
    n = len(returns)
    if n < LEAST_DAYS:
        return too_few_days(n)
    mean = fsum(returns) / n  # fsum: the same bits under every Python (sum() compensates from 3.12 on)
    return _annualised(returns, mean, sqrt(fsum((r - mean) ** 2 for r in returns) / (n - 1)), "all equal")


def sortino(equity: Sequence[tuple[int, Decimal]]) -> Ratio:
    """As `sharpe`, over the deviation of the losing days alone (target 0; Sortino and Price 1994)."""
    returns = daily_returns(equity)
    n = len(returns)
    if n < LEAST_DAYS:
        return too_few_days(n)
    downside = sqrt(fsum(min(r, 0.0) ** 2 for r in returns) / n)
    return _annualised(returns, fsum(returns) / n, downside, "none of them a loss")


def too_few_days(n: int) -> Ratio:
    """That `n` daily returns say nothing."""
    return Ratio(value=None, n=n, caveat=f"insufficient data: n = {n} daily returns, at least {LEAST_DAYS} needed")


def _annualised(returns: Sequence[float], mean: float, spread: float, why_none: str) -> Ratio:
    n = len(returns)
    if not spread:
        return Ratio(value=None, n=n, caveat=f"n = {n} daily returns, {why_none}")
    error = sqrt(DAYS_A_YEAR / n)
    return Ratio(
        value=mean / spread * sqrt(DAYS_A_YEAR),
        n=n,
        caveat=f"n = {n} daily returns; standard error about {error:.1f}; in sample, one path",
    )


def win_rate(wins: int, trades: int) -> Ratio:
    """Share of round trips that earned something after fees; few of them say nothing."""
    if trades < LEAST_TRADES:
        return Ratio(value=None, n=trades, caveat=too_few_trades(trades))
    return Ratio(value=wins / trades, n=trades, caveat=f"of {trades} round trips after fees")


def profit_factor(gross_profit: Decimal, gross_loss: Decimal, trades: int) -> Ratio:
    """What winning round trips won, over what losing ones lost."""
    if trades < LEAST_TRADES:
        return Ratio(value=None, n=trades, caveat=too_few_trades(trades))
    if not gross_loss:
        return Ratio(value=None, n=trades, caveat=f"n = {trades} round trips, none of them a loss")
    return Ratio(value=float(gross_profit / gross_loss), n=trades, caveat=f"of {trades} round trips after fees")


def too_few_trades(n: int) -> str:
    """That `n` round trips say nothing."""
    return f"insufficient data: n = {n} round trips, at least {LEAST_TRADES} needed"
