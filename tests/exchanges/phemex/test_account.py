"""What is refused and set before the first order, and what the account is by the venue's word."""

import logging
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.errors import ConfigError, VenueError
from domain.events import Accepted, Cancelled, Filled, FundingPaid, OrderReport, VenueSnapshot
from domain.instrument import Instrument
from domain.order import BUY, OrderStatus
from domain.views import KeyView
from exchanges.phemex.open import read_instruments
from exchanges.shared.setup import Terms
from tests.exchanges.desk import WallClock
from tests.exchanges.phemex.catalogue import LISTED
from tests.exchanges.phemex.desk import ACCOUNT, BTC, setup_of, signer_of, trading, venue_at
from tests.exchanges.phemex.server import SECRET, PhemexServer


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"api_key": "11111111-f02b-4d3e-b444-76ec718e1023"}, "Failed to load API KEY", id="unknown key"),
        pytest.param({"signer": signer_of("another secret")}, "Signature verification failed", id="wrong secret"),
    ],
)
async def test_a_key_that_the_venue_refuses_ends_the_start_with_the_remedy(changes, words):
    async with PhemexServer() as server:
        with pytest.raises(ConfigError, match=f"PHEMEX:main.*{words}.*key and its secret") as caught:
            await venue_at(server, **changes).start(lambda _: None)
        assert SECRET not in str(caught.value)


async def test_hedge_mode_is_refused_with_the_remedy():
    async with PhemexServer() as server:
        server.room.modes["BTCUSDT"] = "Hedged"
        with pytest.raises(ConfigError, match=r"hedge mode for BTCUSDT.*one-way mode"):
            await venue_at(server).start(lambda _: None)


async def test_a_clock_that_is_off_is_refused_with_the_remedy():
    async with PhemexServer() as server:
        clock = WallClock()
        clock.off_ns = 60_000_000_000
        with pytest.raises(ConfigError, match=r"\+\d+\.\d s off.*NTP"):
            await venue_at(server, clock).start(lambda _: None)


async def test_contracts_that_differ_from_the_settings_are_refused():
    async with PhemexServer() as server:
        with pytest.raises(ConfigError, match="qty_decimals 4"):
            await venue_at(server, traded=[replace(BTC, qty_decimals=3)]).start(lambda _: None)
        gone = replace(BTC, id="LSK-USDT-PERP.PHEMEX", venue_symbol="LSKUSDT")
        with pytest.raises(ConfigError, match="does not list LSKUSDT"):
            await venue_at(server, traded=[gone]).start(lambda _: None)


async def test_a_venue_in_maintenance_is_an_error_that_says_so():
    async with PhemexServer() as server:
        server.faults.read_statuses = [503]
        with pytest.raises(VenueError, match="HTTP 503"):
            await venue_at(server).start(lambda _: None)


@pytest.mark.parametrize(
    ("terms", "there"),
    [
        pytest.param(Terms(margin="cross", leverage=5), "-5", id="cross is negative"),
        pytest.param(Terms(margin="isolated", leverage=3), "3", id="isolated is positive"),
        pytest.param(Terms(margin="isolated"), "10", id="the leverage that is there stays"),
        pytest.param(Terms(), "-10", id="what is so already is left alone"),
    ],
)
async def test_margin_mode_and_leverage_are_set_at_the_start(terms, there):
    async with trading(terms={BTC.id: terms}) as (server, _):
        assert server.room.leverage["BTCUSDT"] == there
        asked = [path for method, path, _ in server.asked if method == "PUT"]
        assert len(asked) == (there != "-10")


async def test_a_key_that_nobody_vouches_for_is_refused_since_phemex_does_not_tell():
    async with PhemexServer() as server:
        words = r"PHEMEX:main: Phemex does not tell .* without withdrawals .* write `cannot_withdraw: true`"
        with pytest.raises(ConfigError, match=words):
            await venue_at(server, cannot_withdraw=False).start(lambda _: None)
        assert [method for method, _, _ in server.asked if method != "GET"] == []


async def test_that_only_the_settings_vouch_for_a_key_is_shown_and_logged(caplog):
    caplog.set_level(logging.INFO)
    async with trading() as (_, desk):
        assert desk.venue.view().keys == (KeyView(account=ACCOUNT, cannot_withdraw="vouched for by the settings"),)
        assert "the key of PHEMEX:main cannot withdraw: vouched for by the settings" in caplog.text


