"""How large a position is: one rule after the other narrows it, and the answer says which one bound.

    wanted   = base_fraction x strength x volatility x performance
    allowed  = min(wanted, asset_fraction, half Kelly)
    position = allowed x share of the equity x correlation cut x what breakers leave

    strength     0.5 to 2 by the strategy's conviction, linear
    volatility   volatility_target / measured volatility a day, 0.25 to 2: the same risk, not the same money
                 (Carver, Systematic Trading, 2015, ch. 9: volatility targeting)
    performance  0.5 to 1.25 by the newest trades
    half Kelly   a ceiling from the strategy's own closed trades, never from its backtest

Pure arithmetic on float64 estimates; what decides is rounded to parts per million first, so that it is the same on
every machine. A quantity is rounded towards zero to whole lots.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from math import fsum, isfinite, pi, sqrt

from msgspec import Struct

from domain.instrument import Instrument
from risk.gate import PPM

WEAKEST, STRONGEST = 500_000, 2_000_000
CALMEST, WILDEST = 2.0, 0.25
"""Factors of the size in the calmest and in the wildest market."""
WORST, BEST = 0.5, 1.25
"""Factors after the worst and the best newest trades."""
NEWEST_TRADES = 20
FEWEST_TRADES = 5
FEWEST_FOR_KELLY = 10
SHRINK_TRADES = 30
"""So many made-up trades that earn nothing stand beside the record."""
FEWEST_RETURNS = 30
EWMA_DECAY = 0.94
"""RiskMetrics Technical Document, 1996, for daily data; the memory is about 33 returns."""
ATR_BARS = 14
"""Wilder, New Concepts in Technical Trading Systems, 1978."""
DAY_S = 86_400


class Evidence(Struct, frozen=True, kw_only=True):
    """What a size is made of. Fractions are of equity; `price` is in integer scale.

    `volatility` is a day's standard deviation of returns (0 = not known), `trades` are net profits of closed trades
    as a fraction of what was paid for each, oldest first.
    """

    strength: float
    equity: Decimal
    price: int
    base: Decimal
    most: Decimal
    kelly_min: Decimal = Decimal("0.01")
    kelly_max: Decimal = Decimal("0.05")
    volatility: float = 0.0
    target_volatility: Decimal = Decimal("0.03")
    trades: Sequence[float] = ()
    share: Decimal = Decimal(1)
    cut: Decimal = Decimal(1)
    part: Decimal = Decimal(1)


class Sized(Struct, frozen=True):
    """A signed quantity, the rule that bound it, and how it came about, in words."""

    qty: int
    bound: str
    words: str


def size(seen: Evidence, instrument: Instrument) -> Sized:
    """The position for a conviction. Nothing without conviction, equity or price."""
    if seen.strength == 0 or seen.equity <= 0 or seen.price <= 0:
        return Sized(0, "none", "no strength, equity or price")
    strength = WEAKEST + (STRONGEST - WEAKEST) * min(PPM, round(abs(seen.strength) * PPM)) // PPM
    volatility = _ppm(volatility_factor(seen.volatility, float(seen.target_volatility)))
    performance = _ppm(performance_factor(seen.trades))
    wanted = seen.base * strength * volatility * performance / PPM**3
    ceilings = [("asset_fraction", seen.most)]
    kelly = half_kelly(seen.trades)
    if kelly is not None:
        ceilings.append(("kelly", max(seen.kelly_min, min(seen.kelly_max, Decimal(_ppm(kelly)) / PPM))))
    bound, allowed = min([("base_fraction", wanted), *ceilings], key=lambda ceiling: ceiling[1])
    for name, factor in (("allocation", seen.share), ("strategy_correlation", seen.cut), ("breaker", seen.part)):
        if factor < 1:
            bound, allowed = name, allowed * factor
    qty = int(seen.equity * allowed / (seen.price * instrument.unit))
    qty -= qty % instrument.lot
    factors = [_percent(seen.base), f"strength {strength / PPM:.2f}"]
    factors.append(f"volatility {volatility / PPM:.2f}" if seen.volatility else "volatility not known")
    factors.append(f"performance {performance / PPM:.2f}")
    text = f"{' x '.join(factors)} = {_percent(wanted)}"
    text += "".join(f"; {name} allows {_percent(most)}" for name, most in ceilings if most < wanted)
    if kelly is not None:
        text += f"; half Kelly of {len(seen.trades)} trades is {_percent(Decimal(_ppm(kelly)) / PPM)}"
    for name, factor in (("share of equity", seen.share), ("correlation", seen.cut), ("breakers leave", seen.part)):
        if factor != 1:
            text += f"; {name} {_percent(factor)}"
    return Sized(qty if seen.strength > 0 else -qty, bound, f"{text}; bound by {bound}")


def volatility_factor(volatility: float, target: float) -> float:
    """How much larger a calm market's position is; 1 while the volatility is not known."""
    if volatility <= 0 or not isfinite(volatility):
        return 1.0
    return max(WILDEST, min(CALMEST, target / volatility))


