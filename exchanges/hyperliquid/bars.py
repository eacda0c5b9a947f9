"""Lets bars go at their close, and fetches those that were not seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from domain.errors import VenueError
from domain.market import FeedState, FeedStatus, MarketEvent
from domain.ports import Clock
from exchanges.hyperliquid.info import InfoClient
from exchanges.hyperliquid.router import Router
from exchanges.hyperliquid.wire import MS, CoinCodec
from exchanges.shared.candles import BarClock

log = logging.getLogger(__name__)

TEND_S = 0.1
QUIET_NS = 10_000_000_000
"""Where the venue stamps nothing (only candles are subscribed), its time is taken to be the local one less this."""
FETCH_AGAIN_NS = 5_000_000_000


class BarKeeper:
    """Looks after the router's bar clocks until cancelled."""

    def __init__(
        self,
        router: Router,
        info: InfoClient,
        sink: Callable[[MarketEvent | FeedStatus], None],
        clock: Clock,
        grace_ms: int,
    ) -> None:
        self._router = router
        self._info = info
        self._sink = sink
        self._clock = clock
        self._grace_ns = grace_ms * MS
        self._fetch_at_ns: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Tend the bars, ten times a second."""
        while True:
            await asyncio.sleep(TEND_S)
            now_ns = self._clock.now_ns()
            venue_ns = max(self._router.venue_ns - self._grace_ns, now_ns - QUIET_NS)
            for (coin, interval_ns), clock in list(self._router.bars.items()):
                done = clock.due(venue_ns)
                if done is not None:
                    done.ts_ns = now_ns
                    self._sink(done)
                elif clock.missing(venue_ns) and now_ns >= self._fetch_at_ns.get((coin, interval_ns), 0):
                    self._fetch_at_ns[coin, interval_ns] = now_ns + FETCH_AGAIN_NS
                    await self._fetch(self._router.codec(coin), clock, venue_ns)

    async def _fetch(self, codec: CoinCodec, clock: BarClock, venue_ns: int) -> None:
        try:
            bars = await self._info.bars(codec, clock.interval_ns, clock.next_open_ns, venue_ns)
        except VenueError as error:
            log.warning("missed bars of %s could not be fetched yet: %s", codec.coin, error)
            return
        leaving, absent = clock.fetched(bars)
        if absent:
            instrument = codec.instrument
            detail = f"the venue has no {absent} bars of {clock.interval_ns // 10**9} s"
            self._sink(FeedStatus(venue=instrument.venue, state=FeedState.GAP, instrument=instrument.id, detail=detail))
            self._sink(FeedStatus(venue=instrument.venue, state=FeedState.LIVE, instrument=instrument.id))
        for bar in leaving:
            bar.ts_ns = self._clock.now_ns()
            self._sink(bar)
