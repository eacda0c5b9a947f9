"""A local Binance USDⓈ-M that trades: REST, the WebSocket API, public and user data streams, with faults on demand.

Signatures, timestamps, weights and order counts are enforced as the venue documents them. What a request does is in
`room` and `public`. Proved against recordings, documentation and plain ccxt, never against the venue itself.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import WSMsgType, web

from domain.instrument import Instrument
from domain.market import Book, MarketEvent
from tests.exchanges.binance.private import carry_out
from tests.exchanges.binance.public import Public
from tests.exchanges.binance.room import Room
from tests.exchanges.binance.venue_rules import (
    API_KEY,
    RATE_LIMITS,
    SECRET,
    WEIGHT_A_MINUTE,
    WEIGHTS,
    Refusal,
    exchange_info,
)

SOCKET_METHODS = {
    "order.place": ("POST", "order"), "order.modify": ("PUT", "order"), "order.cancel": ("DELETE", "order"),
    "order.status": ("GET", "order"), "algoOrder.place": ("POST", "algoOrder"),
    "algoOrder.cancel": ("DELETE", "algoOrder"), "v2/account.position": ("GET", "positionRisk"),
}  # fmt: skip
PUBLIC_PATHS = {
    "time",
    "exchangeInfo",
    "depth",
    "klines",
    "aggTrades",
    "fundingRate",
    "fundingInfo",
    "premiumIndex",
    "ping",
}
ACTS = {"order", "batchOrders", "algoOrder"}


class Faults:
    """What goes wrong, while it is set; counts go down with every request for orders that they hit."""

    def __init__(self) -> None:
        self.lose_requests = 0
        self.drop_answers = 0
        self.mute_streams = False
        self.duplicate = False
        self.statuses: list[int] = []
        """HTTP statuses of the next requests for orders, over either road; they are then not carried out."""
        self.bodies: dict[int, str] = {}
        """What is said with such a status, when it is not JSON of the venue."""
        self.refuse_ws = False
        self.streams_first = False
        self.shuffle: random.Random | None = None
        """Messages of the streams come in any order."""
        self.deaf = False
        """New WebSockets answer no ping: the line is dead and nobody says so."""
        self.lose_deltas = 0
        """So many book updates are lost on the way."""


class BinanceServer:
    """`async with BinanceServer() as venue:` serves on a free port of loopback."""

    def __init__(
        self, cash: str = "100000", port: int = 0, others: Mapping[str, tuple[str, str]] | None = None
    ) -> None:
        """`others`: more accounts, secret and cash by API key."""
        others = others or {}
        self.room = Room(cash, {key: deposit for key, (_, deposit) in others.items()})
        self.public = Public(self.room.instruments)
        self.faults = Faults()
        self.keys = {API_KEY: SECRET, **{key: secret for key, (secret, _) in others.items()}}
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        """Of every signed request over REST."""
        self.frames: list[str] = []
        """Everything that a WebSocket was sent."""
        self.connections: list[str] = []
        self.listen_keys: dict[str, str] = {}
        self.kept_alive = 0
        self.weight_limit = WEIGHT_A_MINUTE
        self._weights: list[tuple[float, int]] = []
        self._orders: list[float] = []
        self._refused = 0
        self._sockets: dict[web.WebSocketResponse, tuple[str, set[str]]] = {}
        self._port = port
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/ws-fapi/v1", self._orders_ws)
        app.router.add_get("/private/ws", self._private_ws)
        for kind in ("public", "market"):
            app.router.add_get(f"/{kind}/ws{{number:.*}}", self._public_ws)
        app.router.add_route("*", "/fapi/{version}/{path:.*}", self._rest)
        app.router.add_route("*", "/sapi/v1/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Nobody answers any more."""
        for socket in list(self._sockets):
            await socket.close()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def instruments(self) -> Sequence[Instrument]:
        return self.room.instruments

    @property
    def bars(self) -> Any:
        return self.public.bars

    @bars.setter
    def bars(self, bars: Any) -> None:
        self.public.bars = bars

    def cut(self, kind: str = "") -> None:
        """Break every connection (of a kind) without a word."""
        for socket, (name, _) in list(self._sockets.items()):
            transport = socket._req.transport if socket._req else None
            if transport is not None and kind in {"", name}:
                transport.abort()

    # the market

    async def market(self, event: MarketEvent) -> None:
        """Move the market; whatever it fills is told, and everybody sees it."""
        now = self.room.now_ns()
        self.room.exchange.on_market(event, now)
        self.room.digest(self.room.exchange.poll(now))
        await self.flush()
        for stream, message in self.public.tell(event):
            if self.faults.lose_deltas and stream.endswith("@depth"):
                self.faults.lose_deltas -= 1
                continue
            for socket, (_, streams) in list(self._sockets.items()):
                if stream in streams or f"{stream}@100ms" in streams or f"{stream}@0ms" in streams:
                    await tell(socket, message)

    async def quote(self, bid: str, ask: str, size: str = "10", base: str = "BTC") -> None:
        i = next(i for i in self.room.instruments if i.base == base)
        bids, asks = ((i.price(bid), i.qty(size)),), ((i.price(ask), i.qty(size)),)
        await self.market(Book(instrument=i.id, bids=bids, asks=asks))

    async def flush(self) -> None:
        """Tell the user data streams what has happened since the last time."""
        streams, self.room.streams = self.room.streams, []
        if self.faults.shuffle is not None:
            self.faults.shuffle.shuffle(streams)
        if self.faults.mute_streams:
            return
        for user, message in streams:
            for socket, (kind, keys) in list(self._sockets.items()):
                for _ in range(1 + self.faults.duplicate):
                    if kind == "private" and user in keys:
                        await tell(socket, message)

    async def expire_listen_keys(self) -> None:
        """What happens after an hour without a sign of life."""
        for socket, (kind, _) in list(self._sockets.items()):
            if kind == "private":
                await tell(socket, {"e": "listenKeyExpired", "E": self.room.now_ms, "listenKey": "-"})
        self.listen_keys.clear()

    # requests

    def _verified(self, api_key: str, payload: str, params: dict[str, Any]) -> str:
        """Whose signed request this is."""
        if api_key not in self.keys:
            raise Refusal(-2015, "Invalid API-key, IP, or permissions for action, request ip: 127.0.0.1", 401)
        for name in ("signature", "timestamp"):
            if name not in params:
                raise Refusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        expected = hmac.new(self.keys[api_key].encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, params["signature"]):
            raise Refusal(-1022, "Signature for this request is not valid.")
        window, now_ms, at_ms = int(params.get("recvWindow", 5_000)), self.room.now_ms, int(params["timestamp"])
        if window > 60_000:
            raise Refusal(-1131, "recvWindow must be less than 60000")
        if at_ms > now_ms + 1_000:
            raise Refusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if at_ms < now_ms - window:
            raise Refusal(-1021, "Timestamp for this request is outside of the recvWindow.")
        return api_key

    def _weigh(self, path: str, params: dict[str, Any], orders: int) -> dict[str, str]:
        """Count, and refuse what is too much; the headers say how much was used."""
        now = time.monotonic()
        self._weights = [(at, weight) for at, weight in self._weights if at > now - 60]
        self._orders = [at for at in self._orders if at > now - 60]
        weight = 1 if path.startswith("open") and "symbol" in params else WEIGHTS.get(path, 1)
        used = sum(weight for _, weight in self._weights)
        if used + weight > self.weight_limit:
            self._refused += 1
            status = 418 if self._refused > 10 else 429
            raise Refusal(
                -1003, f"Too many requests; current limit is {self.weight_limit} requests per minute.", status
            )
        if len([at for at in self._orders if at > now - 10]) + orders > 300 or len(self._orders) + orders > 1_200:
            raise Refusal(-1015, "Too many new orders; current limit is 300 orders per 10 seconds.", 429)
        self._weights.append((now, weight))
        self._orders += [now] * orders
        counts = {"X-MBX-USED-WEIGHT-1M": str(used + weight)}
        if orders:
            counts["X-MBX-ORDER-COUNT-10S"] = str(len([at for at in self._orders if at > now - 10]))
            counts["X-MBX-ORDER-COUNT-1M"] = str(len(self._orders))
        return counts

    async def _requested(
        self, road: str, method: str, path: str, params: dict[str, Any], api_key: str, payload: str
    ) -> tuple[int, dict[str, str], Any]:
        """HTTP status (0 = no answer at all), headers and answer."""
        self.asked.append((method, path))
        faults, is_act = self.faults, path in ACTS and method != "GET"
        if is_act and faults.statuses:
            status = faults.statuses.pop(0)
            if status != 200:
                said = {
                    429: (-1003, "Too many requests."),
                    503: (-1000, "Unknown error, please check your request or try again later."),
                }
                code, msg = said.get(
                    status, (-1001, "Internal error; unable to process your request. Please try again.")
                )
                again = {"Retry-After": "1"} if status == 429 else {}
                return status, again, faults.bodies.get(status, {"code": code, "msg": msg})
        if is_act and faults.lose_requests:
            faults.lose_requests -= 1
            return 0, {}, None
        headers: dict[str, str] = {}
        try:
            self.room.expire_countdowns()
            orders = len(params.get("batchOrders", "1")[:1]) if method == "POST" and is_act else 0
            headers = self._weigh(path, params, orders)
            answer: Any
            if path in PUBLIC_PATHS:
                answer = self._told(path, params)
            elif path == "listenKey":
                answer = self._listen_key(method, api_key)
            else:
                user = self._verified(api_key, payload, params)
                if method != "GET":
                    self.room.seen.append({"road": road, "method": method, "path": path, **params})
                answer = carry_out(self.room, method, path, user, params)
            status = 200
        except Refusal as refusal:
            status, answer = refusal.status, {"code": refusal.code, "msg": refusal.msg}
            if status in {418, 429}:
                headers = {**headers, "Retry-After": "1"}
        except KeyError as error:
            status, answer = (
                400,
                {"code": -1102, "msg": f"Mandatory parameter {error} was not sent, was empty/null, or malformed."},
            )
        if is_act and faults.drop_answers:
            faults.drop_answers -= 1
            return 0, headers, None
        return status, headers, answer

    def _told(self, path: str, params: dict[str, Any]) -> Any:
        if path == "ping":
            return {}
        if path == "time":
            return {"serverTime": self.room.now_ms}
        return exchange_info(self.room.now_ms) if path == "exchangeInfo" else self.public.answer(path, params)

    def _listen_key(self, method: str, api_key: str) -> dict[str, str]:
        if api_key not in self.keys:
            raise Refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        if method == "PUT":
            self.kept_alive += 1
            if api_key not in self.listen_keys.values():
                raise Refusal(-1125, "This listenKey does not exist.")
            return {}
        key = secrets.token_hex(32)
        self.listen_keys[key] = api_key
        return {"listenKey": key}

    # the doors

    async def _rest(self, asked: web.Request) -> web.StreamResponse:
        payload = asked.rel_url.raw_query_string + await asked.text()
        unsigned = payload.partition("&signature=")[0]
        params = dict(pair.partition("=")[::2] for pair in payload.split("&") if pair)
        params = {name: unquote(value.replace("+", " ")) for name, value in params.items()}
        api_key = asked.headers.get("X-MBX-APIKEY", "")
        self.headers.append(dict(asked.headers))
        status, headers, answer = await self._requested(
            "rest", asked.method, asked.match_info["path"], params, api_key, unsigned
        )
        if self.faults.streams_first or asked.method == "GET":
            await self.flush()
        if status == 0:
            assert asked.transport is not None
            asked.transport.abort()
            await self.flush()
            return web.Response()
        if isinstance(answer, str):
            return web.Response(status=status, text=answer)
        asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(self.flush()))
        return web.json_response(answer, status=status, headers=headers)

    async def _orders_ws(self, asked: web.Request) -> web.StreamResponse:
        return await self._serve(asked, "orders", set())

    async def _private_ws(self, asked: web.Request) -> web.StreamResponse:
        user = self.listen_keys.get(asked.query.get("listenKey", ""))
        if user is None:
            return web.Response(status=400, text="invalid listenKey")
        return await self._serve(asked, "private", {user})

    async def _public_ws(self, asked: web.Request) -> web.StreamResponse:
        return await self._serve(asked, asked.path.split("/")[1], set())

    async def _serve(self, asked: web.Request, kind: str, streams: set[str]) -> web.StreamResponse:
        if self.faults.refuse_ws:
            return web.Response(status=503)
        self.connections.append(kind)
        socket = web.WebSocketResponse(compress=False, autoping=not self.faults.deaf)
        await socket.prepare(asked)
        self._sockets[socket] = (kind, streams)
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self.frames.append(frame.data)
                    message = json.loads(frame.data)
                    if kind == "orders":
                        await self._posted(socket, message)
                    else:
                        await self._heard(socket, message, streams)
        finally:
            del self._sockets[socket]
        return socket

    async def _heard(self, socket: web.WebSocketResponse, message: dict[str, Any], streams: set[str]) -> None:
        """SUBSCRIBE and UNSUBSCRIBE."""
        known = [name for name in message["params"] if self.public.knows(name.split("@")[0].upper())]
        if message["method"] == "SUBSCRIBE":
            streams.update(known)
        else:
            streams.difference_update(known)
        await tell(socket, {"result": None, "id": message["id"]})

    async def _posted(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        method, path = SOCKET_METHODS.get(message["method"], ("", ""))
        params = dict(message["params"])
        texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in params.items()}
        unsigned = "&".join(f"{name}={texts[name]}" for name in sorted(texts) if name != "signature")
        status, _, answer = await self._requested("ws", method, path, params, params.get("apiKey", ""), unsigned)
        if self.faults.streams_first:
            await self.flush()
        if status:
            key = "result" if status == 200 else "error"
            if status in {418, 429}:
                now_ms = self.room.now_ms
                answer = {**answer, "data": {"serverTime": now_ms, "retryAfter": now_ms + 1_000}}
            limits = [{**limit, "count": 1} for limit in RATE_LIMITS]
            told = {"id": message["id"], "status": status, key: answer, "rateLimits": limits}
            for _ in range(1 + self.faults.duplicate):
                await tell(socket, told)
        await self.flush()


async def tell(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    """Send, to whom may have gone in the meantime."""
    with contextlib.suppress(ConnectionError):
        await socket.send_json(message)
