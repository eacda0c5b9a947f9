"""Clients of the live feed in a process of their own, `python -m research.bench.gateway_clients`: JSON in and out.

They read raw frames as a browser's socket would, check that every number follows the one before it, and take the time
between a fact (its `ts_ns`, the engine's clock) and its arrival. A line on stdin ends the measurement.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import sys
import time
from typing import Any, TypedDict
from urllib.parse import urlsplit

import msgspec

NUMBERED = re.compile(rb'^\{"(?:stream":"\w+",")?n":(\d+),')
TS = re.compile(rb"\"ts_ns\":(\d+)")
OPENING_AT_ONCE = 16


class Asked(msgspec.Struct):
    """What to do: how many clients, where, with which sessions, in turn; `topic` is watched too.

    Each session has an address of its own on this machine: a gateway lets nobody open so many sockets at once.
    """

    url: str
    origin: str
    cookies: list[str]
    count: int
    topic: str = ""


class Counted(TypedDict):
    """What all clients of this process have seen since the measurement began."""

    frames: int
    bytes: int
    missed: int
    snapshots: int
    closed: int
    facts: int
    latencies_ns: list[int]
    """From the engine's time of a fact."""
    sent_ns: list[int]
    """From the moment at which the gateway numbered it."""
    last: int


class Client(asyncio.Protocol):
    """One WebSocket, read by hand. It answers pings, and says nothing else after its first frames."""

    def __init__(self, asked: Asked, seen: Counted, cookie: str) -> None:
        """Counts into `seen`."""
        self.asked = asked
        self.cookie = cookie
        self.seen = seen
        self.ready = asyncio.get_running_loop().create_future()
        self.n = -1
        self.buffer = bytearray()
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream socket's is
        self.transport = transport
        where = urlsplit(self.asked.url)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {where.path} HTTP/1.1", f"Host: {where.netloc}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        lines += [f"Origin: {self.asked.origin}", f"Cookie: {self.cookie}"]
        transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        """Take frames apart."""
        self.buffer += data
        self.seen["bytes"] += len(data)
        if not self.is_open:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self.ready.set_exception(ConnectionError(head[:200].decode(errors="replace")))
                self.transport.close()
                return
            self.is_open, self.buffer = True, bytearray(rest)
            self.say({"type": "start"})
            if self.asked.topic:
                self.say({"type": "watch", "topic": self.asked.topic})
        at = 0
        while True:
            used = self.frame(at)
            if not used:
                break
            at += used
        del self.buffer[:at]

    def frame(self, at: int) -> int:
        """Take the frame that begins there; how long it is, 0 when it is not whole yet."""
        buffer = self.buffer
        if len(buffer) < at + 2:
            return 0
        size, head = buffer[at + 1], 2
        if size >= 126:
            head = 4 if size == 126 else 10
            if len(buffer) < at + head:
                return 0
            size = int.from_bytes(buffer[at + 2 : at + head], "big")
        if len(buffer) < at + head + size:
            return 0
        payload = bytes(buffer[at + head : at + head + size])
        if buffer[at] == 0x81:
            self.heard(payload)
        elif buffer[at] == 0x89:
            self.send(0x8A, payload)
        return head + size

    def heard(self, payload: bytes) -> None:
        """A message."""
        seen, found = self.seen, NUMBERED.match(payload)
        if found is None:
            return
        seen["frames"] += 1
        n = int(found[1])
        if b'"snapshot"' in payload[:80]:
            seen["snapshots"] += 1
        elif n != self.n + 1:
            seen["missed"] += 1
        self.n = n
        if b'"type":"fact"' in payload[:40]:
            now_ns = time.time_ns()
            numbered_ns, fact_ns = TS.findall(payload)[:2]
            seen["facts"] += 1
            seen["sent_ns"].append(now_ns - int(numbered_ns))
            seen["latencies_ns"].append(now_ns - int(fact_ns))
        if not self.ready.done():
            self.ready.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it."""
        self.seen["closed"] += 1
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("closed"))

    def say(self, message: dict[str, str]) -> None:
        """Send a text frame."""
        self.send(0x81, json.dumps(message).encode())

    def send(self, first: int, payload: bytes) -> None:
        """Send a short frame, masked with zeros."""
        self.transport.write(bytes((first, 0x80 | len(payload), 0, 0, 0, 0)) + payload)


def nothing() -> Counted:
    """Before anything was seen."""
    return Counted(frames=0, bytes=0, missed=0, snapshots=0, closed=0, facts=0, latencies_ns=[], sent_ns=[], last=0)


async def main() -> None:
    """Connect all, say so, count until told to end, tell."""
    loop = asyncio.get_running_loop()
    asked = msgspec.json.decode(await asyncio.to_thread(sys.stdin.readline), type=Asked)
    where, seen = urlsplit(asked.url), nothing()
    clients: list[Client] = []
    gate = asyncio.Semaphore(OPENING_AT_ONCE)

    async def open_one(number: int) -> None:
        session = number % len(asked.cookies)
        async with gate:
            client = Client(asked, seen, asked.cookies[session])
            clients.append(client)
            here = (f"127.0.1.{session + 1}", 0)
            await loop.create_connection(lambda: client, where.hostname or "", where.port or 80, local_addr=here)
            await client.ready

    began_s = time.perf_counter()
    await asyncio.gather(*(open_one(number) for number in range(asked.count)))
    tell({"joined_s": time.perf_counter() - began_s})
    await asyncio.to_thread(sys.stdin.readline)
    fresh = nothing()
    fresh["missed"], fresh["closed"] = seen["missed"], seen["closed"]
    seen.update(fresh)
    await asyncio.to_thread(sys.stdin.readline)
    seen["last"] = len({client.n for client in clients})
    tell(dict(seen))


def tell(said: dict[str, Any]) -> None:
    """One line."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
