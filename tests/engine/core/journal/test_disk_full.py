"""A disk that is really full: a tiny file system where we may mount one, and the file size limit everywhere."""

import os
import resource
import signal
import subprocess
from contextlib import contextmanager

import pytest

from domain.errors import JournalFull
from engine.core.journal import FileJournal, verify
from tests.engine.core.journal.journals import append, read, record


@contextmanager
def tiny_file_system(path):
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a tiny file system needs root: the file size limit proves the same beside it")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)  # also when a failed test left a file open


@contextmanager
def file_size_limit(size: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def fill(journal) -> list[Exception]:
    """Append until the disk refuses."""
    failures: list[Exception] = []
    journal.on_failure(failures.append)
    with pytest.raises(JournalFull, match="the disk refused a write"):
        append_in_groups(journal, 10_000)
    return failures


def append_in_groups(journal, count: int) -> None:
    for start in range(1, count, 10):
        append(journal, [record(seq, seq % 2, size=300) for seq in range(start, start + 10)])
        journal.flush()


@pytest.mark.parametrize("fsync", [False, True])
def test_a_full_file_system_stops_the_journal_at_a_whole_record(tmp_path, fsync):
    with tiny_file_system(tmp_path / "tiny") as tiny:
        filler = tiny / "filler"
        filler.write_bytes(b"x" * 64_000)
        journal = FileJournal(tiny / "journal", fsync=fsync, max_age_s=60)
        failures = fill(journal)
        durable = journal.durable_seq
        assert [type(error) for error in failures] == [JournalFull]
        assert "No space left on device" in str(failures[0])
        assert durable > 100
        report = verify(journal.directory)
        assert report.ok
        assert not report.torn
        assert report.last_seq == durable
        journal.close()

        filler.unlink()
        reopened = FileJournal(tiny / "journal", fsync=fsync)
        assert reopened.cuts == []
        append(reopened, [record(durable + 1)])
        reopened.close()
        assert [r.seq for r in read(tiny / "journal")] == list(range(1, durable + 2))


def test_a_snapshot_that_finds_no_room_is_said_and_the_journal_goes_on(tmp_path):
    with tiny_file_system(tmp_path / "tiny") as tiny:
        journal = FileJournal(tiny / "journal", fsync=True)
        append(journal, [record(1)])
        journal.save_snapshot(1, 1_000, "build", 1, bytes(1_000_000))
        journal.flush()
        (problem,) = journal.snapshots.problems
        assert problem.startswith("snapshot of seq 1 could not be written: ")
        append(journal, [record(2)])
        journal.flush()
        assert journal.durable_seq == 2
        journal.close()


def test_a_file_that_may_not_grow_stops_the_journal_at_a_whole_record(tmp_path):
    journal = FileJournal(tmp_path, fsync=True, max_age_s=60)
    with file_size_limit(100_000):
        failures = fill(journal)
        durable = journal.durable_seq
        assert len(failures) == 1
        journal.close()
    report = verify(tmp_path)
    assert report.ok
    assert not report.torn
    assert report.last_seq == durable > 100
    FileJournal(tmp_path, fsync=False).close()
    assert [r.seq for r in read(tmp_path)] == list(range(1, durable + 1))


def test_a_full_disk_is_told_and_the_journal_lives_on_in_the_room_kept_back(tmp_path):
    with tiny_file_system(tmp_path / "tiny") as tiny:
        journal = FileJournal(tiny / "journal", fsync=False, max_age_s=60, segment_bytes=40_000, reserve_bytes=64_000)
        told: list[int] = []
        journal.on_full(lambda: told.append(journal.last_seq))
        failures: list[Exception] = []
        journal.on_failure(failures.append)
        seq = 0
        while not told:
            seq += 10
            append(journal, [record(n, n % 2, size=300) for n in range(seq - 9, seq + 1)])
            journal.flush()
        assert not failures
        assert journal.durable_seq == seq, "what the disk first refused is on it now"
        append(journal, [record(seq + 1, 0), record(seq + 2, 1)])
        journal.flush()
        assert [r.seq for r in read(journal.directory)] == list(range(1, seq + 3))
        report = verify(journal.directory)
        assert report.ok
        assert not report.torn
        with pytest.raises(JournalFull, match="No space left"):
            append_in_groups_from(journal, seq + 3)
        assert len(told) == 1
        assert len(failures) == 1
        assert verify(journal.directory).ok
        journal.close()


def append_in_groups_from(journal, first: int) -> None:
    for start in range(first, first + 10_000, 10):
        append(journal, [record(seq, seq % 2, size=300) for seq in range(start, start + 10)])
        journal.flush()


def test_a_disk_without_room_for_a_reserve_is_no_reason_not_to_start(tmp_path, caplog):
    with tiny_file_system(tmp_path / "tiny") as tiny:
        journal = FileJournal(tiny / "journal", fsync=False, reserve_bytes=10 * 2**20)
        assert not journal.reserve.is_there
        assert "keep back" in caplog.text
        append(journal, [record(1)])
        journal.flush()
        journal.close()


def test_the_reserve_goes_with_a_clean_end_and_may_be_left_by_a_crash(tmp_path):
    journal = FileJournal(tmp_path / "journal", fsync=False, reserve_bytes=4096)
    assert (tmp_path / "journal" / "reserve").stat().st_size == 4096
    journal.close()
    assert not (tmp_path / "journal" / "reserve").exists()
    (tmp_path / "journal" / "reserve").write_bytes(bytes(4096))
    journal = FileJournal(tmp_path / "journal", fsync=False, reserve_bytes=4096)
    assert journal.reserve.is_there
    journal.close()


@pytest.mark.parametrize("left", [0, 100, 9000])
def test_a_half_made_reserve_or_one_of_another_size_is_made_anew(tmp_path, left):
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "reserve").write_bytes(bytes(left))
    journal = FileJournal(tmp_path / "journal", fsync=False, reserve_bytes=4096)
    assert (tmp_path / "journal" / "reserve").stat().st_size == 4096
    assert journal.reserve.is_there
    (tmp_path / "journal" / "reserve").write_bytes(bytes(left))
    assert not journal.reserve.is_there
    assert journal.reserve.make()
    assert journal.reserve.is_there
    journal.close()
