"""From frames to the sink: decoding, and what repetition, order and nonsense on the wire mean.

A frame that is not understood is counted and skipped, never fatal. A book older than the last one is left out.
A trade goes on once, by its id; those that the venue sends as history on subscribing do not go on at all,
those that were missed while the connection was away do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from domain.errors import DataError, Unrepresentable
from domain.market import Bbo, Book, FeedStatus, MarketEvent, Trade
from exchanges.hyperliquid.wire import (
    MS,
    AssetMessage,
    BboMessage,
    BookMessage,
    CandleMessage,
    CoinCodec,
    ConfirmationMessage,
    ErrorMessage,
    Message,
    PongMessage,
    TradesMessage,
    WireBook,
    WireCandle,
    WireTrade,
    decode,
)
from exchanges.shared.candles import BarClock
from exchanges.shared.payloads import Payloads

OLD_TRADES_MS = 5_000
"""Trades this much older than the first connection are history."""
REMEMBERED_TRADES = 4_096
UNREAD = frozenset(
    [
        "n",
        "hash",
        "users",
        "method",
        "nSigFigs",
        "mantissa",
        "T",
        "n",
        "dayNtlVlm",
        "prevDayPx",
        "openInterest",
        "oraclePx",
        "premium",
        "midPx",
        "impactPxs",
        "dayBaseVlm",
        "isSnapshot",
    ]
)
"""Fields of public messages that we know of and do not need."""


class _Coin:
    """What was last seen of one coin."""

    def __init__(self, codec: CoinCodec, trades_from_ms: int) -> None:
        self.codec = codec
        self.book_ms = 0
        self.trades_from_ms = trades_from_ms
        self.trade_ids: dict[int, int] = {}
        self.trade_order: deque[int] = deque()

    def is_new(self, trade: WireTrade) -> bool:
        """True once for every trade that is not history."""
        if trade.time < self.trades_from_ms or trade.tid in self.trade_ids:
            return False
        self.trade_ids[trade.tid] = trade.time
        self.trade_order.append(trade.tid)
        if len(self.trade_order) > REMEMBERED_TRADES:
            forgotten_ms = self.trade_ids.pop(self.trade_order.popleft())
            self.trades_from_ms = max(self.trades_from_ms, forgotten_ms)
        return True


class Router:
    """Takes frames, pushes events. `now_ns` is the start, by which history is told from news."""

    def __init__(
        self,
        codecs: Iterable[CoinCodec],
        sink: Callable[[MarketEvent | FeedStatus], None],
        now_ns: int,
        payloads: Payloads | None = None,
    ) -> None:
        self._payloads = payloads or Payloads("HYPERLIQUID", UNREAD)
        self._sink = sink
        self._coins = {codec.coin: _Coin(codec, now_ns // MS - OLD_TRADES_MS) for codec in codecs}
        self.bars: dict[tuple[str, int], BarClock] = {}
        """The candles followed, by coin and interval."""
        self.venue_ns = 0
        """The latest time that the venue has stamped on anything."""
        self.poison = 0
        """Frames that were not understood."""
        self.repeated = 0
        """Books and trades left out because they were old or known."""

    def take(self, frame: bytes, ts_ns: int) -> ConfirmationMessage | ErrorMessage | PongMessage | None:
        """One frame received at `ts_ns`; returns what is meant for the connection and not for the sink."""
        try:
            message = decode(frame)
            self._payloads.look(frame, message)
            return self._route(message, ts_ns)
        except (DataError, Unrepresentable) as error:
            self._payloads.keep(frame, str(error), ts_ns)
            self.poison += 1
        return None

    def lost(self) -> None:
        """The connection is gone."""
        for clock in self.bars.values():
            clock.forget()

    def codec(self, coin: str) -> CoinCodec:
        """The codec of a coin. Raises `DataError` for one that nobody asked for."""
        return self._coin(coin).codec

    def _coin(self, coin: str) -> _Coin:
        found = self._coins.get(coin)
        if found is None:
            raise DataError(f"data of {coin!r:.40}, which nobody asked for")
        return found

    def _route(self, message: Message, ts_ns: int) -> ConfirmationMessage | ErrorMessage | PongMessage | None:
        if isinstance(message, BookMessage):
            self._book(message.data, ts_ns)
        elif isinstance(message, BboMessage):
            quote = self._coin(message.data.coin).codec.bbo(message.data, ts_ns)
            if quote is not None:
                self._pass_on(quote)
        elif isinstance(message, TradesMessage):
            for trade in message.data:
                self._trade(trade, ts_ns)
        elif isinstance(message, CandleMessage):
            self._candle(message.data, ts_ns)
        elif isinstance(message, AssetMessage):
            self._sink(self._coin(message.data.coin).codec.mark(message.data, ts_ns))
        else:
            return message
        return None

    def _pass_on(self, event: Book | Bbo | Trade) -> None:
        self.venue_ns = max(self.venue_ns, event.venue_ts_ns)
        self._sink(event)

    def _book(self, book: WireBook, ts_ns: int) -> None:
        coin = self._coin(book.coin)
        event = coin.codec.book(book, ts_ns)
        if book.time < coin.book_ms:
            self.repeated += 1
            return
        coin.book_ms = book.time
        self._pass_on(event)

    def _trade(self, trade: WireTrade, ts_ns: int) -> None:
        coin = self._coin(trade.coin)
        event = coin.codec.trade(trade, ts_ns)
        if coin.is_new(trade):
            self._pass_on(event)
        else:
            self.repeated += 1

    def _candle(self, candle: WireCandle, ts_ns: int) -> None:
        bar = self._coin(candle.s).codec.bar(candle, ts_ns)
        clock = self.bars.get((candle.s, bar.interval_ns))
        if clock is None:
            raise DataError(f"candles {candle.i} of {candle.s}, which nobody asked for")
        done = clock.take(bar)
        if done is not None:
            done.ts_ns = ts_ns
            self._sink(done)
