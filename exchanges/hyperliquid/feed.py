"""Hyperliquid's public market data as a `MarketFeed`: one WebSocket, and REST for what it cannot tell.

    connect ─▶ subscribe ─▶ confirmed: LIVE ─▶ frames ─▶ `Router` ─▶ sink
       ▲                                          │
       └────── back off, with jitter ◀── DOWN ◀───┘ closed, silent, refused; afterwards GAP, then LIVE

Books are full snapshots without sequence numbers, so a loss needs no repair: the next one is complete. Bars
missed meanwhile are fetched. A frame is dealt with at once, in the order of arrival; nothing queues here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import aiohttp

from domain.errors import ConfigError, VenueError
from domain.instrument import Instrument
from domain.market import Bar, Feed, FeedKind, FeedState, FeedStatus, MarketEvent
from domain.ports import Clock
from exchanges.hyperliquid.bars import BarKeeper
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.info import InfoClient
from exchanges.hyperliquid.limits import Limits
from exchanges.hyperliquid.router import UNREAD, Router
from exchanges.hyperliquid.socket import Socket, connect, receive
from exchanges.hyperliquid.subscriptions import Subscriptions, request
from exchanges.hyperliquid.wire import CoinCodec, ConfirmationMessage, ErrorMessage, Subscription
from exchanges.shared.candles import BarClock
from exchanges.shared.payloads import Payloads
from exchanges.shared.redial import Redial

log = logging.getLogger(__name__)

Sink: TypeAlias = Callable[[MarketEvent | FeedStatus], None]


class HyperliquidFeed:
    """Public data of some coins, as events of the given instruments.

    Without instruments the feed serves `instruments()` and nothing else. `symbols` maps instrument ids to
    coins where the coin is not the venue symbol, so that a paper instrument can live on real prices.
    `jitter` gives random numbers in [0, 1), `folder` keeps frames that were not understood.
    Raises `ConfigError` for two instruments on one coin.
    """

    name = "hyperliquid"

    def __init__(
        self,
        config: HyperliquidConfig,
        clock: Clock,
        instruments: Sequence[Instrument] = (),
        symbols: Mapping[str, str] | None = None,
        jitter: Callable[[], float] = random.random,
        folder: Path | None = None,
    ) -> None:
        self._payloads = Payloads("HYPERLIQUID", UNREAD, folder)
        self._config = config
        self._clock = clock
        self._jitter = jitter
        self._instruments = tuple(instruments)
        codecs = {i.id: CoinCodec(i, (symbols or {}).get(i.id, "")) for i in instruments}
        if len({codec.coin for codec in codecs.values()}) < len(codecs):
            raise ConfigError("two instruments live on the same Hyperliquid coin; give each coin one instrument")
        self._codecs = codecs
        self._limits = Limits(config, clock)
        self._subscriptions = Subscriptions(codecs)
        self._session: aiohttp.ClientSession | None = None
        self._socket: Socket | None = None
        self._sink: Sink | None = None
        self._router: Router | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._live = asyncio.Event()
        self._lost_ns = 0
        self._redial = Redial("Hyperliquid's market data", config, jitter)
        self._confirm_by_ns = 0
        self._is_up = False
        self._complaint = ""
        self.reconnects = 0
        """How often a connection that had been live was lost and is live again."""

    @property
    def poison(self) -> int:
        """Frames skipped so far because they were not understood."""
        return self._router.poison if self._router else 0

    async def start(self, sink: Sink, feeds: Sequence[Feed]) -> None:
        """Connect, subscribe, and return when the venue has confirmed; from then on the feed keeps itself connected.

        Raises `VenueError` when that takes longer than `connect_timeout_s`, with the last reason, and `ConfigError`
        for a feed that the venue does not have.
        """
        self._subscriptions.add(feeds)
        self._sink = sink
        self._router = Router(self._codecs.values(), sink, self._clock.now_ns(), self._payloads)
        self._follow_bars(feeds)
        bars = BarKeeper(self._router, self._info(), sink, self._clock, self._config.bar_grace_ms)
        connection, ended = partial(self._connection, self._router, sink), partial(self._ended, self._router, sink)
        self._tasks = [
            asyncio.create_task(self._redial.keep(connection, ended), name="hyperliquid-feed"),
            asyncio.create_task(bars.run(), name="hyperliquid-bars"),
        ]
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                await self._live.wait()
        except TimeoutError:
            await self.aclose()
            raise VenueError(
                f"no market data from Hyperliquid ({self._config.ws_url}) within "
                f"{self._config.connect_timeout_s:g} s: {self._complaint or 'no answer'}"
            ) from None
        except BaseException:
            await self.aclose()
            raise

    async def subscribe(self, feeds: Sequence[Feed]) -> None:
        """Add subscriptions while running; known ones are ignored. Raises `ConfigError` as `start` does."""
        added = self._subscriptions.add(feeds)
        self._follow_bars(feeds)
        if self._socket is not None and added:
            self._subscriptions.sent(added)
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):  # a new connection sends everything
                await self._send(self._socket, added)

    async def history(self, feed: Feed, count: int) -> Sequence[Bar]:
        """The last `count` finished bars, oldest first; where the venue has a hole, only what comes after it.

        Raises `VenueError` when the venue does not answer, `ConfigError` for an interval that it does not have.
        """
        codec = self._subscriptions.codec(feed)
        now_ns = self._clock.now_ns()
        start_ns = (now_ns // feed.interval_ns - count) * feed.interval_ns
        bars = await self._info().bars(codec, feed.interval_ns, start_ns, now_ns)
        first = max(0, len(bars) - 1)
        while first and bars[first].open_ts_ns - bars[first - 1].open_ts_ns == feed.interval_ns:
            first -= 1
        return bars[first:]

    async def instruments(self) -> Sequence[Instrument]:
        """The instruments given, else every contract of the venue. Raises `VenueError`."""
        return self._instruments or await self._info().instruments()

    async def aclose(self) -> None:
        """Disconnect."""
        self._limits.gate.close()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _follow_bars(self, feeds: Sequence[Feed]) -> None:
        if self._router is None:
            return
        now_ns = self._clock.now_ns()
        for feed in feeds:
            if feed.kind is FeedKind.BAR:
                key = (self._subscriptions.codec(feed).coin, feed.interval_ns)
                running_ns = now_ns // feed.interval_ns * feed.interval_ns
                self._router.bars.setdefault(key, BarClock(feed.interval_ns, running_ns))

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    def _info(self) -> InfoClient:
        return InfoClient(self._open_session(), self._config, self._jitter, self._limits)

    # the connection

    def _ended(self, router: Router, sink: Sink, why: str) -> None:
        self._complaint = why
        self._socket = None
        router.lost()
        if self._lost_ns == 0 and self._live.is_set():
            self._lost_ns = self._clock.now_ns()
            self._tell(sink, FeedState.DOWN, why)

    async def _connection(self, router: Router, sink: Sink) -> str:
        """One connection, from the handshake to its end; returns why it ended."""
        config = self._config
        async with await connect(self._open_session(), config) as socket:
            self._is_up = False
            self._socket = socket
            await self._send(socket, self._subscriptions.reopen())
            while True:
                frame = await receive(socket, config.ping_after_s)
                if frame is None:
                    return f"nothing came for {2 * config.ping_after_s:g} s"
                kind, data, extra = frame
                if kind is not aiohttp.WSMsgType.TEXT:
                    return f"closed: {data or socket.close_code or kind.name} {extra or ''}".strip()
                answer = router.take(data, self._clock.now_ns())
                if isinstance(answer, ConfirmationMessage):
                    self._subscriptions.confirm(answer.data.subscription)
                elif isinstance(answer, ErrorMessage):
                    log.warning("Hyperliquid complains: %s", answer.data)
                    self._complaint = answer.data
                waiting = self._subscriptions.waiting()
                if not waiting:
                    self._say_live(sink)
                elif self._clock.now_ns() > self._confirm_by_ns:
                    return f"not confirmed: {', '.join(waiting)}; {self._complaint}"

    async def _send(self, socket: Socket, subscriptions: Sequence[Subscription]) -> None:
        self._confirm_by_ns = self._clock.now_ns() + int(self._config.connect_timeout_s * 1e9)
        for subscription in subscriptions:
            await self._limits.enter_message("subscribe")
            await socket.send_str(request(subscription).decode())

    def _say_live(self, sink: Sink) -> None:
        """Everything is confirmed: say so once a connection, and what was missed before it."""
        if self._is_up:
            return
        self._is_up = True
        self._redial.worked()
        if self._live.is_set():
            away_s = (self._clock.now_ns() - self._lost_ns) / 1e9
            self.reconnects += 1
            self._tell(sink, FeedState.GAP, f"away for {away_s:.1f} s; missed bars are being fetched")
        self._lost_ns = 0
        self._live.set()
        self._tell(sink, FeedState.LIVE, f"Hyperliquid, {self._config.ws_url}")

    def _tell(self, sink: Sink, state: FeedState, detail: str) -> None:
        for venue in sorted({instrument.venue for instrument in self._instruments}):
            sink(FeedStatus(ts_ns=self._clock.now_ns(), venue=venue, state=state, detail=detail))
