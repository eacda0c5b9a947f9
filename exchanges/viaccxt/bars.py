"""Bars of a feed in order, each once and without holes: those that were missed are fetched before later ones leave."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from domain.errors import DataError, VenueError
from domain.instrument import InstrumentId
from domain.market import Bar

if TYPE_CHECKING:
    from exchanges.viaccxt.feed import PublicFeed

log = logging.getLogger(__name__)

FETCH_AGAIN_S = 5.0
GRACE_NS = 3_000_000_000
"""A bar that has closed for so long without a word is fetched."""


class BarOrder:
    """Follows the bars of a feed. `due` is the open of the bar that has to leave next, by instrument and interval."""

    def __init__(self, feed: PublicFeed) -> None:
        self._feed = feed
        self.due: dict[tuple[InstrumentId, int], int] = {}
        self._fetching: set[tuple[InstrumentId, int]] = set()

    def follow(self, instrument: InstrumentId, interval_ns: int) -> None:
        """Expect these bars, from the running one on."""
        self.due.setdefault((instrument, interval_ns), self._feed.clock.now_ns() // interval_ns * interval_ns)

    def finished(self, bar: Bar) -> None:
        """The venue says that a bar has closed."""
        key = (bar.instrument, bar.interval_ns)
        due_ns = self.due.get(key, 0)
        if bar.open_ts_ns == due_ns or not due_ns:
            self.due[key] = bar.open_ts_ns + bar.interval_ns
            self._feed.emit(bar)
        elif bar.open_ts_ns > due_ns:
            self._fetch(key)

    async def tend(self) -> None:
        """Fetch bars that have closed without a word, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            if self._feed.is_live:
                self.fetch_due(GRACE_NS)

    def fetch_due(self, grace_ns: int) -> None:
        """Fetch what has closed at least so long ago."""
        now_ns = self._feed.clock.now_ns()
        for key, due_ns in list(self.due.items()):
            if now_ns >= due_ns + key[1] + grace_ns:
                self._fetch(key)

    def _fetch(self, key: tuple[InstrumentId, int]) -> None:
        if key not in self._fetching:
            self._fetching.add(key)
            self._feed.spawn(self._fill(key))

    async def _fill(self, key: tuple[InstrumentId, int]) -> None:
        """Fetch the bars that are due, again and again until the venue has told."""
        feed, interval_ns = self._feed, key[1]
        instrument = feed.instrument(key[0])
        try:
            while True:
                try:
                    found = await feed.dialect.bars(instrument, interval_ns, self.due[key], feed.clock.now_ns())
                    break
                except (VenueError, DataError) as error:
                    log.warning("missed bars of %s could not be fetched yet: %s", instrument.id, error)
                    await asyncio.sleep(FETCH_AGAIN_S)
            for bar in found:
                if bar.open_ts_ns >= self.due[key]:
                    self.due[key] = bar.open_ts_ns + interval_ns
                    bar.ts_ns = feed.clock.now_ns()
                    feed.emit(bar)
            if not found:
                await asyncio.sleep(FETCH_AGAIN_S)
        finally:
            self._fetching.discard(key)
