"""Does the journal still say what was written? Every byte of it checked, and the report in words.

`verify` recomputes the hash chain through all main segments and every market batch it names. Market segments that
are gone do not break the chain: the report says which spans are missing. What a crash leaves at the end is
told as `torn`, because the next start cuts it. Nothing is changed; a journal that is being written can be verified.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from domain.errors import JournalError
from engine.core.journal import format as fmt
from engine.core.journal.format import Break, Broken, MarketBatch
from engine.core.journal.reader import MarketFiles, MarketSpan, market_break, note_missing
from engine.core.journal.scan import Cut, MainSegment, main_segments
from engine.core.journal.segments import first_seq_of, list_segments, read_header, read_seal
from engine.core.journal.snapshots import SNAPSHOT_FOLDER, SnapshotStore, seq_of


class Anchor(Struct, frozen=True):
    """A head that was kept outside the journal: the chain hash (hex) after the record `seq`."""

    seq: int
    head: str


class AuditReport(Struct, frozen=True, kw_only=True):
    """What `verify` found.

    `ok` = every byte that is there is as it was written, every anchor is on the chain, and nobody knows of events
    that were on disk and are not there (`lost`).
    `head` is the chain hash (hex) after `last_seq`. Up to a break, the counts say how far it was sound.
    """

    directory: str
    ok: bool
    records: int
    market_records: int
    batches: int
    segments: int
    bytes: int
    first_seq: int
    last_seq: int
    first_ts_ns: int
    last_ts_ns: int
    head: str
    anchors: int
    missing: tuple[MarketSpan, ...]
    torn: tuple[Cut, ...]
    lost: tuple[str, ...]
    broken: Break | None


def verify(directory: Path, anchors: Iterable[Anchor] = (), known: Iterable[tuple[str, int]] = ()) -> AuditReport:
    """Check the whole journal in a folder. Raises `JournalError` when there is none, or of a newer format.

    `known` are others who know events that were on disk: (who, last seq), read before this is called.
    """
    if not directory.is_dir():
        raise JournalError(f"there is no journal in {directory}: give the folder that holds main-*.journal")
    audit = _Audit(directory, anchors)
    snapshots = SnapshotStore(directory / SNAPSHOT_FOLDER).files()
    witnesses = [*known, *((path.name, seq_of(path)) for path in snapshots)]
    broken = None
    try:
        audit.chain()
        audit.market()
        audit.anchored()
        audit.compared(witnesses)
    except Broken as error:
        broken = error.place
    finally:
        audit.files.close()
    return audit.report(broken)


class _Audit:
    """One run of `verify`: what has been found so far."""

    def __init__(self, directory: Path, anchors: Iterable[Anchor]) -> None:
        self.directory = directory
        self.files = MarketFiles(directory)
        self.market_paths = list_segments(directory, fmt.MARKET)  # before the chain is read: a writer may be at work
        self.anchors = {anchor.seq: anchor.head for anchor in anchors}
        self.anchors_met = 0
        self.main_records = self.market_records = self.batches = self.segments = self.bytes = 0
        self.first_seq = self.first_ts_ns = self.last_seq = self.last_ts_ns = 0
        self.head = fmt.GENESIS
        self.named: dict[int, int] = {}
        self.missing: list[MarketSpan] = []
        self.torn: list[Cut] = []
        self.lost: list[str] = []

    def chain(self) -> None:
        """Walk the main segments and the market batches they name. Raises `Broken`."""
        for segment in main_segments(self.directory, check_chain=True):
            self.segments += 1
            self.bytes += len(segment.data)
            if not self.first_seq:
                self.first_seq, self.first_ts_ns = segment.header.first_seq, segment.header.first_ts_ns
                if segment.header.chain != fmt.GENESIS:
                    raise Broken(
                        Break(segment.name, 0, 0, "the journal does not begin here: earlier segments are gone")
                    )
            for _, kind, seq, ts_ns, body in segment.frames():
                first_seq = seq
                if kind & fmt.KIND_MASK == fmt.BATCH:
                    batch = fmt.unpack_batch(body)
                    first_seq = batch.first_seq
                    self._batch(segment, batch, seq, ts_ns)
                else:
                    self.main_records += 1
                if first_seq != self.last_seq + 1:
                    self.lost.append(
                        f"events {self.last_seq + 1} to {first_seq - 1}: the end of the journal was lost here"
                    )
                if seq in self.anchors:
                    self._anchor(segment, seq)
                self.last_seq, self.last_ts_ns, self.head = seq, ts_ns, segment.chain
            if segment.torn:
                self.torn.append(segment.torn)

    def _batch(self, segment: MainSegment, batch: MarketBatch, seq: int, ts_ns: int) -> None:
        """Check one market batch against its segment."""
        self.batches += 1
        expected = self.named.get(batch.segment_seq, fmt.HEADER_BYTES)
        if batch.first_seq <= self.last_seq or batch.offset != expected:
            raise Broken(Break(segment.name, 0, self.last_seq, f"the market batch up to seq {seq} is out of place"))
        self.named[batch.segment_seq] = expected + batch.length
        data = self.files.read(batch)
        if data is None:
            note_missing(self.missing, batch, seq, ts_ns)
            return
        if sha256(data).digest() != batch.sha256:
            raise Broken(market_break(batch, data))
        self.market_records += batch.count

    def _anchor(self, segment: MainSegment, seq: int) -> None:
        if segment.chain.hex() != self.anchors[seq]:
            what = f"the chain hash at seq {seq} is not the one kept outside: the journal was rewritten before it"
            raise Broken(Break(segment.name, 0, seq, what))
        self.anchors_met += 1

    def market(self) -> None:
        """Check the bytes of market segments that no batch names: header, seal, and the unfinished end."""
        for path in self.market_paths:
            size, newest = path.stat().st_size, path == self.market_paths[-1]
            self.segments += 1
            self.bytes += size
            if size >= fmt.HEADER_BYTES or not newest:
                read_header(path)
            named = self.named.get(first_seq_of(path), 0)
            sealed = size == named + fmt.MARKET_SEAL_BYTES and read_seal(path, fmt.MARKET) is not None
            if sealed or (size == named and newest):
                continue
            what = "market records that the chain does not name" if size != named else "the segment has no seal"
            if not newest:
                raise Broken(Break(path.name, named, self.last_seq, what))
            self.torn.append(Cut(path.name, named, size - named, self.last_seq, what))

    def anchored(self) -> None:
        """Every anchor must have been met. Raises `Broken`."""
        for seq in sorted(self.anchors):
            if seq > self.last_seq:
                what = f"seq {seq} was anchored outside and is not there: the end of the journal was cut off"
                raise Broken(Break("(end)", 0, self.last_seq, what))
        if self.anchors_met != len(self.anchors):
            raise Broken(Break("(anchors)", 0, self.last_seq, "an anchored seq is not where a chain record ends"))

    def compared(self, known: Iterable[tuple[str, int]]) -> None:
        """Nobody may know a later event than the last one here."""
        for who, seq in known:
            if seq > self.last_seq:
                self.lost.append(f"events {self.last_seq + 1} to {seq} at least: {who} knows them")

    def report(self, broken: Break | None) -> AuditReport:
        """Put it all down."""
        return AuditReport(
            directory=str(self.directory),
            ok=broken is None and not self.lost,
            records=self.main_records + self.market_records,
            market_records=self.market_records,
            batches=self.batches,
            segments=self.segments,
            bytes=self.bytes,
            first_seq=self.first_seq,
            last_seq=self.last_seq,
            first_ts_ns=self.first_ts_ns,
            last_ts_ns=self.last_ts_ns,
            head=self.head.hex(),
            anchors=self.anchors_met,
            missing=tuple(self.missing),
            torn=tuple(self.torn),
            lost=tuple(self.lost),
            broken=broken,
        )


def describe(report: AuditReport) -> list[str]:
    """The report as lines for a person, the verdict first."""
    lines = []
    if report.broken:
        lines += [f"BROKEN: {report.broken}", f"sound up to seq {report.last_seq}; nothing was changed"]
    elif report.lost:
        lines.append(f"NOT WHOLE: the hash chain holds to seq {report.last_seq}, but its end was once lost")
    elif not report.last_seq:
        lines.append(f"OK: the journal in {report.directory} is empty")
    else:
        lines.append(f"OK: the hash chain holds from seq {report.first_seq} to {report.last_seq}")
    lines += [
        f"records   {report.records:,} ({report.market_records:,} market in {report.batches:,} batches)",
        f"segments  {report.segments:,} ({report.bytes:,} bytes)",
        f"head      seq {report.last_seq} {report.head}",
    ]
    if report.anchors:
        lines.append(f"anchors   {report.anchors} kept outside, all on the chain")
    lines += [f"lost      {what}" for what in report.lost]
    lines += [
        f"missing   {span}: a replay cannot pass them, a start needs none before its snapshot"
        for span in report.missing
    ]
    lines += [
        f"torn end  {cut} (left by a crash, the next start cuts it; or by a writer at work)" for cut in report.torn
    ]
    return lines
