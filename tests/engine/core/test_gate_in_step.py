"""Rule 9: risk acts on every intent inside the step, and the venue's dead-man's switch outside the process."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.commands import Flatten, ManualTarget
from domain.market import FeedState, FeedStatus
from domain.order import Cancel, OrderStatus
from domain.settings import Limits
from domain.verdict import Reason
from engine.core.executor import place as placing
from tests.engine.core.rig import ACCOUNT, BTC, SETTINGS, WIDE, Rig, of, places, quote, stop, take, target, wants


def limited(position: int = 100_000, order: int = 100_000, **changes: object) -> Rig:
    limits = Limits(max_position_notional=Decimal(position), max_order_notional=Decimal(order))
    return Rig(replace(SETTINGS, risk=replace(SETTINGS.risk, default_limits=limits, **changes))).start()


def test_a_target_is_clipped_to_the_position_limit() -> None:
    rig = limited(position=30_000)
    assert [place.qty for place in places(rig.want(wants(target(2.0))))] == [497]
    assert rig.refusals() == ["POSITION_LIMIT"]


def test_an_order_larger_than_one_order_may_be_is_refused() -> None:
    rig = limited(order=30_000)
    assert places(rig.want(wants(quote(1, 59_990.0, 0.6)))) == []
    assert rig.refusals() == ["NOTIONAL_LIMIT"]


def test_the_position_limit_counts_everything_that_may_still_fill() -> None:
    rig = limited(position=60_000)
    for place in places(rig.want(wants(quote(1, 59_990.0, 0.5), quote(1, 59_980.0, 0.5, 1)))):
        rig.accept(place)
    assert places(rig.want(wants(quote(1, 59_990.0, 0.5), quote(1, 59_980.0, 0.5, 1), take(rig)))) == []
    assert rig.refusals() == ["POSITION_LIMIT"]


def test_an_unknown_order_counts_against_the_limit_too() -> None:
    rig = limited(position=60_000)
    (lost,) = places(rig.want(wants(quote(1, 59_990.0, 0.9))))
    rig.wait(2)
    assert rig.order(lost.cid).status is OrderStatus.UNKNOWN
    assert places(rig.want(wants(quote(1, 59_990.0, 0.9), take(rig, qty=0.2)))) == []
    assert rig.refusals() == ["POSITION_LIMIT"]


def test_without_the_gate_the_limit_would_be_passed() -> None:
    rig = limited(position=60_000)
    rig.core.gate_on = False
    assert places(rig.want(wants(quote(1, 59_990.0, 1.5), take(rig, qty=2.0)))) != []


def test_a_missing_limit_refuses() -> None:
    rig = Rig(replace(SETTINGS, risk=replace(SETTINGS.risk, default_limits=None))).start()
    assert places(rig.want(wants(target(0.1)))) == []
    assert rig.refusals() == ["LIMIT_MISSING"]


def test_limits_of_one_contract_stand_before_the_default() -> None:
    own = Limits(max_position_notional=Decimal(6_000), max_order_notional=Decimal(6_000))
    rig = Rig(replace(SETTINGS, risk=replace(SETTINGS.risk, limits={BTC.id: own}))).start()
    assert [place.qty for place in places(rig.want(wants(target(1.0))))] == [99]


def test_exposure_of_the_whole_account_is_bounded() -> None:
    rig = limited(max_exposure=Decimal(20_000))
    assert places(rig.want(wants(quote(1, 59_990.0, 0.5)))) == []
    assert rig.refusals() == ["EXPOSURE_LIMIT"]
    assert places(rig.want(wants(quote(1, 59_990.0, 0.3)))) != []


@pytest.mark.parametrize(("side", "price"), [(1, 63_100.0), (-1, 56_900.0)])
def test_a_price_too_far_on_the_paying_side_is_refused(side: int, price: float) -> None:
    rig = limited()
    assert places(rig.want(wants(quote(side, price)))) == []
    assert rig.refusals() == ["PRICE_COLLAR"]


def test_a_price_far_on_the_harmless_side_may_rest() -> None:
    rig = limited()
    assert len(places(rig.want(wants(quote(1, 30_000.0), quote(-1, 90_000.0))))) == 2


def test_without_the_collar_a_wild_price_would_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "check_collar", lambda *_: None)
    assert places(limited().want(wants(quote(1, 63_100.0)))) != []


def test_an_order_refused_for_want_of_a_fresh_price_does_not_leave_when_one_comes() -> None:
    rig = Rig(WIDE).start(load=False)
    rig.touch()
    rig.wait(61)
    done = rig.command(ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.1")), "dot")
    assert done.reason is Reason.PRICE_UNKNOWN
    rig.touch()
    rig.wait(1)
    assert places(rig.sent) == []


def test_no_new_risk_while_a_book_has_a_hole() -> None:
    rig = Rig(WIDE).start(load=False)
    rig.touch()
    rig.ingest(FeedStatus(venue="PAPER", state=FeedState.GAP))
    order = ManualTarget(account=ACCOUNT, instrument=BTC.id, qty=Decimal("0.1"))
    assert rig.command(order, "dot").reason is Reason.STALE_FEED
    rig.touch()
    assert places(rig.sent) == []
    assert rig.command(order, "dot").ok
    assert [place.qty for place in places(rig.sent)] == [100]


@pytest.mark.parametrize("state", [FeedState.STALE, FeedState.DOWN])
def test_a_feed_that_stops_means_no_new_risk_and_the_stops_stay(state: FeedState) -> None:
    rig = limited()
    rig.hold_position(0.5)
    for place in places(rig.want(wants(target(0.5, "start"), stop(59_000.0, "start"), quote(1, 59_990.0)))):
        rig.accept(place)
    rig.sent.clear()
    rig.ingest(FeedStatus(venue="PAPER", state=state, instrument=BTC.id, detail="nothing for 30 s"))
    assert f"feed_{state}" in rig.alerts()
    assert [rig.order(x.cid).role.name for x in of(rig.sent, Cancel)] == ["QUOTE"], "a quote without a market is pulled"
    for cancel in of(rig.sent, Cancel):
        rig.cancelled(cancel.cid)
    rig.sent.clear()
    rig.wait(5)
    assert places(rig.sent) == []
    assert [o.role.name for o in rig.slot().orders.values()] == ["STOP"]


def test_a_stale_feed_still_lets_a_position_be_closed() -> None:
    rig = limited()
    rig.hold_position(0.5)
    rig.ingest(FeedStatus(venue="PAPER", state=FeedState.STALE))
    rig.command(Flatten(), "dot")
    (close,) = places(rig.sent)
    assert (close.qty, close.reduce_only) == (500, True)


def test_when_the_feed_is_back_the_quotes_are_back() -> None:
    rig = limited()
    (before,) = places(rig.want(wants(quote(1, 59_990.0))))
    rig.accept(before)
    rig.ingest(FeedStatus(venue="PAPER", state=FeedState.STALE))
    rig.cancelled(before.cid)
    rig.sent.clear()
    rig.touch()
    assert [place.price for place in places(rig.sent)] == [599_900]


def test_the_smallest_order_is_the_venues() -> None:
    small = replace(BTC, min_notional=Decimal(100), min_qty=2)
    rig = Rig(replace(SETTINGS, instruments=(small,))).start()
    assert places(rig.want(wants(target(0.001)))) == []
    assert rig.refusals() == ["MIN_QTY"]
    rig = Rig(replace(SETTINGS, instruments=(replace(BTC, min_notional=Decimal(100)),))).start()
    assert places(rig.want(wants(target(0.001)))) == []
    assert rig.refusals() == ["MIN_NOTIONAL"]


def test_nan_and_infinity_are_refused_and_the_engine_goes_on() -> None:
    rig = limited()
    for bad in (float("nan"), float("inf"), -float("inf"), 1e300):
        rig.want(wants(target(bad)))
        rig.want(wants(quote(1, bad)))
        rig.want(wants(quote(1, 59_990.0, bad)))
    assert set(rig.refusals()) <= {"BAD_NUMBER", "PRICE_COLLAR", "POSITION_LIMIT", "NOTIONAL_LIMIT"}
    assert "BAD_NUMBER" in rig.refusals()
    assert rig.slot().orders == {}
    assert [place.qty for place in places(rig.want(wants(target(0.1))))] == [100]


@pytest.mark.parametrize("side", [0, 2, -7])
def test_a_side_that_is_none_is_refused(side: int) -> None:
    rig = limited()
    assert places(rig.want(wants(quote(side, 59_990.0)))) == []
    assert places(rig.want(wants(take(rig, side=side)))) == []
    assert rig.refusals() == ["BAD_NUMBER"]


@pytest.mark.parametrize("side", [1, -1])
def test_with_a_very_wide_spread_closing_is_tried_at_the_collar_and_not_refused(side: int) -> None:
    rig = Rig(SETTINGS).start()
    rig.hold_position(0.5 * side)
    rig.touch(500_000, 700_000)
    rig.sent.clear()
    assert rig.command(Flatten(reason="news"), "dot").ok
    (closing,) = places(rig.sent)
    assert closing.reduce_only
    assert closing.qty == 500
    assert "PRICE_COLLAR" not in rig.refusals()
    assert 500_000 < closing.price < 700_000
