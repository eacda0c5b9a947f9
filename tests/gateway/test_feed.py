"""The live feed over a real socket: a snapshot, facts without a gap, in decimals; and clients that misbehave."""

import asyncio
import contextlib
import json
import os
import random
import socket as socket_module
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.commands import Actor, Door, Halt
from domain.facts import CommandDone
from gateway import feed, hub, pipe
from gateway.news import PUSHED
from tests.gateway.conftest import Running
from tests.gateway.stage import fact

TINA = Actor(person="tina", door=Door.DASHBOARD)
Socket = aiohttp.ClientWebSocketResponse


def connect(running: Running, client: httpx.AsyncClient, http: aiohttp.ClientSession) -> Any:
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return http.ws_connect(f"{running.url}/ws/feed", headers={"Cookie": cookie, **running.origin})


async def begin(socket: Socket) -> dict[str, Any]:
    await socket.send_json({"type": "start"})
    return await hear(socket)


async def hear(socket: Socket) -> dict[str, Any]:
    async with asyncio.timeout(20):
        frame: dict[str, Any] = await socket.receive_json()
        return frame


async def facts(socket: Socket, count: int) -> tuple[list[dict[str, Any]], list[int]]:
    """So many facts, and the numbers of all frames on the way."""
    found: list[dict[str, Any]] = []
    numbers: list[int] = []
    while len(found) < count:
        frame = await hear(socket)
        numbers.append(frame["n"])
        if frame["type"] == "fact":
            found.append(frame)
    return found, numbers


async def closed(socket: Socket) -> int | None:
    async with asyncio.timeout(20):
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    return socket.close_code


async def test_a_snapshot_comes_first_and_then_every_fact_but_the_audits_without_a_gap(
    running: Running, tina: httpx.AsyncClient
):
    desk = running.engine.desk
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        first = await begin(socket)
        assert (first["type"], first["connected"]) == ("snapshot", True)
        assert set(first["data"]) == {one.name for one in PUSHED}
        assert first["data"]["status"]["seq"] == first["seq"] == desk.status().seq
        async with desk.facts() as published:
            running.engine.play(30)
            await desk.submit(Halt(reason="test"), TINA)
            expected = [(fact.seq, fact.index) for fact in published._unread if not isinstance(fact, CommandDone)]
        assert len(expected) > 20
        received, numbers = await facts(socket, len(expected))
    assert numbers == list(range(first["n"] + 1, first["n"] + 1 + len(numbers)))
    assert [(frame["data"]["seq"], frame["data"]["index"]) for frame in received] == expected
    assert received[-1]["name"] == received[-1]["data"]["type"] != "command_done"


async def test_prices_and_quantities_are_decimals(running: Running, tina: httpx.AsyncClient):
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await begin(socket)
        async with running.engine.desk.facts() as published:
            running.engine.play(60)
            received, _ = await facts(socket, len(published._unread))
    fill = next(frame["data"] for frame in received if frame["name"] == "fill")
    row = next(row for row in running.engine.desk.trades(1000) if row.fill_id == fill["fill_id"])
    assert (fill["price"], fill["qty"]) == (str(row.price), str(row.qty))
    order = next(frame["data"] for frame in received if frame["name"] == "order")
    assert "." in order["price"]
    assert "." in order["filled"]


async def test_a_connection_that_broke_goes_on_where_it_was(running: Running, tina: httpx.AsyncClient):
    async with aiohttp.ClientSession() as http:
        async with connect(running, tina, http) as socket:
            stream = (await begin(socket))["stream"]
            await running.engine.desk.submit(Halt(reason="one"), TINA)
            last = await hear(socket)
        async with connect(running, tina, http) as socket:
            running.engine.play(5)
            await socket.send_json({"type": "resume", "stream": stream, "n": last["n"]})
            resumed = await hear(socket)
            assert (resumed["type"], resumed["stream"], resumed["n"]) == ("resumed", stream, last["n"])
            assert (await hear(socket))["n"] == last["n"] + 1


async def test_a_client_that_does_not_begin_is_given_a_snapshot_soon(
    running: Running, tina: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feed, "FIRST_WITHIN_S", 0.05)
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        assert (await hear(socket))["type"] == "snapshot"


@pytest.fixture
def looked_after_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "CHECK_S", 0.05)


async def test_the_feed_ends_with_its_session(looked_after_often: None, running: Running, tina: httpx.AsyncClient):
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await begin(socket)
        assert (await tina.post("/logout", headers=running.origin)).status_code == 303
        assert await closed(socket) == 4401


