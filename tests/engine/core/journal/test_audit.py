"""`verify` finds every change, says where, and tells what is only missing from what is broken."""

import shutil
from zlib import crc32

import pytest

from domain.errors import JournalError
from engine.core.journal import Anchor, FileJournal, describe, verify
from engine.core.journal import format as fmt
from tests.engine.core.journal.journals import mains, markets, mixed, write, write_crashed

RECORDS = mixed(60)


@pytest.fixture
def directory(tmp_path):
    write(tmp_path, RECORDS, group=6, segment_bytes=900)
    assert len(mains(tmp_path)) > 1
    assert len(markets(tmp_path)) > 1
    return tmp_path


def test_a_sound_journal_is_counted_whole(directory):
    report = verify(directory)
    assert report.ok
    assert (report.first_seq, report.last_seq) == (1, 60)
    assert (report.first_ts_ns, report.last_ts_ns) == (1_000, 60_000)
    assert report.records == 60
    assert report.market_records == sum(r.stream for r in RECORDS)
    assert report.segments == len(mains(directory)) + len(markets(directory))
    assert report.bytes == sum(p.stat().st_size for p in directory.glob("*.journal"))
    assert report.missing == ()
    assert report.torn == ()


def test_every_single_flipped_bit_of_a_closed_journal_is_found(directory):
    for path in sorted(directory.glob("*.journal")):
        data = bytearray(path.read_bytes())
        for offset in range(len(data)):
            mask = 1 << (offset % 8)
            data[offset] ^= mask
            path.write_bytes(data)
            report = verify(directory)
            assert not report.ok or report.torn, f"{path.name} byte {offset}"
            data[offset] ^= mask
        path.write_bytes(data)
    assert verify(directory).ok


def test_every_single_flipped_bit_of_a_crashed_journal_is_found(tmp_path):
    directory = write_crashed(tmp_path / "live", tmp_path / "left", RECORDS[:20], group=4)
    for path in sorted(directory.glob("*.journal")):
        data = bytearray(path.read_bytes())
        for offset in range(len(data)):
            data[offset] ^= 0x10
            path.write_bytes(data)
            report = verify(directory)
            assert not report.ok or report.torn, f"{path.name} byte {offset}"
            data[offset] ^= 0x10
        path.write_bytes(data)


def rewrite(path, number, change, *, tagged):
    """Edit one frame's payload and repair its crc, as someone would who knows the format a little."""
    data = bytearray(path.read_bytes())
    frames = [f for f in fmt.walk(bytes(data), fmt.HEADER_BYTES, tagged=tagged) if len(f[4]) > 35]
    offset, _, _, _, body = frames[number]
    edited = bytearray(body)
    edited[fmt.BODY.size] ^= change
    data[offset : offset + 4 + len(body)] = crc32(edited).to_bytes(4, "big") + edited
    path.write_bytes(data)
    return offset


def test_an_edited_main_record_with_a_repaired_crc_is_located(directory):
    path = mains(directory)[0]
    offset = rewrite(path, 3, 1, tagged=True)
    broken = verify(directory).broken
    assert broken is not None
    assert (broken.segment, broken.offset) == (path.name, offset)
    assert "hash chain does not match" in broken.what


def test_an_edited_market_record_with_a_repaired_crc_is_found_in_its_batch(directory):
    path = markets(directory)[0]
    rewrite(path, 0, 1, tagged=False)
    broken = verify(directory).broken
    assert broken is not None
    assert broken.segment == path.name
    assert "not those that the hash chain names" in broken.what


def test_the_report_before_a_break_says_how_far_it_was_sound(directory):
    path = mains(directory)[1]
    first = int(path.stem.split("-")[1])
    rewrite(path, 0, 1, tagged=True)
    report = verify(directory)
    assert report.broken is not None
    assert report.last_seq == first - 1
    assert report.records == first - 1


def test_archived_market_segments_leave_the_chain_sound_and_the_span_named(directory):
    kept = verify(directory)
    gone = markets(directory)[0]
    gone.unlink()
    report = verify(directory)
    assert report.ok
    assert report.head == kept.head
    (span,) = report.missing
    assert span.segment == gone.name
    assert report.records + span.records == 60


