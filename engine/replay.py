"""Replaying a journal folder: the same events through the same step, and what the engine knew then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import DecodeError, Struct
from msgspec.structs import asdict

from domain.codec import to_json
from domain.errors import JournalError, ReplayMismatch
from domain.events import CommandReceived, EngineStarted, Event
from domain.facts import Fact
from domain.instrument import Instrument, InstrumentId
from domain.settings import Settings, StrategySpec
from engine.core.core import AnyStrategy, Core
from engine.core.journal import JournalReader, MarketSpan, SnapshotStore
from engine.core.journal.snapshots import SNAPSHOT_FOLDER, seq_of
from engine.core.recovery import check_no_hole, forget_effects, grouped, replay, state_hash, state_of
from engine.core.state import State
from engine.core.step import step
from engine.knowledge import as_data, as_lines, utc
from engine.observe.build import build_hash
from engine.strategies.registry import build

KEPT_SNAPSHOTS = 1_000


class ReplayReport(Struct, frozen=True, kw_only=True):
    """What a replay found. `mismatches` are snapshots or decisions that it did not reproduce."""

    events: int
    seq: int
    ts_ns: int
    state_hash: str
    effects_hash: str
    snapshots_checked: int
    snapshots_reproduced: int
    mismatches: tuple[str, ...]
    note: str
    knew: dict[str, Any]
    knew_lines: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when everything that could be compared was equal."""
        return not self.mismatches

    def as_json(self) -> str:
        """The report for programs."""
        fields = asdict(self)
        del fields["knew_lines"]
        return to_json(fields).decode()

    def as_text(self) -> str:
        """The report for people."""
        lines = [
            f"Replayed {self.events} events up to seq {self.seq} ({utc(self.ts_ns)}).",
            *([self.note] if self.note else []),
            f"State hash   {self.state_hash}",
            f"Effects hash {self.effects_hash}",
            f"Snapshots reproduced: {self.snapshots_reproduced} of {self.snapshots_checked}",
            *(f"MISMATCH: {text}" for text in self.mismatches),
            "",
            *self.knew_lines,
        ]
        return "\n".join(lines)


def as_it_is_now(spec: StrategySpec, folder: Path) -> AnyStrategy:
    """A strategy's code, whatever text was asked for then: what it decides now is what a replay with code compares."""
    code = build(spec, folder)
    type(code).source = ""
    return code


def replay_folder(
    folder: Path, *, until_seq: int | None = None, until_ns: int | None = None, with_code: bool = False
) -> ReplayReport:
    """Replay a journal from its beginning, or from where the build that wrote its end took over.

    Events of another build are not stepped: what they meant then is in the snapshot that its successor wrote.
    Strategies of the user's own are looked for beside the journal, as the service does.
    """
    reader = JournalReader(folder)
    if until_ns is not None and (beyond := reader.seq_at(until_ns + 1)) is not None:
        until_seq = beyond - 1 if until_seq is None else min(until_seq, beyond - 1)
    start, state, note = beginning(folder, until_seq)
    core = Core(state)
    if with_code:
        core.make_code = partial(as_it_is_now, folder=folder.parent / "strategies")
    wanted = {state.seq: state_hash(state) for state in saved(folder)}
    mismatches: list[str] = []
    checked = reproduced = 0

    def check(event: Event, now: Core) -> None:
        nonlocal checked, reproduced
        if event.seq in wanted:
            checked += 1
            if wanted[event.seq] == state_hash(now.state):
                reproduced += 1
            else:
                mismatches.append(f"the snapshot at seq {event.seq} is not reproduced")

    events = 0
    try:
        events = replay(reader.records(start), core, until_seq=until_seq, with_code=with_code, each=check)
    except ReplayMismatch as error:
        mismatches.append(str(error))
    return ReplayReport(
        events=events,
        seq=core.state.seq,
        ts_ns=core.state.ts_ns,
        state_hash=state_hash(core.state),
        effects_hash=core.state.effects_hash.hex(),
        snapshots_checked=checked,
        snapshots_reproduced=reproduced,
        mismatches=tuple(mismatches),
        note=note,
        knew=as_data(core),
        knew_lines=tuple(as_lines(core)),
    )


def beginning(folder: Path, until_seq: int | None) -> tuple[int, State, str]:
    """First seq to replay, the state before it, and what to tell people when that is not the very beginning.

    Raises `JournalError` when market data is gone so that nothing before `until_seq` can be gone on from.
    """
    builds: list[tuple[int, str]] = []
    for event, _ in grouped(JournalReader(folder).records(0, market=False)):
        if isinstance(event, EngineStarted) and (until_seq is None or event.seq <= until_seq):
            builds.append((event.seq, event.build))
    if not builds:
        return 0, State(), ""
    last = builds[-1][1]
    took_over = next(seq for seq, build in reversed(builds) if build != last) if builds[0][1] != last else 0
    first = min(seq for seq, build in builds if build == last and seq > took_over)
    note = "" if last == build_hash() else f"Written by build {last[:12]}, replayed by build {build_hash()[:12]}."
    store = SnapshotStore(folder / SNAPSHOT_FOLDER, keep=KEPT_SNAPSHOTS)
    gone = [span for span in JournalReader(folder).gone() if until_seq is None or span.first_seq <= until_seq]
    if gone and gone[-1].last_seq >= first:
        return after_gone(store, gone, until_seq, note)
    if first == builds[0][0]:
        return 0, State(), note
    state = readable(store, first - 1)
    if state is None or (gone and state.seq < gone[-1].last_seq):
        if gone:
            return after_gone(store, gone, until_seq, note)
        return 0, State(), f"{note} Events before seq {first} are of another build and may not replay exactly.".strip()
    return state.seq + 1, state, f"{note} Starts at seq {first}: before, another build ran.".strip()


