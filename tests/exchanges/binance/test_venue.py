"""Binance's order side against the local venue, above all where ccxt's users have lost money."""

import asyncio
import gc
import json
import logging
import subprocess
import sys
import time
from decimal import Decimal

import pytest

from domain.events import (
    Accepted,
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
from domain.order import BUY, SELL, ArmDeadMan, Cancel, OrderKind, OrderStatus
from domain.verdict import Reason
from exchanges.shared.setup import VenueAccount
from tests.exchanges.binance.desk import ACCOUNT, desk_at, trading, venue_at
from tests.exchanges.binance.venue_rules import API_KEY, SECRET

IOC, STOP, POST_ONLY = OrderKind.IOC, OrderKind.STOP, OrderKind.POST_ONLY


async def eventually(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - watches things that signal nobody
            await asyncio.sleep(0.005)


async def snapshot(desk) -> VenueSnapshot:
    count = len(desk.of(VenueSnapshot)) + 1
    desk.send(desk.snapshot())
    return await desk.hears(VenueSnapshot, count=count)


async def test_a_batch_of_two_with_one_rejected_keeps_the_accepted_oid():
    """ccxt's create_orders raises for the first error and loses the rest: PITFALL of reference/exchanges.md §4."""
    async with trading() as (server, desk):
        good, bad = desk.place(BUY, "49000"), desk.place(BUY, "49000", "0.001")
        desk.send(bad, good)
        accepted = await desk.hears(Accepted, good.cid)
        rejected = await desk.hears(Rejected, bad.cid)
        assert (rejected.reason, rejected.text[:5]) == (Reason.MIN_NOTIONAL, "-4164")
        [order] = (await snapshot(desk)).orders
        assert order.venue_id == accepted.venue_id != ""
        [request] = server.room.seen
        assert (request["path"], len(json.loads(request["batchOrders"]))) == ("batchOrders", 2)


async def test_one_order_goes_over_the_websocket_and_over_rest_while_that_is_down():
    async with trading() as (server, desk):
        first = desk.place(BUY, "49000")
        desk.send(first)
        await desk.hears(Accepted, first.cid)
        server.cut("orders")
        await asyncio.sleep(0.05)
        second = desk.place(BUY, "49001")
        desk.send(second)
        await desk.hears(Accepted, second.cid)
        assert [request["road"] for request in server.room.seen] == ["ws", "rest"]
        client = desk.venue.seats[ACCOUNT].session.client
        await eventually(lambda: client.is_open(f"{server.url.replace('http', 'ws')}/ws-fapi/v1"))
        third = desk.place(BUY, "49002")
        desk.send(third)
        await desk.hears(Accepted, third.cid)
        assert server.room.seen[-1]["road"] == "ws"


@pytest.mark.parametrize("road", ["ws", "rest"])
async def test_order_sent_response_lost_is_asked_about_and_never_sent_again(road):
    """ccxt #7411: the outcome is unknown, so nothing is said, and nothing is sent twice."""
    async with trading(request_timeout_s=0.3) as (server, desk):
        if road == "rest":
            server.faults.refuse_ws = True
            server.cut("orders")
            await asyncio.sleep(0.05)
        server.faults.drop_answers, server.faults.mute_streams = 1, True
        place = desk.place(BUY, "49000")
        desk.send(place)
        await asyncio.sleep(0.4)
        assert not desk.of(Accepted, place.cid) + desk.of(Rejected, place.cid) + desk.of(SendFailed, place.cid)
        desk.send(desk.query(place))
        report = await desk.hears(OrderReport, place.cid)
        assert (report.found, report.status) == (True, OrderStatus.OPEN)
        assert [(each["road"], each["path"]) for each in server.room.seen] == [(road, "order")]
        assert desk.venue.seats[ACCOUNT].outbox.unanswered == 1


@pytest.mark.parametrize(
    ("status", "body", "is_sure"),
    [
        pytest.param(503, "", False, id="503 Unknown error: may have been taken"),
        pytest.param(500, "", False, id="500"),
        pytest.param(503, "<html>Service Unavailable.</html>", True, id="503 Service Unavailable: not taken"),
        pytest.param(429, "", True, id="429"),
        pytest.param(403, "<html>WAF</html>", True, id="403 of the firewall"),
    ],
)
async def test_an_unknown_error_of_the_server_is_not_a_refusal(status, body, is_sure):
    async with trading() as (server, desk):
        server.faults.refuse_ws = True
        server.cut("orders")
        await asyncio.sleep(0.05)
        server.faults.statuses = [status]
        if body:
            server.faults.bodies[status] = body
        place = desk.place(BUY, "49000")
        desk.send(place)
        if is_sure:
            assert (await desk.hears(Rejected, place.cid)).text
            assert desk.of(VenueTrouble)[0].text.startswith(f"HTTP {status}")
        else:
            await eventually(lambda: desk.venue.seats[ACCOUNT].outbox.unanswered)
            await asyncio.sleep(0.05)
            assert not desk.of(Rejected, place.cid) + desk.of(SendFailed, place.cid)


async def test_a_refused_connection_is_a_send_that_failed():
    async with trading() as (server, desk):
        await server.close()
        place = desk.place(BUY, "49000")
        desk.send(place)
        assert (await desk.hears(SendFailed, place.cid)).text


async def test_every_update_between_two_awaits_is_heard():
    """watch_orders of ccxt gives the last state only: a hundred fills of one order are a hundred fills."""
    async with trading() as (server, desk):
        place = desk.place(BUY, "49995", "0.2")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        for number in range(100):
            await server.quote("49980", "49995", "0.002" if number % 2 else "0.0020")
            await server.quote("49980", "49996", "0.002")
        await desk.until(lambda: sum(fill.qty for fill in desk.of(Filled, place.cid)) == place.qty)
        assert len({fill.fill_id for fill in desk.of(Filled, place.cid)}) == 100


async def test_gap_after_reconnect_is_said_so_that_the_engine_asks():
    """ccxt fills nothing in after a reconnect."""
    async with trading() as (server, desk):
        place = desk.place(BUY, "49995")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        server.faults.refuse_ws = True
        server.cut("private")
        await desk.until(lambda: len(desk.of(VenueStatus)) == 2)
        await server.quote("49980", "49995")
        server.faults.refuse_ws = False
        await desk.until(lambda: [each.connected for each in desk.of(VenueStatus)] == [True, False, True])
        assert not desk.of(Filled)
        [fill] = (await snapshot(desk)).fills
        assert (fill.cid, fill.fee) == (place.cid, desk.instrument.fee(fill.price, fill.qty, desk.instrument.maker_fee))


async def test_an_expired_listen_key_is_a_lost_stream_and_a_new_one_is_made():
    async with trading() as (server, desk):
        await server.expire_listen_keys()
        await desk.until(lambda: [each.connected for each in desk.of(VenueStatus)] == [True, False, True])
        assert "listen key has expired" in desk.of(VenueStatus)[1].detail
        assert server.connections.count("private") == 2


async def test_a_listen_key_is_kept_alive(monkeypatch):
    monkeypatch.setattr("exchanges.binance.dialect.KEEP_ALIVE_S", 0.02)
    async with trading() as (server, _):
        await eventually(lambda: server.kept_alive >= 2)
        assert server.connections.count("private") == 1


async def test_a_message_that_makes_no_sense_is_counted_and_the_account_is_read():
    async with trading() as (_, desk):
        seat = desk.venue.seats[ACCOUNT]
        assert desk.venue._hear(seat, "ws://x", {"e": "ORDER_TRADE_UPDATE", "T": 1, "o": {"s": "BTCUSDT"}})
        await desk.hears(VenueSnapshot)
        assert desk.venue.poison == 1


async def test_after_a_restart_orders_and_fills_of_the_last_run_are_known_by_their_ids():
    async with trading() as (server, desk):
        trigger = desk.instrument.price("49500")
        entry, rest = desk.place(BUY, "50010", "0.1", IOC), desk.place(BUY, "49000")
        stop = desk.place(SELL, "0", "0.1", STOP, trigger=trigger, reduce_only=True, adds_risk=False)
        desk.send(entry, rest)
        await desk.hears(Filled, entry.cid)
        desk.send(stop)
        await desk.hears(Accepted, stop.cid)
        await desk.venue.aclose()
        since_ns = time.time_ns() - 60_000_000_000
        known = VenueAccount(id=ACCOUNT, key="binance_secret", api_key=API_KEY, since_ns=since_ns)
        again = desk_at(server, venue_at(server, accounts=(known,)))
        await again.venue.start(again.sink)
        try:
            for order in (stop, rest):  # unknown to this run, before any snapshot
                again.send(Cancel(cid=order.cid, account=ACCOUNT, instrument=order.instrument))
                await again.hears(Cancelled, order.cid)
            told = await snapshot(again)
            assert [fill.cid for fill in told.fills] == [entry.cid]
            gone = again.place(BUY, "49000")
            again.send(again.cancel(gone))
            assert "-2011" in (await again.hears(CancelRejected, gone.cid)).text
        finally:
            await again.venue.aclose()


async def test_funding_that_is_paid_is_read_from_the_income():
    async with trading() as (server, desk):
        entry = desk.place(BUY, "50010", "0.1", IOC)
        desk.send(entry)
        await desk.hears(Filled, entry.cid)
        now = server.room.now_ns()
        server.room.digest([FundingPaid(
            venue_ts_ns=now, account=API_KEY, instrument=desk.instrument.id, funding_id="x", amount=Decimal("-0.5"),
        )])  # fmt: skip
        await server.market(Mark(instrument=desk.instrument.id, price=desk.instrument.price("50000")))
        told = await desk.hears(VenueSnapshot)
        [paid] = told.funding
        assert (paid.amount, paid.instrument) == (Decimal("-0.5"), desk.instrument.id)


async def test_the_dead_mans_switch_cancels_what_rests_unless_it_is_armed_again():
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(ArmDeadMan(account=ACCOUNT, deadline_ns=time.time_ns() + 60_000_000_000))
        await eventually(lambda: server.room.countdowns)
        server.room.countdowns = dict.fromkeys(server.room.countdowns, 1)
        await snapshot(desk)
        await desk.hears(Cancelled, place.cid)
        desk.send(ArmDeadMan(account=ACCOUNT, deadline_ns=0))
        assert desk.venue.caps.dead_man


async def test_the_secret_is_nowhere_but_with_the_signer(caplog):
    """The canary: not in ccxt, not on the wire, not in logs, not in errors."""
    caplog.set_level(logging.DEBUG)
    async with trading() as (server, desk):
        places = [desk.place(BUY, "49000"), desk.place(BUY, "49001")]
        desk.send(*places)
        for place in places:
            await desk.hears(Accepted, place.cid)
        single = desk.place(BUY, "49000", "0.001")
        desk.send(single)
        await desk.hears(Rejected, single.cid)
        await snapshot(desk)
        server.keys[API_KEY] = "another"  # from now on signatures are refused, with all that is said of it
        refused = desk.place(BUY, "49002")
        desk.send(refused)
        said = await desk.hears(Rejected, refused.cid)
        assert "-1022" in said.text
        exchange = desk.venue.seats[ACCOUNT].session.client.exchange
        assert exchange.secret != SECRET
        assert SECRET not in repr(vars(exchange))
        wire = "".join(server.frames) + json.dumps(server.headers) + json.dumps(server.room.seen)
        assert SECRET not in wire + caplog.text + repr(desk.heard) + repr(desk.venue._signer)
        assert all("signature" in each for each in server.room.seen)


async def test_memory_of_ccxt_stays_empty():
    """ccxt keeps orders, trades and dead clients: nothing of it is used, nothing grows."""
    async with trading() as (server, desk):
        for number in range(20):
            place = desk.place(BUY, "50010", "0.01", IOC)
            desk.send(place)
            await desk.hears(Filled, place.cid)
            if number % 5 == 0:
                server.cut("private")
                expected = 3 + 2 * (number // 5)
                await eventually(lambda expected=expected: len(desk.of(VenueStatus)) == expected)
        exchange = desk.venue.seats[ACCOUNT].session.client.exchange
        assert not exchange.orders
        assert not exchange.myTrades
        assert not exchange.markets
        assert len(exchange.clients) <= 2
        assert sum(len(client.futures) + len(client.subscriptions) for client in exchange.clients.values()) <= 2
        gc.collect()


@pytest.mark.process
def test_importing_our_binance_does_not_import_every_exchange():
    """ccxt #29573: its package imports them all, so ours imports it only when a venue is opened."""
    code = "import sys, exchanges.binance.open; print(sum(name.startswith('ccxt') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


async def test_it_says_how_much_of_the_limits_is_used():
    async with trading() as (_, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        used = {budget.name: budget.used for budget in desk.venue.view().budgets}
        assert used["BINANCE:main orders-10s"] >= 1
        assert used["weight-1m"] > 5
        assert desk.venue.view().connected


async def test_fields_that_nobody_knows_are_counted_and_messages_that_lack_one_are_kept(tmp_path):
    async with trading(folder=tmp_path) as (_, desk):
        seat = desk.venue.seats[ACCOUNT]
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        await snapshot(desk)
        assert not desk.venue.payloads.unknown, "what the venue is known to send is known"
        algo = {"caid": "x", "aid": 1, "s": "BTCUSDT", "X": "EXPIRED", "brandNew": 1}
        assert desk.venue._hear(seat, "ws://x", {"e": "ALGO_UPDATE", "T": 1, "o": algo})
        assert list(desk.venue.payloads.unknown) == ["AlgoUpdate.o.brandNew"]
        assert "unknown fields: AlgoUpdate.o.brandNew" in desk.venue.view().detail
        del algo["X"]
        assert desk.venue._hear(seat, "ws://x", {"e": "ALGO_UPDATE", "T": 1, "o": algo})
        [kept] = tmp_path.iterdir()
        assert "brandNew" in kept.read_text()
