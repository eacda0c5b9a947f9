"""Breakers in people's hands: every one can be opened at once, by name and scope, and only the quorum releases it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from domain.breakers import BreakerAction, Watch
from domain.commands import ApplySettings, Approve, ChangeSettings, SetBreaker
from domain.edits import edits_between
from domain.facts import TradingState
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
