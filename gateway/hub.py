"""The hub: reads the news once, numbers and frames them once, and hands them to all clients.

    Source.news() ──▶ ring of framed news ──▶ client: a cursor into the ring and a pipe
                      latest view by name ──▶ snapshot for who begins, and for who fell behind

A client costs a cursor. What it has not taken stays in the ring, which all share; one whose pipe stays full, or whose
cursor falls out of the ring, is dropped, and nobody waits for it. The numbers begin anew with each `stream`: when the
engine was away, and when news were lost. Nothing is read while nobody has been connected for a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import msgspec
import structlog

from domain.errors import MoonDevError
from gateway.pipe import Pipe, text_frame
from gateway.ring import Ring
from gateway.source import Frame, Source, SourceLost

MOST_CLIENTS: Final = 2_000
MOST_OF_ONE: Final = 100
"""Of one session or token: nobody takes the places of all others."""
HIGH_WATER_BYTES: Final = 128 * 1024
"""A client is given no more while so much waits for it in this process."""
CHUNK_BYTES: Final = 128 * 1024
SLOW_S: Final = 10.0
LINGER_S: Final = 60.0
CHECK_S: Final = 1.0
"""How often sessions are looked at."""
TICK_S: Final = 0.5
RETRY_S: Final = 0.5
BREATH: Final = 32
"""Clients that are written to before others get the loop."""
FRESH_S: Final = 0.5
ON_ITS_WAY_S: Final = 0.05
"""What was read before a change may still arrive so much later."""

SESSION_ENDED: Final = 4401
TOO_SLOW: Final = 4408
TOO_MANY: Final = 4429
RESTARTS: Final = 1012

log = structlog.get_logger(__name__)


class Client:
    """One connection: where it stands in which stream, and the markets it watches."""

    __slots__ = ("alive", "key", "n", "pipe", "slow_since_s", "stream", "topics")

    def __init__(self, pipe: Pipe, key: str, alive: Callable[[], Awaitable[bool]]) -> None:
        """`alive` says whether its session or token, known by `key`, still stands."""
        self.pipe = pipe
        self.key = key
        self.alive = alive
        self.stream = ""
        self.n = 0
        self.topics: dict[str, int] = {}
        self.slow_since_s = 0.0


class Hub:
    """One for all clients of a gateway. `run` it beside the server."""

    def __init__(self, source: Source, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock_s = clock_s
        self._clients: dict[Client, None] = {}
        self._ring = Ring()
        self._stream = ""
        self._views: dict[str, Frame] = {}
        self._markets: dict[str, tuple[int, bytes]] = {}
        self._connected = False
        self._why = "the engine has not answered yet"
        self._seq = 0
        self._heard_s = 0.0
        self._left_s = self._changed_s = -math.inf
        self._snapshot: tuple[str, int, bool, bytes] = ("", 0, False, b"")
        self._wake = asyncio.Event()
        self._watching: frozenset[str] = frozenset()
        self._watch_anew = asyncio.Event()
        self._market_n = 0
        self._reading: asyncio.Task[None] | None = None

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    def latest(self, name: str) -> bytes | None:
        """A pushed view as it was at most half a second ago; None when that is not known here."""
        frame = self._views.get(name)
        fresh = self._connected and self._clock_s() - FRESH_S <= self._heard_s > self._changed_s + ON_ITS_WAY_S
        return frame.data if fresh and frame is not None else None

    def has_changed(self) -> None:
        """Something was changed through this gateway just now: what was heard before is not fresh any more."""
        self._changed_s = self._clock_s()

    def stay_awake(self) -> None:
        """Read the news although no client is connected: many want to know."""
        self._left_s = self._clock_s()
        if self._reading is None:
            self._wake.set()

    def join(self, client: Client, stream: str = "", n: int = 0) -> bool:
        """Take a client in, to go on after a frame that it has, or with a snapshot. False when there are too many."""
        of_one = sum(other.key == client.key for other in self._clients)
        if len(self._clients) >= MOST_CLIENTS or of_one >= MOST_OF_ONE:
            return False
        if stream and stream == self._stream and self._ring.has(n):
            client.stream, client.n = stream, n
            said = {"stream": stream, "n": n, "type": "resumed", "connected": self._connected}
            client.pipe.write(text_frame(msgspec.json.encode(said)))
        self._clients[client] = None
        self._wake.set()
        return True

    def leave(self, client: Client) -> None:
        """Forget a client."""
        if client in self._clients:
            del self._clients[client]
            self._left_s = self._clock_s()
            if client.topics:
                self._watch_anew.set()

    async def watch(self, client: Client, topic: str) -> None:
        """Send a client this market too. Raises what the source raises for one that does not exist."""
        if topic not in self._markets and topic not in self._watching:
            await self._source.view("book", {"instrument": topic.removeprefix("market:")})
        client.topics.setdefault(topic, 0)
        self._watch_anew.set()
        self._wake.set()

    def unwatch(self, client: Client, topic: str) -> None:
        """No more of this market."""
        client.topics.pop(topic, None)
        self._watch_anew.set()

    async def run(self) -> None:
        """Read and hand out until cancelled."""
        beside = [
            asyncio.create_task(self._look_after(), name="feed: sessions"),
            asyncio.create_task(self._watch_markets(), name="feed: markets"),
        ]
        try:
            while True:
                began_s = self._clock_s()
                await self._hand_out()
                # at most half of the time is spent on this, however many clients and news there are
                await asyncio.sleep(min(self._clock_s() - began_s, TICK_S))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._wake.wait()
                self._wake.clear()
                self._read_or_rest()
        finally:
            beside += filter(None, (self._reading,))
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            end(list(self._clients), RESTARTS)

    # news

    def _read_or_rest(self) -> None:
        """Read while somebody is there, and a minute longer: who comes back goes on where it was."""
        if self._reading is None:
            if self._clients or not self._has_gone_quiet():
                self._reading = asyncio.create_task(self._read(), name="feed: news")
        elif not self._clients and self._has_gone_quiet():
            self._reading.cancel()
            self._reading, self._connected, self._stream = None, False, ""

    def _has_gone_quiet(self) -> bool:
        return self._clock_s() - self._left_s > LINGER_S

    async def _read(self) -> None:
        while True:
            try:
                async with self._source.news() as news:
                    async for frame in news:
                        self._take(frame)
                raise SourceLost("the news have ended")
            except SourceLost as error:
                self._lost(str(error))
            except Exception as error:  # the screens' helper must not end what runs beside it
                log.exception("the live feed lost its news", retry_s=RETRY_S)
                self._lost(f"the news broke off ({type(error).__name__})")
            await asyncio.sleep(RETRY_S)

    async def _watch_markets(self) -> None:
        """Ask for the markets that somebody looks at, and forget the others."""
        while True:
            await self._watch_anew.wait()
            self._watch_anew.clear()
            self._watching = frozenset(topic for client in self._clients for topic in client.topics)
            for topic in self._markets.keys() - self._watching:
                del self._markets[topic]
            try:
                await self._source.watch(sorted(self._watching))
            except Exception as error:  # those who watch are given the markets when they can be had
                if not isinstance(error, SourceLost):
                    log.exception("markets of the live feed cannot be asked for", retry_s=RETRY_S)
                await asyncio.sleep(RETRY_S)
                self._watch_anew.set()

    def _take(self, frame: Frame) -> None:
        """One piece of news."""
        self._seq = max(frame.seq, self._seq)
        match frame.kind:
            case "view":
                if frame.name == "status":  # each round of views begins with it
                    self._heard_s = self._clock_s()
                self._views[frame.name] = frame
                if self._connected:
                    self._tell(frame)
            case "fact":
                self._tell(frame)
            case "market":
                if frame.name in self._watching:
                    self._market_n += 1
                    head = f'{{"type":"market","topic":{_json(frame.name)},"n":{self._market_n},"data":'.encode()
                    self._markets[frame.name] = self._market_n, text_frame(head + frame.data + b"}")
            case "whole" | "gap":
                self._begin()
        self._wake.set()

    def _begin(self) -> None:
        """A new stream: everybody gets a snapshot."""
        self._stream, self._connected, self._why = secrets.token_hex(8), True, ""
        self._ring.clear()

    def _tell(self, frame: Frame) -> None:
        head = (
            f'{{"n":{self._ring.last + 1},"type":"{frame.kind}","name":{_json(frame.name)},"seq":{frame.seq},'
            f'"ts_ns":{time.time_ns()},"data":'
        )
        self._ring.add(text_frame(head.encode() + frame.data + b"}"))

    def _lost(self, why: str) -> None:
        if self._connected:
            said = {"n": self._ring.last + 1, "type": "link", "connected": False, "ts_ns": time.time_ns(), "text": why}
            self._ring.add(text_frame(msgspec.json.encode(said)))
        elif not self._stream:  # it has never answered: say so instead of letting the page wait
            self._stream = secrets.token_hex(8)
        self._connected, self._why = False, why
        self._markets.clear()
        self._wake.set()

    # clients

    async def _hand_out(self) -> None:
        """Give every client what it has not had yet, if it takes it."""
        stream, until = self._stream, self._ring.last
        batches: dict[int, tuple[int, bytes]] = {}
        for number, client in enumerate(list(self._clients) if stream else ()):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
                if self._stream != stream:
                    return
            if client in self._clients:
                try:
                    self._give(client, until, batches)
                except Exception:  # one connection must not end the feed of all others
                    log.exception("a client of the live feed is cut off")
                    self.leave(client)
                    client.pipe.end(RESTARTS)

    def _give(self, client: Client, until: int, batches: dict[int, tuple[int, bytes]]) -> None:
        pipe, now_s = client.pipe, self._clock_s()
        if not pipe.is_open:
            return
        if pipe.backlog > HIGH_WATER_BYTES:
            client.slow_since_s = client.slow_since_s or now_s
            if now_s - client.slow_since_s > SLOW_S:
                pipe.end(TOO_SLOW)
            return
        client.slow_since_s = 0.0
        if client.stream != self._stream:
            client.stream, client.n = self._stream, self._ring.last
            pipe.write(self._whole())
        elif client.n < until:
            if not self._ring.has(client.n):
                pipe.end(TOO_SLOW)
                return
            if client.n not in batches:
                batches[client.n] = self._ring.after(client.n, until, CHUNK_BYTES)
            client.n, frames = batches[client.n]
            pipe.write(frames)
            if client.n < until:  # there is more than one chunk for it
                self._wake.set()
        for topic, had in client.topics.items():
            n, frame = self._markets.get(topic, (0, b""))
            if n and n != had:
                client.topics[topic] = n
                pipe.write(frame)

    def _whole(self) -> bytes:
        """The snapshot, framed once for all who need it at this point of the stream."""
        stream, n, connected, frame = self._snapshot
        if (stream, n, connected) != (self._stream, self._ring.last, self._connected):
            stream, n, connected = self._stream, self._ring.last, self._connected
            head = (
                f'{{"stream":"{stream}","n":{n},"type":"snapshot","connected":{_json(connected)},"seq":{self._seq},'
                f'"ts_ns":{time.time_ns()},"text":{_json(self._why)},"data":{{'
            )
            views = b",".join(_json(name).encode() + b":" + view.data for name, view in self._views.items())
            frame = text_frame(head.encode() + views + b"}}")
            self._snapshot = stream, n, connected, frame
        return frame

    async def _look_after(self) -> None:
        """End the connections whose session has ended."""
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                await self._end_those_without_session()
            except Exception:
                log.exception("sessions of the live feed cannot be looked at", retry_s=CHECK_S)

    async def _end_those_without_session(self) -> None:
        by_key: dict[str, list[Client]] = {}
        for client in self._clients:
            by_key.setdefault(client.key, []).append(client)
        for clients in by_key.values():
            try:
                if not await clients[0].alive():
                    end(clients, SESSION_ENDED)
            except MoonDevError as error:  # whether they stand cannot be known now
                log.warning("a session of the live feed cannot be looked at", error=str(error))


def end(clients: Collection[Client], code: int) -> None:
    """Close connections with this code."""
    for client in clients:
        client.pipe.end(code)


def _json(value: str | bool) -> str:
    return msgspec.json.encode(value).decode()
