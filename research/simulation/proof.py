"""What must hold of the alerts of a run, and at the end of the day: liveness, agreement, flatness, replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from domain.errors import ReplayMismatch
from domain.events import Event
from domain.facts import Alerted, Fact, FillBooked
from engine.core.core import Core
from engine.core.journal import FileJournal, verify
from engine.core.journal.memory import MemoryJournal
from engine.core.kernel import Kernel
from engine.core.recovery import replay, state_hash
from engine.core.state import State
from research.simulation import books
from research.simulation.cast import HAND, make_code
from research.simulation.disk import DiskJournal
from research.simulation.door import Door
from research.simulation.violation import Violation, require

IMPOSSIBLE = frozenset({"position_mismatch", "cash_mismatch", "foreign_order", "foreign_fill"})
"""Alerts that nothing in the simulated world can justify: nobody else's order fills on these accounts."""


def judge_facts(door: Door, facts: Sequence[Fact], *, lost_tail: bool) -> None:
    """Alerts that say something which is not so. A fill may be unexplained only when its record was lost."""
    for fact in facts:
        if not isinstance(fact, Alerted):
            continue
        is_so = fact.kind == "foreign_order" and f" {HAND}" in fact.text
        require(is_so or fact.kind not in IMPOSSIBLE, "no false alarm", f"{fact.kind}: {fact.text}")
        if fact.kind == "unexplained_fill":
            booked = [f.cid for f in facts if isinstance(f, FillBooked)]
            require(any(explained(door, cid, lost_tail=lost_tail) for cid in booked), "no false alarm", fact.text)


def explained(door: Door, cid: str, *, lost_tail: bool) -> bool:
    """True when the engine cannot know of the order behind a fill."""
    sent = door.sent.get(cid)
    return cid.startswith("LIQ-") or (sent is not None and sent.place.reduce_only and lost_tail)


def finish(kernel: Kernel, door: Door, *, flattened: bool, quiet_points: int) -> None:
    """The end of a day that ended calmly."""
    require(quiet_points > 0, "liveness", f"never quiet after the faults had ended: {books.why_restless(kernel)}")
    quiet = books.engine_is_quiet(kernel)
    require(quiet, "liveness", f"still waiting at the end: {books.why_restless(kernel)}")
    books.check_agreement(kernel, door)
    door.exchange.check()
    if flattened:
        books.check_flat(kernel, door)


def check_replay(
    journal: DiskJournal | MemoryJournal,
    live: Core,
    *,
    with_code: bool,
    told: Mapping[tuple[int, int], Fact] | None = None,
) -> str:
    """Replaying the journal from its first record, with or without the strategies' code, gives the same state.

    And the facts that were `told`, under the same numbers; None = it makes none.
    """
    journal.flush()
    expected = state_hash(live.state)
    core = Core(State(), facts_on=told is not None)
    if with_code:
        core.make_code = make_code
    rebuilt: dict[tuple[int, int], Fact] = {}

    def note(_event: Event, core: Core) -> None:
        rebuilt.update({(fact.seq, fact.index): fact for fact in core.facts})

    try:
        replay(journal.records(), core, with_code=with_code, each=note if told is not None else None)
    except ReplayMismatch as mismatch:
        raise Violation("replay", str(mismatch)) from mismatch
    same_effects = core.state.effects_hash == live.state.effects_hash
    if not same_effects or state_hash(core.state) != expected:
        text = f"replay {'with' if with_code else 'without'} code ends in another state"
        differs = difference(core.state, live.state)
        raise Violation("replay", f"{'' if same_effects else 'other effects; '}{text}: {differs}")
    if told is not None:
        compare_facts(told, rebuilt)
    return expected


def check_snapshot(journal: DiskJournal, recovered: Core) -> None:
    """What recovery made of a snapshot and the rest is what the whole journal makes."""
    core = Core(State(), facts_on=False)
    core.make_code = make_code
    replay(journal.records(), core)
    core.state.seq = recovered.state.seq
    same = state_hash(core.state) == state_hash(recovered.state)
    require(same, "snapshot", f"from the first record: {difference(core.state, recovered.state)} differ")


def compare_facts(told: Mapping[tuple[int, int], Fact], rebuilt: Mapping[tuple[int, int], Fact]) -> None:
    """Facts are rebuilt by a replay: the same ones under the same numbers."""
    for number in sorted(told.keys() | rebuilt.keys()):
        was, now = told.get(number), rebuilt.get(number)
        if was != now:
            raise Violation("facts replay", f"{number}: {was} was told, the replay says {now}")


def difference(a: State, b: State) -> str:
    """Names of what differs between two states."""
    names = [
        name
        for name in State.__slots__
        if name not in {"markets", "strategies", "settings"} and getattr(a, name) != getattr(b, name)
    ]
    return ", ".join(names) or "strategies or settings"


def check_audit(journal: DiskJournal) -> None:
    """The same records in a journal on a real disk make a chain that verifies."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        disk = FileJournal(path, fsync=False, segment_bytes=64 * 1024)
        for record in journal.records():
            disk.append(record.stream, record.seq, record.ts_ns, record.payload)
        disk.close()
        report = verify(path)
        require(report.ok, "audit chain", str(report))
