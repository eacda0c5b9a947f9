"""Orders as Binance is asked for them: conditional ones, batches, ids, terms."""

import json
import time

import pytest

from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    OrderReport,
    VenueSnapshot,
)
from domain.order import BUY, SELL, Amend, OrderKind, OrderStatus
from tests.exchanges.binance.desk import ACCOUNT, trading
from tests.exchanges.binance.room import Rec
from tests.exchanges.binance.venue_rules import Refusal

IOC, STOP, POST_ONLY = OrderKind.IOC, OrderKind.STOP, OrderKind.POST_ONLY


async def snapshot(desk) -> VenueSnapshot:
    count = len(desk.of(VenueSnapshot)) + 1
    desk.send(desk.snapshot())
    return await desk.hears(VenueSnapshot, count=count)


async def test_no_broker_id_and_no_referrer_is_injected():
    """ccxt prefixes client ids with its own broker's where none is given."""
    async with trading() as (server, desk):
        batch = [desk.place(BUY, "49000"), desk.place(BUY, "49001")]
        stop = desk.place(SELL, "0", "0.01", STOP, trigger=desk.instrument.price("40000"), reduce_only=True)
        single = desk.place(BUY, "49002")
        desk.send(*batch)
        desk.send(single)
        desk.send(stop)
        for place in [*batch, single, stop]:
            await desk.hears(Accepted, place.cid)
        told = json.dumps(server.room.seen) + json.dumps(server.headers) + "".join(server.frames)
        assert "x-cvBPrNm9" not in told
        assert "x-xcKtGhcu" not in told
        assert "ccxt" not in told.lower()
        cids = {rec.cid for rec in server.room.recs.values()}
        assert cids == {place.cid for place in [*batch, single, stop]}


async def test_a_stop_is_amended_by_a_new_one_before_the_old_one_goes():
    async with trading() as (server, desk):
        entry = desk.place(BUY, "50010", "0.1", IOC)
        desk.send(entry)
        await desk.hears(Filled, entry.cid)
        price = desk.instrument.price
        stop = desk.place(SELL, "0", "0.1", STOP, trigger=price("49500"), reduce_only=True, adds_risk=False)
        desk.send(stop)
        await desk.hears(Accepted, stop.cid)
        for number, trigger in enumerate(("49600", "49700"), 1):
            desk.send(
                Amend(cid=stop.cid, account=ACCOUNT, instrument=stop.instrument, price=0, qty=stop.qty,
                      trigger=price(trigger), amend_no=number)
            )  # fmt: skip
            amended = await desk.hears(Amended, stop.cid, count=number)
            assert (amended.trigger, amended.amend_no) == (price(trigger), number)
        [order] = (await snapshot(desk)).orders
        assert (order.cid, order.trigger) == (stop.cid, price("49700"))
        ways = [(each["method"], each["clientAlgoId"]) for each in server.room.seen if each["path"] == "algoOrder"]
        cid = stop.cid
        assert ways == [
            ("POST", cid),
            ("POST", f"{cid}:r1"),
            ("DELETE", cid),
            ("POST", f"{cid}:r2"),
            ("DELETE", f"{cid}:r1"),
        ]
        desk.send(desk.query(stop))
        assert (await desk.hears(OrderReport, stop.cid)).status is OrderStatus.OPEN
        desk.send(desk.cancel(stop))
        await desk.hears(Cancelled, stop.cid)
        assert (await snapshot(desk)).orders == ()


@pytest.mark.parametrize(
    "other", ["", "autogen_"], ids=["under its id", "under another id, told before it is explained"]
)
async def test_a_triggered_stop_stays_one_order(other):
    async with trading() as (server, desk):
        server.room.triggered_as = other
        entry = desk.place(BUY, "50010", "0.1", IOC)
        desk.send(entry)
        await desk.hears(Filled, entry.cid)
        trigger = desk.instrument.price("49500")
        stop = desk.place(SELL, "0", "0.1", STOP, trigger=trigger, reduce_only=True, adds_risk=False)
        desk.send(stop)
        await desk.hears(Accepted, stop.cid)
        await server.quote("49400", "49410")
        assert (await desk.hears(Filled, stop.cid)).qty == stop.qty
        assert {fill.cid for fill in desk.of(Filled)} == {entry.cid, stop.cid}
        desk.send(desk.query(stop))
        report = await desk.hears(OrderReport, stop.cid)
        assert (report.status, report.filled) == (OrderStatus.FILLED, stop.qty)
        assert {fill.cid for fill in (await snapshot(desk)).fills} == {entry.cid, stop.cid}


async def test_many_cancels_are_one_request_and_each_has_its_answer():
    async with trading() as (server, desk):
        places = [desk.place(BUY, f"4900{number}") for number in range(3)]
        desk.send(*places)
        for place in places:
            await desk.hears(Accepted, place.cid)
        gone = desk.place(BUY, "49000")
        desk.venue.seats[ACCOUNT].session.orders.placed(gone, desk.instrument)
        desk.send(*[desk.cancel(place) for place in [*places, gone]])
        for place in places:
            await desk.hears(Cancelled, place.cid)
        await desk.hears(CancelRejected, gone.cid)
        assert [(each["method"], each["path"]) for each in server.room.seen][1:] == [("DELETE", "batchOrders")]


async def test_an_amendment_that_changes_nothing_is_done():
    async with trading() as (_, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.amend(place, "49000", "0.01", 3))
        assert (await desk.hears(Amended, place.cid)).amend_no == 3


async def test_terms_on_the_wire_are_ours_exactly_and_valid_for_as_long_as_the_engine_says():
    async with trading() as (server, desk):
        place = desk.place(SELL, "51000.1", "0.013", POST_ONLY, valid_until_ns=time.time_ns() + 8_000_000_000)
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        [seen] = server.room.seen
        assert (seen["price"], seen["quantity"], seen["timeInForce"]) == ("51000.10", "0.013", "GTX")
        assert seen["selfTradePreventionMode"] == "EXPIRE_TAKER"
        assert 7_000 < int(seen["recvWindow"]) <= 8_000


async def test_a_stop_that_is_triggered_while_it_is_amended_leaves_no_second_one():
    async with trading() as (server, desk):
        entry = desk.place(BUY, "50010", "0.1", IOC)
        desk.send(entry)
        await desk.hears(Filled, entry.cid)
        price, cancel = desk.instrument.price, server.room.cancel
        stop = desk.place(SELL, "0", "0.1", STOP, trigger=price("49500"), reduce_only=True, adds_risk=False)
        desk.send(stop)
        await desk.hears(Accepted, stop.cid)

        def too_late(user: str, rec: Rec) -> Rec:
            if rec.cid == stop.cid:
                raise Refusal(-2011, "Unknown order sent.")
            return cancel(user, rec)

        server.room.cancel = too_late  # type: ignore[method-assign]
        desk.send(
            Amend(cid=stop.cid, account=ACCOUNT, instrument=stop.instrument, price=0, qty=stop.qty,
                  trigger=price("49600"), amend_no=1)
        )  # fmt: skip
        assert "triggered before" in (await desk.hears(AmendRejected, stop.cid)).text
        resting = [rec.cid for rec in server.room.recs.values() if rec.algo_id and rec.status == "NEW"]
        assert resting == [stop.cid], "the new one is gone, the old one is what was triggered"
