"""The order side against a local venue that verifies, matches and misbehaves. The pitfalls have a file of their own."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.errors import VenueError
from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    Filled,
    OrderReport,
    Rejected,
    SendFailed,
    VenueSnapshot,
    VenueStatus,
)
from domain.order import BUY, SELL, Liquidity, OrderKind, OrderStatus
from domain.verdict import Reason
from tests.exchanges.phemex.desk import BTC, desk_at, trading, venue_at
from tests.exchanges.phemex.server import API_KEY, PhemexServer

TAKE_PROFIT, STOP = OrderKind.TAKE_PROFIT, OrderKind.STOP


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - watches things that signal nobody
            await asyncio.sleep(0.005)


async def test_an_order_is_too_late_when_its_validity_is_over_by_the_venues_word():
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        assert server.expiries[-1] == place.valid_until_ns // 1_000_000_000
        server.room.skew_ns = 40_000_000_000
        late = desk.place(BUY, "49000")
        desk.send(late)
        rejected = await desk.hears(Rejected, late.cid)
        assert (rejected.reason, "401 Request Expired" in rejected.text) == (Reason.EXPIRED, True)


async def test_a_validity_of_less_than_a_second_cannot_be_said_and_is_refused():
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000", valid_until_ns=desk.venue._clock.now_ns() + 1)
        desk.send(place)
        await desk.hears(Rejected, place.cid)
        assert not server.room.recs


async def test_a_servers_error_leaves_open_what_became_of_the_order():
    """It was taken, and the stream says so; where the stream is silent too, nothing is said."""
    async with trading() as (server, desk):
        server.faults.statuses = [502]
        told = desk.place(BUY, "49000")
        desk.send(told)
        await desk.hears(Accepted, told.cid)
        server.faults.statuses, server.faults.mute_streams = [503], True
        silent = desk.place(BUY, "49001")
        desk.send(silent)
        await until(lambda: len(server.room.recs) == 2)
        await until(lambda: desk.venue.seats[desk.account].outbox.unanswered == 2)
        assert not [event for event in desk.heard if getattr(event, "cid", "") == silent.cid]
        desk.send(desk.query(silent))
        assert (await desk.hears(OrderReport, silent.cid)).status is OrderStatus.OPEN


async def test_what_surely_did_not_leave_is_said():
    async with trading() as (server, desk):
        assert server._runner is not None
        await server._runner.cleanup()
        place = desk.place(BUY, "49000")
        desk.send(place)
        assert (await desk.hears(SendFailed, place.cid)).text


async def test_an_order_of_an_earlier_run_is_amended_and_cancelled_by_our_id():
    async with trading() as (server, first):
        place = first.place(BUY, "49000")
        first.send(place)
        await first.hears(Accepted, place.cid)
        await first.venue.aclose()
        venue = venue_at(server)
        desk = desk_at(venue)
        await venue.start(desk.sink)
        try:
            desk.send(desk.cancel(place))
            assert (await desk.hears(Cancelled, place.cid)).filled == 0
            assert server.asked[-1][2]["clOrdID"] == place.cid
            desk.send(desk.query(place))
            assert (await desk.hears(OrderReport, place.cid)).status is OrderStatus.CANCELLED
        finally:
            await venue.aclose()


async def test_a_take_profit_and_a_stop_with_a_worst_price_rest_with_both_prices():
    async with trading() as (_, desk):
        entry = desk.place(BUY, "50010", "0.1", OrderKind.IOC)
        desk.send(entry)
        await desk.hears(Filled, entry.cid)
        more = {"reduce_only": True, "adds_risk": False}
        profit = desk.place(SELL, "0", "0.1", TAKE_PROFIT, trigger=BTC.price("52000"), **more)
        stop = desk.place(SELL, "48900", "0.1", STOP, trigger=BTC.price("49000"), **more)
        desk.send(profit, stop)
        await desk.hears(Accepted, profit.cid)
        await desk.hears(Accepted, stop.cid)
        desk.send(desk.snapshot())
        orders = {order.cid: order for order in (await desk.hears(VenueSnapshot)).orders}
        assert (orders[profit.cid].kind, orders[profit.cid].trigger, orders[profit.cid].price) == (
            TAKE_PROFIT, profit.trigger, 0,
        )  # fmt: skip
        assert (orders[stop.cid].kind, orders[stop.cid].trigger, orders[stop.cid].price) == (
            STOP, stop.trigger, stop.price,
        )  # fmt: skip


async def test_a_stop_is_amended_in_place():
    async with trading() as (server, desk):
        entry = desk.place(BUY, "50010", "0.1", OrderKind.IOC)
        desk.send(entry)
        await desk.hears(Filled, entry.cid)
        stop = desk.place(SELL, "0", "0.1", STOP, trigger=BTC.price("49000"), reduce_only=True, adds_risk=False)
        desk.send(stop)
        await desk.hears(Accepted, stop.cid)
        amend = replace(desk.amend(stop, "0", "0.05", 2), trigger=BTC.price("49500"))
        desk.send(amend)
        amended = await desk.hears(Amended, stop.cid)
        assert (amended.price, amended.qty, amended.trigger, amended.amend_no) == (0, amend.qty, amend.trigger, 2)
        [rec] = [rec for rec in server.room.recs.values() if rec.client_id == stop.cid]
        assert (rec.qty, rec.trigger) == (amend.qty, amend.trigger)


async def test_a_stop_that_would_trigger_at_once_is_refused_as_the_venue_does():
    async with trading() as (_, desk):
        stop = desk.place(SELL, "0", "0.1", STOP, trigger=BTC.price("51000"), reduce_only=True, adds_risk=False)
        desk.send(stop)
        assert "TE_FALLING_TRIGGER_DIRECTLY" in (await desk.hears(Rejected, stop.cid)).text


async def test_an_amendment_to_what_it_is_already_is_done():
    async with trading() as (_, desk):
        place = desk.place(BUY, "49000", "0.01")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.amend(place, "49000", "0.01", 3))
        assert (await desk.hears(Amended, place.cid)).amend_no == 3


async def test_an_amendment_beyond_the_margin_is_refused_and_the_order_stays():
    async with trading() as (_, desk):
        place = desk.place(BUY, "49000", "0.01")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.amend(place, "49000", "900", 1))
        assert "TE_NO_ENOUGH_AVAILABLE_BALANCE" in (await desk.hears(AmendRejected, place.cid)).text
        desk.send(desk.query(place))
        assert (await desk.hears(OrderReport, place.cid)).status is OrderStatus.OPEN


async def test_makers_and_takers_are_told_apart_with_their_fees():
    async with trading() as (server, desk):
        maker, taker = desk.place(BUY, "49980"), desk.place(BUY, "50010")
        desk.send(maker, taker)
        took = await desk.hears(Filled, taker.cid)
        await desk.hears(Accepted, maker.cid)
        await server.quote("49900", "49970")
        made = await desk.hears(Filled, maker.cid)
        assert (took.liquidity, took.fee) == (Liquidity.TAKER, Decimal("0.300060"))
        assert (made.liquidity, made.fee) == (Liquidity.MAKER, Decimal("0.049980"))


async def test_a_liquidation_is_a_fill_that_says_so():
    async with trading(cash="1000") as (server, desk):
        entry = desk.place(BUY, "50010", "1", OrderKind.IOC)
        desk.send(entry)
        await desk.hears(Filled, entry.cid)
        await server.quote("48900", "48910")
        await desk.until(lambda: any(fill.liquidation for fill in desk.of(Filled)))
        [fill] = [fill for fill in desk.of(Filled) if fill.liquidation]
        assert (fill.side, fill.qty, fill.cid != entry.cid) == (SELL, entry.qty, True)


async def test_a_login_that_is_refused_ends_the_start_with_the_venues_words():
    async with PhemexServer() as server:
        server.gateway.refuse_logins = True
        venue = venue_at(server, wait_s=0.5)
        with pytest.raises(VenueError, match="invalid login token"):
            await venue.start(lambda _: None)


async def test_a_stream_that_ends_is_a_status_and_comes_back_logged_in():
    async with trading() as (server, desk):
        server.cut()
        await desk.until(lambda: [status.connected for status in desk.of(VenueStatus)] == [True, False, True])
        logins = [message["params"][1] for message in server.gateway.heard if message["method"] == "user.auth"]
        assert logins == [API_KEY, API_KEY]
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
