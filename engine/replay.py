"""Replaying a journal folder: the same events through the same step, and what the engine knew then."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import DecodeError, Struct

from domain.codec import to_json
from domain.errors import ReplayMismatch
from domain.events import CommandReceived, EngineStarted, Event
from domain.facts import Fact
from domain.instrument import Instrument, InstrumentId
from domain.ports import Snapshot
from engine import desk_views as views
from engine.core.core import Core
from engine.core.journal import JournalReader, SnapshotStore
from engine.core.recovery import forget_effects, grouped, replay, state_hash, state_of
from engine.core.state import State
from engine.core.step import step
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
    missing: tuple[str, ...]
    note: str
    knew: dict[str, Any]

    @property
    def ok(self) -> bool:
        """True when everything that could be compared was equal."""
        return not self.mismatches

    def as_json(self) -> str:
        """The report for programs."""
        return to_json(self).decode()

    def as_text(self) -> str:
        """The report for people."""
        at = dt.datetime.fromtimestamp(self.ts_ns / 1e9, tz=dt.UTC).isoformat(timespec="milliseconds")
        lines = [
            f"Replayed {self.events} events up to seq {self.seq} ({at}).",
            *([self.note] if self.note else []),
            f"State hash   {self.state_hash}",
            f"Effects hash {self.effects_hash}",
            f"Snapshots reproduced: {self.snapshots_reproduced} of {self.snapshots_checked}",
            *(f"MISMATCH: {text}" for text in self.mismatches),
            *(f"Market data gone: {text}" for text in self.missing),
            "What the engine knew:",
        ]
        for topic, rows in self.knew.items():
            lines.append(f"  {topic}:")
            lines += [f"    {row}" for row in (rows if isinstance(rows, list) else [rows])] or ["    none"]
        return "\n".join(lines)


def replay_folder(
    folder: Path, *, until_seq: int | None = None, until_ns: int | None = None, with_code: bool = False
) -> ReplayReport:
    """Replay a journal from its beginning, or from where the build that wrote its end took over.

    Events of another build are not stepped: what they meant then is in the snapshot that its successor wrote.
    Strategies of the user's own are looked for beside the journal, as the service does.
    """
    reader = JournalReader(folder)
    start, state, note = beginning(folder, until_seq)
    core = Core(state)
    if with_code:
        core.make_code = partial(build, folder=folder.parent / "strategies")
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
        events = replay(
            reader.records(start), core, until_seq=until_seq, until_ns=until_ns, with_code=with_code, each=check
        )
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
        missing=tuple(str(span) for span in reader.missing),
        note=note,
        knew=knowledge(core),
    )


def beginning(folder: Path, until_seq: int | None) -> tuple[int, State, str]:
    """First seq to replay, the state before it, and what to tell people when that is not the very beginning."""
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
    if first == builds[0][0]:
        return 0, State(), note
    snapshot = SnapshotStore(folder / "snapshots", keep=KEPT_SNAPSHOTS).load(first - 1)
    if snapshot is None:
        return 0, State(), f"{note} Events before seq {first} are of another build and may not replay exactly.".strip()
    return snapshot.seq + 1, state_of(snapshot), f"{note} Starts at seq {first}: before, another build ran.".strip()


def saved(folder: Path) -> list[State]:
    """The state in every snapshot that this build can read, newest first."""
    store = SnapshotStore(folder / "snapshots", keep=KEPT_SNAPSHOTS)
    found: list[State] = []
    snapshot = store.load()
    while snapshot is not None:
        with suppress(DecodeError):
            found.append(state_of(snapshot))
        snapshot = store.load(snapshot.seq - 1)
    return found


def knowledge(core: Core) -> dict[str, Any]:
    """What the engine knew at the end of a replay, in decimals and words."""
    now_ns = core.state.ts_ns
    rows: dict[str, Callable[[], Any]] = {
        "status": lambda: views.status(core, now_ns, "replay"),
        "positions": lambda: views.positions(core),
        "orders": lambda: views.orders(core, now_ns, recent=False),
        "strategies": lambda: views.strategies(core),
        "money": lambda: views.pnl(core),
        "pending": lambda: views.pending(core),
    }
    return {topic: json.loads(to_json(read())) for topic, read in rows.items()}


class FactSource:
    """Every fact of a journal, in order, by replaying it without code."""

    def __init__(self, folder: Path) -> None:
        """Read `folder`; the first event tells the installation. `instruments` grow while the facts are read."""
        self._folder = folder
        self.core = Core(State())
        self.instruments: dict[InstrumentId, Instrument] = {}
        self.installation = ""
        for event, _ in grouped(JournalReader(folder).records(0, market=False, to_seq=1)):
            self.installation = getattr(event, "installation", "")

    def __iter__(self) -> Iterator[Fact]:
        """Replay and yield. Where another build took over, its state is the one of the snapshot it began with."""
        store = SnapshotStore(self._folder / "snapshots", keep=KEPT_SNAPSHOTS)
        build = ""
        for event, decisions in grouped(JournalReader(self._folder).records(0)):
            if isinstance(event, EngineStarted):
                if build not in {"", event.build}:
                    self._adopt(store.load(event.seq - 1))
                build = event.build
            core = self.core
            core.replayed = {d.call: d for d in decisions}
            step(core, event)
            if type(event) in {EngineStarted, CommandReceived}:
                self.instruments.update(core.instruments)
            yield from core.facts
            forget_effects(core)

    def _adopt(self, snapshot: Snapshot | None) -> None:
        if snapshot is not None and snapshot.seq >= self.core.state.seq:
            self.core = Core(state_of(snapshot))


def facts_of(folder: Path) -> FactSource:
    """Every fact of a journal folder."""
    return FactSource(folder)
