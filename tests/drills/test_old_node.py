"""Drill: a node with an old configuration. Last week's copy of the data is started, with ten times the limits."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.desired import Desired
from domain.events import EngineStarted
from domain.facts import TradingState
from domain.settings import Limits
from engine import lost
from engine.core import orders, step
from engine.core.journal import FileJournal
from engine.core.journal.memory import MemoryJournal
from engine.core.kernel import Kernel
from engine.core.recovery import recover
from tests.drills.report import Figures, carry
from tests.drills.town import BTC, DEPOSIT, MID, POSITION_LIMIT, SETTINGS, Town
from tests.engine.core.rig import target

OLD = replace(
    SETTINGS,
    risk=replace(
        SETTINGS.risk,
        default_limits=Limits(max_position_notional=DEPOSIT, max_order_notional=DEPOSIT),
        max_position_fraction=Decimal(1),
    ),
    approvals=replace(SETTINGS.approvals, enabled=False),
)
"""What was in force last week: ten times too much, and nobody is asked."""
FALL = Decimal("0.03")
HELD = Decimal(60)
"""What the node of today holds."""
BOUND = HELD * (FALL + 2 * BTC.taker_fee)


def start(town: Town, journal: MemoryJournal, found: lost.Lost | None = None) -> None:
    """A process starts on a journal, in the order of `Runtime.start`."""
    core, _ = recover(journal, town.make_core, "b")
    town.journal = journal
    town.kernel = Kernel(core, journal, send=town._send, publish=town.facts.extend)
    if found is not None:
        town.kernel.seq = found.seq
    town.ingest(
        EngineStarted(
            installation="rig",
            epoch=(found.epoch if found is not None else core.state.epoch) + 1,
            build="b",
            lock_hash="",
            settings_hash="s",
            lost=found.text if found is not None else "",
        )
    )
    town.advance(town.now_ns + 1_000_000_000)


def as_file(journal: MemoryJournal, folder: Path) -> FileJournal:
    """The same records on a disk, where a start looks for them."""
    disk = FileJournal(folder / "journal", fsync=False)
    for record in journal.records():
        disk.append(record.stream, record.seq, record.ts_ns, record.payload)
    disk.flush()
    return disk


def hold(folder: Path) -> tuple[Figures, Town]:
    """The node of today has traded; then last week's is started instead, and its strategy wants 480,000."""
    town = Town.with_strategy(settings=OLD)
    copy = town.journal.reopened()
    start(town, town.journal.reopened())
    town.script.wants = Desired(targets=(target(0.001),))
    town.price(MID)
    town.price(MID)
    assert town.venue_qty == 1
    state = recover(copy.reopened(), town.make_core, "b")[0].state
    found = lost.find(as_file(copy, folder), state, "sqlite:////nowhere/at/all.db", town.exchange.floor.orders)
    start(town, copy, found)
    town.script.wants = Desired(targets=(target(8.0, "e2"),))
    town.walk(int(MID * (1 - FALL)), 30)
    state = town.core.state
    known = "and says why" if town.alerts_of("journal_lost") else "and says nothing"
    ended = f"{'HALTED' if state.trading is TradingState.HALTED else 'as before'}, {known}"
    return Figures("a node with an old configuration", town.loss(), BOUND, ended), town


def judge(figures: Figures, town: Town) -> None:
    """Fenced: it finds that the venue knows a later run, and nothing is sent by old limits."""
    assert figures.ended == "HALTED, and says why", figures.text()
    assert town.most_held <= HELD < POSITION_LIMIT, figures.text()
    assert figures.lost <= figures.bound, figures.text()


def test_a_node_with_an_old_configuration_finds_that_it_is_old_and_sends_nothing(tmp_path, record_property) -> None:
    figures, town = hold(tmp_path)
    carry(record_property, figures)
    judge(figures, town)


def test_without_the_fence_it_is_not_halted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(step, "on_lost_end", lambda *_: None)
    figures, town = hold(tmp_path)
    with pytest.raises(AssertionError, match="old configuration"):
        judge(figures, town)
    assert town.slot().hold, "the second fence: what the venue holds is not of this journal"


def test_without_both_fences_it_trades_by_its_old_limits(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(step, "on_lost_end", lambda *_: None)
    monkeypatch.setattr(orders, "hold_and_ask", lambda *_: None)
    _, town = hold(tmp_path)
    assert town.most_held > POSITION_LIMIT
