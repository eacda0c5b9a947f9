"""The engine's side of the socket: the `Signer` port for each venue, and the `Secrets` port.

Requests that are made in one turn of the loop leave together. A signer that is gone, hangs or talks nonsense is a
`VenueError` within `timeout_s`: then nothing was signed, so nothing was sent. A lost connection is made again by the
next request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from domain.errors import ConfigError, MoonDevError, VenueError
from domain.ports import Signer, SignRequest
from vault.signer import wire
from vault.signer.server import SOCKET, peer_of
from vault.signer.wire import KeyVerb

log = logging.getLogger(__name__)

TIMEOUT_S = 2.0
PAUSE_S = 1.0
"""After a signer that did not answer, nobody waits for it again so soon: halts must not queue behind it."""
T = TypeVar("T", bound=wire.Answer)


class SignerGone(VenueError):
    """No signer answers: nothing was signed or sent."""


class SignerClient:
    """Signatures and service secrets of the signer of a data folder; `uid` is who it must run as, this user by default.

    `signers` has the `Signer` port of each venue. Secrets are asked for once, over a connection that blocks for
    `timeout_s` at most; `register` is called with each value before anybody else has it.
    """

    def __init__(self, data: Path, timeout_s: float = TIMEOUT_S, uid: int | None = None) -> None:
        self.path = data / SOCKET
        self.timeout_s = timeout_s
        self.register: Callable[[str], None] = lambda _value: None
        self.signers: Mapping[str, Signer] = {}
        self.pid = 0
        self.is_spawned = False
        """The signer's process at the last handshake, and whether a service has started it, by its own word."""
        self.is_kept = False
        """The secrets are read anew now and then (`SignerProcess.keep`): no loop waits for a name that is not there."""
        self._data = data
        self._uid = os.geteuid() if uid is None else uid
        self._values: dict[str, str] = {}
        self._names: list[str] = []
        self._line: _Line | None = None
        self._opening: asyncio.Lock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._not_before = 0.0

    def __repr__(self) -> str:
        return f"SignerClient({str(self.path)!r})"

    # at once, blocking

    def connect(self) -> wire.Welcome:
        """Shake hands, and read every service secret. Raises `SignerGone`, `ConfigError`."""
        with self._blocking() as (welcome, ask):
            values = {}
            for number, name in enumerate(welcome.secrets):
                answer = ask(wire.Reveal(number, name))
                if isinstance(answer, wire.Value):
                    values[name] = answer.value
        self._names, self._values = list(welcome.secrets), values
        self.pid, self.is_spawned = welcome.pid, welcome.is_spawned
        self.signers = {venue: RemoteSigner(self, venue) for venue in welcome.venues}
        for value in values.values():
            self.register(value)
        return welcome

    def tell(self, register: Callable[[str], None]) -> None:
        """Call `register` with every secret that is known and that ever will be, so that none can be logged."""
        self.register = register
        for value in self._values.values():
            register(value)

    def get(self, name: str) -> str:
        """A service secret. Raises `ConfigError` naming it and where to put it, never its value."""
        if name not in self._values and not self.is_kept:
            with contextlib.suppress(SignerGone):
                self.connect()
        if name not in self._values:
            raise ConfigError(
                f"the secret {name!r} is missing: `./moondev vault add {shlex.quote(name)} --data "
                f"{shlex.quote(str(self._data))}`"
            )
        return self._values[name]

    def has(self, name: str) -> bool:
        """True when the secret exists."""
        try:
            self.get(name)
        except ConfigError:
            return False
        return True

    def names(self) -> list[str]:
        """Names of all service secrets, as they were at the last look."""
        return sorted(self._names)

    @contextlib.contextmanager
    def _blocking(self) -> Iterator[tuple[wire.Welcome, Callable[[wire.Question], wire.Answer]]]:
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                connection.settimeout(self.timeout_s)
                connection.connect(str(self.path))
                self._check(connection)
                frames = wire.Frames()
                ready: list[bytes] = []

                def ask(asked: wire.Question) -> wire.Answer:
                    connection.sendall(wire.framed(asked))
                    while not ready:
                        data = connection.recv(1 << 16)
                        if not data:
                            raise self.gone("it closed the connection")
                        ready.extend(frames.feed(data))
                    return wire.answer(ready.pop(0))

                yield self.welcomed(ask(wire.Hello())), ask
            except (OSError, wire.BadFrame) as error:
                raise self.gone(str(error) or type(error).__name__) from None

    # on the loop

    async def sign(self, venue: str, requests: Sequence[SignRequest]) -> list[bytes]:
        """One signature for each request, in order. Raises `VenueError`; then nothing is to be sent."""
        try:
            pieces = list(wire.parts(tuple(requests)))
        except wire.BadFrame as error:
            raise VenueError(f"the signer cannot be asked: {error}") from None
        line = await self._open()
        asked = [line.ask(wire.Sign(line.number(), venue, piece)) for piece in pieces]
        signatures: list[bytes] = []
        try:
            for piece, waiting in zip(pieces, asked, strict=True):
                answer = await waiting
                if isinstance(answer, wire.Refused):
                    raise VenueError(answer.text)
                if not isinstance(answer, wire.Signed) or len(answer.signatures) != len(piece):
                    raise line.nonsense()
                signatures += answer.signatures
        finally:
            for waiting in asked:
                waiting.cancel()
        return signatures

    async def report(self) -> wire.Report:
        """How the signer is. Raises `SignerGone`."""
        line = await self._open()
        answer = await line.ask(wire.Ask(line.number()))
        if not isinstance(answer, wire.Report):
            raise line.nonsense()
        return answer

    async def make(self, venue: str, name: str) -> None:
        """Have a successor of a key made. Raises `VenueError`."""
        await self._change("make", venue, name)

    async def burn(self, venue: str) -> str:
        """The public half of a key that nobody has. Raises `VenueError`."""
        return await self._change("burn", venue)

    async def switch(self, name: str) -> None:
        """The successor takes the key's place. Raises `VenueError`."""
        await self._change("switch", name=name)

    async def discard(self, name: str) -> None:
        """Forget a successor. Raises `VenueError`."""
        await self._change("discard", name=name)

    async def reload(self) -> None:
        """Have the signer look at vault and settings again. Raises `VenueError`."""
        await self._change("reload")

    async def _change(self, verb: KeyVerb, venue: str = "", name: str = "") -> str:
        line = await self._open()
        answer = await line.ask(wire.Key(line.number(), verb, venue, name))
        if isinstance(answer, wire.Refused):
            raise VenueError(answer.text)
        if not isinstance(answer, wire.Value):
            raise line.nonsense()
        return answer.value

    async def aclose(self) -> None:
        """Close the connection."""
        if self._line is not None and self._loop is asyncio.get_running_loop():
            self._line.fail("this side closed")
        self._line = None

    async def _open(self) -> _Line:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._line is not None and self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._line.fail, "another loop asks now")
            self._loop, self._line, self._opening = loop, None, asyncio.Lock()
        if self._line is not None and self._line.is_open:
            return self._line
        assert self._opening is not None  # noqa: S101 - made with the loop
        async with self._opening:
            if self._line is not None and self._line.is_open:
                return self._line
            if loop.time() < self._not_before:
                raise self.gone("it did not answer a moment ago")
            line = _Line(self, loop)
            try:
                async with asyncio.timeout(self.timeout_s):
                    await loop.create_unix_connection(lambda: line, str(self.path))
                    self._check(line.transport.get_extra_info("socket"))
                    self.welcomed(await line.ask(wire.Hello()))
            except (OSError, TimeoutError) as error:
                line.fail("it does not answer")
                if isinstance(error, TimeoutError):
                    self.silent(loop)
                raise self.gone(str(error) or "it does not answer") from None
            except BaseException:
                line.fail("it is not asked")
                raise
            self._line = line
            return line

    def silent(self, loop: asyncio.AbstractEventLoop) -> None:
        """It did not answer in time."""
        self._not_before = loop.time() + PAUSE_S

    def _check(self, connection: socket.socket) -> None:
        pid, uid = peer_of(connection)
        if uid != self._uid:
            raise ConfigError(
                f"process {pid} of user {uid} listens at {self.path}, and this runs as {self._uid}: it is asked for "
                "nothing. Find out who made it"
            )

    def welcomed(self, answer: wire.Answer) -> wire.Welcome:
        """A first answer that is one. Raises `ConfigError` for a signer of another version."""
        if not isinstance(answer, wire.Welcome):
            raise self.gone("it talks nonsense")
        if answer.version != wire.VERSION:
            raise ConfigError(
                f"the signer (process {answer.pid}) is of version {answer.version}, this side of {wire.VERSION}: end "
                "it and start it again"
            )
        return answer

    def gone(self, why: str) -> SignerGone:
        """In words, with what to do."""
        return SignerGone(
            f"the signer does not answer at {self.path} ({why}): nothing was signed or sent. At a terminal: "
            f"./moondev signer --data {shlex.quote(str(self._data))}"
        )


