"""From a journal back to a state: the newest snapshot, then every event after it through the same `step`.

Foreign events are never stepped: those of another build, and those behind a hole in the sequence (market data that
is gone). A migrated snapshot stands if there is nothing after it; otherwise `foreign` keeps what people and venues
said, and trading starts latched at REDUCING.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from domain import events as e
from domain.codec import decode_event, digest, encode
from domain.errors import JournalError, ReplayMismatch
from domain.facts import Fact
from domain.ports import MAIN_STREAM, Journal, Record, Snapshot
from engine.core import foreign, strategies
from engine.core.core import Core
from engine.core.state import STATE_VERSION, State, decode_state
from engine.core.step import step


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What recovery did: for logs, `doctor` and the first alert of a run."""

    events: int
    snapshot_seq: int
    same_build: bool
    hole: int
    """First event that is missing after the snapshot, because its market segment is gone; 0 = none."""
    last_build: str
    was_stopped_cleanly: bool
    """The last record is `EngineStopped`."""
    last_seq: int


def recover(
    journal: Journal,
    core_factory: Callable[[State], Core],
    build: str,
    on_facts: Callable[[list[Fact]], None] | None = None,
) -> tuple[Core, Recovery]:
    """Rebuild the core from a journal; effects are dropped, facts go to `on_facts` (to catch projections up)."""
    snapshot, state = usable(journal)
    core = core_factory(state)
    start = snapshot.seq if snapshot is not None else 0
    last_build = snapshot.build if snapshot is not None else ""
    same = snapshot is None or (snapshot.build == build and snapshot.version == STATE_VERSION)
    if snapshot is not None and same:
        # what cannot be loaded now was running then: the events that follow are replayed by the record
        core.all_known = True
        strategies.reattach(core)
        forget_effects(core)
    count = 0
    seq = start
    hole = 0
    last: e.Event | None = None
    decided: list[e.Decided] = []
    for event, decisions, is_last in with_last(grouped(journal.records(start + 1))):
        if is_after_hole(event, seq):
            hole = hole or seq + 1
        seq = decisions[-1].seq if decisions else event.seq
        count += 1 + len(decisions)
        last = event
        if isinstance(event, e.EngineStarted):
            last_build = event.build
            same = event.build == build and (same or snapshot is None)
        core.known = {d.call: d for d in decisions} if decisions else {}
        core.all_known, core.known_before = not is_last, max(core.known) if decisions else 0
        if same and not hole:
            step(core, event)
        else:
            foreign.keep_books(core, event, decisions)
        if on_facts is not None and core.facts:
            on_facts(core.facts)
        decided = [d for d in core.decisions if d.call not in core.known] if core.decisions else []
        forget_effects(core)
    core.known, core.all_known, core.known_before = {}, False, 0
    for decision in decided:
        # the crash came between an event and the record of what it made strategies want
        seq += 1
        decision.seq, decision.ts_ns = seq, core.state.ts_ns
        journal.append(MAIN_STREAM, seq, decision.ts_ns, encode(decision))
    if seq < journal.last_seq:
        hole = hole or seq + 1
    core.state.seq = max(seq, core.state.seq, journal.last_seq)
    if hole:
        foreign.finish(core, f"market data from event {hole} on is gone; the venue's word stands")
    elif not same and count:
        foreign.finish(core, "the build changed after a crash; the venue's word stands")
    return core, Recovery(
        events=count,
        snapshot_seq=start,
        same_build=same,
        hole=hole,
        last_build=last_build,
        was_stopped_cleanly=isinstance(last, e.EngineStopped) or (snapshot is not None and last is None),
        last_seq=core.state.seq,
    )


def is_after_hole(event: e.Event, before_seq: int) -> bool:
    """Whether events are missing between `before_seq` and this one; a start after a lost tail says so itself."""
    return event.seq > before_seq + 1 and not (isinstance(event, e.EngineStarted) and bool(event.lost))


def forget_effects(core: Core) -> None:
    """What a replayed event caused has been done, or will be found out by asking the venue."""
    core.intents.clear()
    core.facts = []
    core.decisions.clear()


def usable(journal: Journal) -> tuple[Snapshot | None, State]:
    """The newest snapshot that this build can read, and its state; without one the records tell everything."""
    snapshot = journal.load_snapshot()
    while snapshot is not None:
        try:
            return snapshot, state_of(snapshot)
        except msgspec.DecodeError:
            snapshot = journal.load_snapshot(snapshot.seq - 1)
    return None, State()


