"""Latency, error rate, load, age and security: what trips each, what it does, and how it comes back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain import events as e
from domain.breakers import BreachSource, BreakerAction, Priority, Watch
from domain.commands import Approve, SetBreaker, StartStrategy, UnloadStrategy
from domain.desired import Desired
from domain.facts import StrategyChanged, StrategyStatus, TradingState
from domain.order import Cancel
from domain.security import SecurityBreach
from domain.settings import MINUTE_NS, StrategySpec
from domain.strategy import View
from engine.core.matrix import actions
from risk import measures
from risk.breaker import BreakerState
from risk.matrix import DEADLINE_NS, DEFAULTS, PRIORITY
from tests.engine.core.matrix.rig import breaker, failures, load, only, round_trips, rule, state
from tests.engine.core.rig import ACCOUNT, BTC, ETH, SPEC, Rig, of, places, quote, stop, target, wants

OPEN, HALF_OPEN, CLOSED = BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED
AGE_NS = 60 * MINUTE_NS


def breach(rig: Rig, kind: BreachSource, source: str = "telegram") -> None:
    rig.ingest(SecurityBreach(source=source, text="a button that we did not make", kind=kind))


def test_slow_orders_make_everything_at_that_venue_a_quarter_until_they_are_quick_again() -> None:
    rig = Rig(only(latency=DEFAULTS.latency)).start()
    round_trips(rig, 499)
    assert state(rig, Watch.LATENCY, "PAPER") is CLOSED
    rig.wait(60)
    round_trips(rig, 900, orders=20)
    assert state(rig, Watch.LATENCY, "PAPER") is OPEN
    assert [place.qty for place in places(rig.want(wants(target(0.8))))] == [200]
    rig.fill(places(rig.sent)[0])
    assert places(rig.want(wants(target(0.8)))) == []
    for _ in range(11):
        rig.wait(60)
        round_trips(rig, 80)
    assert state(rig, Watch.LATENCY, "PAPER") is HALF_OPEN
    for _ in range(3):
        rig.wait(5)
        round_trips(rig, 80)
    assert state(rig, Watch.LATENCY, "PAPER") is CLOSED
    rig.touch()
    rig.wait(1.5)
    assert [place.qty for place in places(rig.sent)] == [600]


def test_half_open_needs_the_measure_under_four_fifths_and_the_whole_window_after_the_trip() -> None:
    changed = rule(Watch.LATENCY, cool_down_ns=MINUTE_NS)
    rig = Rig(only(latency=changed)).start()
    round_trips(rig, 900)
    rig.wait(61)
    round_trips(rig, 100, orders=100)
    assert state(rig, Watch.LATENCY, "PAPER") is OPEN  # the window still reaches back to the trip
    rig.wait(2 * 60)
    round_trips(rig, 450, orders=500)
    rig.wait(3 * 60)
    assert state(rig, Watch.LATENCY, "PAPER") is OPEN  # 450 ms is not under 80 % of 500 ms
    rig.wait(5 * 60 + 31)
    assert state(rig, Watch.LATENCY, "PAPER") is HALF_OPEN


def test_a_few_orders_or_requests_are_no_rate() -> None:
    rig = Rig(only(latency=DEFAULTS.latency, error_rate=DEFAULTS.error_rate)).start()
    round_trips(rig, 5_000, orders=4)
    failures(rig, 10, of=19)
    assert rig.core.parts.scopes == {}


def test_errors_pause_the_venue_at_once_and_start_its_strategies_anew_within_half_a_minute() -> None:
    rig = Rig(only(error_rate=DEFAULTS.error_rate)).start()
    (resting,) = places(rig.want(wants(quote(1, 59_000.0))))
    rig.accept(resting)
    rig.sent.clear()
    failures(rig, 2, of=50)
    assert state(rig, Watch.ERROR_RATE, "PAPER") is CLOSED
    failures(rig, 3, of=50)
    assert state(rig, Watch.ERROR_RATE, "PAPER") is OPEN
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [resting.cid]
    assert rig.core.state.strategies[SPEC.id].status is StrategyStatus.RUNNING
    rig.wait(2)
    asked = rig.core.state.strategies[SPEC.id]
    assert asked.bars_seen == {}
    changes = [fact.status for fact in rig.told(StrategyChanged) if fact.strategy == SPEC.id]
    assert changes[-2:] == [StrategyStatus.WARMING, StrategyStatus.RUNNING]


@pytest.mark.parametrize("action", list(BreakerAction))
def test_every_action_begins_within_its_deadline_in_order_of_priority(action: BreakerAction) -> None:
    begun: dict[BreakerAction, int] = {}
    rig = Rig(only(overload=rule(Watch.OVERLOAD, actions=tuple(BreakerAction)))).start()
    kept = dict(actions.HANDLERS)
    trip_ns = 0
    try:
        for name, handler in kept.items():

            def noted(core: Any, key: str, name: BreakerAction = name, handler: Any = handler) -> None:
                begun.setdefault(name, core.state.ts_ns)
                handler(core, key)

            actions.HANDLERS[name] = noted
        load(rig, 950_000, 200)
        trip_ns = breaker(rig, Watch.OVERLOAD).since_ns
        assert state(rig, Watch.OVERLOAD) is OPEN
        rig.wait(31)
    finally:
        actions.HANDLERS.update(kept)
    if action in begun:
        assert begun[action] - trip_ns <= DEADLINE_NS[PRIORITY[action]]
    else:
        # it has no function: how much may be sent is less from the step that trips on
        assert rig.core.parts.scopes == {"": Decimal(0)}
    order = [PRIORITY[name] for name in begun]
    assert order == sorted(order)
    assert DEADLINE_NS == {
        Priority.CRITICAL: 0,
        Priority.HIGH: 10**9,
        Priority.MEDIUM: 5 * 10**9,
        Priority.LOW: 30 * 10**9,
    }


def test_load_is_shed_by_priority_one_strategy_after_the_other_and_taken_up_again() -> None:
    rig = Rig(replace(only(overload=DEFAULTS.overload), instruments=(BTC, ETH))).start(load=False)
    rig.load(replace(SPEC, priority=9))
    rig.load(StrategySpec(id="minor", kind="script", account=ACCOUNT, instruments=(ETH.id,), priority=1))
    load(rig, 950_000, 140)
    assert state(rig, Watch.OVERLOAD) is CLOSED  # half a window is not covered yet
    load(rig, 950_000, 20)
    rig.wait(2)
    known = rig.core.state.strategies
    assert (known["minor"].status, known[SPEC.id].status) == (StrategyStatus.PAUSED, StrategyStatus.RUNNING)
    assert known["minor"].asleep
    assert "priority 1" in known["minor"].detail
    load(rig, 100_000, 20 * 60)
    assert state(rig, Watch.OVERLOAD) is CLOSED
    assert not known["minor"].asleep
    assert known[SPEC.id].status is StrategyStatus.RUNNING


def test_what_was_shed_does_not_see_the_market_and_a_person_may_start_it_anew() -> None:
    rig = Rig(only(overload=DEFAULTS.overload)).start()
    load(rig, 950_000, 160)
    rig.wait(2)
    seen: list[int] = []

    def note(view: View) -> Desired:
        seen.append(view.ts_ns)
        return wants()

    rig.script.wants = note
    rig.touch()
    assert seen == []
    rig.command(StartStrategy(strategy=SPEC.id), "dot")
    rig.ingest(e.History(strategy=SPEC.id, complete=True))
    rig.touch()
    assert len(seen) == 1


def test_a_position_that_is_too_old_is_closed_on_the_second_where_its_strategy_says_so() -> None:
    rig = Rig(only(position_timeout=DEFAULTS.position_timeout)).start(load=False)
    rig.load(replace(SPEC, position_age_ns=AGE_NS))
    rig.script = rig.script_of(SPEC.id)
    rig.hold_position(0.5)
    rig.wait(59 * 60 + 59)
    assert places(rig.sent) == []
    rig.wait(1.2)
    assert state(rig, Watch.POSITION_TIMEOUT, SPEC.id) is OPEN
    (closing,) = places(rig.sent)
    assert (closing.qty, closing.reduce_only) == (500, True)
    rig.fill(closing)
    assert rig.held() == 0
    assert places(rig.want(wants(target(0.5, "start")))) == []
    rig.wait(2)
    assert "3600 s old" in rig.told_alert("risk_manager")
    rig.wait(6 * 60)
    assert state(rig, Watch.POSITION_TIMEOUT, SPEC.id) is CLOSED
    assert [place.qty for place in places(rig.want(wants(target(0.5, "another"))))] == [500]


def test_a_breaker_of_age_closes_though_its_strategy_was_unloaded_meanwhile() -> None:
    rig = Rig(only(position_timeout=DEFAULTS.position_timeout)).start(load=False)
    rig.load(replace(SPEC, position_age_ns=AGE_NS))
    rig.script = rig.script_of(SPEC.id)
    rig.hold_position(0.5)
    rig.wait(3602)
    rig.fill(places(rig.sent)[0])
    rig.command(UnloadStrategy(strategy=SPEC.id), "dot")
    rig.wait(6 * 60)
    assert state(rig, Watch.POSITION_TIMEOUT, SPEC.id) is CLOSED
    rig.load(replace(SPEC, id="another"))
    rig.script = rig.script_of("another")
    assert [place.qty for place in places(rig.want(wants(target(0.5, "another"))))] == [500]


def test_one_opened_by_hand_can_be_released_though_its_strategy_was_unloaded_meanwhile() -> None:
    rig = Rig(only(position_timeout=DEFAULTS.position_timeout)).start()
    rig.command(SetBreaker(name=f"position_timeout:{SPEC.id}"), "dot")
    rig.command(UnloadStrategy(strategy=SPEC.id), "dot")
    rig.wait(60)
    request = rig.command(SetBreaker(name=f"position_timeout:{SPEC.id}", open=False), "ann").request
    for voter in ("bob", "cem"):
        rig.command(Approve(request=request), voter)
    rig.wait(60)
    assert state(rig, Watch.POSITION_TIMEOUT, SPEC.id) is CLOSED
    assert f"position_timeout:{SPEC.id}" not in rig.core.state.matrix
    assert not rig.command(SetBreaker(name=f"position_timeout:{SPEC.id}"), "dot").ok


def test_a_strategy_that_sets_no_age_keeps_its_position() -> None:
    rig = Rig(only(position_timeout=DEFAULTS.position_timeout)).start()
    rig.hold_position(0.5)
    rig.wait(48 * 3600)
    assert rig.held() == 500
    assert places(rig.sent) == []


def test_one_forged_button_halts_locks_down_and_only_two_persons_open_after_two_hours() -> None:
    rig = Rig(only(security=DEFAULTS.security)).start()
    rig.hold_position(0.5)
    (guard, resting) = places(rig.want(wants(target(0.5, "start"), stop(50_000.0, "start"), quote(1, 59_000.0))))
    rig.accept(guard)
    rig.accept(resting)
    rig.sent.clear()
    breach(rig, BreachSource.BUTTON)
    assert state(rig, Watch.SECURITY) is OPEN
    assert rig.core.state.locked
    assert rig.core.state.trading is TradingState.HALTED
    assert [cancel.cid for cancel in of(rig.sent, Cancel)] == [resting.cid]  # the stop stays
    assert "every session is ended" in rig.told_alert("breaker_open")
    rig.wait(119 * 60)
    assert not rig.command(SetBreaker(name="security", open=False), "ann").ok
    rig.wait(2 * 60)
    request = rig.command(SetBreaker(name="security", open=False), "ann").request
    rig.command(Approve(request=request), "bob")
    assert rig.core.state.locked
    rig.command(Approve(request=request), "cem")
    assert not rig.core.state.locked
    assert state(rig, Watch.SECURITY) is HALF_OPEN


def test_a_breach_flattens_where_the_policy_says_so() -> None:
    changed = rule(Watch.SECURITY, actions=(BreakerAction.SHUT_DOWN, BreakerAction.LOCK_DOWN, BreakerAction.FLATTEN))
    rig = Rig(only(security=changed)).start()
    rig.hold_position(0.5)
    breach(rig, BreachSource.SIGNATURE)
    (closing,) = places(rig.sent)
    assert (closing.qty, closing.reduce_only) == (500, True)


def test_a_login_that_fails_now_and_then_is_no_breach_and_five_within_ten_minutes_are() -> None:
    rig = Rig(only(security=DEFAULTS.security)).start()
    for _ in range(20):
        breach(rig, BreachSource.LOGIN, "dashboard")
        rig.wait(151)
    assert state(rig, Watch.SECURITY) is CLOSED
    for _ in range(4):
        breach(rig, BreachSource.LOGIN, "dashboard")
    assert state(rig, Watch.SECURITY) is OPEN


def test_breaches_without_end_are_kept_up_to_a_number() -> None:
    rig = Rig(only(security=rule(Watch.SECURITY, thresholds={BreachSource.LOGIN.value: 10**6}))).start()
    rig.core.state.samples_of["security"] = [(rig.core.state.ts_ns, 0, 1)] * measures.MOST_SAMPLES
    breach(rig, BreachSource.LOGIN)
    assert len(rig.core.state.samples_of["security"]) == measures.MOST_SAMPLES


def test_a_breach_in_events_of_another_build_is_none_the_less_one() -> None:
    rig = Rig(only(security=DEFAULTS.security)).start()
    breach(rig, BreachSource.KEY)
    rig.crash(build="another")
    assert rig.core.state.locked
    assert rig.core.state.latched is TradingState.HALTED
    assert state(rig, Watch.SECURITY) is OPEN
