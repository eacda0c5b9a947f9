"""Portfolio loss and drawdown: positions are halved once, the day stays closed, only two persons open a drawdown."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from domain.breakers import BreakerAction, Watch
from domain.commands import Approve, Resume, SetBreaker
from domain.facts import BreakerChanged, TradingState
from domain.order import Cancel
from domain.settings import Limits, Settings
from risk.breaker import BreakerState
from risk.matrix import DEFAULTS
from tests.engine.core.matrix.rig import MISSION, breaker, lose, only, rule, state
from tests.engine.core.rig import SETTINGS, Rig, of, places, quote, stop, target, wants

LOSS, DRAWDOWN = Watch.PORTFOLIO_LOSS, Watch.DRAWDOWN
MUCH = Decimal(10**8)
WIDE_LIMITS = Limits(max_position_notional=MUCH, max_order_notional=MUCH)
ROOMY = replace(SETTINGS.risk, default_limits=WIDE_LIMITS, max_exposure=MUCH)
HOUR_S = 3600


def held(settings: Settings, qty: float = 10.0) -> Rig:
    """A rig that is long of ten bitcoins (600,000 of a million), with equity sampled."""
    rig = Rig(replace(settings, risk=ROOMY)).start()
    rig.wait(15)
    rig.hold_position(qty)
    rig.touch()
    rig.wait(15)
    rig.sent.clear()
    return rig


def test_five_percent_of_the_day_halves_positions_and_lets_nothing_new_in() -> None:
    rig = held(only(portfolio_loss=DEFAULTS.portfolio_loss))
    (resting,) = places(rig.want(wants(target(10.0, "start"), quote(1, 45_000.0))))
    rig.accept(resting)
    lose(rig, "0.049")
    assert state(rig, LOSS) is BreakerState.CLOSED
    assert places(rig.sent)[1:] == []
    lose(rig, "0.051")
    assert state(rig, LOSS) is BreakerState.OPEN
    (closing,) = [place for place in places(rig.sent) if place.reduce_only]
    assert (closing.side, closing.qty) == (-1, 5_000)
    assert resting.cid in [cancel.cid for cancel in of(rig.sent, Cancel)]
    rig.fill(closing, price=546_000)
    rig.sent.clear()
    assert places(rig.want(wants(target(12.0)), 549_000, 549_010)) == []
    assert rig.held() == 5_000
    text = rig.told_alert("breaker_open")
    assert "the PNL day (UTC) has lost 5.1 %, the threshold is 5 %" in text
    assert "positions are halved" in text
    assert "tried again at" in text


def test_one_trip_halves_once_whatever_the_measure_does() -> None:
    rig = held(only(portfolio_loss=DEFAULTS.portfolio_loss))
    lose(rig, "0.06")
    (closing,) = [place for place in places(rig.sent) if place.reduce_only]
    rig.fill(closing, price=540_000)
    rig.sent.clear()
    for part in ("0.03", "0.04", "0.05"):
        lose(rig, part)
    assert places(rig.sent) == []
    assert rig.held() == 5_000


def test_a_loss_breaker_stays_open_for_the_pnl_day_and_is_then_tried_with_a_quarter() -> None:
    rig = held(only(portfolio_loss=DEFAULTS.portfolio_loss))
    lose(rig, "0.06")
    (closing,) = [place for place in places(rig.sent) if place.reduce_only]
    rig.fill(closing, price=540_000)
    rig.touch(540_000, 540_010)
    day_s = 86_400 - rig.now_ns // 10**9 % 86_400
    rig.wait(31 * 60)
    rig.touch(650_000, 650_010)
    rig.wait(30)
    assert state(rig, LOSS) is BreakerState.OPEN
    assert "the loss of the day stands" in rig.command(SetBreaker(name="portfolio_loss", open=False), "ann").text
    rig.wait(day_s - 31 * 60 - 60)
    assert state(rig, LOSS) is BreakerState.OPEN
    rig.wait(40)
    assert state(rig, LOSS) is BreakerState.HALF_OPEN
    rig.sent.clear()
    (part,) = places(rig.want(wants(target(24.0, "new")), 650_000, 650_010))
    assert part.qty == 1_000
    rig.accept(part)
    rig.fill(part, price=650_010)
    assert places(rig.want(wants(target(24.0, "new")), 650_000, 650_010)) == []
    assert rig.held() == 6_000
    rig.sent.clear()
    rig.wait(30)
    assert state(rig, LOSS) is BreakerState.CLOSED
    assert [place.qty for place in places(rig.sent)][:1] == [18_000]


def test_halving_takes_at_once_and_is_reported_as_done_or_as_left() -> None:
    rig = held(only(portfolio_loss=DEFAULTS.portfolio_loss))
    lose(rig, "0.06")
    rig.wait(5)
    late = rig.told_alert("breaker_late")
    assert "is still 10.000, 5.000 is to be left" in late
    rig = held(only(portfolio_loss=DEFAULTS.portfolio_loss))
    lose(rig, "0.06")
    (closing,) = [place for place in places(rig.sent) if place.reduce_only]
    rig.fill(closing, price=540_000)
    rig.wait(5)
    assert "nothing is left" in rig.told_alert("breaker_done")


def test_a_drawdown_halts_and_closes_everything_in_the_step_that_trips_and_keeps_the_stop_until_flat() -> None:
    rig = held(only(drawdown=DEFAULTS.drawdown))
    (resting,) = places(rig.want(wants(target(10.0, "start"), stop(40_000.0, "start"))))
    rig.accept(resting)
    rig.sent.clear()
    lose(rig, "0.16")
    assert state(rig, DRAWDOWN) is BreakerState.OPEN
    assert rig.core.state.trading is TradingState.HALTED
    (closing,) = places(rig.sent)
    assert (closing.side, closing.qty, closing.reduce_only) == (-1, 10_000, True)
    assert resting.cid not in [cancel.cid for cancel in of(rig.sent, Cancel)]
    assert "BREAKER" in rig.core.state.latched_by.upper()
    changed = [fact for fact in rig.told(BreakerChanged) if fact.name == "drawdown"]
    assert [(fact.state, fact.threshold) for fact in changed] == [("open", Decimal("0.15"))]
    assert changed[0].measure >= Decimal("0.15")


def test_only_two_persons_release_a_drawdown_and_not_before_its_cool_down() -> None:
    rig = held(only(drawdown=DEFAULTS.drawdown))
    lose(rig, "0.16")
    (closing,) = places(rig.sent)
    rig.fill(closing, price=440_000)
    early = rig.command(SetBreaker(name="drawdown", open=False), "ann")
    assert not early.ok
    assert "its cool-down" in early.text
    rig.wait(40 * HOUR_S)
    assert state(rig, DRAWDOWN) is BreakerState.OPEN
    request = rig.command(SetBreaker(name="drawdown", open=False), "ann").request
    rig.command(Approve(request=request), "ann")
    rig.command(Approve(request=request), "bob")
    assert state(rig, DRAWDOWN) is BreakerState.OPEN
    rig.command(Approve(request=request), "cem")
    assert state(rig, DRAWDOWN) is BreakerState.HALF_OPEN
    assert rig.core.state.latched_by.startswith("breaker")
    rig.look_after()
    resumed = rig.command(Resume(), "ann").request
    for voter in ("bob", "cem"):
        rig.command(Approve(request=resumed), voter)
    assert rig.core.state.trading is TradingState.ACTIVE
    rig.touch(440_000, 440_010)
    rig.wait(60)
    # what was lost before the release is not lost again
    assert state(rig, DRAWDOWN) is BreakerState.CLOSED


def test_everything_outlives_a_crash_in_the_middle_of_the_actions() -> None:
    rig = held(
        only(
            portfolio_loss=rule(
                Watch.PORTFOLIO_LOSS,
                actions=(BreakerAction.TELL_RISK, BreakerAction.HALVE_POSITIONS, BreakerAction.REFUSE_NEW),
            )
        )
    )
    lose(rig, "0.06")
    before = breaker(rig, LOSS)
    assert [task.action for task in before.tasks] == [BreakerAction.TELL_RISK]
    rig.crash()
    after = breaker(rig, LOSS)
    assert (after.state, after.until_ns, after.measure) == (before.state, before.until_ns, before.measure)
    rig.wait(2)
    assert "risk_manager" in rig.alerts()
    assert rig.core.size_fraction(rig.slot()) == 0


def test_the_mission_defaults_trip_nothing_while_all_is_well() -> None:
    rig = held(MISSION, 1.0)
    for _ in range(30):
        rig.touch()
        rig.wait(20)
    assert rig.core.parts.scopes == {}
    assert "breaker_open" not in rig.alerts()


def test_opening_the_drawdown_by_hand_does_not_spare_it_its_emergency_stop() -> None:
    rig = held(only(drawdown=DEFAULTS.drawdown))
    assert rig.command(SetBreaker(name="drawdown"), "dot").ok
    lose(rig, "0.16")
    assert state(rig, DRAWDOWN) is BreakerState.FORCED_OPEN
    assert rig.core.state.trading is TradingState.HALTED
    assert [(place.side, place.reduce_only) for place in places(rig.sent)] == [(-1, True)]
    assert "open by hand (dot), is past its threshold" in rig.told_alert("breaker_open")
    refused = rig.command(SetBreaker(name="drawdown", open=False), "bob")
    assert "people may release drawdown from" in refused.text


def test_opening_a_tripped_breaker_by_hand_drops_none_of_its_actions_and_shortens_nothing() -> None:
    rig = held(only(portfolio_loss=rule(LOSS, actions=(BreakerAction.TELL_RISK,))))
    lose(rig, "0.06")
    assert state(rig, LOSS) is BreakerState.OPEN
    assert rig.command(SetBreaker(name="portfolio_loss"), "dot").ok
    rig.wait(5)
    assert "risk_manager" in rig.alerts()
    rig.touch()
    rig.wait(20)
    refused = rig.command(SetBreaker(name="portfolio_loss", open=False), "bob")
    assert "the loss of the day stands" in refused.text


def test_a_drawdown_that_was_only_opened_by_hand_is_measured_from_the_same_high_after_its_release() -> None:
    rig = held(only(drawdown=DEFAULTS.drawdown))
    lose(rig, "0.12")
    rig.command(SetBreaker(name="drawdown"), "dot")
    request = rig.command(SetBreaker(name="drawdown", open=False), "dot").request
    for voter in ("bob", "cem"):
        assert rig.command(Approve(request=request), voter).ok
    assert state(rig, DRAWDOWN) is BreakerState.HALF_OPEN
    lose(rig, "0.16")
    assert state(rig, DRAWDOWN) is BreakerState.OPEN
