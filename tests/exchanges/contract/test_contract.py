"""What the engine may expect of every venue. A new venue is a new bench, and passes this as it is.

Bad credentials and clocks are the venue's own affair: see its own tests (the paper venue has none).
"""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from domain.account import VenueOperation
from domain.events import (
    Accepted,
    Amended,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    OrderReport,
    Rejected,
    VenueSnapshot,
    VenueStatus,
    VenueTrouble,
)
from domain.order import BUY, SELL, OrderKind, OrderStatus
from domain.verdict import Reason
from tests.exchanges.contract.bench import CASH, Bench
from tests.exchanges.contract.benches import NAMES, bench_of

PAPER = "PAPER"
"""It has no wire, so nothing that breakers need to be told."""
IOC, POST_ONLY, STOP = OrderKind.IOC, OrderKind.POST_ONLY, OrderKind.STOP


@pytest.fixture(params=NAMES)
async def bench(request) -> AsyncIterator[Bench]:
    async with bench_of(request.param) as started:
        yield started


async def snapshot(bench: Bench) -> VenueSnapshot:
    return await bench.desk.asks(bench.desk.snapshot(), VenueSnapshot)


async def test_a_started_venue_says_that_it_is_up_under_its_accounts_prefix(bench):
    [status] = bench.desk.of(VenueStatus)
    assert status.connected
    assert status.venue == bench.desk.venue.name == bench.desk.account.partition(":")[0]


async def test_an_order_rests_under_our_id_until_it_is_cancelled(bench):
    desk = bench.desk
    place = desk.place(BUY, "49000")
    desk.send(place)
    accepted = await desk.hears(Accepted, place.cid)
    [order] = (await snapshot(bench)).orders
    assert (order.cid, order.side, order.kind, order.price, order.qty, order.filled) == (
        place.cid, BUY, OrderKind.LIMIT, place.price, place.qty, 0,
    )  # fmt: skip
    assert order.venue_id == accepted.venue_id != ""
    desk.send(desk.cancel(place))
    assert (await desk.hears(Cancelled, place.cid)).filled == 0
    assert (await snapshot(bench)).orders == ()


async def test_taking_gives_a_fill_a_position_and_a_fee(bench):
    desk = bench.desk
    place = desk.place(SELL, "49990", "0.1", IOC)
    desk.send(place)
    fill = await desk.hears(Filled, place.cid)
    assert (fill.side, fill.price, fill.qty, fill.account) == (SELL, place.price, place.qty, desk.account)
    assert fill.fee == desk.instrument.fee(fill.price, fill.qty, desk.instrument.taker_fee)
    told = await snapshot(bench)
    [position] = told.positions
    assert (position.qty, position.entry_value) == (-place.qty, desk.instrument.notional(fill.price, -fill.qty))
    assert told.cash == CASH - fill.fee
    assert told.venue_ts_ns >= fill.venue_ts_ns


async def test_an_ioc_order_never_rests(bench):
    desk = bench.desk
    await bench.quote("49990", "50010", "0.004")
    part, none = desk.place(BUY, "50010", "0.01", IOC), desk.place(BUY, "49000", "0.01", IOC)
    desk.send(part)
    assert (await desk.hears(Cancelled, part.cid)).filled == (await desk.hears(Filled, part.cid)).qty
    desk.send(none)
    assert (await desk.hears(Cancelled, none.cid)).filled == 0
    assert (await snapshot(bench)).orders == ()


async def test_an_amendment_changes_price_and_total_quantity(bench):
    desk = bench.desk
    if not desk.venue.caps.amend:
        pytest.skip("this venue changes nothing in place: the engine cancels and places another")
    place = desk.place(BUY, "49995", "0.01")
    desk.send(place)
    await desk.hears(Accepted, place.cid)
    await bench.quote("49980", "49995", "0.004")
    await desk.hears(Filled, place.cid)
    desk.send(desk.amend(place, "49950", "0.02", 1))
    amended = await desk.hears(Amended, place.cid)
    expected = (desk.instrument.price("49950"), desk.instrument.qty("0.02"))
    assert (amended.price, amended.qty, amended.amend_no) == (*expected, 1)
    [order] = (await snapshot(bench)).orders
    assert (order.price, order.qty, order.filled) == (*expected, desk.instrument.qty("0.004"))
    await bench.quote("49900", "49949")
    await desk.until(lambda: sum(fill.qty for fill in desk.of(Filled, place.cid)) == desk.instrument.qty("0.02"))
    assert not desk.of(Cancelled, place.cid)


