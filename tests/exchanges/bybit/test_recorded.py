"""The local Bybit and our connector against recorded payloads.

What the venue tells, the local one tells under the same names and in the same form, and we understand it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from exchanges.bybit.feed import BybitFeedDialect
from exchanges.bybit.history import WireRate
from exchanges.bybit.markets import Contract, FeeRate, RiskTier, listed
from exchanges.bybit.wire import (
    UNREAD,
    Envelope,
    ExecutionMessage,
    OrderMessage,
    Rows,
    WireAccount,
    WireExecution,
    WireKey,
    WireOrder,
    WirePosition,
    WireWallet,
)
from exchanges.shared.payloads import Payloads
from exchanges.viaccxt.pages import PublicReader
from tests.exchanges.bybit.ccxt_client import SYMBOL, ccxt_at
from tests.exchanges.bybit.listing import contract
from tests.exchanges.bybit.server import Server
from tests.exchanges.bybit.sockets import Peer
from tests.exchanges.bybit.test_feed import Room
from tests.needs import recorded_data

pytestmark = pytest.mark.real_data

OF_NO_USE = {
    "underlyingPrice", "indexPrice", "feeCurrency", "tradeIv", "markIv", "blockTradeId", "tpLimitPrice", "slLimitPrice",
    "predictedDeliveryPrice", "basisRate", "deliveryFeeRate", "deliveryTime", "basis", "isBlockTrade", "closedSize",
    "entryPrice", "markPrice",
}  # fmt: skip
"""Fields that only other kinds of contract fill."""


def reply(name: str) -> dict[str, Any]:
    """The body of a recorded answer, after verb, path and whether it was signed."""
    text = recorded_data("venues", "jkorf", "bybit_v5", "Endpoints", "V5Api", name).read_text(encoding="utf-8-sig")
    return json.loads(text.split("\n", 3)[3])


def pushed(name: str) -> dict[str, Any]:
    """The message of a recorded stream."""
    text = recorded_data("venues", "jkorf", "bybit_v5", "Subscriptions", "V5", name).read_text(encoding="utf-8-sig")
    return json.loads(text[text.index("\n=") + 2 :].strip())


def shape(value: Any) -> Any:
    """A value without its contents: names, nesting, and whether a number is text."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items() if name not in OF_NO_USE}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def assert_covers(ours: Any, theirs: Any, where: str) -> None:
    """Every recorded name is told by us too, in the same form."""
    if isinstance(theirs, dict):
        missing = theirs.keys() - ours.keys()
        assert not missing, f"{where}: the local Bybit does not tell {sorted(missing)}"
        for name, each in theirs.items():
            assert_covers(ours[name], each, f"{where}.{name}")
    elif isinstance(theirs, list):
        if theirs and ours:
            assert_covers(ours[0], theirs[0], f"{where}[]")
    else:
        assert ours == theirs, f"{where}: {ours} here, {theirs} at the venue"


class Listener(Peer):
    """A peer without a socket, that keeps what it is told."""

    def __init__(self, user: str, *topics: str) -> None:
        super().__init__(None, "private", "listener", user, set(topics))
        self.told: list[dict[str, Any]] = []

    async def tell(self, message: dict[str, Any]) -> None:
        self.told.append(message)


ANSWERS = {
    "publicGetV5MarketInstrumentsInfo": "ExchangeData/GetLinearInverseSymbols.txt",
    "publicGetV5MarketTickers": "ExchangeData/GetLinearInverseTickers.txt",
    "publicGetV5MarketOrderbook": "ExchangeData/GetOrderbook.txt",
    "publicGetV5MarketRecentTrade": "ExchangeData/GetTradeHistory.txt",
    "publicGetV5MarketKline": "ExchangeData/GetKlines.txt",
    "publicGetV5MarketFundingHistory": "ExchangeData/GetFundingRateHistory.txt",
    "privateGetV5OrderRealtime": "Trading/GetOrders.txt",
    "privateGetV5OrderHistory": "Trading/GetOrderHistory.txt",
    "privateGetV5ExecutionList": "Trading/GetUserTrades.txt",
    "privateGetV5PositionList": "Trading/GetPositions.txt",
    "privateGetV5AccountWalletBalance": "Account/GetBalances.txt",
    "privateGetV5AccountInfo": "Account/GetMarginAccountInfo.txt",
    "privateGetV5AccountFeeRate": "Account/GetFeeRate.txt",
}
STREAMS = {
    "order": "Private/Order.txt",
    "execution": "Private/UserTrades.txt",
    "position": "Private/Position.txt",
    "wallet": "Private/Balance.txt",
    "publicTrade.BTCUSDT": "Linear/Trades.txt",
    "tickers.BTCUSDT": "Linear/Ticker.txt",
    "orderbook.50.BTCUSDT": "Option/Book.txt",
    "kline.5.BTCUSDT": "Option/Klines.txt",
}


@asynccontextmanager
async def traded() -> AsyncIterator[tuple[Server, Any]]:
    """A server, and ccxt there with an order filled, one resting and one cancelled."""
    async with Server() as server, ccxt_at(server) as exchange:
        await server.quote("49990", "50010")
        await exchange.load_markets()
        await exchange.create_order(SYMBOL, "limit", "buy", 0.1, 50010)
        await exchange.create_order(SYMBOL, "limit", "buy", 0.1, 49000)
        yield server, exchange


