"""Bybit's order side at a local server: acks, streams, batches, sockets and what goes wrong with them."""

import asyncio
import time
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    FundingPaid,
    OrderReport,
    Rejected,
    SendFailed,
    VenueSnapshot,
    VenueStatus,
    VenueTrouble,
)
from domain.market import Mark
from domain.order import BUY, SELL, ArmDeadMan, OrderKind, OrderStatus
from domain.verdict import Reason
from tests.exchanges.bybit.desk import ACCOUNT, Trader, on_socket, trading
from tests.exchanges.bybit.listing import BTC
from tests.exchanges.bybit.server import Server

POST_ONLY, STOP, IOC = OrderKind.POST_ONLY, OrderKind.STOP, OrderKind.IOC


async def snapshot(desk: Trader) -> VenueSnapshot:
    count = len(desk.of(VenueSnapshot)) + 1
    desk.send(desk.snapshot())
    return await desk.hears(VenueSnapshot, count=count)


async def test_orders_go_over_the_websocket_with_our_id_and_no_broker():
    async with trading() as (server, desk):
        await on_socket(server)
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.amend(place, "49100", "0.02"))
        await desk.hears(Amended, place.cid)
        desk.send(desk.cancel(place))
        await desk.hears(Cancelled, place.cid)
        assert [(road, name) for road, name, _ in server.room.seen] == [
            ("ws", "create"), ("ws", "amend"), ("ws", "cancel"),
        ]  # fmt: skip
        words = server.room.seen[0][2]
        assert (words["orderLinkId"], words["smpType"], words["positionIdx"]) == (place.cid, "CancelTaker", 0)
        assert words["qty"] == "0.0100", "quantities and prices travel as text"
        assert not [headers for headers in server.headers if "referer" in {name.lower() for name in headers}]


async def test_without_the_trade_socket_orders_go_over_rest_and_nobody_is_the_broker():
    server = Server()
    server.faults.refuse_trade_ws = True
    async with trading(server) as (_, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        assert [road for road, _, _ in server.room.seen] == ["rest"]
        assert not [headers for headers in server.headers if "referer" in {name.lower() for name in headers}]


async def test_an_order_says_how_long_it_may_be_taken():
    async with trading() as (server, desk):
        await on_socket(server)
        desk.send(desk.place(BUY, "49000", valid_until_ns=time.time_ns() + 2_000_000_000))
        await desk.hears(Accepted)
        windows = [int(headers["X-BAPI-RECV-WINDOW"]) for headers in server.headers if len(headers) == 2]
        assert 0 < windows[0] <= 2_000


@pytest.mark.parametrize("streams_first", [True, False])
async def test_an_ack_is_not_an_acceptance(streams_first):
    async with trading() as (server, desk):
        server.faults.streams_first = streams_first
        server.room.late_rejection = "EC_NoEnoughQtyToFill"
        late, crossing = desk.place(BUY, "49000"), desk.place(BUY, "50010", kind=POST_ONLY)
        desk.send(late)
        assert (await desk.hears(Rejected, late.cid)).text == "EC_NoEnoughQtyToFill"
        desk.send(crossing)
        assert (await desk.hears(Rejected, crossing.cid)).text == "EC_PostOnlyWillTakeLiquidity"
        assert not desk.of(Accepted)
        desk.send(desk.query(crossing))
        assert (await desk.hears(OrderReport, crossing.cid)).status is OrderStatus.REJECTED


async def test_an_ack_without_a_word_of_the_stream_is_not_spoken_of_and_found_by_asking():
    async with trading() as (server, desk):
        server.faults.mute_streams = True
        place = desk.place(BUY, "49000")
        desk.send(place)
        await server.talk.until(lambda: bool(server.room.seen))
        await asyncio.sleep(0.05)
        assert len(desk.heard) == 1
        desk.send(desk.query(place))
        assert (await desk.hears(OrderReport, place.cid)).status is OrderStatus.OPEN


async def test_a_resting_post_only_order_that_is_moved_across_is_cancelled():
    async with trading() as (_, desk):
        place = desk.place(BUY, "49000", kind=POST_ONLY)
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.amend(place, "50010", "0.01", 3))
        assert (await desk.hears(AmendRejected, place.cid)).amend_no == 3
        assert not desk.of(Rejected)


async def test_batch_partial_rejection_keeps_what_was_accepted():
    async with trading() as (server, desk):
        await on_socket(server)
        places = [desk.place(BUY, "49000"), desk.place(BUY, "49000", "0.0001"), desk.place(SELL, "51000")]
        desk.send(*places, replace(places[0], price=BTC.price("48000")))
        await desk.hears(Rejected, places[1].cid)
        await desk.hears(Accepted, places[2].cid)
        assert desk.of(Rejected, places[1].cid)[0].reason is Reason.MIN_NOTIONAL
        assert (await desk.hears(Rejected, places[0].cid)).reason is Reason.DUPLICATE
        assert [name for _, name, _ in server.room.seen] == ["create-batch", "create"]
        assert {order.cid for order in (await snapshot(desk)).orders} == {places[0].cid, places[2].cid}
        desk.send(desk.amend(places[0], "49001", "0.02", 1), desk.amend(places[2], "51001", "0.02", 1))
        assert (await desk.hears(Amended, places[2].cid)).amend_no == 1
        desk.send(desk.cancel(places[0]), desk.cancel(places[1]), desk.cancel(places[2]))
        await desk.hears(Cancelled, places[2].cid)
        await desk.hears(CancelRejected, places[1].cid)
        assert [name for _, name, _ in server.room.seen][2:] == ["amend-batch", "cancel-batch"]


