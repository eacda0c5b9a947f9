"""A local Phemex: the paths of its USDT perpetuals and its WebSocket, with faults on demand.

Orders and positions are in `room`, market data in `public`, the WebSocket in `gateway`. Signatures are verified, limits
enforced, errors shaped as the venue's documents and ccxt show them. No payload of the venue itself was there to
compare with, beyond the samples in its documents and what others have published of its public stream.
"""

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from aiohttp import web

from domain.instrument import Instrument
from domain.market import Book, MarketEvent
from tests.exchanges.phemex.asked import page
from tests.exchanges.phemex.catalogue import fee_rates, products
from tests.exchanges.phemex.gateway import Gateway
from tests.exchanges.phemex.public import Public
from tests.exchanges.phemex.room import Room
from tests.exchanges.phemex.wire import RefusedError
from tests.exchanges.serve import BarsOf

API_KEY = "806066b0-f02b-4d3e-b444-76ec718e1023"
SECRET = "wFzGqT0eVFNfTgSHZ8oxE-local-phemex-secret"
MAX_EXPIRY_S = 300
WEIGHTS = {"/g-accounts/positions": 25, "/g-orders/all": 3}
Answer = tuple[int, Any]


class Faults:
    """What goes wrong, while it is set; counts go down with every request that they hit."""

    def __init__(self) -> None:
        self.lose_requests = 0
        self.drop_answers = 0
        self.mute_streams = False
        self.duplicate = False
        self.statuses: list[int] = []
        """HTTP statuses of the next trading requests; 429 and 403 are not carried out, 5xx are."""
        self.read_statuses: list[int] = []
        """The same for questions."""
        self.refuse_ws = False
        self.shuffle: random.Random | None = None
        """Messages of the account's stream come in any order."""
        self.lose_deltas = 0
        """So many deltas of books are not sent."""
        self.delay_s = 0.0


class Window:
    """At most `capacity` in each window of `length_s`."""

    def __init__(self, capacity: int, length_s: float = 60.0) -> None:
        self.capacity = capacity
        self.length_s = length_s
        self.used = 0
        self._began_s = time.monotonic()

    def take(self, weight: int) -> bool:
        if time.monotonic() - self._began_s >= self.length_s:
            self._began_s, self.used = time.monotonic(), 0
        self.used += weight
        return self.used <= self.capacity

    def headers(self, suffix: str) -> dict[str, str]:
        told = {
            f"x-ratelimit-remaining{suffix}": str(max(0, self.capacity - self.used)),
            f"x-ratelimit-capacity{suffix}": str(self.capacity),
        }
        if self.used > self.capacity:
            wait_s = self.length_s - (time.monotonic() - self._began_s)
            told[f"x-ratelimit-retry-after{suffix}"] = str(max(1, round(wait_s)))
        return told


