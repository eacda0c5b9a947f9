"""The live feed: a snapshot, then facts without a gap, in decimals."""

import asyncio
from typing import Any

import aiohttp
import httpx
import pytest

from domain.commands import Actor, Door, Halt
from gateway import feed
from tests.gateway.conftest import Running

TINA = Actor(person="tina", door=Door.DASHBOARD)


async def frames(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        return [await socket.receive_json() for _ in range(count)]


def connect(running: Running, client: httpx.AsyncClient, http: aiohttp.ClientSession) -> Any:
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return http.ws_connect(f"{running.url}/ws/feed", headers={"Cookie": cookie, **running.origin})


async def test_a_snapshot_comes_first_and_then_every_fact_without_a_gap(running: Running, tina: httpx.AsyncClient):
    desk = running.engine.desk
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        [first] = await frames(socket, 1)
        assert (first["n"], first["type"], first["missed"]) == (0, "snapshot", 0)
        assert first["data"]["status"]["seq"] == desk.status().seq
        async with desk.facts() as facts:
            running.engine.play(30)
            await desk.submit(Halt(reason="test"), TINA)
            expected = [(fact.seq, fact.index) for fact in facts._unread]
        assert len(expected) > 20
        received = await frames(socket, len(expected))
    assert [frame["n"] for frame in received] == list(range(1, len(expected) + 1))
    assert [(frame["data"]["seq"], frame["data"]["index"]) for frame in received] == expected
    assert received[-1]["data"]["type"] == "command_done"


async def test_prices_and_quantities_are_decimals(running: Running, tina: httpx.AsyncClient):
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await frames(socket, 1)
        async with running.engine.desk.facts() as facts:
            running.engine.play(60)
            received = await frames(socket, len(facts._unread))
    fill = next(frame["data"] for frame in received if frame["data"]["type"] == "fill")
    row = next(row for row in running.engine.desk.trades(1000) if row.fill_id == fill["fill_id"])
    assert (fill["price"], fill["qty"]) == (str(row.price), str(row.qty))
    order = next(frame["data"] for frame in received if frame["data"]["type"] == "order")
    assert "." in order["price"]
    assert "." in order["filled"]


async def test_a_reader_that_is_too_slow_gets_a_new_snapshot_that_says_how_much_it_missed(
    running: Running, tina: httpx.AsyncClient
):
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await frames(socket, 1)
        running.engine.play(1)
        [reader] = [reader for reader in running.engine.desk.readers if reader._limit == feed.KEPT_FACTS]
        async with running.engine.desk.facts(10**6) as everything:
            running.engine.play(600)
            published = len(everything._unread)
        missed = reader.missed
        assert missed > 0
        received = await frames(socket, 1)
        while received[-1]["type"] != "snapshot":
            received += await frames(socket, 1)
        assert received[-1]["missed"] == missed < published
        assert received[-1]["data"]["status"]["seq"] == running.engine.desk.status().seq
        assert [frame["n"] for frame in received] == list(range(1, len(received) + 1))
        await running.engine.desk.submit(Halt(reason="test"), TINA)
        # what the snapshot already holds is not told again
        [after] = await frames(socket, 1)
        assert after["data"]["seq"] > received[-1]["data"]["status"]["seq"]


async def test_the_feed_ends_with_its_session(
    running: Running, tina: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feed, "SESSION_CHECK_S", 0.05)
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await frames(socket, 1)
        assert (await tina.post("/logout", headers=running.origin)).status_code == 303
        async with asyncio.timeout(30):
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4401


async def test_a_client_that_leaves_is_forgotten(running: Running, tina: httpx.AsyncClient):
    before = len(running.engine.desk.readers)
    async with aiohttp.ClientSession() as http, connect(running, tina, http) as socket:
        await frames(socket, 1)
        assert len(running.engine.desk.readers) == before + 1
    async with asyncio.timeout(30):
        while len(running.engine.desk.readers) > before:  # noqa: ASYNC110 - the desk has no event for it
            await asyncio.sleep(0.02)
