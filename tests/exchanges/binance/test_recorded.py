"""The recorded payloads (venues/jkorf) fit what we read, and what the local venue says has their fields."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from domain.events import Filled
from domain.order import BUY, SELL, OrderKind
from exchanges.binance.account import ServerTime
from exchanges.binance.config import NETWORKS
from exchanges.binance.feed import WireAggTrade, WireDepth, WireKline, WireMark, WireSnapshot, WireTicker, _decode
from exchanges.binance.history import WireRate, WireRow, WireTrade
from exchanges.binance.markets import Brackets, Commission, ExchangeInfo, FundingInfo
from exchanges.binance.start import AccountConfig, FeeBurn, SymbolConfig
from exchanges.binance.wire import (
    AlgoUpdate,
    OrderUpdate,
    WireAlgo,
    WireBalance,
    WireIncome,
    WireOrder,
    WirePosition,
    decoded,
)
from exchanges.binance.wire import WireTrade as WireUserTrade
from tests.exchanges.binance.desk import trading
from tests.needs import recorded_data

pytestmark = pytest.mark.real_data
TRADING, ACCOUNT, MARKET = "Endpoints/Trading", "Endpoints/Account", "Endpoints/ExchangeData"


def recorded(name: str) -> Any:
    """The JSON of a recording, whatever is written before it."""
    path: Path = recorded_data("venues", "jkorf", "binance_usdm", *f"{name}.txt".split("/"))
    text = path.read_text()
    if name.startswith("Endpoints"):
        return json.loads(text.split("\n", 3)[3])
    told = json.loads(text.split("\n= ", 1)[1])
    return told.get("data", told.get("result"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (f"{TRADING}/PlaceOrder", WireOrder),
        (f"{TRADING}/CancelOrder", WireOrder),
        (f"{TRADING}/EditOrder", WireOrder),
        (f"{TRADING}/GetOrder", WireOrder),
        (f"{TRADING}/GetOpenOrders", list[WireOrder]),
        (f"{TRADING}/PlaceMultipleOrders", list[WireOrder]),
        (f"{TRADING}/CancelMultipleOrders", list[WireOrder]),
        (f"{TRADING}/PlaceConditionalOrder", WireAlgo),
        (f"{TRADING}/CancelConditionalOrder", WireAlgo),
        (f"{TRADING}/GetConditionalOrder", WireAlgo),
        (f"{TRADING}/GetOpenConditionalOrders", list[WireAlgo]),
        (f"{TRADING}/GetConditionalOrders", list[WireAlgo]),
        (f"{TRADING}/GetUserTrades", list[WireUserTrade]),
        (f"{TRADING}/GetPositions", list[WirePosition]),
        (f"{ACCOUNT}/GetBalances", list[WireBalance]),
        (f"{ACCOUNT}/GetIncomeHistory", list[WireIncome]),
        (f"{ACCOUNT}/GetUserCommissionRate", Commission),
        (f"{ACCOUNT}/GetBrackets", list[Brackets]),
        (f"{ACCOUNT}/GetAccountConfiguration", AccountConfig),
        (f"{ACCOUNT}/GetSymbolConfiguration", list[SymbolConfig]),
        (f"{ACCOUNT}/GetBnbBurnStatus", FeeBurn),
        (f"{MARKET}/GetServerTime", ServerTime),
        (f"{MARKET}/GetExchangeInfo", ExchangeInfo),
        (f"{MARKET}/GetFundingInfo", list[FundingInfo]),
        (f"{MARKET}/GetOrderBook", WireSnapshot),
        (f"{MARKET}/GetKlines", list[WireRow]),
        (f"{MARKET}/GetAggregatedTradeHistory", list[WireTrade]),
        (f"{MARKET}/GetFundingRates", list[WireRate]),
        ("Socket/Trading/PlaceOrder", WireOrder),
        ("Socket/Trading/EditOrder", WireOrder),
        ("Socket/Trading/CancelOrder", WireOrder),
        ("Socket/Trading/PlaceConditionalOrder", WireAlgo),
        ("Subscriptions/OrderUpdate", OrderUpdate),
        ("Subscriptions/AlgoOrderUpdate", AlgoUpdate),
    ],
)
def test_recorded_answers_and_updates_are_understood(name, kind):
    found = decoded(json.dumps(recorded(name)).encode(), kind, name)
    assert found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Book", WireDepth), ("BookTicker", WireTicker), ("AggTrades", WireAggTrade), ("MarkPrice", WireMark),
        ("Klines", WireKline),
    ],
)  # fmt: skip
def test_recorded_market_data_is_understood(name, kind):
    assert type(_decode(json.dumps(recorded(f"Subscriptions/{name}")).encode())) is kind


@pytest.mark.parametrize("name", ["AccountUpdate", "TradeUpdate", "Leverage", "MarginUpdate", "StrategyUpdate"])
async def test_recorded_messages_that_do_not_concern_orders_are_dealt_with(name):
    async with trading() as (_, desk):
        seat = desk.venue.seats[desk.account]
        assert desk.venue._hear(seat, "ws://private", recorded(f"Subscriptions/{name}"))
        assert desk.venue.poison == 0


def nautilus(name: str) -> Any:
    """A message of a user data stream, recorded by another library's tests."""
    parts = ("venues", "nautilus", "binance", "test_data", "futures", "user_data_json", f"{name}.json")
    return json.loads(recorded_data(*parts).read_text())


