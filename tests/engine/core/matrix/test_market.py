"""The breakers of one symbol: they pause that symbol only, after the LULD pattern, and by spread, age and gaps."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from domain.breakers import Watch
from domain.market import Bbo, FeedState, FeedStatus
from domain.settings import StrategySpec
from engine.core.state import encode_state
from risk.breaker import BreakerState
from risk.matrix import DEFAULTS
from tests.engine.core.matrix.rig import breaker, only, price, rule, state
from tests.engine.core.rig import ACCOUNT, BTC, ETH, SPEC, Rig, places, quote, stop, take, target, wants

OPEN, HALF_OPEN, CLOSED = BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED
VOLATILITY = Watch.VOLATILITY


def steady(**rules: object) -> Rig:
    """A rig whose market has stood at 60,000 for six minutes."""
    rig = Rig(only(**rules)).start()
    for _ in range(72):
        rig.wait(5)
        rig.touch()
    return rig


def test_a_price_that_stays_outside_of_the_band_for_15_s_pauses_the_symbol_for_five_minutes() -> None:
    rig = steady(volatility=DEFAULTS.volatility)
    price(rig, 568_000, 15)
    assert state(rig, VOLATILITY, BTC.id) is CLOSED  # 5.3 % off, but not yet for 15 s
    price(rig, 568_000, 2)
    assert state(rig, VOLATILITY, BTC.id) is OPEN
    assert places(rig.want(wants(target(0.5), quote(1, 56_000.0), take(rig)), 568_000, 568_010)) == []
    assert "BREAKER_OPEN" in rig.refusals()
    price(rig, 568_000, 290)
    assert state(rig, VOLATILITY, BTC.id) is OPEN
    price(rig, 568_000, 12)
    assert state(rig, VOLATILITY, BTC.id) in {HALF_OPEN, CLOSED}
    price(rig, 568_000, 5)
    assert state(rig, VOLATILITY, BTC.id) is CLOSED
    assert "the price is 5" in rig.told_alert("breaker_open")


def test_a_price_that_comes_back_within_the_limit_state_pauses_nothing() -> None:
    rig = steady(volatility=DEFAULTS.volatility)
    for _ in range(5):
        price(rig, 565_000, 12)
        price(rig, 598_000, 2)
    assert state(rig, VOLATILITY, BTC.id) is CLOSED


def test_a_snapshot_goes_on_as_the_run_did_however_soon_the_next_look_is_due() -> None:
    rig = steady(volatility=DEFAULTS.volatility)
    before = encode_state(rig.core.state)
    rig.make_core(rig.core.state)
    assert encode_state(rig.core.state) == before


def test_other_assets_have_the_wide_band() -> None:
    rig = steady(volatility=rule(Watch.VOLATILITY, thresholds={}))
    price(rig, 550_000, 30)
    assert state(rig, VOLATILITY, BTC.id) is CLOSED
    price(rig, 520_000, 30)
    assert state(rig, VOLATILITY, BTC.id) is OPEN


def test_it_is_still_moving_when_the_pause_is_over_so_the_pause_goes_on() -> None:
    rig = steady(volatility=DEFAULTS.volatility)
    price(rig, 568_000, 17)
    at = 568_000
    for _ in range(62):
        at -= 4_000
        price(rig, at, 5)
    assert state(rig, VOLATILITY, BTC.id) is OPEN


def test_only_that_symbol_is_paused_and_what_lowers_risk_passes() -> None:
    rig = Rig(replace(only(volatility=DEFAULTS.volatility), instruments=(BTC, ETH))).start()
    rig.load(StrategySpec(id="other", kind="script", account=ACCOUNT, instruments=(ETH.id,)))
    rig.hold_position(0.5)
    for _ in range(72):
        rig.wait(5)
        rig.touch()
    price(rig, 568_000, 17)
    assert state(rig, VOLATILITY, BTC.id) is OPEN
    other = rig.script_of("other")
    other.wants = wants(target(1.0, instrument=ETH.id))
    rig.sent.clear()
    rig.ingest(Bbo(instrument=ETH.id, bid=300_000, bid_qty=100, ask=300_010, ask_qty=100))
    assert [place.instrument for place in places(rig.sent)] == [ETH.id]
    sent = places(rig.want(wants(target(0.2, "start"), stop(50_000.0, "start")), 568_000, 568_010))
    assert all(place.reduce_only for place in sent)
    assert len(sent) == 2


def test_a_wide_spread_pauses_once_it_has_lasted() -> None:
    rig = steady(spread=DEFAULTS.spread)
    price(rig, 597_000, 10, wide=7_000)
    price(rig, 600_000, 2)
    price(rig, 597_000, 10, wide=7_000)
    assert state(rig, Watch.SPREAD, BTC.id) is CLOSED
    price(rig, 597_000, 8, wide=7_000)
    assert state(rig, Watch.SPREAD, BTC.id) is OPEN
    price(rig, 600_000, 64)
    assert state(rig, Watch.SPREAD, BTC.id) is CLOSED


@pytest.mark.parametrize(("watch", "feed"), [(Watch.FEED_AGE, FeedState.STALE), (Watch.DATA_GAP, FeedState.GAP)])
def test_a_feed_that_was_silent_or_had_a_gap_is_trusted_again_by_and_by(watch: Watch, feed: FeedState) -> None:
    rig = steady(feed_age=DEFAULTS.feed_age, data_gap=DEFAULTS.data_gap)
    rig.wait(31)
    rig.ingest(FeedStatus(venue="PAPER", instrument=BTC.id, state=feed))
    assert state(rig, watch, BTC.id) is OPEN
    rig.touch()
    assert places(rig.want(wants(target(0.8)))) == []
    price(rig, 600_000, 10)
    assert state(rig, watch, BTC.id) is HALF_OPEN
    assert [place.qty for place in places(rig.sent)] == [200]
    price(rig, 600_000, 4)
    assert state(rig, watch, BTC.id) is CLOSED


def test_a_market_that_is_not_known_yet_or_has_few_prices_is_not_judged() -> None:
    rig = Rig(only(volatility=DEFAULTS.volatility, feed_age=DEFAULTS.feed_age)).start()
    rig.ingest(FeedStatus(venue="PAPER", state=FeedState.STALE))
    price(rig, 600_000, 3)
    price(rig, 300_000, 10)
    assert rig.core.parts.scopes == {}


def test_a_pause_outlives_a_crash() -> None:
    rig = steady(volatility=DEFAULTS.volatility)
    price(rig, 568_000, 17)
    until_ns = breaker(rig, VOLATILITY, BTC.id).until_ns
    rig.crash()
    rig.snapshot()
    assert breaker(rig, VOLATILITY, BTC.id).until_ns == until_ns
    assert places(rig.want(wants(target(0.5)), 568_000, 568_010)) == []
    assert SPEC.id in rig.core.state.strategies
