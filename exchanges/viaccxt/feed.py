"""Public market data as a `MarketFeed`: WebSockets on aiohttp, decoded by the venue's own dialect with msgspec.

    streams of a feed ─▶ one `_Line` an address: connect ─▶ subscribe ─▶ confirmed
                              ▲                                    │ frames ─▶ FeedDialect.take ─▶ sink
                              └── back off, with jitter ◀── lost ◀─┘
    all lines confirmed: LIVE      one lost: DOWN, later GAP, LIVE

ccxt takes 20 to 200 µs a message for what is needed here, keeps it in caches and checks few sequences, so the feed goes
without it. A book that misses a change is GAP for its instrument until a snapshot has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import aiohttp
import msgspec

from domain.errors import ConfigError, DataError, Unrepresentable, VenueError
from domain.instrument import Instrument, InstrumentId
from domain.market import Bar, Feed, FeedKind, FeedState, FeedStatus, MarketEvent
from domain.ports import Clock
from exchanges.shared.payloads import Payloads
from exchanges.shared.redial import Redial
from exchanges.shared.tasks import Tasks
from exchanges.viaccxt.bars import BarOrder
from exchanges.viaccxt.dialect import Patience

log = logging.getLogger(__name__)

Sink: TypeAlias = Callable[[MarketEvent | FeedStatus], None]
Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[False]]"
MAX_FRAME_BYTES = 16 * 2**20


class FeedDialect(ABC):
    """What a venue says of its markets. `room` is the feed that it speaks through, set before anything is asked."""

    venue: ClassVar[str]
    ping: ClassVar[str] = ""
    """Sent when a connection is silent; empty = a ping frame."""
    beat_s: ClassVar[int] = 0
    """How often a ping is sent even while messages come, where the venue wants that; 0 = never."""
    batch: ClassVar[int] = 50
    """Topics of one subscription."""
    unread: ClassVar[frozenset[str]] = frozenset()
    """Fields that we know of and do not need."""
    room: PublicFeed

    @abstractmethod
    def topics(self, feed: Feed) -> list[tuple[str, str]]:
        """The (address, topic) pairs that a feed needs. Raises `ConfigError` for one that the venue does not have."""

    @abstractmethod
    def subscribe(self, topics: Sequence[str], number: int, *, on: bool = True) -> str:
        """The request for some topics of one address, or the end of it."""

    @abstractmethod
    def take(self, url: str, frame: bytes, ts_ns: int) -> int:
        """One frame; events go to `room.emit`. Returns the number of the request that it confirms, else 0.

        Raises `DataError`, `Unrepresentable` or what msgspec raises for nonsense, which is counted and skipped.
        """

    @abstractmethod
    def lost(self, url: str) -> None:
        """A connection is gone: what is kept from it (books) is not true any more."""

    @abstractmethod
    async def bars(self, instrument: Instrument, interval_ns: int, start_ns: int, end_ns: int) -> list[Bar]:
        """Finished bars that open from `start_ns` on and close by `end_ns`, oldest first. Raises `VenueError`."""

    @abstractmethod
    async def instruments(self) -> Sequence[Instrument]:
        """Every contract of the venue. Raises `VenueError`."""

    async def aclose(self) -> None:  # noqa: B027 - most have something to close, not all
        """Release what it holds."""


class _Line:
    """One address and its topics. `waiting` are requests without an answer, by their numbers."""

    def __init__(self, url: str, redial: Redial) -> None:
        self.url = url
        self.redial = redial
        self.topics: dict[str, None] = {}
        self.waiting: dict[int, float] = {}
        self.socket: Socket | None = None
        self.is_up = False
        self.is_kept = False


class PublicFeed:
    """Public data of `instruments`, spoken by `dialect`; `folder` keeps what is not understood. `jitter`: in [0, 1)."""

    def __init__(
        self,
        dialect: FeedDialect,
        clock: Clock,
        instruments: Sequence[Instrument] = (),
        patience: Patience | None = None,
        jitter: Callable[[], float] = random.random,
        folder: Path | None = None,
    ) -> None:
        self.name = dialect.venue.lower()
        self.clock = clock
        self._dialect = dialect
        dialect.room = self
        self._instruments = tuple(instruments)
        self.by_symbol = {instrument.venue_symbol: instrument for instrument in instruments}
        self._by_id = {instrument.id: instrument for instrument in instruments}
        if len(self.by_symbol) < len(self._instruments):
            raise ConfigError(f"two instruments live on the same {dialect.venue} symbol; give each symbol one")
        self._patience = patience or Patience()
        self._jitter = jitter
        self.session: aiohttp.ClientSession | None = None
        self.emit: Sink = lambda _: None
        self._lines: dict[str, _Line] = {}
        self._bars = BarOrder(self)
        self._broken: set[InstrumentId] = set()
        self._tasks = Tasks(f"{dialect.venue}'s market data")
        self._live = asyncio.Event()
        self._is_live = False
        self._was_live = False
        self._complaint = ""
        self._number = 0
        self.payloads = Payloads(dialect.venue, dialect.unread, folder)
        self.reconnects = 0
        """How often a feed that had been live was lost and is live again."""

    @property
    def dialect(self) -> FeedDialect:
        """Who speaks for the venue."""
        return self._dialect

    @property
    def is_live(self) -> bool:
        """Whether everything is confirmed."""
        return self._is_live

    @property
    def poison(self) -> int:
        """Frames skipped so far because they were not understood."""
        return self.payloads.not_understood

    async def start(self, sink: Sink, feeds: Sequence[Feed]) -> None:
        """Connect, subscribe, and return when the venue has confirmed; from then on the feed keeps itself connected.

        Raises `VenueError` when that takes too long, with the last reason, and `ConfigError` for an unknown feed.
        """
        self.emit = sink
        self.session = aiohttp.ClientSession()
        try:
            self._add(feeds)
            self.spawn(self._bars.tend())
            if self._dialect.beat_s:
                self.spawn(self._beat(self._dialect.beat_s))
            async with asyncio.timeout(self._patience.connect_timeout_s):
                await self._live.wait()
        except TimeoutError:
            asked = ", ".join(self._lines)
            await self.aclose()
            raise VenueError(
                f"no market data from {self._dialect.venue} ({asked}) within "
                f"{self._patience.connect_timeout_s:g} s: {self._complaint or 'no answer'}"
            ) from None
        except BaseException:
            await self.aclose()
            raise

    async def subscribe(self, feeds: Sequence[Feed]) -> None:
        """Add subscriptions while running; known ones are ignored. Raises `ConfigError` as `start` does."""
        for line, topics in self._add(feeds):
            if line.socket is not None:
                with contextlib.suppress(ConnectionError, aiohttp.ClientError):  # a new connection sends everything
                    await self._request(line, topics)

    async def history(self, feed: Feed, count: int) -> Sequence[Bar]:
        """The last `count` finished bars, oldest first; where the venue has a hole, only what comes after it.

        Raises `VenueError` when the venue does not answer, `ConfigError` for an interval that it does not have.
        """
        instrument = self.instrument(feed.instrument)
        self._dialect.topics(feed)
        now_ns = self.clock.now_ns()
        start_ns = (now_ns // feed.interval_ns - count) * feed.interval_ns
        bars = await self._dialect.bars(instrument, feed.interval_ns, start_ns, now_ns)
        first = max(0, len(bars) - 1)
        while first and bars[first].open_ts_ns - bars[first - 1].open_ts_ns == feed.interval_ns:
            first -= 1
        return bars[first:]

    async def instruments(self) -> Sequence[Instrument]:
        """The instruments given, else every contract of the venue. Raises `VenueError`."""
        return self._instruments or await self._dialect.instruments()

    async def aclose(self) -> None:
        """Disconnect."""
        self._lines = {}
        await self._tasks.aclose()
        await self._dialect.aclose()
        session, self.session = self.session, None
        if session is not None:
            await session.close()

    # for the dialect

    def instrument(self, name: InstrumentId) -> Instrument:
        """The contract of a feed. Raises `ConfigError` for one that this feed was not made for."""
        found = self._by_id.get(name)
        if found is None:
            raise ConfigError(f"the feed of {self._dialect.venue} was not made for {name}")
        return found

    def spawn(self, run: Coroutine[Any, Any, None]) -> None:
        """Run something until the feed is closed."""
        self._tasks.spawn(run)

    def gap(self, instrument: InstrumentId, detail: str) -> None:
        """Something of an instrument was lost; said once until `healed`."""
        if instrument not in self._broken:
            self._broken.add(instrument)
            self._tell(FeedState.GAP, detail, instrument)

    def healed(self, instrument: InstrumentId) -> None:
        """It is whole again."""
        if instrument in self._broken:
            self._broken.discard(instrument)
            self._tell(FeedState.LIVE, "whole again", instrument)

    def resubscribe(self, url: str, topics: Sequence[str]) -> None:
        """Ask for topics anew: venues that send a snapshot on subscribing send one."""
        line = self._lines.get(url)
        if line is not None and line.socket is not None:
            self.spawn(self._again(line, topics))

    async def _again(self, line: _Line, topics: Sequence[str]) -> None:
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            if line.socket is not None:
                self._number += 1
                await line.socket.send_str(self._dialect.subscribe(topics, self._number, on=False))
                await self._request(line, topics)

    def finished(self, bar: Bar) -> None:
        """A bar has closed: bars leave in order and without holes, those that were missed are fetched first."""
        self._bars.finished(bar)

    # the lines

    async def _beat(self, every_s: int) -> None:
        """Send the pings that the venue wants in any case, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            for line in self._lines.values():
                if line.socket is not None:
                    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                        await line.socket.send_str(self._dialect.ping)

    def _add(self, feeds: Sequence[Feed]) -> list[tuple[_Line, list[str]]]:
        wanted = [(feed, self._dialect.topics(feed)) for feed in feeds]
        added: dict[str, list[str]] = {}
        for feed, topics in wanted:
            for url, topic in topics:
                line = self._lines.setdefault(url, self._line(url))
                if topic not in line.topics:
                    line.topics[topic] = None
                    added.setdefault(url, []).append(topic)
            if feed.kind is FeedKind.BAR:
                self._bars.follow(feed.instrument, feed.interval_ns)
        for line in self._lines.values():
            if not line.is_kept:
                line.is_kept = True
                self.spawn(line.redial.keep(partial(self._connection, line), partial(self._ended, line)))
        return [(self._lines[url], topics) for url, topics in added.items()]

    def _line(self, url: str) -> _Line:
        return _Line(url, Redial(f"{self._dialect.venue}'s market data connection", self._patience, self._jitter))

    def _ended(self, line: _Line, why: str) -> None:
        self._complaint = why
        line.socket, line.is_up = None, False
        self._dialect.lost(line.url)
        if self._is_live:
            self._is_live = False
            self._tell(FeedState.DOWN, why)

    async def _connection(self, line: _Line) -> str:
        """One connection, from the handshake to its end; returns why it ended."""
        assert self.session is not None  # noqa: S101 - `start` has made it
        async with asyncio.timeout(self._patience.connect_timeout_s):
            socket = await self.session.ws_connect(line.url, max_msg_size=MAX_FRAME_BYTES, decode_text=False)
        async with socket:
            line.socket, line.waiting = socket, {}
            await self._request(line, list(line.topics))
            while True:
                frame = await self._receive(socket)
                if frame is None:
                    return f"nothing came for {2 * self._patience.ping_after_s:g} s"
                kind, data, extra = frame
                if kind is aiohttp.WSMsgType.TEXT:
                    self._take(line, data)
                elif kind is not aiohttp.WSMsgType.PONG:
                    return f"closed: {data or socket.close_code or kind.name} {extra or ''}".strip()
                if line.waiting and min(line.waiting.values()) < asyncio.get_running_loop().time():
                    return "a subscription was not confirmed"

    async def _receive(self, socket: Socket) -> tuple[aiohttp.WSMsgType, Any, str | None] | None:
        """The next frame; after a silence a ping is sent, after a second one there is none."""
        for _ in range(2):
            try:
                return await socket.receive(timeout=self._patience.ping_after_s)
            except TimeoutError:
                await (socket.send_str(self._dialect.ping) if self._dialect.ping else socket.ping())
        return None

    def _take(self, line: _Line, frame: bytes) -> None:
        try:
            confirmed = self._dialect.take(line.url, frame, self.clock.now_ns())
        except (DataError, Unrepresentable, msgspec.DecodeError, ArithmeticError, KeyError) as error:
            self.payloads.keep(frame, repr(error), self.clock.now_ns())
            return
        if confirmed:
            line.waiting.pop(confirmed, None)
            if not line.waiting and not line.is_up:
                line.is_up = True
                line.redial.worked()
                self._say_live()

    async def _request(self, line: _Line, topics: Sequence[str]) -> None:
        by_s = asyncio.get_running_loop().time() + self._patience.connect_timeout_s
        for first in range(0, len(topics), self._dialect.batch):
            self._number += 1
            line.waiting[self._number] = by_s
            part = topics[first : first + self._dialect.batch]
            if line.socket is not None:
                await line.socket.send_str(self._dialect.subscribe(part, self._number))

    def _say_live(self) -> None:
        """Everything is confirmed: say so, and what was missed before it."""
        if self._is_live or not all(line.is_up for line in self._lines.values()):
            return
        self._is_live = True
        if self._was_live:
            self.reconnects += 1
            self._tell(FeedState.GAP, "away for a while; missed bars are being fetched")
            self._bars.fetch_due(0)
        self._was_live = True
        self._live.set()
        self._tell(FeedState.LIVE, f"{self._dialect.venue}, {', '.join(self._lines)}")

    def _tell(self, state: FeedState, detail: str, instrument: InstrumentId = "") -> None:
        ts_ns = self.clock.now_ns()
        for venue in sorted({each.venue for each in self._instruments}):
            self.emit(FeedStatus(ts_ns=ts_ns, venue=venue, state=state, instrument=instrument, detail=detail))
