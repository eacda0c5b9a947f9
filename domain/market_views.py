"""Read models of one market: prices, book, the minute that runs, and what is ours there."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from domain.performance import Candle, PricePoint
from domain.views import OrderView, PositionView

BookLevel: TypeAlias = tuple[Decimal, Decimal]
"""(price, quantity)."""


class LiveCandle(Struct, frozen=True, kw_only=True):
    """A minute as the engine has seen it; `from_ns` later than `ts_ns`: its beginning was not seen."""

    ts_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    from_ns: int


class QuoteView(Struct, frozen=True, kw_only=True):
    """A resting price that a strategy wants, as risk let it pass; the order that stands for it may be on its way."""

    account: str
    owner: str
    side: str
    price: Decimal
    qty: Decimal
    level: int


class MarketView(Struct, frozen=True, kw_only=True):
    """One market now; a price that is not known is None. The book has its nearest levels, best first."""

    instrument: str
    ts_ns: int
    """Of the newest market event."""
    seq: int
    feed: str
    age_ms: int | None
    price: Decimal | None
    """What orders are judged and positions are valued by."""
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    mark: Decimal | None
    funding_rate: Decimal
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    candles: tuple[LiveCandle, ...]
    """The last minutes, oldest first; none while nobody watches."""
    orders: tuple[OrderView, ...]
    quotes: tuple[QuoteView, ...]
    positions: tuple[PositionView, ...]


class CandlesView(Struct, frozen=True, kw_only=True):
    """Finished bars of a market; where there are none, prices that the engine sampled, and why."""

    instrument: str
    interval_ns: int
    candles: tuple[Candle, ...] = ()
    points: tuple[PricePoint, ...] = ()
    problem: str = ""
