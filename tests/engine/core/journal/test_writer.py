"""`FileJournal` as its callers see it: cheap appends, honest durability, one writer, one growing sequence."""

import threading
import time
from itertools import pairwise

import pytest

from domain.errors import JournalError
from domain.ports import MAIN_STREAM, MARKET_STREAM, Journal
from engine.core.journal import FileJournal, JournalReader, verify
from tests.engine.core.journal.journals import append, crashed, mains, markets, mixed, read, record


@pytest.fixture
def journal(tmp_path):
    opened: Journal = FileJournal(tmp_path, fsync=False, max_age_s=60)
    yield opened
    opened.close()


@pytest.mark.parametrize("fsync", [False, True])
def test_what_is_appended_is_read_back_in_order_of_seq(tmp_path, fsync):
    records = mixed(1_000)
    journal = FileJournal(tmp_path, fsync=fsync)
    append(journal, records)
    assert list(journal.records()) == records
    journal.close()
    assert read(tmp_path) == records


def test_nothing_is_durable_before_a_commit_and_the_callback_tells_when_it_is(journal):
    told = []
    reached = threading.Event()

    def listen(seq: int) -> None:
        told.append((seq, threading.current_thread().name))
        reached.set()

    journal.on_durable(listen)
    append(journal, mixed(10))
    assert journal.durable_seq == 0
    assert journal.last_seq == 10
    journal.commit()
    assert reached.wait(5)
    assert told == [(10, "journal")]
    assert journal.durable_seq == 10


def test_a_record_becomes_durable_by_age_when_nobody_commits(tmp_path):
    journal = FileJournal(tmp_path, fsync=False, max_age_s=0.01)
    append(journal, [record(1)])
    deadline = time.monotonic() + 5
    while journal.durable_seq < 1 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert journal.durable_seq == 1
    journal.close()


def test_durable_means_in_the_files_both_streams(tmp_path):
    seen = []

    def look(seq: int) -> None:
        target = crashed(tmp_path / "live", tmp_path / f"at-{seq}")
        seen.append((seq, [r.seq for r in read(target)]))

    journal = FileJournal(tmp_path / "live", fsync=False)
    journal.on_durable(look)
    for start in range(1, 60, 6):
        append(journal, mixed(6, first=start))
        journal.flush()
    journal.close()
    assert len(seen) == 10
    assert all(found == list(range(1, seq + 1)) for seq, found in seen)


def test_flush_waits_until_everything_is_durable(journal):
    append(journal, mixed(5_000))
    journal.flush()
    assert journal.durable_seq == 5_000


def test_a_run_of_market_records_is_one_batch_until_a_main_record_follows(journal, tmp_path):
    append(journal, [record(seq, MARKET_STREAM) for seq in (1, 2, 3)])
    append(journal, [record(4), record(5, MARKET_STREAM)])
    journal.flush()
    report = verify(tmp_path)
    assert (report.records, report.market_records, report.batches) == (5, 4, 2)


def test_a_batch_closes_at_4096_records(journal, tmp_path):
    append(journal, [record(seq, MARKET_STREAM) for seq in range(1, 10_001)])
    journal.flush()
    assert verify(tmp_path).batches == 3


def test_seq_must_grow_and_the_refusal_leaves_the_journal_usable(journal):
    append(journal, [record(5)])
    for seq in (5, 4, 0):
        with pytest.raises(JournalError, match=f"seq {seq} cannot follow seq 5"):
            append(journal, [record(seq)])
    append(journal, [record(9)])
    journal.flush()
    assert [r.seq for r in journal.records()] == [5, 9]


def test_an_unknown_stream_ends_the_journal_instead_of_being_written(journal):
    failures: list[Exception] = []
    journal.on_failure(failures.append)
    append(journal, [record(1)])
    journal.flush()
    append(journal, [record(2, stream=3)])
    with pytest.raises(JournalError, match="streams 0 and 1, not 3"):
        journal.flush()
    assert len(failures) == 1
    assert journal.durable_seq == 1


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path):
    first = FileJournal(tmp_path, fsync=False)
    with pytest.raises(JournalError, match=r"another process writes the journal in .*: stop it first"):
        FileJournal(tmp_path, fsync=False)
    first.close()
    FileJournal(tmp_path, fsync=False).close()


