"""The read path: few questions at once, none twice, and a failure is no end."""

import asyncio

from domain.errors import DataError
from domain.events import OrderReport, VenueEvent, VenueSnapshot
from domain.instrument import ZERO
from domain.order import Query
from exchanges.shared.reads import MAX_READS, Reads
from exchanges.shared.tasks import Tasks

ACCOUNT = "X:main"


class Reader:
    """Answers when it is let; counts how often it was asked, and by how many at once."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.asked = 0
        self.at_once = self.most_at_once = 0
        self.error: Exception | None = None

    async def _wait(self) -> None:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.open.wait()
        self.at_once -= 1
        if self.error is not None:
            raise self.error

    async def snapshot(self) -> VenueSnapshot:
        await self._wait()
        return VenueSnapshot(account=ACCOUNT, cash=ZERO)

    async def report(self, query: Query) -> OrderReport:
        await self._wait()
        return OrderReport(cid=query.cid, found=False)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_account_that_is_being_read_is_read_once_more_however_often_that_is_wanted():
    told: list[VenueEvent] = []
    reader = Reader()
    reads = Reads({ACCOUNT: reader}, Tasks("X"), told.append)
    for _ in range(5):
        reads.look(ACCOUNT)
    reads.look("X:other")
    reader.open.set()
    await settled()
    assert (reader.asked, len(told), reads.is_reading) == (2, 2, False)


async def test_an_order_is_not_asked_about_twice_at_once_and_few_questions_are_under_way():
    told: list[VenueEvent] = []
    reader = Reader()
    reads = Reads({ACCOUNT: reader}, Tasks("X"), told.append)
    for number in range(10):
        for _ in range(3):
            reads.ask(Query(cid=f"c{number}", account=ACCOUNT, instrument="BTC-USDT-PERP.X"))
    await settled()
    assert reader.asked == MAX_READS
    reader.open.set()
    await settled()
    assert (reader.asked, reader.most_at_once, len(told)) == (10, MAX_READS, 10)


async def test_a_reading_that_fails_is_not_the_last_one():
    told: list[VenueEvent] = []
    reader = Reader()
    reads = Reads({ACCOUNT: reader}, Tasks("X"), told.append)
    reader.open.set()
    reader.error = DataError("nonsense")
    reads.look_at_all()
    await settled()
    assert not told
    reader.error = None
    reads.look_at_all()
    await settled()
    assert len(told) == 1