async def test_contracts_fees_and_margins_are_read_from_the_venue():
    async with PhemexServer() as server:
        setup = setup_of(server, instruments=(), terms={BTC.id: Terms(leverage=20)})
        found = await read_instruments(setup, signer_of())
        same = [replace(i, aliases=(), initial_margin=LISTED[0].initial_margin) for i in found]
        wanted: list[Instrument] = [replace(i, min_qty=1, max_qty=same[n].max_qty) for n, i in enumerate(LISTED)]
        assert same == wanted
        assert found[0].initial_margin == Decimal("0.05")
        assert found[2].id == "1000PEPE-USDT-PERP.PHEMEX"
        with pytest.raises(ConfigError, match="does not list LSK-USDT"):
            await read_instruments(setup_of(server, instruments=("LSK-USDT-PERP.PHEMEX",)))
        with pytest.raises(ConfigError, match="leverage of 100"):
            await read_instruments(setup_of(server, terms={BTC.id: Terms(leverage=101)}))


async def test_funding_is_seen_on_the_stream_and_read_with_the_account():
    async with trading() as (server, desk):
        before = len(desk.of(VenueSnapshot))
        paid = FundingPaid(
            venue_ts_ns=server.room.now_ns(), account=ACCOUNT, instrument=BTC.id, funding_id="x", amount=Decimal("-1.5")
        )
        server.room.digest([paid])
        await server.gateway.flush()
        told = await desk.hears(VenueSnapshot, count=before + 1)
        [event] = told.funding
        assert (event.account, event.instrument, event.amount) == (ACCOUNT, BTC.id, Decimal("-1.5"))
        assert event.funding_id.startswith("BTCUSDT:")


async def test_funding_is_not_asked_for_when_there_can_be_no_new_one():
    async with trading() as (server, desk):
        for count in (1, 2):
            desk.send(desk.snapshot())
            await desk.hears(VenueSnapshot, count=count)
        asked = [path for _, path, _ in server.asked if path.endswith("funding-fees")]
        is_late = desk.of(VenueSnapshot)[0].venue_ts_ns % 3_600_000_000_000 <= 300_000_000_000
        assert len(asked) == (2 if is_late else 1)


async def test_an_order_of_the_website_is_told_under_the_venues_id():
    async with trading() as (server, desk):
        order = {"symbol": "BTCUSDT", "posSide": "Merged", "side": "Sell", "ordType": "Limit", "orderQtyRq": "0.5",
                 "priceRp": "51000", "timeInForce": "PostOnly"}  # fmt: skip
        there = server.room.create(order)
        desk.send(desk.snapshot())
        [told] = (await desk.hears(VenueSnapshot)).orders
        assert (told.cid, told.venue_id, told.side, told.qty) == (
            there["orderID"],
            there["orderID"],
            -1,
            BTC.qty("0.5"),
        )


async def test_many_fills_are_read_page_by_page():
    async with trading() as (server, desk):
        desk.send(desk.place(1, "50010"))
        await desk.hears(Filled)
        row = server.room.fills[0]
        server.room.fills = [{**row, "execID": f"exec-{number}"} for number in range(450)]
        desk.send(desk.snapshot())
        assert len((await desk.hears(VenueSnapshot)).fills) == 450


async def test_many_questions_about_orders_share_lists_and_none_is_asked_twice():
    """Each used to cost a list of its own: with a dozen of orders in doubt, nothing of the minute was left for them."""
    async with trading() as (server, desk):
        places = [desk.place(BUY, "49000") for _ in range(12)]
        desk.send(*places)
        for place in places:
            await desk.hears(Accepted, place.cid)
        server.asked.clear()
        for _ in range(3):
            desk.send(*(desk.query(place) for place in places))
        for place in places:
            assert (await desk.hears(OrderReport, place.cid)).status is OrderStatus.OPEN
        lists = [asked for asked in server.asked if asked[1] == "/g-orders/activeList"]
        assert len(lists) < len(places) == len(desk.of(OrderReport))


async def test_a_question_is_not_answered_from_a_list_that_was_asked_for_before_it():
    async with trading() as (_, desk):
        place = desk.place(BUY, "49000")
        desk.send(place)
        await desk.hears(Accepted, place.cid)
        desk.send(desk.query(place))
        assert (await desk.hears(OrderReport, place.cid)).status is OrderStatus.OPEN
        desk.send(desk.cancel(place))
        await desk.hears(Cancelled, place.cid)
        desk.send(desk.query(place))
        assert (await desk.hears(OrderReport, place.cid, 2)).status is OrderStatus.CANCELLED
