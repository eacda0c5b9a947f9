"""What a person is told is on disk: no crash undoes it."""

from __future__ import annotations

from domain.commands import Actor, Door, Halt
from domain.events import CommandReceived, Tick
from domain.facts import CommandDone, TradingState
from domain.order import Cancel
from engine.core.journal.memory import MemoryJournal
from tests.engine.core.rig import Rig, quote, wants


def halting(rig: Rig) -> CommandReceived:
    return CommandReceived(actor=Actor(person="dot", door=Door.TELEGRAM), command=Halt(), request_id="t:1")


def held_rig() -> Rig:
    rig = Rig(journal=MemoryJournal(hold=True))
    rig.journal.on_durable(rig.kernel.release)
    rig.begin()
    rig.snapshot()
    rig.journal.flush()
    rig.facts.clear()
    return rig


def test_the_answer_waits_for_the_disk_and_the_halt_does_not() -> None:
    rig = held_rig()
    rig.ingest(halting(rig))
    assert rig.core.state.trading is TradingState.HALTED
    assert rig.told(CommandDone) == []
    rig.ingest(Tick())
    rig.journal.make_durable(rig.kernel.seq - 1)
    assert [done.ok for done in rig.told(CommandDone)] == [True]
    assert [(fact.seq, fact.index) for fact in rig.facts] == sorted((fact.seq, fact.index) for fact in rig.facts)


def test_a_halt_that_a_crash_forgets_was_never_answered() -> None:
    rig = held_rig()
    rig.ingest(halting(rig))
    rig.crash()
    assert rig.core.state.latched is TradingState.ACTIVE
    assert rig.told(CommandDone) == []


def test_cancels_of_a_halt_leave_at_once() -> None:
    rig = Rig().start()
    (place,) = rig.want(wants(quote(1, 59_990.0, 0.01)))
    rig.journal.hold = True
    rig.sent.clear()
    rig.ingest(halting(rig))
    assert [type(intent) for intent in rig.sent] == [Cancel]
    assert place.adds_risk
