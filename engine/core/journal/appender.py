"""Groups of records onto the disk: framing, hashing, market batches, rotation. Synchronous; knows no threads.

One group is all or nothing for whoever waits for it: market bytes are written (and synced) first, then the main
bytes that name them, then the group counts as committed. After an error `rollback` leaves both files at the
last committed group.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TypeAlias

from domain.errors import JournalError
from domain.ports import MAIN_STREAM, MARKET_STREAM
from engine.core.journal import format as fmt
from engine.core.journal.format import Header, MarketBatch
from engine.core.journal.recovery import Resume
from engine.core.journal.segments import SegmentFile

Entry: TypeAlias = tuple[int, int, int, bytes]
"""(stream, seq, ts_ns, payload)."""

_stream = itemgetter(0)


class Appender:
    """Writes groups at the end of a recovered journal. `head` is the last committed (seq, chain hash)."""

    def __init__(self, directory: Path, resume: Resume, *, fsync: bool, segment_bytes: int) -> None:
        self.head = (resume.last_seq, resume.head)
        self._directory = directory
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self._chain = resume.chain
        self._last = (resume.last_seq, resume.last_ts_ns)
        self._market_last = (resume.market_last_seq, resume.market_last_ts_ns)
        self._main = SegmentFile.reopen(resume.main) if resume.main else None
        self._market = SegmentFile.reopen(resume.market) if resume.market else None
        self._group_start = 0
        self._frames: list[bytes] = []
        self._runs: list[bytes] = []

    def write(self, group: Sequence[Entry]) -> None:
        """Write one group, at most one batch's worth of records. Raises OSError, after which nothing may follow."""
        main, market = self._files_for(group)
        self._group_start = fmt.GROUP_START
        for stream, run in groupby(group, _stream):
            if stream == MARKET_STREAM and market is not None:
                self._market_run(run, market)
            elif stream == MAIN_STREAM:
                for _, seq, ts_ns, payload in run:
                    self._chained(fmt.MAIN, seq, ts_ns, payload)
            else:
                raise JournalError(f"a journal has streams {MAIN_STREAM} and {MARKET_STREAM}, not {stream}")
        self._finish(main, market)
        _, seq, ts_ns, _ = group[-1]
        self._last = seq, ts_ns
        self.head = seq, self._chain

    def seal(self) -> None:
        """Finish both segments; the next record begins new ones. Raises OSError."""
        self._seal_market()
        self._seal_main()

    def rollback(self) -> None:
        """Leave both files at the last committed group, as well as the disk allows."""
        for file in (self._main, self._market):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.rollback()

    def close(self) -> None:
        """Release the files as they are."""
        for file in (self._main, self._market):
            if file is not None:
                file.close()
        self._main = self._market = None

    def _files_for(self, group: Sequence[Entry]) -> tuple[SegmentFile, SegmentFile | None]:
        """The segments this group goes to; full ones are sealed and followed by new ones."""
        if self._main is not None and self._main.size >= self._segment_bytes:
            self._seal_main()
        if self._main is None:
            _, seq, ts_ns, _ = group[0]
            header = Header(fmt.MAIN, seq, ts_ns, self._chain)
            self._main = SegmentFile.create(self._directory, header, fsync=self._fsync)
        first = next((entry for entry in group if entry[0] == MARKET_STREAM), None)
        if first is None:
            return self._main, None
        if self._market is not None and self._market.size >= self._segment_bytes:
            self._seal_market()
        if self._market is None:
            header = Header(fmt.MARKET, first[1], first[2])
            self._market = SegmentFile.create(self._directory, header, fsync=self._fsync)
        return self._main, self._market

    def _market_run(self, run: Iterable[Entry], market: SegmentFile) -> None:
        """Frame consecutive market records and put their batch into the chain."""
        entries = list(run)
        data = b"".join([fmt.market_frame(seq, ts_ns, payload) for _, seq, ts_ns, payload in entries])
        _, first_seq, first_ts_ns, _ = entries[0]
        _, seq, ts_ns, _ = entries[-1]
        offset = market.size + sum(map(len, self._runs))
        digest = sha256(data).digest()
        batch = MarketBatch(market.first_seq, offset, len(data), len(entries), first_seq, first_ts_ns, digest)
        self._chained(fmt.BATCH, seq, ts_ns, fmt.pack_batch(batch))
        self._runs.append(data)
        self._market_last = seq, ts_ns

    def _chained(self, kind: int, seq: int, ts_ns: int, payload: bytes) -> None:
        frame, self._chain = fmt.chained_frame(self._chain, kind | self._group_start, seq, ts_ns, payload)
        self._frames.append(frame)
        self._group_start = 0

    def _finish(self, main: SegmentFile, market: SegmentFile | None) -> None:
        """Market bytes reach the disk before the main bytes that name them."""
        if market is not None:
            market.write(b"".join(self._runs))
            self._runs.clear()
            if self._fsync:
                market.sync()
        main.write(b"".join(self._frames))
        self._frames.clear()
        if self._fsync:
            main.sync()
        main.committed = main.size
        if market is not None:
            market.committed = market.size

    def _seal_main(self) -> None:
        main, self._group_start = self._main, fmt.GROUP_START
        if main is not None:
            self._chained(fmt.SEAL, *self._last, self._chain)
            self._finish(main, None)
            main.close()
            self._main = None

    def _seal_market(self) -> None:
        market = self._market
        if market is not None:
            market.write(fmt.market_seal(*self._market_last))
            if self._fsync:
                market.sync()
            market.close()
            self._market = None
