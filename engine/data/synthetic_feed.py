"""The synthetic market in real time: the `MarketFeed` of a start without network.

Events are those of `SyntheticMarket.events`, let go when the clock reaches them. Market time is
`start_ts_ns` at the moment of `start` and runs `speed` times as fast as the clock. `venue_ts_ns` is market
time, `ts_ns` the clock's when the event was let go.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from domain.instrument import Instrument
from domain.market import Bar, Feed, FeedKind, FeedState, FeedStatus, MarketEvent
from domain.ports import Clock
from engine.data.synthetic import SyntheticMarket

_CHUNK_STEPS = 10
_REST_S = 0.005
_BATCH = 500
_DAY_NS = 86_400_000_000_000
MAX_BEHIND_NS = 10_000_000_000


class SyntheticFeed:
    """Plays a synthetic market into a sink, paced by `clock`.

    Only what is subscribed is pushed, plus marks of the subscribed instruments. After a pause of the
    machine longer than 10 s of market time the missed ticks are skipped with a GAP; missed bars are not.
    """

    name = "synthetic"

    def __init__(self, market: SyntheticMarket, clock: Clock, speed: float = 1.0) -> None:
        self._market = market
        self._clock = clock
        self._speed = speed
        self._feeds: list[Feed] = []
        self._one_history = asyncio.Lock()
        self._began_ns = 0
        self._task: asyncio.Task[None] | None = None
        self._events: Iterator[MarketEvent] = iter(())
        self._next: MarketEvent | None = None

    def now_ns(self) -> int:
        """Market time; before `start`, the market's start."""
        if self._task is None:
            return self._market.start_ts_ns
        return self._market.start_ts_ns + int((self._clock.now_ns() - self._began_ns) * self._speed)

    @property
    def next_ts_ns(self) -> int:
        """Market time of the next event; 0 when nothing is subscribed."""
        return self._next.ts_ns if self._next else 0

    async def start(self, sink: Callable[[MarketEvent | FeedStatus], None], feeds: Sequence[Feed]) -> None:
        """Begin to push what `feeds` ask for. Raises `ConfigError` for an instrument the market does not have."""
        self._began_ns = self._clock.now_ns()
        for venue in sorted({instrument.venue for instrument in self._market.instruments}):
            sink(FeedStatus(venue=venue, state=FeedState.LIVE, detail="simulated market"))
        self._seek(list(dict.fromkeys(feeds)), self._market.start_ts_ns)
        self._task = asyncio.create_task(self._play(sink), name="synthetic-feed")

    async def subscribe(self, feeds: Sequence[Feed]) -> None:
        """Add subscriptions from now on."""
        added = [feed for feed in dict.fromkeys(feeds) if feed not in self._feeds]
        if added:
            self._seek([*self._feeds, *added], self.next_ts_ns or self.now_ns())

    async def history(self, feed: Feed, count: int) -> Sequence[Bar]:
        """The last `count` bars closed by now, oldest first; made beside the loop, a day of them at a time.

        Years are minutes of work: trading goes on meanwhile, and whoever stops waiting ends it.
        """
        interval_ns, now_ns = feed.interval_ns, self.now_ns()
        piece = max(1, _DAY_NS // max(1, interval_ns))
        bars: list[Bar] = []
        async with self._one_history:
            for left in range(count, 0, -piece):
                taken = min(piece, left)
                end_ns = now_ns - (left - taken) * interval_ns
                bars += await asyncio.to_thread(self._market.bars, feed.instrument, interval_ns, end_ns, taken)
        return bars

    async def instruments(self) -> Sequence[Instrument]:
        """The instruments of the market."""
        return self._market.instruments

    async def aclose(self) -> None:
        """Stop pushing."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _seek(self, feeds: list[Feed], ts_ns: int) -> None:
        self._events = self._market.events(feeds, ts_ns, _CHUNK_STEPS)
        self._next = next(self._events, None)
        self._feeds = feeds

    async def _play(self, sink: Callable[[MarketEvent | FeedStatus], None]) -> None:
        while True:
            now_ns = self.now_ns()
            if self._next is not None and now_ns - self._next.ts_ns > MAX_BEHIND_NS:
                self._skip(sink, self._next.ts_ns, now_ns)
            sent = 0
            while self._next is not None and self._next.ts_ns <= now_ns and sent < _BATCH:
                event, self._next = self._next, next(self._events)
                event.ts_ns = self._clock.now_ns()
                sink(event)
                sent += 1
            await asyncio.sleep(0 if sent == _BATCH else _REST_S)

    def _skip(self, sink: Callable[[MarketEvent | FeedStatus], None], from_ns: int, to_ns: int) -> None:
        """Jump over ticks that nobody was there to see; bars that closed meanwhile are delivered."""
        missed_s = (to_ns - from_ns) / 1e9
        venues = sorted({feed.instrument.partition(".")[2] for feed in self._feeds})
        for venue in venues:
            sink(FeedStatus(venue=venue, state=FeedState.GAP, detail=f"{missed_s:.1f} s skipped"))
        bars: list[Bar] = []
        for feed in self._feeds:
            if feed.kind is FeedKind.BAR:
                count = to_ns // feed.interval_ns - (from_ns - 1) // feed.interval_ns
                bars += self._market.bars(feed.instrument, feed.interval_ns, to_ns, count)
        for bar in sorted(bars, key=lambda bar: bar.ts_ns):
            bar.ts_ns = self._clock.now_ns()
            sink(bar)
        self._seek(self._feeds, to_ns + 1)
        for venue in venues:
            sink(FeedStatus(venue=venue, state=FeedState.LIVE))
