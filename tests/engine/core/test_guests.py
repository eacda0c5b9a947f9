"""A user's file that hangs or breaks wherever it is run: its strategy is quarantined, the service goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec import Struct

from domain import commands as c
from domain.codec import decode_event
from domain.commands import Door, LoadStrategy
from domain.desired import Desired
from domain.events import Event
from domain.facts import StrategyStatus
from domain.files import StrategyFileBroken
from domain.market import Mark
from domain.settings import StrategySpec
from domain.strategy import View
from domain.verdict import Reason
from engine.core.core import AnyStrategy, Core
from engine.core.guard import Guard, Timed
from engine.core.recovery import recover, replay, state_hash
from engine.core.state import State
from engine.strategies import registry
from tests.engine.core.rig import ACCOUNT, BTC, SUB, WIDE, Rig, places, target, wants

GUEST = """
from msgspec import Struct

from domain.desired import NOTHING, Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, View
TOP


class Memory(Struct):
    calls: int = 0


class Guest(Strategy[Memory, Params]):
    kind = "guest"
    params_type = Params
    memory_type = Memory

    def __init__(self, instruments, params):
        super().__init__(instruments, params)
        INIT

    def feeds(self):
        FEEDS
        return (Feed(kind=FeedKind.BBO, instrument=self.instruments[0]),)

    def warmup(self):
        WARMUP
        return 0

    def start(self):
        START
        return Memory()

    def decide(self, memory, view):
        memory.calls += 1
        DECIDE
        return memory, NOTHING
"""
PLACES = ("TOP", "INIT", "FEEDS", "WARMUP", "START", "DECIDE")
HANGS = "while True: pass"
FINE = ""
GUEST_SPEC = StrategySpec(id="guest", kind="guest", account=SUB, instruments=(BTC.id,))


def guest(place: str = "", what: str = "") -> str:
    """The text of a guest that does something at one place."""
    text = GUEST
    for name in PLACES:
        text = text.replace(name, what if name == place and what else "pass")
    return text


class Guesthouse(Rig):
    """A rig whose strategy `guest` is a file, loaded and watched as the service does."""

    def __init__(self, folder: Path, guard: Guard, text: str) -> None:
        self.folder, self.guard, self.calls = folder, guard, 0
        self.write(text)
        super().__init__(WIDE)

    def wait_at_most(self, seconds: float) -> None:
        """How long the guest's code may take from now on."""
        self.guard.hang_s = self.guard.load_s = seconds

    def write(self, text: str) -> None:
        (self.folder / "guest.py").write_text(text)

    def make_core(self, state: State) -> Core:
        core = super().make_core(state)
        core.contain = self.guard.call
        return core

    def make_code(self, spec: StrategySpec) -> AnyStrategy:
        if spec.kind != "guest":
            return super().make_code(spec)
        return Counted(registry.build(spec, self.folder), spec.id, self)  # type: ignore[return-value]

    def restart(self) -> None:
        self.crash()
        for account in (ACCOUNT, SUB):
            self.snapshot(account=account)

    def events(self) -> list[Event]:
        return [decode_event(record.payload) for record in self.journal.records()]

    @property
    def guest(self):
        return self.core.state.strategies["guest"]

    def others_trade(self) -> bool:
        self.sent.clear()
        qty = 0.1 if self.slot().target in {None, 200} else 0.2
        return bool(places(self.want(wants(target(qty, f"e{self.kernel.seq}")), 600_000 + self.kernel.seq % 7)))


class Counted(Timed):
    """Counts its decisions."""

    def __init__(self, strategy: AnyStrategy, strategy_id: str, house: Guesthouse) -> None:
        super().__init__(strategy, strategy_id, house.guard)
        self._house = house

    def decide(self, memory: Struct, view: View) -> tuple[Struct, Desired]:
        self._house.calls += 1
        return super().decide(memory, view)


@pytest.fixture
def guard() -> Iterator[Guard]:
    before = signal.getsignal(signal.SIGUSR2)
    made = Guard(lambda strategy, problem: None)
    made.start()
    yield made
    made.stop()
    signal.signal(signal.SIGUSR2, before)


@pytest.fixture
def house(tmp_path: Path, guard: Guard):
    return partial(Guesthouse, tmp_path, guard)


def configured(rig: Guesthouse) -> None:
    rig.start()
    rig.command(LoadStrategy(spec=GUEST_SPEC), door=Door.SYSTEM)


QUARANTINED = StrategyStatus.QUARANTINED


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", [HANGS, "raise SystemExit(1)", "raise KeyboardInterrupt", "raise ValueError('a bug')"])
def test_one_that_the_settings_ask_for_is_quarantined_and_the_others_trade(house, place: str, what: str) -> None:
    rig = house(guest(place, what))
    rig.wait_at_most(0.2 if what == HANGS else 10)
    configured(rig)
    assert rig.others_trade(), "the touch wakes the guest too"
    assert rig.guest.status is QUARANTINED
    assert ("did not come back" if what == HANGS else what.split()[1].partition("(")[0]) in rig.guest.detail
    assert rig.others_trade()


