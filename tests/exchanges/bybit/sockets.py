"""The WebSockets of the local Bybit: `/v5/public/linear`, `/v5/private` and `/v5/trade`.

public   subscribe: orderbook.1/50/200/1000, publicTrade, tickers, kline
private  auth, subscribe: order, execution, position, wallet, dcp.future
trade    auth, order.create / amend / cancel, and each with -batch
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from tests.exchanges.bybit import records
from tests.exchanges.bybit.exchange_room import Refused
from tests.exchanges.bybit.market import INTERVALS, MINUTE_MS, Market
from tests.exchanges.bybit.records import MS

if TYPE_CHECKING:
    from tests.exchanges.bybit.server import Server

DEPTHS = {"1": 1, "50": 50, "200": 200, "1000": 1_000}
PRIVATE = {"order", "execution", "position", "wallet", "dcp.future"}
DCP = "dcp.future"
MAX_ARGS_CHARS = 21_000
Message = dict[str, Any]


@dataclass(eq=False)
class Peer:
    """One WebSocket: its kind (public, private, trade), who has logged in, what it has subscribed to."""

    socket: web.WebSocketResponse | None
    kind: str
    name: str
    user: str = ""
    topics: set[str] = field(default_factory=set)

    async def tell(self, message: Message) -> None:
        """Send, to whom may have gone in the meantime."""
        with contextlib.suppress(ConnectionError):
            if self.socket is not None and not self.socket.closed:
                await self.socket.send_json(message)


class Talk:
    """Listens to every peer of a server, and tells them what they have subscribed to."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._timers: list[asyncio.TimerHandle] = []
        self._told: dict[tuple[str, str], int] = {}
        """Start of the candle told last, by symbol and interval."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the peers say."""
        while not condition():
            self._heard.clear()
            await self._heard.wait()

    def close(self) -> None:
        """Forget what was to happen later."""
        for timer in self._timers:
            timer.cancel()

    # doors

    async def public(self, asked: web.Request) -> web.StreamResponse:
        return await self._listen(asked, "public", self._on_public)

    async def private(self, asked: web.Request) -> web.StreamResponse:
        return await self._listen(asked, "private", self._on_private)

    async def trade(self, asked: web.Request) -> web.StreamResponse:
        return await self._listen(asked, "trade", self._on_trade)

    async def _listen(
        self, asked: web.Request, kind: str, on: Callable[[Peer, Message], Awaitable[None]]
    ) -> web.StreamResponse:
        server = self.server
        if server.faults.refuse_ws or (kind == "trade" and server.faults.refuse_trade_ws):
            return web.Response(status=503)
        server.connections += 1
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(asked)
        peer = Peer(socket, kind, f"conn-{server.connections}")
        server.peers.add(peer)
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await on(peer, json.loads(frame.data))
                    self._heard.set()
        finally:
            server.peers.discard(peer)
            self._gone(peer)
        return socket

    # public

    async def _on_public(self, peer: Peer, message: Message) -> None:
        reply = {"conn_id": peer.name, "req_id": str(message.get("req_id", "")), "op": message.get("op")}
        if message.get("op") == "ping":
            await peer.tell({"success": True, "ret_msg": "pong", **reply})
        elif message.get("op") in {"subscribe", "unsubscribe"}:
            topics = [str(topic) for topic in message.get("args", [])]
            problem = next((text for text in map(self._unknown, topics) if text), "")
            if len(json.dumps(topics)) > MAX_ARGS_CHARS:
                problem = "args size >21000"
            if problem:
                await peer.tell({"success": False, "ret_msg": problem, **reply})
                return
            await peer.tell({"success": True, "ret_msg": "", **reply})
            for topic in topics:
                if message["op"] == "subscribe":
                    peer.topics.add(topic)
                    await self._greet(peer, topic)
                else:
                    peer.topics.discard(topic)
        else:
            await peer.tell({"success": False, "ret_msg": "error:invalid op", **reply})

    def _unknown(self, topic: str) -> str:
        name, *middle, symbol = topic.split(".") if "." in topic else (topic, "")
        known = {"orderbook": list(DEPTHS), "kline": list(INTERVALS), "publicTrade": [], "tickers": []}
        if name not in known or len(middle) != bool(known[name]) or (middle and middle[0] not in known[name]):
            return f"error:handler not found,topic:{topic}"
        return "" if symbol in self.server.markets else f"Invalid symbol :[{topic}]"

    async def _greet(self, peer: Peer, topic: str) -> None:
        """What comes right after subscribing."""
        name, *middle, symbol = topic.split(".")
        market, now_ms = self.server.markets[symbol], self.server.room.now_ns() // MS
        if name == "orderbook" and any(market.book):
            await peer.tell({"topic": topic, **market.snapshot(DEPTHS[middle[0]], now_ms)})
        elif name == "tickers":
            mark = self.server.room.exchange.floor.mark(market.instrument.id)
            told = {"data": market.ticker(mark, now_ms), "cs": market.seq, "ts": now_ms}
            await peer.tell({"topic": topic, "type": "snapshot", **told})

    async def _publish(self, topic: str, message: Message) -> None:
        for peer in list(self.server.peers):
            if topic in peer.topics:
                await peer.tell({"topic": topic, **message})

    async def book(self, market: Market, change: Message) -> None:
        """A change of a book, to every depth; the first level comes as snapshots only."""
        symbol = market.instrument.venue_symbol
        for name, depth in DEPTHS.items():
            told = market.snapshot(1, change["ts"]) if depth == 1 else change
            await self._publish(f"orderbook.{name}.{symbol}", told)

    async def trades(self, market: Market, trades: list[Message], now_ms: int) -> None:
        """Public trades."""
        message = {"type": "snapshot", "ts": now_ms, "data": trades}
        await self._publish(f"publicTrade.{market.instrument.venue_symbol}", message)

    async def ticker(self, market: Market, now_ms: int) -> None:
        """What may have changed of the ticker."""
        symbol = market.instrument.venue_symbol
        told = market.ticker(self.server.room.exchange.floor.mark(market.instrument.id), now_ms)
        names = ("symbol", "markPrice", "lastPrice", "bid1Price", "bid1Size", "ask1Price", "ask1Size", "fundingRate")
        data = {name: told[name] for name in names}
        await self._publish(f"tickers.{symbol}", {"type": "delta", "data": data, "cs": market.seq, "ts": now_ms})

    async def candles(self, market: Market, now_ms: int) -> None:
        """Candles that have closed since the last time, and the running ones."""
        symbol = market.instrument.venue_symbol
        for interval, minutes in INTERVALS.items():
            topic, start_ms = f"kline.{interval}.{symbol}", now_ms // (minutes * MINUTE_MS) * minutes * MINUTE_MS
            before_ms = self._told.get((symbol, interval), start_ms)
            self._told[symbol, interval] = start_ms
            if not market.first or not any(topic in peer.topics for peer in self.server.peers):
                continue
            told = []
            if before_ms < start_ms:
                told = [market.running(interval, start_ms - 1) | {"confirm": True, "timestamp": now_ms}]
            for data in [*told, market.running(interval, now_ms)]:
                await self._publish(topic, {"type": "snapshot", "ts": now_ms, "data": [data]})

    # private

    async def _on_private(self, peer: Peer, message: Message) -> None:
        op, reply = message.get("op"), {"conn_id": peer.name, "req_id": str(message.get("req_id", ""))}
        if op == "ping":
            stamp = str(self.server.room.now_ns() // MS)
            await peer.tell({**reply, "op": "pong", "args": [stamp]})
        elif op == "auth":
            try:
                peer.user = self.server.gate.login(message.get("args", [])).user
                await peer.tell({"success": True, "ret_msg": "", "op": "auth", **reply})
            except Refused as refused:
                await peer.tell({"success": False, "ret_msg": refused.text, "op": "auth", **reply})
        elif op == "subscribe" and peer.user:
            unknown = [topic for topic in message.get("args", []) if topic not in PRIVATE]
            if unknown:
                text = f"error:handler not found,topic:{unknown[0]}"
                await peer.tell({"success": False, "ret_msg": text, "op": op, **reply})
                return
            peer.topics.update(message.get("args", []))
            if DCP in peer.topics and self.server.reader.dcp_s:
                self.server.room.arm(peer.user, 0)
            await peer.tell({"success": True, "ret_msg": "", "op": op, **reply})
        else:
            text = "Request not authorized" if op == "subscribe" else "error:invalid op"
            await peer.tell({"success": False, "ret_msg": text, "op": op, **reply})

    async def account(self, user: str, topic: str, data: Message) -> None:
        """Something of an account, to its own."""
        room = self.server.room
        name = f"{user}{records.uid(room.next())}"
        message = {"id": name, "topic": topic, "creationTime": room.now_ns() // MS, "data": [data]}
        for peer in list(self.server.peers):
            if peer.user == user and topic in peer.topics:
                await peer.tell(message)

    def _gone(self, peer: Peer) -> None:
        """Disconnection protection: when the last one that it watches is gone, a clock runs."""
        server, window_s = self.server, self.server.reader.dcp_s
        others = any(DCP in other.topics and other.user == peer.user for other in server.peers)
        if DCP in peer.topics and window_s and not others:
            server.room.arm(peer.user, server.room.now_ns() + window_s * 10**9)
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(window_s + 0.05, self._fire))

    def _fire(self) -> None:
        self.server.room.pass_time()
        task = asyncio.create_task(self.server.flush())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # trade

    async def _on_trade(self, peer: Peer, message: Message) -> None:
        op, server = str(message.get("op")), self.server
        reply = {"reqId": str(message.get("reqId", "")), "op": op, "connId": peer.name}
        if op == "ping":
            stamp = str(server.room.now_ns() // MS)
            await peer.tell({"retCode": 0, "retMsg": "OK", "op": "pong", "data": [stamp], "connId": peer.name})
        elif op == "auth":
            try:
                key = server.gate.login(message.get("args", []))
            except Refused as refused:
                await peer.tell({**reply, "retCode": refused.code, "retMsg": refused.text})
                return
            peer.user = "" if key.read_only else key.user
            await peer.tell({**reply, "retCode": 0, "retMsg": "OK"})
        elif not op.startswith("order.") or op.removeprefix("order.") == "cancel-all":
            await peer.tell({**reply, "retCode": 10001, "retMsg": "op invalid", "data": {}, "retExtInfo": {}})
        else:
            await self._ordered(peer, op.removeprefix("order."), message, reply)

    async def _ordered(self, peer: Peer, name: str, message: Message, reply: Message) -> None:
        server, header = self.server, message.get("header", {})
        blank: Message = {"data": {}, "retExtInfo": {}, "header": {}}
        args = message.get("args") or [{}]
        try:
            if not peer.user:
                raise Refused(10005, "Permission denied, please check your API key permissions.")
            server.gate.on_time(header.get("X-BAPI-TIMESTAMP", ""), header.get("X-BAPI-RECV-WINDOW", "5000"))
        except Refused as refused:
            await peer.tell({**reply, "retCode": refused.code, "retMsg": refused.text, **blank})
            return
        server.headers.append({**header})
        status, answer, limits = await server.acted(peer.user, name, args[0], "ws")
        if answer is not None:
            told = {"retCode": answer["retCode"], "retMsg": answer["retMsg"], "data": answer["result"],
                    "retExtInfo": answer["retExtInfo"],
                    "header": {**limits, "Traceid": "0", "Timenow": str(answer["time"])}}  # fmt: skip
            for _ in range(1 + server.faults.duplicate):
                await peer.tell({**reply, **told})
        elif status:
            text = {429: "System level frequency protection"}.get(status, "Server error, please try again later")
            code = 10429 if status == 429 else 10016
            await peer.tell({**reply, "retCode": code, "retMsg": text, **blank})
        await server.flush()
