"""The order side against a local venue that verifies, matches and misbehaves."""

import asyncio
import random
import time
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    OrderReport,
    Rejected,
    SendFailed,
    VenueSnapshot,
    VenueStatus,
)
from domain.order import ArmDeadMan, Liquidity, OrderKind, OrderStatus
from domain.ports import Venue
from domain.verdict import Reason
from exchanges.hyperliquid.actions import cloid_of
from exchanges.hyperliquid.signing import LocalSigner
from tests.exchanges.hyperliquid.desk import ACCOUNT, BTC, desk_at, trading, venue_at
from tests.exchanges.hyperliquid.exchange_room import AGENT, AGENT_KEY, MASTER


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - watches things that signal nobody
            await asyncio.sleep(0.005)


def in_integers(price: str, size: str) -> tuple[int, int]:
    return BTC.price(price), BTC.qty(size)


async def test_an_order_goes_over_the_websocket_with_cloid_and_expiry():
    async with trading() as (server, desk):
        venue: Venue = desk.venue
        place = desk.place(1, "49000")
        venue.send([place])
        accepted = await desk.hears(Accepted, place.cid)
        [action] = server.room.seen
        assert action["road"] == "ws"
        assert action["expires"] == place.valid_until_ns // 1_000_000
        assert action["orders"][0]["c"] == cloid_of(place.cid)
        assert accepted.venue_id == "1001"
        assert "builder" not in action


async def test_a_batch_with_a_rejection_keeps_what_was_accepted():
    async with trading() as (server, desk):
        good, small, late = desk.place(1, "49000"), desk.place(1, "49000", "0.0001"), desk.place(-1, "51000")
        desk.send(good, small, late)
        await desk.hears(Accepted, late.cid)
        rejected = await desk.hears(Rejected, small.cid)
        assert rejected.reason is Reason.MIN_NOTIONAL
        assert desk.of(Accepted, good.cid)
        assert len(server.room.seen) == 1


async def test_one_error_for_the_whole_batch_refuses_each_of_it():
    async with trading() as (server, desk):
        server.room.roles.pop(AGENT)
        places = [desk.place(1, "49000"), desk.place(1, "49001")]
        desk.send(*places)
        for place in places:
            assert "does not exist" in (await desk.hears(Rejected, place.cid)).text


async def test_a_price_that_the_venue_would_refuse_is_not_sent():
    async with trading() as (server, desk):
        place = desk.place(1, "49000.5")
        desk.send(place)
        assert (await desk.hears(Rejected, place.cid)).reason is Reason.BAD_NUMBER
        assert server.room.seen == []


async def test_an_ioc_order_that_meets_nobody_is_over_and_not_an_error():
    async with trading() as (_, desk):
        place = desk.place(1, "49000", kind=OrderKind.IOC)
        desk.send(place)
        assert (await desk.hears(Cancelled, place.cid)).filled == 0
        assert not desk.of(Rejected)


@pytest.mark.parametrize("streams_first", [False, True])
async def test_an_ioc_order_that_fills_in_part_ends_after_its_fills(streams_first):
    async with trading() as (server, desk):
        server.faults.streams_first = streams_first
        await server.quote("49990", "50010", "0.004")
        place = desk.place(1, "50010", "0.01", OrderKind.IOC)
        desk.send(place)
        ended = await desk.hears(Cancelled, place.cid)
        fill = await desk.hears(Filled, place.cid)
        assert (fill.price, fill.qty) == in_integers("50010", "0.004")
        assert fill.liquidity is Liquidity.TAKER
        assert fill.fee == Decimal("0.09001800")
        assert ended.filled == fill.qty


