"""What a series consists of. Replacing `manifest.json` is the one commit: a file that it does not name is not there.

A writer that is killed before it leaves strays, one that is killed after it leaves replaced parts: the next writer
deletes both.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from domain.errors import DataError
from domain.instrument import Instrument
from engine.data.store.series import Series, interval_text
from engine.data.store.spans import Span, joined, without

NAME = "manifest.json"
_LOCK = "lock"


class Part(Struct, frozen=True, kw_only=True):
    """One Parquet file. `holes` are the stretches between its candles where none is."""

    file: str
    rows: int
    bytes: int
    first_ns: int
    last_ns: int
    sha256: str
    sources: tuple[str, ...] = ()
    holes: tuple[Span, ...] = ()


class Gap(Struct, frozen=True, kw_only=True):
    """Time without data between data; `missing` candles, where that can be counted."""

    start_ns: int
    end_ns: int
    missing: int
    why: str


class Manifest(Struct, kw_only=True):
    """The parts in order of time, and the time that they are a full answer for (`covered`).

    `instrument` holds the contract's rules where the source knew them.
    """

    version: int = 1
    next_part: int = 1
    instrument: Instrument | None = None
    covered: list[Span] = []
    parts: list[Part] = []

    @property
    def rows(self) -> int:
        """Rows of every part."""
        return sum(part.rows for part in self.parts)

    @property
    def first_ns(self) -> int:
        """Time of the first row; 0 without any."""
        return self.parts[0].first_ns if self.parts else 0

    @property
    def last_ns(self) -> int:
        """Time of the last row; 0 without any."""
        return self.parts[-1].last_ns if self.parts else 0

    @property
    def sources(self) -> list[str]:
        """Where the rows came from, in order of time."""
        return list(dict.fromkeys(source for part in self.parts for source in part.sources))

    @property
    def sha256(self) -> str:
        """One hash over all parts."""
        return hashlib.sha256("".join(part.sha256 for part in self.parts).encode()).hexdigest()

    def gaps(self, series: Series) -> list[Gap]:
        """Candles that are missing; of other kinds, the time between what was fetched or recorded."""
        if not self.parts:
            return []
        if not series.interval_ns:
            return [
                Gap(start_ns=before[1], end_ns=after[0], missing=0, why="not fetched or recorded")
                for before, after in itertools.pairwise(joined(self.covered))
            ]
        holes: list[Span] = []
        for at, part in enumerate(self.parts):
            if at:
                holes.append((self.parts[at - 1].last_ns + series.interval_ns, part.first_ns))
            holes += part.holes
        return [self._gap(hole, series.interval_ns) for hole in holes if hole[0] < hole[1]]

    def _gap(self, hole: Span, interval_ns: int) -> Gap:
        unasked = without(hole, joined(self.covered))
        return Gap(
            start_ns=hole[0],
            end_ns=hole[1],
            missing=(hole[1] - hole[0]) // interval_ns,
            why="not fetched" if unasked else "the source has none",
        )


def load(folder: Path) -> Manifest:
    """The manifest of a series' folder; an empty one where there is none. Raises `DataError` for one that is broken."""
    path = folder / NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest()
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}. Delete the folder and fetch or import it again") from error
    if manifest.version != 1:
        raise DataError(f"{path}: written by a newer version of the program (format {manifest.version})")
    return manifest


def save(folder: Path, manifest: Manifest) -> None:
    """Commit: from now on this is what there is. Raises `DataError` when the disk refuses."""
    write(folder / NAME, lambda path: path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"))


def write(path: Path, fill: Callable[[Path], object]) -> None:
    """Make a file whole or not at all: `fill` writes it under another name. Raises `DataError`."""
    beside = path.with_name(f"{path.name}.tmp")
    try:
        fill(beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot be written: {error}; what was stored before is untouched") from error


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[Manifest]:
    """The manifest for one change by one writer; strays of a killed one are deleted, at the start and at the end."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = load(folder)
        try:
            yield manifest
        finally:
            _sweep(folder)
    finally:
        os.close(lock)


def _sweep(folder: Path) -> None:
    named = {part.file for part in load(folder).parts}
    for path in folder.iterdir():
        if path.suffix in {".parquet", ".tmp"} and path.name not in named:
            path.unlink(missing_ok=True)


def describe(gap: Gap, interval_ns: int) -> str:
    """How much is missing, in words."""
    if interval_ns:
        return f"{gap.missing} candles of {interval_text(interval_ns)}, {gap.why}"
    return f"{(gap.end_ns - gap.start_ns) / 1e9:,.0f} s, {gap.why}"
