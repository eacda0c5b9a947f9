"""A signer with made-up records: in this process, or (`python -m tests.vault.signer.room FOLDER`) in one of its own."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from domain.errors import ConfigError
from domain.ports import Signer, SignRequest
from exchanges.hyperliquid.signing import LocalSigner
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY
from tests.needs import ROOT
from vault.signer import wire
from vault.signer.client import SignerClient
from vault.signer.server import SOCKET, SignerServer

VENUE = "HYPERLIQUID"
NOOP = b"b\x81\xa4type\xa4noop" + (1).to_bytes(8, "big") + b"\x00"
"""Hyperliquid's action that does nothing, on a test network, with the nonce 1."""


class Service:
    """The service secrets."""

    def __init__(self, **values: str) -> None:
        self.values = values or {"telegram_token": "12345678:made-up"}

    def get(self, name: str) -> str:
        if name not in self.values:
            raise ConfigError(f"no {name}")
        return self.values[name]

    def names(self) -> list[str]:
        return sorted(self.values)


class Echo:
    """Signs anything with the payload itself, after a while."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.batches: list[int] = []

    async def sign(self, requests: Sequence[SignRequest]) -> list[bytes]:
        self.batches.append(len(requests))
        await self.gate.wait()
        return [request.payload[:64] for request in requests]


def requests(count: int, payload: bytes = NOOP, key: str = "agent", action: str = "noop") -> list[SignRequest]:
    return [SignRequest(key=key, action=action, payload=payload) for _ in range(count)]


def agents() -> dict[str, Signer]:
    return {VENUE: LocalSigner({"agent": AGENT_KEY})}


@asynccontextmanager
async def serving(
    folder: Path, signers: Mapping[str, Signer] | None = None, **more: Any
) -> AsyncIterator[tuple[SignerServer, SignerClient]]:
    """A signer on this loop, and a client of it that has not connected yet."""
    server = SignerServer(folder / SOCKET, agents() if signers is None else signers, Service(), **more)
    await server.start()
    client = SignerClient(folder)
    try:
        yield server, client
    finally:
        await client.aclose()
        await server.aclose()


async def talk(folder: Path, *messages: bytes) -> list[wire.Answer]:
    """Say some bytes to a signer, and what it says before it closes, or until every message is answered."""
    reader, writer = await asyncio.open_unix_connection(folder / SOCKET)
    frames = wire.Frames()
    heard: list[wire.Answer] = []
    try:
        writer.write(b"".join(messages))
        while len(heard) < len(messages) and (data := await reader.read(1 << 20)):
            heard += [wire.answer(body) for body in frames.feed(data)]
    except ConnectionError:
        pass
    finally:
        await leave(writer)
    return heard


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def lying(folder: Path, lie: Callable[[wire.Question], bytes]) -> AsyncIterator[SignerClient]:
    """A signer that answers as it likes, and a client of it."""
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        frames = wire.Frames()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.writelines(lie(wire.question(body)) for body in frames.feed(data))

    server = await asyncio.start_unix_server(serve, folder / SOCKET)
    client = SignerClient(folder, timeout_s=0.1)
    try:
        yield client
    finally:
        await client.aclose()
        server.close()
        for writer in writers:
            await leave(writer)


class Process:
    """A signer in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "tests.vault.signer.room", str(folder)]
        self.child = subprocess.Popen(command, cwd=ROOT)
        end = time.monotonic() + 30
        while not (folder / SOCKET).exists():
            assert self.child.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)

    def end(self, number: int = signal.SIGKILL) -> None:
        self.child.send_signal(signal.SIGCONT)
        self.child.send_signal(number)
        self.child.wait(10)


async def main(folder: Path) -> None:
    server = SignerServer(folder / SOCKET, agents(), Service(), uid=os.geteuid())
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
