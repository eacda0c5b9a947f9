"""The pitfalls of trading Phemex through ccxt that others have met, each with the proof that we do not."""

import asyncio
import json
import logging
import subprocess
import sys
from functools import partial
from pathlib import Path

from domain.events import Accepted, Cancelled, Filled, OrderReport, Rejected, VenueSnapshot
from domain.order import BUY, SELL, OrderKind
from exchanges.viaccxt.signing import PLACEHOLDER
from tests.exchanges.phemex.desk import Trader, trading
from tests.exchanges.phemex.server import SECRET

ROOT = Path(__file__).parents[3]


def _has(desk: Trader, count: int) -> bool:
    return len(desk.heard) >= count


async def test_no_broker_id_or_prefix_is_injected():
    """ccxt puts its own broker id before the client ids that it makes up, and makes one up where none is given."""
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        [(method, path, params)] = [asked for asked in server.asked if asked[0] == "POST"]
        assert (method, path, params["clOrdID"]) == ("POST", "/g-orders", place.cid)
        assert "CCXT" not in json.dumps(server.asked)


async def test_the_secret_is_nowhere_in_ccxt_and_in_nothing_that_is_written(caplog):
    caplog.set_level(logging.DEBUG)
    async with trading() as (server, desk):
        exchange = desk.venue.seats[desk.account].session.client.exchange
        assert exchange.secret == PLACEHOLDER
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        seen = repr(vars(exchange)) + caplog.text + repr(desk.heard) + repr(server.gateway.heard)
        assert SECRET not in seen
        assert PLACEHOLDER not in repr(server.asked) + repr(server.gateway.heard)


async def test_an_order_whose_answer_is_lost_is_sent_once_and_asked_about():
    async with trading(request_timeout_s=0.3) as (server, desk):
        server.faults.drop_answers, server.faults.mute_streams = 1, True
        place = desk.place(BUY, "49000")
        desk.send(place)
        await asyncio.sleep(0.1)
        desk.send(desk.query(place))
        assert (await desk.hears(OrderReport, place.cid)).found
        assert len([asked for asked in server.asked if asked[0] == "POST"]) == 1


async def test_ccxts_amend_by_client_id_would_name_a_new_one():
    """The venue takes `clOrdID` of a replacement for a new id; the order's own is `origClOrdID`."""
    async with trading() as (server, desk):
        line = desk.place(BUY, "49000")
        desk.send(line)
        await desk.hears(Accepted, line.cid)
        orders = desk.venue.seats[desk.account].session.orders
        found = orders.line(line.cid)
        assert found is not None
        found.venue_id = ""
        desk.send(desk.amend(line, "49100", "0.02", 1))
        await desk.until(lambda: len(server.asked) and server.asked[-1][0] == "PUT")
        assert (server.asked[-1][2]["origClOrdID"], "clOrdID" in server.asked[-1][2]) == (line.cid, False)


async def test_a_hundred_updates_between_two_looks_are_a_hundred_events():
    """ccxt's `watch_orders` returns what is newest, and for these contracts nothing at all."""
    async with trading() as (_, desk):
        places = [desk.place(BUY, "49000", "0.001") for _ in range(100)]
        desk.send(*places)
        for place in places:
            await desk.hears(Accepted, place.cid)
        desk.send(*(desk.cancel(place) for place in places))
        for place in places:
            await desk.hears(Cancelled, place.cid)
        assert len(desk.of(Accepted)) == len(desk.of(Cancelled)) == 100


async def test_ccxt_keeps_nothing_and_no_connection_is_left_behind():
    async with trading() as (server, desk):
        for _ in range(3):
            place = desk.place(BUY, "50010", "0.001")
            desk.send(place)
            await desk.hears(Filled, place.cid)
            wanted = len(desk.heard) + 2
            server.cut()
            await desk.until(partial(_has, desk, wanted))
        exchange = desk.venue.seats[desk.account].session.client.exchange
        assert (exchange.orders, exchange.myTrades) == (None, None)
        assert len(exchange.clients) == len(server.gateway.lines) == 1


async def test_nothing_of_a_gap_is_lost_though_ccxt_fills_none():
    async with trading() as (server, desk):
        place = desk.place(BUY, "49995")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        server.faults.mute_streams = True
        await server.quote("49980", "49995")
        server.faults.mute_streams = False
        assert not desk.of(Filled)
        desk.send(desk.snapshot())
        assert [fill.cid for fill in (await desk.hears(VenueSnapshot)).fills] == [place.cid]


async def test_a_post_only_order_that_would_take_is_rejected_though_the_answer_says_created():
    async with trading() as (_, desk):
        place = desk.place(BUY, "50010", "0.01", OrderKind.POST_ONLY)
        desk.send(place)
        assert "CE_WILLCROSS" in (await desk.hears(Rejected, place.cid)).text
        assert not desk.of(Accepted, place.cid)


async def test_a_fill_of_the_stream_and_of_the_list_is_one():
    async with trading() as (_, desk):
        place = desk.place(SELL, "49990", "0.1", OrderKind.IOC)
        desk.send(place)
        fill = await desk.hears(Filled, place.cid)
        desk.send(desk.snapshot())
        [listed] = (await desk.hears(VenueSnapshot)).fills
        assert (listed.fill_id, listed.price, listed.qty, listed.fee) == (fill.fill_id, fill.price, fill.qty, fill.fee)


async def test_an_order_of_nothing_is_never_sent():
    """To some venues, reduce-only with quantity 0 means the whole position."""
    async with trading() as (server, desk):
        place = desk.place(SELL, "49990", "0", OrderKind.IOC, reduce_only=True, adds_risk=False)
        desk.send(place)
        await desk.hears(Rejected, place.cid)
        assert not [asked for asked in server.asked if asked[0] == "POST"]


def test_ccxt_is_imported_only_where_a_venue_is_opened():
    code = "import sys, exchanges.phemex.open; sys.exit('ccxt' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
