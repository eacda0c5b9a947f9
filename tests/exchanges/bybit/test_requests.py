"""Requests that are not about our own orders."""

from domain.events import Cancelled, VenueSnapshot
from domain.order import Cancel
from tests.exchanges.bybit.desk import ACCOUNT, trading
from tests.exchanges.bybit.listing import BTC, USER

BY_HAND = {
    "category": "linear", "symbol": BTC.venue_symbol, "side": "Buy", "orderType": "Limit", "price": "48000",
    "qty": "0.01", "timeInForce": "GTC",
}  # fmt: skip


async def test_an_order_that_somebody_placed_without_a_link_id_is_cancelled_by_the_venues():
    async with trading() as (server, desk):
        server.room._create(USER, BY_HAND)
        desk.send(desk.snapshot())
        [theirs] = (await desk.hears(VenueSnapshot)).orders
        desk.send(Cancel(cid=theirs.cid, account=ACCOUNT, instrument=BTC.id, venue_id=theirs.venue_id))
        await desk.hears(Cancelled, theirs.cid)
