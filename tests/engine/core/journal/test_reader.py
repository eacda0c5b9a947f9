"""Reading by seq and by time, with and without market data, whole and with pieces gone."""

import pytest

from domain.errors import JournalCorrupt, JournalError
from domain.ports import MAIN_STREAM, MARKET_STREAM, Record
from engine.core.journal import FileJournal, JournalReader
from tests.engine.core.journal.journals import flip, mains, markets, mixed, read, record, write

RECORDS = mixed(300)


@pytest.fixture
def directory(tmp_path):
    write(tmp_path, RECORDS, group=9, segment_bytes=2_500)
    assert len(mains(tmp_path)) > 3
    assert len(markets(tmp_path)) > 3
    return tmp_path


def test_reading_starts_and_ends_at_any_seq(directory):
    reader = JournalReader(directory)
    for start in range(0, 302, 7):
        assert list(reader.records(start)) == [r for r in RECORDS if r.seq >= start]
        assert list(reader.records(start, to_seq=start + 13)) == [r for r in RECORDS if start <= r.seq <= start + 13]


def test_reading_without_market_data_gives_the_main_records(directory):
    assert list(JournalReader(directory).records(50, market=False)) == [
        r for r in RECORDS if r.stream == MAIN_STREAM and r.seq >= 50
    ]


def test_a_time_leads_to_the_first_seq_at_or_after_it(directory):
    reader = JournalReader(directory)
    assert reader.seq_at(0) == 1
    for seq in (1, 2, 57, 150, 151, 299, 300):
        assert reader.seq_at(1_000 * seq) == seq
        assert reader.seq_at(1_000 * seq - 1) == seq
    assert reader.seq_at(300_001) is None


def test_equal_times_lead_to_the_first_of_them(tmp_path):
    stamped = [(1, 10), (2, 20), (3, 20), (4, 20), (5, 30)]

    journal = FileJournal(tmp_path, fsync=False, segment_bytes=100)
    for seq, ts_ns in stamped:
        journal.append(MAIN_STREAM, seq, ts_ns, b"x" * 50)
        journal.flush()
    journal.close()
    assert len(mains(tmp_path)) > 2
    assert JournalReader(tmp_path).seq_at(20) == 2


def test_an_empty_folder_has_no_records(tmp_path):
    assert read(tmp_path) == []
    assert JournalReader(tmp_path).seq_at(1) is None
    assert JournalReader(tmp_path).segments() == []


def test_removed_market_segments_are_named_and_everything_else_is_read(directory):
    reader = JournalReader(directory)
    gone = [info for info in reader.segments() if info.stream == MARKET_STREAM][1:3]
    for info in gone:
        (directory / info.name).unlink()
    lost = [
        r for r in RECORDS if r.stream == MARKET_STREAM and any(i.first_seq <= r.seq <= (i.last_seq or 0) for i in gone)
    ]
    assert list(reader.records()) == [r for r in RECORDS if r not in lost]
    assert [span.segment for span in reader.missing] == [info.name for info in gone]
    assert [(s.first_seq, s.last_seq) for s in reader.missing] == [(i.first_seq, i.last_seq) for i in gone]
    assert sum(span.records for span in reader.missing) == len(lost)
    assert str(reader.missing[0]).startswith(f"{gone[0].name}: {reader.missing[0].records} market records, seq ")


def test_the_journal_itself_logs_market_data_that_is_gone(directory, caplog):
    gone = markets(directory)[0]
    gone.unlink()
    journal = FileJournal(directory, fsync=False)
    assert len(list(journal.records())) < len(RECORDS)
    journal.close()
    assert f"read without market data that is gone: {gone.name}" in caplog.text


def test_damage_in_the_middle_is_said_with_segment_offset_and_seq(directory):
    path = mains(directory)[1]
    flip(path, 64 + 30)
    good: list[Record] = []
    with pytest.raises(JournalCorrupt, match=rf"{path.name} is broken at byte 64, after seq \d+"):
        good.extend(JournalReader(directory).records())
    assert read_before(path, good)


def read_before(path, good):
    return good == [r for r in RECORDS if r.seq < int(path.stem.split("-")[1])]


def test_a_damaged_market_record_is_found_and_the_way_round_it_is_said(directory):
    path = markets(directory)[0]
    second = next(r for r in RECORDS if r.stream == MARKET_STREAM)
    flip(path, 64 + 25 + len(second.payload) + 30)
    with pytest.raises(JournalCorrupt, match=rf"{path.name} is broken at byte \d+, .*move the segment away to go on"):
        read(directory)
    path.rename(directory / "elsewhere")
    assert read(directory)[-1] == RECORDS[-1]


def test_a_market_segment_that_was_cut_short_is_corrupt_and_not_silently_shorter(directory):
    path = markets(directory)[-1]
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(JournalCorrupt, match=r"market record is damaged|cut short"):
        read(directory)


def test_a_main_segment_that_is_missing_in_between_is_noticed(directory):
    gone = mains(directory)[2]
    gone.unlink()
    with pytest.raises(JournalCorrupt, match=r"does not continue .*: one was changed or is missing"):
        read(directory)


def test_a_journal_whose_beginning_was_archived_is_read_from_where_it_begins(directory):
    for path in mains(directory)[:2]:
        path.unlink()
    begins = int(mains(directory)[0].stem.split("-")[1])
    reader = JournalReader(directory)
    with pytest.raises(JournalError, match=f"begins at seq {begins}: earlier segments are gone"):
        list(reader.records())
    assert list(reader.records(begins)) == [r for r in RECORDS if r.seq >= begins]


def test_one_record_is_a_journal(tmp_path):
    write(tmp_path, [record(1, MARKET_STREAM)])
    assert read(tmp_path) == [record(1, MARKET_STREAM)]
