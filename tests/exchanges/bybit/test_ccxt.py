"""The local Bybit against a client that we did not write: ccxt.pro signs, trades, asks and listens there."""

import asyncio
from itertools import pairwise

import ccxt
import pytest

from tests.exchanges.bybit.ccxt_client import SYMBOL, ccxt_at
from tests.exchanges.bybit.gate import Limits
from tests.exchanges.bybit.listing import KEY
from tests.exchanges.bybit.server import Server


@pytest.fixture
async def server():
    async with Server() as started:
        await started.quote("49990", "50010")
        yield started


async def test_ccxt_reads_what_is_listed_and_quoted(server):
    await server.trade(1, "50010", "0.5")
    async with ccxt_at(server) as exchange:
        markets = await exchange.load_markets()
        market = markets[SYMBOL]
        assert (market["linear"], market["precision"]["price"], market["limits"]["cost"]["min"]) == (True, 0.1, 5)
        book = await exchange.fetch_order_book(SYMBOL)
        assert (book["bids"], book["asks"]) == ([[49990, 10]], [[50010, 10]])
        [trade] = await exchange.fetch_trades(SYMBOL)
        assert (trade["price"], trade["amount"], trade["side"]) == (50010, 0.5, "buy")
        candles = await exchange.fetch_ohlcv(SYMBOL, "5m", limit=30)
        assert len(candles) == 30
        assert [b[0] - a[0] for a, b in pairwise(candles)] == [300_000] * 29
        rates = await exchange.fetch_funding_rate_history(SYMBOL, limit=3)
        assert [rate["fundingRate"] for rate in rates] == [0.0001] * 3
        fees = await exchange.fetch_trading_fee(SYMBOL)
        assert (fees["maker"], fees["taker"]) == (0.0002, 0.00055)
        assert (await exchange.fetch_ticker(SYMBOL))["bid"] == 49990


async def test_ccxt_places_amends_fills_and_cancels_over_rest(server):
    async with ccxt_at(server) as exchange:
        await exchange.load_markets()
        made = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 49000, {"clientOrderId": "a1-1"})
        [rests] = await exchange.fetch_open_orders(SYMBOL)
        assert (rests["id"], rests["clientOrderId"], rests["status"]) == (made["id"], "a1-1", "open")
        await exchange.edit_order(made["id"], SYMBOL, "limit", "buy", 0.02, 49100)
        [rests] = await exchange.fetch_open_orders(SYMBOL)
        assert (rests["amount"], rests["price"]) == (0.02, 49100)
        await exchange.cancel_order(made["id"], SYMBOL)
        with pytest.raises(ccxt.OrderNotFound):
            await exchange.cancel_order(made["id"], SYMBOL)
        await exchange.create_order(SYMBOL, "market", "sell", 0.1)
        [fill] = await exchange.fetch_my_trades(SYMBOL)
        assert (fill["price"], fill["amount"], fill["fee"]["cost"]) == (49990, 0.1, 2.74945)
        [position] = await exchange.fetch_positions([SYMBOL])
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.1, 49990)
        assert (await exchange.fetch_balance())["USDT"]["total"] == 99_997.25055
        await exchange.set_leverage(5, SYMBOL)
        with pytest.raises(ccxt.ExchangeError, match="110043"):
            await exchange.set_leverage(5, SYMBOL)
    assert server.gate.signed > 8


async def test_ccxt_trades_and_listens_over_websockets(server):
    async with ccxt_at(server) as exchange:
        await exchange.load_markets()
        orders, fills = asyncio.create_task(exchange.watch_orders()), asyncio.create_task(exchange.watch_my_trades())
        books = asyncio.create_task(exchange.watch_order_book(SYMBOL, 50))
        async with asyncio.timeout(10):
            assert (await books)["asks"][0] == [50010, 10]
            await server.talk.until(lambda: sum(len(peer.topics) for peer in server.peers) == 3)
            made = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.01, 50010, {"clientOrderId": "ws-1"})
            [order], [fill] = await orders, await fills
            assert (order["clientOrderId"], order["status"], fill["order"]) == ("ws-1", "closed", made["id"])
            await server.quote("49980", "50000")
            assert (await exchange.watch_order_book(SYMBOL, 50))["asks"] == [[50000, 10]]
            rests = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.01, 49000)
            await exchange.edit_order_ws(rests["id"], SYMBOL, "limit", "buy", 0.02, 49001)
            await exchange.cancel_order_ws(rests["id"], SYMBOL)
    assert [(road, name) for road, name, _ in server.room.seen] == [
        ("ws", "create"), ("ws", "create"), ("ws", "amend"), ("ws", "cancel"),
    ]  # fmt: skip


