"""Recorded payloads played by the local venue: what the live feed makes of them."""

import gzip
import json

import pytest
import yaml

from domain.instrument import Instrument
from domain.market import Book, Feed, FeedKind, Trade
from domain.order import OrderStatus
from engine.data.l2 import L2Tape
from exchanges.hyperliquid.account import decoded
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.feed import HyperliquidFeed
from exchanges.hyperliquid.limits import WireRateLimit
from exchanges.hyperliquid.orders import status_of
from exchanges.hyperliquid.private import (
    UNREAD,
    FillsMessage,
    UpdatesMessage,
    WireAccount,
    WireAgent,
    WireFill,
    WireLedgerFunding,
    WireOrder,
    WireRole,
    WireUpdate,
    decode_private,
)
from exchanges.shared.payloads import Payloads
from tests.exchanges.hyperliquid.server import LocalVenue
from tests.exchanges.hyperliquid.test_feed import HandClock, until
from tests.needs import recorded_data

pytestmark = pytest.mark.real_data

BTC = Instrument(
    id="BTC-USDC-PERP.HYPERLIQUID", venue_symbol="BTC", price_decimals=1, qty_decimals=5, max_significant=5
)
UNKNOWN = OrderStatus.UNKNOWN
DAY_NS = 86_400_000_000_000


def cassette(name: str) -> dict[str, bytes]:
    """Request type to response body of a recorded exchange."""
    path = recorded_data("venues", "hyperliquid_sdk", "tests", "cassettes", "info_test", name)
    played = yaml.safe_load(path.read_text())["interactions"]
    bodies = {}
    for exchange in played:
        question = exchange["request"]["body"]
        asked = json.loads(question.decode() if isinstance(question, bytes) else question)
        body = exchange["response"]["body"]["string"]
        bodies[asked["type"]] = body if isinstance(body, bytes) else body.encode()
    return bodies


async def test_a_recorded_tape_comes_out_of_the_live_feed_as_out_of_the_importer():
    path = recorded_data("l2", "hyperliquid_btcusd_20250126.gz")
    with gzip.open(path, "rt") as tape:
        frames = [line.partition(" ")[2].strip() for line in tape]
    imported = list(L2Tape(path, BTC).events())
    seen: list = []
    async with LocalVenue() as venue:
        feed = HyperliquidFeed(HyperliquidConfig(ws_url=venue.ws_url, api_url=venue.url), HandClock(), [BTC])
        await feed.start(seen.append, [Feed(kind=kind, instrument=BTC.id) for kind in (FeedKind.BOOK, FeedKind.TRADE)])
        await venue.push(*frames)
        await until(lambda: len([e for e in seen if isinstance(e, Book | Trade)]) == len(imported))
        assert feed.poison == 0
        await feed.aclose()

    def content(events):
        return [
            (event.venue_ts_ns, event.bids, event.asks)
            if isinstance(event, Book)
            else (event.venue_ts_ns, event.trade_id, event.price, event.qty, event.side)
            for event in events
            if isinstance(event, Book | Trade)
        ]

    assert content(seen) == content(imported)


async def test_the_recorded_contracts_and_candles_of_the_sdk_are_understood():
    bodies = cassette("test_get_candles_snapshot.yaml")
    async with LocalVenue() as venue:
        venue.info_bodies = bodies
        config = HyperliquidConfig(ws_url=venue.ws_url, api_url=venue.url)
        contracts = HyperliquidFeed(config, HandClock())
        known = {instrument.venue_symbol: instrument for instrument in await contracts.instruments()}
        assert len(known) == 28
        assert (known["BTC"].price_decimals, known["kPEPE"].price_decimals) == (1, 6)
        candles = json.loads(bodies["candleSnapshot"])
        coin = known[candles[0]["s"]]
        clock = HandClock()
        clock.ns = candles[-1]["T"] * 1_000_000
        feed = HyperliquidFeed(config, clock, [coin])
        interval_ns = (candles[0]["T"] + 1 - candles[0]["t"]) * 1_000_000
        bars = await feed.history(Feed(kind=FeedKind.BAR, instrument=coin.id, interval_ns=interval_ns), 10_000)
        assert len(bars) == len(candles) - 1, "the last one is not finished"
        assert [coin.price_text(bar.close) for bar in bars[:2]] == [
            f"{float(candle['c']):.{coin.price_decimals}f}" for candle in candles[:2]
        ]
        await contracts.aclose()
        await feed.aclose()


