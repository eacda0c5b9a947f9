"""Market data of several venues as one feed."""

import asyncio

import pytest

from domain.errors import VenueError
from domain.market import Bar, Feed, FeedKind, FeedState, FeedStatus
from engine.data import feeds
from engine.data.feeds import FeedRouter

A, B = (Feed(kind=FeedKind.BBO, instrument=f"BTC-USDC-PERP.{venue}") for venue in "AB")
MORE = Feed(kind=FeedKind.TRADE, instrument="BTC-USDC-PERP.A")


class Source:
    """A feed that notes what is subscribed; `broken` is what its start raises."""

    name = "source"

    def __init__(self, broken: list[Exception]) -> None:
        self.broken = broken
        self.feeds: list[Feed] = []
        self.closed = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def start(self, sink, wanted) -> None:
        await asyncio.sleep(0)
        await self.answers.wait()
        if self.broken:
            raise self.broken.pop(0)
        self.feeds += wanted

    async def subscribe(self, wanted) -> None:
        self.feeds += wanted

    async def history(self, feed, count):
        prices = {"open": 1, "high": 1, "low": 1, "close": 1, "volume": 1}
        return [Bar(instrument=feed.instrument, interval_ns=1, open_ts_ns=n, **prices) for n in range(count)]

    async def instruments(self):
        return []

    async def aclose(self) -> None:
        self.closed = True


def router(*broken_a: Exception) -> tuple[FeedRouter, Source, Source]:
    a, b = Source(list(broken_a)), Source([])
    return FeedRouter({"A": lambda: a, "B": lambda: b}), a, b


async def test_each_instrument_is_served_by_the_feed_of_its_venue():
    feed, a, b = router()
    await feed.start(lambda _: None, [A, B])
    await feed.subscribe([MORE])
    assert (a.feeds, b.feeds) == ([A, MORE], [B])
    assert [bar.instrument for bar in await feed.history(B, 2)] == [B.instrument] * 2
    await feed.aclose()
    assert a.closed
    assert b.closed


async def test_history_waits_for_a_feed_that_is_being_started():
    feed, _, _ = router()
    asked = asyncio.create_task(feed.history(A, 1))
    await feed.start(lambda _: None, [A])
    assert [bar.instrument for bar in await asked] == [A.instrument]
    await feed.aclose()


@pytest.mark.parametrize("error", [VenueError("no answer"), ValueError("bug")])
async def test_a_feed_that_cannot_start_is_down_and_the_others_go_on(error):
    feed, _, b = router(error)
    heard: list = []
    await feed.start(heard.append, [A, B])
    [down] = [event for event in heard if isinstance(event, FeedStatus)]
    assert (down.venue, down.state) == ("A", FeedState.DOWN)
    assert str(error) in down.detail
    assert b.feeds == [B]
    with pytest.raises(VenueError, match="market data of A is not connected"):
        await feed.history(A, 1)
    await feed.aclose()


async def test_it_is_tried_again_with_all_that_is_wanted_by_then(monkeypatch):
    monkeypatch.setattr(feeds, "RETRY_S", 0.01)
    feed, a, _ = router(VenueError("no answer"), VenueError("no answer"))
    heard: list = []
    await feed.start(heard.append, [A])
    await feed.subscribe([MORE])
    async with asyncio.timeout(10):
        while MORE not in a.feeds:  # noqa: ASYNC110 - the source has no event for it
            await asyncio.sleep(0.01)
    assert a.feeds == [A, MORE]
    assert len(heard) == 1, "the same reason is told once"
    await feed.aclose()


async def test_a_feed_that_does_not_answer_does_not_hold_up_the_others(monkeypatch):
    monkeypatch.setattr(feeds, "WAIT_S", 0.01)
    feed, a, b = router()
    a.answers.clear()
    async with asyncio.timeout(5):
        await feed.start(lambda _: None, [A, B])
    assert (a.feeds, b.feeds) == ([], [B])
    a.answers.set()
    assert [bar.instrument for bar in await feed.history(A, 1)] == [A.instrument]
    await feed.aclose()
