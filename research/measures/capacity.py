"""How much money a strategy could carry before its own orders eat what it earns.

The square-root law of market impact: an order of notional q in a market that trades V a day and moves by sigma a day
costs about sigma * sqrt(q / V) of its notional (Y = 1; Torre 1997; Almgren, Thum, Hauptmann and Li 2005, "Direct
estimation of equity market impact"; Toth et al. 2011). Backtests on bars fill at the bar's price whatever the size, so
that none of this is in the result yet. With an edge of e (net profit over notional, one side), orders k times as large
earn k (e - sigma sqrt(k q / V)) each: nothing is left at k = (e / sigma)^2 V / q, and most is earned at 4 / 9 of that.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from msgspec import Struct

from research.measures.curve import Curve
from research.measures.figure import TRADES, Figure, figure, none, too_few
from risk.statistics import LEAST_TRADES

LEAST_PRICES = 30
"""Samples of a price below which its volatility is not known."""


class Market(Struct, frozen=True, kw_only=True):
    """One instrument's market as a run saw it: notional traded a day (None = not known), and its prices."""

    instrument: str
    traded_a_day: float | None
    prices: Curve


class Capacity(Struct, frozen=True, kw_only=True):
    """Of one instrument. Multiples are of the sizes that were traded; money is notional of one order."""

    instrument: str
    order: float
    """Mean notional of one order now."""
    share_of_volume: float | None
    """What was traded, over what the market traded."""
    nothing_left: Figure
    """Multiple at which impact has eaten the edge; its interval is that of the edge."""
    most_earned: Figure
    """Multiple at which most is earned."""


def capacity(market: Market, expectancy: Figure, notional: float, traded_share: float | None) -> Capacity:
    """Capacity in a market, for trips that earn `expectancy` on average and are `notional` large on each side."""
    limit = _limit(market, expectancy, notional)
    best = limit
    if limit.value is not None:
        low, high = ((4 / 9 * bound if bound is not None else None) for bound in (limit.low, limit.high))
        best = figure(4 / 9 * limit.value, limit.n, TRADES, low=low, high=high, caveat=limit.caveat)
    return Capacity(
        instrument=market.instrument,
        order=notional,
        share_of_volume=traded_share,
        nothing_left=limit,
        most_earned=best,
    )


def daily_volatility(prices: Curve) -> float | None:
    """Realised volatility a day of sampled prices (Andersen and Bollerslev 1998); None for too few of them."""
    if prices.days < 1 or len(prices.values) < LEAST_PRICES or not (prices.values > 0).all():
        return None
    return float(np.sqrt((np.diff(np.log(prices.values)) ** 2).sum() / prices.days))


def _limit(market: Market, expectancy: Figure, notional: float) -> Figure:
    n = expectancy.n
    if n < LEAST_TRADES:
        return too_few(n, TRADES)
    if not market.traded_a_day or notional <= 0:
        return none(n, TRADES, "insufficient data: no traded volume is known")
    volatility = daily_volatility(market.prices)
    if volatility is None:
        return none(n, TRADES, f"insufficient data: a day of prices and {LEAST_PRICES} samples of them are needed")
    if expectancy.value is None or expectancy.value <= 0:
        return none(n, TRADES, "it earns nothing at its own size: there is nothing to scale")
    if volatility <= 0:
        return none(n, TRADES, "its price did not move")
    cost = volatility * sqrt(notional / market.traded_a_day)  # of one order at its own size, as a fraction
    value, low, high = (
        None if bound is None else (max(0.0, bound) / (2 * notional) / cost) ** 2
        for bound in (expectancy.value, expectancy.low, expectancy.high)
    )
    assert value is not None  # noqa: S101 - checked above
    sure = "" if low else "the edge itself may be nothing"
    return figure(value, n, TRADES, low=low, high=high, caveat=sure)
