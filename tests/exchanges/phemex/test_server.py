"""The local Phemex, spoken to by a client that we did not write: plain ccxt.pro with the real secret."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from tests.exchanges.phemex.gateway import SUBSCRIPTIONS
from tests.exchanges.phemex.server import API_KEY, SECRET, PhemexServer, Window

BTC = "BTC/USDT:USDT"


def pointed(server: PhemexServer, **config: Any) -> Any:
    """ccxt's own Phemex, at the local server."""
    exchange = ccxt.pro.phemex(
        {"apiKey": API_KEY, "secret": SECRET, "enableRateLimit": False, "options": {"defaultType": "swap"}, **config}
    )
    url, ws = server.url, server.url.replace("http", "ws")
    exchange.urls["api"] = {
        "v1": f"{url}/v1", "v2": url, "public": f"{url}/exchange/public", "private": url, "ws": f"{ws}/ws",
    }  # fmt: skip
    exchange.has["fetchCurrencies"] = False
    exchange.aiohttp_trust_env = False
    return exchange


def told(exchange: Any, name: str) -> int:
    """A number of the last answer's headers."""
    headers = {key.lower(): value for key, value in exchange.last_response_headers.items()}
    return int(headers[f"x-ratelimit-{name}-contract"])


@asynccontextmanager
async def ccxt_at(server: PhemexServer, **config: Any) -> AsyncIterator[Any]:
    exchange = pointed(server, **config)
    try:
        yield exchange
    finally:
        await exchange.close()


@pytest.fixture
async def server() -> AsyncIterator[PhemexServer]:
    async with PhemexServer() as opened:
        await opened.quote("49990", "50010")
        yield opened


async def test_ccxt_trades_amends_cancels_and_reads_its_books(server):
    async with ccxt_at(server) as exchange:
        market = (await exchange.load_markets())[BTC]
        assert (market["id"], market["precision"]["price"], market["precision"]["amount"]) == ("BTCUSDT", 0.1, 0.0001)
        order = await exchange.create_order(BTC, "limit", "buy", 0.01, 49000, {"clientOrderId": "a-1"})
        assert (order["clientOrderId"], order["status"]) == ("a-1", "open")
        await exchange.edit_order(order["id"], BTC, "limit", "buy", 0.02, 49100)
        [found] = await exchange.fetch_open_orders(BTC)
        assert (found["price"], found["amount"], found["remaining"]) == (49100, 0.02, 0.02)
        await exchange.cancel_order(order["id"], BTC)
        gone = await exchange.fetch_order(order["id"], BTC)
        assert (gone["status"], gone["filled"]) == ("canceled", 0)
        assert await exchange.fetch_open_orders(BTC) == []
        await exchange.create_order(BTC, "market", "sell", 0.1)
        [position] = await exchange.fetch_positions([BTC])
        assert (position["contracts"], position["side"], position["entryPrice"]) == (0.1, "short", 49990)
        [trade] = await exchange.fetch_my_trades(BTC)
        assert (trade["price"], trade["amount"], trade["fee"]["cost"]) == (49990, 0.1, 2.9994)
        assert (await exchange.fetch_balance())["USDT"]["total"] == 100_000 - 2.9994


async def test_ccxt_hears_the_book_the_trades_and_its_own_account(server):
    async with ccxt_at(server) as exchange:
        await exchange.load_markets()
        book = await exchange.watch_order_book(BTC)
        assert (book["bids"][0], book["asks"][0]) == ([49990, 10], [50010, 10])
        watched = asyncio.create_task(exchange.watch_order_book(BTC))
        await asyncio.sleep(0)
        await server.quote("49980", "50000", "7")
        assert (await watched)["bids"] == [[49980, 7]]
        assert (await exchange.watch_balance({"settle": "USDT"}))["USDT"]["total"] == 100_000


async def test_ccxt_never_tells_of_orders_on_the_accounts_stream(server):
    """It takes `orders_p` for a dict, and finds nothing in it; so the stream is read by us."""
    async with ccxt_at(server) as exchange:
        await exchange.load_markets()
        watched = asyncio.create_task(exchange.watch_orders(BTC))
        assert (await exchange.watch_balance({"settle": "USDT"}))["USDT"]["total"] == 100_000
        await exchange.create_order(BTC, "market", "buy", 0.01)
        assert (await exchange.watch_balance({"settle": "USDT"}))["USDT"]["total"] < 100_000
        assert not watched.done()
        watched.cancel()


