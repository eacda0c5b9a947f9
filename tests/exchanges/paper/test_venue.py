"""The asyncio driver: requests and answers take their time on a real clock, and the sink is never re-entered."""

import asyncio
import time
from decimal import Decimal

from domain.events import Accepted, Cancelled, VenueEvent, VenueStatus
from domain.market import Bbo
from domain.order import ArmDeadMan, OrderKind, Place
from domain.ports import Venue
from exchanges.paper.config import MILLISECOND_NS as MS
from exchanges.paper.config import PaperConfig
from exchanges.paper.exchange import PaperExchange
from exchanges.paper.venue import PaperVenue
from tests.exchanges.paper.world import ACCOUNT, BTC, fills, names


class WallClock:
    def now_ns(self) -> int:
        return time.time_ns()


def new_venue() -> PaperVenue:
    config = PaperConfig(feed_ns=0, entry_ns=10 * MS, response_ns=10 * MS)
    return PaperVenue(PaperExchange([BTC], {ACCOUNT: Decimal(1_000_000)}, config), WallClock())


def place(cid: str, price: int, kind: OrderKind = OrderKind.LIMIT) -> Place:
    return Place(cid=cid, account=ACCOUNT, instrument=BTC.id, side=1, kind=kind, qty=10, price=price)


class Ear:
    """What the venue said, and a way to wait for more of it."""

    def __init__(self) -> None:
        self.said: list[VenueEvent] = []
        self._more = asyncio.Event()

    def __call__(self, event: VenueEvent) -> None:
        self.said.append(event)
        self._more.set()

    async def hears(self, count: int) -> list[VenueEvent]:
        async with asyncio.timeout(30):
            while len(self.said) < count:
                self._more.clear()
                await self._more.wait()
        return self.said


async def test_answers_come_after_the_latency_and_not_from_inside_send():
    ear = Ear()
    paper = new_venue()
    venue: Venue = paper
    await venue.start(ear)
    assert [event.connected for event in ear.said if isinstance(event, VenueStatus)] == [True]
    paper.on_market(Bbo(instrument=BTC.id, bid=600_000, bid_qty=100, ask=600_010, ask_qty=100))
    sent = time.time_ns()
    venue.send([place("a", 600_010, OrderKind.IOC)])
    assert len(ear.said) == 1
    said = await ear.hears(3)
    assert time.time_ns() - sent >= 20 * MS
    assert fills(said) == [(1, 600_010, 10)]
    await venue.aclose()


async def test_market_events_fill_resting_orders():
    ear = Ear()
    venue = new_venue()
    await venue.start(ear)
    venue.on_market(Bbo(instrument=BTC.id, bid=600_000, bid_qty=100, ask=600_010, ask_qty=100))
    venue.send([place("a", 599_000)])
    said = await ear.hears(2)
    assert isinstance(said[1], Accepted)
    venue.on_market(Bbo(instrument=BTC.id, bid=598_000, bid_qty=100, ask=598_010, ask_qty=100))
    said = await ear.hears(3)
    assert fills(said) == [(1, 599_000, 10)]
    await venue.aclose()


async def test_the_dead_man_fires_by_itself():
    ear = Ear()
    venue = new_venue()
    await venue.start(ear)
    venue.send([place("a", 599_000), ArmDeadMan(account=ACCOUNT, deadline_ns=time.time_ns() + 60 * MS)])
    said = await ear.hears(3)
    assert isinstance(said[2], Cancelled)
    assert said[2].text == "dead man"
    await venue.aclose()


async def test_after_closing_nothing_is_said_and_a_new_session_hears_only_its_own():
    ear = Ear()
    venue = new_venue()
    await venue.start(ear)
    venue.send([place("a", 599_000)])
    await venue.aclose()
    await asyncio.sleep(0.05)
    assert names(ear.said) == ["VenueStatus"]
    await venue.start(ear)
    venue.send([place("b", 599_000)])
    said = await ear.hears(3)
    assert [event.cid for event in said if isinstance(event, Accepted)] == ["b"]
    await venue.aclose()
