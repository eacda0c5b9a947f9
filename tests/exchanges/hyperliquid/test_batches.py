"""Requests that go together, and those that cannot."""

from domain.events import Accepted, Cancelled, VenueSnapshot
from domain.order import Cancel
from tests.exchanges.hyperliquid.desk import ACCOUNT, BTC, trading
from tests.exchanges.hyperliquid.exchange_room import MASTER

BY_HAND = {"a": 0, "b": True, "p": "48000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}


async def test_an_order_that_somebody_placed_without_a_cloid_is_cancelled_by_its_number():
    async with trading() as (server, desk):
        ours = desk.place(1, "49000")
        desk.send(ours)
        await desk.hears(Accepted, ours.cid)
        server.room._place(MASTER, BY_HAND)
        desk.send(desk.snapshot())
        [theirs] = [o for o in (await desk.hears(VenueSnapshot)).orders if o.cid != ours.cid]
        gone = Cancel(cid=theirs.cid, account=ACCOUNT, instrument=BTC.id, venue_id=theirs.venue_id)
        desk.send(gone, desk.cancel(ours))
        await desk.hears(Cancelled, theirs.cid)
        await desk.hears(Cancelled, ours.cid)
        assert {action["type"] for action in server.room.seen} == {"order", "cancel", "cancelByCloid"}
