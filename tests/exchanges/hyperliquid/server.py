"""A local Hyperliquid: the public WebSocket and POST /info, with faults on demand.

It speaks what the recorded payloads show: subscriptionResponse echoes, l2Book, bbo, trades, candle,
activeAssetCtx, pong, error. Proved only against these recordings, never against the venue itself.
"""

import asyncio
import json
from typing import Any, Self

from aiohttp import WSMsgType, web

from tests.exchanges.loopback import break_off

NOW_MS = 1_737_918_843_000


def level(px: str, sz: str, n: int = 1) -> dict[str, Any]:
    return {"px": px, "sz": sz, "n": n}


def book(time: int, bid: str = "105055.0", ask: str = "105056.0", coin: str = "BTC") -> dict[str, Any]:
    levels = [[level(bid, "3.03622", 5), level("105050.0", "3.94526", 10)], [level(ask, "6.34472", 13)]]
    return {"channel": "l2Book", "data": {"coin": coin, "time": time, "levels": levels}}


def bbo(time: int, bid: str = "105055.0", ask: str = "105056.0", coin: str = "BTC") -> dict[str, Any]:
    return {"channel": "bbo", "data": {"coin": coin, "time": time, "bbo": [level(bid, "2.0"), level(ask, "1.5")]}}


def trade(time: int, tid: int, side: str = "B", px: str = "105056.0", sz: str = "0.00219") -> dict[str, Any]:
    return {
        "coin": "BTC",
        "side": side,
        "px": px,
        "sz": sz,
        "time": time,
        "hash": "0x0",
        "tid": tid,
        "users": ["0x1", "0x2"],
    }


def trades(*of: dict[str, Any]) -> dict[str, Any]:
    return {"channel": "trades", "data": list(of)}


def candle(opened: int, close: str = "105050.0", interval: str = "1m", length: int = 60_000) -> dict[str, Any]:
    prices = {"o": "105040.0", "h": "105060.0", "l": "105030.0", "c": close}
    return {"t": opened, "T": opened + length - 1, "s": "BTC", "i": interval, **prices, "v": "12.5", "n": 40}


def funding(time: int, rate: str = "0.0000125") -> dict[str, Any]:
    return {"coin": "BTC", "fundingRate": rate, "premium": "0.0001", "time": time}


def context(mark: str = "105055.5", funding: str = "0.0000125") -> dict[str, Any]:
    ctx = {"markPx": mark, "funding": funding, "midPx": None, "oraclePx": "105050.0", "openInterest": "1.0",
           "prevDayPx": "1", "dayNtlVlm": "1", "premium": None, "impactPxs": None}  # fmt: skip
    return {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": ctx}}


META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 25, "onlyIsolated": None, "isDelisted": None},
        {"name": "GONE", "szDecimals": 0, "maxLeverage": 3, "isDelisted": True},
    ]
}


class LocalVenue:
    """`async with LocalVenue() as venue:` serves on a free port of loopback."""

    def __init__(self) -> None:
        self.refuse = False
        """Answer the WebSocket handshake with 503."""
        self.mute = False
        """Confirm nothing and answer no ping."""
        self.confirm_after_s = 0.0
        self.on_subscribe: dict[str, list[dict[str, Any]]] = {}
        """Messages sent right after the confirmation, by subscription type."""
        self.candles: list[dict[str, Any]] = []
        self.funding: list[dict[str, Any]] = []
        self.info_status: list[int] = []
        """HTTP statuses of the next answers of POST /info."""
        self.info_bodies: dict[str, bytes] = {}
        self.asked: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self.connections = 0
        self.sockets: list[web.WebSocketResponse] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/ws", self._ws)
        app.router.add_post("/info", self._info)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws") + "/ws"

    def subscribed(self) -> list[dict[str, Any]]:
        return [message["subscription"] for message in self.received if message["method"] == "subscribe"]

    async def push(self, *messages: dict[str, Any] | str | bytes) -> None:
        """Send frames to everybody: objects as JSON, text and bytes as they are."""
        for socket in self.sockets:
            for message in messages:
                if isinstance(message, bytes):
                    await socket.send_bytes(message)
                else:
                    await socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def drop(self) -> None:
        """Close every connection."""
        for socket in list(self.sockets):
            await socket.close()

    def cut(self) -> None:
        """Break every connection without a word."""
        for socket in list(self.sockets):
            break_off(socket)

    async def _ws(self, asked: web.Request) -> web.StreamResponse:
        self.connections += 1
        if self.refuse:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(asked)
        self.sockets.append(socket)
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT and not self.mute:
                    await self._answer(socket, json.loads(frame.data))
        finally:
            self.sockets.remove(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        self.received.append(message)
        if message["method"] == "ping":
            await socket.send_json({"channel": "pong"})
            return
        await asyncio.sleep(self.confirm_after_s)
        wanted = dict(message["subscription"])
        if wanted.get("coin") == "NOPE":
            await socket.send_json({"channel": "error", "data": f"Invalid subscription {json.dumps(wanted)}"})
            return
        if wanted["type"] == "l2Book":
            wanted |= {"nSigFigs": None, "mantissa": None}
        data = {"method": "subscribe", "subscription": wanted}
        await socket.send_json({"channel": "subscriptionResponse", "data": data})
        for follow in self.on_subscribe.get(wanted["type"], []):
            await socket.send_json(follow)

    async def _info(self, asked: web.Request) -> web.Response:
        question = await asked.json()
        self.asked.append(question)
        if self.info_status:
            status = self.info_status.pop(0)
            if status != 200:
                return web.Response(status=status, text="busy")
        if question["type"] in self.info_bodies:
            return web.Response(body=self.info_bodies[question["type"]])
        if question["type"] == "candleSnapshot":
            span = question["req"]
            inside = [
                c for c in self.candles if span["startTime"] <= c["t"] <= span["endTime"] and c["i"] == span["interval"]
            ]
            return web.json_response(inside)
        if question["type"] == "fundingHistory":
            first, last = question["startTime"], question["endTime"]
            return web.json_response([rate for rate in self.funding if first <= rate["time"] <= last][:500])
        return web.json_response(META if question["type"] == "meta" else book(NOW_MS)["data"])
