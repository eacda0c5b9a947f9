"""Hyperliquid's public WebSocket messages, decoded into domain events.

    decode(frame) -> Message          one of the structs below; raises `DataError` for anything else
    CoinCodec(instrument).book(...)   a message's contents in an instrument's integers

Prices and sizes are decimal texts on the wire; the same texts come again and again, so their integers are
remembered. Prices have at most five significant figures and 6 - szDecimals decimals; sizes szDecimals.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

import msgspec
from msgspec import Struct

from domain.errors import DataError
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Book, Mark, Trade
from exchanges.shared.integers import Integers, nearest

MS = 1_000_000
INTERVALS_NS = {
    name: seconds * 1_000_000_000
    for name, seconds in (
        ("1m", 60),
        ("3m", 180),
        ("5m", 300),
        ("15m", 900),
        ("30m", 1_800),
        ("1h", 3_600),
        ("2h", 7_200),
        ("4h", 14_400),
        ("8h", 28_800),
        ("12h", 43_200),
        ("1d", 86_400),
        ("3d", 259_200),
        ("1w", 604_800),
    )
}
"""The candle intervals that the venue has."""
INTERVAL_NAMES = {interval_ns: name for name, interval_ns in INTERVALS_NS.items()}


class WireLevel(Struct, gc=False):
    """Price and size of one level."""

    px: str
    sz: str


class WireBook(Struct, gc=False):
    """A full snapshot of the nearest levels; bids first, both sides best first. There is no sequence number."""

    coin: str
    time: int
    levels: tuple[list[WireLevel], list[WireLevel]]


class WireBbo(Struct, gc=False):
    """Best bid and offer; a side may be missing."""

    coin: str
    time: int
    bbo: tuple[WireLevel | None, WireLevel | None]


class WireTrade(Struct, gc=False):
    """One trade; side B = the buyer was the aggressor, A = the seller. `tid` is unique."""

    coin: str
    side: str
    px: str
    sz: str
    time: int
    tid: int


class WireCandle(Struct, gc=False):
    """One candle, finished or not: `t` opens, `T` is the last millisecond inside."""

    s: str
    i: str
    t: int
    T: int
    o: str
    h: str
    l: str  # noqa: E741 - the venue's name
    c: str
    v: str


class WireContext(Struct, gc=False):
    """Mark price and hourly funding rate of an asset."""

    mark_px: str = msgspec.field(name="markPx")
    funding: str


class WireAsset(Struct, gc=False):
    """Context of one coin."""

    coin: str
    ctx: WireContext


class Subscription(Struct, frozen=True, omit_defaults=True, gc=False):
    """What is subscribed; `interval` only for candles."""

    type: str
    coin: str = ""
    interval: str = ""


class WireConfirmation(Struct, gc=False):
    """The venue's answer to subscribe and unsubscribe."""

    method: str
    subscription: Subscription


class BookMessage(Struct, tag_field="channel", tag="l2Book", gc=False):
    """Channel l2Book."""

    data: WireBook


class BboMessage(Struct, tag_field="channel", tag="bbo", gc=False):
    """Channel bbo."""

    data: WireBbo


class TradesMessage(Struct, tag_field="channel", tag="trades", gc=False):
    """Channel trades."""

    data: list[WireTrade]


class CandleMessage(Struct, tag_field="channel", tag="candle", gc=False):
    """Channel candle."""

    data: WireCandle


class AssetMessage(Struct, tag_field="channel", tag="activeAssetCtx", gc=False):
    """Channel activeAssetCtx."""

    data: WireAsset


class ConfirmationMessage(Struct, tag_field="channel", tag="subscriptionResponse", gc=False):
    """Channel subscriptionResponse."""

    data: WireConfirmation


class ErrorMessage(Struct, tag_field="channel", tag="error", gc=False):
    """Channel error: the venue's words about something that we sent."""

    data: str


class PongMessage(Struct, tag_field="channel", tag="pong", gc=False):
    """Channel pong."""


Message: TypeAlias = (
    BookMessage
    | BboMessage
    | TradesMessage
    | CandleMessage
    | AssetMessage
    | ConfirmationMessage
    | ErrorMessage
    | PongMessage
)

_decoder = msgspec.json.Decoder(Message)


def decode(frame: bytes | str) -> Message:
    """Decode one frame. Raises `DataError` for what is not one of the known messages."""
    try:
        message: Message = _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DataError(f"Hyperliquid sent something that is not understood: {error}") from error
    return message