async def test_ccxt_meets_the_venues_refusals_as_errors_that_it_knows(server):
    async with ccxt_at(server) as exchange:
        await exchange.load_markets()
        with pytest.raises(ccxt.InsufficientFunds, match="TE_NO_ENOUGH_AVAILABLE_BALANCE"):
            await exchange.create_order(BTC, "limit", "buy", 1000, 49000)
        with pytest.raises(ccxt.InvalidOrder, match="TE_ORDER_VALUE_TOO_SMALL"):
            await exchange.create_order(BTC, "limit", "buy", 0.0001, 49000)
        with pytest.raises(ccxt.InvalidOrder, match="TE_REDUCE_ONLY_ABORT"):
            await exchange.create_order(BTC, "limit", "buy", 0.01, 49000, {"reduceOnly": True})
        with pytest.raises(ccxt.OrderNotFound, match="OM_ORDER_NOT_FOUND"):
            await exchange.cancel_order("nope", BTC)
        await exchange.create_order(BTC, "limit", "buy", 0.01, 49000, {"clientOrderId": "twice"})
        with pytest.raises(ccxt.DuplicateOrderId, match="TE_CL_ORD_ID_DUPLICATE"):
            await exchange.create_order(BTC, "limit", "buy", 0.01, 49000, {"clientOrderId": "twice"})


@pytest.mark.parametrize(
    ("config", "error"),
    [
        pytest.param({"apiKey": "nobody"}, "Failed to load API KEY", id="a key that is not known"),
        pytest.param({"secret": "wrong"}, "API Signature verification failed", id="a wrong secret"),
    ],
)
async def test_a_request_of_somebody_else_is_refused(server, config, error):
    async with ccxt_at(server, **config) as exchange:
        with pytest.raises(ccxt.AuthenticationError, match=error):
            await exchange.fetch_balance()


async def test_a_request_that_has_expired_is_refused(server):
    async with ccxt_at(server) as exchange:
        exchange.options["x-phemex-request-expiry"] = -1
        with pytest.raises(ccxt.AuthenticationError, match="Request Expired"):
            await exchange.fetch_balance()


async def test_a_login_with_a_wrong_signature_or_time_is_refused(server):
    for secret, ahead_s, error in ((SECRET, 60, None), ("wrong", 60, 6_012), (SECRET, 180, 6_012), (SECRET, -1, 6_012)):
        expiry = int(time.time()) + ahead_s
        signed = hmac.new(secret.encode(), f"{API_KEY}{expiry}".encode(), hashlib.sha256).hexdigest()
        login = {"id": 1, "method": "user.auth", "params": ["API", API_KEY, signed, expiry]}
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{server.url}/ws") as socket:
            await socket.send_json(login)
            answer = await socket.receive_json()
            assert (answer["error"] or {}).get("code") == error
            await socket.send_json({"id": 2, "method": "aop_p.subscribe", "params": []})
            assert ((await socket.receive_json())["error"] is None) is (error is None)


async def test_a_minutes_requests_are_counted_and_what_is_too_much_is_429(server):
    async with ccxt_at(server) as exchange:
        server.limits["contract"] = Window(2)
        await exchange.fetch_balance()
        assert told(exchange, "remaining") == 1
        await exchange.fetch_balance()
        with pytest.raises(ccxt.RateLimitExceeded, match="39995"):
            await exchange.fetch_balance()
        assert told(exchange, "retry-after") > 0


async def test_the_gateway_drops_who_sends_no_ping_and_says_what_it_does_not_know(server):
    server.gateway.silence_s = 0.1
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{server.url}/ws") as socket:
        for message in ('{"id": 5, "method": "orderbook_p.subscribe", "params": ["NOPEUSDT"]}', "no json"):
            await socket.send_str(message)
            assert (await socket.receive_json())["error"]["code"] == 6_001
        frame = await socket.receive(timeout=5)
        assert frame.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


async def test_a_connection_takes_twenty_subscriptions_and_twenty_requests_a_second(server):
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{server.url}/ws") as socket:
        for number in range(SUBSCRIPTIONS + 1):
            await socket.send_json({"id": number, "method": "tick_p.subscribe", "params": [f".M{number}"]})
        answers = [await socket.receive_json() for _ in range(SUBSCRIPTIONS + 1)]
        assert [answer["error"] is None for answer in answers] == [*[True] * SUBSCRIPTIONS, False]
