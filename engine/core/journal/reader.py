"""Reading a journal: every record in order of seq, from any seq or time, whether or not someone is writing it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from domain.errors import JournalError
from domain.ports import MAIN_STREAM, MARKET_STREAM, Record
from engine.core.journal import format as fmt
from engine.core.journal.format import Break, Broken, MarketBatch
from engine.core.journal.scan import Cut, main_segments
from engine.core.journal.segments import SegmentInfo, describe_segments, list_segments, read_header

_PAYLOAD = fmt.BODY.size
_TAGGED = slice(fmt.BODY.size, -fmt.TAG_BYTES)


class MarketSpan(Struct, frozen=True, kw_only=True):
    """Market records that the chain names and whose segment is not there any more (archived or removed)."""

    segment: str
    first_seq: int
    last_seq: int
    first_ts_ns: int
    last_ts_ns: int
    records: int

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.segment}: {self.records} market records, seq {self.first_seq} to {self.last_seq}"


class JournalReader:
    """Reads the journal in a folder. `missing` and `torn` tell what the last reading did not find.

    `missing` lists the market spans whose segments are gone; `torn` the unfinished end, if a crash left one.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.missing: list[MarketSpan] = []
        self.torn: Cut | None = None

    def segments(self) -> list[SegmentInfo]:
        """Every segment with the seq and time it spans. Raises `JournalCorrupt`."""
        return describe_segments(self.directory)

    def records(self, from_seq: int = 0, market: bool = True, to_seq: int | None = None) -> Iterator[Record]:
        """Yield the records from `from_seq` to `to_seq` (None = the end), both streams in order of seq.

        Raises `JournalCorrupt` on damage, naming segment, offset and seq, and `JournalError` when the journal begins
        after `from_seq` because its first segments are gone.
        """
        self.missing, self.torn = [], None
        self._check_beginning(from_seq)
        files = MarketFiles(self.directory)
        try:
            for segment in main_segments(self.directory, from_seq=from_seq):
                for _, kind, seq, ts_ns, body in segment.frames():
                    if seq < from_seq:
                        continue
                    if kind & fmt.KIND_MASK == fmt.MAIN:
                        if to_seq is not None and seq > to_seq:
                            return
                        yield Record(MAIN_STREAM, seq, ts_ns, body[_TAGGED])
                    elif market:
                        for record in self._batch(files, fmt.unpack_batch(body), seq, ts_ns):
                            if to_seq is not None and record.seq > to_seq:
                                return
                            if record.seq >= from_seq:
                                yield record
                    if seq == to_seq:
                        return
                self.torn = segment.torn
        finally:
            files.close()

    def gone(self) -> list[MarketSpan]:
        """The market spans whose segments are gone, without reading market data. Raises `JournalCorrupt`."""
        there = {path.name for path in list_segments(self.directory, fmt.MARKET)}
        found: list[MarketSpan] = []
        for segment in main_segments(self.directory):
            for _, kind, seq, ts_ns, body in segment.frames():
                if kind & fmt.KIND_MASK == fmt.BATCH:
                    batch = fmt.unpack_batch(body)
                    if fmt.segment_name(fmt.MARKET, batch.segment_seq) not in there:
                        note_missing(found, batch, seq, ts_ns)
        return found

    def seq_at(self, ts_ns: int) -> int | None:
        """The first seq at or after a time, None when the journal ends before it. Raises `JournalCorrupt`."""
        start = 0
        for path in list_segments(self.directory, fmt.MAIN):
            if path.stat().st_size < fmt.HEADER_BYTES:
                break
            header = read_header(path)
            if start and header.first_ts_ns >= ts_ns:
                break
            start = header.first_seq
        files = MarketFiles(self.directory)
        try:
            for segment in main_segments(self.directory, from_seq=start):
                for _, kind, seq, last_ts_ns, body in segment.frames():
                    if last_ts_ns < ts_ns:
                        continue
                    if kind & fmt.KIND_MASK == fmt.MAIN:
                        return seq
                    batch = fmt.unpack_batch(body)
                    records = self._batch(files, batch, seq, last_ts_ns)
                    return next((record.seq for record in records if record.ts_ns >= ts_ns), batch.first_seq)
        finally:
            files.close()
        return None

    def _check_beginning(self, from_seq: int) -> None:
        paths = list_segments(self.directory, fmt.MAIN)
        if paths and paths[0].stat().st_size >= fmt.HEADER_BYTES:
            header = read_header(paths[0])
            if header.chain != fmt.GENESIS and from_seq < header.first_seq:
                raise JournalError(
                    f"the journal in {self.directory} begins at seq {header.first_seq}: earlier segments are gone; "
                    f"put them back, or read from seq {header.first_seq} on"
                )

    def _batch(self, files: MarketFiles, batch: MarketBatch, seq: int, ts_ns: int) -> Iterator[Record]:
        data = files.read(batch)
        if data is None:
            note_missing(self.missing, batch, seq, ts_ns)
            return
        count, end = 0, 0
        for offset, _, record_seq, record_ts_ns, body in fmt.walk(data, 0, tagged=False):
            yield Record(MARKET_STREAM, record_seq, record_ts_ns, body[_PAYLOAD:])
            count, end = count + 1, offset + fmt.CRC_BYTES + len(body)
        if count != batch.count or end != batch.length:
            raise Broken(market_break(batch, data))


