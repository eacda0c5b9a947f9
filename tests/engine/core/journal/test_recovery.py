"""Opening after a crash: the journal ends at a whole record, whatever was being written, and what was cut is said."""

import shutil
from zlib import crc32

import pytest

from domain.errors import JournalCorrupt
from domain.ports import MARKET_STREAM
from engine.core.journal import FileJournal, verify
from engine.core.journal import format as fmt
from engine.core.journal.segments import read_seal
from tests.engine.core.journal.journals import (
    append,
    crashed,
    flip,
    mains,
    markets,
    mixed,
    read,
    record,
    write,
    write_crashed,
)

RECORDS = mixed(40)


@pytest.fixture
def left(tmp_path):
    return write_crashed(tmp_path / "live", tmp_path / "left", RECORDS, group=5)


def frame_ends(path):
    data = path.read_bytes()
    return [o + 4 + len(body) for o, _, _, _, body in fmt.walk(data, fmt.HEADER_BYTES, tagged=True)]


def test_a_killed_journal_opens_with_nothing_cut_when_the_last_group_was_whole(left):
    journal = FileJournal(left, fsync=False)
    assert journal.cuts == []
    assert journal.last_seq == 40
    append(journal, mixed(10, first=41))
    journal.close()
    assert read(left) == RECORDS + mixed(10, first=41)
    assert len(mains(left)) == len(markets(left)) == 1
    assert verify(left).ok


def test_a_tail_torn_at_any_byte_recovers_to_a_whole_record(tmp_path):
    left = write_crashed(tmp_path / "live", tmp_path / "left", RECORDS[:7], group=2)
    (main,) = mains(left)
    whole = main.read_bytes()
    ends = {fmt.HEADER_BYTES, *frame_ends(main)}
    seen = set()
    for size in range(len(whole) + 1):
        directory = tmp_path / "cut"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(left, directory)
        mains(directory)[0].write_bytes(whole[:size])
        torn = size not in ends
        assert bool([cut for cut in verify(directory).torn if cut.segment == main.name]) == (torn and size > 64)
        journal = FileJournal(directory, fsync=False)
        last = journal.last_seq
        said = [cut for cut in journal.cuts if cut.segment == main.name]
        assert bool(said) == (torn or size <= fmt.HEADER_BYTES)
        append(journal, [record(last + 1)])
        journal.close()
        assert read(directory) == [*RECORDS[:last], record(last + 1)]
        report = verify(directory)
        assert report.ok, report.broken
        assert not report.torn
        seen.add(last)
    assert len(seen) > 4
    assert {0, 7} <= seen


def test_market_records_that_the_chain_does_not_name_are_cut(left, monkeypatch):
    market = markets(left)[0]
    whole = market.read_bytes()
    extra = fmt.market_frame(41, 41_000, b"never named") + fmt.market_frame(42, 42_000, b"torn")
    for size in range(1, len(extra)):
        market.write_bytes(whole + extra[:size])
        assert [cut.bytes for cut in verify(left).torn] == [size]
        journal = FileJournal(left, fsync=False)
        (cut,) = journal.cuts
        assert (cut.segment, cut.offset, cut.bytes, cut.last_seq) == (market.name, len(whole), size, 40)
        assert str(cut).startswith(f"{market.name}: {size} bytes from byte {len(whole)}, after seq 40: market records")
        monkeypatch.setattr(journal._appender, "seal", lambda: None)  # the last segments stay open, as after a crash
        journal.close()
    assert read(left) == RECORDS


def test_a_market_segment_that_the_chain_never_named_is_removed(left):
    stray = left / fmt.segment_name(fmt.MARKET, 41)
    stray.write_bytes(fmt.pack_header(fmt.Header(fmt.MARKET, 41, 41_000)) + fmt.market_frame(41, 41_000, b"x"))
    journal = FileJournal(left, fsync=False)
    assert [cut.segment for cut in journal.cuts] == [stray.name]
    append(journal, [record(41, MARKET_STREAM)])
    journal.close()
    assert read(left)[-1] == record(41, MARKET_STREAM)
    assert verify(left).ok


def test_a_stray_market_segment_after_a_clean_stop_is_removed(tmp_path):
    write(tmp_path, RECORDS)
    stray = tmp_path / fmt.segment_name(fmt.MARKET, 41)
    stray.write_bytes(b"half a hea")
    journal = FileJournal(tmp_path, fsync=False)
    assert [(cut.segment, cut.bytes) for cut in journal.cuts] == [(stray.name, 10)]
    journal.close()
    assert verify(tmp_path).ok


def test_a_new_segment_that_never_got_a_record_is_removed(tmp_path):
    write(tmp_path, RECORDS)
    stray = tmp_path / fmt.segment_name(fmt.MAIN, 41)
    seal = read_seal(mains(tmp_path)[0], fmt.MAIN)
    assert seal is not None
    for content in (b"", b"half a hea", fmt.pack_header(fmt.Header(fmt.MAIN, 41, 41_000, seal.chain))):
        stray.write_bytes(content)
        assert verify(tmp_path).ok
        journal = FileJournal(tmp_path, fsync=False)
        assert journal.last_seq == 40
        assert not stray.exists()
        journal.close()