async def test_a_modified_order_gets_a_new_oid_and_stays_one_order():
    async with trading() as (server, desk):
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.amend(place, "49100", "0.02"))
        amended = await desk.hears(Amended, place.cid)
        assert (amended.price, amended.qty) == in_integers("49100", "0.02")
        assert amended.amend_no == 1
        await desk.until(lambda: desk.of(Accepted, place.cid)[-1].venue_id == "1002")
        desk.send(desk.query(place))
        report = await desk.hears(OrderReport, place.cid)
        assert (report.status, report.venue_id, report.qty) == (OrderStatus.OPEN, "1002", BTC.qty("0.02"))
        assert not desk.of(Cancelled), "the end of the old oid is not the end of the order"
        desk.send(desk.cancel(place))
        assert (await desk.hears(Cancelled, place.cid)).filled == 0
        assert server.room.seen[1]["modifies"][0]["oid"] == cloid_of(place.cid)


async def test_a_partly_filled_order_is_modified_to_what_is_left():
    async with trading() as (server, desk):
        place = desk.place(1, "49995", "0.01")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        await server.quote("49980", "49995", "0.004")
        await desk.hears(Filled, place.cid)
        desk.send(desk.amend(place, "49970", "0.01"))
        amended = await desk.hears(Amended, place.cid)
        assert server.room.seen[-1]["modifies"][0]["order"]["s"] == "0.006"
        assert amended.qty == BTC.qty("0.01"), "the engine counts the whole order"
        desk.send(desk.snapshot())
        [order] = (await desk.hears(VenueSnapshot)).orders
        assert (order.qty, order.filled) == (BTC.qty("0.01"), BTC.qty("0.004"))


async def test_a_fill_of_the_old_oid_that_comes_after_the_modification_raises_the_total():
    """Nothing can keep the venue from filling the old order while the new size is on its way: the engine must know."""
    async with trading() as (server, desk):
        place = desk.place(1, "49995", "0.01")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        server.faults.mute_streams = True
        await server.quote("49980", "49995", "0.004")
        desk.send(desk.amend(place, "49970", "0.01"))
        assert (await desk.hears(Amended, place.cid)).qty == BTC.qty("0.01")
        server.faults.mute_streams = False
        late = msgspec.convert(server.room.fills[-1], dict)
        server.room.streams.append({"channel": "userFills", "data": {"user": MASTER, "fills": [late]}})
        await server.poll()
        await desk.hears(Filled, place.cid)
        assert (await desk.hears(Amended, place.cid, 2)).qty == BTC.qty("0.014")


async def test_a_modification_to_no_more_than_has_filled_cancels():
    async with trading() as (server, desk):
        place = desk.place(1, "49995", "0.01")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        await server.quote("49980", "49995", "0.004")
        await desk.hears(Filled, place.cid)
        desk.send(desk.amend(place, "49970", "0.004"))
        assert (await desk.hears(Cancelled, place.cid)).filled == BTC.qty("0.004")
        assert desk.of(AmendRejected, place.cid)


async def test_a_refused_modification_leaves_the_order_as_it_is():
    async with trading() as (_, desk):
        place = desk.place(1, "49000", kind=OrderKind.POST_ONLY)
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.amend(place, "50010", "0.01", 3))
        refused = await desk.hears(AmendRejected, place.cid)
        assert refused.amend_no == 3
        desk.send(desk.query(place))
        report = await desk.hears(OrderReport, place.cid)
        assert (report.status, report.price) == (OrderStatus.OPEN, BTC.price("49000"))


async def test_nobody_hears_of_an_order_whose_answer_was_lost_until_it_is_asked_about():
    async with trading(request_timeout_s=0.2) as (server, desk):
        server.faults.drop_answers = 1
        server.faults.mute_streams = True
        place = desk.place(1, "49000")
        desk.send(place)
        await until(lambda: desk.venue.outbox.unanswered)
        assert len(desk.heard) == 1
        desk.send(desk.query(place))
        report = await desk.hears(OrderReport, place.cid)
        assert (report.found, report.status) == (True, OrderStatus.OPEN)
        assert len(server.room.seen) == 1, "nothing is sent twice"


