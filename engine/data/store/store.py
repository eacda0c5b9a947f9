"""The store of market data: one folder a series, Parquet parts, each row once.

    FOLDER/<venue>/<instrument>/<kind>/20250126T191403Z-000001.parquet
                                       manifest.json

`append` may bring rows in any order of time and again: what is known is left out. Parts do not overlap in time; the
newest is written anew while it is small, so that a recording of a day is a few files.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from domain.errors import DataError
from domain.instrument import Instrument
from engine.data import columns
from engine.data.store import frames, manifest
from engine.data.store.manifest import Manifest, Part
from engine.data.store.series import Kind, Series, series_at
from engine.data.store.spans import Span, joined

PART_ROWS = 50_000
BOOK_PART_ROWS = 10_000
"""A book's row is eighty numbers."""
DAY_NS = 86_400_000_000_000
_READ_TRIES = 3


class Appended(Struct, frozen=True):
    """How many rows were new and how many known already; `differing` are times where the source now says otherwise."""

    new: int
    known: int
    differing: tuple[int, ...] = ()


class MarketStore:
    """Every series below a folder. Several processes may read and write it at once."""

    def __init__(self, folder: Path) -> None:
        """The folder is made by the first `append`."""
        self.folder = folder

    def manifest(self, series: Series) -> Manifest:
        """What there is of a series; empty where it was never stored. Raises `DataError`."""
        return manifest.load(self.folder / series.path)

    def all(self) -> list[Series]:
        """Every series, by name."""
        found = (series_at(path.parent) for path in self.folder.glob(f"*/*/*/{manifest.NAME}"))
        return sorted((series for series in found if series), key=lambda series: str(series.path))

    def append(
        self,
        series: Series,
        frame: pa.Table,
        source: str,
        covered: Sequence[Span],
        *,
        instrument: Instrument | None = None,
        refuse_other: bool = False,
    ) -> Appended:
        """Store rows, and that they are all there is of the spans `covered`; all of it or, after a crash, nothing.

        Where a candle or rate is known, the stored one stays and `Appended.differing` says so; `refuse_other` refuses
        such rows instead. Raises `DataError` for rows that lie, and when the disk refuses.
        """
        folder = self.folder / series.path
        if frame.num_rows:
            frame = frames.unique(series.kind, frame)
            frames.check(f"{series.name} from {source}", series.kind, frame, series.interval_ns)
        with manifest.writing(folder) as current:
            new, other = 0, list[int]()
            for rows in _slices(frame, _part_rows(series)):
                added, differ = self._merge(series, current, rows, source)
                new += added
                other += differ
            if other and refuse_other:
                raise DataError(
                    f"{series.name}: {len(other)} rows differ from what is stored (first at {when(other[0])}), "
                    f"from {', '.join(current.sources)}; to take the new ones, delete {folder} first"
                )
            spans = joined([*current.covered, *covered])
            if new or spans != current.covered or (instrument and instrument != current.instrument):
                current.covered = spans
                current.instrument = instrument or current.instrument
                manifest.save(folder, current)
        return Appended(new, frame.num_rows - new, tuple(other))

    def read(self, series: Series, start_ns: int = 0, end_ns: int = 2**63 - 1) -> pa.Table:
        """Rows with start_ns <= ts_ns < end_ns, in order of time.

        Raises `DataError` for a part that was changed or is gone, naming it.
        """
        gone = ""
        for _ in range(_READ_TRIES):
            try:
                tables = [
                    self._read_part(series, part)
                    for part in self.manifest(series).parts
                    if part.last_ns >= start_ns and part.first_ns < end_ns
                ]
            except FileNotFoundError as error:  # a writer has replaced the part: look again
                gone = error.filename
                continue
            frame = pa.concat_tables([frames.schema(series.kind).empty_table(), *tables])
            times = frames.ints(frame, "ts_ns")
            return frame.slice(*_between(times, start_ns, end_ns))
        raise DataError(f"{gone} is gone: delete its folder and fetch or import it again")

    def verify(self, series: Series) -> None:
        """Read every part. Raises `DataError` for the first that was changed or is gone."""
        self.read(series)

    def _read_part(self, series: Series, part: Part) -> pa.Table:
        path = self.folder / series.path / part.file
        raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() != part.sha256:
            raise DataError(f"{path} was changed after it was stored: delete its folder and fetch or import it again")
        return columns.parquet(raw)

    def _merge(self, series: Series, current: Manifest, frame: pa.Table, source: str) -> tuple[int, list[int]]:
        """Write one slice of rows into new parts in place of those it touches; how many were new, and which differ."""
        times = frames.ints(frame, "ts_ns")
        first, last = int(times[0]), int(times[-1])
        begin = sum(part.last_ns < first for part in current.parts)
        end = sum(part.first_ns <= last for part in current.parts)
        if begin == end and begin and _may_grow(series, current.parts[begin - 1], first):
            begin -= 1
        touched = current.parts[begin:end]
        old = pa.concat_tables(
            [frames.schema(series.kind).empty_table(), *(self._read_part(series, part) for part in touched)]
        )
        differ = frames.differing(series.kind, old, frame)
        merged = frames.merged(series.kind, old, frame)
        added = merged.num_rows - old.num_rows
        if added:
            sources = tuple(dict.fromkeys([*(name for part in touched for name in part.sources), source]))
            current.parts[begin:end] = [
                self._write_part(series, current, piece, sources) for piece in _pieces(series, merged)
            ]
        return added, differ

    def _write_part(self, series: Series, current: Manifest, frame: pa.Table, sources: tuple[str, ...]) -> Part:
        frames.check(series.name, series.kind, frame, series.interval_ns)
        times = frames.ints(frame, "ts_ns")
        first = int(times[0])
        name = f"{dt.datetime.fromtimestamp(first // 10**9, dt.UTC):%Y%m%dT%H%M%SZ}-{current.next_part:06}.parquet"
        current.next_part += 1
        path = self.folder / series.path / name
        manifest.write(path, lambda beside: pq.write_table(frame, beside, compression="zstd"))
        raw = path.read_bytes()
        return Part(
            file=name,
            rows=frame.num_rows,
            bytes=len(raw),
            first_ns=first,
            last_ns=int(times[-1]),
            sha256=hashlib.sha256(raw).hexdigest(),
            sources=sources,
            holes=frames.holes(frame, series.interval_ns) if series.interval_ns else (),
        )


