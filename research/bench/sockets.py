"""Frame read to order written: the live Hyperliquid feed, engine loop and journal between two real sockets.

A process of its own plays the venue: it sends best bids and offers over WebSocket, a millisecond apart, and reads
orders from a TCP socket. The clock starts when a frame has been read off the WebSocket, before it is decoded, and
stops when the order that it caused has been written to the other socket.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from aiohttp import WSMsgType, web

from domain.market import Feed, FeedKind, FeedStatus, MarketEvent
from domain.order import Intent, Place, RequestSnapshot
from domain.ports import Journal
from research.bench import market
from research.bench.journal import Row
from research.bench.live import JOURNALS, SWITCH_INTERVAL_S, InstantVenue, LiveEngine, journal_of, percentiles

GAP_S = 0.001
COIN = "BTC"
_now = time.perf_counter_ns


def run(count: int) -> list[Row]:
    """Latency over `count` frames for each kind of journal."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    rows = []
    for kind, name in JOURNALS.items():
        few = count if kind != "fsync" else max(50, count // 5)
        with journal_of(kind) as journal:
            taken = asyncio.run(session(journal, few))
        p50, p99 = percentiles(taken[len(taken) // 25 :])
        rules = f"{name}; review, gate, limits; real WebSocket and TCP on loopback; {len(taken)} orders, 1 ms apart"
        rows.append(Row(case=f"frame to order p50, {name}", value=p50 / 1e3, unit="us", rules=rules))
        rows.append(Row(case=f"frame to order p99, {name}", value=p99 / 1e3, unit="us", rules=rules))
    return rows


class FrameClock:
    """The feed's clock. The feed reads it right after a frame was read, and before it decodes it."""

    def __init__(self) -> None:
        """No frame yet."""
        self.frame_ns = 0

    def now_ns(self) -> int:
        """Wall time; remembers when it was asked."""
        self.frame_ns = _now()
        return time.time_ns()


class SocketVenue(InstantVenue):
    """Writes each order to a socket; answers as if the venue had filled it."""

    writer: asyncio.StreamWriter

    def send(self, intents: Sequence[Intent]) -> None:
        """Write first, answer afterwards."""
        for intent in intents:
            if isinstance(intent, Place):
                order = {"cid": intent.cid, "side": intent.side, "price": intent.price, "qty": intent.qty}
                self.writer.write(json.dumps(order).encode() + b"\n")
                self.sent[int(intent.cid.split("-")[2], 16)] = _now()
                self._fill(intent)
            elif isinstance(intent, RequestSnapshot):
                super().send((intent,))


async def session(journal: Journal | None, count: int) -> list[int]:
    """One engine between the two sockets; returns frame read to order written (ns) of every order."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, count), daemon=True)
    process.start()
    try:
        ws_port, tcp_port = await asyncio.to_thread(ours.recv)
        return await _trade(journal, count, ws_port, tcp_port)
    finally:
        process.terminate()
        process.join(5)


async def _trade(journal: Journal | None, count: int, ws_port: int, tcp_port: int) -> list[int]:
    live = LiveEngine(journal, count)
    venue = SocketVenue(live.loop.put)
    _, venue.writer = await asyncio.open_connection("127.0.0.1", tcp_port)
    live.send = venue.send
    engine = await live.start()
    clock, read = FrameClock(), list[tuple[MarketEvent, int]]()

    def sink(event: MarketEvent | FeedStatus) -> None:
        if not isinstance(event, FeedStatus):
            read.append((event, clock.frame_ns))
            live.loop.put(event)

    feed = _feed(clock, f"ws://127.0.0.1:{ws_port}/ws")
    await feed.start(sink, [Feed(kind=FeedKind.BBO, instrument=market.BTC.id)])
    await live.settled()
    await feed.aclose()
    engine.cancel()
    await asyncio.gather(engine, return_exceptions=True)
    venue.writer.close()
    live.check(venue)
    return [venue.sent[event.seq] - at_ns for event, at_ns in read if event.seq in venue.sent]


def _feed(clock: FrameClock, url: str) -> Any:  # noqa: ANN401 - imported by name: research does not build on this venue
    feed = importlib.import_module("exchanges.hyperliquid.feed")
    config = importlib.import_module("exchanges.hyperliquid.config")
    settings = config.HyperliquidConfig(ws_url=url, api_url=url)
    return feed.HyperliquidFeed(settings, clock, (market.BTC,), {market.BTC.id: COIN})


def serve(ports: Connection, count: int) -> None:
    """The venue's process."""
    asyncio.run(_serve(ports, count))


async def _serve(ports: Connection, count: int) -> None:
    orders = await asyncio.start_server(_read_orders, "127.0.0.1", 0)
    app = web.Application()
    app["count"] = count
    app.router.add_get("/ws", _stream)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    ports.send((runner.addresses[0][1], orders.sockets[0].getsockname()[1]))
    await asyncio.Event().wait()


async def _read_orders(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.readline():
        pass


async def _stream(request: web.Request) -> web.WebSocketResponse:
    """Confirm subscriptions, and send quotes that move by a tick to and fro."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    confirming = asyncio.create_task(_confirm(socket))
    await asyncio.sleep(0.5)
    for number in range(request.app["count"]):
        bid = 50_000.0 + number % 2 / 10
        sides = [{"px": f"{bid + side / 10:.1f}", "sz": "5.0", "n": 3} for side in range(2)]
        data = {"coin": COIN, "time": time.time_ns() // 1_000_000, "bbo": sides}
        await socket.send_str(json.dumps({"channel": "bbo", "data": data}))
        await asyncio.sleep(GAP_S)
    await confirming
    return socket


async def _confirm(socket: web.WebSocketResponse) -> None:
    """Answer every subscription as the venue does."""
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            asked = json.loads(message.data)
            if asked.get("method") == "subscribe":
                await socket.send_str(json.dumps({"channel": "subscriptionResponse", "data": asked}))