def readable(store: SnapshotStore, before_seq: int | None = None) -> State | None:
    """The state in the newest snapshot up to `before_seq` that this build can read."""
    snapshot = store.load(before_seq)
    while snapshot is not None:
        with suppress(DecodeError):
            state = state_of(snapshot)
            # the newest event may have records of decisions behind it, which the state has too
            state.seq = max(state.seq, snapshot.seq)
            return state
        snapshot = store.load(snapshot.seq - 1)
    return None


def after_gone(
    store: SnapshotStore, gone: list[MarketSpan], until_seq: int | None, note: str
) -> tuple[int, State, str]:
    """The first readable snapshot behind the newest market data that is gone. Raises `JournalError` without one."""
    behind = gone[-1].last_seq
    for path in store.files():
        if behind <= seq_of(path) and (until_seq is None or seq_of(path) <= until_seq):
            state = readable(store, seq_of(path))
            if state is not None and state.seq >= behind:
                text = f"Starts behind seq {state.seq}: market data up to seq {behind} is gone ({gone[-1].segment})."
                return state.seq + 1, state, f"{note} {text}".strip()
    raise JournalError(
        f"a replay cannot pass the market data that is gone ({gone[-1]}), and no snapshot between it and the end "
        "of this replay is kept. Put the segment back into the journal's folder, or replay up to --seq "
        f"{gone[0].first_seq - 1}"
    )


def settings_in_force(folder: Path) -> Settings:
    """The settings that a data folder's engine has: of its newest snapshot, and of what came after."""
    return state_at_end(folder).settings


def state_at_end(folder: Path) -> State:
    """What a data folder's engine knows at the end of its journal: its newest snapshot, and what came after."""
    core = Core(readable(SnapshotStore(folder / SNAPSHOT_FOLDER, keep=KEPT_SNAPSHOTS)) or State())
    replay(JournalReader(folder).records(core.state.seq + 1), core, with_code=False)
    return core.state


def saved(folder: Path) -> list[State]:
    """The state in every snapshot that this build can read, newest first."""
    store = SnapshotStore(folder / SNAPSHOT_FOLDER, keep=KEPT_SNAPSHOTS)
    found: list[State] = []
    snapshot = store.load()
    while snapshot is not None:
        with suppress(DecodeError):
            found.append(state_of(snapshot))
        snapshot = store.load(snapshot.seq - 1)
    return found


def installation_of(folder: Path) -> str:
    """The installation that writes a journal, "" for an empty one: its first event says it."""
    first = next(grouped(JournalReader(folder).records(0, market=False)), None)
    return getattr(first[0], "installation", "") if first is not None else ""


class FactSource:
    """Facts of a journal, in order, by replaying it without code."""

    def __init__(self, folder: Path, after_seq: int = 0) -> None:
        """Read `folder`; the first event tells the installation. `instruments` grow while the facts are read.

        At least the facts after `after_seq` are told: from the newest snapshot up to there, or else from the beginning.
        """
        self._folder = folder
        self._store = SnapshotStore(folder / SNAPSHOT_FOLDER, keep=KEPT_SNAPSHOTS)
        self.core = Core((readable(self._store, after_seq) if after_seq else None) or State())
        self.instruments: dict[InstrumentId, Instrument] = dict(self.core.instruments)
        self.installation = installation_of(folder)

    def __iter__(self) -> Iterator[Fact]:
        """Replay and yield. Where another build took over, its state is the one of the snapshot it began with.

        Raises `JournalError` where market data is gone: the facts behind it cannot be told.
        """
        build, seq = self.core.state.build, self.core.state.seq
        for event, decisions in grouped(JournalReader(self._folder).records(seq + 1 if seq else 0)):
            check_no_hole(event, seq)
            seq = decisions[-1].seq if decisions else event.seq
            if isinstance(event, EngineStarted):
                if build not in {"", event.build}:
                    self._adopt(readable(self._store, event.seq - 1))
                build = event.build
            core = self.core
            core.replayed = {d.call: d for d in decisions}
            step(core, event)
            if type(event) in {EngineStarted, CommandReceived}:
                self.instruments.update(core.instruments)
            yield from core.facts
            forget_effects(core)

    def _adopt(self, state: State | None) -> None:
        if state is not None and state.seq >= self.core.state.seq:
            self.core = Core(state)


def facts_of(folder: Path, after_seq: int = 0) -> FactSource:
    """Every fact of a journal folder, or at least those after an event."""
    return FactSource(folder, after_seq)