@pytest.mark.parametrize(
    ("name", "question", "kind"),
    [
        ("test_get_user_state.yaml", "clearinghouseState", None),
        ("test_get_frontend_open_orders.yaml", "frontendOpenOrders", list[WireOrder]),
        ("test_historical_orders.yaml", "historicalOrders", list[WireUpdate]),
        ("test_user_funding_history_with_end_time.yaml", "userFunding", list[WireLedgerFunding]),
        ("test_user_role.yaml", "userRole", WireRole),
        ("test_user_rate_limit.yaml", "userRateLimit", WireRateLimit),
        ("test_extra_agents.yaml", "extraAgents", list[WireAgent]),
    ],
)
def test_recorded_answers_about_accounts_are_understood_and_have_no_field_that_we_do_not_know(name, question, kind):
    body = cassette(name)[question]
    if kind is None:
        told = json.loads(body)
        told.setdefault("time", 0)  # the recording is older than the field
        body, kind = json.dumps(told).encode(), WireAccount
        assert decoded(body, WireAccount, question).asset_positions
    payloads = Payloads("HYPERLIQUID", UNREAD)
    value = decoded(body, kind, question)
    assert value
    payloads.look(body, value)
    assert payloads.unknown == {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Futures/Account/GetAccountInfo.txt", WireAccount),
        ("Futures/Account/GetFundingHistory.txt", list[WireLedgerFunding]),
        ("Spot/Account/GetRateLimits.txt", WireRateLimit),
        ("Spot/Trading/GetOpenOrdersExtended.txt", list[WireOrder]),
        ("Spot/Trading/GetUserTrades.txt", list[WireFill]),
    ],
)
def test_what_others_have_recorded_has_no_field_that_we_do_not_know(name, kind):
    path = recorded_data("venues", "jkorf", "hyperliquid", "Endpoints", *name.split("/"))
    body = path.read_text().split("\n", 3)[3].encode()
    payloads = Payloads("HYPERLIQUID", UNREAD)
    payloads.look(body, decoded(body, kind, name))
    assert payloads.unknown == {}


def test_every_status_that_the_venue_has_recorded_is_one_that_we_know():
    updates = decoded(cassette("test_historical_orders.yaml")["historicalOrders"], list[WireUpdate], "historicalOrders")
    assert {update.status: status_of(update.status) for update in updates if status_of(update.status) is UNKNOWN} == {}
    facts = json.loads(recorded_data("venues", "nautilus", "venue_facts", "hyperliquid_enums_errors.json").read_text())
    assert [word for word in facts["HyperliquidOrderStatus"] if status_of(word) is UNKNOWN] == []


def test_recorded_private_messages_are_understood():
    path = recorded_data("venues", "nautilus", "inline_payloads", "hyperliquid.jsonl")
    payloads = [json.loads(line)["payload"] for line in path.read_text().splitlines()]
    [update] = [payload for payload in payloads if payload.get("channel") == "orderUpdates"]
    message = decode_private(json.dumps(update))
    assert isinstance(message, UpdatesMessage)
    fills = [fill for payload in payloads if payload.get("channel") == "user" for fill in payload["data"]["fills"]]
    assert len(fills) == 3
    data = {"user": "0x0", "isSnapshot": True, "fills": fills}
    assert isinstance(decode_private(json.dumps({"channel": "userFills", "data": data})), FillsMessage)
