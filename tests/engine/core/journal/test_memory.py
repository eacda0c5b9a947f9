"""The journals without files keep the port's promises, and the held one loses exactly what was not durable."""

import pytest

from domain.errors import JournalError, JournalFull
from domain.ports import Journal, Record
from engine.core.journal import FileJournal, MemoryJournal
from tests.engine.core.journal.journals import mixed, record


def append(journal: Journal, records: list[Record]) -> None:
    for each in records:
        journal.append(each.stream, each.seq, each.ts_ns, each.payload)


@pytest.mark.parametrize("make", [lambda path: MemoryJournal(), lambda path: FileJournal(path, fsync=False)])
def test_memory_and_file_read_back_the_same(tmp_path, make):
    journal: Journal = make(tmp_path)
    append(journal, mixed(50))
    journal.flush()
    journal.save_snapshot(20, 20_000, "b", 1, b"twenty")
    assert journal.durable_seq == 50
    assert list(journal.records()) == mixed(50)
    assert list(journal.records(30, market=False)) == [r for r in mixed(50) if r.seq >= 30 and not r.stream]
    assert journal.load_snapshot(19) is None
    found = journal.load_snapshot(20)
    assert found is not None
    assert found.payload == b"twenty"
    with pytest.raises(JournalError, match="seq 50 cannot follow seq 50"):
        append(journal, [record(50)])
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        append(journal, [record(51)])


def test_in_memory_a_record_is_durable_at_once_and_told_at_commit():
    journal = MemoryJournal()
    told: list[int] = []
    journal.on_durable(told.append)
    append(journal, mixed(3))
    assert (journal.durable_seq, told) == (3, [])
    journal.commit()
    journal.commit()
    assert told == [3]


def test_a_held_journal_becomes_durable_only_as_far_as_told():
    journal = MemoryJournal(hold=True)
    told: list[int] = []
    journal.on_durable(told.append)
    append(journal, mixed(10))
    journal.commit()
    assert (journal.durable_seq, journal.commit_seq, told) == (0, 10, [])
    journal.make_durable(4)
    journal.make_durable(2)
    journal.make_durable(99)
    assert (journal.durable_seq, told) == (10, [4, 10])


def test_a_crash_loses_what_was_not_durable_and_its_snapshots():
    journal = MemoryJournal(hold=True)
    append(journal, mixed(10))
    journal.save_snapshot(5, 5_000, "b", 1, b"five")
    journal.save_snapshot(9, 9_000, "b", 1, b"nine")
    journal.make_durable(6)
    restarted = journal.reopened()
    assert list(restarted.records()) == mixed(10)[:6]
    assert restarted.durable_seq == restarted.last_seq == 6
    found = restarted.load_snapshot()
    assert found is not None
    assert found.seq == 5
    append(restarted, [record(7)])
    restarted.flush()
    assert restarted.durable_seq == 7


def test_a_crash_before_anything_was_durable_leaves_an_empty_journal():
    journal = MemoryJournal(hold=True)
    append(journal, mixed(3))
    assert list(journal.reopened().records()) == []
    assert journal.reopened().durable_seq == 0


def test_a_full_simulated_disk_is_told_once_and_refuses_from_then_on():
    journal = MemoryJournal(hold=True)
    failures: list[Exception] = []
    journal.on_failure(failures.append)
    append(journal, mixed(5))
    journal.make_durable(3)
    journal.fail(OSError("No space left on device"))
    journal.fail(OSError("again"))
    assert len(failures) == 1
    with pytest.raises(JournalFull, match="No space left on device"):
        append(journal, [record(6)])
    with pytest.raises(JournalFull):
        journal.flush()
    journal.close()
    assert journal.durable_seq == 3
    assert [r.seq for r in journal.reopened().records()] == [1, 2, 3]
