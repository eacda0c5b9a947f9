"""Fail-over of market data: whose prices a strategy sees, and when it sees its own venue's again."""

from __future__ import annotations

import pytest

from domain.desired import NOTHING, Desired
from domain.instrument import Instrument
from domain.market import Bar, Feed, FeedKind, FeedState, FeedStatus
from domain.settings import (
    SECOND_NS,
)
from domain.strategy import Params, View
from engine.core.failover import as_seen, history_feeds, with_backups
from tests.engine.core.rig import Script
from tests.engine.core.two import PAIR, SPEC, A, B, Two, target


@pytest.fixture
def rig() -> Two:
    return Two(PAIR).begin_pair()


def test_silent_market_data_moves_it_too_and_prices_alone_bring_it_back_after_a_while(rig: Two) -> None:
    rig.ingest(FeedStatus(venue="ALPHA", state=FeedState.STALE, instrument=A.id))
    assert rig.on_backup()
    rig.now_ns += 5 * SECOND_NS
    rig.prices()
    assert rig.on_backup()
    rig.wait(59)
    assert rig.on_backup()
    rig.wait(2)
    assert not rig.on_backup()
    assert rig.alerts().count("failback") == 1


def test_a_feed_that_has_not_begun_yet_is_no_reason(rig: Two) -> None:
    fresh = Two(PAIR).start(load=False)
    assert isinstance(fresh, Two)
    fresh.load(SPEC)
    fresh.prices(a=False)
    assert not fresh.on_backup()


def test_the_strategy_sees_the_backups_market_and_its_whole_position(rig: Two) -> None:
    seen: list[tuple[str, float, float]] = []

    def look(view: View) -> Desired:
        bbo = view.bbo(A.id)
        assert bbo is not None
        seen.append((view.instrument, bbo.bid, view.position(A.id)))
        return Desired(targets=(target(0.5),))

    rig.die()
    rig.get(rig.aim(target(0.5), a=False)[0])
    rig.script.wants = look
    rig.prices(at=61_000)
    assert seen[-1] == (A.id, 61_005.0, 0.5)
    assert len(seen) == 1


def test_bars_of_the_backup_come_as_bars_of_the_instrument_and_none_comes_twice() -> None:
    class Bars(Script):
        def feeds(self) -> tuple[Feed, ...]:
            return (Feed(kind=FeedKind.BAR, instrument=A.id, interval_ns=60 * SECOND_NS),)

    closes: list[tuple[str, int, float]] = []

    def look(view: View) -> Desired:
        closes.append((view.bar.instrument, view.bar.ts_ns // (60 * SECOND_NS), view.close))
        return NOTHING

    rig = Two(PAIR).start(load=False)
    assert isinstance(rig, Two)
    script = Bars((A.id,), Params())
    script.wants = look
    rig.load(SPEC, script)

    def bar(instrument: Instrument, minute: int, close: int) -> Bar:
        return Bar(
            instrument=instrument.id,
            interval_ns=60 * SECOND_NS,
            open_ts_ns=(minute - 1) * 60 * SECOND_NS,
            open=close,
            high=close,
            low=close,
            close=close,
            volume=10,
        )

    rig.prices()
    rig.ingest(bar(A, 1, 600_000))
    rig.ingest(bar(B, 1, 6_000_500))
    rig.die()
    assert rig.on_backup()
    rig.ingest(bar(B, 1, 6_000_500))
    rig.ingest(bar(B, 2, 6_001_500))
    rig.ingest(bar(A, 2, 600_100))
    rig.recover()
    rig.ingest(bar(A, 2, 600_100))
    rig.ingest(bar(A, 3, 600_200))
    assert closes == [(A.id, 1, 60_000.0), (A.id, 2, 60_015.0), (A.id, 3, 60_020.0)]
    assert [feed.instrument for feed in with_backups(rig.core, rig.core.views["pair"])] == [A.id, B.id]


def test_who_warms_up_while_its_venue_is_out_gets_the_backups_history_as_its_own() -> None:
    rig = Two(PAIR).start(load=False)
    assert isinstance(rig, Two)
    rig.load(SPEC)
    rig.prices()
    view = rig.core.views["pair"]
    assert history_feeds(rig.core, view) == view.feeds
    rig.die()
    assert [feed.instrument for feed in history_feeds(rig.core, view)] == [B.id]
    bar = Bar(
        instrument=B.id,
        interval_ns=60 * SECOND_NS,
        open_ts_ns=0,
        open=6_000_100,
        high=6_000_300,
        low=5_999_900,
        close=6_000_200,
        volume=25,
    )
    (seen,) = as_seen(rig.core, view, [bar])
    assert (seen.instrument, seen.open, seen.high, seen.low, seen.close, seen.volume) == (
        A.id,
        600_010,
        600_030,
        599_990,
        600_020,
        2,
    )
