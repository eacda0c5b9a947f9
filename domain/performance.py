"""What was earned and risked in a period: figures for people, made by the desk from the SQL projection.

Money is exact and in the base currency (USDC and USDT count as USD). Every sum over strategies, venues, symbols or days
equals the total, and the total equals the change of equity less what was paid in: deposits are no profit.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

ZERO = Decimal(0)


class CurvePoint(Struct, frozen=True, gc=False):
    """Equity at one sample, and how far it is below the highest before it in the period, as a fraction of that."""

    ts_ns: int
    equity: Decimal
    drawdown: Decimal
    profit: Decimal
    """Earned since the period began: without what was paid in."""


class Part(Struct, frozen=True, kw_only=True):
    """The share of one strategy, venue or symbol. `unrealised` is the change of it; `fees` are positive when paid."""

    name: str
    realised: Decimal = ZERO
    unrealised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    fills: int = 0
    trades: int = 0
    """Round trips that ended in the period."""
    wins: int = 0

    @property
    def net(self) -> Decimal:
        """What is left of it all."""
        return self.realised + self.unrealised - self.fees + self.funding


class Day(Struct, frozen=True, kw_only=True):
    """One UTC day, or the part of it that lies in the period: from the first sample in it to the first one after it."""

    day: str
    from_ns: int
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal
    deposits: Decimal
    equity: Decimal
    """At its end."""
    trades: int = 0

    @property
    def net(self) -> Decimal:
        """What is left of it all."""
        return self.realised + self.unrealised - self.fees + self.funding


class Fall(Struct, frozen=True, kw_only=True):
    """The deepest fall from a high, as a fraction of it and in money; `recovered_ns` 0 = it has not been made good.

    Money that is paid in or out meanwhile restates the high by the factor equity after / before, as the risk limits do.
    """

    fraction: Decimal = ZERO
    amount: Decimal = ZERO
    peak_ns: int = 0
    trough_ns: int = 0
    recovered_ns: int = 0


class Ratio(Struct, frozen=True, kw_only=True):
    """A figure of `n` observations with what is to be known of it; None where `n` is too small for one."""

    value: float | None
    n: int
    caveat: str


NO_RATIO = Ratio(value=None, n=0, caveat="insufficient data: n = 0")


class Gap(Struct, frozen=True):
    """A time without samples: the service was not running, or time stood still for it."""

    from_ns: int
    to_ns: int


class Performance(Struct, frozen=True, kw_only=True):
    """A period's figures.

    `since_ns` and `until_ns` were asked for; the figures span `from_ns` to `to_ns`: from the first sample of equity in
    the period to the first one after it, or to now. So periods that meet share their edge and nothing falls between.
    With `problem`, there are no figures, and it says why. `notes` say what is to be known of them.
    """

    since_ns: int
    until_ns: int
    problem: str = ""
    notes: tuple[str, ...] = ()
    from_ns: int = 0
    to_ns: int = 0
    start_equity: Decimal = ZERO
    end_equity: Decimal = ZERO
    deposits: Decimal = ZERO
    """Paid in less paid out."""
    realised: Decimal = ZERO
    unrealised: Decimal = ZERO
    """Change of the profit that is open; `open_profit` is what is open at the end."""
    open_profit: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    growth: Decimal | None = None
    """Time-weighted return as a fraction; None where there was no capital."""
    max_drawdown: Fall = Fall()
    drawdown: Decimal = ZERO
    """At the end, as a fraction of the period's high."""
    points: tuple[CurvePoint, ...] = ()
    """The curve, thinned without losing a high, a low or the deepest drawdown."""
    gaps: tuple[Gap, ...] = ()
    by_strategy: tuple[Part, ...] = ()
    by_venue: tuple[Part, ...] = ()
    by_symbol: tuple[Part, ...] = ()
    by_account: tuple[Part, ...] = ()
    by_day: tuple[Day, ...] = ()
    fills: int = 0
    trades: int = 0
    """Round trips that ended in the period, after fees and before funding."""
    wins: int = 0
    gross_profit: Decimal = ZERO
    gross_loss: Decimal = ZERO
    """What the losing ones lost, as a positive amount."""
    win_rate: Ratio = NO_RATIO
    profit_factor: Ratio = NO_RATIO
    sharpe: Ratio = NO_RATIO
    sortino: Ratio = NO_RATIO

    @property
    def net(self) -> Decimal:
        """Profit after fees and funding, open profit included."""
        return self.realised + self.unrealised - self.fees + self.funding


class ExposurePoint(Struct, frozen=True):
    """Worth of the open positions at one sample by symbol: long is positive. Empty = flat."""

    ts_ns: int
    worth: dict[str, Decimal]


class Exposures(Struct, frozen=True, kw_only=True):
    """What was open through a period, thinned without losing when it was most; `problem` says why there is nothing."""

    problem: str = ""
    points: tuple[ExposurePoint, ...] = ()
    gaps: tuple[Gap, ...] = ()


class PricePoint(Struct, frozen=True):
    """A price at a time."""

    ts_ns: int
    price: Decimal


class Candle(Struct, frozen=True):
    """One bar of prices, by its open time."""

    ts_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None = None
    """In base units; None = not known."""


class Candles(Struct, frozen=True, kw_only=True):
    """Bars of one length, oldest first; `problem` says why there are none."""

    interval_ns: int = 0
    candles: tuple[Candle, ...] = ()
    problem: str = ""