def when(ts_ns: int) -> str:
    """A time for people: UTC, to the second."""
    return f"{dt.datetime.fromtimestamp(ts_ns // 10**9, dt.UTC):%Y-%m-%d %H:%M:%S}"


def _part_rows(series: Series) -> int:
    return BOOK_PART_ROWS if series.kind is Kind.BOOKS else PART_ROWS


def _by_day(series: Series) -> bool:
    """Whether a part ends with its UTC day."""
    return series.kind in {Kind.TRADES, Kind.BOOKS, Kind.MARKS}


def _may_grow(series: Series, part: Part, next_ns: int) -> bool:
    same_day = part.first_ns // DAY_NS == next_ns // DAY_NS
    return part.rows < _part_rows(series) and (same_day or not _by_day(series))


def _slices(frame: pa.Table, limit: int) -> Iterator[pa.Table]:
    """About `limit` rows at a time; equal times stay together, because equal trades are counted."""
    times = frames.ints(frame, "ts_ns")
    first = 0
    while first < len(times):
        last = min(first + limit, len(times))
        last = int(np.searchsorted(times, times[last - 1], side="right"))
        yield frame.slice(first, last - first)
        first = last


def _pieces(series: Series, frame: pa.Table) -> Iterator[pa.Table]:
    """Cut at UTC midnights, where the kind is kept by the day, and where a part is full."""
    times = frames.ints(frame, "ts_ns")
    cuts = [0, len(times)]
    if _by_day(series):
        cuts[1:1] = (np.flatnonzero(np.diff(times // DAY_NS)) + 1).tolist()
    limit = _part_rows(series)
    for first, last in itertools.pairwise(cuts):
        for at in range(first, last, limit):
            yield frame.slice(at, min(limit, last - at))


def _between(times: np.ndarray[tuple[int, ...], np.dtype[np.int64]], start_ns: int, end_ns: int) -> tuple[int, int]:
    first, last = np.searchsorted(times, [start_ns, end_ns]).tolist()
    return first, last - first
