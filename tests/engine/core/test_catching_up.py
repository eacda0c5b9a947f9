"""After a restart: live bars wait for the history of what was missed, and are shown behind it, each once."""

from __future__ import annotations

import pytest

from domain import commands as c
from domain.events import History
from domain.facts import StrategyStatus
from engine.core import wake
from engine.core.core import Core
from engine.core.recovery import recover, replay, state_hash
from engine.core.state import State
from tests.engine.core.rig import ACCOUNT, BTC, WIDE, Rig, places, target, wants
from tests.engine.core.test_strategies_live import Bars, reading


def seen(rig: Bars) -> list[int]:
    """Numbers of the bars it was shown, in warm-up and live, in order."""
    memory = rig.reader.memory
    return sorted(int(close) - 60_000 for close in (*memory.warm, *memory.closes))


def running() -> Bars:
    rig = reading()
    rig.history(0, 1, 2)
    rig.ingest(rig.bar(3))
    assert seen(rig) == [0, 1, 2, 3]
    return rig


def test_a_live_bar_before_the_history_does_not_make_the_missed_ones_old() -> None:
    rig = running()
    rig.restart()
    rig.ingest(rig.bar(7))
    assert seen(rig) == [0, 1, 2, 3]
    rig.history(2, 3, 4, 5, 6)
    assert rig.reader.memory.warm == [60_000.0 + n for n in (0, 1, 2, 4, 5, 6)]
    assert rig.reader.memory.closes == [60_003.0, 60_007.0]


def test_a_bar_that_both_bring_is_shown_once() -> None:
    rig = running()
    rig.restart()
    rig.ingest(rig.bar(5))
    rig.ingest(rig.bar(6))
    rig.history(3, 4, 5)
    assert seen(rig) == [0, 1, 2, 3, 4, 5, 6]
    rig.ingest(rig.bar(7))
    assert seen(rig)[-1] == 7


def test_what_waited_is_acted_on_and_what_was_missed_is_not() -> None:
    rig = running()
    rig.restart()
    before = rig.slot().entry
    rig.history(4)
    assert rig.slot().entry == before
    rig.restart()
    rig.wait(60)
    rig.touch()
    rig.ingest(rig.bar(6))
    assert rig.slot().entry == before
    rig.history(5)
    assert rig.slot().entry == f"b{rig.now_ns}"


def test_while_history_cannot_be_had_nothing_is_lost_and_it_is_said() -> None:
    rig = running()
    rig.restart()
    for n in (6, 7):
        rig.ingest(rig.bar(n))
        rig.history(problem="no answer")
    assert rig.reader.detail == "no answer"
    assert "warmup" in rig.alerts()
    rig.history(4, 5, 6)
    assert seen(rig) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert rig.reader.detail == ""


def test_what_is_held_is_bounded_and_the_history_has_what_was_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "MOST_WAITING", 3)
    rig = running()
    rig.restart()
    for n in range(4, 20):
        rig.ingest(rig.bar(n))
    assert len(rig.reader.waiting) == 3
    rig.history(*range(4, 19))
    assert seen(rig) == list(range(20))
    assert rig.reader.waiting == []


def test_one_that_is_paused_keeps_watching_without_a_gap_too() -> None:
    rig = running()
    assert rig.command(c.PauseStrategy(strategy="reader"), "dot").ok
    rig.restart()
    rig.ingest(rig.bar(5))
    rig.history(problem="no answer")
    assert rig.reader.detail == "paused by dot"
    rig.history(4)
    assert seen(rig) == [0, 1, 2, 3, 4, 5]
    assert rig.reader.status is StrategyStatus.PAUSED


def test_a_second_crash_while_it_waits_loses_nothing() -> None:
    rig = running()
    rig.restart()
    rig.ingest(rig.bar(5))
    rig.kernel.snapshot()
    rig.ingest(rig.bar(6))
    rig.restart()
    rig.ingest(rig.bar(8))
    rig.history(4, 5, 6, 7)
    assert seen(rig) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert core.state.strategies["reader"].memory == rig.reader.memory
    again = Core(State())
    replay(rig.journal.records(), again, with_code=False)
    assert state_hash(again.state) == state_hash(rig.core.state)


def test_new_parameters_while_it_waits_begin_with_their_own_history() -> None:
    rig = running()
    rig.restart()
    rig.ingest(rig.bar(5))
    assert rig.command(c.SetParams(strategy="reader", params={"qty": 0.2}), "dot").ok
    assert not rig.reader.catching_up
    rig.ingest(rig.bar(7))
    rig.history(4, 5, 6)
    assert seen(rig) == [4, 5, 6, 7]


def test_a_history_that_was_asked_for_before_the_parameters_changed_is_not_taken() -> None:
    """People's commands overtake what waits in the inbox: the answer to the old question comes after them."""
    rig = reading()
    old = rig.reader.asked
    assert rig.command(c.SetParams(strategy="reader", params={"qty": 0.2}), "dot").ok
    late = History(strategy="reader", bars=(rig.bar(0), rig.bar(1)), complete=True, asked=old)
    rig.ingest(late)
    assert rig.reader.memory.warm == [], "it still waits"
    rig.ingest(History(strategy="reader", bars=tuple(map(rig.bar, (0, 1, 2))), complete=True, asked=rig.reader.asked))
    assert rig.reader.status is StrategyStatus.RUNNING
    assert seen(rig) == [0, 1, 2]


def test_one_that_needs_no_history_is_not_held_up() -> None:
    rig = Rig(WIDE).start()
    rig.crash()
    for account in (ACCOUNT, "PAPER:sub"):
        rig.snapshot(account=account)
    assert not rig.core.state.strategies["script"].catching_up
    assert places(rig.want(wants(target(0.1))))[0].instrument == BTC.id
