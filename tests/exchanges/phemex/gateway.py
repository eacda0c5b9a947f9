"""The data gateway of the local Phemex: one WebSocket for public and private channels.

As the venue documents it: 5 connections, 20 subscriptions each, 20 requests a second; who sends no ping for 30 s is
dropped. `aop_p` needs `user.auth`, and begins with a snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from tests.exchanges.loopback import break_off

if TYPE_CHECKING:
    from tests.exchanges.phemex.server import PhemexServer

CONNECTIONS, SUBSCRIPTIONS, REQUESTS_A_SECOND = 5, 20, 20
SNAPSHOTS_S = 60.0
INVALID, NOT_LOGGED_IN = (6_001, "invalid argument"), (6_012, "invalid login token")
TOO_MANY = (6_015, "subscription limit exceeded")
THROTTLED = (6_016, "request too fast")


class Line:
    """One connection."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.channels: set[str] = set()
        self.user = ""
        self.pinged_s = time.monotonic()
        self.requests: deque[float] = deque(maxlen=REQUESTS_A_SECOND)

    async def say(self, message: dict[str, Any]) -> None:
        """Send, to whom may have gone in the meantime."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self.socket.send_str(json.dumps(message, separators=(",", ":")))


class Gateway:
    """All connections. `silence_s`: how long a client may send no ping."""

    def __init__(self, server: PhemexServer) -> None:
        self._server = server
        self.lines: list[Line] = []
        self.connections = 0
        self.silence_s = 30.0
        self.refuse_logins = False
        self.heard: list[dict[str, Any]] = []
        self.sequence = 68_744
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        """Drop the silent; repeat every book once a minute."""
        told_s = time.monotonic()
        while True:
            await asyncio.sleep(min(0.5, self.silence_s / 4))
            now_s = time.monotonic()
            for line in [line for line in self.lines if now_s - line.pinged_s > self.silence_s]:
                break_off(line.socket)
            if now_s - told_s >= SNAPSHOTS_S:
                told_s = now_s
                await self.repeat_books()

    async def repeat_books(self) -> None:
        """The snapshots that come every minute."""
        for symbol in self._server.public.symbols:
            await self.publish(f"orderbook_p {symbol}", self._server.public.snapshot(symbol))

    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        for line in [line for line in self.lines if channel in line.channels]:
            await line.say(message)

    # the account's stream

    async def flush(self) -> None:
        """Tell the streams what has happened since the last time."""
        room, faults = self._server.room, self._server.faults
        told, room.told = room.told, []
        messages = [self._aop(orders, "incremental") for orders in told]
        for message in faults.told(messages):
            await self.publish("aop_p", message)

    def _aop(self, orders: list[dict[str, Any]], kind: str) -> dict[str, Any]:
        self.sequence += 7
        room = self._server.room
        account = {**room.account(), "accountID": room.account()["accountId"]}
        return {
            "accounts_p": [account],
            "orders_p": orders,
            "positions_p": room.positions(),
            "sequence": self.sequence,
            "timestamp": room.now_ns(),
            "type": kind,
            "version": 0,
        }

    def _first_aop(self) -> dict[str, Any]:
        """Open orders, and up to a hundred closed ones and fills, as events."""
        room = self._server.room
        recs = list(room.recs.values())[-100:]
        return self._aop([rec.update(rec.status) for rec in recs], "snapshot")

    # one connection

    async def serve(self, asked: web.Request) -> web.StreamResponse:
        if self._server.faults.refuse_ws or len(self.lines) >= CONNECTIONS:
            return web.Response(status=503)
        self.connections += 1
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(asked)
        line = Line(socket)
        self.lines.append(line)
        try:
            async for frame in socket:
                if frame.type is WSMsgType.PING:
                    line.pinged_s = time.monotonic()
                    await socket.pong(frame.data)
                elif frame.type is WSMsgType.TEXT:
                    await self._heard(line, frame.data)
        finally:
            self.lines.remove(line)
        return socket

    async def _heard(self, line: Line, text: str) -> None:
        try:
            message = json.loads(text)
            number, method, params = message.get("id"), message["method"], message.get("params", [])
        except (ValueError, KeyError, AttributeError):
            await line.say(_refused(None, INVALID))
            return
        self.heard.append(message)
        now_s = time.monotonic()
        if len(line.requests) == REQUESTS_A_SECOND and now_s - line.requests[0] < 1:
            await line.say(_refused(number, THROTTLED))
            return
        line.requests.append(now_s)
        if method == "server.ping":
            line.pinged_s = now_s
            await line.say({"error": None, "id": number, "result": "pong"})
        elif method == "user.auth":
            await self._log_in(line, number, params)
        elif method.endswith(".unsubscribe"):
            kind = method.removesuffix(".unsubscribe")
            line.channels = {channel for channel in line.channels if channel.partition(" ")[0] != kind}
            await line.say(_done(number))
        else:
            await self._subscribe(line, number, method, params)

    async def _log_in(self, line: Line, number: Any, params: list[Any]) -> None:
        kind, key, signature, expiry = params
        now_s = (time.time_ns() + self._server.room.skew_ns) // 1_000_000_000
        is_timely = now_s < int(expiry) <= now_s + 120
        known = kind == "API" and key in self._server.keys and not self.refuse_logins
        if not known or not is_timely or not self._server.is_signed(key, f"{key}{expiry}".encode(), signature):
            await line.say(_refused(number, NOT_LOGGED_IN))
            return
        line.user = key
        await line.say(_done(number))

    async def _subscribe(self, line: Line, number: Any, method: str, params: list[Any]) -> None:
        channel = self._channel(method.removesuffix(".subscribe"), params) if method.endswith(".subscribe") else ""
        problem = None
        if not channel:
            problem = INVALID
        elif channel == "aop_p" and not line.user:
            problem = NOT_LOGGED_IN
        elif channel not in line.channels and len(line.channels) >= SUBSCRIPTIONS:
            problem = TOO_MANY
        if problem is not None:
            await line.say(_refused(number, problem))
            return
        await line.say(_done(number))
        first = self._first_aop() if channel == "aop_p" else self._server.public.first(channel)
        if first is not None:
            await line.say(first)
        line.channels.add(channel)

    def _channel(self, kind: str, params: list[Any]) -> str:
        """The name of what is subscribed; empty = there is no such thing."""
        if kind in {"aop_p", "perp_market24h_pack_p"}:
            return kind
        symbol = str(params[0]) if params else ""
        if kind == "tick_p":
            return f"{kind} {symbol}" if symbol.startswith(".") else ""
        if symbol not in self._server.public.symbols:
            return ""
        if kind == "kline_p":
            return f"{kind} {symbol} {int(params[1])}" if len(params) > 1 else ""
        return f"{kind} {symbol}" if kind in {"orderbook_p", "trade_p"} else ""


def _done(number: Any) -> dict[str, Any]:
    return {"error": None, "id": number, "result": {"status": "success"}}


def _refused(number: Any, error: tuple[int, str]) -> dict[str, Any]:
    return {"error": {"code": error[0], "message": error[1]}, "id": number, "result": None}