def performance_factor(trades: Sequence[float]) -> float:
    """1 + t / 4 within bounds, t being the t-statistic of the newest trades' mean; 1 while they are too few.

    So two standard errors of loss halve the size, and one of profit gives a quarter more.
    """
    newest = trades[-NEWEST_TRADES:]
    count = len(newest)
    if count < FEWEST_TRADES:
        return 1.0
    mean = fsum(newest) / count
    deviation = sqrt(fsum((trade - mean) ** 2 for trade in newest) / (count - 1))
    if deviation == 0:
        return WORST if mean < 0 else 1.0
    return max(WORST, min(BEST, 1 + mean / (deviation / sqrt(count)) / 4))


def half_kelly(trades: Sequence[float]) -> float | None:
    """Half the Kelly fraction of a record of trades, shrunk by its length; None while there are too few.

    f = p - (1 - p) / b with p the share of winners and b the mean win over the mean loss (Kelly, 1956; Thorp, 2006).
    p is shrunk towards 1 / (1 + b), at which nothing is earned, as if `SHRINK_TRADES` such trades stood beside the
    record: that multiplies f by n / (n + SHRINK_TRADES). Half of it gives up a quarter of the growth for half the
    swing (Thorp, section 7). A record that loses gives 0 or less: the caller's floor holds.
    """
    count = len(trades)
    if count < FEWEST_FOR_KELLY:
        return None
    wins = [trade for trade in trades if trade > 0]
    losses = [-trade for trade in trades if trade < 0]
    if not wins:
        return 0.0
    share = len(wins) / count
    payoff = (fsum(wins) / len(wins)) / (fsum(losses) / len(losses)) if losses else 0.0
    fraction = share - (1 - share) / payoff if payoff else share
    return fraction / 2 * count / (count + SHRINK_TRADES)


def daily_volatility(prices: Sequence[int], step_s: float) -> float:
    """Standard deviation of a day's returns from equally spaced prices, 0 = not known: the larger of EWMA and ATR.

    Each sees what the other is blind to: the EWMA what has just begun, the range what comes and goes within its bars.
    """
    if len(prices) <= FEWEST_RETURNS or step_s <= 0:
        return 0.0
    return max(ewma_volatility(prices), atr_volatility(prices)) * sqrt(DAY_S / step_s)


def ewma_volatility(prices: Sequence[int]) -> float:
    """Standard deviation of one step: s2 = decay * s2 + (1 - decay) * r2, begun with the mean of the first returns."""
    returns = [now / before - 1 for before, now in pairwise(prices)]
    variance = fsum(r * r for r in returns[:FEWEST_RETURNS]) / len(returns[:FEWEST_RETURNS])
    for change in returns[FEWEST_RETURNS:]:
        variance = EWMA_DECAY * variance + (1 - EWMA_DECAY) * change * change
    return sqrt(variance)


def atr_volatility(prices: Sequence[int]) -> float:
    """Standard deviation of one step from the average true range of bars of k steps, about `ATR_BARS` of them.

    The true range is that of the k steps and the close before them. For a random walk its mean is
    sqrt(2 / pi) * sum(1 / sqrt(i) for i in 1..k) standard deviations of a step (Spitzer, 1956), by which it is divided.
    """
    steps = (len(prices) - 1) // ATR_BARS
    if not steps:
        return 0.0
    begin = len(prices) - 1 - steps * ATR_BARS
    ranges = []
    for first in range(begin, len(prices) - 1, steps):
        bar = prices[first : first + steps + 1]
        ranges.append((max(bar) - min(bar)) / bar[0])
    of_walk: float = sqrt(2 / pi) * fsum(1 / sqrt(i) for i in range(1, steps + 1))
    return fsum(ranges) / len(ranges) / of_walk


def _ppm(value: float) -> int:
    return round(value * PPM)


def _percent(fraction: Decimal) -> str:
    return f"{float(fraction) * 100:.3g} %"