async def test_an_order_that_never_arrived_is_reported_as_not_found_by_the_venues_clock():
    async with trading(request_timeout_s=0.2) as (server, desk):
        server.faults.lose_requests = 1
        place = desk.place(1, "49000")
        desk.send(place)
        before = time.time_ns() // 1_000_000 * 1_000_000
        desk.send(desk.query(place))
        report = await desk.hears(OrderReport, place.cid)
        assert not report.found
        assert report.venue_ts_ns >= before


async def test_a_lost_connection_is_told_and_orders_take_the_other_road_meanwhile():
    async with trading() as (server, desk):
        server.faults.refuse_ws = True
        server.cut()
        await desk.until(lambda: [s.connected for s in desk.of(VenueStatus)] == [True, False])
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        assert server.room.seen[0]["road"] == "rest"
        await server.quote("48990", "49000")
        server.faults.refuse_ws = False
        await desk.until(lambda: [s.connected for s in desk.of(VenueStatus)] == [True, False, True])
        desk.send(desk.snapshot())
        snapshot = await desk.hears(VenueSnapshot)
        assert [(p.instrument, p.qty) for p in snapshot.positions] == [(BTC.id, BTC.qty("0.01"))]
        assert [fill.cid for fill in snapshot.fills] == [place.cid]
        assert snapshot.orders == ()


async def test_what_never_left_is_said_to_have_failed():
    async with trading() as (server, desk):
        server.faults.refuse_ws = True
        server.cut()
        await desk.until(lambda: len(desk.of(VenueStatus)) == 2)
        await server.close()
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(SendFailed, place.cid)


@pytest.mark.parametrize(("status", "is_refused"), [(429, True), (503, False)])
@pytest.mark.parametrize("road", ["ws", "rest"])
async def test_too_many_requests_are_a_refusal_and_a_broken_gateway_is_not(status, is_refused, road):
    async with trading() as (server, desk):
        if road == "rest":
            server.faults.refuse_ws = True
            server.cut()
            await desk.until(lambda: len(desk.of(VenueStatus)) == 2)
        server.faults.statuses = [status]
        place, after = desk.place(1, "49000"), desk.place(1, "49001")
        desk.send(place)
        await until(lambda: not server.faults.statuses)
        desk.send(after)
        await desk.hears(Accepted, after.cid)
        reasons = [rejected.reason for rejected in desk.of(Rejected, place.cid)]
        assert reasons == ([Reason.MESSAGE_RATE] if is_refused else [])


async def test_streams_in_any_order_and_twice_tell_each_fill_once():
    async with trading() as (server, desk):
        server.faults.duplicate, server.faults.shuffle = True, random.Random(7)
        places = [desk.place(1, "50010", "0.01") for _ in range(5)]
        desk.send(*places)
        for place in places:
            await desk.hears(Filled, place.cid)
        await desk.until(lambda: all(desk.of(Accepted, place.cid) for place in places))
        assert len({fill.fill_id for fill in desk.of(Filled)}) == len(desk.of(Filled)) == 5


async def test_a_snapshot_carries_cash_positions_orders_with_kinds_and_our_ids():
    async with trading() as (_, desk):
        taker = desk.place(1, "50010", "0.1", OrderKind.IOC)
        stop = desk.place(-1, "0", "0.1", OrderKind.STOP, trigger=BTC.price("45000"), reduce_only=True, adds_risk=False)
        desk.send(taker, stop)
        await desk.hears(Filled, taker.cid)
        await desk.hears(Accepted, stop.cid)
        desk.send(desk.snapshot())
        snapshot = await desk.hears(VenueSnapshot)
        [order] = snapshot.orders
        assert (order.cid, order.kind, order.price, order.trigger) == (
            stop.cid, OrderKind.STOP, 0, BTC.price("45000"),
        )  # fmt: skip
        assert order.reduce_only
        [position] = snapshot.positions
        assert (position.qty, position.entry_value) == (BTC.qty("0.1"), Decimal(5001))
        assert snapshot.cash == Decimal(100_000) - desk.of(Filled)[0].fee


