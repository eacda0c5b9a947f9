"""Market data of several venues as one `MarketFeed`: each instrument is served by the feed of its venue.

A feed that cannot start is DOWN, with the reason, and tried again; the others go on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from domain.errors import MoonDevError, VenueError
from domain.instrument import Instrument
from domain.market import Bar, Feed, FeedState, FeedStatus, MarketEvent
from domain.ports import MarketFeed

log = logging.getLogger(__name__)

Sink: TypeAlias = Callable[[MarketEvent | FeedStatus], None]
RETRY_S, RETRY_LONGEST_S = 2.0, 60.0
WAIT_S = 3.0
"""People are not kept from their doors by a venue that does not answer."""


class FeedRouter:
    """`openers` makes the feed of each venue, not started, again after a start that failed."""

    name = "venues"

    def __init__(self, openers: Mapping[str, Callable[[], MarketFeed]]) -> None:
        self._openers = dict(openers)
        self._open: dict[str, MarketFeed] = {}
        self._wanted: dict[str, list[Feed]] = {venue: [] for venue in openers}
        self._tasks: list[asyncio.Task[None]] = []
        self._said: dict[str, str] = {}
        self._tried = {venue: asyncio.Event() for venue in openers}

    async def start(self, sink: Sink, feeds: Sequence[Feed]) -> None:
        """Start every feed; returns when each was tried, or soon: those that are not there are tried until `aclose`."""
        self._note(feeds)
        self._tasks = [
            asyncio.create_task(self._keep_trying(each, sink), name=f"feed {each}") for each in self._openers
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                for tried in self._tried.values():
                    await tried.wait()

    async def subscribe(self, feeds: Sequence[Feed]) -> None:
        """Add subscriptions. Raises what the venue's feed raises; where it is not there yet, they wait for it."""
        for venue, added in self._note(feeds).items():
            feed = self._open.get(venue)
            if feed is not None:
                await feed.subscribe(added)

    async def history(self, feed: Feed, count: int) -> Sequence[Bar]:
        """The last finished bars; waits until the venue was tried. Raises `VenueError` while it is not there."""
        venue = feed.instrument.rpartition(".")[2]
        if venue in self._tried:
            await self._tried[venue].wait()
        if venue not in self._open:
            raise VenueError(f"market data of {venue} is not connected")
        return await self._open[venue].history(feed, count)

    async def instruments(self) -> Sequence[Instrument]:
        """The contracts of all venues that are there."""
        return [instrument for feed in self._open.values() for instrument in await feed.instruments()]

    async def aclose(self) -> None:
        """Disconnect from all."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        feeds, self._open = self._open, {}
        await asyncio.gather(*(feed.aclose() for feed in feeds.values()))

    def _note(self, feeds: Sequence[Feed]) -> dict[str, list[Feed]]:
        """Remember what is wanted, for a feed that starts later; returns it by venue."""
        added: dict[str, list[Feed]] = {}
        for feed in feeds:
            venue = feed.instrument.rpartition(".")[2]
            added.setdefault(venue, []).append(feed)
            if feed not in self._wanted.setdefault(venue, []):
                self._wanted[venue].append(feed)
        return added

    async def _start(self, venue: str, sink: Sink) -> bool:
        """Try once; False and told when it cannot be started."""
        feed: MarketFeed | None = None
        problem = ""
        try:
            feed = self._openers[venue]()
            known = list(self._wanted[venue])
            await feed.start(sink, known)
            self._open[venue] = feed
            await feed.subscribe([each for each in self._wanted[venue] if each not in known])
        except (MoonDevError, OSError, TimeoutError) as error:
            problem = str(error) or type(error).__name__
        except Exception as error:
            log.exception("market data of %s failed to start", venue)
            problem = f"an error of ours: {type(error).__name__}: {error}"
        self._tried[venue].set()
        if not problem:
            return True
        self._open.pop(venue, None)
        if feed is not None:
            with contextlib.suppress(Exception):
                await feed.aclose()
        if self._said.get(venue) != problem:
            self._said[venue] = problem
            sink(FeedStatus(venue=venue, state=FeedState.DOWN, detail=f"{problem} (it is tried again)"))
        return False

    async def _keep_trying(self, venue: str, sink: Sink) -> None:
        pause_s = RETRY_S
        while not await self._start(venue, sink):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_LONGEST_S)