async def test_an_amendment_of_what_is_gone_is_refused_under_its_number(bench):
    desk = bench.desk
    place = desk.place(BUY, "49000")
    desk.send(place)
    await desk.hears(Accepted, place.cid)
    desk.send(desk.cancel(place))
    await desk.hears(Cancelled, place.cid)
    desk.send(desk.amend(place, "49100", "0.01", 4))
    assert (await desk.hears(AmendRejected, place.cid)).amend_no == 4


async def test_a_cancel_of_what_was_never_there_is_refused(bench):
    desk = bench.desk
    place = desk.place(BUY, "49000")
    desk.send(desk.cancel(place))
    await desk.hears(CancelRejected, place.cid)


async def test_a_batch_with_a_rejection_in_it_keeps_the_rest(bench):
    desk = bench.desk
    places = [desk.place(BUY, "49000"), desk.place(BUY, "49000", bench.too_small or "1000"), desk.place(SELL, "51000")]
    desk.send(*places)
    await desk.hears(Accepted, places[0].cid)
    await desk.hears(Rejected, places[1].cid)
    await desk.hears(Accepted, places[2].cid)
    assert {order.cid for order in (await snapshot(bench)).orders} == {places[0].cid, places[2].cid}


@pytest.mark.parametrize(
    ("side", "price", "size", "changes", "reason"),
    [
        pytest.param(BUY, "49000", "", {}, Reason.MIN_NOTIONAL, id="below the minimum notional"),
        pytest.param(BUY, "", "0.01", {}, Reason.BAD_NUMBER, id="off the price grid"),
        pytest.param(BUY, "49000", "1000", {}, Reason.VENUE, id="insufficient margin"),
        pytest.param(BUY, "50010", "0.01", {"kind": POST_ONLY}, Reason.VENUE, id="post-only that would take"),
        pytest.param(SELL, "51000", "0.01", {"reduce_only": True}, Reason.VENUE, id="nothing to reduce"),
        pytest.param(BUY, "49000", "0.01", {"valid_until_ns": 1_000_000_000}, Reason.EXPIRED, id="too late"),
    ],
)
async def test_what_the_venue_does_not_take_is_rejected_with_words(bench, side, price, size, changes, reason):
    desk = bench.desk
    if not size and not bench.too_small:
        pytest.skip("the venue takes every order of a whole lot")
    if not price and not bench.off_grid:
        pytest.skip("the instrument can carry no price that is off the grid")
    place = desk.place(side, price or "49000", size or bench.too_small, **changes)
    if not price:
        place = replace(place, price=bench.off_grid)
    desk.send(place)
    rejected = await desk.hears(Rejected, place.cid)
    assert rejected.reason is reason
    assert rejected.text
    assert (await snapshot(bench)).orders == ()


async def test_a_stop_rests_at_the_venue_and_closes_when_its_price_is_met(bench):
    desk = bench.desk
    entry = desk.place(BUY, "50010", "0.1", IOC)
    desk.send(entry)
    await desk.hears(Filled, entry.cid)
    trigger = desk.instrument.price("49500")
    stop = desk.place(SELL, "0", "0.1", STOP, trigger=trigger, reduce_only=True, adds_risk=False)
    desk.send(stop)
    await desk.hears(Accepted, stop.cid)
    [order] = (await snapshot(bench)).orders
    assert (order.kind, order.trigger, order.price, order.reduce_only) == (STOP, trigger, 0, True)
    await bench.quote("49400", "49410")
    assert (await desk.hears(Filled, stop.cid)).qty == stop.qty
    assert (await snapshot(bench)).positions == ()


async def test_fills_in_any_order_and_twice_add_up_by_their_ids(bench):
    desk = bench.desk
    bench.disorder()
    places = [desk.place(BUY, "50010", "0.01") for _ in range(6)]
    desk.send(*places)
    for place in places:
        await desk.hears(Filled, place.cid)
        await desk.hears(Accepted, place.cid)
    by_id = {fill.fill_id: fill for fill in desk.of(Filled)}
    assert sum(fill.qty for fill in by_id.values()) == sum(place.qty for place in places)
    bench.heal()
    [position] = (await snapshot(bench)).positions
    assert position.qty == sum(place.qty for place in places)


