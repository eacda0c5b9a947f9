"""The local Binance as a client sees it that we did not write: plain ccxt, with a real secret."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from domain.market import Trade
from tests.exchanges.binance.server import BinanceServer
from tests.exchanges.binance.venue_rules import API_KEY, SECRET

BTC = "BTC/USDT:USDT"


@asynccontextmanager
async def plain_ccxt(server: BinanceServer, secret: str = SECRET) -> AsyncIterator[Any]:
    exchange = ccxt.pro.binanceusdm({
        "apiKey": API_KEY, "secret": secret, "enableRateLimit": False,
        "options": {"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["linear"]}},
    })  # fmt: skip
    exchange.has["fetchCurrencies"] = False
    urls = exchange.urls["api"]
    for name, url in list(urls.items()):
        if isinstance(url, str):
            urls[name] = server.url + "/" + url.split("://", 1)[1].split("/", 1)[1]
    ws = server.url.replace("http", "ws")
    urls["ws"]["linear"] = f"{ws}/ws"
    urls["ws"]["ws-api"] = {"linear": f"{ws}/ws-fapi/v1"}
    exchange.timeout_on_exit = 0
    try:
        yield exchange
    finally:
        await exchange.close()


async def test_plain_ccxt_reads_markets_and_the_account():
    async with BinanceServer() as server, plain_ccxt(server) as exchange:
        await server.quote("49990", "50010")
        markets = await exchange.load_markets()
        assert {BTC, "ETH/USDT:USDT"} <= set(markets)
        assert (markets[BTC]["precision"]["price"], markets[BTC]["limits"]["cost"]["min"]) == (0.1, 100.0)
        assert (await exchange.fetch_balance())["USDT"]["total"] == 100_000
        book = await exchange.fetch_order_book(BTC)
        assert (book["bids"][0], book["asks"][0]) == ([49990.0, 10.0], [50010.0, 10.0])
        assert (await exchange.fetch_trading_fee(BTC))["maker"] == 0.00018


async def test_plain_ccxt_trades_over_rest():
    async with BinanceServer() as server, plain_ccxt(server) as exchange:
        await server.quote("49990", "50010")
        order = await exchange.create_order(BTC, "limit", "buy", 0.01, 49000)
        assert (await exchange.fetch_order(order["id"], BTC))["status"] == "open"
        edited = await exchange.edit_order(order["id"], BTC, "limit", "buy", 0.02, 49100)
        assert (edited["price"], edited["amount"]) == (49100.0, 0.02)
        assert [each["id"] for each in await exchange.fetch_open_orders(BTC)] == [order["id"]]
        assert (await exchange.cancel_order(order["id"], BTC))["status"] == "canceled"
        taken = await exchange.create_order(BTC, "limit", "buy", 0.01, 50010, {"timeInForce": "IOC"})
        [trade] = await exchange.fetch_my_trades(BTC)
        assert (trade["order"], trade["price"], trade["fee"]["cost"]) == (taken["id"], 50010.0, 0.2250450)
        [position] = await exchange.fetch_positions([BTC])
        assert (position["contracts"], position["side"], position["entryPrice"]) == (0.01, "long", 50010.0)
        stop = await exchange.create_order(
            BTC, "market", "sell", 0.01, None, {"stopLossPrice": 49000, "reduceOnly": True}
        )
        [resting] = await exchange.fetch_open_orders(BTC, params={"trigger": True})
        assert resting["id"] == stop["id"]


async def test_plain_ccxt_trades_over_the_websocket_and_watches():
    async with BinanceServer() as server, plain_ccxt(server) as exchange:
        await server.quote("49990", "50010")
        await exchange.load_markets()
        watching = asyncio.ensure_future(exchange.watch_orders(BTC))
        async with asyncio.timeout(5):
            while "private" not in server.connections:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
            placed = await exchange.create_order_ws(BTC, "limit", "buy", 0.01, 49000)
            [seen] = await watching
            assert seen["id"] == placed["id"]
            assert (await exchange.cancel_order_ws(placed["id"], BTC))["status"] == "canceled"
            book = asyncio.ensure_future(exchange.watch_order_book(BTC))
            trades = asyncio.ensure_future(exchange.watch_trades(BTC))
            i = server.room.instruments[0]
            while not (book.done() and trades.done()):
                await server.quote("49991", "50000")
                await server.market(Trade(instrument=i.id, price=i.price("50000"), qty=i.qty("0.5"), side=1))
                await asyncio.sleep(0.02)
            assert book.result()["bids"][0] == [49991.0, 10.0]
            assert (trades.result()[0]["price"], trades.result()[0]["side"]) == (50000.0, "buy")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"secret": "x" * 64}, "AuthenticationError"),
        ({"price": 49000.05}, "-4014"),
        ({"amount": 0.0105}, "-1111"),
        ({"amount": 0.001}, "-4164"),
        ({"amount": 1_000}, "-2019"),
        ({"price": 50010, "params": {"timeInForce": "GTX"}}, "-5022"),
        ({"params": {"reduceOnly": True}}, "-2022"),
        ({"params": {"newClientOrderId": "not allowed!"}}, "-4015"),
        ({"params": {"recvWindow": 70_000}}, "-1131"),
    ],
)
async def test_plain_ccxt_knows_its_refusals(changes, error):
    async with BinanceServer() as server, plain_ccxt(server, changes.get("secret", SECRET)) as exchange:
        await server.quote("49990", "50010")
        params = {
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
            "quantity": str(changes.get("amount", 0.01)), "price": str(changes.get("price", 49000)),
        }  # fmt: skip
        params |= {name: "true" if value is True else value for name, value in changes.get("params", {}).items()}
        with pytest.raises(ccxt.pro.BaseError) as caught:
            await exchange.fapiPrivatePostOrder(params)
        assert error in f"{type(caught.value).__name__} {caught.value}"


async def test_the_rate_limit_is_enforced_with_429_then_418_and_said_in_headers():
    async with BinanceServer() as server, aiohttp.ClientSession() as session:
        server.weight_limit = 60
        statuses = []
        for _ in range(15):
            async with session.get(f"{server.url}/fapi/v1/depth?symbol=BTCUSDT") as answer:
                statuses.append(answer.status)
                if answer.status == 200:
                    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == str(20 * len(statuses))
                else:
                    assert answer.headers["Retry-After"] == "1"
                    assert (await answer.json())["code"] == -1003
        assert statuses == [200] * 3 + [429] * 10 + [418] * 2


async def test_a_conditional_order_at_the_endpoint_for_others_is_sent_to_the_right_one():
    async with BinanceServer() as server, plain_ccxt(server) as exchange:
        params = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01", "stopPrice": "49000"}
        with pytest.raises(ccxt.pro.BaseError, match="-4120"):
            await exchange.fapiPrivatePostOrder(params)


async def test_what_the_venue_knows_outlives_its_process():
    import pickle

    async with BinanceServer() as server, plain_ccxt(server) as exchange:
        await server.quote("49990", "50010")
        order = await exchange.create_order(BTC, "limit", "buy", 0.01, 49000)
        kept = pickle.dumps(server.room)
    async with BinanceServer() as again:
        again.room = pickle.loads(kept)
        async with plain_ccxt(again) as exchange:
            assert [each["id"] for each in await exchange.fetch_open_orders(BTC)] == [order["id"]]
