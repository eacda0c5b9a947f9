"""The engine's side of the link: serves a `Source` on D/gateway.sock to processes of the same user.

A gateway that does not take what it asked for is cut off, and connects again: nothing waits for it here. A verb that
has begun is carried out whether or not the gateway is still there, and its answer is kept for a while for who asks
again with the same request id.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from domain.answer import Answer, BadArgument, NotKnown, NotNow
from domain.commands import Door
from domain.errors import MoonDevError
from gateway.link import wire
from gateway.source import Source

MOST_LINKS: Final = 8
MOST_AT_ONCE: Final = 256
"""Requests of one gateway that are under way; a gateway of ours makes fewer."""
MOST_WAITING_BYTES: Final = 16 << 20
"""Of what a gateway has not taken; with more it is cut off."""
KEPT_ANSWERS: Final = 512
LOOK_S: Final = 1.0
OTHER_DOORS: Final = frozenset({Door.TELEGRAM, Door.DISCORD, Door.TERMINAL, Door.SYSTEM})
"""A gateway's callers come through none of these, and none may pass for who does."""

Begun = tuple[str, ...]

log = structlog.get_logger(__name__)


class LinkServer:
    """Serves sources to gateways; `open_source` makes one for each link."""

    def __init__(
        self,
        data: Path,
        open_source: Callable[[], Source],
        build: str = "",
        codes_needed: Callable[[], bool] = lambda: False,
    ) -> None:
        """`build` is our own: a gateway that we started and that is of another one is sent away."""
        self.path = data / wire.SOCKET
        self.on_address: Callable[[str], None] = lambda _address: None
        """Is told where a gateway serves that introduces itself."""
        self._open_source = open_source
        self._build = build
        self.codes_needed = codes_needed
        self._server: asyncio.Server | None = None
        self._watching: asyncio.Task[None] | None = None
        self._links: set[_Link] = set()
        self._begun: dict[Begun, asyncio.Task[Answer]] = {}
        self.introduced = asyncio.Event()

    @property
    def links(self) -> int:
        """Gateways that are connected."""
        return len(self._links)

    async def start(self) -> None:
        """Bind the socket; a stale one is replaced: the data folder's lock proves it stale. Raises `MoonDevError`."""
        try:
            await self._bind()
        except OSError as error:
            why = error.strerror or str(error)
            raise MoonDevError(
                f"the gateway's socket {self.path} cannot be made ({why}): use a shorter --data"
            ) from None
        self._watching = asyncio.create_task(self._watch(), name="gateway socket")

    async def aclose(self) -> None:
        """Say goodbye and stop serving; gateways that were started by us end."""
        if self._watching is not None:
            self._watching.cancel()
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)
        for link in list(self._links):
            link.tell(wire.Leave(text="the engine was stopped", stop=True))
            link.close()
        await asyncio.sleep(0)

    async def _bind(self) -> None:
        self.path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path=self.path)
        finally:
            os.umask(before)

    async def _watch(self) -> None:
        """Make the socket again when somebody has removed it; tell the gateways when the team has changed."""
        while True:
            await asyncio.sleep(LOOK_S)
            for link in list(self._links):
                link.tell_team()
            if self.path.is_socket():
                continue
            try:
                if self._server is not None:
                    self._server.close()
                await self._bind()
                log.warning("the gateway's socket was removed and is made again", path=str(self.path))
            except OSError as error:
                log.error("the gateway's socket cannot be made again", error=error.strerror)  # noqa: TRY400

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = peer_uid(writer.get_extra_info("socket"))
        if uid not in {None, os.geteuid()} or len(self._links) >= MOST_LINKS:
            log.warning("a link was refused", uid=uid, links=len(self._links))
            writer.close()
            return
        link = _Link(self, self._open_source(), writer)
        self._links.add(link)
        try:
            await link.listen(reader)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        except wire.BadFrame as error:
            log.warning("a gateway talks nonsense and is cut off", error=str(error))
        finally:
            self._links.discard(link)
            await link.end()

    def welcomes(self, hello: wire.Hello) -> str:
        """Why a gateway cannot stay; "" when it can."""
        if hello.version != wire.VERSION:
            return f"this engine speaks version {wire.VERSION} of the link, the gateway {hello.version}"
        if hello.managed and hello.build != self._build:
            return "the engine was started anew with other code"
        self.on_address(hello.address)
        self.introduced.set()
        return ""

    async def once(self, key: Begun, begin: Callable[[], Awaitable[Answer]]) -> Answer:
        """Carry out something, or wait for it if it has begun already; it ends whoever stops waiting."""
        task = self._begun.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._begun[key] = asyncio.ensure_future(begin())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may outlive who asked
            while len(self._begun) > KEPT_ANSWERS:
                del self._begun[next(iter(self._begun))]
        answer = await asyncio.shield(task)
        if answer.is_secret:
            self._begun.pop(key, None)
        return answer


