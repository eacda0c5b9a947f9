"""Silence and holes in a feed, as `FeedStatus` events per instrument.

    STALE   nothing came for an instrument for longer than `stale_ns` (bars: two intervals and a bit)
    GAP     a bar is missing between two that came
    LIVE    data has come again

The monitor sits between a feed and its consumer: `put` every event, and `check` by a timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from domain.instrument import InstrumentId
from domain.market import Bar, Feed, FeedKind, FeedState, FeedStatus, MarketEvent
from domain.ports import Clock

STALE_NS = 15_000_000_000
_CHECK_S = 1.0


class FeedMonitor:
    """Passes events on to `sink`, with what they, or their absence, say about the feed.

    `stale_ns` bounds the silence of an instrument; where only bars are subscribed it is two intervals plus that.
    """

    def __init__(
        self,
        sink: Callable[[MarketEvent | FeedStatus], None],
        clock: Clock,
        stale_ns: int = STALE_NS,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._stale_ns = stale_ns
        self._bound_ns: dict[InstrumentId, int] = {}
        self._seen_ns: dict[InstrumentId, int] = {}
        self._stale: dict[InstrumentId, bool] = {}
        self._next_open: dict[tuple[InstrumentId, int], int] = {}

    def watch(self, feeds: Sequence[Feed]) -> None:
        """Expect these feeds from now on."""
        now_ns = self._clock.now_ns()
        for feed in feeds:
            slowest = 2 * feed.interval_ns + self._stale_ns if feed.kind is FeedKind.BAR else self._stale_ns
            self._bound_ns[feed.instrument] = min(slowest, self._bound_ns.get(feed.instrument, slowest))
            self._seen_ns.setdefault(feed.instrument, now_ns)

    def put(self, event: MarketEvent | FeedStatus) -> None:
        """Take one event."""
        if not isinstance(event, FeedStatus):
            self._seen_ns[event.instrument] = self._clock.now_ns()
            if self._stale.pop(event.instrument, False):
                self._tell(event.instrument, FeedState.LIVE, "data has come again")
            if isinstance(event, Bar):
                self._follow(event)
        self._sink(event)

    def check(self) -> None:
        """Say STALE for every instrument that has been silent for too long, once."""
        now_ns = self._clock.now_ns()
        for instrument, bound_ns in self._bound_ns.items():
            silent_ns = now_ns - self._seen_ns[instrument]
            if silent_ns > bound_ns and not self._stale.get(instrument):
                self._stale[instrument] = True
                self._tell(instrument, FeedState.STALE, f"nothing came for {silent_ns / 1e9:.0f} s")

    async def run(self) -> None:
        """Call `check` every second until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_S)
            self.check()

    def _follow(self, bar: Bar) -> None:
        key = (bar.instrument, bar.interval_ns)
        expected = self._next_open.get(key, bar.open_ts_ns)
        if bar.open_ts_ns > expected:
            missing = (bar.open_ts_ns - expected) // bar.interval_ns
            self._tell(bar.instrument, FeedState.GAP, f"{missing} bars of {bar.interval_ns // 10**9} s are missing")
        self._next_open[key] = max(expected, bar.open_ts_ns + bar.interval_ns)

    def _tell(self, instrument: InstrumentId, state: FeedState, detail: str) -> None:
        venue = instrument.partition(".")[2]
        self._sink(FeedStatus(venue=venue, state=state, instrument=instrument, detail=detail))
