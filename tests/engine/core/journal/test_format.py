"""The bytes on disk are a promise: a stranger's reader, written from the description alone, agrees."""

import hashlib
import zlib
from pathlib import Path

import pytest

from domain.errors import JournalError
from domain.ports import MAIN_STREAM, MARKET_STREAM, Record
from engine.core.journal import JournalReader, verify
from engine.core.journal import format as fmt
from tests.engine.core.journal.journals import mains, mixed, read, record, write

PINNED_HEAD = "a16ce2efefd80f78a9210f7310a0c9c0e97d93bfce72665dfbc343b4361c857a"


def number(data: bytes, start: int, size: int) -> int:
    return int.from_bytes(data[start : start + size], "big")


def strangers_frames(data: bytes, extra: int):
    offset = 0
    while offset < len(data):
        n = number(data, offset + 4, 4)
        frame = data[offset : offset + 25 + n + extra]
        assert number(frame, 0, 4) == zlib.crc32(frame[4:])
        yield (
            frame[8],
            number(frame, 9, 8),
            number(frame, 17, 8),
            frame[25 : 25 + n],
            frame[4 : 25 + n],
            frame[25 + n :],
        )
        offset += len(frame)


def strangers_reader(directory: Path) -> list[Record]:
    """Follows the description in `format` with nothing of ours but the names of the streams."""
    found, chain = [], bytes(32)
    for path in sorted(directory.glob("main-*.journal")):
        data = path.read_bytes()
        assert data[:12] == b"MOONJRNL\x00\x01\x00\x00"
        assert data[28:60] == chain
        assert number(data, 60, 4) == zlib.crc32(data[:60])
        for kind, seq, ts_ns, payload, hashed, tag in strangers_frames(data[64:], 8):
            before, chain = chain, hashlib.sha256(chain + hashed).digest()
            assert tag == chain[:8]
            match kind & 0x7F:
                case 0:
                    found.append(Record(MAIN_STREAM, seq, ts_ns, payload))
                case 2:
                    market = (directory / f"market-{number(payload, 0, 8):020d}.journal").read_bytes()
                    start, length = number(payload, 8, 8), number(payload, 16, 4)
                    run = market[start : start + length]
                    assert hashlib.sha256(run).digest() == payload[40:72]
                    records = [Record(MARKET_STREAM, f[1], f[2], f[3]) for f in strangers_frames(run, 0)]
                    assert len(records) == number(payload, 20, 4)
                    assert (records[0].seq, records[0].ts_ns) == (number(payload, 24, 8), number(payload, 32, 8))
                    assert (records[-1].seq, records[-1].ts_ns) == (seq, ts_ns)
                    found += records
                case 3:
                    assert payload == before
    return found


def test_a_reader_written_from_the_description_reads_the_same_records(tmp_path):
    records = mixed(300)
    write(tmp_path, records, group=7, segment_bytes=2_000)
    assert len(mains(tmp_path)) > 3
    assert strangers_reader(tmp_path) == read(tmp_path) == records


def test_the_same_records_in_the_same_groups_give_the_same_bytes_for_ever(tmp_path):
    assert write(tmp_path, mixed(50), group=5) == (50, PINNED_HEAD)


def test_a_segment_of_a_newer_format_is_refused_with_what_to_do(tmp_path):
    write(tmp_path, [record(1)])
    (path,) = mains(tmp_path)
    data = bytearray(path.read_bytes())
    data[9] = 2
    data[60:64] = zlib.crc32(data[:60]).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(JournalError, match="format 2, this program reads format 1: start the version that wrote it"):
        list(JournalReader(tmp_path).records())


def test_a_renamed_segment_is_noticed(tmp_path):
    write(tmp_path, [record(1)])
    (path,) = mains(tmp_path)
    path.rename(tmp_path / fmt.segment_name(fmt.MAIN, 7))
    assert "the header says it is main-00000000000000000001.journal" in str(verify(tmp_path).broken)


def test_something_else_under_a_segments_name_is_noticed(tmp_path):
    (tmp_path / fmt.segment_name(fmt.MAIN, 1)).write_bytes(b"x" * 100)
    assert "header is not whole" in str(verify(tmp_path).broken)
