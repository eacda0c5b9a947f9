"""Breakers in people's hands: every one can be opened at once, by name and scope, and only the quorum releases it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from domain.breakers import BreachSource, BreakerAction, Watch
from domain.commands import ApplySettings, Approve, ChangeSettings, SetBreaker
from domain.edits import edits_between
from domain.facts import BreakerChanged, TradingState
from domain.security import SecurityBreach
from domain.settings import ApprovalSettings
from domain.verdict import Reason
from risk.breaker import BreakerState
from risk.matrix import DEFAULTS
from tests.engine.core.matrix.rig import MISSION, only, round_trips, rule, state
from tests.engine.core.rig import SETTINGS, Rig, places, take, target, wants

MATRIX = [watch for watch in Watch if watch is not Watch.EXCHANGE_FAILURE]


@pytest.mark.parametrize("watch", MATRIX)
def test_every_breaker_can_be_opened_by_one_and_is_released_by_two_even_where_it_is_not_watched(watch: Watch) -> None:
    rig = Rig(SETTINGS).start()
    assert rig.command(SetBreaker(name=watch.value), "dot").ok
    assert state(rig, watch) is BreakerState.FORCED_OPEN
    assert places(rig.want(wants(target(0.8)))) == []
    rig.wait(3 * 3600)
    assert state(rig, watch) is BreakerState.FORCED_OPEN
    assert rig.core.state.trading is TradingState.ACTIVE  # by hand it does not act, it only holds back
    request = rig.command(SetBreaker(name=watch.value, open=False), "dot").request
    rig.touch()
    for voter in ("bob", "cem"):
        rig.command(Approve(request=request), voter)
    assert state(rig, watch) is BreakerState.HALF_OPEN
    assert [place.qty for place in places(rig.sent)][:1] == [200]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("volatility:btc", "volatility:BTC-USDC-PERP.PAPER"),
        ("Latency:paper", "latency:PAPER"),
        ("error-rate", "error_rate"),
        ("position_timeout:SCRIPT", "position_timeout:script"),
    ],
)
def test_a_scope_is_named_as_people_name_it(name: str, key: str) -> None:
    rig = Rig(MISSION).start()
    assert rig.command(SetBreaker(name=name), "dot").ok
    assert rig.core.state.matrix[key].state is BreakerState.FORCED_OPEN


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("volatility:DOGE", "volatility of DOGE; there is BTC-USDC-PERP.PAPER"),
        ("drawdown:PAPER", "it stands over everything"),
        ("latency:NASDAQ", "there is PAPER"),
        ("weather", "known: PAPER and the breakers portfolio_loss"),
    ],
)
def test_what_is_no_breaker_is_refused_with_what_there_is(name: str, words: str) -> None:
    rig = Rig(MISSION).start()
    answer = rig.command(SetBreaker(name=name), "dot")
    assert answer.reason is Reason.NO_SUCH
    assert words in answer.text


def test_a_breaker_whose_measure_is_not_back_is_not_released_by_anybody() -> None:
    rig = Rig(only(latency=DEFAULTS.latency)).start()
    round_trips(rig, 900)
    answer = rig.command(SetBreaker(name="latency:PAPER", open=False), "ann")
    assert not answer.ok
    assert "measures 900 ms; it is released once that is below 400 ms" in answer.text


def test_a_breaker_that_is_closed_is_not_released() -> None:
    rig = Rig(MISSION).start()
    assert "the breaker drawdown is closed" in rig.command(SetBreaker(name="drawdown", open=False), "ann").text


@pytest.mark.parametrize(
    ("watch", "changes", "words"),
    [
        (Watch.SPREAD, {"actions": (BreakerAction.LOCK_DOWN,)}, "the breaker spread cannot do lock_down"),
        (Watch.OVERLOAD, {"window_ns": 6 * 3600 * 10**9}, "the breaker overload keeps samples for 5 h at most"),
        (Watch.SECURITY, {"recovers": True}, "the breaker security is released by two persons alone"),
        (Watch.DRAWDOWN, {"recovers": True}, "the breaker drawdown is released by two persons alone"),
    ],
)
def test_settings_whose_breaker_could_not_do_what_it_is_told_are_refused(
    watch: Watch, changes: dict[str, Any], words: str
) -> None:
    rig = Rig(MISSION).start()
    breakers = replace(MISSION.breakers, **{watch.value: rule(watch, **changes)})
    settings = replace(MISSION, breakers=breakers)
    answer = rig.command(ApplySettings(settings=settings, content_hash="x"), "ann")
    assert answer.reason is Reason.BAD_VALUE
    assert words in answer.text
    edited = rig.command(ChangeSettings(edits=edits_between(MISSION, settings)), "ann")
    assert edited.reason is Reason.BAD_VALUE
    assert words in edited.text


def test_a_forced_breaker_outlives_a_crash_and_another_build() -> None:
    for build in ("b", "another"):
        rig = Rig(MISSION).start()
        rig.command(SetBreaker(name="overload"), "dot")
        rig.crash(build)
        assert state(rig, Watch.OVERLOAD) is BreakerState.FORCED_OPEN
        assert rig.core.size_fraction(rig.slot()) == 0


def test_many_takes_while_half_open_lead_to_no_more_than_a_quarter_of_the_envelope() -> None:
    rig = Rig(replace(SETTINGS, approvals=ApprovalSettings())).start()
    rig.command(SetBreaker(name="overload"), "dot")
    request = rig.command(SetBreaker(name="overload", open=False), "dot").request
    for voter in ("bob", "cem"):
        rig.command(Approve(request=request), voter)
    for i in range(6):
        for place in places(rig.want(wants(take(rig, f"t{i}", qty=0.4)))):
            rig.accept(place)
            rig.fill(place)
        rig.wait(2)
    assert 0 < rig.held() <= 208, "of 50,000 at 60,001"


def unwatch(rig: Rig, **rules: Any) -> None:
    """Settings with these breakers alone are in force, as two persons have agreed."""
    request = rig.command(ApplySettings(settings=only(**rules), content_hash="other"), "ann").request
    for voter in ("bob", "cem"):
        rig.command(Approve(request=request), voter)
    assert rig.core.state.settings_hash == "other"


def test_a_breaker_that_settings_watch_no_longer_is_taken_back_and_people_are_told() -> None:
    halving = rule(Watch.LATENCY, actions=(BreakerAction.HALVE_POSITIONS,))
    rig = Rig(only(latency=halving)).start()
    rig.hold_position(0.5)
    round_trips(rig, 900)
    assert rig.slot().ceilings == {"latency:PAPER": 250}
    unwatch(rig)
    assert state(rig, Watch.LATENCY, "PAPER") is BreakerState.CLOSED
    assert rig.slot().ceilings == {}
    assert rig.core.parts.scopes == {}
    assert rig.core.state.samples_of == {}
    assert "matrix:latency:PAPER" not in rig.core.state.timers
    assert "latency of PAPER is not watched any more" in rig.told_alert("breaker_unwatched")
    assert rig.told(BreakerChanged)[-1].state == "closed"


def test_a_lock_down_ends_with_the_breaker_that_ordered_it_but_the_halt_stays() -> None:
    rig = Rig(only(security=DEFAULTS.security)).start()
    rig.ingest(SecurityBreach(source="telegram", text="a button that we did not make", kind=BreachSource.BUTTON))
    unwatch(rig)
    assert not rig.core.state.locked
    assert rig.core.state.trading is TradingState.HALTED


def test_one_that_a_person_opened_stays_open_without_being_watched_and_can_be_released() -> None:
    halving = rule(Watch.LATENCY, actions=(BreakerAction.HALVE_POSITIONS,))
    rig = Rig(only(latency=halving)).start()
    rig.hold_position(0.5)
    rig.command(SetBreaker(name="latency:PAPER"), "dot")
    round_trips(rig, 900)
    assert rig.slot().ceilings == {"latency:PAPER": 250}
    unwatch(rig)
    assert state(rig, Watch.LATENCY, "PAPER") is BreakerState.FORCED_OPEN
    assert rig.slot().ceilings == {}
    assert rig.command(SetBreaker(name="latency:PAPER", open=False), "ann").request


def test_what_an_open_breaker_is_not_told_to_do_any_more_ends_and_it_stays_open() -> None:
    halving = rule(Watch.LATENCY, actions=(BreakerAction.HALVE_POSITIONS, BreakerAction.RESTART_STRATEGIES))
    rig = Rig(only(latency=halving)).start()
    rig.hold_position(0.5)
    round_trips(rig, 900)
    unwatch(rig, latency=DEFAULTS.latency)
    assert state(rig, Watch.LATENCY, "PAPER") is BreakerState.OPEN
    assert rig.slot().ceilings == {}
    assert [task.action for task in rig.core.state.matrix["latency:PAPER"].tasks] == []
    assert rig.core.parts.scopes == {"PAPER": DEFAULTS.latency.fraction if DEFAULTS.latency else None}


def test_settings_of_another_build_s_events_take_back_what_they_do_not_watch_when_the_run_begins() -> None:
    rig = Rig(only(latency=DEFAULTS.latency)).start()
    round_trips(rig, 900)
    unwatch(rig)
    rig.crash(build="another")
    assert state(rig, Watch.LATENCY, "PAPER") is BreakerState.CLOSED
    assert rig.core.parts.scopes == {}