@pytest.mark.parametrize(
    ("name", "price", "forced"),
    [
        ("trade", "7100.50", False), ("trade_partial", "", False), ("adl", "42000.00", True),
        ("calculated", "9910.12", True), ("calculated_pending", "", True), ("insurance", "45000.00", True),
        ("settlement", "50000.00", True), ("delivery", "", True),
    ],
)  # fmt: skip
async def test_recorded_fills_are_told_also_those_that_the_venue_forces(name, price, forced):
    """A liquidation's price is an average, off the grid; one of no quantity yet is no fill."""
    async with trading() as (_, desk):
        seat, message = desk.venue.seats[desk.account], nautilus(f"order_update_{name}")
        assert desk.venue._hear(seat, "ws://private", message)
        assert desk.venue.poison == 0
        fills = desk.of(Filled)
        if price:
            [fill] = fills
            assert (fill.price, fill.liquidation) == (int(price.replace(".", "")), forced)
            assert fill.fee == Decimal(message["o"]["n"])


LATER = {
    "actualQty",
    "actualType",
    "activatePrice",
    "priceRate",
    "goodTillDate",
    "avgPrice",
    "cumQuote",
    "cumBase",
    "pair",
    "si",
    "ss",
    "AP",
    "cr",
}
"""Fields of recordings of other kinds of orders, or of other endpoints' forms of the same."""


async def test_what_the_local_venue_says_has_the_fields_of_the_recordings():
    """Not the other way round: the recordings are older, and of single kinds of orders."""
    async with trading() as (server, desk), aiohttp.ClientSession() as session:
        place = desk.place(BUY, "50010", "0.1", OrderKind.IOC)
        desk.send(place)
        await desk.until(lambda: len(desk.heard) > 2)
        stop = desk.place(SELL, "0", "0.1", OrderKind.STOP, trigger=desk.instrument.price("49000"), reduce_only=True)
        told: list[dict[str, Any]] = []
        flush, server.flush = server.flush, lambda: _kept(server, told, flush)  # type: ignore[method-assign]
        desk.send(stop)
        await desk.until(lambda: [each for each in told if each["e"] == "ALGO_UPDATE"])
        rest = desk.place(BUY, "49000")
        desk.send(rest)
        await desk.until(lambda: [each for each in told if each["e"] == "ORDER_TRADE_UPDATE"])
        room = server.room
        by_kind = {each["e"]: each for each in told}
        pairs = [
            (by_kind["ALGO_UPDATE"], recorded("Subscriptions/AlgoOrderUpdate")),
            (by_kind["ORDER_TRADE_UPDATE"], recorded("Subscriptions/OrderUpdate")),
            (next(rec for rec in room.recs.values() if not rec.algo_id).order(), recorded(f"{TRADING}/GetOrder")),
            (next(rec for rec in room.recs.values() if rec.algo_id).algo(), recorded(f"{TRADING}/GetConditionalOrder")),
            (room.trades[0], recorded(f"{TRADING}/GetUserTrades")[0]),
        ]
        async with session.get(f"{server.url}/fapi/v1/depth?symbol=BTCUSDT") as answer:
            pairs.append((await answer.json(), recorded(f"{MARKET}/GetOrderBook")))
        async with session.get(f"{server.url}/fapi/v1/exchangeInfo") as answer:
            pairs.append(((await answer.json())["symbols"][0], recorded(f"{MARKET}/GetExchangeInfo")["symbols"][0]))
    for ours, theirs in pairs:
        assert missing(ours, theirs) == set()


async def _kept(server, told, flush) -> None:
    told += [message for _, message in server.room.streams]
    await flush()


def missing(ours: Any, theirs: Any) -> set[str]:
    """Names in a recording that ours does not have, at any depth."""
    if not isinstance(theirs, dict):
        return set()
    names = {name for name in theirs if name not in ours and name not in LATER and not re.match("[ts][lp][A-Z]", name)}
    for name, value in theirs.items():
        if isinstance(ours.get(name), dict):
            names |= {f"{name}.{each}" for each in missing(ours[name], value)}
    return names


def test_the_test_networks_addresses_are_those_of_ccxts_demo():
    import ccxt.pro

    exchange = ccxt.pro.binanceusdm()
    exchange.enable_demo_trading(True)
    network = NETWORKS["testnet"]
    assert exchange.urls["api"]["fapiPrivate"] == f"{network.rest}/fapi/v1"
    assert exchange.urls["api"]["ws"]["linear"] == f"{network.ws}/ws"
    assert exchange.urls["api"]["ws"]["ws-api"]["linear"] == network.orders
    mainnet = ccxt.pro.binanceusdm().urls["api"]
    assert mainnet["fapiPrivate"] == f"{NETWORKS['mainnet'].rest}/fapi/v1"
    assert mainnet["ws"]["ws-api"]["linear"] == NETWORKS["mainnet"].orders


def test_a_missing_field_is_an_error_that_names_it():
    with pytest.raises(msgspec.ValidationError, match="`X`"):
        msgspec.convert({"T": 1, "o": {"s": "BTCUSDT", "c": "a", "S": "BUY", "x": "NEW"}}, OrderUpdate)
