"""A local dYdX: the indexer's REST and WebSocket under /v4, a node's RPC under /rpc and its REST under /rest.

What it does with a transaction is in `node_room`, how it says things in `indexer_words`. Proved only against
documentation, the chain's published code and ccxt as a client, never against the venue itself.
"""

import asyncio
import base64
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Self

from aiohttp import WSMsgType, web

from domain.instrument import Instrument
from domain.market import MarketEvent
from exchanges.dydx.config import LOCAL_CHAIN
from exchanges.dydx.wire import RESOLUTIONS_NS
from tests.exchanges.dydx import indexer_words as words
from tests.exchanges.dydx.chain_facts import PUBLIC_KEY_TEXT
from tests.exchanges.dydx.holders import RATES
from tests.exchanges.dydx.node_room import FEES, TIERS, Room
from tests.exchanges.dydx.public_market import PublicMarket
from tests.exchanges.loopback import Faults, Loopback, break_off, tell

REQUESTS, PER_S = 100, 10.0
CHANNELS_EACH = 32


class DydxFaults(Faults):
    """Transactions with a status of `statuses` are not looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.skip_numbers = 0
        """So many messages get lost on the way: their numbers are missing."""


class DydxServer(Loopback):
    """A block comes each `block_s`."""

    def __init__(self, cash: str = "100000", block_s: float = 0.05, port: int = 0) -> None:
        super().__init__(port)
        self.room: Room = Room(cash)
        self.faults: DydxFaults = DydxFaults()
        self.public: PublicMarket = PublicMarket()
        self.asked: list[str] = []
        self.limit_requests = True
        self.block_s = block_s
        self.connections = 0
        self.sockets: dict[web.WebSocketResponse, set[tuple[str, str]]] = {}
        self._numbers: dict[web.WebSocketResponse, int] = {}
        self._times: deque[float] = deque()
        self._ticker: asyncio.Task[None] | None = None

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v4/ws", self._ws)
        router.add_get("/v4/{path:.*}", self._indexer)
        router.add_get("/rest/{path:.*}", self._rest)
        router.add_get("/rpc/{method}", self._rpc_get)
        router.add_post("/rpc", self._rpc_post)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.let_blocks_come()
        return self

    async def close(self) -> None:
        self.hold_blocks()
        await super().close()

    @property
    def instruments(self) -> Sequence[Instrument]:
        return [market.instrument for market in self.room.markets.values()]

    def sockets_of(self, kind: str) -> list[web.WebSocketResponse]:
        return list(self.sockets)

    # the market and the blocks

    def hold_blocks(self) -> None:
        """From now on only `block` makes one."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def let_blocks_come(self) -> None:
        """One each `block_s`."""
        self._ticker = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.block_s)
            await self.block()

    async def block(self) -> None:
        """One block of the chain, told to everybody."""
        self.room.produce()
        await self._flush()
        block = {"blockHeight": str(self.room.height), "time": words.iso(self.room.time_ns)}
        await self.publish("v4_block_height", "", block)

    async def market(self, event: MarketEvent) -> None:
        """Move the market; whatever it fills is told with the next block."""
        self.room.on_market(event)
        found = next(m for m in self.room.markets.values() if m.instrument.id == event.instrument)
        for channel, contents in self.public.on(found, event, self.room):
            await self.publish(channel, "" if channel == "v4_markets" else found.ticker, contents)

    async def quote(self, bid: str, ask: str, size: str = "10", contract: int = 0) -> None:
        """A new best bid and offer, with a block after it."""
        await super().quote(bid, ask, size, contract)
        await self.block()

    # the WebSocket

    async def _flush(self) -> None:
        """Tell what has happened in accounts since the last time."""
        fresh, self.room.fresh = self.room.fresh, []
        messages = []
        for rec, fill in fresh:
            contents: dict[str, Any] = {"blockHeight": str(self.room.height)}
            if fill is not None:
                contents["fills"] = [words.fill_of(fill)]
            if rec is not None:
                contents["orders"] = [words.update_of(rec, self.room)]
            account = f"{rec.key.address}/{rec.key.subaccount}" if rec is not None else self.room.account
            messages.append((account, contents))
        for account, contents in self.faults.told(messages):
            await self.publish("v4_subaccounts", account, contents)

    async def publish(self, channel: str, subject: str, contents: Any) -> None:
        """Tell those who have subscribed."""
        for socket, wanted in list(self.sockets.items()):
            if (channel, subject) in wanted and not socket.closed:
                message = {"type": "channel_data", "id": subject, "channel": channel, "version": "3.0.0"}
                await self.tell(socket, message | {"contents": contents})

    async def tell(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        """Send with the connection's next number, to whom may have gone in the meantime."""
        number = self._numbers[socket] = self._numbers.get(socket, -1) + 1
        if self.faults.skip_numbers:
            self.faults.skip_numbers -= 1
            return
        whole = {"connection_id": "004a1efa-21bb-4b19-a2e9-a8ffadd6dc53", "message_id": number, **message}
        await tell(socket, whole)

    async def _ws(self, asked: web.Request) -> web.StreamResponse:
        if self.faults.refuse_ws:
            return web.Response(status=503)
        self.connections += 1
        socket = web.WebSocketResponse(heartbeat=30.0)
        await socket.prepare(asked)
        self.sockets[socket] = set()
        await self.tell(socket, {"type": "connected"})
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await self._heard(socket, json.loads(frame.data))
        finally:
            del self.sockets[socket]
            self._numbers.pop(socket, None)
        return socket

    async def _heard(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        channel, subject = message.get("channel", ""), message.get("id", "")
        if message.get("type") == "unsubscribe":
            self.sockets[socket].discard((channel, subject))
            await self.tell(socket, {"type": "unsubscribed", "channel": channel, "id": subject})
            return
        contents = self._first(channel, subject)
        used = sum(1 for name, _ in self.sockets[socket] if name == channel)
        if contents is None or (used >= CHANNELS_EACH and channel != "v4_subaccounts"):
            why = "subscription limit reached" if contents is not None else "invalid subscription"
            text = f"{why} for {channel} ({subject})"
            await self.tell(socket, {"type": "error", "message": text, "channel": channel})
            return
        self.sockets[socket].add((channel, subject))
        named = {"id": subject} if subject else {}
        await self.tell(socket, {"type": "subscribed", "channel": channel, **named, "contents": contents})

    def _first(self, channel: str, subject: str) -> Any:
        """What a subscription begins with; None for what there is not."""
        if channel == "v4_block_height":
            return words.height_of(self.room)
        if channel == "v4_markets":
            return {"markets": words.markets_of(self.room)}
        if channel == "v4_subaccounts":
            resting = {"address": subject.partition("/")[0], "subaccountNumber": "0", "status": "OPEN"}
            orders = words.wanted_orders(self.room, resting)
            told = words.subaccount_of(self.room)
            return {"subaccount": told, "orders": orders, "blockHeight": str(self.room.height)}
        ticker, _, resolution = subject.partition("/")
        if not any(market.ticker == ticker for market in self.room.markets.values()):
            return None
        if channel == "v4_orderbook":
            return self.public.book(ticker)
        if channel == "v4_trades":
            return {"trades": self.public.trades(ticker)}
        return {"candles": self._candles(ticker, {"resolution": resolution})} if channel == "v4_candles" else None

    # REST

    def _busy(self, statuses: list[int]) -> web.Response | None:
        """100 requests in 10 seconds from one address."""
        now = time.monotonic()
        while self._times and self._times[0] <= now - PER_S:
            self._times.popleft()
        status = statuses.pop(0) if statuses else 200
        if self.limit_requests and len(self._times) >= REQUESTS:
            status = 429
        self._times.append(now)
        if status == 200:
            return None
        errors = [{"msg": "Too many requests"}]
        return web.json_response({"errors": errors}, status=status)

    async def _indexer(self, asked: web.Request) -> web.Response:
        path, query = asked.match_info["path"], asked.query
        self.asked.append(path)
        busy = self._busy(self.faults.read_statuses)
        if busy is not None:
            return busy
        answer = self._read(path, query)
        left = {"RateLimit-Limit": str(REQUESTS), "RateLimit-Remaining": str(max(0, REQUESTS - len(self._times)))}
        if answer is None:
            return web.json_response({"errors": [{"msg": f"Unable to find {path}"}]}, status=404, headers=left)
        return web.json_response(answer, headers=left)

    def _read(self, path: str, query: Any) -> Any:
        room, first, _, rest = self.room, *path.partition("/")
        simple: dict[str, Callable[[], Any]] = {
            "height": lambda: words.height_of(room),
            "time": lambda: words.time_of(room),
            "perpetualMarkets": lambda: {"markets": words.markets_of(room)},
            "fills": lambda: {"fills": words.wanted_fills(room, query)},
            "fundingPayments": lambda: {"fundingPayments": words.wanted_payments(room, query)},
            "assetPositions": lambda: {"positions": list(words.assets_of(room).values())},
            "perpetualPositions": lambda: {"positions": words.positions_of(room)},
            "orders": lambda: words.wanted_orders(room, query),
        }
        if not rest:
            return simple[first]() if first in simple else None
        if first == "orders":
            return words.order_of(room.recs[rest], room) if rest in room.recs else None
        if first == "addresses":
            address = rest.partition("/")[0]
            told = words.subaccount_of(room)
            if address not in room.holders:
                return None
            return {"subaccount": told} if "/" in rest else {"subaccounts": [told], "totalTradingRewards": "0"}
        return self._market_read(first, rest.rpartition("/")[2], query)

    def _market_read(self, what: str, ticker: str, query: Any) -> Any:
        if what == "orderbooks":
            return self.public.book(ticker)
        if what == "trades":
            before = query.get("createdBeforeOrAt", "9")
            told = [trade for trade in self.public.trades(ticker) if trade["createdAt"] <= before]
            return {"trades": told[: int(query.get("limit", 100))]}
        if what == "candles":
            return {"candles": self._candles(ticker, query)}
        return {"historicalFunding": self.public.rates(ticker, query)} if what == "historicalFunding" else None

    def _candles(self, ticker: str, query: Any) -> list[dict[str, Any]]:
        """Newest first, at most `limit` of those that open in [fromISO, toISO)."""
        instrument = next(m.instrument for m in self.room.markets.values() if m.ticker == ticker)
        interval_ns = RESOLUTIONS_NS[query["resolution"]]
        return self.public.candles(ticker, instrument, interval_ns, query, self.bars)

    async def _rest(self, asked: web.Request) -> web.Response:
        path = asked.match_info["path"]
        if path.startswith("cosmos/auth/v1beta1/account_info/"):
            address = path.rpartition("/")[2]
            holder = self.room.holders.get(address)
            if holder is None:
                return web.json_response({"code": 5, "message": f"account {address} not found"}, status=404)
            key = {"@type": "/cosmos.crypto.secp256k1.PubKey", "key": PUBLIC_KEY_TEXT}
            info = {"address": address, "pub_key": key, "account_number": str(holder.number), "sequence": "0"}
            return web.json_response({"info": info})
        if path.startswith("dydxprotocol/accountplus/authenticators/"):
            holder = self.room.holders.get(path.rpartition("/")[2])
            return web.json_response({"account_authenticators": words.authenticators_of(holder)})
        tier = {"name": "1", "maker_fee_ppm": FEES.maker_fee_ppm, "taker_fee_ppm": FEES.taker_fee_ppm}
        tiers = [{"usd_tnc_required": str(usd * 10**6), "limit": limit} for usd, limit in TIERS]
        limits = {kind: [{"num_blocks": n, "limit": limit} for n, limit in rates] for kind, rates in RATES.items()}
        answers: dict[str, Any] = {
            "dydxprotocol/v4/feetiers/user_fee_tier": {"index": 0, "tier": tier},
            "dydxprotocol/v4/feetiers/perpetual_fee_params": {"params": {"tiers": [tier]}},
            "dydxprotocol/clob/equity_tier": {"equity_tier_limit_config": {"stateful_order_equity_tiers": tiers}},
            "dydxprotocol/clob/block_rate": {"block_rate_limit_config": {
                "max_short_term_orders_per_n_blocks": [], "max_stateful_orders_per_n_blocks": limits["stateful"],
                "max_short_term_orders_and_cancels_per_n_blocks": limits["short"],
            }},
        }  # fmt: skip
        return web.json_response(answers[path]) if path in answers else web.Response(status=404)

    # RPC

    async def _rpc_get(self, asked: web.Request) -> web.StreamResponse:
        method = asked.match_info["method"]
        if method == "broadcast_tx_sync":
            return await self._broadcast(asked, bytes.fromhex(asked.query["tx"].removeprefix("0x")), -1)
        self.asked.append(method)
        block = {"latest_block_height": str(self.room.height), "latest_block_time": words.iso(self.room.time_ns)}
        results = {
            "abci_info": {"response": {"data": "dydxprotocol", "last_block_height": str(self.room.height)}},
            "status": {"node_info": {"network": LOCAL_CHAIN}, "sync_info": {**block, "catching_up": False}},
        }
        return web.json_response({"jsonrpc": "2.0", "id": -1, "result": results[method]})

    async def _rpc_post(self, asked: web.Request) -> web.StreamResponse:
        call = await asked.json()
        return await self._broadcast(asked, base64.b64decode(call["params"]["tx"]), call["id"])

    async def _broadcast(self, asked: web.Request, raw: bytes, number: int) -> web.StreamResponse:
        faults = self.faults
        if faults.statuses:
            return web.Response(status=faults.statuses.pop(0), text="busy")
        answered = not faults.drop_answers
        if faults.lose_requests:
            faults.lose_requests -= 1
            answered = False
        else:
            code, codespace, log = self.room.check_tx(raw)
            await self._flush()
        if not answered:
            faults.drop_answers = max(0, faults.drop_answers - 1)
            return break_off(asked)
        name = hashlib.sha256(raw).hexdigest().upper()
        result = {"code": code, "data": "", "log": log, "codespace": codespace, "hash": name}
        return web.json_response({"jsonrpc": "2.0", "id": number, "result": result})
