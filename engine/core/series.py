"""Time lines of prices, equity and profit in the state. See `samples`."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from domain.instrument import ZERO, InstrumentId
from risk.exposure import RiskLevel


@dataclass(slots=True)
class Series:
    """Points of one time line, newest last. A list that began later is shorter: it is aligned at its end.

    Prices are in integer scale (0 = unknown then), money is in the base currency.
    """

    times_ns: list[int] = field(default_factory=list)
    prices: dict[InstrumentId, list[int]] = field(default_factory=dict)
    equity: list[Decimal] = field(default_factory=list)
    """Of the whole portfolio, in terms of today's capital: see `samples.restate`."""
    pnl: dict[str, list[Decimal]] = field(default_factory=dict)
    """Per strategy since it was loaded: realised + unrealised - fees + funding."""


@dataclass(slots=True)
class Hours(Series):
    """The last point of each hour; `highs` has the highest equity within it."""

    highs: list[Decimal] = field(default_factory=list)
    earned: dict[str, list[float]] = field(default_factory=dict)
    """What a strategy earned from hour to hour as a fraction of the equity that was given to it then."""


@dataclass(slots=True)
class Samples(Series):
    """What risk is measured on: about a day of minutes, a month of `hours`, and the highs ever. See `samples`."""

    hours: Hours = field(default_factory=Hours)
    day_open: Decimal = ZERO
    """Equity of the portfolio at the start of the PNL day."""
    peak_equity: Decimal = ZERO
    level: RiskLevel = RiskLevel.LOW
    """What people were told last of the drawdown from `peak_equity`."""
    peaks: dict[str, Decimal] = field(default_factory=dict)
    """The most that a strategy had earned at any sample since it was loaded, in terms of the equity given to it now."""
