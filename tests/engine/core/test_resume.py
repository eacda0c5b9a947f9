"""Replay and resumption: the same journal gives the same state, wherever a snapshot or a crash falls."""

from __future__ import annotations

import functools
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import commands as c
from domain.codec import decode_event
from domain.desired import Desired
from domain.events import Decided, Filled
from domain.facts import StrategyStatus
from domain.market import FeedState, FeedStatus
from domain.ports import Record
from domain.settings import StrategySpec
from domain.strategy import Params, View
from engine.core.core import AnyStrategy, Core
from engine.core.journal.memory import MemoryJournal
from engine.core.recovery import recover, replay, state_hash
from engine.core.state import STATE_VERSION, State, decode_state, encode_state
from engine.core.step import step
from engine.strategies import registry
from exchanges.paper.config import FaultKind, FaultRule, PaperConfig
from tests.engine.core.floor import Floor
from tests.engine.core.rig import ACCOUNT, ASKING, BTC, ETH, SUB, NoMemory, Script, target, wants

QUOTER = StrategySpec(
    id="quoter", kind="bench_quoter", account=ACCOUNT, instruments=(BTC.id,),
    params={"every": 7, "ticks_away": 0, "qty": 0.01, "cap": 0.1},
)  # fmt: skip
CROSS = StrategySpec(
    id="cross", kind="ema_cross", account=SUB, instruments=(ETH.id,),
    params={"interval_s": 5, "fast": 2, "slow": 4, "qty": 3.0},
)  # fmt: skip
LOSSY = PaperConfig(
    seed=3,
    faults=(
        FaultRule(fault=FaultKind.DROP_EVENT, probability=0.05, kinds=("accepted", "cancelled")),
        FaultRule(fault=FaultKind.DUPLICATE_EVENT, probability=0.1, kinds=("filled",)),
        FaultRule(fault=FaultKind.DELAY_EVENT, probability=0.1),
        FaultRule(fault=FaultKind.LOSE_ANSWER, probability=0.2, kinds=("place",)),
    ),
)


class Fails(Script):
    """Breaks when it sees the price turn odd, as a user's bug would."""

    def decide(self, memory: NoMemory, view: View) -> tuple[NoMemory, Desired]:
        touch = view.bbo(self.instruments[0])
        if touch is not None and round(touch.bid * 10) % 13 == 0:
            raise ZeroDivisionError("a bug")
        return memory, wants(target(0.05 if touch is not None and int(touch.bid) % 2 else -0.05, "on"))


def make_code(spec: StrategySpec) -> AnyStrategy:
    return Fails((BTC.id,), Params()) if spec.id == "fails" else registry.build(spec)


@functools.cache
def history() -> tuple[tuple[Record, ...], str]:
    """A busy minute with everything in it, recorded: the records, and the hash of the state they led to."""
    floor = Floor(replace(ASKING, risk=replace(ASKING.risk, messages_per_window=20)), MemoryJournal(), LOSSY)
    floor.scripts["fails"] = Fails((BTC.id,), Params())
    for spec in (QUOTER, CROSS):
        floor.put_to_work(spec)
    floor.run(15)
    floor.put_to_work(StrategySpec(id="fails", kind="script", account=SUB, instruments=(BTC.id,)))
    floor.say(c.ManualTarget(account=ACCOUNT, instrument=ETH.id, qty=Decimal(40)), "dot")
    floor.run(5)
    floor.say(c.Approve(request="R1"), "bob")
    floor.run(5)
    floor.see(FeedStatus(ts_ns=floor.now_ns, venue="PAPER", state=FeedState.STALE, instrument=BTC.id))
    floor.say(c.Halt(), "dot")
    floor.run(3)
    floor.say(c.Resume(), "bob")
    for voter in ("cem", "ann"):
        floor.say(c.Approve(request="R2"), voter)
    floor.say(
        c.SetParams(strategy="quoter", params={"every": 3}, rules={"every": c.ParamRule(c.AddsRisk.NEVER)}), "dot"
    )
    floor.run(10)
    floor.say(c.Flatten(scope=ETH.id), "dot")
    floor.run(3)
    return tuple(floor.journal.records()), state_hash(floor.core.state)


