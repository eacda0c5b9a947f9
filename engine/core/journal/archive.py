"""Moving finished market segments away, so that the disk lasts: the chain names them by hash and still verifies.

Nothing that a start needs goes: only segments that end before the newest readable snapshot. What went where is noted in
the file `archived` beside the segments, one JSON object a line, which `audit verify` reads.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from domain.errors import JournalCorrupt, JournalError
from engine.core.journal import format as fmt
from engine.core.journal.audit import verify
from engine.core.journal.segments import list_segments, read_seal, sync_directory
from engine.core.journal.snapshots import SNAPSHOT_FOLDER, SnapshotStore

ARCHIVED_FILE = "archived"
_BLOCK = 1 << 20


class Archived(Struct, frozen=True, kw_only=True):
    """One segment that was moved away: where to, and what its bytes hash to (SHA-256, hex)."""

    segment: str
    to: str
    bytes: int
    sha256: str


def archive(directory: Path, before_ns: int, to: Path) -> list[Archived]:
    """Move the verified market segments that end before a time, and before the newest snapshot, into the folder `to`.

    Each is copied, compared, noted and only then removed, so that a crash loses nothing. A service may be running.
    Raises `JournalError` where the journal is broken, `to` is the journal's own folder or has another file of that
    name, OSError as the disks do.
    """
    if to.resolve().is_relative_to(directory.resolve()):
        raise JournalError(f"{to} is the journal's own folder or lies in it: choose a folder elsewhere")
    report = verify(directory)
    if report.broken is not None:
        raise JournalCorrupt(f"nothing is archived from a journal that is broken: {report.broken}")
    snapshot = SnapshotStore(directory / SNAPSHOT_FOLDER).load(report.last_seq)
    to.mkdir(parents=True, exist_ok=True)
    done = []
    for path in list_segments(directory, fmt.MARKET):
        seal = read_seal(path, fmt.MARKET)
        if seal is None or snapshot is None or seal.seq > snapshot.seq or seal.ts_ns >= before_ns:
            continue
        done.append(_move(path, to))
    return done


def _move(path: Path, to: Path) -> Archived:
    target = to / path.name
    digest = _digest(path)
    if not target.exists():
        part = target.with_suffix(".part")
        shutil.copyfile(path, part)
        with part.open("rb") as copy:
            os.fsync(copy.fileno())
        part.replace(target)
        sync_directory(to)
    if target.samefile(path):
        raise JournalError(f"{target} is {path.name} itself and no copy: choose another folder")
    if _digest(target) != digest:
        raise JournalError(f"{target} is not what {path.name} is: choose another folder")
    moved = Archived(segment=path.name, to=str(to.absolute()), bytes=path.stat().st_size, sha256=digest)
    with (path.parent / ARCHIVED_FILE).open("ab") as notes:
        notes.write(msgspec.json.encode(moved) + b"\n")
        notes.flush()
        os.fsync(notes.fileno())
    sync_directory(path.parent)
    path.unlink()
    return moved


def archived(directory: Path) -> dict[str, Archived]:
    """What was moved away from a journal, by the segment's name; a line that cannot be read is passed over."""
    found: dict[str, Archived] = {}
    with contextlib.suppress(OSError):
        for line in (directory / ARCHIVED_FILE).read_bytes().splitlines():
            with contextlib.suppress(msgspec.MsgspecError):
                moved = msgspec.json.decode(line, type=Archived)
                found[moved.segment] = moved
    return found


def _digest(path: Path) -> str:
    total = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()
