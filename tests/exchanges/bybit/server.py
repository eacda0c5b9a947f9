"""A local Bybit that trades: REST v5 and the public, private and trade WebSockets, with faults on demand.

Signatures and times are verified (`gate`), rate limits kept, orders matched (`exchange_room`). Proved only against
recordings, documentation and ccxt, never against the venue itself.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from domain.instrument import Instrument
from domain.market import Bbo, Book, Mark, MarketEvent, Trade
from tests.exchanges.bybit import public
from tests.exchanges.bybit.exchange_room import Refused, Room
from tests.exchanges.bybit.gate import TOO_OFTEN, Gate, Limits
from tests.exchanges.bybit.market import Market
from tests.exchanges.bybit.reading import Reader
from tests.exchanges.bybit.records import MS
from tests.exchanges.bybit.sockets import Peer, Talk
from tests.exchanges.loopback import Faults, Loopback, break_off
from tests.exchanges.serve import BarsOf

ACTIONS = {"create", "amend", "cancel", "create-batch", "amend-batch", "cancel-batch", "cancel-all"}
FORBIDDEN = "403, access too frequent, please try again later"


class BybitFaults(Faults):
    """`statuses` are HTTP statuses (below 1,000) or retCodes; such actions are not carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse_trade_ws = False


class Server(Loopback):
    """The whole venue."""

    def __init__(self, cash: str = "100000", limits: Limits | None = None, port: int = 0) -> None:
        super().__init__(port)
        self._room = Room(cash)
        self.gate = Gate(self.room)
        self.limits = limits or Limits()
        self.reader = Reader(self.room)
        self.markets = {symbol: Market(i) for symbol, i in self.room.instruments.items()}
        self.faults: BybitFaults = BybitFaults()
        self.headers: list[dict[str, str]] = []
        """Those of every signed request."""
        self.asked: list[str] = []
        self.peers: set[Peer] = set()
        self.connections = 0
        self.talk = Talk(self)

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v5/public/linear", self.talk.public)
        router.add_get("/v5/private", self.talk.private)
        router.add_get("/v5/trade", self.talk.trade)
        router.add_get("/v5/{path:.*}", self._get)
        router.add_post("/v5/{path:.*}", self._post)

    def sockets_of(self, kind: str) -> list[web.WebSocketResponse]:
        return [peer.socket for peer in self.peers if peer.socket is not None and kind in {"", peer.kind}]

    async def close(self) -> None:
        self.talk.close()
        await super().close()

    @property
    def room(self) -> Room:
        """All that the venue knows of its accounts; another one may be given before it serves."""
        return self._room

    @room.setter
    def room(self, room: Room) -> None:
        self._room = self.gate.room = self.reader.room = room

    @property
    def instruments(self) -> Sequence[Instrument]:
        return list(self.room.instruments.values())

    @property
    def bars(self) -> BarsOf:
        return next(iter(self.markets.values())).bars or (lambda *_: [])

    @bars.setter
    def bars(self, bars: BarsOf) -> None:
        for market in self.markets.values():
            market.bars = bars

    # the market

    async def trade(self, side: int, price: str, size: str) -> None:
        """Somebody else's trade."""
        i = self.instruments[0]
        name = f"20f43950-d8dd-5b31-9112-{self.room.next():012d}"
        await self.market(Trade(instrument=i.id, price=i.price(price), qty=i.qty(size), side=side, trade_id=name))

    async def market(self, event: MarketEvent) -> None:
        """Move the market; what it fills is told, and everybody hears of the market."""
        self.room.on_market(event)
        now_ms = self.room.now_ns() // MS
        market = next(m for m in self.markets.values() if m.instrument.id == event.instrument)
        if isinstance(event, Bbo):
            event = market.touched(event)
        if isinstance(event, Book):
            delta = market.change(event, now_ms)
            if delta is not None and self.faults.lose_deltas:
                self.faults.lose_deltas -= 1
            elif delta is not None:
                await self.talk.book(market, delta)
        elif isinstance(event, Trade):
            self.room.prints.append(event)
        elif isinstance(event, Mark):
            market.funding_rate = f"{event.funding_rate:f}"
        await self.talk.candles(market, now_ms)
        await self.talk.ticker(market, now_ms)
        await self.flush()

    async def restart_book(self, symbol: str = "BTCUSDT") -> None:
        """The venue's service starts anew: everybody gets a snapshot with `u` = 1."""
        market = self.markets[symbol]
        market.u = 1
        await self.talk.book(market, market.snapshot(1_000, self.room.now_ns() // MS))

    async def flush(self) -> None:
        """Tell the streams what has happened since the last time."""
        prints, self.room.prints = self.room.prints, []
        now_ms = self.room.now_ns() // MS
        for event in prints:
            market = next(m for m in self.markets.values() if m.instrument.id == event.instrument)
            await self.talk.trades(market, [market.trade(event, now_ms)], now_ms)
        streams, self.room.streams = self.room.streams, []
        for user, topic, data in self.faults.told(streams):
            await self.talk.account(user, topic, data)

    # REST

    async def _get(self, asked: web.Request) -> web.StreamResponse:
        path, query = asked.path, dict(asked.query)
        self.asked.append(path)
        if not self.limits.call(self.room.now_ns() // MS):
            return web.Response(status=403, text=FORBIDDEN)
        fault = self.faults.read_statuses.pop(0) if self.faults.read_statuses else 0
        if 0 < fault < 1_000 and fault != 200:
            return web.Response(status=fault, text="busy")
        try:
            if fault >= 1_000:
                raise Refused(fault, "as the test wanted")
            if path.startswith("/v5/market/"):
                result = public.tell(self.room, self.markets, path, query)
            else:
                result = self._private(asked, path, query)
        except Refused as refused:
            return self._answer(refused.code, refused.text, {})
        except KeyError:
            return web.Response(status=404)
        except ValueError as error:
            return self._answer(10001, f"params error: {error}", {})
        return self._answer(0, "OK", result)

    def _private(self, asked: web.Request, path: str, query: dict[str, str]) -> dict[str, Any]:
        self.headers.append(dict(asked.headers))
        name, key = self.gate.rest(asked.headers, asked.rel_url.raw_query_string, writes=False)
        if path == "/v5/user/query-api":
            return self.reader.key(name, key)
        return self.reader.answers[path](key.user, query)

    async def _post(self, asked: web.Request) -> web.StreamResponse:
        path, text = asked.path, await asked.text()
        self.asked.append(path)
        if not self.limits.call(self.room.now_ns() // MS):
            return web.Response(status=403, text=FORBIDDEN)
        self.headers.append(dict(asked.headers))
        name = path.removeprefix("/v5/order/")
        try:
            _, key = self.gate.rest(asked.headers, text, writes=True)
            body = json.loads(text)
            if name in ACTIONS:
                status, answer, headers = await self.acted(key.user, name, body, "rest")
                await self.flush()
                if status == 0:
                    return break_off(asked)
                if status != 200 or answer is None:
                    return web.Response(status=status, text="busy")
                return web.json_response(answer, headers=headers)
            self.reader.settings[path](key.user, body)
        except Refused as refused:
            return self._answer(refused.code, refused.text, {})
        except KeyError:
            return web.Response(status=404)
        return self._answer(0, "OK", {})

    def _answer(self, code: int, text: str, result: dict[str, Any]) -> web.Response:
        return web.json_response(self.envelope(code, text, result, {}))

    def envelope(self, code: int, text: str, result: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        """What every answer is wrapped in."""
        told = {"retCode": code, "retMsg": text, "result": result, "retExtInfo": extra}
        return {**told, "time": self.room.now_ns() // MS}

    async def acted(
        self, user: str, name: str, body: dict[str, Any], road: str
    ) -> tuple[int, dict[str, Any] | None, dict[str, str]]:
        """HTTP status (0 = no answer at all), answer and limit headers of an action, by either road."""
        faults = self.faults
        fault = faults.statuses.pop(0) if faults.statuses else 200
        if fault < 1_000 and fault != 200:
            return fault, None, {}
        count = len(body.get("request") or ()) or 1
        fits, headers = self.limits.spend(user, name, count, self.room.now_ns() // MS)
        if fault >= 1_000:
            text = TOO_OFTEN[1] if fault == TOO_OFTEN[0] else "as the test wanted"
            return 200, self.envelope(fault, text, {}, {}), headers
        if not fits:
            return 200, self.envelope(*TOO_OFTEN, {}, {}), headers
        if faults.lose_requests:
            faults.lose_requests -= 1
            return 0, None, {}
        try:
            result, extra = self.room.act(user, name, body, road)
            answer = self.envelope(0, "OK", result, extra)
        except Refused as refused:
            answer = self.envelope(refused.code, refused.text, {}, {})
        if faults.streams_first:
            await self.flush()
        if faults.delay_s:
            await asyncio.sleep(faults.delay_s)
        if faults.drop_answers:
            faults.drop_answers -= 1
            return 0, None, {}
        return 200, answer, headers