async def test_a_duplicate_order_link_id_is_refused_and_the_first_order_stays():
    async with trading() as (_, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(place)
        rejected = await desk.hears(Rejected, place.cid)
        assert (rejected.reason, "110072" in rejected.text) == (Reason.DUPLICATE, True)
        assert [order.cid for order in (await snapshot(desk)).orders] == [place.cid]


async def test_response_lost_nothing_is_sent_again():
    async with trading(request_timeout_s=0.2) as (server, desk):
        server.faults.drop_answers = 1
        server.faults.mute_streams = True
        place = desk.place(BUY, "49000")
        desk.send(place)
        await asyncio.sleep(0.4)
        assert len(desk.heard) == 1
        assert len(server.room.seen) == 1
        server.faults.mute_streams = False
        desk.send(desk.query(place))
        assert (await desk.hears(OrderReport, place.cid)).found


async def test_missed_updates_are_in_the_snapshot_after_the_gap():
    async with trading() as (server, desk):
        places = [desk.place(BUY, "49995"), desk.place(BUY, "49000"), desk.place(BUY, "48000")]
        desk.send(*places)
        for place in places:
            await desk.hears(Accepted, place.cid)
        server.faults.refuse_ws = True
        server.cut()
        await desk.until(lambda: len(desk.of(VenueStatus)) == 2)
        await server.quote("49980", "49995")
        server.room.act(next(iter(server.room.recs.values())).user, "cancel", {
            "category": "linear", "symbol": "BTCUSDT", "orderLinkId": places[1].cid,
        }, "elsewhere")  # fmt: skip
        server.room.streams.clear()
        server.faults.refuse_ws = False
        await desk.until(lambda: len(desk.of(VenueStatus)) == 3)
        told = await snapshot(desk)
        assert [order.cid for order in told.orders] == [places[2].cid]
        assert {fill.cid for fill in told.fills} == {places[0].cid}
        assert told.positions[0].qty == places[0].qty


async def test_fills_come_once_from_the_stream_and_with_the_same_id_in_snapshots():
    async with trading() as (server, desk):
        server.faults.duplicate = True
        place = desk.place(BUY, "50010", "0.01")
        desk.send(place)
        fill = await desk.hears(Filled, place.cid)
        await desk.hears(Accepted, place.cid)
        told = await snapshot(desk)
        assert [each.fill_id for each in told.fills] == [fill.fill_id]
        assert len(desk.of(Filled)) == 1
        assert (fill.fee, fill.qty) == (Decimal("0.2750550"), place.qty)


async def test_an_older_word_that_comes_late_changes_nothing():
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        old = next(iter(server.room.recs.values())).order()
        await asyncio.sleep(0.005)
        desk.send(desk.amend(place, "49100", "0.02"))
        await desk.hears(Amended, place.cid)
        await server.talk.account("24617703", "order", old)
        desk.send(desk.cancel(place))
        await desk.hears(Cancelled, place.cid)
        assert len(desk.of(Amended)) == 1


async def test_what_somebody_else_amends_is_told():
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        server.room.act("24617703", "amend", {
            "category": "linear", "symbol": "BTCUSDT", "orderLinkId": place.cid, "price": "48000",
        }, "elsewhere")  # fmt: skip
        await server.flush()
        amended = await desk.hears(Amended, place.cid)
        assert (amended.price, amended.amend_no) == (BTC.price("48000"), 0)


async def test_an_amendment_that_changes_nothing_is_done():
    async with trading() as (_, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.amend(place, "49000", "0.01", 2))
        assert (await desk.hears(Amended, place.cid)).amend_no == 2


async def test_stops_and_take_profits_say_their_direction():
    async with trading() as (server, desk):
        entry = desk.place(BUY, "50010", "0.1", IOC)
        desk.send(entry)
        await desk.hears(Filled, entry.cid)
        terms = {"reduce_only": True, "adds_risk": False}
        stop = desk.place(SELL, "0", "0.1", STOP, trigger=BTC.price("49500"), **terms)
        profit = desk.place(SELL, "51900", "0.1", OrderKind.TAKE_PROFIT, trigger=BTC.price("52000"), **terms)
        desk.send(stop, profit)
        await desk.hears(Accepted, stop.cid)
        await desk.hears(Accepted, profit.cid)
        orders = {order.cid: order for order in (await snapshot(desk)).orders}
        assert (orders[stop.cid].kind, orders[stop.cid].price) == (STOP, 0)
        assert (orders[profit.cid].kind, orders[profit.cid].price) == (OrderKind.TAKE_PROFIT, BTC.price("51900"))
        desk.send(desk.amend(stop, "0", "0.1", 1), replace(desk.amend(stop, "0", "0.1", 2), trigger=BTC.price("49600")))
        assert (await desk.hears(Amended, stop.cid, count=2)).trigger == BTC.price("49600")
        await server.quote("52000", "52010")
        assert (await desk.hears(Filled, profit.cid)).price == BTC.price("52000")
        desk.send(desk.cancel(stop))
        await desk.hears(Cancelled, stop.cid)


async def test_a_server_that_is_busy_leaves_the_outcome_open():
    server = Server()
    server.faults.refuse_trade_ws = True
    async with trading(server) as (_, desk):
        server.faults.statuses = [502, 10016, 10006]
        unknown, timeout, often = (desk.place(BUY, "49000") for _ in range(3))
        desk.send(unknown)
        desk.send(timeout)
        desk.send(often)
        assert (await desk.hears(Rejected, often.cid)).reason is Reason.MESSAGE_RATE
        assert len([event for event in desk.heard if not isinstance(event, VenueTrouble)]) == 2


async def test_an_unreachable_venue_is_a_failed_send():
    async with trading(request_timeout_s=1.0) as (server, desk):
        await server.close()
        await desk.until(lambda: len(desk.of(VenueStatus)) == 2)
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(SendFailed, place.cid)


async def test_funding_is_told_by_the_stream_and_by_snapshots_under_one_id():
    async with trading() as (server, desk):
        place = desk.place(BUY, "50010", "0.1", IOC)
        desk.send(place)
        await desk.hears(Filled, place.cid)
        for _ in range(2):
            await server.market(Mark(instrument=BTC.id, price=BTC.price("50000"), funding_rate=Decimal("0.0001")))
            server.room.skew_ns += 9 * 3_600_000_000_000
        paid = await desk.hears(FundingPaid)
        assert paid.amount < 0
        server.room.skew_ns = 0


async def test_a_message_that_makes_no_sense_is_kept_and_the_account_is_read(tmp_path):
    async with trading(folder=tmp_path) as (server, desk):
        await server.talk.account("24617703", "order", {"symbol": "BTCUSDT", "orderId": 7})
        await desk.hears(VenueSnapshot)
        assert desk.venue.poison == 1
        [kept] = tmp_path.iterdir()
        assert '\\"orderId\\":7' in kept.read_text()


async def test_a_complaint_about_nothing_of_ours_is_kept_too():
    async with trading() as (server, desk):
        for peer in server.peers:
            await peer.tell({"success": False, "ret_msg": "error:invalid op", "conn_id": "x"})
        await desk.hears(VenueSnapshot)
        assert desk.venue.poison == 1


async def test_fields_that_nobody_knows_are_counted_and_harm_nothing():
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        assert not desk.venue.payloads.unknown
        order = next(iter(server.room.recs.values())).order()
        await server.talk.account("24617703", "order", order | {"price": "48000", "mood": "fine"})
        assert (await desk.hears(Amended, place.cid)).price == BTC.price("48000")
        assert dict(desk.venue.payloads.unknown) == {"OrderMessage.data[].mood": 1}


async def test_the_trade_socket_comes_back_and_rest_carries_meanwhile():
    async with trading() as (server, desk):
        await on_socket(server)
        server.faults.refuse_trade_ws = True
        server.cut("trade")
        await server.talk.until(lambda: not any(peer.kind == "trade" for peer in server.peers))
        await asyncio.sleep(0.05)
        first = desk.place(BUY, "49000")
        desk.send(first)
        await desk.hears(Accepted, first.cid)
        server.faults.refuse_trade_ws = False
        async with asyncio.timeout(10):
            while not any(peer.kind == "trade" and peer.user for peer in server.peers):
                desk.send(desk.cancel(first))
                await asyncio.sleep(0.1)
        assert [road for road, name, _ in server.room.seen if name == "create"] == ["rest"]
        assert [status.connected for status in desk.of(VenueStatus)] == [True]


async def test_the_dead_mans_switch_is_promised_only_where_the_account_has_it():
    async with trading() as (_, desk):
        assert not desk.venue.caps.dead_man
    server = Server()
    server.reader.may_dcp, server.reader.dcp_s = True, 10
    async with trading(server) as (_, desk):
        assert desk.venue.caps.dead_man
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(ArmDeadMan(account=ACCOUNT, deadline_ns=time.time_ns() + 3_500_000_000))
        await server.talk.until(lambda: any("dcp.future" in peer.topics for peer in server.peers))
        assert server.reader.dcp_s == 3
        server.faults.refuse_ws = True
        server.cut()
        await desk.until(lambda: len(desk.of(VenueStatus)) == 2)
        server.room.skew_ns = 4_000_000_000
        server.room.pass_time()
        assert next(iter(server.room.recs.values())).cancel == "CancelByDCP"
