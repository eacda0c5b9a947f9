"""Bybit's rate limits: kept before the venue counts, each kind of request by its own."""

import asyncio
import time

from domain.events import Accepted, Cancelled, CancelRejected, Rejected, SendDropped
from domain.order import BUY
from domain.verdict import Reason
from tests.exchanges.bybit.desk import ACCOUNT, on_socket, trading
from tests.exchanges.bybit.gate import Limits
from tests.exchanges.bybit.server import Server


async def test_what_does_not_fit_into_a_second_waits_and_cancels_do_not():
    async with trading() as (server, desk):
        await on_socket(server)
        places = [desk.place(BUY, "49000") for _ in range(12)]
        for place in places:
            desk.send(place)
        await desk.hears(Accepted, places[7].cid)
        desk.send(desk.cancel(places[0]))
        await desk.hears(Cancelled, places[0].cid)
        view = desk.venue.view()
        assert len(view.waiting) == 4
        [create] = [budget for budget in view.budgets if budget.name == "BYBIT:main create-1s"]
        assert (create.used, create.limit) == (8, 10)
        await desk.hears(Accepted, places[11].cid)
        assert not desk.of(Rejected)


async def test_the_limit_that_the_venue_tells_is_the_one_that_is_kept():
    async with trading(Server(limits=Limits(orders_a_s=20))) as (server, desk):
        await on_socket(server)
        first, *rest = [desk.place(BUY, "49000") for _ in range(14)]
        desk.send(first)
        await desk.hears(Accepted, first.cid)
        for place in rest:
            desk.send(place)
        await desk.hears(Accepted, rest[-1].cid)
        assert desk.venue.view().waiting == ()


async def test_an_address_that_is_sent_away_stops_asking():
    server = Server()
    server.faults.refuse_trade_ws = True
    async with trading(server) as (_, desk):
        server.faults.statuses = [403]
        first, second = desk.place(BUY, "49000"), desk.place(BUY, "49000", valid_until_ns=time.time_ns() + 200_000_000)
        desk.send(first)
        assert (await desk.hears(Rejected, first.cid)).reason is Reason.MESSAGE_RATE
        desk.send(second)
        assert (await desk.hears(Rejected, second.cid)).reason is Reason.EXPIRED
        assert server.room.seen == []


async def test_a_cancel_that_overtakes_its_own_waiting_order_takes_it_back():
    async with trading() as (server, desk):
        await on_socket(server)
        places = [desk.place(BUY, "49000") for _ in range(8)]
        desk.send(*places)
        await desk.hears(Accepted, places[-1].cid)
        late = [desk.place(BUY, "49000") for _ in range(3)]
        desk.send(*late)
        await asyncio.sleep(0.05)
        desk.send(desk.cancel(late[1]))
        assert (await desk.hears(SendDropped, late[1].cid)).reason is Reason.WITHDRAWN
        await desk.hears(Accepted, late[2].cid)
        sent = [words["orderLinkId"] for _, _, body in server.room.seen[1:] for words in body["request"]]
        assert sent == [late[0].cid, late[2].cid]
        assert not desk.of(CancelRejected)


async def test_what_has_waited_is_stamped_when_it_leaves():
    async with trading() as (server, desk):
        await on_socket(server)
        for _ in range(9):
            desk.send(desk.place(BUY, "49000"))
        sent_ms = time.time_ns() // 1_000_000
        await desk.until(lambda: len(desk.of(Accepted)) == 9)
        stamps = [int(headers["X-BAPI-TIMESTAMP"]) for headers in server.headers if len(headers) == 2]
        assert stamps[-1] > sent_ms + 500


async def test_an_order_that_is_cancelled_before_anything_ran_is_taken_back_in_silence(caplog):
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        desk.send(desk.cancel(place))
        assert (await desk.hears(SendDropped, place.cid)).reason is Reason.WITHDRAWN
        await asyncio.sleep(0.05)
        assert desk.venue.seats[ACCOUNT].outbox.unanswered == 0
        assert server.room.seen == []
        assert "could not be dealt with" not in caplog.text
