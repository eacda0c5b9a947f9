"""Recovery follows the record where it and the code disagree: a hang is not repeated, an edit changes no past."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Struct

from domain import commands as c
from domain.codec import decode_event
from domain.desired import Desired
from domain.errors import ReplayMismatch, StrategyError
from domain.events import Decided, History
from domain.facts import StrategyStatus, TradingState
from domain.market import Mark
from domain.settings import StrategySpec
from domain.strategy import Params, View
from engine.core.core import Core
from engine.core.recovery import recover, replay, state_hash
from engine.core.state import State
from tests.engine.core.rig import BTC, SPEC, WIDE, NoMemory, Rig, Script, places, quote, stop, target, wants


class MustNotBeCalled(Script):
    """A strategy that would hang."""

    def decide(self, memory: NoMemory, view: View) -> tuple[NoMemory, Desired]:
        pytest.fail("a call that is on record as failed was made again")


class Count(Struct):
    """Calls so far."""

    calls: int = 0


class Counting(Script):
    """Remembers how often it was called."""

    memory_type = Count  # type: ignore[assignment]

    def start(self) -> Count:  # type: ignore[override]
        return Count()

    def decide(self, memory: Count, view: View) -> tuple[Count, Desired]:  # type: ignore[override]
        memory.calls += 1
        return memory, wants(target(memory.calls / 10, f"e{memory.calls}"))


def test_a_call_that_hung_is_not_made_again_by_recovery() -> None:
    rig = Rig().start()
    rig.want(StrategyError("interrupted"))
    assert rig.core.state.strategies["script"].status is StrategyStatus.QUARANTINED
    rig.scripts["script"] = MustNotBeCalled((BTC.id,), Params())
    rig.crash()
    assert rig.core.state.strategies["script"].status is StrategyStatus.QUARANTINED


def test_a_call_that_hung_is_not_made_again_by_a_replay_with_code() -> None:
    rig = Rig().start()
    rig.want(StrategyError("interrupted"))
    core = Core(State())
    core.make_code = lambda spec: MustNotBeCalled((BTC.id,), Params())
    replay(rig.journal.records(), core, with_code=True)
    assert state_hash(core.state) == state_hash(rig.core.state)


def test_edited_code_changes_no_past() -> None:
    """Orders were sent by what the code decided then; recovery must find those, not what it would send now."""
    rig = Rig().start()
    (then,) = places(rig.want(wants(target(0.5))))
    rig.accept(then)
    rig.fill(then)
    rig.ingest(Mark(instrument=BTC.id, price=600_000))
    before = state_hash(rig.core.state)
    rig.script.wants = wants(target(-0.5, "edited"))
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert state_hash(core.state) == before
    assert core.state.strategies["script"].desired == wants(target(0.5))


def test_a_replay_with_edited_code_says_what_differs() -> None:
    rig = Rig().start()
    rig.want(wants(target(0.5)))
    rig.script.wants = wants(target(-0.5, "edited"))
    with pytest.raises(ReplayMismatch, match="the code now decides"):
        replay(rig.journal.records(), rig.make_core(State()), with_code=True)


def test_memory_is_rebuilt_by_running_the_code_over_what_it_saw() -> None:
    rig = Rig()
    rig.scripts["script"] = Counting((BTC.id,), Params())
    rig.start()
    for bid in (600_000, 600_001, 600_002):
        rig.touch(bid)
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert core.state.strategies["script"].memory.calls == 3
    rig.kernel.snapshot()
    rig.touch(600_003)
    core, found = recover(rig.journal.reopened(), rig.make_core, "b")
    assert found.snapshot_seq > 0
    assert core.state.strategies["script"].memory.calls == 4


def test_a_strategy_that_cannot_be_loaded_any_more_is_quarantined_and_its_stop_stays() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    for place in places(rig.want(wants(target(0.5, "start"), stop(59_000.0, "start")))):
        rig.accept(place)

    def gone(spec: StrategySpec) -> Script:
        raise StrategyError("the file is gone")

    rig.make_code = gone  # type: ignore[method-assign]
    rig.crash()
    strategy = rig.core.state.strategies["script"]
    assert strategy.status is StrategyStatus.QUARANTINED
    assert "the file is gone" in strategy.detail
    assert [order.role.name for order in rig.slot().orders.values() if not order.cancel_ns] == ["STOP"]


def test_a_memory_that_no_longer_fits_its_code_costs_its_strategy_and_not_the_start() -> None:
    rig = Rig()
    rig.scripts["script"] = Counting((BTC.id,), Params())
    rig.start()
    rig.touch()
    rig.kernel.snapshot()

    class Renamed(Struct):
        """A field that old memories do not have."""

        needed: str

    class Newer(Counting):
        memory_type = Renamed  # type: ignore[assignment]

        def start(self) -> Renamed:  # type: ignore[override]
            return Renamed("fresh")

        def decide(self, memory: Renamed, view: View) -> tuple[Renamed, Desired]:  # type: ignore[override]
            return memory, Desired()

    rig.scripts["script"] = Newer((BTC.id,), Params())
    rig.crash("a newer build")
    strategy = rig.core.state.strategies["script"]
    assert strategy.status is StrategyStatus.QUARANTINED
    assert "does not fit" in strategy.detail
    rig.snapshot()
    assert rig.command(c.StartStrategy(strategy="script"), "dot").ok
    rig.ingest(History(strategy="script", complete=True))
    assert rig.core.state.strategies["script"].status is StrategyStatus.RUNNING
    assert strategy.memory.needed == "fresh"


def test_a_memory_that_cannot_be_saved_costs_its_strategy_and_not_the_engine() -> None:
    class Odd(Script):
        def decide(self, memory: NoMemory, view: View) -> tuple[object, Desired]:  # type: ignore[override]
            return object(), wants(quote(1, 59_990.0))

    rig = Rig(WIDE).start()
    rig.load(
        StrategySpec(id="odd", kind="script", account="PAPER:sub", instruments=(BTC.id,)), Odd((BTC.id,), Params())
    )
    rig.touch()
    rig.kernel.snapshot()
    assert rig.core.state.strategies["odd"].status is StrategyStatus.QUARANTINED
    assert "saved" in rig.core.state.strategies["odd"].detail
    assert rig.core.state.strategies["script"].status is StrategyStatus.RUNNING
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert core.state.strategies["odd"].status is StrategyStatus.QUARANTINED


def test_another_build_steps_none_of_the_old_ones_events() -> None:
    rig = Rig().start()
    (then,) = places(rig.want(wants(target(0.5))))
    rig.accept(then)
    rig.fill(then)
    rig.wait(5)
    rig.crash("another build")
    state = rig.core.state
    assert state.trading is TradingState.REDUCING
    assert state.latched_reason == "the build changed after a crash; the venue's word stands"
    assert rig.held() == 500, "fills are facts, whoever wrote them"
    assert state.slots[rig.slot().key].orders == {}
    assert list(state.strategies) == ["script"]
    assert state.epoch == 2


def test_after_a_clean_stop_another_build_goes_on_from_the_snapshot() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    rig.kernel.snapshot()
    rig.crash("another build")
    rig.snapshot(positions=())
    assert rig.core.state.latched is TradingState.ACTIVE
    assert rig.slot().target == 500


def test_what_another_build_changed_by_command_is_kept() -> None:
    rig = Rig(WIDE).start()
    rig.load(StrategySpec(id="second", kind="script", account="PAPER:sub", instruments=(BTC.id,)))
    rig.command(c.UnloadStrategy(strategy="script"), "dot")
    rig.command(c.PauseStrategy(strategy="second"), "dot")
    done = rig.command(c.Halt(), "dot", request_id="tg:77")
    assert done.ok
    rig.crash("another build")
    state = rig.core.state
    assert list(state.strategies) == ["second"]
    assert not state.strategies["second"].spec.autostart
    assert state.latched is TradingState.HALTED
    assert not rig.command(c.Halt(), "dot", request_id="tg:77").ok, "an answered command is not carried out twice"


def test_a_refused_halt_of_an_older_build_halts_nobody() -> None:
    rig = Rig(WIDE).start()
    assert not rig.command(c.Halt(), "eve").ok
    rig.crash("another build")
    assert rig.core.state.latched is not TradingState.HALTED


def test_a_snapshot_that_cannot_be_read_costs_time_and_nothing_else() -> None:
    rig = Rig().start()
    rig.hold_position(0.5)
    rig.kernel.snapshot()
    rig.touch(600_001)
    seq = rig.kernel.seq
    rig.touch()
    rig.journal.save_snapshot(seq, rig.now_ns, "b", 1, msgspec.msgpack.encode({"slots": "of an older shape"}))
    expected = rig.core.state
    core, found = recover(rig.journal.reopened(), rig.make_core, "b")
    assert 0 < found.snapshot_seq < seq
    assert state_hash(core.state) == state_hash(expected)
    rig.journal._snapshots = {seq: rig.journal._snapshots[seq]}
    core, found = recover(rig.journal.reopened(), rig.make_core, "b")
    assert found.snapshot_seq == 0
    assert state_hash(core.state) == state_hash(expected)


def test_recorded_decisions_name_their_event_and_call() -> None:
    rig = Rig().start()
    rig.want(wants(target(0.5)))
    decided = [d for r in rig.journal.records() if isinstance(d := decode_event(r.payload), Decided)]
    assert [d.strategy for d in decided] == [SPEC.id, SPEC.id]
    assert decided[0].feeds is not None
    assert decided[1].desired == wants(target(0.5))
    assert decided[1].cause == decided[1].seq - 1
