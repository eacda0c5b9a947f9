"""Other code than before takes over: reloaded, re-parametrised, restarted; which text decided is in the journal."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from domain import commands as c
from domain.codec import decode_event
from domain.commands import LoadStrategy
from domain.events import Decided, StrategyFault
from domain.facts import StrategyStatus
from domain.files import StrategyFileChanged
from domain.verdict import Reason
from engine.core.core import Core
from engine.core.recovery import replay, state_hash
from engine.core.state import State
from engine.core.wake import source_hash
from tests.engine.core.rig import SPEC
from tests.engine.core.test_guests import GUEST_SPEC, Guesthouse, guard, guest, house

__all__ = ["guard", "house"]


def sources(rig: Guesthouse) -> list[str]:
    events = [decode_event(record.payload) for record in rig.journal.records()]
    return [event.source for event in events if isinstance(event, Decided) and event.source]


CHANGED = guest() + "\nCHANGED = True\n"


def loaded(rig: Guesthouse) -> None:
    """Loaded as the desk does: with the source it has read."""
    rig.start()
    source = guest()
    assert rig.command(LoadStrategy(spec=GUEST_SPEC, source=source, source_hash=source_hash(source)), "dot").ok
    assert sources(rig) == []


def test_a_file_that_was_changed_is_told_to_those_who_run_it(house) -> None:
    rig = house(guest())
    loaded(rig)
    before = len(rig.alerts())
    rig.ingest(StrategyFileChanged(file="guest.py", strategies=("gone",)))
    rig.ingest(StrategyFileChanged(file="guest.py", strategies=("gone", "guest")))
    assert rig.alerts()[before:] == ["strategy_changed"]


@pytest.mark.parametrize("status", [StrategyStatus.RUNNING, StrategyStatus.PAUSED, StrategyStatus.QUARANTINED])
def test_reloaded_it_begins_anew_and_what_was_paused_stays_that(house, status: StrategyStatus) -> None:
    rig = house(guest())
    loaded(rig)
    rig.touch()
    assert rig.guest.memory.calls
    if status is StrategyStatus.PAUSED:
        rig.command(c.PauseStrategy(strategy="guest"), "dot")
    elif status is StrategyStatus.QUARANTINED:
        rig.ingest(StrategyFault(strategy="guest", problem="too slow", quarantine=True))
    rig.write(CHANGED)
    assert rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash(CHANGED)), "dot").ok
    expected = StrategyStatus.PAUSED if status is StrategyStatus.PAUSED else StrategyStatus.RUNNING
    assert rig.guest.status is expected
    assert rig.guest.memory.calls == 0
    assert rig.guest.by == "dot"


def test_a_text_that_nobody_asked_for_is_not_reloaded_and_what_runs_goes_on(house) -> None:
    rig = house(guest())
    loaded(rig)
    rig.write(CHANGED + "# and once more\n")
    done = rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash(CHANGED)), "dot")
    assert done.reason is Reason.BAD_VALUE
    assert rig.guest.source_hash == source_hash(guest())
    assert rig.guest.status is StrategyStatus.RUNNING
    rig.write("def half(:\n")
    assert not rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash("def half(:\n")), "dot").ok
    rig.touch()
    assert rig.guest.status is StrategyStatus.RUNNING


def test_killed_right_after_it_was_reloaded_what_was_decided_then_stands_whatever_the_file_says_now(house) -> None:
    rig = house(guest())
    loaded(rig)
    rig.write(CHANGED)
    assert rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash(CHANGED)), "dot").ok
    rig.write("raise ValueError('half an edit')\n")
    rig.restart()
    [reload] = [e.seq for e in rig.events() if isinstance(getattr(e, "command", None), c.ReloadStrategy)]
    assert [e.fault for e in rig.events() if isinstance(e, Decided) and e.cause == reload] == [""]
    assert rig.guest.status is StrategyStatus.QUARANTINED


def test_where_loading_takes_votes_other_code_does_not_come_in_with_parameters(house) -> None:
    rig = house(guest())
    loaded(rig)
    rig.core.state.settings = replace(
        rig.core.state.settings, approvals=replace(rig.core.state.settings.approvals, enabled=True, load_votes=1)
    )
    rig.write(CHANGED)
    done = rig.command(c.SetParams(strategy="guest"), "dot")
    assert done.reason is Reason.BAD_VALUE
    assert "/strategies reload" in done.text
    asked = rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash(CHANGED)), "dot")
    assert asked.request
    assert rig.guest.source_hash == source_hash(guest())
    assert rig.command(c.Approve(request=asked.request), "bob").ok
    assert rig.guest.source_hash == source_hash(CHANGED)


@pytest.mark.parametrize("known", [True, False])
def test_where_loading_takes_votes_other_code_does_not_come_in_with_a_start(house, known: bool) -> None:
    rig = house(guest())
    loaded(rig)
    rig.core.state.settings = replace(
        rig.core.state.settings, approvals=replace(rig.core.state.settings.approvals, enabled=True, load_votes=1)
    )
    rig.ingest(StrategyFault(strategy="guest", problem="too slow", quarantine=True))
    rig.guest.source_hash = rig.guest.source_hash if known else ""
    asked = rig.command(c.StartStrategy(strategy="guest"), "dot")
    rig.write(CHANGED)
    done = rig.command(c.Approve(request=asked.request), "bob")
    assert "/strategies reload" in done.text
    assert rig.guest.source_hash != source_hash(CHANGED)
    asked = rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash(CHANGED)), "dot")
    assert rig.command(c.Approve(request=asked.request), "bob").ok
    assert rig.guest.status is StrategyStatus.RUNNING


@pytest.mark.parametrize("how", ["set", "reload", "start", "restart"])
def test_a_source_that_changed_is_recorded_wherever_it_comes_in(house, how: str) -> None:
    rig = house(guest())
    loaded(rig)
    rig.write(CHANGED)
    if how == "set":
        assert rig.command(c.SetParams(strategy="guest"), "dot").ok
    elif how == "reload":
        assert rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash(CHANGED)), "dot").ok
    elif how == "start":
        rig.ingest(StrategyFault(strategy="guest", problem="too slow"))
        assert rig.command(c.StartStrategy(strategy="guest"), "dot").ok
    else:
        rig.restart()
    assert sources(rig) == [CHANGED]
    assert rig.guest.source_hash == source_hash(CHANGED)
    assert rig.alerts().count("source") == 1
    rig.restart()
    assert sources(rig) == [CHANGED], "once is enough"
    again = Core(State())
    replay(rig.journal.records(), again, with_code=False)
    assert again.state.strategies["guest"].source_hash == source_hash(CHANGED)


def test_a_replay_over_a_reload_and_a_refused_one_comes_to_the_same_state_without_any_file(house) -> None:
    rig = house(guest())
    loaded(rig)
    rig.touch()
    rig.write(CHANGED)
    assert rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash(CHANGED)), "dot").ok
    rig.touch(600_001)
    rig.write("import os\n")
    assert not rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash("import os\n")), "dot").ok
    rig.touch(600_002)
    again = Core(State())
    replay(rig.journal.records(), again, with_code=False)
    assert state_hash(again.state) == state_hash(rig.core.state)


def test_parameters_that_are_refused_leave_the_code_that_ran(house) -> None:
    rig = house(guest())
    loaded(rig)
    rig.touch()
    rig.write("class Guest(")
    assert rig.command(c.SetParams(strategy="guest", params={"x": 1}), "dot").reason is Reason.BAD_VALUE
    assert rig.guest.status is StrategyStatus.RUNNING
    rig.touch(600_001)
    assert rig.guest.memory.calls == 2
    assert rig.guest.source_hash == source_hash(guest())
    assert SPEC.id in rig.core.code


def is_of_one_piece(core: Core) -> bool:
    """A view keeps the state and the code of its strategy, so that waking it looks neither of them up."""
    return bool(core.views) and all(
        view.strategy is core.state.strategies[name] and view.code is core.code.get(name)
        for name, view in core.views.items()
    )


def test_who_is_woken_has_the_state_and_the_code_in_force_whatever_replaced_them(house) -> None:
    rig = house(guest())
    loaded(rig)
    assert is_of_one_piece(rig.core)
    rig.write(CHANGED)
    assert rig.command(c.ReloadStrategy(strategy="guest", source_hash=source_hash(CHANGED)), "dot").ok
    assert is_of_one_piece(rig.core)
    assert rig.command(c.SetParams(strategy="guest", params={}), "dot").ok
    assert is_of_one_piece(rig.core)
    assert rig.command(c.UnloadStrategy(strategy="guest"), "dot").ok
    loading = LoadStrategy(spec=GUEST_SPEC, source=CHANGED, source_hash=source_hash(CHANGED))
    assert rig.command(loading, "dot").ok
    assert "guest" in rig.core.views
    assert is_of_one_piece(rig.core)
    rig.kernel.snapshot()
    rig.touch()
    rig.crash()
    assert "guest" in rig.core.views
    assert is_of_one_piece(rig.core)
