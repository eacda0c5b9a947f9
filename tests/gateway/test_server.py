"""The server inside the engine's loop: loopback only, never the end of the engine."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from domain.errors import ConfigError
from gateway import connection
from gateway import server as module
from gateway.server import GatewayServer


def small_app(lifespan: Any = None) -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    return app


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.10", "::", "example.com", ""])
def test_a_host_that_is_not_loopback_is_refused_with_the_reason(host: str):
    with pytest.raises(ConfigError, match="without TLS"):
        GatewayServer(small_app(), host, 0)


async def test_an_address_in_use_is_said_at_once():
    first = GatewayServer(small_app(), port=0)
    with pytest.raises(ConfigError, match="Is another instance running"):
        GatewayServer(small_app(), port=first.port)
    await first.aclose()


async def test_the_url_is_known_before_it_runs_and_localhost_means_loopback():
    server = GatewayServer(small_app(), "localhost", 0)
    assert server.url == f"http://127.0.0.1:{server.port}"
    await server.aclose()


async def test_it_serves_until_closed_and_leaves_the_signals_alone():
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    server = GatewayServer(small_app(), port=0)
    task = asyncio.create_task(server.run())
    async with httpx.AsyncClient() as client:
        assert (await client.get(server.url)).json() == "hello"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    await server.aclose()
    await asyncio.wait_for(task, 30)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


async def test_cancelling_it_stops_it_cleanly():
    ended: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        ended.append("shut down")

    server = GatewayServer(small_app(lifespan), port=0)
    task = asyncio.create_task(server.run())
    async with httpx.AsyncClient() as client:
        await client.get(server.url)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["shut down"]
    again = GatewayServer(small_app(), port=server.port)
    await again.aclose()


async def test_a_start_up_that_fails_is_retried_and_never_raised(monkeypatch: pytest.MonkeyPatch):
    """uvicorn calls sys.exit when start-up fails; in the engine's loop that would be the end of trading."""
    monkeypatch.setattr(module, "RESTART_S", 0.05)
    starts = 0

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal starts
        starts += 1
        if starts < 3:
            raise RuntimeError("no templates")
        yield

    server = GatewayServer(small_app(lifespan), port=0)
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(30), httpx.AsyncClient() as client:
        while True:
            try:
                assert (await client.get(server.url)).json() == "hello"
                break
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    assert starts == 3
    await server.aclose()
    await asyncio.wait_for(task, 30)


async def connect(server: GatewayServer, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(said)
    await writer.drain()
    return reader, writer


SLOW_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"


@pytest.fixture
async def small() -> AsyncIterator[GatewayServer]:
    app = small_app()

    @app.post("/")
    async def take(request: Request) -> str:
        return str(len(await request.body()))

    server = GatewayServer(app, port=0)
    task = asyncio.create_task(server.run())
    yield server
    await server.aclose()
    await asyncio.wait_for(task, 30)


@pytest.mark.parametrize("said", [b"", b"GET / HT", SLOW_BODY], ids=["silent", "half a head", "half a body"])
async def test_many_idle_clients_do_not_silence_the_health_check(small: GatewayServer, said: bytes):
    idle = [await connect(small, said) for _ in range(300)]
    async with httpx.AsyncClient() as client:
        for _ in range(3):
            assert (await client.get(small.url)).json() == "hello"
    for _, writer in idle:
        writer.close()


@pytest.mark.parametrize("said", [b"", b"GET / HT", SLOW_BODY], ids=["silent", "half a head", "half a body"])
async def test_a_request_that_does_not_come_closes_its_connection(
    small: GatewayServer, said: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connection, "REQUEST_WITHIN_S", 0.2)
    reader, writer = await connect(small, said)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()


async def test_a_slow_answer_is_waited_for(small: GatewayServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "REQUEST_WITHIN_S", 0.1)

    @small._app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.5)
        return "done"

    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{small.url}/slow")).json() == "done"


async def test_what_is_no_http_is_refused_with_the_headers_of_every_answer(small: GatewayServer):
    reader, writer = await connect(small, b"\x16\x03\x01 no http\r\n\r\n")
    said = (await asyncio.wait_for(reader.read(), 30)).lower()
    writer.close()
    assert said.startswith(b"http/1.1 400")
    for header in (b"content-security-policy: default-src 'none'", b"x-content-type-options: nosniff"):
        assert header in said


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nX: ", b"GET /"], ids=["header", "address"])
async def test_a_head_without_an_end_is_not_kept(small: GatewayServer, head: bytes):
    reader, writer = await connect(small, head)
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            writer.write(b"a" * 64_000)
            await writer.drain()
        pytest.fail("12 MB of a head were taken")
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 30)
    writer.close()


async def test_a_body_is_no_part_of_the_head(small: GatewayServer):
    async with httpx.AsyncClient() as client:
        for size in (300_000, 10, 300_000):
            assert (await client.post(small.url, content=b"x" * size)).json() == str(size)
