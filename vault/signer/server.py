"""The signer's side of the socket: lets in processes of the same user, and does nothing for them but sign and reveal.

What may be signed is decided by the venue's own signer from the payload itself. What may be revealed are service
secrets; a key has no way out. Payloads and values are never logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from domain.errors import ConfigError, MoonDevError, VenueError
from domain.ports import Signer, SignRequest
from vault.signer import wire

log = logging.getLogger(__name__)

SOCKET = "signer.sock"
MOST_CONNECTIONS = 32
MOST_WAITING = 4 * wire.MAX_FRAME
"""Bytes that one connection may have asked and not been answered."""
PATIENCE_S = 5.0
"""For a first message, for the rest of one, and for a peer that does not take its answers."""
LONGEST_TEXT = 500
_CREDENTIALS = struct.Struct("3i")


class Revealed(Protocol):
    """The service secrets; `get` raises `ConfigError` for everything else."""

    def get(self, name: str) -> str:
        """The value."""
        ...

    def names(self) -> list[str]:
        """What there is, sorted."""
        ...


class Ring(Protocol):
    """See `vault.signer.ring.KeyRing`."""

    @property
    def signers(self) -> Mapping[str, Signer]:
        """By venue."""
        ...

    @property
    def version(self) -> int:
        """How often keys have changed."""
        ...

    @property
    def used_ns(self) -> dict[str, int]:
        """When keys signed last."""
        ...

    def held(self) -> list[wire.Held]:
        """What there is, masked."""
        ...

    def make(self, venue: str, name: str) -> None:
        """A successor."""
        ...

    def burn(self, venue: str) -> str:
        """The public half of a key that nobody has."""
        ...

    def switch(self, name: str) -> None:
        """Swap."""
        ...

    def discard(self, name: str) -> None:
        """Forget a successor."""
        ...

    def reload(self) -> None:
        """Look again."""
        ...


class Counts(Struct):
    """See `wire.Report`."""

    signed: int = 0
    refused: int = 0
    strangers: int = 0
    last: str = ""


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Process and user at the other end, by the kernel's word."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return pid, uid


class SignerServer:
    """Serves `signers` (by venue) and `secrets` at a Unix socket (mode 0600), to processes of `uid` alone.

    `signers` is read anew for each message, so a key can be exchanged under a running engine.
    """

    def __init__(
        self,
        path: Path,
        signers: Mapping[str, Signer],
        secrets: Revealed,
        uid: int | None = None,
        *,
        is_spawned: bool = False,
        ring: Ring | None = None,
    ) -> None:
        self.path = path
        self.ring = ring
        self.is_spawned = is_spawned
        self._signers = signers
        self.secrets = secrets
        self.uid = os.geteuid() if uid is None else uid
        self.counts = Counts()
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._inode = 0

    @property
    def signers(self) -> Mapping[str, Signer]:
        """By venue, as they are now."""
        return self._signers if self.ring is None else self.ring.signers

    async def start(self) -> None:
        """Bind. Raises `ConfigError` where another signer serves already, or there can be no socket."""
        if await _answers(self.path):
            raise ConfigError(f"another signer serves at {self.path} already: use it, or end it first")
        try:
            self.path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                loop = asyncio.get_running_loop()
                self._server = await loop.create_unix_server(lambda: _Connection(self), self.path)
            finally:
                os.umask(before)
            self._inode = self.path.stat().st_ino
        except OSError as error:
            raise ConfigError(
                f"the signer's socket {self.path} cannot be made ({error.strerror or error}): use a shorter --data"
            ) from None

    async def aclose(self) -> None:
        """Stop serving; who waits for an answer gets none."""
        if self._server is not None:
            for _ in range(3):  # what asyncio takes from a connection's arrival on; it loses one if closed between
                await asyncio.sleep(0)
            self._server.close()
            with contextlib.suppress(OSError):
                if self.path.stat().st_ino == self._inode:
                    self.path.unlink()
        for connection in list(self.connections):
            connection.end()
            await connection.ended.wait()

    def stranger(self, pid: int, uid: int) -> None:
        """Somebody else's process has knocked."""
        self.counts.strangers += 1
        self.counts.last = f"process {pid} of user {uid} was not let in: only user {self.uid} is"
        log.error("%s", self.counts.last)

    async def answer(self, asked: wire.Question) -> wire.Answer:
        """What to say to a question."""
        if isinstance(asked, wire.Hello):
            venues, names = sorted(self.signers), self.secrets.names()
            return wire.Welcome(wire.VERSION, os.getpid(), venues, names, self.is_spawned)
        try:
            if isinstance(asked, wire.Sign):
                return await self._sign(asked)
            if isinstance(asked, wire.Reveal):
                return self._reveal(asked)
            if isinstance(asked, wire.Key):
                return self._change(asked)
        except MoonDevError as error:
            return self._refuse(asked.number, str(error)[:LONGEST_TEXT])
        except Exception as error:  # noqa: BLE001 - one request must not end the signer, nor show what was in it
            log.error("a request could not be dealt with: %s", type(error).__name__)  # noqa: TRY400
            return self._refuse(asked.number, f"an error of the signer's own: {type(error).__name__}")
        counts = self.counts
        version, keys = (self.ring.version, self.ring.held()) if self.ring is not None else (0, [])
        return wire.Report(asked.number, counts.signed, counts.refused, counts.strangers, counts.last, version, keys)

    async def _sign(self, asked: wire.Sign) -> wire.Answer:
        signer = self.signers.get(asked.venue)
        if signer is None:
            raise VenueError(
                f"the signer has no keys for {asked.venue!r:.40}; it has {', '.join(sorted(self.signers)) or 'none'}"
            )
        requests = [SignRequest(key=key, action=action, payload=payload) for key, action, payload in asked.requests]
        signatures = await signer.sign(requests)
        self.counts.signed += len(signatures)
        if self.ring is not None:
            self.ring.used_ns.update(dict.fromkeys((request.key for request in requests), time.time_ns()))
        return wire.Signed(asked.number, signatures)

    def _reveal(self, asked: wire.Reveal) -> wire.Answer:
        if asked.name not in self.secrets.names():
            text = f"the vault has no service secret {asked.name!r:.80}: `moondev vault add {asked.name:.80}`"
            return wire.Refused(asked.number, text, missing=True)
        return wire.Value(asked.number, self.secrets.get(asked.name))

    def _change(self, asked: wire.Key) -> wire.Answer:
        ring = self.ring
        if ring is None:
            raise ConfigError("this signer's keys are not exchanged")
        public = ""
        if asked.verb == "make":
            ring.make(asked.venue, asked.name)
        elif asked.verb == "burn":
            public = ring.burn(asked.venue)
        elif asked.verb == "switch":
            ring.switch(asked.name)
        elif asked.verb == "discard":
            ring.discard(asked.name)
        else:
            ring.reload()
        return wire.Value(asked.number, public)

    def _refuse(self, number: int, text: str) -> wire.Refused:
        self.counts.refused += 1
        self.counts.last = text
        log.warning("refused: %s", text)
        return wire.Refused(number, text)