def test_a_folder_that_cannot_be_had_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(JournalError, match=r"cannot be written in .*: Not a directory"):
        FileJournal(tmp_path / "file" / "journal", fsync=False)


def test_a_closed_journal_takes_nothing_and_can_still_be_read(tmp_path):
    journal = FileJournal(tmp_path, fsync=False)
    append(journal, [record(1)])
    journal.close()
    journal.close()
    journal.flush()
    with pytest.raises(JournalError, match="closed"):
        append(journal, [record(2)])
    with pytest.raises(JournalError, match="closed"):
        journal.save_snapshot(1, 1, "build", 1, b"state")
    assert list(journal.records()) == [record(1)]


def test_closing_makes_the_rest_durable(tmp_path):
    journal = FileJournal(tmp_path, fsync=False, max_age_s=60)
    append(journal, mixed(100))
    journal.close()
    assert journal.durable_seq == 100
    assert read(tmp_path) == mixed(100)


def test_reopening_continues_the_sequence_and_the_chain(tmp_path):
    records = mixed(90)
    for start in range(0, 90, 30):
        journal = FileJournal(tmp_path, fsync=False)
        assert journal.last_seq == journal.durable_seq == start
        assert journal.cuts == []
        append(journal, records[start : start + 30])
        journal.close()
    assert read(tmp_path) == records
    assert verify(tmp_path).ok


def test_opening_and_closing_without_a_record_leaves_no_segment(tmp_path):
    FileJournal(tmp_path, fsync=False).close()
    assert mains(tmp_path) == markets(tmp_path) == []
    assert verify(tmp_path).ok


def test_segments_are_finished_by_size_and_say_what_they_span(tmp_path):
    records = mixed(400)
    journal = FileJournal(tmp_path, fsync=True, segment_bytes=3_000)
    for start in range(0, 400, 20):
        append(journal, records[start : start + 20])
        journal.flush()
    infos = JournalReader(tmp_path).segments()
    main = [info for info in infos if info.stream == MAIN_STREAM]
    market = [info for info in infos if info.stream == MARKET_STREAM]
    assert len(main) > 2
    assert len(market) > 2
    for stream in (main, market):
        assert stream[-1].last_seq is None
        for info, following in pairwise(stream):
            assert info.last_seq is not None
            assert info.first_seq <= info.last_seq < following.first_seq
            assert info.last_ts_ns == 1_000 * info.last_seq
    journal.close()
    assert all(info.last_seq is not None for info in JournalReader(tmp_path).segments())
    assert verify(tmp_path).ok


def test_a_listener_that_fails_is_logged_and_the_journal_goes_on(journal, caplog):
    def broken(seq: int) -> None:
        raise RuntimeError("the loop is closed")

    journal.on_durable(broken)
    append(journal, [record(1)])
    journal.flush()
    append(journal, [record(2)])
    journal.flush()
    assert journal.durable_seq == 2
    assert caplog.text.count("the loop is closed") >= 2


def test_a_journal_can_be_read_and_verified_while_it_is_written(tmp_path):
    journal = FileJournal(tmp_path, fsync=False, segment_bytes=20_000, max_age_s=0.001)

    def write_on() -> None:
        for start in range(1, 10_000, 50):
            append(journal, mixed(50, first=start, seed=start))
            time.sleep(0.001)

    writer = threading.Thread(target=write_on)
    writer.start()
    looks = 0
    while writer.is_alive():
        report = verify(tmp_path)
        assert report.ok, report.broken
        seqs = [r.seq for r in read(tmp_path)]
        assert seqs == list(range(1, len(seqs) + 1))
        looks += 1
    journal.close()
    assert looks > 2
    assert verify(tmp_path).segments > 10
