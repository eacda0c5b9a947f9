"""Opening a journal after a crash: cut the unfinished end, say what was cut, find where to go on.

A group is written market first, then main, so after a crash the end may be a torn frame in the newest main
segment, market bytes that no batch in the chain names, or a segment without records. All of that had never been
claimed durable. It is cut, with a copy kept in the folder `cut`. Damage before that end is corruption and raises.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from msgspec import Struct

from engine.core.journal import format as fmt
from engine.core.journal.format import MarketBatch
from engine.core.journal.scan import Cut, MainSegment
from engine.core.journal.segments import first_seq_of, list_segments, read_seal

CUT_FOLDER = "cut"


class Resume(Struct):
    """Where writing goes on: the chain, the unfinished segments to continue, and what was cut.

    `head` is the chain hash after the last record; where a seal follows it, `chain` is the one after the seal.
    """

    chain: bytes = fmt.GENESIS
    head: bytes = fmt.GENESIS
    last_seq: int = 0
    last_ts_ns: int = 0
    main: Path | None = None
    market: Path | None = None
    market_last_seq: int = 0
    market_last_ts_ns: int = 0
    cut_seq: int = 0
    """Last seq among the market records that were cut off; 0 = none."""
    cuts: list[Cut] = []


def recover(directory: Path) -> Resume:
    """Make the journal end at its last whole record. Raises `JournalCorrupt` for damage that no crash explains."""
    resume = Resume()
    _recover_main(directory, resume)
    _recover_market(directory, resume)
    return resume


def _recover_main(directory: Path, resume: Resume) -> None:
    """Find the head of the chain; drop newest segments that never got a record, cut a torn end."""
    for path in reversed(list_segments(directory, fmt.MAIN)):
        size = path.stat().st_size
        if size > fmt.HEADER_BYTES:
            seal = read_seal(path, fmt.MAIN)
            if seal:
                resume.chain, resume.head = seal.chain, seal.before
                resume.last_seq, resume.last_ts_ns = seal.seq, seal.ts_ns
                return
            segment = MainSegment(path, newest=True, check_chain=True)
            for _ in segment.frames():
                pass
            if segment.torn:
                _cut(path, segment.torn.offset)
                resume.cuts.append(segment.torn)
            if segment.last_seq:
                resume.chain = resume.head = segment.chain
                resume.last_seq, resume.last_ts_ns = segment.last_seq, segment.last_ts_ns
                resume.main = path
                return
            path.unlink()
        else:
            resume.cuts.append(Cut(path.name, 0, size, 0, "a segment without a record"))
            path.unlink()


def _recover_market(directory: Path, resume: Resume) -> None:
    """Cut market bytes that the chain does not name; find the segment to continue."""
    for path in reversed(list_segments(directory, fmt.MARKET)):
        seal = read_seal(path, fmt.MARKET)
        if seal is not None and seal.seq <= resume.last_seq:
            return
        found = _last_batch(directory, first_seq_of(path))
        named = found[0].offset + found[0].length if found else 0
        size = path.stat().st_size
        if size > named:
            what = "market records that the chain does not name"
            resume.cut_seq = max(resume.cut_seq, _last_seq(path, named))
            resume.cuts.append(Cut(path.name, named, size - named, resume.last_seq, what))
            _cut(path, named)
        if found:
            if size >= named:
                resume.market, (_, resume.market_last_seq, resume.market_last_ts_ns) = path, found
            return
        path.unlink()


def _last_seq(path: Path, offset: int) -> int:
    """The seq of the last whole market record from `offset` on."""
    frames = fmt.walk(path.read_bytes(), max(offset, fmt.HEADER_BYTES), tagged=False)
    return max((seq for _, _, seq, _, _ in frames), default=0)


def _last_batch(directory: Path, segment_seq: int) -> tuple[MarketBatch, int, int] | None:
    """The last batch in the chain that lies in one market segment, with its last seq and ts."""
    found = None
    paths = list_segments(directory, fmt.MAIN)
    for path in reversed(paths):
        segment = MainSegment(path, newest=path == paths[-1], check_chain=False)
        for _, kind, seq, ts_ns, body in segment.frames():
            if kind & fmt.KIND_MASK == fmt.BATCH:
                batch = fmt.unpack_batch(body)
                if batch.segment_seq == segment_seq:
                    found = batch, seq, ts_ns
        if found or first_seq_of(path) <= segment_seq:
            return found
    return found


def _cut(path: Path, offset: int) -> None:
    """Truncate a segment, keeping a copy of what is cut where the disk has room for it."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(offset)
        folder = path.parent / CUT_FOLDER
        folder.mkdir(exist_ok=True)
        (folder / f"{path.stem}-{offset}.bytes").write_bytes(file.read())
    os.truncate(path, offset)