def test_what_was_cut_is_kept_as_a_copy(left):
    (main,) = mains(left)
    ends = frame_ends(main)
    torn = main.read_bytes()[ends[-2] : -3]
    main.write_bytes(main.read_bytes()[:-3])
    FileJournal(left, fsync=False).close()
    assert (left / "cut" / f"{main.stem}-{ends[-2]}.bytes").read_bytes() == torn


def test_damage_before_the_last_group_is_corruption_and_nothing_is_cut(left):
    (main,) = mains(left)
    before = main.read_bytes()
    flip(main, fmt.HEADER_BYTES + 40)
    damaged = main.read_bytes()
    with pytest.raises(JournalCorrupt, match=rf"{main.name} is broken at byte \d+, after seq \d+: .* more was written"):
        FileJournal(left, fsync=False)
    assert main.read_bytes() == damaged
    main.write_bytes(before)
    FileJournal(left, fsync=False).close()


def test_a_damaged_header_is_corruption_and_the_segment_stays(left):
    (main,) = mains(left)
    flip(main, 20)
    with pytest.raises(JournalCorrupt, match="header is not whole"):
        FileJournal(left, fsync=False)
    assert main.exists()


def test_a_hole_inside_the_last_group_is_a_torn_end(left):
    """A power cut may write the later pages of a group and not the earlier ones."""
    (main,) = mains(left)
    data = bytearray(main.read_bytes())
    starts = [o for o, kind, *_ in fmt.walk(bytes(data), fmt.HEADER_BYTES, tagged=True) if kind & fmt.GROUP_START]
    data[starts[-1] : starts[-1] + 20] = bytes(20)
    main.write_bytes(data)
    journal = FileJournal(left, fsync=False)
    assert journal.cuts[0].offset == starts[-1]
    assert journal.last_seq == 35
    journal.close()
    assert read(left) == RECORDS[:35]


def test_an_edited_record_with_a_repaired_crc_does_not_open(left):
    (main,) = mains(left)
    data = bytearray(main.read_bytes())
    offset, _, _, _, body = next(f for f in fmt.walk(bytes(data), 64, tagged=True) if len(f[4]) > 60)
    edited = bytearray(body)
    edited[25] ^= 1
    data[offset : offset + 4 + len(body)] = crc32(edited).to_bytes(4, "big") + edited
    main.write_bytes(data)
    with pytest.raises(JournalCorrupt, match="hash chain does not match"):
        FileJournal(left, fsync=False)


def test_a_market_segment_shorter_than_the_chain_says_is_not_continued(left):
    """As a power cut may leave it without fsync: the chain goes on, the damage stays visible."""
    (market,) = markets(left)
    market.write_bytes(market.read_bytes()[:-5])
    journal = FileJournal(left, fsync=False)
    assert journal.last_seq == 40
    append(journal, [record(41, MARKET_STREAM)])
    journal.close()
    assert len(markets(left)) == 2
    broken = verify(left).broken
    assert broken is not None
    assert broken.segment == market.name
    market.rename(left / "away")
    assert verify(left).ok
    assert read(left)[-1] == record(41, MARKET_STREAM)


def test_a_batch_named_in_an_older_main_segment_is_found(tmp_path):
    live, left = tmp_path / "live", tmp_path / "left"
    live.mkdir()
    journal = FileJournal(live, fsync=False, segment_bytes=200)
    append(journal, [record(1, MARKET_STREAM)])
    journal.flush()
    for seq in range(2, 12):
        append(journal, [record(seq)])
        journal.flush()
    shutil.copytree(live, left)
    journal.close()
    assert len(mains(left)) > 2
    (market,) = markets(left)
    size = market.stat().st_size
    market.write_bytes(market.read_bytes() + b"tail")
    reopened = FileJournal(left, fsync=False)
    assert [(cut.offset, cut.bytes) for cut in reopened.cuts] == [(size, 4)]
    append(reopened, [record(12, MARKET_STREAM)])
    reopened.close()
    assert len(markets(left)) == 1
    assert verify(left).ok
    assert [r.seq for r in read(left)] == list(range(1, 13))


def test_a_group_torn_by_a_crash_is_no_lost_end_of_the_journal(tmp_path):
    """The market bytes of a group reach the disk before the main bytes that name them."""
    journal = FileJournal(tmp_path / "whole", fsync=False, max_age_s=60)
    append(journal, [record(seq, 1) for seq in range(1, 9)])
    journal.flush()
    before = crashed(tmp_path / "whole", tmp_path / "torn")
    append(journal, [record(seq, 1) for seq in range(9, 400)])
    journal.flush()
    (market,) = markets(tmp_path / "whole")
    (before / market.name).write_bytes(market.read_bytes())
    journal.close()
    again = FileJournal(before, fsync=False)
    assert again.last_seq == 8
    assert again.cuts
    assert again.ahead_seq == 0
    again.close()
