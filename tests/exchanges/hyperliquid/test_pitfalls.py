"""The pitfalls of trading at Hyperliquid that others fell into, one test each."""

import gc
import json
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from domain.errors import VenueError
from domain.events import Accepted, Filled, OrderReport, Rejected, VenueSnapshot, VenueStatus
from domain.order import OrderKind, OrderStatus
from domain.verdict import Reason
from exchanges.hyperliquid.actions import Noop
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.info import MetaAsset, instrument_of
from exchanges.hyperliquid.open import config_of
from exchanges.hyperliquid.router import Router
from exchanges.hyperliquid.signing import MAINNET, l1_payload
from exchanges.hyperliquid.wire import CoinCodec
from exchanges.shared.payloads import Payloads
from exchanges.shared.setup import VenueSetup
from tests.exchanges.hyperliquid import server as public
from tests.exchanges.hyperliquid.desk import BTC, desk_at, trading, venue_at
from tests.exchanges.hyperliquid.exchange_room import AGENT
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

ROOT = Path(__file__).resolve().parents[3]
BUILDER = "0x" + "CD" * 20


async def test_no_builder_fee_and_no_referrer_is_ever_sent_unless_configured():
    async with trading() as (server, desk):
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        assert [action["type"] for action in server.room.seen] == ["order"], "nothing was approved or referred"
        assert "builder" not in server.room.seen[0]
    async with trading(builder=BUILDER, builder_fee=10) as (server, desk):
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        assert server.room.seen[0]["builder"] == {"b": BUILDER.lower(), "f": 10}
        assert list(server.room.seen[0])[2:] == ["type", "orders", "grouping", "builder"], "the order that is signed"


async def test_a_batch_with_one_rejected_keeps_the_number_of_the_accepted_one():
    async with trading() as (_, desk):
        small, good = desk.place(1, "49000", "0.0001"), desk.place(1, "49000")
        desk.send(small, good)
        assert (await desk.hears(Accepted, good.cid)).venue_id
        assert (await desk.hears(Rejected, small.cid)).reason is Reason.MIN_NOTIONAL


async def test_no_two_requests_carry_the_same_nonce_however_fast_they_come():
    async with trading() as (server, desk):
        places = [desk.place(1, "49000") for _ in range(50)]
        for place in places:
            desk.send(place)
        for place in places:
            await desk.hears(Accepted, place.cid)
        assert len(server.room._nonces[AGENT]) == 50


async def test_signing_does_not_hold_up_the_loop():
    """A signature in pure Python takes 3 ms; forty orders in one action are one native signature."""
    async with trading() as (server, desk):
        places = [desk.place(1, "49000") for _ in range(40)]
        desk.send(*places)
        await desk.hears(Accepted, places[-1].cid)
        assert [len(action["orders"]) for action in server.room.seen] == [40]


async def test_a_size_of_zero_which_would_close_the_whole_position_is_never_sent():
    async with trading() as (server, desk):
        place = desk.place(-1, "49000", "0", reduce_only=True, adds_risk=False)
        desk.send(place)
        assert (await desk.hears(Rejected, place.cid)).reason is Reason.BAD_NUMBER
        assert server.room.seen == []


async def test_what_takes_liquidity_has_our_price_and_not_a_librarys_slippage():
    async with trading() as (server, desk):
        place = desk.place(1, "50010", kind=OrderKind.IOC)
        desk.send(place)
        await desk.hears(Filled, place.cid)
        [order] = server.room.seen[0]["orders"]
        assert (order["p"], order["t"]) == ("50010", {"limit": {"tif": "Ioc"}})


@pytest.mark.parametrize(
    ("decimals", "value", "bid", "ask"),
    [(5, 49_995.7, "49995", "49996"), (0, 0.1234567, "0.12345", "0.12346"), (4, 3_001.27, "3001.2", "3001.3")],
)
def test_a_price_has_five_significant_figures_and_is_rounded_away_from_the_market(decimals, value, bid, ask):
    instrument = instrument_of(MetaAsset("X", decimals, 10))
    assert instrument.round_price(value, 1) == instrument.price(bid)
    assert instrument.round_price(value, -1) == instrument.price(ask)


async def test_every_order_expires_also_one_that_has_no_end_of_its_own():
    async with trading(order_valid_s=5.0) as (server, desk):
        place = desk.place(1, "49000", valid_until_ns=0)
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        left_ms = server.room.seen[0]["expires"] - time.time() * 1000
        assert 0 < left_ms <= 5_000


async def test_what_happened_while_away_is_read_after_a_reconnect():
    async with trading() as (server, desk):
        place = desk.place(1, "49995")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        server.faults.refuse_ws = True
        server.cut()
        await desk.until(lambda: len(desk.of(VenueStatus)) == 2)
        await server.quote("49980", "49995")
        server.faults.refuse_ws = False
        await desk.until(lambda: len(desk.of(VenueStatus)) == 3)
        desk.send(desk.snapshot())
        assert [fill.cid for fill in (await desk.hears(VenueSnapshot)).fills] == [place.cid]


async def test_a_connection_that_dies_silently_is_noticed():
    """The SDK's thread ends when the server closes, and nobody is told."""
    async with trading(ping_after_s=0.1) as (server, desk):
        server.faults.mute_pongs = True
        await desk.until(lambda: [status.connected for status in desk.of(VenueStatus)][:2] == [True, False])
        assert "nothing came for 0.2 s" in desk.of(VenueStatus)[1].detail