async def test_an_order_whose_answer_is_lost_is_found_by_asking(bench):
    desk = bench.desk
    bench.lose_answers()
    place = desk.place(BUY, "49000")
    desk.send(place)
    await asyncio.sleep(0.1)
    bench.heal()
    assert len(desk.heard) == 1, "what is not known is not spoken of"
    report = await desk.asks(desk.query(place), OrderReport, place.cid)
    assert (report.found, report.status, report.price, report.qty) == (True, OrderStatus.OPEN, place.price, place.qty)


async def test_an_order_that_never_arrived_is_reported_as_not_found(bench):
    desk = bench.desk
    bench.lose_requests()
    place = desk.place(BUY, "49000")
    asked_ns = time.time_ns()
    desk.send(place)
    await asyncio.sleep(0.1)
    bench.heal()
    report = await desk.asks(desk.query(place), OrderReport, place.cid)
    assert not report.found
    assert report.venue_ts_ns >= asked_ns
    assert len(desk.heard) == 2


async def test_a_report_tells_how_an_order_has_ended(bench):
    desk = bench.desk
    full, gone = desk.place(BUY, "50010", "0.01"), desk.place(BUY, "49000", "0.02")
    desk.send(full, gone)
    await desk.hears(Filled, full.cid)
    await desk.hears(Accepted, gone.cid)
    desk.send(desk.cancel(gone))
    await desk.hears(Cancelled, gone.cid)
    filled = await desk.asks(desk.query(full), OrderReport, full.cid)
    cancelled = await desk.asks(desk.query(gone), OrderReport, gone.cid)
    assert (filled.status, filled.filled) == (OrderStatus.FILLED, full.qty)
    assert (cancelled.status, cancelled.filled) == (OrderStatus.CANCELLED, 0)


async def test_what_happens_in_a_gap_is_in_the_next_snapshot(bench):
    desk = bench.desk
    place, other = desk.place(BUY, "49995", "0.01"), desk.place(BUY, "49000", "0.01")
    desk.send(place, other)
    await desk.hears(Accepted, place.cid)
    await desk.hears(Accepted, other.cid)
    await bench.gap()
    await desk.until(lambda: [status.connected for status in desk.of(VenueStatus)] == [True, False])
    await bench.quote("49980", "49995")
    bench.heal()
    await desk.until(lambda: len(desk.of(VenueStatus)) == 3)
    assert desk.of(VenueStatus)[-1].connected
    told = await snapshot(bench)
    assert place.cid in {fill.cid for fill in told.fills}
    assert [order.cid for order in told.orders] == [other.cid]
    assert [position.qty for position in told.positions] == [place.qty]


async def test_a_request_beyond_the_rate_limit_is_refused_and_the_next_one_is_not(bench):
    desk = bench.desk
    bench.limit_rate()
    first, second = desk.place(BUY, "49000"), desk.place(BUY, "49001")
    desk.send(first)
    assert "429" in (await desk.hears(Rejected, first.cid)).text
    if desk.venue.name != PAPER:
        [told] = desk.of(VenueTrouble)
        assert (told.venue, told.operation) == (desk.venue.name, VenueOperation.ORDERS)
    bench.heal()
    desk.send(second)
    await desk.hears(Accepted, second.cid)


async def test_books_agree_after_a_day_of_trading(bench):
    """Position = sum of fills = the venue's; cash = deposit + realised - fees, to the venue's last decimal."""
    desk = bench.desk
    for side, price, size in ((BUY, "50010", "0.1"), (SELL, "49990", "0.04"), (SELL, "49990", "0.08")):
        place = desk.place(side, price, size, IOC)
        desk.send(place)
        await desk.hears(Filled, place.cid)
    told = await snapshot(bench)
    fills = desk.of(Filled)
    [position] = told.positions
    assert position.qty == sum(fill.side * fill.qty for fill in fills)
    paid = sum(desk.instrument.notional(fill.price, fill.side * fill.qty) for fill in fills)
    assert told.cash - position.entry_value == CASH - paid - sum(fill.fee for fill in fills)
    assert {fill.fill_id for fill in told.fills} == {fill.fill_id for fill in fills}