class RemoteSigner:
    """The `Signer` port of one venue."""

    def __init__(self, client: SignerClient, venue: str) -> None:
        self._client = client
        self._venue = venue

    async def sign(self, requests: Sequence[SignRequest]) -> list[bytes]:
        """One signature for each request, in order. Raises `VenueError`."""
        return await self._client.sign(self._venue, requests)


class _Line(asyncio.Protocol):
    """One connection: questions go out together, answers find their asker by number."""

    def __init__(self, client: SignerClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop
        self._frames = wire.Frames()
        self._waiting: dict[int, tuple[float, asyncio.Future[wire.Answer]]] = {}
        """When and by whom an answer is waited for; the oldest first."""
        self._out: list[bytes] = []
        self._last = 0
        self._timer: asyncio.TimerHandle | None = None
        self.is_open = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a Unix socket
        self.transport, self.is_open = transport, True

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(str(exc) if exc else "it closed the connection")

    def number(self) -> int:
        """The next question's."""
        self._last += 1
        return self._last

    def ask(self, asked: wire.Question) -> asyncio.Future[wire.Answer]:
        """Send a question; the future raises `SignerGone`."""
        waiting: asyncio.Future[wire.Answer] = self._loop.create_future()
        if not self.is_open:
            raise self._client.gone("it closed the connection")
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(wire.framed(asked))
        if self._timer is None:
            self._timer = self._loop.call_later(self._client.timeout_s, self._look)
        self._waiting[0 if isinstance(asked, wire.Hello) else asked.number] = self._loop.time(), waiting
        return waiting

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self.is_open:
            self.transport.write(b"".join(out))

    def data_received(self, data: bytes) -> None:
        """Give each answer to whom it belongs."""
        try:
            for body in self._frames.feed(data):
                answer = wire.answer(body)
                number = 0 if isinstance(answer, wire.Welcome) else answer.number
                _, waiting = self._waiting.pop(number, (0.0, None))
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        except wire.BadFrame as error:
            log.error("the signer talks nonsense: %s", error)  # noqa: TRY400
            self.fail("it talks nonsense")

    def _look(self) -> None:
        """A signer that owes an answer and says nothing is left."""
        self._timer = None
        if not self._waiting or not self.is_open:
            return
        asked_at, _ = next(iter(self._waiting.values()))
        left_s = asked_at + self._client.timeout_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
            return
        self._client.silent(self._loop)
        self.fail(f"no answer within {self._client.timeout_s:g} s")

    def nonsense(self) -> MoonDevError:
        """An answer to another question than was asked: nothing of this connection is believed any more."""
        self.fail("it talks nonsense")
        return self._client.gone("it talks nonsense")

    def fail(self, why: str) -> None:
        """End the connection; everybody who waits is told."""
        if self.is_open:
            self.is_open = False
            self.transport.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        for _, each in waiting.values():
            if not each.done():
                each.set_exception(self._client.gone(why))
                each.exception()  # who does not wait any more is not reminded
