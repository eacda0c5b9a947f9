"""Snapshots: whole or absent, the newest kept, a damaged one skipped and said, never ahead of the journal."""

import pytest

from domain.ports import Snapshot
from engine.core.journal import FileJournal, SnapshotStore
from tests.engine.core.journal.journals import append, crashed, flip, mixed


def snapshot(seq: int, payload: bytes = b"state") -> Snapshot:
    return Snapshot(seq=seq, ts_ns=1_000 * seq, build="build-ü", version=3, payload=payload)


@pytest.mark.parametrize("payload", [b"", b"state", bytes(100_000)])
def test_a_snapshot_comes_back_as_it_was(tmp_path, payload):
    SnapshotStore(tmp_path / "s").save(snapshot(7, payload))
    assert SnapshotStore(tmp_path / "s").load() == snapshot(7, payload)


def test_the_newest_at_or_before_a_seq_is_loaded(tmp_path):
    store = SnapshotStore(tmp_path)
    for seq in (10, 20, 30):
        store.save(snapshot(seq))
    loaded = [store.load(before) for before in (9, 10, 29, 30, None)]
    assert [found.seq if found else None for found in loaded] == [None, 10, 20, 30, 30]


def test_no_snapshot_is_none(tmp_path):
    assert SnapshotStore(tmp_path / "none").load() is None


def test_the_newest_are_kept_and_the_first_of_each_run(tmp_path):
    for run in range(3):
        store = SnapshotStore(tmp_path, keep=2)
        for seq in range(10 * run + 1, 10 * run + 9):
            store.save(snapshot(seq))
    assert [int(path.stem.split("-")[1]) for path in store.files()] == [1, 11, 21, 27, 28]


def test_a_damaged_snapshot_is_skipped_and_said(tmp_path, caplog):
    store = SnapshotStore(tmp_path)
    for seq in (1, 2, 3):
        store.save(snapshot(seq))
    files = store.files()
    flip(files[2], 60)
    files[1].write_bytes(files[1].read_bytes()[:20])
    assert store.load() == snapshot(1)
    assert store.problems == [
        f"snapshot {files[2].name} is skipped: its hash does not match its content",
        f"snapshot {files[1].name} is skipped: its hash does not match its content",
    ]
    assert files[2].name in caplog.text


def test_every_flipped_byte_of_a_snapshot_is_found(tmp_path):
    store = SnapshotStore(tmp_path)
    store.save(snapshot(1))
    (path,) = store.files()
    for offset in range(path.stat().st_size):
        flip(path, offset)
        assert store.load() is None
        flip(path, offset)
    assert store.load() == snapshot(1)


def test_a_renamed_snapshot_is_skipped(tmp_path):
    store = SnapshotStore(tmp_path)
    store.save(snapshot(1))
    path = store.files()[0]
    path.rename(path.with_name(path.name.replace("1", "9")))
    assert store.load() is None
    assert "it holds seq 1" in store.problems[0]


def test_a_half_written_file_of_a_crash_is_not_seen_and_goes_with_the_next_save(tmp_path):
    half = tmp_path / "snapshot-00000000000000000009.tmp"
    half.write_bytes(b"half")
    store = SnapshotStore(tmp_path)
    assert store.load() is None
    store.save(snapshot(1))
    assert not half.exists()


def test_the_journal_stores_a_snapshot_once_its_seq_is_durable(tmp_path):
    journal = FileJournal(tmp_path, fsync=True, max_age_s=60)
    append(journal, mixed(10))
    journal.save_snapshot(10, 10_000, "b", 1, b"ten")
    assert journal.load_snapshot() == Snapshot(seq=10, ts_ns=10_000, build="b", version=1, payload=b"ten")
    assert journal.durable_seq == 10
    assert journal.load_snapshot(9) is None
    journal.close()


def test_closing_writes_the_snapshots_that_are_due(tmp_path):
    journal = FileJournal(tmp_path, fsync=False, max_age_s=60)
    append(journal, mixed(10))
    journal.save_snapshot(10, 10_000, "b", 1, b"ten")
    journal.close()
    found = FileJournal(tmp_path, fsync=False)
    assert found.load_snapshot() is not None
    found.close()


def test_a_snapshot_ahead_of_the_journal_is_not_loaded(tmp_path):
    """The journal's tail may be lost where the snapshot was not: its state then never happened."""
    live, left = tmp_path / "live", tmp_path / "left"
    journal = FileJournal(live, fsync=False)
    append(journal, mixed(10))
    journal.flush()
    crashed(live, left)
    journal.close()
    store = SnapshotStore(left / "snapshots")
    store.save(snapshot(8))
    store.save(snapshot(11))
    reopened = FileJournal(left, fsync=False)
    for found in (reopened.load_snapshot(), reopened.load_snapshot(99)):
        assert found is not None
        assert found.seq == 8
    reopened.close()


def test_a_snapshot_of_what_was_never_appended_is_dropped_and_said(tmp_path):
    journal = FileJournal(tmp_path, fsync=False)
    journal.save_snapshot(99, 1, "b", 1, b"")
    journal.flush()
    assert journal.snapshots.problems == ["snapshot of seq 99 is dropped: the journal ends at 0"]
    journal.close()
