"""Every single write and sync may fail, or be the last thing the process does: nothing durable is ever lost."""

import errno
import os
import threading

import pytest

from domain.errors import JournalFull
from engine.core.journal import FileJournal, verify
from engine.core.journal import segments as segments_module
from tests.engine.core.journal.journals import append, mixed, read

RECORDS = mixed(60, seed=3)


class FailingDisk:
    """Lets the journal's thread do `good` calls of write and sync; the next write is half done and fails."""

    def __init__(self, monkeypatch, good: int) -> None:
        self.calls, self.good = 0, good
        self.write, self.sync = os.write, segments_module.sync_data
        monkeypatch.setattr(os, "write", self.failing_write)
        monkeypatch.setattr(segments_module, "sync_data", self.failing_sync)

    def failing_write(self, fd: int, data) -> int:
        if threading.current_thread().name != "journal":
            return self.write(fd, data)
        self.calls += 1
        if self.calls > self.good:
            if self.calls == self.good + 1 and len(data) > 1:
                return self.write(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.write(fd, data)

    def failing_sync(self, fd: int) -> None:
        self.calls += 1
        if self.calls > self.good:
            raise OSError(errno.EIO, "Input/output error")
        self.sync(fd)


def run_until_it_fails(directory, monkeypatch, good: int, *, crash: bool):
    """Write RECORDS in groups of six, on a disk that fails after `good` calls; returns what was told, and done."""
    told = [0]
    failures: list[Exception] = []
    with monkeypatch.context() as patch:
        FailingDisk(patch, good)
        journal = FileJournal(directory, fsync=True, segment_bytes=500, max_age_s=60)
        journal.on_durable(told.append)
        journal.on_failure(failures.append)
        if crash:
            patch.setattr(journal._appender, "rollback", lambda: None)
        try:
            for start in range(0, len(RECORDS), 6):
                append(journal, RECORDS[start : start + 6])
                journal.flush()
        except JournalFull:
            with pytest.raises(JournalFull, match=r"the disk refused a write .*ends at seq \d+; make room or mend"):
                append(journal, mixed(1, first=100))
            with pytest.raises(JournalFull):
                journal.flush()
            with pytest.raises(JournalFull):
                journal.save_snapshot(1, 1, "b", 1, b"")
            assert len(failures) == 1
            assert isinstance(failures[0].__cause__, OSError)
        assert list(journal.records()) == RECORDS[: told[-1]]
        patch.undo()
        journal.close()
    return told[-1], bool(failures)


@pytest.mark.parametrize("crash", [False, True], ids=["disk fails", "process dies"])
def test_a_failure_at_any_write_or_sync_keeps_what_was_durable(tmp_path, monkeypatch, crash):
    good, failed, ends = 0, True, set()
    while failed:
        directory = tmp_path / f"{good}"
        durable, failed = run_until_it_fails(directory, monkeypatch, good, crash=crash)
        ends.add(durable)
        if failed and not crash:
            report = verify(directory)
            assert report.ok
            assert not report.torn
            assert report.last_seq == durable
        reopened = FileJournal(directory, fsync=False)
        assert reopened.last_seq >= durable
        if not crash:
            assert reopened.last_seq == durable
        assert list(reopened.records()) == RECORDS[: reopened.last_seq]
        append(reopened, RECORDS[reopened.last_seq :])
        reopened.close()
        assert read(directory) == RECORDS
        assert verify(directory).ok
        good += 1
    assert good > 60
    assert ends == {0, *range(6, 61, 6)}
