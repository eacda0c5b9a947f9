"""The gateway's side of the link: a `Source` that connects to the engine, and again when it was lost.

While there is no engine everything raises `SourceLost` at once. A verb that was under way when the link broke may or
may not have been carried out: asked again with the same request id, it is not carried out twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Final

import structlog

from domain.access import STOPS
from domain.commands import Actor
from domain.errors import MoonDevError
from domain.views import PersonView
from gateway.link import wire
from gateway.source import Answer, BadArgument, Frame, NotKnown, NotNow, SourceLost

CONNECT_S: Final = 3.0
RETRY_S: Final = 0.25
LONGEST_RETRY_S: Final = 2.0
VIEW_S: Final = 20.0
VERB_S: Final = 60.0
KEPT_NEWS: Final = 20_000
MOST_VIEWS: Final = 48
MOST_VERBS: Final = 64
MOST_STOPS: Final = 64
"""That are under way at once; a halt waits behind no view, and behind no verb that takes long."""
NOT_THERE: Final = "the engine does not answer"
NOT_KNOWN: Final = "whether it was carried out is not known: ask again with the same Idempotency-Key"

log = structlog.get_logger(__name__)


class Failed(MoonDevError):
    """Something failed inside the engine; its log says more."""


class LinkSource:
    """The engine of a data folder, from another process; `keep` it connected beside the server."""

    def __init__(self, data: Path, *, build: str = "", managed: bool = False) -> None:
        """`managed`: `run` has started this process."""
        self.path = data / wire.SOCKET
        self.told_to_stop = asyncio.Event()
        """The engine that started this process was stopped."""
        self.address = ""
        """Where this process serves, for the links that the engine makes."""
        self._build = build
        self.is_managed = managed
        self._team: wire.Team | None = None
        self._why = NOT_THERE
        self._writer: asyncio.StreamWriter | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[wire.Said]] = {}
        self._topics: list[str] = []
        self._news: _News | None = None
        self._views = asyncio.Semaphore(MOST_VIEWS)
        self._verbs = asyncio.Semaphore(MOST_VERBS)
        self._stops = asyncio.Semaphore(MOST_STOPS)

    @property
    def is_connected(self) -> bool:
        """Whether the engine is there."""
        return self._writer is not None

    async def keep(self) -> None:
        """Stay connected until cancelled."""
        pause_s = RETRY_S
        while True:
            try:
                await self._session()
            except (OSError, asyncio.IncompleteReadError, TimeoutError, wire.BadFrame, SourceLost) as error:
                was_there = self._writer is not None
                self._lose(str(error) if isinstance(error, wire.BadFrame) else NOT_THERE)
                if was_there:
                    log.warning("the engine is gone", error=type(error).__name__)
                    pause_s = RETRY_S
            finally:
                self._lose(NOT_THERE)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)

    async def _session(self) -> None:
        """One connection. Raises what ends it."""
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_unix_connection(self.path)
        try:
            hello = wire.Hello(version=wire.VERSION, build=self._build, managed=self.is_managed, address=self.address)
            writer.write(wire.framed(hello))
            async with asyncio.timeout(CONNECT_S):
                first = await wire.read(reader, wire.said, wire.MOST_TOLD_BYTES)
            if isinstance(first, wire.Leave):
                self._leave(first)
                return
            if not isinstance(first, wire.Welcome):
                raise wire.BadFrame("the engine does not introduce itself")
            self._team, self._writer, self._why = first.team, writer, ""
            log.info("connected to the engine")
            if self._topics:
                self._write(wire.AskWatch(topics=self._topics))
            pinging = asyncio.create_task(_ping(writer), name="link: ping")
            try:
                while await self._hear(reader):
                    pass
            finally:
                pinging.cancel()
        finally:
            writer.close()

    async def _hear(self, reader: asyncio.StreamReader) -> bool:
        """Take one message; False when the engine has said goodbye."""
        async with asyncio.timeout(wire.DEAD_S):
            message = await wire.read(reader, wire.said, wire.MOST_TOLD_BYTES)
        match message:
            case wire.Told(frame=frame):
                if self._news is not None:
                    self._news.put(frame)
            case wire.Shown() | wire.Answered() | wire.Refused():
                future = self._waiting.pop(message.number, None)
                if future is not None and not future.done():
                    future.set_result(message)
            case wire.Team():
                self._team = message
            case wire.Leave():
                self._leave(message)
                return False
            case _:
                pass
        return True

    def _leave(self, message: wire.Leave) -> None:
        log.info("the engine has said goodbye", text=message.text)
        self._lose(message.text)
        if message.stop and self.is_managed:
            self.told_to_stop.set()

    def _lose(self, why: str) -> None:
        """There is no engine any more: whoever waits is told."""
        self._writer, self._why = None, self._why or why
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(SourceLost(f"{why}; {NOT_KNOWN}"))
        if self._news is not None:
            self._news.end(SourceLost(why))

    def _write(self, message: wire.Asked) -> None:
        if self._writer is None or self._writer.is_closing():
            raise SourceLost(self._why or NOT_THERE)
        self._writer.write(wire.framed(message))

    async def _ask(self, message: wire.AskView | wire.AskRun | wire.AskSay, within_s: float) -> wire.Said:
        future: asyncio.Future[wire.Said] = asyncio.get_running_loop().create_future()
        room = self._views if isinstance(message, wire.AskView) else self._stops if _stops(message) else self._verbs
        try:
            async with asyncio.timeout(within_s), room:
                self._write(message)
                self._waiting[message.number] = future
                answer = await future
        except TimeoutError:
            raise SourceLost(f"the engine has not answered within {within_s:.0f} s; {NOT_KNOWN}") from None
        finally:
            self._waiting.pop(message.number, None)
        if isinstance(answer, wire.Refused):
            kinds = {"not_known": NotKnown, "bad_argument": BadArgument, "not_now": NotNow}
            raise kinds.get(answer.kind, Failed)(answer.text)
        return answer

    async def view(self, name: str, arguments: Mapping[str, str]) -> bytes:
        """A read model as JSON. Raises `NotKnown`, `BadArgument`, `SourceLost`."""
        asked = wire.AskView(number=next(self._numbers), name=name, arguments=dict(arguments))
        try:
            answer = await self._ask(asked, VIEW_S)
        except SourceLost:
            raise SourceLost(self._why or NOT_THERE) from None
        if not isinstance(answer, wire.Shown):
            raise SourceLost("the engine answered something else")
        return answer.data

    async def run(self, actor: Actor, verb: str, arguments: Mapping[str, str], request_id: str) -> Answer:
        """Carry out a verb of the table. Raises `NotKnown`, `BadArgument`, `SourceLost`."""
        number = next(self._numbers)
        asked = wire.AskRun(number=number, actor=actor, verb=verb, arguments=dict(arguments), request_id=request_id)
        return _answer(await self._ask(asked, VERB_S))

    async def say(self, actor: Actor, line: str, request_id: str) -> Answer:
        """Carry out a typed line. Raises `SourceLost`."""
        asked = wire.AskSay(number=next(self._numbers), actor=actor, line=line, request_id=request_id)
        return _answer(await self._ask(asked, VERB_S))

    def persons(self) -> list[PersonView]:
        """Who may act, as last heard. Raises `SourceLost` when nothing was heard yet."""
        if self._team is None:
            raise SourceLost(NOT_THERE)
        return self._team.persons

    @property
    def codes_needed(self) -> bool:
        """Whether every vote needs a one-time code, as last heard; true before that."""
        return self._team is None or self._team.codes_needed

    async def watch(self, topics: Collection[str]) -> None:
        """The market topics that the news carry, also after the next connection."""
        self._topics = list(topics)
        if self.is_connected:
            self._write(wire.AskWatch(topics=self._topics))

    @contextlib.asynccontextmanager
    async def news(self) -> AsyncGenerator[AsyncIterator[Frame]]:
        """Everything that changes. Raises `SourceLost`."""
        self._write(wire.AskNews(wanted=True))
        news = self._news = _News()
        try:
            yield news
        finally:
            self._news = None
            news.end(SourceLost("nobody reads these news any more"))
            with contextlib.suppress(SourceLost):
                self._write(wire.AskNews(wanted=False))


def _stops(message: wire.AskRun | wire.AskSay) -> bool:
    if isinstance(message, wire.AskRun):
        return message.verb in STOPS
    return message.line.strip().removeprefix("/").partition(" ")[0].lower() in STOPS


class _News:
    """Frames that the hub has not taken yet; a hub that is too slow gets a gap instead of endless memory."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._ready = asyncio.Event()
        self._end: Exception | None = None

    def put(self, frame: Frame) -> None:
        if len(self._frames) >= KEPT_NEWS:
            self._frames.clear()
            self._end = SourceLost("the gateway was too slow for the news, and reads them anew")
        if self._end is None:
            self._frames.append(frame)
        self._ready.set()

    def end(self, error: Exception) -> None:
        self._end = self._end or error
        self._ready.set()

    def __aiter__(self) -> _News:
        return self

    async def __anext__(self) -> Frame:
        while not self._frames:
            if self._end is not None:
                raise self._end
            self._ready.clear()
            await self._ready.wait()
        return self._frames.popleft()


def _answer(message: wire.Said) -> Answer:
    if not isinstance(message, wire.Answered):
        raise SourceLost(f"the engine answered something else; {NOT_KNOWN}")
    return message.answer


async def _ping(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(wire.framed(wire.Ping()))
        await asyncio.sleep(wire.PING_S)
