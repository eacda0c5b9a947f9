"""An event loop on which an hour passes in seconds: time is virtual, connections are in memory, order is seeded.

Nothing of a venue or a server is replaced: aiohttp, its WebSockets and its server run on it as they are. When nothing
can run, the clock jumps to the next timer. What is written arrives in order, after a random time below `latency_s`.
`run_virtually` also lets the machine's clocks show the loop's time, for code that reads them.
"""

import asyncio
import importlib
import itertools
import random
import selectors
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
PORTS = itertools.count(20_000)
"""No two servers of this process have one address: what is remembered of one is not held against the next."""
START_NS = 1_790_000_000_000_000_000
"""What the machine's clock shows when virtual time begins; the loop's own time begins at 0, where floats are fine."""


class _Jumping(selectors.DefaultSelector):
    """Finds real descriptors ready at once (the loop's own wake-up pipe); waiting moves the clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing will ever happen: every task waits, and no timer is set")
        if not ready and timeout:
            self.now_s += timeout
        return ready


class Line(asyncio.Transport):
    """One end of a connection in memory."""

    def __init__(self, loop: "VirtualLoop", protocol: asyncio.BaseProtocol, names: tuple[Any, Any]) -> None:
        super().__init__({"sockname": names[0], "peername": names[1]})
        self._loop = loop
        self._protocol: Any = protocol
        self.peer: Line | None = None
        self._closing = False
        self._lost = False
        self._paused = False
        self._under_way: deque[bytes | None] = deque()
        self._inbox: deque[bytes | None] = deque()
        self._arrives_s = 0.0

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._read)

    def write(self, data: Any) -> None:
        if data and not self._closing and self.peer is not None:
            self._send(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever kept here."""

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        """Say good-bye behind what was written."""
        if not self._closing:
            self._closing = True
            self._send(None)
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        """Break off: what is under way to the other end is lost."""
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._lose, None)
        if self.peer is not None:
            self.peer._under_way.clear()
            self._loop.call_soon(self.peer._break)

    def _send(self, data: bytes | None) -> None:
        peer = self.peer
        if peer is None:
            return
        self._arrives_s = max(self._arrives_s, self._loop.time() + self._loop.delay_s())
        peer._under_way.append(data)  # timers of the same moment fire in any order
        self._loop.call_at(self._arrives_s, peer._arrive)

    def _arrive(self) -> None:
        if self._under_way and not self._lost:
            self._inbox.append(self._under_way.popleft())
            self._read()

    def _read(self) -> None:
        while self._inbox and not self._paused and not self._lost:
            data = self._inbox.popleft()
            if data is None:
                self._closing = True
                self._protocol.eof_received()
                self._lose(None)
            else:
                self._protocol.data_received(data)

    def _break(self) -> None:
        self._closing = True
        self._lose(ConnectionResetError("the connection was broken"))

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(error)


class _Socket:
    """What aiohttp asks a listening socket for."""

    family = socket.AF_INET

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    def getsockname(self) -> tuple[str, int]:
        return self._address


class _Server:
    """What aiohttp asks a server for; it listens from the beginning."""

    def __init__(self, loop: "VirtualLoop", address: tuple[str, int]) -> None:
        self._loop, self._address = loop, address
        self.sockets = [_Socket(address)]

    def close(self) -> None:
        self._loop.servers.pop(self._address, None)

    async def wait_closed(self) -> None:
        """Closed is closed."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module; `seed` decides how long what is written takes."""

    def __init__(self, seed: int, latency_s: float = 0.02) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._random = random.Random(seed)
        self._latency_s = latency_s
        self.servers: dict[tuple[str, int], Callable[[], asyncio.BaseProtocol]] = {}
        self._calls: dict[socket.socket, tuple[str, int]] = {}
        self._callers = itertools.count(40_000)

    def time(self) -> float:
        return self._jumping.now_s

    def delay_s(self) -> float:
        return self._random.random() * self._latency_s

    def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Only loopback, without a thread."""

        async def answer() -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        return answer()

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        address = (host or "127.0.0.1", port or next(PORTS))
        self.servers[address] = protocol_factory
        return _Server(self, address)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        await asyncio.sleep(self.delay_s())
        if (address[0], address[1]) not in self.servers:
            raise ConnectionRefusedError(111, f"nobody listens on {address}")
        self._calls[sock] = (address[0], address[1])

    async def create_connection(self, protocol_factory: Any, *args: Any, sock: Any = None, **_: Any) -> Any:
        address = self._calls.pop(sock)
        sock.close()
        answer = self.servers.get(address)
        if answer is None:
            raise ConnectionRefusedError(111, f"nobody listens on {address} any more")
        caller = ("127.0.0.1", next(self._callers))
        near, far = protocol_factory(), answer()
        ours, theirs = Line(self, near, (caller, address)), Line(self, far, (address, caller))
        ours.peer, theirs.peer = theirs, ours
        far.connection_made(theirs)
        near.connection_made(ours)
        return ours, near


@contextmanager
def virtual_clocks(loop: VirtualLoop) -> Iterator[None]:
    """The machine's clocks show the loop's time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("time", "monotonic", "perf_counter"):
            patch.setattr(time, name, lambda: START_NS / 1e9 + loop.time())
            patch.setattr(time, f"{name}_ns", lambda: START_NS + int(loop.time() * 1e9))
        yield


def run_virtually(make: Callable[[], Awaitable[T]], seed: int) -> T:
    """Run a coroutine on a loop of its own, under its clock; whoever draws lots draws the same ones each time."""
    importlib.import_module("ccxt.pro")  # else a thread imports it, and virtual time does not wait for threads
    random.seed(seed)
    loop = VirtualLoop(seed)
    asyncio.set_event_loop(loop)
    try:
        with virtual_clocks(loop):
            return loop.run_until_complete(make())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
