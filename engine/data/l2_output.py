"""Where the readers of recorded tapes put what they understood: market events, or rows for the matching rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from domain.instrument import Instrument
from domain.market import Bbo, Book, Level, MarketEvent, Trade
from engine.data.arrays import RowWriter
from engine.data.localbook import LocalBook

Pairs: TypeAlias = "list[tuple[str, str]]"
"""Price and quantity as the venues write them."""


class Scaled(dict[str, int]):
    """Decimal text to an instrument's integers, remembered: the same texts come again and again.

    Raises `Unrepresentable` for what the instrument cannot carry.
    """

    def __init__(self, instrument: Instrument, *, is_price: bool) -> None:
        super().__init__()
        self._exact = instrument.price if is_price else instrument.qty

    def __missing__(self, text: str) -> int:
        if len(self) > 200_000:
            self.clear()
        value = self[text] = self._exact(text)
        return value


class Output(Protocol):
    """What a reader tells, in time order: the recorder's receive time first, then the venue's (0 = unknown)."""

    def snapshot(self, ts_ns: int, venue_ns: int, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """A whole book, best first."""
        ...

    def difference(self, ts_ns: int, venue_ns: int, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Changed levels; quantity 0 removes one."""
        ...

    def bbo(self, ts_ns: int, venue_ns: int, bid: Level, ask: Level) -> None:
        """Best bid and offer."""
        ...

    def trade(self, ts_ns: int, venue_ns: int, side: int, level: Level, trade_id: str) -> None:
        """A public trade at a price and quantity; `side` is the aggressor's."""
        ...


class EventOutput:
    """Makes `Book`s of the nearest `depth` levels, `Bbo`s and `Trade`s; `crossed` counts impossible books."""

    def __init__(self, instrument: Instrument, depth: int) -> None:
        self._id = instrument.id
        self._depth = depth
        self._book = LocalBook()
        self.events: list[MarketEvent] = []
        self.crossed = 0

    def snapshot(self, ts_ns: int, venue_ns: int, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Start the book anew."""
        self._book.clear()
        self.difference(ts_ns, venue_ns, bids, asks)

    def difference(self, ts_ns: int, venue_ns: int, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Apply changes and show the nearest levels; a crossed book is counted and not shown."""
        self._book.set_levels(1, bids)
        self._book.set_levels(-1, asks)
        if self._book.is_crossed():
            self.crossed += 1
            return
        self.events.append(
            Book(
                ts_ns=ts_ns,
                venue_ts_ns=venue_ns,
                instrument=self._id,
                bids=self._book.nearest(1, self._depth),
                asks=self._book.nearest(-1, self._depth),
            )
        )

    def bbo(self, ts_ns: int, venue_ns: int, bid: Level, ask: Level) -> None:
        """Show the touch."""
        self.events.append(
            Bbo(
                ts_ns=ts_ns,
                venue_ts_ns=venue_ns,
                instrument=self._id,
                bid=bid[0],
                bid_qty=bid[1],
                ask=ask[0],
                ask_qty=ask[1],
            )
        )

    def trade(self, ts_ns: int, venue_ns: int, side: int, level: Level, trade_id: str) -> None:
        """Show a trade."""
        price, qty = level
        self.events.append(
            Trade(
                ts_ns=ts_ns,
                venue_ts_ns=venue_ns,
                instrument=self._id,
                price=price,
                qty=qty,
                side=side,
                trade_id=trade_id,
            )
        )


class RowOutput:
    """Writes rows (`engine.data.arrays`), every level that changed and not only the nearest."""

    def __init__(self) -> None:
        self.writer = RowWriter()

    def snapshot(self, ts_ns: int, venue_ns: int, bids: Sequence[Level], asks: Sequence[Level]) -> None:  # noqa: ARG002 - rows carry one time
        """Both sides anew."""
        self.writer.snapshot(ts_ns, bids, asks)

    def difference(self, ts_ns: int, venue_ns: int, bids: Sequence[Level], asks: Sequence[Level]) -> None:  # noqa: ARG002 - as above
        """Changed levels."""
        self.writer.difference(ts_ns, bids, asks)

    def bbo(self, ts_ns: int, venue_ns: int, bid: Level, ask: Level) -> None:  # noqa: ARG002 - as above
        """Both tops."""
        self.writer.top(ts_ns, 1, *bid)
        self.writer.top(ts_ns, -1, *ask)

    def trade(self, ts_ns: int, venue_ns: int, side: int, level: Level, trade_id: str) -> None:  # noqa: ARG002 - as above
        """A trade."""
        self.writer.trade(ts_ns, side, *level)
