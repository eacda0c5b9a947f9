"""The local server, held to a client that we did not write: plain ccxt reads, signs and trades there."""

import base64
import json
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt.async_support as ccxt_async
import ccxt.pro as ccxt_pro
import pytest
from ccxt.base.errors import InvalidOrder, RateLimitExceeded

from exchanges.dydx.config import LOCAL_CHAIN
from tests.exchanges.dydx.chain_facts import ADDRESS, KEY, TRADING_KEY, TRADING_PUBLIC_KEY
from tests.exchanges.dydx.server import DydxServer
from tests.needs import recorded_data

SYMBOL = "BTC/USDC:USDC"


def patched(client: Any) -> Any:
    """As everybody has to patch it: it takes these numbers for texts, and the venue sends numbers."""
    for market in client.markets.values():
        for name in ("atomicResolution", "quantumConversionExponent"):
            market["info"][name] = str(market["info"][name])
    return client


@asynccontextmanager
async def client_at(server: DydxServer, kind: Any = ccxt_async) -> AsyncIterator[Any]:
    client = kind.dydx({"walletAddress": ADDRESS, "options": {"privateKey": KEY, "chainName": LOCAL_CHAIN}})
    client.urls["api"] = {
        "indexer": f"{server.url}/v4",
        "nodeRpc": f"{server.url}/rpc",
        "nodeRest": f"{server.url}/rest",
        "ws": f"{server.ws_url}/v4/ws",
    }
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


@pytest.fixture
async def server():
    async with DydxServer() as running:
        await running.quote("49990", "50010")
        yield running


async def test_the_server_sends_numbers_as_the_venue_does_so_plain_ccxt_cannot_place_an_order(server):
    """A simulator that sends texts where the venue sends numbers hides what breaks in production."""
    async with client_at(server) as client:
        assert client.markets[SYMBOL]["info"]["atomicResolution"] == -10
        with pytest.raises(TypeError):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 49_000, {"clientOrderId": 7})


async def test_ccxt_places_reads_and_cancels_a_long_term_order(server):
    async with client_at(server) as client:
        placed = await patched(client).create_order(SYMBOL, "limit", "buy", 0.01, 49_000, {"clientOrderId": 7})
        await server.block()
        [order] = await client.fetch_open_orders(SYMBOL)
        assert (order["id"], order["clientOrderId"], order["amount"]) == (placed["id"], "7", 0.01)
        await client.cancel_order("7", SYMBOL)
        await server.block()
        assert await client.fetch_open_orders(SYMBOL) == []
        assert (await client.fetch_order(placed["id"]))["status"] == "canceled"


async def test_ccxt_takes_with_a_market_order_and_reads_position_and_balance(server):
    async with client_at(server) as client:
        await patched(client).create_order(SYMBOL, "market", "sell", 0.1, 49_000)
        await server.block()
        [position] = await client.fetch_positions([SYMBOL])
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.1, 49_990)
        assert (await client.fetch_balance())["info"]["equity"]


async def test_what_the_chain_refuses_is_an_error_of_ccxt_by_its_code(server):
    async with client_at(server) as client:
        patched(client)
        with pytest.raises(InvalidOrder, match="3007"):
            await client.create_order(SYMBOL, "limit", "buy", 1_000, 49_000)
        with pytest.raises(InvalidOrder, match="9003"):
            await client.create_order(SYMBOL, "limit", "sell", 0.01, 51_000, {"reduceOnly": True})
        with pytest.raises(InvalidOrder, match="3006"):
            await client.cancel_order("99", SYMBOL)


async def test_a_signature_over_another_chain_is_refused(server):
    async with client_at(server) as client:
        patched(client).options["chainName"] = "dydx-testnet-4"
        with pytest.raises(ccxt_async.ExchangeError, match="signature verification failed"):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 49_000)


