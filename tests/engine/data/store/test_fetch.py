"""Downloads: only what is missing is asked for, gaps are named, a venue that fails costs nothing that was stored."""

import asyncio

import pytest

from domain.errors import ConfigError, DataError, VenueError
from domain.market import Bar, FundingRate, Trade
from domain.ports import HistoryPage
from engine.data.store.download import Request, choose, download, jobs
from engine.data.store.fetch import Job, fetch
from engine.data.store.series import Kind
from engine.data.store.store import MarketStore
from tests.engine.data.store import samples
from tests.engine.data.store.samples import BTC, CANDLES, MINUTE_NS, minutes


class Venue:
    """Has a candle a minute but for `holes`; pages of four; fails as often as `failures` says."""

    name = "venue"

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.holes: set[int] = set()
        self.failures = 0
        self.close = 1_000_010
        self.closed = False

    async def instruments(self):
        return [BTC]

    async def candles(self, instrument, interval_ns, start_ns, end_ns) -> HistoryPage[Bar]:
        if self.failures:
            self.failures -= 1
            raise VenueError("no answer")
        until_ns = min(end_ns, start_ns + 4 * interval_ns)
        first, last = ((ns - samples.START_NS) // interval_ns for ns in (start_ns, until_ns))
        self.asked.append((first, last))
        rows = [samples.bar(minute, self.close) for minute in range(first, last) if minute not in self.holes]
        return HistoryPage(rows, until_ns)

    async def trades(self, instrument, start_ns, end_ns) -> HistoryPage[Trade]:
        return HistoryPage([], start_ns)

    async def funding(self, instrument, start_ns, end_ns) -> HistoryPage[FundingRate]:
        raise ConfigError("the venue has none")

    async def aclose(self) -> None:
        self.closed = True


def job(first: int, last: int, **changes) -> Job:
    start_ns, end_ns = minutes(first, last)
    return Job(series=CANDLES, instrument=BTC, start_ns=start_ns, end_ns=end_ns, **changes)


async def test_the_same_download_again_asks_for_nothing_and_a_longer_one_for_the_rest(tmp_path):
    store, venue = MarketStore(tmp_path), Venue()
    told: list[int] = []
    done = await fetch(store, venue, job(10, 20), told.append)
    assert (done.rows, done.new, done.pages) == (10, 10, 3)
    assert told == [minutes(14, 0)[0], minutes(18, 0)[0], minutes(20, 0)[0]]
    assert (await fetch(store, venue, job(10, 20))).pages == 0
    venue.asked = []
    await fetch(store, venue, job(8, 22))
    assert venue.asked == [(8, 10), (20, 22)]
    assert samples.times(store.read(CANDLES)) == list(range(8, 22))
    assert store.manifest(CANDLES).instrument == BTC


async def test_what_the_venue_does_not_have_is_a_gap_and_not_asked_for_again_unless_told(tmp_path):
    store, venue = MarketStore(tmp_path), Venue()
    venue.holes = {3, 4, 5, 6}
    await fetch(store, venue, job(0, 10))
    (gap,) = store.manifest(CANDLES).gaps(CANDLES)
    assert (gap.missing, gap.why) == (4, "the source has none")
    venue.holes = set()
    assert (await fetch(store, venue, job(0, 10))).pages == 0
    assert (await fetch(store, venue, job(0, 10, again=True))).new == 4
    assert store.manifest(CANDLES).gaps(CANDLES) == []


async def test_a_venue_that_does_not_answer_is_asked_again_and_in_the_end_given_up(tmp_path):
    store, venue = MarketStore(tmp_path), Venue()
    venue.failures = 2
    assert (await fetch(store, venue, job(0, 4), waits_s=(0, 0))).new == 4
    venue.failures = 3
    with pytest.raises(VenueError, match=r"no answer\. Asked 3 times .*candles 1m from .*run the same command again"):
        await fetch(store, venue, job(0, 8), waits_s=(0, 0))
    assert samples.times(store.read(CANDLES)) == [0, 1, 2, 3]


async def test_a_cancelled_download_goes_on_where_it_stopped(tmp_path):
    store, venue = MarketStore(tmp_path), Venue()
    second_page = asyncio.Event()

    async def stop_after_two_pages() -> None:
        task = asyncio.create_task(
            fetch(store, venue, job(0, 40), lambda at_ns: second_page.set() if at_ns == minutes(8, 0)[0] else None)
        )
        await second_page.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    await stop_after_two_pages()
    asked = list(venue.asked)
    await fetch(store, venue, job(0, 40))
    assert venue.asked[len(asked)][0] >= 8
    assert samples.times(store.read(CANDLES)) == list(range(40))


async def test_candles_that_the_venue_has_changed_since_are_counted_and_the_stored_ones_stay(tmp_path):
    store, venue = MarketStore(tmp_path), Venue()
    await fetch(store, venue, job(0, 4))
    venue.close = 1_000_030
    assert (await fetch(store, venue, job(0, 8, again=True))).differing == 4
    assert store.read(CANDLES).column("close").to_pylist() == [100_001.0] * 4 + [100_003.0] * 4


async def test_a_source_that_does_not_move_on_is_an_error_and_no_endless_loop(tmp_path):
    trades = Job(series=samples.TRADES, instrument=BTC, start_ns=samples.START_NS, end_ns=minutes(0, 1)[1])
    with pytest.raises(DataError, match="answered for times until"):
        await fetch(MarketStore(tmp_path), Venue(), trades)


def asked(**changes) -> Request:
    start_ns, end_ns = minutes(0, 10)
    wanted = {"names": ("btc",), "kinds": (Kind.CANDLES,), "intervals_ns": (MINUTE_NS,)}
    return Request(**{**wanted, "start_ns": start_ns - 10, "end_ns": end_ns + 10, "now_ns": 2**62, **changes})


async def test_a_request_is_told_about_in_words(tmp_path):
    store, venue = MarketStore(tmp_path), Venue()
    venue.holes = {0, 1, 5}
    lines = await download(store, venue, asked())
    assert lines[0].startswith("BTC-USDC-PERP.HYPERLIQUID candles 1m: 7 new rows in 3 pages; stored: 7 rows")
    assert "gap: 2025-01-26 19:19:00 to 2025-01-26 19:20:00, the source has none" in lines[1]
    assert venue.closed
    assert "nothing was missing" in (await download(store, venue, asked()))[0]
    with pytest.raises(ConfigError, match="--from has to be before --to"):
        await download(store, venue, asked(end_ns=0))


def test_what_the_venue_may_not_have_finished_is_left_for_the_next_time():
    now_ns = minutes(0, 10)[1] + 5 * 10**9
    kinds = (Kind.CANDLES, Kind.FUNDING)
    candles, funding = jobs(asked(kinds=kinds, end_ns=now_ns, now_ns=now_ns), [BTC])
    assert (candles.start_ns, candles.end_ns) == minutes(0, 9), "the tenth closed five seconds ago"
    assert now_ns - funding.end_ns == 600 * 10**9


def test_instruments_are_known_by_their_names_and_unknown_ones_named():
    assert choose(["btc", "BTC-USDC-PERP", BTC.id], [BTC], "venue") == [BTC]
    with pytest.raises(ConfigError, match="venue has no DOGE; it has 1 contracts: BTC"):
        choose(["BTC", "DOGE"], [BTC], "venue")
