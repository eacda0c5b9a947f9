"""How long the disk lasts is known before it is full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain.events import DiskLow
from domain.facts import TradingState, TradingStateChanged
from domain.ports import MAIN_STREAM
from engine.core.journal import FileJournal
from engine.core.recovery import replay, state_hash
from engine.core.state import State
from engine.disk import DAY_S, Room, growth, room
from tests.engine.core.rig import Rig

MIB = 2**20


def written(folder: Path, hours: float) -> Path:
    """A journal of one MiB in so many hours."""
    journal = FileJournal(folder, fsync=False, segment_bytes=100_000, max_age_s=60)
    for seq in range(1, 11):
        journal.append(MAIN_STREAM, seq, int(1_700_000_000e9 + seq * hours / 10 * 3600e9), bytes(MIB // 10))
        journal.flush()
    journal.close()
    for path in folder.glob("*.journal"):
        os.utime(path, (1_700_000_000 + hours * 3600,) * 2)
    return folder


def test_growth_is_told_per_day_and_not_guessed_from_minutes(tmp_path: Path) -> None:
    assert growth(written(tmp_path / "a", 12)) == pytest.approx(2.2, abs=0.2)
    assert growth(written(tmp_path / "b", 0.1)) is None
    assert growth(tmp_path / "none") is None
    assert room(tmp_path / "none").free_mib > 0


def test_room_is_low_by_size_or_by_days() -> None:
    assert Room(free_mib=10_000, mib_per_day=100.0).days_left == 100
    assert not Room(free_mib=10_000, mib_per_day=100.0).is_low
    assert Room(free_mib=10_000, mib_per_day=5_000.0).is_low
    assert Room(free_mib=900, mib_per_day=None).is_low
    assert DAY_S == 24 * 3600


def test_a_disk_that_fills_is_told_and_a_full_one_halts_across_a_restart() -> None:
    rig = Rig().start()
    rig.ingest(DiskLow(free_mib=700, days_left=2))
    assert rig.alerts()[-1] == "disk_low"
    assert rig.told(TradingStateChanged)[-1].state is TradingState.ACTIVE
    rig.ingest(DiskLow(free_mib=0, is_full=True))
    assert rig.alerts()[-2:] == ["disk_full", "incident"]
    assert rig.core.state.trading is TradingState.HALTED
    again = rig.make_core(State())
    replay(rig.journal.records(), again, with_code=False)
    assert state_hash(again.state) == state_hash(rig.core.state)
    rig.crash("another build")
    assert rig.core.state.latched is TradingState.HALTED
