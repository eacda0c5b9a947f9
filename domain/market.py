"""Market data as the core sees it: integers, stamped on receipt, conflated before the inbox.

Every event has `seq` and `ts_ns` (engine receive time), both set once by the loop when it takes the
event in and never changed after, and `venue_ts_ns` (what the venue said; 0 = unknown).
Prices and quantities are in the instrument's integer scale. They are encoded as arrays (small and
quick): a new field goes to the end and has a default.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from domain.instrument import InstrumentId


class Bar(Struct, kw_only=True, tag="bar", array_like=True, gc=False):
    """One finished candle, delivered at its close plus feed latency, never before.

    `open_ts_ns` + `interval_ns` is the close. Warm-up bars come in a `History` event instead.
    """

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    instrument: InstrumentId
    interval_ns: int
    open_ts_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class Bbo(Struct, kw_only=True, tag="bbo", array_like=True, gc=False):
    """Best bid and offer with their sizes."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    instrument: InstrumentId
    bid: int
    bid_qty: int
    ask: int
    ask_qty: int


Level: TypeAlias = tuple[int, int]
"""(price, quantity)."""


class Book(Struct, kw_only=True, tag="book", array_like=True, gc=False):
    """A full snapshot of the nearest levels, best first on both sides."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    instrument: InstrumentId
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Trade(Struct, kw_only=True, tag="trade", array_like=True, gc=False):
    """One public trade; `side` is the aggressor's (+1 bought, -1 sold)."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    instrument: InstrumentId
    price: int
    qty: int
    side: int
    trade_id: str = ""


class Mark(Struct, kw_only=True, tag="mark", array_like=True, gc=False):
    """Mark price and the current funding rate (fraction per funding interval)."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    instrument: InstrumentId
    price: int
    funding_rate: Decimal = Decimal(0)


class FundingRate(Struct, kw_only=True, frozen=True):
    """A rate that was charged at `ts_ns` (fraction per funding interval); history for research, never an event."""

    ts_ns: int
    instrument: InstrumentId
    rate: Decimal


class FeedState(enum.StrEnum):
    """What a market-data feed is worth right now."""

    LIVE = "live"
    STALE = "stale"
    """Nothing arrived for longer than the configured age."""
    GAP = "gap"
    """Something was lost; a fresh snapshot has to come first."""
    LAG = "lag"
    """We fall behind: the engine is slower than the feed."""
    DOWN = "down"
    """Not connected."""


SILENT = frozenset({FeedState.STALE, FeedState.DOWN})
"""Nothing comes: quotes of the instrument are pulled, and nothing that adds risk is sent."""
UNTRUSTED = SILENT | {FeedState.GAP}
"""Prices may be wrong: nothing that adds risk is sent."""


class FeedStatus(Struct, kw_only=True, tag="feed_status", array_like=True):
    """A feed changed its state; `instrument` empty = the whole venue. `detail` is for people."""

    seq: int = 0
    ts_ns: int = 0
    venue_ts_ns: int = 0
    venue: str
    state: FeedState
    instrument: InstrumentId = ""
    detail: str = ""


class FeedKind(enum.StrEnum):
    """The kinds of market data a strategy can ask for."""

    BAR = "bar"
    BBO = "bbo"
    BOOK = "book"
    TRADE = "trade"


class Feed(Struct, frozen=True, kw_only=True, gc=False):
    """A subscription: what kind of data, of what instrument; bars also name their interval."""

    kind: FeedKind
    instrument: InstrumentId
    interval_ns: int = 0


MarketEvent: TypeAlias = Bar | Bbo | Book | Trade | Mark
"""The journal's market stream; everything else is in the main stream."""
