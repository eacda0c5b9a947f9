"""Market segments that were removed or archived: the start goes on, a replay says what it cannot pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.commands import SetHold
from domain.errors import JournalError
from domain.facts import TradingState
from engine.core.journal import FileJournal, JournalReader, verify
from engine.core.journal.snapshots import SNAPSHOT_FOLDER, SnapshotStore
from engine.core.kernel import Kernel
from engine.core.recovery import recover, replay
from engine.core.state import State
from engine.replay import facts_of, replay_folder, settings_in_force
from tests.engine.core.rig import ACCOUNT, BTC, Rig


class OnDisk:
    """A rig whose journal is a folder; every start is a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rig = Rig()
        self.open()
        self.rig.begin()

    def open(self) -> None:
        journal = FileJournal(self.folder, fsync=False, segment_bytes=1)
        core, self.recovery = recover(journal, self.rig.make_core, "b")
        self.rig.kernel = Kernel(core, journal, send=self.rig.sent.extend, publish=self.rig.facts.extend)
        self.journal = journal

    def touches(self, count: int) -> None:
        for number in range(count):
            self.rig.touch(600_000 + number)
        self.journal.flush()

    def snapshot(self) -> int:
        self.rig.kernel.snapshot()
        self.journal.flush()
        return self.rig.kernel.seq


@pytest.fixture
def disk(tmp_path: Path) -> OnDisk:
    """Market data, a snapshot, market data and a hold, no snapshot after them."""
    disk = OnDisk(tmp_path / "journal")
    disk.rig.snapshot()
    disk.touches(3)
    disk.snapshot()
    disk.touches(3)
    disk.rig.submit(SetHold(account=ACCOUNT, instrument=BTC.id), "dot")
    disk.touches(1)
    assert disk.rig.slot().hold
    disk.journal.close()
    return disk


def markets(disk: OnDisk) -> list[Path]:
    return sorted(disk.folder.glob("market-*.journal"))


def test_market_data_before_the_newest_snapshot_is_not_needed_to_start(disk: OnDisk) -> None:
    markets(disk)[0].unlink()
    disk.open()
    assert not disk.recovery.hole
    assert disk.rig.core.state.latched is TradingState.ACTIVE
    disk.rig.begin().touch()
    disk.journal.close()
    report = verify(disk.folder)
    assert report.ok
    assert len(report.missing) == 1


def test_market_data_after_the_newest_snapshot_is_not_needed_either_but_trading_waits(disk: OnDisk) -> None:
    markets(disk)[1].unlink()
    disk.open()
    state = disk.rig.core.state
    assert disk.recovery.hole
    assert state.latched is TradingState.REDUCING
    assert "market data from event" in state.latched_reason
    assert disk.rig.slot().hold, "what people decided behind the hole is kept"
    disk.rig.begin().touch()
    disk.journal.close()


def test_the_last_market_data_may_be_gone_too(disk: OnDisk) -> None:
    last_seq = disk.journal.last_seq
    for path in markets(disk):
        path.unlink()
    disk.open()
    disk.rig.begin()
    assert disk.rig.kernel.seq == last_seq + 1, "no number is used twice"
    disk.touches(2)
    disk.journal.close()
    disk.open()
    disk.journal.close()
    assert verify(disk.folder).ok


def test_a_replay_refuses_what_it_cannot_pass_and_says_what_to_do(disk: OnDisk) -> None:
    (span,) = gone_after(disk, 1)
    with pytest.raises(JournalError, match=rf"replay up to --seq {span - 1}"):
        replay_folder(disk.folder)
    assert replay_folder(disk.folder, until_seq=span - 1).ok
    with pytest.raises(JournalError, match=f"events {span} to"):
        replay(JournalReader(disk.folder).records(), disk.rig.make_core(State()), with_code=False)
    with pytest.raises(JournalError, match="are gone"):
        list(facts_of(disk.folder))


def test_facts_behind_a_snapshot_are_told_without_what_came_before_it(disk: OnDisk) -> None:
    store = SnapshotStore(disk.folder / SNAPSHOT_FOLDER)
    snapshot = store.load()
    assert snapshot is not None
    whole = list(facts_of(disk.folder))
    expected = [fact for fact in whole if fact.seq > snapshot.seq]
    assert expected
    markets(disk)[0].unlink()
    assert list(facts_of(disk.folder, snapshot.seq)) == expected
    assert list(facts_of(disk.folder, snapshot.seq + 2)) == expected, "from the newest snapshot up to there"
    with pytest.raises(JournalError, match="are gone"):
        list(facts_of(disk.folder, snapshot.seq - 1))


def gone_after(disk: OnDisk, number: int) -> list[int]:
    """Remove one market segment; where the market data now missing begins."""
    markets(disk)[number].unlink()
    return [span.first_seq for span in JournalReader(disk.folder).gone()]


def test_a_replay_starts_behind_what_is_gone_where_a_snapshot_allows(disk: OnDisk) -> None:
    disk.open()
    disk.rig.begin()
    disk.snapshot()
    disk.touches(2)
    disk.journal.close()
    gone_after(disk, 0)
    report = replay_folder(disk.folder)
    assert report.ok
    assert report.events
    assert "is gone" in report.note
    assert settings_in_force(disk.folder) == disk.rig.core.state.settings


def test_a_damaged_segment_may_be_moved_away_as_the_error_says(disk: OnDisk) -> None:
    path = markets(disk)[0]
    data = bytearray(path.read_bytes())
    data[90] ^= 1
    path.write_bytes(data)
    broken = verify(disk.folder).broken
    assert broken is not None
    assert "move the segment away" in str(broken)
    path.rename(disk.folder.parent / path.name)
    assert verify(disk.folder).ok
    disk.open()
    disk.rig.begin()
    disk.journal.close()
