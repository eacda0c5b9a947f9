"""ccxt at arm's length: what it may sign, and what it does not get to do."""

import asyncio

import aiohttp
import pytest

from exchanges.binance.config import ACTIONS, spec_at
from exchanges.viaccxt.client import Client, NoAnswer, NotSent, load_ccxt
from exchanges.viaccxt.signing import PLACEHOLDER
from tests.exchanges.binance.desk import setup_at, signer_of
from tests.exchanges.binance.server import BinanceServer
from tests.exchanges.binance.venue_rules import API_KEY, SECRET


async def client_at(server: BinanceServer, session: aiohttp.ClientSession, **changes) -> Client:
    await load_ccxt()
    options = {"api_key": API_KEY, "key": "binance_secret", "signer": signer_of(), **changes}
    return Client(spec_at(setup_at(server)), session, **options)


async def test_an_endpoint_that_is_not_on_the_list_is_not_signed_and_not_sent():
    async with BinanceServer() as server, aiohttp.ClientSession() as session:
        client = await client_at(server, session)
        for method, api, path in (
            ("POST", "sapi", "capital/withdraw/apply"), ("POST", "sapi", "futures/transfer"),
            ("GET", "sapi", "capital/config/getall"), ("POST", "fapiPrivate", "positionSide/dual"),
            ("POST", "sapi", "sub-account/universalTransfer"),
        ):  # fmt: skip
            assert (method, path) not in ACTIONS
            with pytest.raises(NotSent, match="nothing of ours makes"):
                await client.ask(method, api, path, {"amount": "1"})
        assert server.asked == []


async def test_a_payload_that_does_not_fit_its_action_is_refused_by_the_signer():
    async with BinanceServer() as server, aiohttp.ClientSession() as session:
        client = await client_at(server, session)
        with pytest.raises(NotSent, match="may not have address"):
            await client.ask("POST", "fapiPrivate", "order", {"symbol": "BTCUSDT", "address": "0xabc"})
        with pytest.raises(NotSent, match="nothing of ours makes"):
            await (await client_at(server, session, signer=None)).ask("GET", "fapiPrivate", "openOrders")
        assert server.asked == []


async def test_ccxts_own_methods_are_signed_and_judged_as_ever():
    import ccxt

    async with BinanceServer() as server, aiohttp.ClientSession() as session:
        client = await client_at(server, session)
        assert client.exchange.secret == PLACEHOLDER
        assert (await client.exchange.fapiPrivateV3GetBalance())[0]["balance"] == "100000.00000000"
        with pytest.raises(ccxt.OrderNotFound):
            await client.exchange.fapiPrivateGetOrder({"symbol": "BTCUSDT", "orderId": "1"})
        with pytest.raises(ccxt.BadRequest, match="-4014"):
            await client.exchange.fapiPrivatePostOrder({
                "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01",
                "price": "49000.05", "newClientOrderId": "x",
            })  # fmt: skip
        assert SECRET not in repr(client.exchange.last_request_headers)
        await client.aclose()


async def test_a_local_client_knows_no_address_of_the_venue_itself():
    async with BinanceServer() as server, aiohttp.ClientSession() as session:
        client = await client_at(server, session)
        assert "binance.com" not in repr(client.exchange.urls["api"])
        assert not client.exchange.enableRateLimit, "the limits are kept by us"
        assert client.exchange.options["maxRetriesOnFailure"] == 0
        await client.aclose()


async def test_what_did_not_leave_is_told_from_what_may_have():
    async with BinanceServer() as server, aiohttp.ClientSession() as session:
        client = await client_at(server, session, timeout_s=1.0)
        server.faults.drop_answers = 1
        order = {"symbol": "BTCUSDT", "newClientOrderId": "x"}
        with pytest.raises(NoAnswer, match="did not answer POST order") as caught:
            await client.ask("POST", "fapiPrivate", "order", order)
        assert "signature" not in str(caught.value)
        await server.close()
        with pytest.raises(NotSent, match="cannot be reached for POST order") as refused:
            await client.ask("POST", "fapiPrivate", "order", order)
        assert "signature" not in str(refused.value)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
async def test_what_changes_something_is_sent_once_though_a_kept_connection_breaks(method):
    """aiohttp repeats PUT and DELETE by itself: an amendment would be refused as a duplicate of what it did."""
    heard = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            while (line := await reader.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    head += line
            if b"openOrders" not in head:
                heard.append(head.split()[0].decode())
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener, BinanceServer() as server, aiohttp.ClientSession() as session:
        client = await client_at(server, session)
        place = listener.sockets[0].getsockname()
        for api, url in client.exchange.urls["api"].items():
            if isinstance(url, str):
                client.exchange.urls["api"][api] = url.replace(server.url, f"http://{place[0]}:{place[1]}")
        assert (await client.ask("GET", "fapiPrivate", "openOrders")).body == b"[]"
        with pytest.raises(NoAnswer):
            await client.ask(method, "fapiPrivate", "order", {"symbol": "BTCUSDT"})
        assert heard == [method]


async def test_a_handshake_that_is_given_up_leaves_no_task_behind():
    called = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with listener, BinanceServer() as server, aiohttp.ClientSession() as session:
        client = await client_at(server, session)
        before = asyncio.all_tasks()
        host, port = listener.sockets[0].getsockname()
        held = asyncio.create_task(client.hold(f"ws://{host}:{port}/ws", lambda: None))
        await called.wait()
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        await client.aclose()
        assert not [task for task in asyncio.all_tasks() - before if "ccxt" in repr(task)]