@pytest.mark.parametrize("number", [0, 1])
def test_a_main_segment_that_is_gone_breaks_the_chain(directory, number):
    mains(directory)[number].unlink()
    broken = verify(directory).broken
    assert broken is not None
    assert "is missing" in broken.what or "earlier segments are gone" in broken.what


def test_a_cut_end_in_the_middle_segments_is_found(directory):
    for path in (mains(directory)[0], markets(directory)[0]):
        data = path.read_bytes()
        seal = 65 if path.name.startswith("main") else 25
        for cut in (1, seal, seal + 1):
            path.write_bytes(data[:-cut])
            assert not verify(directory).ok
        path.write_bytes(data)


def test_something_after_the_seal_is_found(directory):
    for path in (mains(directory)[-1], markets(directory)[0]):
        data = path.read_bytes()
        path.write_bytes(data + b"more")
        report = verify(directory)
        assert not report.ok or report.torn
        path.write_bytes(data)


def test_a_head_kept_outside_shows_a_cut_end_and_a_rewritten_past(tmp_path):
    seq, head = write(tmp_path / "a", RECORDS)
    assert verify(tmp_path / "a", [Anchor(seq, head)]).anchors == 1
    write(tmp_path / "short", RECORDS[:50])
    broken = verify(tmp_path / "short", [Anchor(seq, head)]).broken
    assert broken is not None
    assert "seq 60 was anchored outside and is not there" in broken.what
    write(tmp_path / "other", [*RECORDS[:-1], mixed(1, first=60, seed=9)[0]])
    broken = verify(tmp_path / "other", [Anchor(seq, head)]).broken
    assert broken is not None
    assert "the journal was rewritten before it" in broken.what


def test_an_anchor_from_the_middle_of_a_run_is_met_later(tmp_path):
    journal = FileJournal(tmp_path, fsync=False)
    anchors = []
    for each in RECORDS:
        journal.append(each.stream, each.seq, each.ts_ns, each.payload)
        journal.flush()
        anchors.append(Anchor(*journal.head))
    journal.close()
    assert verify(tmp_path, anchors).anchors == 60


def test_no_journal_is_an_error_that_says_what_to_give(tmp_path):
    with pytest.raises(JournalError, match=r"there is no journal in .*: give the folder that holds main-\*"):
        verify(tmp_path / "nothing")


def test_the_report_reads_well(directory, tmp_path):
    seq, head = 60, verify(directory).head
    lines = describe(verify(directory, [Anchor(seq, head)]))
    assert lines[0] == "OK: the hash chain holds from seq 1 to 60"
    assert lines[1].startswith("records   60 (")
    assert lines[3] == f"head      seq 60 {head}"
    assert lines[4] == "anchors   1 kept outside, all on the chain"

    markets(directory)[0].unlink()
    assert any(line.startswith("missing   market-0000") for line in describe(verify(directory)))

    rewrite(mains(directory)[0], 2, 1, tagged=True)
    lines = describe(verify(directory))
    assert lines[0].startswith(f"BROKEN: journal segment {mains(directory)[0].name} is broken at byte ")
    assert lines[1].startswith("sound up to seq ")

    empty = tmp_path / "empty"
    empty.mkdir()
    assert describe(verify(empty))[0] == f"OK: the journal in {empty} is empty"


def test_a_torn_end_is_told_apart_from_a_break(tmp_path):
    left = write_crashed(tmp_path / "live", tmp_path / "left", RECORDS)
    (path,) = mains(left)
    path.write_bytes(path.read_bytes()[:-1])
    report = verify(left)
    assert report.ok
    lines = describe(report)
    assert any(line.startswith(f"torn end  {path.name}: ") for line in lines)
    assert "the next start cuts it" in lines[-1]


def test_a_copy_verifies_like_the_original(directory, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("copy"))
    assert verify(copy).head == verify(directory).head