class PhemexServer:
    """`async with PhemexServer() as venue:` serves on a port of loopback; 0 = any free one."""

    def __init__(self, cash: str = "100000", port: int = 0) -> None:
        self.room = Room(cash)
        self.public = Public(self.room.instruments)
        self.faults = Faults()
        self.keys = {API_KEY: SECRET}
        self.limits = {"contract": Window(500), "others": Window(100), "ip": Window(5_000, 300.0)}
        self.gateway = Gateway(self)
        self.url = ""
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        """Method, path and parameters of every request that was carried out."""
        self.expiries: list[int] = []
        """When each signed request would have been too late, in seconds."""
        self._port = port
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/ws", self.gateway.serve)
        app.router.add_route("*", "/{path:.*}", self._requested)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.gateway.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.aclose()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def instruments(self) -> Sequence[Instrument]:
        return self.room.instruments

    @property
    def bars(self) -> BarsOf:
        return self.public.bars

    @bars.setter
    def bars(self, bars: BarsOf) -> None:
        self.public.bars = bars

    def cut(self) -> None:
        """Break every WebSocket without a word."""
        self.gateway.cut()

    # the market

    async def market(self, event: MarketEvent) -> None:
        """Move the market; whatever it fills is told, and everybody hears of the market."""
        now = self.room.now_ns()
        self.room.exchange.on_market(event, now)
        self.room.digest(self.room.exchange.poll(now))
        await self.gateway.flush()
        for channel, message in self.public.tell(event):
            if channel.startswith("orderbook_p") and self.faults.lose_deltas:
                self.faults.lose_deltas -= 1
            else:
                await self.gateway.publish(channel, message)

    async def quote(self, bid: str, ask: str, size: str = "10", symbol: str = "BTCUSDT") -> None:
        i = self.public.symbols[symbol]
        bids, asks = ((i.price(bid), i.qty(size)),), ((i.price(ask), i.qty(size)),)
        await self.market(Book(instrument=i.id, bids=bids, asks=asks))

    # the doors

    async def _requested(self, asked: web.Request) -> web.StreamResponse:
        if not self.limits["ip"].take(1):
            return web.json_response({"code": "403", "msg": "Access denied."}, status=403)
        path, headers = asked.path, dict[str, str]()
        public = self._public(asked.method, path, dict(asked.query))
        if public is not None:
            return self._shaped(public, headers)
        body = await asked.read()
        problem = self._authenticate(asked, body)
        if problem is not None:
            return self._shaped(problem, headers)
        group = "contract" if path.startswith("/g-") else "others"
        fits = self.limits[group].take(WEIGHTS.get(path, 1))
        headers |= self.limits[group].headers("-CONTRACT" if group == "contract" else "")
        is_order = asked.method != "GET"
        statuses = self.faults.statuses if is_order else self.faults.read_statuses
        status = statuses.pop(0) if statuses else 200
        if not fits or status == 429:
            headers.setdefault("x-ratelimit-retry-after" + ("-CONTRACT" if group == "contract" else ""), "1")
            return self._shaped((429, {"code": "39995", "msg": "Too many requests."}), headers)
        if is_order and self.faults.lose_requests:
            self.faults.lose_requests -= 1
            return self._aborted(asked)
        answer = await self._carried_out(asked.method, path, await _params(asked))
        if self.faults.delay_s:
            await asyncio.sleep(self.faults.delay_s)
        await self.gateway.flush()
        if is_order and self.faults.drop_answers:
            self.faults.drop_answers -= 1
            return self._aborted(asked)
        return self._shaped((status, {"msg": "busy"}) if status != 200 else answer, headers)

    @staticmethod
    def _aborted(asked: web.Request) -> web.Response:
        assert asked.transport is not None
        asked.transport.abort()
        return web.Response()

    @staticmethod
    def _shaped(answer: Answer, headers: dict[str, str]) -> web.Response:
        return web.json_response(answer[1], status=answer[0], headers=headers)

    def _authenticate(self, asked: web.Request, body: bytes) -> Answer | None:
        """None = the request is signed by a key that is known."""
        key, expiry = asked.headers.get("x-phemex-access-token"), asked.headers.get("x-phemex-request-expiry", "")
        if key is None:
            return 401, {"code": "401", "msg": "401 Miss Api Key."}
        if key not in self.keys:
            return 401, {"code": "401", "msg": "401 Failed to load API KEY."}
        now_s = (time.time_ns() + self.room.skew_ns) // 1_000_000_000
        if not expiry.isdigit() or not now_s < int(expiry) <= now_s + MAX_EXPIRY_S:
            return 401, {"code": "401", "msg": f"401 Request Expired at {expiry}."}
        self.expiries.append(int(expiry))
        payload = asked.raw_path.replace("?", "", 1).encode() + expiry.encode() + body
        if not self.is_signed(key, payload, asked.headers.get("x-phemex-request-signature", "")):
            return 200, {"code": 10_500, "msg": "API Signature verification failed."}
        return None

    def is_signed(self, key: str, payload: bytes, signature: str) -> bool:
        wanted = hmac.new(self.keys[key].encode(), payload, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, signature)

    def _public(self, method: str, path: str, asked: dict[str, str]) -> Answer | None:
        """The answer to what needs no key; None for anything else."""
        if method != "GET":
            return None
        if path.startswith("/md/"):
            result = self.public.answer(path, asked)
            error = None if result is not None else {"code": 6_001, "message": "invalid argument"}
            return 200, {"error": error, "id": 0 if error is None else None, "result": result}
        rows: Any
        if path == "/public/products":
            rows = products()
        elif path == "/v1/exchange/public/products":
            rows = []
        elif path == "/public/time":
            rows = {"serverTime": (time.time_ns() + self.room.skew_ns) // 1_000_000}
        elif path in {"/exchange/public/md/v2/kline/list", "/exchange/public/md/v2/kline/last"}:
            found = self.public.klines(asked) if path.endswith("list") else self.public.last_klines(asked)
            if isinstance(found, str):
                return 200, {"code": 412 if found.startswith("Missing") else 30_000, "msg": found, "data": None}
            rows = {"total": -1, "rows": found}
        elif path == "/api-data/public/data/funding-rate-history":
            rows = {"rows": self.public.funding(asked)}
        else:
            return None
        return 200, {"code": 0, "msg": "OK", "data": rows}

    async def _carried_out(self, method: str, path: str, asked: dict[str, Any]) -> Answer:
        self.asked.append((method, path, asked))
        room = self.room
        doors: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("POST", "/g-orders"): room.create,
            ("PUT", "/g-orders/create"): room.create,
            ("PUT", "/g-orders/replace"): room.replace,
            ("DELETE", "/g-orders/cancel"): room.cancel,
            ("DELETE", "/g-orders"): room.cancel_some,
            ("DELETE", "/g-orders/all"): room.cancel_all,
            ("GET", "/g-orders/activeList"): lambda q: {
                "rows": room.open_orders(q.get("symbol", "")),
                "nextPageArg": "",
            },
            ("GET", "/g-accounts/accountPositions"): self._positions,
            ("GET", "/g-accounts/positions"): self._positions,
            ("PUT", "/g-positions/switch-pos-mode-sync"): self._switch,
            ("PUT", "/g-positions/leverage"): self._lever,
            ("GET", "/api-data/g-futures/orders/by-order-id"): room.orders_by_id,
            ("GET", "/api-data/g-futures/trades"): self._trades,
            ("GET", "/api-data/g-futures/funding-fees"): self._funding,
            ("GET", "/api-data/futures/fee-rate"): lambda _: fee_rates(),
            ("GET", "/exchange/order/v2/tradingList"): lambda q: page(room.fills, q),
        }
        door = doors.get((method, path))
        if door is None:
            return 404, {"code": "404", "msg": f"nobody taught the local venue {method} {path}"}
        try:
            return 200, {"code": 0, "msg": "", "data": door(asked)}
        except RefusedError as error:
            return error.status, error.body

    def _positions(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("currency") != "USDT":
            raise RefusedError("TE_SYMBOL_INVALID")
        return {"account": self.room.account(), "positions": self.room.positions()}

    def _switch(self, asked: dict[str, Any]) -> str:
        self.room.modes[asked["symbol"]] = asked["targetPosMode"]
        return "ok"

    def _lever(self, asked: dict[str, Any]) -> str:
        symbol = asked["symbol"]
        if ("leverageRr" in asked) is not (self.room.modes[symbol] == "OneWay"):
            raise RefusedError("TE_ERR_INCONSISTENT_POS_MODE")
        if "leverageRr" in asked and abs(float(asked["leverageRr"])) > 100:
            raise RefusedError("TE_INVALID_LEVERAGE")
        self.room.leverage[symbol] = str(asked.get("leverageRr", asked.get("longLeverageRr")))
        return "ok"

    def _trades(self, asked: dict[str, Any]) -> dict[str, Any]:
        if not {"symbol", "currency"} & asked.keys():
            raise RefusedError("Please double check input arguments")
        now_ms = self.room.now_ns() // 1_000_000
        start, end = int(asked.get("start", now_ms - 172_800_000)), int(asked.get("end", now_ms + 1))
        rows = [
            fill
            for fill in self.room.fills
            if start <= fill["transactTimeNs"] // 1_000_000 <= end
            and asked.get("symbol", fill["symbol"]) == fill["symbol"]
        ]
        return {"total": len(rows), "rows": page(rows, asked)}

    def _funding(self, asked: dict[str, Any]) -> dict[str, Any]:
        rows = [row for row in self.room.fundings if row["symbol"] == asked.get("symbol")]
        return {"rows": page(rows, asked)}


async def _params(asked: web.Request) -> dict[str, Any]:
    if asked.method != "POST":
        return dict(asked.query)
    body = await asked.json()
    return {key: value if isinstance(value, str) else str(value).lower() for key, value in body.items()}