def test_the_minute_has_everything_in_it() -> None:
    records, _ = history()
    kinds = {type(decode_event(record.payload)).__name__ for record in records}
    assert {"Filled", "Decided", "Tick", "CommandReceived", "Bar", "Bbo", "VenueSnapshot", "OrderReport"} <= kinds
    core = with_code(State())
    replay(records, core)
    assert core.state.strategies["fails"].status is StrategyStatus.QUARANTINED
    assert sum(map(len, core.state.fills_seen.values())) > 20
    print(f"{len(records)} records, {sum(map(len, core.state.fills_seen.values()))} fills")


def test_a_replay_leads_to_the_same_state_with_code_and_without() -> None:
    records, expected = history()
    for code in (True, False):
        core = with_code(State()) if code else Core(State())
        replay(records, core, with_code=code)
        assert state_hash(core.state) == expected


def with_code(state: State) -> Core:
    core = Core(state)
    core.make_code = make_code
    return core


def journal_of(records: tuple[Record, ...]) -> MemoryJournal:
    journal = MemoryJournal()
    for record in records:
        journal.append(record.stream, record.seq, record.ts_ns, record.payload)
    return journal


@functools.cache
def boundaries() -> list[int]:
    """After how many records an event and all it made strategies decide is whole: where snapshots are taken."""
    records, _ = history()
    decided = [isinstance(decode_event(record.payload), Decided) for record in records]
    return [n for n in range(1, len(records)) if not decided[n]]


@settings(max_examples=40)
@given(st.data())
def test_a_snapshot_anywhere_and_going_on_is_the_same_as_without(data: st.DataObject) -> None:
    records, expected = history()
    journal = journal_of(records)
    for cut in sorted(data.draw(st.sets(st.sampled_from(boundaries()), min_size=1, max_size=3))):
        core = with_code(State())
        replay(records[:cut], core)
        state = core.state
        journal.save_snapshot(records[cut - 1].seq, state.ts_ns, state.build, STATE_VERSION, encode_state(state))
    recovered, found = recover(journal, with_code, "b")
    assert found.snapshot_seq > 0
    assert same_but_for_seq(recovered.state) == same_but_for_seq(replayed().state)
    assert state_hash(replayed().state) == expected


@functools.cache
def replayed() -> Core:
    core = with_code(State())
    replay(history()[0], core)
    return core


def same_but_for_seq(state: State) -> str:
    """Recovery counts the records behind the last event; apart from that number states have to be equal."""
    seq, state.seq = state.seq, 0
    try:
        return state_hash(state)
    finally:
        state.seq = seq


@settings(max_examples=40)
@given(st.data())
def test_a_crash_anywhere_loses_only_what_came_after_it(data: st.DataObject) -> None:
    """Recovery from any prefix is the replay of that prefix, decisions that were not yet on record included."""
    records, _ = history()
    cut = data.draw(st.integers(1, len(records)))
    journal = journal_of(records[:cut])
    recovered, _ = recover(journal, with_code, "b")
    core = Core(State())
    replay(journal.records(), core, with_code=False)
    assert same_but_for_seq(recovered.state) == same_but_for_seq(core.state)


def test_encoding_a_state_and_reading_it_back_changes_nothing() -> None:
    records, expected = history()
    core = with_code(State())
    replay(records, core)
    again = decode_state(encode_state(core.state))
    assert state_hash(again) == expected
    assert encode_state(again) == encode_state(core.state)


def test_stepping_twice_from_the_same_state_gives_the_same_effects() -> None:
    records, _ = history()
    core = with_code(State())
    effects = []
    for record in records[:400]:
        event = decode_event(record.payload)
        if isinstance(event, Decided):
            continue
        step(core, event)
        effects.append((list(core.intents), list(core.facts)))
        core.intents.clear()
        core.facts = []
        core.decisions.clear()
    again = with_code(State())
    for record, (intents, facts) in zip(
        [r for r in records[:400] if not isinstance(decode_event(r.payload), Decided)], effects, strict=True
    ):
        step(again, decode_event(record.payload))
        assert again.intents == intents
        assert again.facts == facts
        again.intents.clear()
        again.facts = []
        again.decisions.clear()


def test_every_fill_of_the_venue_is_in_the_books_once() -> None:
    records, _ = history()
    core = with_code(State())
    replay(records, core)
    fills = [f for r in records if isinstance(f := decode_event(r.payload), Filled)]
    ids = {f"{f.account}/{f.fill_id}" for f in fills}
    assert ids <= {key for seen in core.state.fills_seen.values() for key in seen}
    assert len(fills) > len(ids), "the line doubled some"