async def test_ccxt_signs_as_a_permissioned_key_and_the_server_asks_its_authenticator(server):
    """What ccxt can sign so, and its own orders cannot: an order of the account by another key."""
    key = {"subaccountId": {"owner": ADDRESS, "number": 0}, "clientId": 9, "orderFlags": 64, "clobPairId": 0}
    order = {"orderId": key, "side": "SIDE_BUY", "quantums": 10**8, "subticks": 49_000 * 10**5}
    order["goodTilBlockTime"] = server.room.time_ns // 10**9 + 60
    message = {"typeUrl": "/dydxprotocol.clob.MsgPlaceOrder", "value": {"order": order}}
    account = {"pub_key": {"key": base64.b64encode(TRADING_PUBLIC_KEY).decode()}, "account_number": "7"}
    async with client_at(server) as client:
        for authenticators, said in (([1], "Authenticator is not found"), ([], "unknown address")):
            tx = client.sign_dydx_tx(TRADING_KEY, message, "", LOCAL_CHAIN, account, authenticators)
            with pytest.raises(ccxt_async.ExchangeError, match=said):
                await client.nodeRpcGetBroadcastTxSync({"tx": tx})
        tx = client.sign_dydx_tx(TRADING_KEY, message, "", LOCAL_CHAIN, account, [0])
        assert (await client.nodeRpcGetBroadcastTxSync({"tx": tx}))["result"]["code"] == 0
        await server.block()
        assert [order["clientOrderId"] for order in await client.fetch_open_orders(SYMBOL)] == ["9"]


async def test_more_than_two_stateful_orders_a_block_are_refused(server):
    server.hold_blocks()
    async with client_at(server) as client:
        patched(client)
        for number in (1, 2):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 49_000, {"clientOrderId": number})
        with pytest.raises(InvalidOrder, match="5001"):
            await client.create_order(SYMBOL, "limit", "buy", 0.01, 49_000, {"clientOrderId": 3})


async def test_the_hundred_and_first_question_in_ten_seconds_is_refused(server):
    async with client_at(server) as client:
        client.enableRateLimit = False
        for _ in range(99):  # with the markets: a hundred
            await client.fetch_time()
        with pytest.raises(RateLimitExceeded):
            await client.fetch_time()


async def test_ccxt_pro_watches_book_and_trades(server):
    async with client_at(server, ccxt_pro) as client:
        book = await client.watch_order_book(SYMBOL)
        assert (book["bids"][0][0], book["asks"][0][0]) == (49_990, 50_010)
        await server.quote("49980", "50020")
        book = await client.watch_order_book(SYMBOL)
        while book["bids"][0][0] != 49_980:
            book = await client.watch_order_book(SYMBOL)
        assert book["asks"][0][0] == 50_020


async def test_what_the_chain_knows_outlives_the_server_that_is_served(server):
    async with client_at(server) as client:
        placed = await patched(client).create_order(SYMBOL, "limit", "buy", 0.01, 49_000, {"clientOrderId": 7})
        await client.create_order(SYMBOL, "market", "sell", 0.1, 49_000)
        await server.block()
    room = pickle.loads(pickle.dumps(server.room))
    assert room.recs[placed["id"]].status == "OPEN"
    assert [position.qty for position in room.committed.positions] == [-1_000]
    room.produce()
    old = {name: value for name, value in vars(room).items() if name != "next_authenticator"}
    room.__setstate__(old)
    assert list(room.holders[ADDRESS].authenticators) == [0], "kept before there were any"


async def test_the_recorded_requests_of_ccxt_are_all_answered(server):
    cases = json.loads(recorded_data("venues", "ccxt_static", "request", "dydx.json").read_text())["methods"]
    for address in ("dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art", "wallet"):
        server.room.holders[address] = server.room.holders[ADDRESS]
    unheard_of = {"fetchLedger", "fetchTransfers", "fetchWithdrawals", "fetchDeposits", "fetchDepositsWithdrawals"}
    answered = 0
    async with client_at(server) as client:
        for method, each in cases.items():
            for case in each if method not in unheard_of else ():
                path = case["url"].partition("/v4/")[2].partition("?")[0]
                if path.startswith("orders/"):
                    continue
                found = await client.fetch(f"{server.url}/v4/{case['url'].partition('/v4/')[2]}")
                assert isinstance(found, dict | list), method
                answered += 1
    assert answered >= 10