@pytest.mark.parametrize("place", PLACES)
def test_what_hung_is_not_run_again_by_recovery_nor_by_a_replay_of_any_kind(house, place: str) -> None:
    rig = house(guest(place, HANGS))
    rig.wait_at_most(0.2)
    configured(rig)
    rig.touch()
    assert rig.guest.status is QUARANTINED
    rig.guard.stop()
    for with_code in (True, False):
        again = rig.make_core(State()) if with_code else Core(State())
        replay(rig.journal.records(), again, with_code=with_code)
        assert state_hash(again.state) == state_hash(rig.core.state)
    rig.ingest(Mark(instrument=BTC.id, price=600_000))
    core, _ = recover(rig.journal.reopened(), rig.make_core, "b")
    assert state_hash(core.state) == state_hash(rig.core.state)


@pytest.mark.parametrize("place", PLACES[:5])
def test_one_edited_to_hang_while_it_was_down_costs_itself_and_not_the_restart(house, place: str) -> None:
    rig = house(guest())
    configured(rig)
    rig.touch()
    assert rig.guest.memory.calls == 1
    rig.write(guest(place, HANGS))
    rig.wait_at_most(0.2)
    rig.restart()
    assert rig.guest.status is QUARANTINED
    assert "did not come back" in rig.guest.detail
    assert rig.others_trade()
    rig.restart()
    assert rig.guest.status is QUARANTINED
    rig.wait_at_most(10)
    rig.write(guest())
    assert rig.command(c.StartStrategy(strategy="guest"), "dot").ok
    assert rig.guest.status is StrategyStatus.RUNNING


@pytest.mark.parametrize("what", [HANGS, "1 / 0"])
def test_decisions_edited_to_fail_are_tried_once_in_recovery_and_not_for_each_event(house, what: str) -> None:
    rig = house(guest())
    configured(rig)
    for bid in range(600_000, 600_020):
        rig.touch(bid)
    expected = rig.core.state.strategies["script"].desired
    rig.write(guest("DECIDE", what))
    rig.wait_at_most(0.2)
    rig.calls = 0
    rig.restart()
    assert rig.guest.status is QUARANTINED
    assert rig.calls == 1
    assert "its code was changed and fails on what it went through" in rig.guest.detail
    assert rig.core.state.strategies["script"].desired == expected
    again = Core(State())
    replay(rig.journal.records(), again, with_code=False)
    assert state_hash(again.state) == state_hash(rig.core.state)


def test_a_person_who_loads_one_that_cannot_be_used_is_refused_with_the_reason(house) -> None:
    rig = house(guest("FEEDS", HANGS))
    rig.wait_at_most(0.2)
    rig.start()
    done = rig.command(LoadStrategy(spec=GUEST_SPEC), "dot")
    assert done.reason is Reason.BAD_VALUE
    assert "did not come back" in done.text
    assert "guest" not in rig.core.state.strategies


def test_a_configured_one_is_started_when_its_file_is_mended(house) -> None:
    rig = house("class Guest(")
    configured(rig)
    assert rig.guest.status is QUARANTINED
    assert "quarantine" in rig.alerts()
    rig.write(guest())
    assert rig.command(c.StartStrategy(strategy="guest"), "dot").ok
    assert rig.guest.status is StrategyStatus.RUNNING
    rig.touch()
    assert rig.guest.memory.calls == 1


@pytest.mark.parametrize(
    ("place", "what", "why"),
    [
        ("FEEDS", "return None", "feeds"),
        ("FEEDS", "return ('BTC',)", "feeds"),
        ("FEEDS", "return (Feed(kind='bar', instrument=7),)", "feeds"),
        ("FEEDS", "return (Feed(kind=FeedKind.BBO, instrument='DOGE'),)", "DOGE"),
        ("FEEDS", "return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0]),)", "interval_ns"),
        ("WARMUP", "return 2.5", "warmup"),
        ("WARMUP", "return -1", "warmup"),
        ("WARMUP", "return 10**12", "warmup"),
        ("START", "return None", "start"),
        ("START", "return object()", "start"),
    ],
)
def test_what_it_says_of_itself_must_make_sense(house, place: str, what: str, why: str) -> None:
    rig = house(guest(place, what))
    rig.start()
    done = rig.command(LoadStrategy(spec=GUEST_SPEC), "dot")
    assert done.reason is Reason.BAD_VALUE
    assert why in done.text


def test_an_error_names_the_line_of_the_users_file(house) -> None:
    rig = house(guest("DECIDE", "return nonsense"))
    configured(rig)
    rig.touch()
    line = guest("DECIDE", "return nonsense").splitlines().index("        return nonsense") + 1
    assert rig.guest.detail == f"NameError: name 'nonsense' is not defined (guest, line {line})"


def test_memory_of_a_users_class_outlives_a_restart_that_reads_the_file_anew(house) -> None:
    rig = house(guest())
    configured(rig)
    rig.touch()
    rig.kernel.snapshot()
    rig.touch(600_001)
    rig.restart()
    assert rig.guest.status is StrategyStatus.RUNNING
    rig.touch(600_002)
    assert rig.guest.memory.calls == 3


def test_a_file_that_cannot_be_used_is_told(house) -> None:
    rig = house(guest())
    rig.start()
    rig.ingest(StrategyFileBroken(file="half.py", problem="line 3: '(' was never closed"))
    assert rig.alerts() == ["strategy_file"]
