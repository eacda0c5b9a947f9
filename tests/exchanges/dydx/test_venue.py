"""dYdX's order side at a local server: what the contract suite does not ask of every venue."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from domain.events import (
    Accepted,
    AmendRejected,
    Cancelled,
    CancelRejected,
    Filled,
    OrderReport,
    Rejected,
    SendDropped,
    SendFailed,
    VenueSnapshot,
    VenueStatus,
)
from domain.order import BUY, SELL, OrderKind
from domain.verdict import Reason
from exchanges.dydx import chain
from exchanges.dydx.chain import CANCEL, PLACE
from exchanges.dydx.signing import LocalSigner
from tests.exchanges.dydx.chain_facts import ADDRESS, TRADING_KEY
from tests.exchanges.dydx.desk import ACCOUNT, desk_at, trading, venue_at
from tests.exchanges.dydx.server import DydxServer

IOC, POST_ONLY, STOP = OrderKind.IOC, OrderKind.POST_ONLY, OrderKind.STOP


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server and the venue say nothing to wait for
            await asyncio.sleep(0.01)


async def test_what_rests_is_long_term_what_must_fill_at_once_is_short_term_and_a_stop_is_conditional():
    async with trading() as (server, desk):
        rests, takes = desk.place(BUY, "49000", kind=POST_ONLY), desk.place(BUY, "50010", "0.01", IOC)
        desk.send(rests, takes)
        await desk.hears(Accepted, rests.cid)
        await desk.hears(Filled, takes.cid)
        stop = desk.place(SELL, "0", "0.01", STOP, trigger=49_500, reduce_only=True)
        desk.send(stop)
        await desk.hears(Accepted, stop.cid)
        orders = {message.order.order_id.order_flags: message.order for kind, message, _ in server.room.seen}
        assert set(orders) == {64, 0, 32}
        assert (orders[64].time_in_force, orders[0].time_in_force) == (chain.POST_ONLY, chain.IOC)
        assert orders[0].good_til_block - server.room.height <= 3
        assert 50 * 86_400 < orders[64].good_til_block_time - time.time() < 95 * 86_400
        assert (orders[32].time_in_force, orders[32].reduce_only) == (chain.IOC, True), "only IOC may reduce"
        assert orders[32].conditional_order_trigger_subticks == 49_500 * 10**5


async def test_no_order_asks_the_node_for_its_height():
    async with trading() as (server, desk):
        before = len(server.asked)
        places = [desk.place(BUY, "50010", "0.01", IOC) for _ in range(5)]
        desk.send(*places)
        for place in places:
            await desk.hears(Filled, place.cid)
        assert server.asked[before:] == []
        assert len(server.room.seen) == 5


async def test_one_nodes_cancel_of_an_ioc_order_is_not_its_end_before_its_block_has_passed():
    """BEST_EFFORT_CANCELED: another node may still match it until its goodTilBlock."""
    async with trading() as (server, desk):
        server.hold_blocks()
        place = desk.place(BUY, "49000", "0.01", IOC)
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        [(_, message, _)] = server.room.seen
        while server.room.height < message.order.good_til_block:
            desk.send(desk.query(place))
            await asyncio.sleep(0.02)
            await server.block()
        assert not desk.of(Cancelled)
        reports = desk.of(OrderReport, place.cid)
        assert all(report.found for report in reports), "what may still be matched is not absent"
        for _ in range(2):
            await server.block()
        assert (await desk.hears(Cancelled, place.cid)).filled == 0
        desk.send(desk.query(place))
        await desk.until(lambda: desk.of(OrderReport)[-1:] and not desk.of(OrderReport)[-1].found)


async def test_an_order_whose_answer_is_lost_is_not_absent_while_a_block_may_bring_it():
    async with trading() as (server, desk):
        server.hold_blocks()
        server.faults.lose_requests = 1
        place = desk.place(BUY, "50010", "0.01", IOC)
        desk.send(place)
        await eventually(lambda: not server.faults.lose_requests)
        desk.send(desk.query(place))
        await asyncio.sleep(0.1)
        assert not desk.of(OrderReport)
        for _ in range(5):
            await server.block()
        desk.send(desk.query(place))
        assert not (await desk.hears(OrderReport, place.cid)).found


async def test_resting_orders_wait_for_blocks_with_room_and_a_cancel_or_ioc_does_not_wait_for_them():
    async with trading() as (server, desk):
        server.hold_blocks()
        resting = [desk.place(BUY, str(49_000 - n)) for n in range(4)]
        taking = desk.place(BUY, "50010", "0.01", IOC)
        desk.send(*resting, taking)
        await desk.hears(Accepted, taking.cid)
        await eventually(lambda: len(desk.venue.view().waiting) == 2 and len(server.room.seen) == 3)
        server.let_blocks_come()
        for place in resting:
            await desk.hears(Accepted, place.cid)
        assert not desk.of(Rejected)


async def test_a_cancel_takes_back_its_order_while_that_waits_for_a_block():
    async with trading() as (server, desk):
        server.hold_blocks()
        places = [desk.place(BUY, str(49_000 - n)) for n in range(4)]
        desk.send(*places)
        await eventually(lambda: len(desk.venue.view().waiting) == 2)
        desk.send(desk.cancel(places[2]))
        assert (await desk.hears(SendDropped, places[2].cid)).reason is Reason.WITHDRAWN
        server.let_blocks_come()
        await desk.hears(Accepted, places[3].cid)
        assert len(server.room.seen) == 3
        assert {kind for kind, _, _ in server.room.seen} == {PLACE}


async def test_limits_and_what_waits_for_them_are_visible():
    async with trading() as (server, desk):
        server.hold_blocks()
        places = [desk.place(BUY, str(49_000 - n)) for n in range(4)]
        desk.send(*places)
        await eventually(lambda: len(desk.venue.view().waiting) == 2)
        view = desk.venue.view()
        assert (view.venue, view.network, view.connected) == ("DYDX", "local", True)
        used = {budget.name: budget.used for budget in view.budgets}
        assert used["indexer"] >= 3
        assert used["main resting orders in 1 blocks"] == 2
        assert [waiting.what for waiting in view.waiting] == [f"place {desk.instrument.id}"] * 2


async def test_a_resting_order_that_finds_no_room_in_its_time_is_refused_for_the_rate():
    async with trading() as (server, desk):
        server.hold_blocks()
        places = [desk.place(BUY, "49000", valid_until_ns=time.time_ns() + 300_000_000) for _ in range(3)]
        desk.send(*places)
        assert (await desk.hears(Rejected, places[2].cid)).reason is Reason.MESSAGE_RATE


async def test_an_account_without_equity_may_rest_nothing_and_is_told_so_before_anything_is_sent():
    async with trading("15") as (server, desk):
        place = desk.place(BUY, "49000", "0.0001")
        desk.send(place)
        assert "allows 0 resting orders" in (await desk.hears(Rejected, place.cid)).text
        assert server.room.seen == []


async def test_a_resting_order_that_reduces_is_refused_in_the_chains_words():
    async with trading() as (_, desk):
        entry = desk.place(BUY, "50010", "0.1", IOC)
        desk.send(entry)
        await desk.hears(Filled, entry.cid)
        place = desk.place(SELL, "51000", "0.1", reduce_only=True)
        desk.send(place)
        assert "non-IOC" in (await desk.hears(Rejected, place.cid)).text


async def test_a_transaction_that_comes_after_its_time_is_refused_by_the_chain_itself():
    """Its nonce is chosen so that no block after `valid_until_ns` takes it."""
    async with trading() as (server, desk):
        server.room.skew_ns = 3_000_000_000
        await server.block()
        place = desk.place(BUY, "49000", valid_until_ns=time.time_ns() + 2_000_000_000)
        desk.send(place)
        refused = await desk.hears(Rejected, place.cid)
        assert refused.reason is Reason.EXPIRED
        assert "timestamp nonce" in refused.text


async def test_a_post_only_order_that_would_take_is_accepted_then_cancelled_there_and_rejected_here():
    async with trading() as (_, desk):
        place = desk.place(BUY, "50010", kind=POST_ONLY)
        desk.send(place)
        assert "POST_ONLY" in (await desk.hears(Rejected, place.cid)).text
        assert not desk.of(Cancelled)


async def test_a_cancel_of_an_order_that_is_not_sent_yet_comes_after_it():
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(place, desk.cancel(place))
        assert (await desk.hears(Cancelled, place.cid)).filled == 0
        assert [kind for kind, _, _ in server.room.seen] == [PLACE, CANCEL]


async def test_an_order_of_an_earlier_run_is_known_cancelled_and_reported_by_its_id(tmp_path):
    async with DydxServer() as server:
        await server.quote("49990", "50010")
        first = desk_at(venue_at(server, tmp_path))
        await first.venue.start(first.sink)
        place = first.place(BUY, "49000")
        first.send(place)
        await first.hears(Accepted, place.cid)
        await first.venue.aclose()
        desk = desk_at(venue_at(server, tmp_path))
        await desk.venue.start(desk.sink)
        try:
            desk.send(desk.snapshot())
            [order] = (await desk.hears(VenueSnapshot)).orders
            assert order.cid == place.cid
            desk.send(desk.cancel(place))
            assert (await desk.hears(Cancelled, place.cid)).filled == 0
            desk.send(desk.query(place))
            assert (await desk.hears(OrderReport, place.cid)).found
        finally:
            await desk.venue.aclose()


async def test_an_order_of_somebody_else_goes_by_the_venues_own_id(tmp_path):
    async with DydxServer() as server:
        await server.quote("49990", "50010")
        other = desk_at(venue_at(server, tmp_path))
        await other.venue.start(other.sink)
        place = other.place(BUY, "49000")
        other.send(place)
        venue_id = (await other.hears(Accepted, place.cid)).venue_id
        await other.venue.aclose()
        folder = tmp_path / "mine"
        folder.mkdir()
        desk = desk_at(venue_at(server, folder))
        await desk.venue.start(desk.sink)
        try:
            desk.send(desk.snapshot())
            [order] = (await desk.hears(VenueSnapshot)).orders
            assert (order.cid, order.venue_id) == (f"dydx-{venue_id}", venue_id)
        finally:
            await desk.venue.aclose()


async def test_fills_of_before_the_start_are_not_told_and_funding_comes_with_the_snapshot():
    async with trading() as (server, desk):
        place = desk.place(BUY, "50010", "0.1", IOC)
        desk.send(place)
        await desk.hears(Filled, place.cid)
        server.room.payments.append({"ticker": "BTC-USD", "payment": "-0.123456", "createdAtNs": time.time_ns()})
        server.room.payments.append({"ticker": "BTC-USD", "payment": "9", "createdAtNs": 1_700_000_000 * 10**9})
        desk.send(desk.snapshot())
        told = await desk.hears(VenueSnapshot)
        assert [str(payment.amount) for payment in told.funding] == ["-0.123456"]
        assert len(told.fills) == 1


async def test_snapshots_read_fills_page_by_page_until_they_are_old(monkeypatch):
    monkeypatch.setattr("exchanges.dydx.account.PAGE", 3)
    async with trading() as (server, desk):
        places = [desk.place(BUY, "50010", "0.001", IOC) for _ in range(8)]
        for place in places:
            desk.send(place)
            await desk.hears(Filled, place.cid)
        desk.send(desk.snapshot())
        told = await desk.hears(VenueSnapshot)
        assert {fill.cid for fill in told.fills} == {place.cid for place in places}
        assert server.asked.count("fills") >= 3


async def test_a_hole_in_the_numbers_of_the_account_stream_is_a_lost_connection():
    async with trading() as (server, desk):
        server.faults.skip_numbers = 1
        await server.block()
        await server.block()
        await desk.until(lambda: [status.connected for status in desk.of(VenueStatus)] == [True, False, True])
        assert "missing" in desk.of(VenueStatus)[1].detail
        assert server.connections == 2


async def test_an_order_that_ended_while_nobody_listened_ends_with_what_has_filled_of_it():
    """Told as unfilled, it would be bought again before its fill is known."""
    async with trading() as (server, desk):
        server.hold_blocks()
        await server.quote("49990", "50010", "0.004")
        part, none = desk.place(BUY, "50010", "0.01", IOC), desk.place(BUY, "49000", "0.01", IOC)
        desk.send(part, none)
        await desk.hears(Accepted, part.cid)
        await desk.hears(Accepted, none.cid)
        server.faults.refuse_ws = True
        server.cut()
        await desk.until(lambda: not desk.of(VenueStatus)[-1].connected)
        for _ in range(8):
            await server.block()
        server.faults.refuse_ws = False
        assert (await desk.hears(Cancelled, part.cid)).filled == desk.instrument.qty("0.004")
        assert (await desk.hears(Cancelled, none.cid)).filled == 0
        assert not desk.of(Filled), "they come with the snapshot that the engine asks for"


async def test_a_message_that_makes_no_sense_is_skipped_and_the_account_is_read():
    async with trading() as (server, desk):
        await server.publish("v4_subaccounts", f"{ADDRESS}/0", {"fills": [{"id": "x"}], "mood": "bright"})
        await desk.hears(VenueSnapshot)
        assert desk.venue.payloads.not_understood == 1
        await server.publish("v4_subaccounts", f"{ADDRESS}/0", {"mood": "bright"})
        place = desk.place(BUY, "50010", "0.01", IOC)
        desk.send(place)
        await desk.hears(Filled, place.cid)
        assert list(desk.venue.payloads.unknown) == ["WireUpdate.mood"], "everything else is known"
        assert "mood" in desk.venue.view().detail


async def test_nothing_is_amended_and_what_was_never_sent_is_not_cancelled():
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(desk.amend(place, "49100", "0.01", 3), desk.cancel(place))
        assert (await desk.hears(AmendRejected, place.cid)).amend_no == 3
        await desk.hears(CancelRejected, place.cid)
        assert server.room.seen == []


class Unwilling(LocalSigner):
    """Signs what opens an account, and no order."""

    async def sign(self, requests):
        if requests[0].action == "place":
            raise OSError("the signer is away")
        return await super().sign(requests)


async def test_what_is_not_signed_has_surely_not_left():
    async with trading(signer=Unwilling({"trader": TRADING_KEY})) as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        assert "away" in (await desk.hears(SendFailed, place.cid)).text
        assert server.room.seen == []


async def test_an_order_whose_number_cannot_be_written_is_not_sent(monkeypatch):
    async with trading() as (server, desk):

        def refuse(_: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(desk.venue.orders.ids, "_append", refuse)
        place = desk.place(BUY, "49000")
        desk.send(place)
        assert "No space" in (await desk.hears(SendFailed, place.cid)).text
        assert server.room.seen == []


async def test_a_node_that_is_not_there_has_surely_received_nothing():
    async with trading() as (server, desk):
        desk.venue.outbox._config = replace(desk.venue.outbox._config, rpc_url="http://127.0.0.1:9/rpc")
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(SendFailed, place.cid)
        assert server.room.seen == []


async def test_a_busy_indexer_is_asked_again():
    async with trading() as (server, desk):
        server.faults.read_statuses = [429, 503]
        desk.send(desk.snapshot())
        assert (await desk.hears(VenueSnapshot)).account == ACCOUNT


async def test_a_contract_beside_those_that_are_traded_is_known_to_the_venue(tmp_path: Path):
    async with DydxServer() as server:
        await server.quote("3000", "3001", contract=1)
        await server.quote("49990", "50010")
        desk = desk_at(venue_at(server, tmp_path))
        await desk.venue.start(desk.sink)
        eth = server.instruments[1]
        try:
            place = replace(desk.place(BUY, "49000", kind=IOC), instrument=eth.id, price=eth.price("3001"), qty=10)
            desk.send(place)
            assert (await desk.hears(Filled, place.cid)).instrument == eth.id
        finally:
            await desk.venue.aclose()