async def test_answers_have_the_recorded_form():
    async with traded() as (_, exchange):
        for method, recorded in ANSWERS.items():
            asked = {"category": "linear", "symbol": "BTCUSDT", "interval": "60", "accountType": "UNIFIED"}
            told = await getattr(exchange, method)(asked)
            assert told["result"].get("list", [1]), f"{method} tells nothing"
            assert_covers(shape(told["result"]), shape(reply(recorded)["result"]), method)


async def test_the_key_is_told_in_the_recorded_form():
    async with Server() as server, ccxt_at(server) as exchange:
        told, recorded = await exchange.privateGetV5UserQueryApi(), reply("Account/GetApiKeyInfo.txt")
    assert recorded["result"].keys() - told["result"].keys() <= {"kycLevel", "kycRegion"}
    assert told["result"]["permissions"].keys() >= {"ContractTrade", "Wallet", "Derivatives"}


async def test_streams_have_the_recorded_form():
    recordings = {topic: pushed(recorded) for topic, recorded in STREAMS.items()}
    async with traded() as (server, exchange):
        listener = Listener("24617703", *STREAMS)
        server.peers.add(listener)
        for topic in STREAMS:
            if "." in topic:
                await server.talk._greet(listener, topic)
        await exchange.create_order(SYMBOL, "limit", "buy", 0.1, 50010)
        await server.quote("49990", "50020")
        server.peers.discard(listener)
    for topic, recorded in recordings.items():
        told = next(message for message in listener.told if message["topic"] == topic)
        assert_covers(shape(told), shape(recorded), topic)


READ = {
    "Trading/GetOrders.txt": Rows[WireOrder],
    "Trading/GetOrderHistory.txt": Rows[WireOrder],
    "Trading/GetUserTrades.txt": Rows[WireExecution],
    "Trading/GetPositions.txt": Rows[WirePosition],
    "Account/GetBalances.txt": Rows[WireWallet],
    "Account/GetApiKeyInfo.txt": WireKey,
    "Account/GetMarginAccountInfo.txt": WireAccount,
    "Account/GetFeeRate.txt": Rows[FeeRate],
    "ExchangeData/GetRiskLimit.txt": Rows[RiskTier],
    "ExchangeData/GetLinearInverseSymbols.txt": Rows[Contract],
    "ExchangeData/GetKlines.txt": Rows[list[str]],
    "ExchangeData/GetFundingRateHistory.txt": Rows[WireRate],
}


def test_our_reader_understands_every_recorded_answer():
    for name, kind in READ.items():
        envelope = msgspec.json.decode(msgspec.json.encode(reply(name)), type=Envelope)
        assert msgspec.json.decode(envelope.result, type=kind), name
    batch = msgspec.json.decode(msgspec.json.encode(reply("Trading/CancelMultipleOrders.txt")), type=Envelope)
    assert [code.code for code in batch.codes] == [0, 170213]
    tier = msgspec.convert(reply("ExchangeData/GetRiskLimit.txt")["result"], Rows[RiskTier], strict=False).rows[0]
    assert tier.maintenance == Decimal("0.005"), "told in percent there"


def test_our_streams_understand_every_recorded_message():
    for name, kind in {"Order": OrderMessage, "UserTrades": ExecutionMessage}.items():
        told = pushed(f"Private/{name}.txt")
        payloads = Payloads("BYBIT", UNREAD)
        payloads.look(told, msgspec.convert(told, kind))
        assert not payloads.unknown
    contracts = msgspec.convert(reply("ExchangeData/GetLinearInverseSymbols.txt")["result"], Rows[Contract]).rows
    [bitcoin] = listed(contracts)
    assert (bitcoin.id, bitcoin.price_decimals, bitcoin.tick, bitcoin.lot) == ("BTC-USDT-PERP.BYBIT", 1, 1, 1)
    assert (bitcoin.qty_decimals, bitcoin.max_qty, bitcoin.initial_margin) == (3, 100_000, Decimal("0.01"))


def test_our_feed_understands_every_recorded_message():
    fine = contract("BTC", 2, 3, 1_000)
    dialect = BybitFeedDialect("ws://nowhere", PublicReader("Bybit", "http://nowhere"), [fine])
    dialect.room = room = Room()  # type: ignore[assignment]
    for name in ("Linear/Trades.txt", "Linear/Ticker.txt"):
        frame = json.dumps(pushed(name))
        dialect.take("ws://nowhere", frame.encode(), 1)
    book = json.dumps(pushed("Option/Book.txt")).replace("orderbook.25", "orderbook.50")
    dialect.take("ws://nowhere", book.encode(), 1)
    trade, mark, ladder = room.heard
    assert (trade.price, trade.qty, trade.side) == (1_657_850, 1, 1)
    assert (mark.price, mark.funding_rate) == (1_721_733, Decimal("-0.000212"))
    assert (ladder.bids[0], ladder.asks[0]) == ((1_649_350, 6), (1_661_100, 29))
    assert not room.payloads.unknown