def state_of(snapshot: Snapshot | None) -> State:
    """The state in a snapshot, migrated to this version. Raises `JournalError` for one from the future."""
    if snapshot is None:
        return State()
    if snapshot.version > STATE_VERSION:
        raise JournalError(
            f"the snapshot at seq {snapshot.seq} has format {snapshot.version}, this build knows {STATE_VERSION}: "
            "start the newer build, or restore a backup of the data directory"
        )
    return decode_state(snapshot.payload)


def state_hash(state: State) -> str:
    """Digest of what must replay exactly: orders, fills, cash, verdicts, effects; not raw strategy memory."""
    return digest(
        [
            state.seq,
            state.ts_ns,
            state.trading,
            state.latched,
            state.starting,
            state.venues,
            state.slots,
            state.accounts,
            state.requests,
            state.closed,
            state.timers,
            state.budgets,
            [list(seen) for seen in state.fills_seen.values()],
            list(state.commands_seen),
            [(s.spec, s.status, s.desired, s.fills, s.realised, s.fees) for s in state.strategies.values()],
            state.effects_hash,
            state.samples,
            state.shares,
            state.cuts,
        ]
    )


def replay(
    records: Iterable[Record],
    core: Core,
    *,
    until_seq: int | None = None,
    until_ns: int | None = None,
    with_code: bool = True,
    each: Callable[[e.Event, Core], None] | None = None,
) -> int:
    """Step recorded events through `core`; returns how many.

    With code, recorded decisions are compared with what the code decides now and the first difference
    raises `ReplayMismatch`; without, they stand in for the code. Raises `JournalError` at a hole in the sequence.
    """
    count = 0
    seq = core.state.seq
    for event, decisions in grouped(records):
        if (until_seq is not None and event.seq > until_seq) or (until_ns is not None and event.ts_ns > until_ns):
            break
        check_no_hole(event, seq)
        seq = decisions[-1].seq if decisions else event.seq
        core.replayed = None if with_code else {d.call: d for d in decisions}
        core.known = {d.call: d for d in decisions if d.fault} if with_code and decisions else {}
        step(core, event)
        if with_code:
            compare(event, decisions, core.decisions)
        if each is not None:
            each(event, core)
        forget_effects(core)
        count += 1
    core.replayed = None
    core.known = {}
    return count


def check_no_hole(event: e.Event, before_seq: int) -> None:
    """Raise `JournalError` when events are missing before this one: nothing after them can be reproduced."""
    if is_after_hole(event, before_seq):
        raise JournalError(
            f"events {before_seq + 1} to {event.seq - 1} are gone (market segments archived or removed): a replay "
            f"cannot pass them. Put the segments back, or replay up to --seq {before_seq}; `audit verify` names them"
        )


def compare(event: e.Event, recorded: list[e.Decided], now: list[e.Decided]) -> None:
    """Raise `ReplayMismatch` when the code decides otherwise than it did."""
    if not recorded and not now:
        return
    if len(recorded) != len(now) or any(
        (a.call, a.strategy, encode(a.desired), a.fault) != (b.call, b.strategy, encode(b.desired), b.fault)
        for a, b in zip(recorded, now, strict=True)
    ):
        raise ReplayMismatch(
            f"seq {event.seq}: the journal records {[describe(d) for d in recorded]}, the code now decides "
            f"{[describe(d) for d in now]}. Replay without code shows what happened then."
        )


def describe(decided: e.Decided) -> str:
    """One decision in a line."""
    return f"{decided.strategy}: {decided.fault or decided.desired or 'attached'}"


def with_last(
    pairs: Iterable[tuple[e.Event, list[e.Decided]]],
) -> Iterator[tuple[e.Event, list[e.Decided], bool]]:
    """The same pairs, telling which is the last: its decisions may be incomplete."""
    held: tuple[e.Event, list[e.Decided]] | None = None
    for pair in pairs:
        if held is not None:
            yield *held, False
        held = pair
    if held is not None:
        yield *held, True


def grouped(records: Iterable[Record]) -> Iterator[tuple[e.Event, list[e.Decided]]]:
    """Each event with the decisions that were recorded behind it; those of an event that is gone are left out."""
    held: e.Event | None = None
    decisions: list[e.Decided] = []
    for record in records:
        event = decode_event(record.payload)
        if isinstance(event, e.Decided):
            if held is not None and event.cause == held.seq:
                decisions.append(event)
            continue
        if held is not None:
            yield held, decisions
            decisions = []
        held = event
    if held is not None:
        yield held, decisions
