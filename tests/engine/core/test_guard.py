"""The watch over a strategy's code from outside the step: what hangs is interrupted, what is late is counted."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest

from domain.desired import Desired
from domain.errors import StrategyError
from domain.facts import StrategyStatus
from domain.strategy import Params, View
from engine.core.core import AnyStrategy
from engine.core.guard import Guard, StrategyHung, Timed
from tests.engine.core.rig import BTC, NoMemory, Rig, Script
from tests.needs import ROOT


def quarantined(rig: Rig, strategy: str = "script") -> bool:
    return rig.core.state.strategies[strategy].status is StrategyStatus.QUARANTINED


class Slow(Script):
    """Takes its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__((BTC.id,), Params())
        self.seconds = seconds
        self.swallows = False

    def decide(self, memory: NoMemory, view: View) -> tuple[NoMemory, Desired]:
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            try:
                sum(range(100))
            except Exception:  # noqa: BLE001 - what careless authors write
                self.swallows = True
        return memory, Desired()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def guard(told: list[str]) -> Iterator[Guard]:
    before = signal.getsignal(signal.SIGUSR2)
    made = Guard(lambda strategy, problem: told.append(f"{strategy}: {problem}"), hang_s=0.2, load_s=0.3)
    made.start(lambda: 0, lambda seconds: None)
    yield made
    made.stop()
    signal.signal(signal.SIGUSR2, before)


def guarded(strategy: Script, guard: Guard) -> AnyStrategy:
    return cast("AnyStrategy", Timed(strategy, "slow", guard))


def decide(timed: Timed) -> None:
    timed.decide(NoMemory(), cast("View", None))


def test_a_call_that_hangs_is_interrupted_and_quarantined_within_two_seconds(guard: Guard) -> None:
    rig = Rig()
    rig.scripts["script"] = guarded(Slow(30), guard)
    rig.start()
    begun = time.monotonic()
    rig.touch()
    assert time.monotonic() - begun < 2
    assert quarantined(rig)
    assert "did not come back within 0.2 s" in rig.core.state.strategies["script"].detail


def test_a_hang_cannot_be_swallowed_by_the_strategys_own_except(guard: Guard) -> None:
    slow = Slow(30)
    with pytest.raises(StrategyHung):
        Timed(slow, "slow", guard).decide(NoMemory(), cast("View", None))
    assert not slow.swallows
    assert guard.begun_ns == 0


def test_a_call_that_takes_long_is_reported_when_it_comes_back(guard: Guard, told: list[str]) -> None:
    Timed(Slow(0.08), "slow", guard).decide(NoMemory(), cast("View", None))
    assert len(told) == 1
    assert "50 ms are allowed" in told[0]


def test_a_quick_call_is_not_reported(guard: Guard, told: list[str]) -> None:
    Timed(Slow(0.0), "slow", guard).decide(NoMemory(), cast("View", None))
    assert told == []


def test_a_stuck_loop_is_noticed_by_the_thread_outside_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.core.guard.STUCK_S", 0.1)
    noticed: list[tuple[float, int]] = []
    before = signal.getsignal(signal.SIGUSR2)
    guard = Guard(lambda strategy, problem: None, hang_s=0.1)
    stuck_since = time.monotonic_ns()
    guard.start(lambda: stuck_since, lambda seconds: noticed.append((seconds, threading.get_ident())))
    time.sleep(0.5)
    guard.stop()
    signal.signal(signal.SIGUSR2, before)
    assert len(noticed) == 1
    assert noticed[0][0] >= 0.1
    assert noticed[0][1] != threading.get_ident()


def test_the_fourth_late_call_in_a_minute_is_one_too_many_before_any_report_has_come_round(
    guard: Guard, told: list[str]
) -> None:
    timed = Timed(Slow(0.06), "slow", guard)
    for _ in range(3):
        decide(timed)
    with pytest.raises(StrategyHung, match="the 4th such call within a minute"):
        decide(timed)
    assert len(told) == 3


def test_a_late_strategy_is_quarantined_while_its_reports_still_wait_in_the_inbox(guard: Guard) -> None:
    rig = Rig()
    rig.scripts["script"] = guarded(Slow(0.06), guard)
    rig.start()
    for bid in range(600_000, 600_004):
        assert not quarantined(rig)
        rig.touch(bid)
    assert quarantined(rig)


def test_recovery_counts_no_late_calls_but_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.core.guard.PATIENCE_S", 0.5)
    decide(Timed(Slow(0.06), "slow", Guard()))
    timed = Timed(Slow(0.3), "slow", Guard())
    decide(timed)
    with pytest.raises(StrategyHung, match="held up recovery"):
        decide(timed)


def spin() -> None:
    while True:
        sum(range(100))


def test_code_that_never_ends_while_it_is_loaded_is_interrupted(guard: Guard) -> None:
    with pytest.raises(StrategyHung, match=r"did not come back within 0\.3 s"):
        guard.call(spin)
    assert guard.begun_ns == 0
    assert guard.call(lambda: 7) == 7


def test_a_sleep_is_interrupted_too(guard: Guard) -> None:
    with pytest.raises(StrategyHung):
        guard.call(lambda: time.sleep(1e9))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_code_that_tries_to_end_the_program_only_ends_itself(guard: Guard, error: type[BaseException]) -> None:
    def leave() -> None:
        raise error

    with pytest.raises(StrategyError, match=error.__name__):
        guard.call(leave)


DEAF = """
import engine.core.guard
engine.core.guard.DEAF_S = 0.5
with engine.core.guard.guarding() as guard:
    import time
    time.sleep(0.6)  # the watch has set the alarm
    guard.call(lambda: sum(range(10**14)))
"""


def test_a_call_that_keeps_the_interpreter_to_itself_is_named_on_the_error_stream() -> None:
    with subprocess.Popen([sys.executable, "-c", DEAF], stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            assert "Timeout" in next(lines)
            assert any('"<string>", line 7' in line for line in lines)
        finally:
            process.kill()


def test_an_error_of_the_code_comes_out_as_it_is(guard: Guard) -> None:
    with pytest.raises(ZeroDivisionError):
        guard.call(lambda: 1 // 0)


def test_ctrl_c_ends_the_program_while_a_strategy_is_loaded_and_a_strategy_that_feigns_it_does_not(
    guard: Guard,
) -> None:
    def pressed() -> None:
        signal.raise_signal(signal.SIGINT)

    def feigned() -> None:
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            guard.call(pressed)
        with pytest.raises(StrategyError, match="no strategy ends the program"):
            guard.call(feigned)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