async def test_what_is_not_understood_is_said_and_ends_a_client_that_goes_on_with_it(
    running: Running, tina: httpx.AsyncClient
):
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await begin(socket)
        said = ["{", "[]", '{"type":"sudo"}', '{"type":"watch"}', '{"type":"watch","topic":"system:all"}']
        said += ['{"type":"resume","stream":"x","n":1}', '{"type":"watch","topic":"market:MOON-USDC-PERP.PAPER"}']
        for text in said:
            await socket.send_str(text)
            while (told := await hear(socket))["type"] != "error":
                pass
            assert told["text"], text
        await socket.send_bytes(b"\x00")
        for _ in range(3):
            await socket.send_str("nonsense")
        assert await closed(socket) == 4400


async def test_a_client_that_talks_without_end_is_closed(running: Running, tina: httpx.AsyncClient):
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await begin(socket)
        for _ in range(feed.MOST_A_SECOND + 10):
            await socket.send_json({"type": "ping"})
        assert await closed(socket) == 4400


async def test_a_frame_beyond_the_limit_ends_the_connection(running: Running, tina: httpx.AsyncClient):
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await begin(socket)
        await socket.send_str("x" * (64 * 1024 + 1))
        assert await closed(socket) == 1009


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20)).map(json.dumps),
        st.builds(
            lambda kind, value: json.dumps({"type": kind, "topic": value, "stream": value, "n": value}),
            st.sampled_from(["start", "resume", "watch", "unwatch", "ping"]),
            st.none() | st.integers() | st.text(max_size=20) | st.lists(st.none(), max_size=2),
        ),
        st.integers(1, 5_000).map(lambda depth: "[" * depth),
    )
)
def test_no_text_does_more_than_be_understood_or_not(text: str):
    try:
        said = feed.understood(text)
    except feed.NotUnderstood:
        return
    assert isinstance(said, feed.Start | feed.Resume | feed.Watch | feed.Unwatch | feed.Ping)


@contextlib.asynccontextmanager
async def deaf_socket() -> AsyncIterator[socket_module.socket]:
    made = socket_module.socket()
    try:
        yield made
    finally:
        made.close()


def greeting(running: Running, client: httpx.AsyncClient) -> bytes:
    """The first bytes of a WebSocket client."""
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    host = running.url.removeprefix("http://")
    return (
        f"GET /ws/feed HTTP/1.1\r\nHost: {host}\r\nOrigin: {running.url}\r\nCookie: {cookie}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


async def test_garbage_on_the_wire_ends_its_own_connection_and_no_other(
    running: Running, tina: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pipe, "CLOSE_WITHIN_S", 0.1)
    chance = random.Random(6)
    hello = greeting(running, tina)

    async def throw(garbage: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port)
        writer.write(hello)
        assert b"101" in await reader.readline()
        writer.write(garbage)
        writer.write_eof()
        async with asyncio.timeout(20):
            while await reader.read(65_536):
                pass
        writer.close()

    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await begin(socket)
        kinds = [bytes((first, second)) for first in (0x81, 0xC1, 0x8F, 0x83, 0x01, 0x80, 0x89) for second in (0xFF, 5)]
        await asyncio.gather(*(throw(kind + chance.randbytes(40)) for kind in kinds))
        await asyncio.gather(*(throw(os.urandom(chance.randrange(1, 2_000))) for _ in range(20)))
        async with running.engine.desk.facts() as published:
            await running.engine.desk.submit(Halt(reason="test"), TINA)
            count = len(published._unread) - 1
        received, _ = await facts(socket, count)
        assert "trading_state" in [frame["name"] for frame in received]


async def test_a_client_that_stops_reading_is_cut_off_and_the_others_hear_everything(
    running: Running, tina: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pipe, "CLOSE_WITHIN_S", 0.05)
    monkeypatch.setattr(hub, "SLOW_S", 0.2)
    monkeypatch.setattr(hub, "HIGH_WATER_BYTES", 4_096)
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket, deaf_socket() as deaf:
        deaf.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, 4_096)
        deaf.setblocking(False)
        await loop.sock_connect(deaf, ("127.0.0.1", running.server.port))
        await loop.sock_sendall(deaf, greeting(running, tina))
        assert b"101" in await loop.sock_recv(deaf, 100)
        await loop.sock_sendall(deaf, b"\x81\x90\0\0\0\0" + b'{"type":"start"}')
        first = await begin(socket)
        numbers: list[int] = []
        async with asyncio.timeout(20):
            while running.hub.clients == 2:
                running.hub._take(fact(len(numbers), size=50_000))
                numbers.append((await hear(socket))["n"])
        assert numbers == list(range(first["n"] + 1, first["n"] + 1 + len(numbers)))


async def test_a_client_that_leaves_is_forgotten(running: Running, tina: httpx.AsyncClient):
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await begin(socket)
        assert running.hub.clients == 1
    async with asyncio.timeout(20):
        while running.hub.clients:  # noqa: ASYNC110 - the hub has no event for it
            await asyncio.sleep(0.01)