class _Connection(asyncio.Protocol):
    """One process that asks. Its questions are answered in order, in one go as far as they came together."""

    def __init__(self, server: SignerServer) -> None:
        self._server = server
        self._frames = wire.Frames()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self._is_known = False
        self._is_reading = True
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a Unix socket
        self._transport = transport
        pid, uid = peer_of(transport.get_extra_info("socket"))
        if uid != self._server.uid:
            self._server.stranger(pid, uid)
            transport.abort()
        elif len(self._server.connections) >= MOST_CONNECTIONS:
            log.warning("process %d was sent away: %d connections are open", pid, MOST_CONNECTIONS)
            transport.abort()
        else:
            transport.set_write_buffer_limits(high=MOST_WAITING)
            self._server.connections.add(self)
            self._expect("no first message came")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the answer is the same
        self._server.connections.discard(self)
        self.ended.set()
        self._forget()
        if self._task is not None:
            self._task.cancel()

    def end(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what has come; what is no message of ours ends the connection."""
        try:
            bodies = self._frames.feed(data)
        except wire.BadFrame as error:
            self._complain(str(error))
            return
        self._waiting += bodies
        self._waiting_bytes += sum(map(len, bodies))
        if self._frames.is_within or not self._is_known:
            self._expect("a message did not end")
        else:
            self._forget()
        if self._waiting and self._task is None:
            self._task = asyncio.ensure_future(self._work())
        if self._waiting_bytes > MOST_WAITING and self._transport is not None and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()

    async def _work(self) -> None:
        """Answer until nothing waits."""
        while self._waiting:
            bodies, self._waiting, self._waiting_bytes = self._waiting, [], 0
            answers = []
            for body in bodies:
                try:
                    asked = wire.question(body)
                except wire.BadFrame as error:
                    self._complain(f"a message that is none ({error})")
                    return
                if isinstance(asked, wire.Hello) is self._is_known:
                    self._complain("a message out of turn")
                    return
                if not self._is_known:
                    self._is_known = True
                    if not self._frames.is_within:
                        self._forget()  # from now on it may be silent between its messages
                answers.append(wire.framed(await self._server.answer(asked)))
            assert self._transport is not None  # noqa: S101 - it was connected
            self._transport.write(b"".join(answers))
            await self._may_write.wait()
            if not self._is_reading:
                self._is_reading = True
                self._transport.resume_reading()
        self._task = None

    def pause_writing(self) -> None:
        """The peer does not take its answers: it gets no more, and is left when it stays so."""
        self._may_write.clear()
        self._expect("answers were not taken")

    def resume_writing(self) -> None:
        """It does again."""
        self._may_write.set()
        self._forget()

    def _expect(self, why: str) -> None:
        self._forget()
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._complain, why)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _complain(self, why: str) -> None:
        log.warning("a connection was ended: %s", why)
        self.end()


async def _answers(path: Path) -> bool:
    """Whether somebody listens there."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_unix_connection(path), PATIENCE_S)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
