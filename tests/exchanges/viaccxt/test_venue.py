"""The `Venue` port over ccxt: accounts, streams that die quietly, and what is said of them."""

import logging

import pytest
from msgspec.structs import replace

from domain.errors import VenueError
from domain.events import Accepted, SendFailed, VenueSnapshot, VenueStatus
from domain.order import BUY, RequestSnapshot
from exchanges.shared.setup import VenueAccount
from tests.exchanges.binance.desk import ACCOUNT, desk_at, signer_of, trading, venue_at
from tests.exchanges.binance.server import BinanceServer
from tests.exchanges.binance.venue_rules import API_KEY, SECRET

OTHER = "BINANCE:other"


async def test_a_stream_that_dies_without_a_word_is_found_by_its_silence(caplog):
    caplog.set_level(logging.INFO, "exchanges")
    async with BinanceServer() as server:
        server.faults.deaf = True
        venue = venue_at(server, ping_after_s=0.1)
        desk = desk_at(server, venue)
        await venue.start(desk.sink)
        try:
            await desk.until(lambda: [each.connected for each in desk.of(VenueStatus)][:2] == [True, False])
            server.faults.deaf = False
            await desk.until(lambda: desk.of(VenueStatus)[-1].connected)
            said = desk.of(VenueStatus)[1].detail
            assert "keepalive" in said
            assert "listenKey" not in said + caplog.text, "who has it can read the account's stream"
        finally:
            await venue.aclose()


async def test_two_accounts_are_one_venue_that_is_up_when_both_are():
    async with BinanceServer(others={"second": ("another secret", "5000")}) as server:
        accounts = (
            VenueAccount(id=ACCOUNT, key="binance_secret", api_key=API_KEY),
            VenueAccount(id=OTHER, key="second_secret", api_key="second"),
        )
        signer = signer_of(second_secret="another secret")
        venue = venue_at(server, accounts=accounts, signer=signer)
        desk = desk_at(server, venue)
        await server.quote("49990", "50010")
        await venue.start(desk.sink)
        try:
            assert [each.connected for each in desk.of(VenueStatus)] == [True]
            mine, theirs = desk.place(BUY, "49000"), desk.place(BUY, "49001")
            theirs = replace(theirs, account=OTHER)
            desk.send(mine, theirs)
            for place in (mine, theirs):
                await desk.hears(Accepted, place.cid)
            for account in (ACCOUNT, OTHER):
                desk.send(RequestSnapshot(account=account))
            await desk.hears(VenueSnapshot, count=2)
            told = {each.account: each for each in desk.of(VenueSnapshot)}
            assert [order.cid for order in told[ACCOUNT].orders] == [mine.cid]
            assert [order.cid for order in told[OTHER].orders] == [theirs.cid]
            assert str(told[OTHER].cash) == "5000.00000000"
        finally:
            await venue.aclose()


async def test_requests_for_an_account_that_is_not_there_are_dropped_and_said(caplog):
    async with trading() as (server, desk):
        place = desk.place(BUY, "49000")
        desk.send(replace(place, account=OTHER))
        assert "BINANCE:other" in (await desk.hears(SendFailed, place.cid)).text
        assert "BINANCE:other is no account of BINANCE" in caplog.text
        assert not server.room.seen


async def test_a_stream_that_is_never_confirmed_is_said_and_everything_is_closed():
    async with BinanceServer() as server:
        server.faults.refuse_ws = True
        venue = venue_at(server, confirm_within_s=0.5)
        with pytest.raises(VenueError, match="did not confirm the private streams within 0"):
            await venue.start(lambda _: None)
        assert not venue._tasks
        assert not venue.view().connected
        assert SECRET not in venue.view().detail