class _Link:
    """One gateway."""

    def __init__(self, server: LinkServer, source: Source, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._source = source
        self._writer = writer
        self._tasks: set[asyncio.Task[None]] = set()
        self._news: asyncio.Task[None] | None = None
        self._team = self._team_now()

    def tell(self, message: wire.Said) -> None:
        """Write; whoever does not take it is cut off."""
        if self._writer.is_closing():
            return
        self._writer.write(wire.framed(message))
        if self._writer.transport.get_write_buffer_size() > MOST_WAITING_BYTES:
            log.warning("a gateway does not take its news and is cut off")
            self._writer.transport.abort()

    def _team_now(self) -> wire.Team:
        return wire.Team(persons=list(self._source.persons()), codes_needed=self._server.codes_needed())

    def tell_team(self) -> None:
        """When it has changed."""
        team = self._team_now()
        if team != self._team:
            self._team = team
            self.tell(team)

    def close(self) -> None:
        """No more after what was written."""
        self._writer.close()

    async def end(self) -> None:
        """Forget the gateway; verbs that have begun go on."""
        await self._switch_news(wanted=False)
        for task in self._tasks:
            task.cancel()
        self._writer.close()

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Serve until it leaves. Raises `BadFrame`, and what reading raises."""
        async with asyncio.timeout(wire.DEAD_S):
            hello = await wire.read(reader, wire.asked, wire.MOST_ASKED_BYTES)
        if not isinstance(hello, wire.Hello):
            raise wire.BadFrame("it does not introduce itself")
        if problem := self._server.welcomes(hello):
            self.tell(wire.Leave(text=problem, stop=hello.managed))
            return
        self.tell(wire.Welcome(version=wire.VERSION, team=self._team))
        while True:
            async with asyncio.timeout(wire.DEAD_S):
                message = await wire.read(reader, wire.asked, wire.MOST_ASKED_BYTES)
            await self._take(message)

    async def _take(self, message: wire.Asked) -> None:
        match message:
            case wire.Ping():
                self.tell(message)
            case wire.AskView() | wire.AskRun() | wire.AskSay():
                if len(self._tasks) >= MOST_AT_ONCE:
                    raise wire.BadFrame("it asks for too much at once")
                task = asyncio.create_task(self._answer(message), name=f"link: {type(message).__name__}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case wire.AskWatch(topics=topics):
                await self._source.watch(topics)
            case wire.AskNews(wanted=wanted):
                await self._switch_news(wanted)
            case wire.Hello():
                raise wire.BadFrame("it introduces itself twice")

    async def _answer(self, message: wire.AskView | wire.AskRun | wire.AskSay) -> None:
        number = message.number
        try:
            self.tell(await self._carry_out(message))
        except NotKnown as error:
            self.tell(wire.Refused(number=number, kind="not_known", text=str(error)))
        except BadArgument as error:
            self.tell(wire.Refused(number=number, kind="bad_argument", text=str(error)))
        except NotNow as error:
            self.tell(wire.Refused(number=number, kind="not_now", text=str(error)))
        except Exception as error:  # told to the gateway, which must not wait for ever
            log.exception("what a gateway asked for failed", asked=type(message).__name__)
            self.tell(wire.Refused(number=number, kind="failed", text=type(error).__name__))

    async def _carry_out(self, message: wire.AskView | wire.AskRun | wire.AskSay) -> wire.Said:
        source = self._source
        if isinstance(message, wire.AskView):
            return wire.Shown(number=message.number, data=await source.view(message.name, message.arguments))
        actor, request_id = message.actor, message.request_id
        if actor.door in OTHER_DOORS:
            raise BadArgument(f"nobody comes through the door {actor.door.value!r} from here")
        who = actor.person, actor.door.value, actor.chat, request_id
        if isinstance(message, wire.AskRun):
            run, arguments = message, message.arguments
            key = (*who, run.verb, *(f"{name}={value}" for name, value in sorted(arguments.items())))
            answer = await self._server.once(key, lambda: source.run(actor, run.verb, arguments, request_id))
        else:
            say = message
            answer = await self._server.once((*who, say.line), lambda: source.say(actor, say.line, request_id))
        return wire.Answered(number=message.number, answer=answer)

    async def _switch_news(self, wanted: bool) -> None:
        if self._news is not None:
            self._news.cancel()
            await asyncio.gather(self._news, return_exceptions=True)
            self._news = None
        if wanted:
            self._news = asyncio.create_task(self._tell_news(), name="link: news")
        else:
            with contextlib.suppress(MoonDevError):
                await self._source.watch(())

    async def _tell_news(self) -> None:
        try:
            async with self._source.news() as news:
                async for frame in news:
                    self.tell(wire.Told(frame=frame))
        except Exception:
            log.exception("the news of a gateway broke off")
            self._writer.transport.abort()


def peer_uid(connection: socket.socket) -> int | None:
    """The user of the process at the other end; None where the system does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return int(uid)
