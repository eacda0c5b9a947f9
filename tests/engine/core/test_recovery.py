"""Recovery gives back the state that was, and the journal that goes on from it replays."""

from __future__ import annotations

import math

from domain import events as e
from domain.codec import decode_event
from domain.commands import SetParams
from domain.desired import Desired, Qty, Target
from domain.errors import StrategyError
from domain.facts import StrategyStatus
from domain.settings import StrategySpec
from engine.core.core import AnyStrategy, Core
from engine.core.journal.memory import MemoryJournal
from engine.core.kernel import Kernel
from engine.core.recovery import recover, replay, state_hash
from engine.core.state import State
from tests.engine.core.rig import BTC, Rig


def target(qty: float, entry: str = "e1") -> Desired:
    return Desired(targets=(Target(instrument=BTC.id, want=Qty(qty), entry=entry),))


def test_a_snapshot_keeps_the_order_in_which_slots_and_strategies_came() -> None:
    rig = Rig().start()
    rig.core.state.timers.clear()
    rig.core.state.timers.update({"z": 3, "a": 1, "m": 2})
    rig.kernel.snapshot()
    core, _ = recover(rig.journal, rig.make_core, "b")
    assert list(core.state.timers) == ["z", "a", "m"]


def test_decisions_that_a_crash_kept_from_the_journal_are_written_by_the_next_run() -> None:
    rig = Rig().start()
    rig.journal.hold = True
    rig.want(target(1.0))
    decided = [r.seq for r in rig.journal.records() if isinstance(decode_event(r.payload), e.Decided)][-1]
    rig.journal.make_durable(decided - 1)
    after = rig.journal.reopened()
    core, _ = recover(after, rig.make_core, "b")
    Kernel(core, after, send=rig.sent.extend).ingest(e.Tick(ts_ns=rig.now_ns))
    again = Core(State())
    replay(after.records(), again, with_code=False)
    assert state_hash(again.state) == state_hash(core.state)


def test_a_decision_with_a_number_that_is_none_replays() -> None:
    rig = Rig().start()
    rig.want(target(math.nan))
    core = Core(State())
    replay(rig.journal.records(), core, with_code=False)
    assert state_hash(core.state) == state_hash(rig.core.state)


def test_a_strategy_that_could_not_be_built_is_not_built_in_a_replay_without_code_either() -> None:
    rig = Rig().start()

    def broken(spec: StrategySpec) -> AnyStrategy:
        raise StrategyError(f"{spec.kind} has no such parameter")

    core = rig.core
    core.make_code = broken
    rig.command(SetParams(strategy="script", params={"no_such": 1}), person="dot")
    assert core.state.strategies["script"].status is StrategyStatus.RUNNING
    again = Core(State())
    replay(rig.journal.records(), again, with_code=False)
    assert state_hash(again.state) == state_hash(core.state)


def test_the_epoch_is_on_disk_before_anything_is_sent() -> None:
    journal = MemoryJournal(hold=True)
    sent: list[int] = []
    rig = Rig(journal=journal)
    rig.kernel.send = lambda _: sent.append(journal.durable_seq)
    rig.start(load=False)
    assert sent
    assert min(sent) >= 1