class MarketFiles:
    """Market segments by the batches that the chain names; one is open at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seq = -1
        self._file: BinaryIO | None = None

    def read(self, batch: MarketBatch) -> bytes | None:
        """The bytes of a batch (fewer when the segment is too short), None when its segment is gone."""
        if batch.segment_seq != self._seq:
            self.close()
            self._seq = batch.segment_seq
            path = self._directory / fmt.segment_name(fmt.MARKET, batch.segment_seq)
            if path.exists():
                self._file = path.open("rb", buffering=1 << 20)
        if self._file is None:
            return None
        if self._file.tell() != batch.offset:
            self._file.seek(batch.offset)
        return self._file.read(batch.length)

    def close(self) -> None:
        """Release the open segment."""
        if self._file is not None:
            self._file.close()
        self._file = None
        self._seq = -1


def market_break(batch: MarketBatch, data: bytes) -> Break:
    """Find the first market record of a damaged batch that is not as it was written."""
    offset, seq = 0, batch.first_seq - 1
    for start, _, record_seq, _, body in fmt.walk(data, 0, tagged=False):
        offset, seq = start + fmt.CRC_BYTES + len(body), record_seq
    name = fmt.segment_name(fmt.MARKET, batch.segment_seq)
    if len(data) < batch.length and offset == len(data):
        what = "the segment was cut short"
    elif offset == batch.length:
        offset, seq, what = 0, batch.first_seq - 1, "the records are not those that the hash chain names"
    else:
        what = "the market record is damaged"
    return Break(name, batch.offset + offset, seq, f"{what}; move the segment away to go on without its market data")


def note_missing(missing: list[MarketSpan], batch: MarketBatch, seq: int, ts_ns: int) -> None:
    """Add a batch whose segment is gone to the spans, joining it to the one before from the same segment."""
    name = fmt.segment_name(fmt.MARKET, batch.segment_seq)
    first_seq, first_ts_ns, records = batch.first_seq, batch.first_ts_ns, batch.count
    if missing and missing[-1].segment == name:
        before = missing.pop()
        first_seq, first_ts_ns, records = before.first_seq, before.first_ts_ns, before.records + batch.count
    missing.append(
        MarketSpan(
            segment=name,
            first_seq=first_seq,
            last_seq=seq,
            first_ts_ns=first_ts_ns,
            last_ts_ns=ts_ns,
            records=records,
        )
    )