class CoinCodec:
    """Turns the wire contents of `coin` (default: the instrument's venue symbol) into events of `instrument`.

    `ts_ns` is when the frame was received. Raises `DataError` for contents that make no sense and
    `Unrepresentable` for numbers that the instrument cannot carry.
    """

    def __init__(self, instrument: Instrument, coin: str = "") -> None:
        self.instrument = instrument
        self.coin = coin or instrument.venue_symbol
        self._id = instrument.id
        self._prices = Integers(instrument, "Hyperliquid", is_price=True)
        self._sizes = Integers(instrument, "Hyperliquid", is_price=False)

    def book(self, book: WireBook, ts_ns: int) -> Book:
        """An l2Book snapshot."""
        prices, sizes = self._prices, self._sizes
        bids, asks = book.levels
        event = Book(
            ts_ns=ts_ns,
            venue_ts_ns=book.time * MS,
            instrument=self._id,
            bids=tuple([(prices[level.px], sizes[level.sz]) for level in bids]),
            asks=tuple([(prices[level.px], sizes[level.sz]) for level in asks]),
        )
        if event.bids and event.asks and event.bids[0][0] >= event.asks[0][0]:
            raise DataError(f"{book.coin}: the book is crossed, bid {bids[0].px} and ask {asks[0].px}")
        return event

    def bbo(self, touch: WireBbo, ts_ns: int) -> Bbo | None:
        """Best bid and offer; None where a side is missing."""
        bid, ask = touch.bbo
        if bid is None or ask is None:
            return None
        event = Bbo(
            ts_ns=ts_ns,
            venue_ts_ns=touch.time * MS,
            instrument=self._id,
            bid=self._prices[bid.px],
            bid_qty=self._sizes[bid.sz],
            ask=self._prices[ask.px],
            ask_qty=self._sizes[ask.sz],
        )
        if event.bid >= event.ask:
            raise DataError(f"{touch.coin}: the quote is crossed, bid {bid.px} and ask {ask.px}")
        return event

    def trade(self, trade: WireTrade, ts_ns: int) -> Trade:
        """One of a trades message."""
        if trade.side not in {"A", "B"}:
            raise DataError(f"{trade.coin}: a trade's side is {trade.side!r:.40}, expected A or B")
        return Trade(
            ts_ns=ts_ns,
            venue_ts_ns=trade.time * MS,
            instrument=self._id,
            price=self._prices[trade.px],
            qty=self._sizes[trade.sz],
            side=1 if trade.side == "B" else -1,
            trade_id=str(trade.tid),
        )

    def bar(self, candle: WireCandle, ts_ns: int, *, history: bool = False) -> Bar:
        """A candle, as if it were finished; of history, `ts_ns` is its close. The volume is rounded to the scale."""
        interval_ns = INTERVALS_NS.get(candle.i, 0)
        if not interval_ns or candle.t * MS % interval_ns:
            raise DataError(f"{candle.s}: a candle of {candle.i!r:.20} that opens at {candle.t} makes no sense")
        opened, high, low, closed = (self._prices[text] for text in (candle.o, candle.h, candle.l, candle.c))
        if not (low <= min(opened, closed) and high >= max(opened, closed)):
            raise DataError(f"{candle.s}: the candle at {candle.t} has its open or close outside high and low")
        close_ns = candle.t * MS + interval_ns
        return Bar(
            ts_ns=close_ns if history else ts_ns,
            venue_ts_ns=close_ns,
            instrument=self._id,
            interval_ns=interval_ns,
            open_ts_ns=candle.t * MS,
            open=opened,
            high=high,
            low=low,
            close=closed,
            volume=nearest(candle.v, self.instrument.qty_decimals, "Hyperliquid"),
        )

    def mark(self, asset: WireAsset, ts_ns: int) -> Mark:
        """Mark price, rounded to the price scale, and hourly funding rate; the venue stamps no time."""
        price = nearest(asset.ctx.mark_px, self.instrument.price_decimals, "Hyperliquid")
        try:
            rate = Decimal(asset.ctx.funding)
        except ArithmeticError as error:
            raise DataError(f"{asset.coin}: the funding rate is {asset.ctx.funding!r:.40}") from error
        if price <= 0 or not rate.is_finite() or abs(rate) > 1:
            raise DataError(f"{asset.coin}: mark price {asset.ctx.mark_px!r:.40} or funding {rate} makes no sense")
        return Mark(ts_ns=ts_ns, instrument=self._id, price=price, funding_rate=rate)