async def test_a_wrong_secret_an_unknown_key_and_a_reading_key_are_refused(server):
    async with ccxt_at(server, secret="wrong") as exchange:
        with pytest.raises(ccxt.AuthenticationError, match="10004"):
            await exchange.fetch_positions()
        with pytest.raises(ccxt.AuthenticationError):
            await exchange.watch_orders()
    async with ccxt_at(server, key="nobody") as exchange:
        with pytest.raises(ccxt.AuthenticationError, match="10003"):
            await exchange.fetch_positions()
    async with ccxt_at(server, key="local-read-key", secret="local-read-secret") as exchange:
        await exchange.load_markets()
        with pytest.raises(ccxt.PermissionDenied):
            await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 49000)


async def test_a_clock_that_is_off_is_refused(server):
    server.room.skew_ns = 20_000_000_000
    async with ccxt_at(server) as exchange:
        with pytest.raises(ccxt.InvalidNonce, match="10002"):
            await exchange.fetch_positions()


async def test_the_rate_limits_are_kept_and_told():
    async with Server(limits=Limits(orders_a_s=2, calls=8)) as server, ccxt_at(server) as exchange:
        await server.quote("49990", "50010")
        await exchange.load_markets()
        for number in range(2):
            await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 49000, {"clientOrderId": f"r-{number}"})
        assert exchange.last_response_headers["X-Bapi-Limit-Status"] == "0"
        with pytest.raises(ccxt.RateLimitExceeded, match="10006"):
            await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
        await asyncio.gather(*(exchange.fetch_positions() for _ in range(5)), return_exceptions=True)
        with pytest.raises(ccxt.BaseError, match="403"):
            await exchange.fetch_positions()
        assert len(server.room.seen) == 2


async def test_a_batch_tells_of_each_order(server):
    async with ccxt_at(server) as exchange:
        await exchange.load_markets()
        body = {
            "category": "linear",
            "request": [
                {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "49000",
                 "orderLinkId": "b-1"},
                {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.0001", "price": "49000",
                 "orderLinkId": "b-2"},
                {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "49000",
                 "orderLinkId": "b-1"},
            ],
        }  # fmt: skip
        answer = await exchange.privatePostV5OrderCreateBatch(body)
        assert [code["code"] for code in answer["retExtInfo"]["list"]] == [0, 110094, 110072]
        assert [bool(order["orderId"]) for order in answer["result"]["list"]] == [True, False, False]
        [order] = await exchange.fetch_open_orders(SYMBOL)
        assert order["clientOrderId"] == "b-1"
        await exchange.cancel_all_orders(SYMBOL)
        assert await exchange.fetch_open_orders(SYMBOL) == []


async def test_a_post_only_order_that_would_take_is_acked_and_then_cancelled(server):
    async with ccxt_at(server) as exchange:
        await exchange.load_markets()
        made = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 50010, {"postOnly": True})
        [order] = await exchange.fetch_canceled_and_closed_orders(SYMBOL)
        assert (order["id"], order["info"]["rejectReason"]) == (made["id"], "EC_PostOnlyWillTakeLiquidity")


async def test_stops_fire_and_only_reduce(server):
    async with ccxt_at(server) as exchange:
        await exchange.load_markets()
        await exchange.create_order(SYMBOL, "market", "buy", 0.1)
        stop = await exchange.create_order(SYMBOL, "market", "sell", 0.1, None, {"stopLossPrice": 49500})
        [armed] = await exchange.fetch_open_orders(SYMBOL)
        assert (armed["info"]["orderStatus"], armed["triggerPrice"], armed["reduceOnly"]) == (
            "Untriggered",
            49500,
            True,
        )
        await server.quote("49400", "49410")
        ended = await exchange.fetch_closed_order(stop["id"], SYMBOL)
        assert (ended["filled"], ended["average"]) == (0.1, 49400)
        assert not [p for p in await exchange.fetch_positions([SYMBOL]) if p["contracts"]]
        with pytest.raises(ccxt.ExchangeError, match="110017"):
            await exchange.create_order(SYMBOL, "limit", "sell", 0.1, 49500, {"reduceOnly": True})


async def test_the_key_tells_what_it_may(server):
    async with ccxt_at(server) as exchange:
        told = (await exchange.privateGetV5UserQueryApi())["result"]
    assert (told["apiKey"], told["uta"], told["permissions"]["ContractTrade"]) == (KEY, 1, ["Order", "Position"])