async def test_a_hundred_books_at_once_are_a_hundred_books():
    seen: list = []
    codec = CoinCodec(BTC)
    router = Router([codec], seen.append, 0)
    frames = [json.dumps(public.book(public.NOW_MS + at)).encode() for at in range(100)]
    for at, frame in enumerate(frames):
        router.take(frame, (public.NOW_MS + at) * 1_000_000)
    assert len(seen) == 100


async def test_a_hundred_updates_at_once_are_each_told():
    async with trading() as (_, desk):
        places = [desk.place(1, "49000") for _ in range(100)]
        desk.send(*places)
        await desk.until(lambda: len(desk.of(Accepted)) == 200)
        assert {accepted.cid for accepted in desk.of(Accepted)} == {place.cid for place in places}


def test_the_network_is_configured_and_never_guessed_from_an_address():
    """The SDK signs for the test network at every address but the one that it knows."""
    local = HyperliquidConfig(ws_url="ws://127.0.0.1:1/ws", api_url="http://127.0.0.1:1", is_mainnet=True)
    assert l1_payload(Noop(), 1, is_mainnet=local.is_mainnet)[:1] == MAINNET
    setup = VenueSetup(venue="HYPERLIQUID", network="local", base_url="http://127.0.0.1:1")
    assert not config_of(setup).is_mainnet


@pytest.mark.process
def test_neither_ccxt_nor_the_sdk_is_loaded_to_trade_there():
    """Together they cost a second and a hundred megabytes."""
    code = (
        "import sys, exchanges.hyperliquid.open; "
        "print([name for name in ('ccxt', 'hyperliquid', 'eth_account', 'requests') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_public_frame_that_is_not_understood_is_kept_and_the_next_is_told(tmp_path):
    seen: list = []
    router = Router([CoinCodec(BTC)], seen.append, 0, Payloads("HYPERLIQUID", folder=tmp_path))
    router.take(b'{"channel":"l2Book","data":{"coin":"BTC","levels":[]}}', 7)
    router.take(json.dumps(public.book(public.NOW_MS)).encode(), 8)
    assert (len(seen), router.poison) == (1, 1)
    [kept] = (tmp_path / "hyperliquid-not-understood.jsonl").read_text().splitlines()
    assert json.loads(kept)["ts_ns"] == 7


def test_memory_does_not_grow_with_messages():
    router = Router([CoinCodec(BTC)], lambda _: None, 0)
    frame = json.dumps(public.book(public.NOW_MS)).encode()

    def run(start: int) -> int:
        for at in range(start, start + 3_000):
            router.take(frame.replace(str(public.NOW_MS).encode(), str(public.NOW_MS + at).encode()), at)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    first = run(0)
    second = run(3_000)
    tracemalloc.stop()
    assert second - first < 50_000


async def test_an_order_whose_answer_was_lost_is_asked_about_by_its_client_id_and_never_sent_again():
    async with trading(request_timeout_s=0.2) as (server, desk):
        server.faults.drop_answers = 1
        server.faults.mute_streams = True
        place = desk.place(1, "49000")
        desk.send(place)
        desk.send(desk.query(place))
        report = await desk.hears(OrderReport, place.cid)
        assert (report.found, report.status) == (True, OrderStatus.OPEN)
        assert len(server.room.seen) == 1


async def test_a_venue_in_maintenance_is_said_to_be():
    async with ExchangeServer() as server:
        server.faults.read_statuses = [503, 503, 503]
        with pytest.raises(VenueError, match=r"it is in maintenance or overloaded \(HTTP 503\)"):
            await venue_at(server).start(lambda _: None)
        server.faults.read_statuses = []
        server.faults.refuse_ws = True
        with pytest.raises(VenueError, match="it is in maintenance or overloaded"):
            await venue_at(server, connect_timeout_s=0.3).start(lambda _: None)


async def test_after_an_upgrade_the_venue_takes_only_post_only_orders_and_its_words_reach_people():
    async with trading() as (server, desk):
        server.faults.words = "Only post-only orders allowed immediately after a network upgrade"
        place = desk.place(1, "49000")
        desk.send(place)
        rejected = await desk.hears(Rejected, place.cid)
        assert "network upgrade" in rejected.text


async def test_a_field_that_is_new_is_counted_and_a_missing_one_keeps_the_message(tmp_path):
    async with ExchangeServer() as server:
        await server.quote("49990", "50010")
        desk = desk_at(venue_at(server, folder=tmp_path))
        await desk.venue.start(desk.sink)
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        rec = next(iter(server.room.recs.values()))
        await desk.until(lambda: len(desk.of(Accepted, place.cid)) == 2)
        for socket in server.sockets:
            update = {"order": {**rec.order(), "novelty": 1}, "status": "open", "statusTimestamp": 1}
            await socket.send_json({"channel": "orderUpdates", "data": [update]})
            await socket.send_json({"channel": "orderUpdates", "data": [{"order": {"coin": "BTC"}, "status": "open"}]})
        await desk.hears(VenueSnapshot)
        assert desk.venue.payloads.unknown == {"UpdatesMessage.data[].order.novelty": 1}
        assert "novelty" in desk.venue.view().detail
        [kept] = (tmp_path / "hyperliquid-not-understood.jsonl").read_text().splitlines()
        assert '"order":{"coin":"BTC"}' in json.loads(kept)["payload"].replace(" ", "")
        await desk.venue.aclose()
