"""Several sources of market data as one stream in the order in which the engine may see it.

    Tape(Source(bars, latency_ns=50_000_000), Source(trades))

Order: (ts_ns, rank of the source, position within the source). An event's `ts_ns` becomes the time it can be
known: for a bar its close plus the source's latency, never before; for anything else the time it carries
plus the latency. Sources are read lazily, one event ahead.

`TapeFeed` plays a tape as a `MarketFeed`.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import heapq
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

from msgspec import Struct

from domain.errors import DataError
from domain.instrument import Instrument
from domain.market import Bar, Bbo, Book, Feed, FeedKind, FeedState, FeedStatus, Mark, MarketEvent, Trade
from domain.ports import Clock

_KINDS = {Bar: FeedKind.BAR, Bbo: FeedKind.BBO, Book: FeedKind.BOOK, Trade: FeedKind.TRADE}
_BATCH = 500
_REST_S = 0.005
_first_two = itemgetter(0, 1)


class Source(Struct, frozen=True):
    """One stream of events in time order, and how long after they happened the engine sees them."""

    events: Iterable[MarketEvent]
    latency_ns: int = 0
    name: str = "source"


class Tape:
    """The merged stream. Iterating reads the sources, so it can be repeated when they can.

    Raises `DataError` for a source that is not in time order.
    """

    def __init__(self, *sources: Source) -> None:
        self._sources = sources

    def __iter__(self) -> Iterator[MarketEvent]:
        """All events, each once, in order."""
        if len(self._sources) == 1:
            return (event for _, _, event in _timed(self._sources[0], 0))
        streams = [_timed(source, rank) for rank, source in enumerate(self._sources)]
        return (event for _, _, event in heapq.merge(*streams, key=_first_two))


def _timed(source: Source, rank: int) -> Iterator[tuple[int, int, MarketEvent]]:
    """Events with the time they may be seen; one that carries another time is copied, not changed."""
    last_ns = 0
    latency_ns = source.latency_ns
    for event in source.events:
        happened_ns = event.open_ts_ns + event.interval_ns if type(event) is Bar else event.ts_ns
        seen_ns = happened_ns + latency_ns
        if seen_ns < last_ns:
            raise DataError(f"{source.name}: its events are not in time order at {happened_ns} (ns)")
        last_ns = seen_ns
        if event.ts_ns != seen_ns:
            event = copy.copy(event)  # noqa: PLW2901 - the same event, seen later
            event.ts_ns = seen_ns
        yield seen_ns, rank, event


def matches(event: MarketEvent, feeds: frozenset[Feed]) -> bool:
    """Whether an event belongs to a subscription; marks belong to every subscription of their instrument."""
    if isinstance(event, Mark):
        return any(feed.instrument == event.instrument for feed in feeds)
    interval_ns = event.interval_ns if isinstance(event, Bar) else 0
    return Feed(kind=_KINDS[type(event)], instrument=event.instrument, interval_ns=interval_ns) in feeds


class TapeFeed:
    """Plays a tape into a sink: a `MarketFeed` that ends.

    With a `clock`, events are let go `speed` times as fast as they happened, the first one at once, and stamped
    with the clock's time. Without one they keep the tape's, and the next event follows as soon as `drained`
    (an awaitable that the consumer gives) returns: as fast as the consumer can, and never faster.
    `finished` is set after the last one.
    `history` holds the bars before the tape, by subscription.
    """

    name = "tape"

    def __init__(
        self,
        tape: Iterable[MarketEvent],
        instruments: Sequence[Instrument],
        *,
        clock: Clock | None = None,
        speed: float = 1.0,
        drained: Callable[[], Awaitable[object]] | None = None,
        history: Mapping[Feed, Sequence[Bar]] | None = None,
    ) -> None:
        self._tape = tape
        self._instruments = tuple(instruments)
        self._clock = clock
        self._speed = speed
        self._drained = drained or _give_way
        self._history = dict(history or {})
        self._feeds: frozenset[Feed] = frozenset()
        self._task: asyncio.Task[None] | None = None
        self.finished = asyncio.Event()

    async def start(self, sink: Callable[[MarketEvent | FeedStatus], None], feeds: Sequence[Feed]) -> None:
        """Begin to push what `feeds` ask for."""
        self._feeds = frozenset(feeds)
        self._tell(sink, FeedState.LIVE, "recorded tape")
        self._task = asyncio.create_task(self._play(sink), name="tape-feed")

    async def subscribe(self, feeds: Sequence[Feed]) -> None:
        """Add subscriptions from the next event on."""
        self._feeds |= frozenset(feeds)

    async def history(self, feed: Feed, count: int) -> Sequence[Bar]:
        """The last `count` bars before the tape that were given for this subscription."""
        return self._history.get(feed, ())[-count:] if count > 0 else ()

    async def instruments(self) -> Sequence[Instrument]:
        """The instruments of the tape."""
        return self._instruments

    async def aclose(self) -> None:
        """Stop pushing."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _tell(self, sink: Callable[[MarketEvent | FeedStatus], None], state: FeedState, detail: str) -> None:
        for venue in sorted({instrument.venue for instrument in self._instruments}):
            sink(FeedStatus(venue=venue, state=state, detail=detail))

    async def _play(self, sink: Callable[[MarketEvent | FeedStatus], None]) -> None:
        try:
            if self._clock is None:
                await self._play_on_demand(sink)
            else:
                await self._play_by_clock(sink, self._clock)
            self._tell(sink, FeedState.DOWN, "the tape has ended")
        except DataError as error:
            self._tell(sink, FeedState.DOWN, str(error))
        finally:
            self.finished.set()

    async def _play_on_demand(self, sink: Callable[[MarketEvent | FeedStatus], None]) -> None:
        for event in self._tape:
            if matches(event, self._feeds):
                sink(event)
                await self._drained()

    async def _play_by_clock(self, sink: Callable[[MarketEvent | FeedStatus], None], clock: Clock) -> None:
        began_ns, first_ns = clock.now_ns(), 0
        for count, event in enumerate(self._tape):
            first_ns = first_ns or event.ts_ns
            ahead_ns = self._ahead_ns(event.ts_ns - first_ns, clock.now_ns() - began_ns)
            while ahead_ns > 0:
                await asyncio.sleep(min(ahead_ns / 1e9, _REST_S))
                ahead_ns = self._ahead_ns(event.ts_ns - first_ns, clock.now_ns() - began_ns)
            if matches(event, self._feeds):
                seen = copy.copy(event)
                seen.ts_ns = clock.now_ns()
                sink(seen)
            if count % _BATCH == 0:
                await asyncio.sleep(0)

    def _ahead_ns(self, tape_ns: int, clock_ns: int) -> int:
        """How long the event is still in the future."""
        return int(tape_ns / self._speed) - clock_ns


async def _give_way() -> None:
    await asyncio.sleep(0)