async def test_a_new_process_knows_its_orders_again_by_their_ids():
    async with trading() as (server, desk):
        place = desk.place(-1, "51000", "0.02")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        second = desk_at(venue_at(server))
        await second.venue.start(second.sink)
        second.send(second.snapshot())
        [order] = (await second.hears(VenueSnapshot)).orders
        assert (order.cid, order.side, order.qty) == (place.cid, -1, place.qty)
        second.send(second.amend(place, "51500", "0.02"))
        await second.hears(Amended, place.cid)
        await second.venue.aclose()


async def test_fills_from_before_the_account_was_taken_over_are_not_told():
    async with trading() as (server, desk):
        place = desk.place(1, "50010", "0.01", OrderKind.IOC)
        desk.send(place)
        await desk.hears(Filled, place.cid)
        second = desk_at(venue_at(server))
        await asyncio.sleep(0.005)
        await second.venue.start(second.sink)
        second.send(second.snapshot())
        snapshot = await second.hears(VenueSnapshot)
        assert snapshot.fills == ()
        assert len(snapshot.positions) == 1
        assert not second.of(Filled)
        await second.venue.aclose()


async def test_a_message_that_is_not_understood_is_skipped_and_the_account_is_read():
    async with trading() as (server, desk):
        for socket in server.sockets:
            await socket.send_str('{"channel":"userFills","data":{"user":"0x"}}')
        await desk.hears(VenueSnapshot)
        assert desk.venue.payloads.not_understood == 1


async def test_cancelling_what_is_gone_is_refused_by_name():
    async with trading() as (_, desk):
        place = desk.place(1, "49000")
        desk.send(desk.cancel(place))
        assert "never placed" in (await desk.hears(CancelRejected, place.cid)).text


async def test_the_dead_mans_switch_is_armed_and_disarmed():
    async with trading(traded="1000000") as (server, desk):
        assert desk.venue.caps.dead_man
        at_ns = time.time_ns() + 60_000_000_000
        desk.send(ArmDeadMan(account=ACCOUNT, deadline_ns=at_ns), ArmDeadMan(account=ACCOUNT, deadline_ns=0))
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        assert [action.get("time") for action in server.room.seen[:2]] == [at_ns // 1_000_000, None]


async def test_a_fill_that_a_failed_reading_has_seen_is_still_told_by_the_stream():
    async with trading() as (server, desk):
        server.faults.mute_streams = True
        place = desk.place(1, "50010", "0.01", OrderKind.IOC)
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        server.faults.read_statuses = [200, 200, 200, 400]
        desk.send(desk.snapshot())
        await until(lambda: not server.faults.read_statuses and not desk.venue.reads.is_reading)
        assert not desk.of(VenueSnapshot)
        server.faults.mute_streams = False
        server.room.streams.append({"channel": "userFills", "data": {"user": MASTER, "fills": server.room.fills}})
        await server.poll()
        await desk.hears(Filled, place.cid)


async def test_a_signer_that_fails_costs_one_request_and_not_the_sender():
    class Moody(LocalSigner):
        fails = False

        async def sign(self, requests):
            if self.fails:
                raise ConnectionResetError("the signer's process is gone")
            return await super().sign(requests)

    signer = Moody({"agent": AGENT_KEY})
    async with trading(signer=signer) as (_, desk):
        signer.fails = True
        first, second = desk.place(1, "49000"), desk.place(1, "49001")
        desk.send(first)
        assert "signer" in (await desk.hears(SendFailed, first.cid)).text
        signer.fails = False
        desk.send(second)
        await desk.hears(Accepted, second.cid)


@pytest.mark.parametrize("text", ["abc", "-1e999999999", "NaN", ""])
async def test_numbers_that_are_none_do_not_end_the_connection(text):
    async with trading() as (server, desk):
        place = desk.place(1, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        update = server.room.recs[cloid_of(place.cid)].update("canceled", sz=text)
        server.room.streams.append({"channel": "orderUpdates", "data": [update]})
        await server.poll()
        await until(lambda: desk.venue.payloads.not_understood == 1)
        desk.send(desk.cancel(place))
        await desk.hears(Cancelled, place.cid)
