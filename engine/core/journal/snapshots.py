"""State snapshots beside the journal: one file each, written atomically, found by name, checked by hash.

File `snapshot-<seq, 20 digits>[-start].snapshot`, big-endian:

    0    8   magic  b"MOONSNAP"
    8    2   format version (1)
    10   4   version of the state's encoding
    14   8   seq: the state is the one after this event
    22   8   ts_ns (signed)
    30   4   b, length of the build's name
    34   8   p, length of the payload
    42   b   build, UTF-8
    42+b p   payload
    ...  32  SHA-256 of every byte before

`-start` marks the first snapshot of a run (an epoch): kept after newer ones have pushed the others out.
"""

from __future__ import annotations

import contextlib
import logging
import os
from hashlib import sha256
from pathlib import Path
from struct import Struct as Layout

from domain.ports import Snapshot
from engine.core.journal.segments import make_directory, sync_directory

MAGIC = b"MOONSNAP"
FORMAT_VERSION = 1
HEADER = Layout(">8sHIQqIQ")
HASH_BYTES = 32
SNAPSHOT_FOLDER = "snapshots"
KEEP_STARTS = 100

log = logging.getLogger(__name__)


class SnapshotStore:
    """Snapshots of one journal. Keeps the newest `keep`, and the newest hundred that began an epoch.

    `problems` says which files could not be read or written, in sentences for people; each is logged too.
    """

    def __init__(self, directory: Path, *, keep: int = 5, fsync: bool = True) -> None:
        self.directory = directory
        self.problems: list[str] = []
        self._keep = keep
        self._fsync = fsync
        self._saved = False

    def save(self, snapshot: Snapshot) -> None:
        """Write one snapshot so that a crash leaves the old files or all of the new one. Raises OSError."""
        make_directory(self.directory, fsync=self._fsync)
        mark = "" if self._saved else "-start"
        path = self.directory / f"snapshot-{snapshot.seq:020d}{mark}.snapshot"
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(pack(snapshot))
            file.flush()
            if self._fsync:
                os.fsync(file.fileno())
        temporary.replace(path)
        if self._fsync:
            sync_directory(self.directory)
        self._saved = True
        self._prune()

    def load(self, before_seq: int | None = None) -> Snapshot | None:
        """The newest readable snapshot with seq <= `before_seq` (None = any); unreadable ones go to `problems`."""
        for path in reversed(self.files()):
            if before_seq is not None and seq_of(path) > before_seq:
                continue
            try:
                snapshot = unpack(path.read_bytes())
                if snapshot.seq != seq_of(path):
                    raise ValueError(f"it holds seq {snapshot.seq}")
                return snapshot
            except (OSError, ValueError) as error:
                self.note(f"snapshot {path.name} is skipped: {error}")
        return None

    def put_aside(self, after_seq: int) -> Snapshot | None:
        """Rename the snapshots of events that the journal has lost (seq > `after_seq`); returns the newest of them."""
        newest = None
        for path in self.files():
            if seq_of(path) > after_seq:
                with contextlib.suppress(OSError, ValueError):
                    newest = unpack(path.read_bytes())
                path.replace(path.with_suffix(".lost"))
        return newest

    def files(self) -> list[Path]:
        """The snapshot files, oldest first."""
        return sorted(self.directory.glob("snapshot-*.snapshot"))

    def note(self, problem: str) -> None:
        """Keep a problem for people, and log it."""
        self.problems.append(problem)
        log.warning(problem)

    def _prune(self) -> None:
        files = self.files()
        starts = [path for path in files if path.stem.endswith("-start")]
        kept = {*files[-self._keep :], *starts[-KEEP_STARTS:]}
        for path in files:
            if path not in kept:
                path.unlink(missing_ok=True)
        for left_over in self.directory.glob("*.tmp"):
            left_over.unlink(missing_ok=True)


def seq_of(path: Path) -> int:
    """The sequence number in a snapshot's file name."""
    return int(path.stem.split("-")[1])


def pack(snapshot: Snapshot) -> bytes:
    """The bytes of a snapshot file."""
    build = snapshot.build.encode()
    data = HEADER.pack(
        MAGIC, FORMAT_VERSION, snapshot.version, snapshot.seq, snapshot.ts_ns, len(build), len(snapshot.payload)
    )
    data += build + snapshot.payload
    return data + sha256(data).digest()


def unpack(data: bytes) -> Snapshot:
    """Read a snapshot file. Raises ValueError saying what is wrong with it."""
    if len(data) < HEADER.size + HASH_BYTES or sha256(data[:-HASH_BYTES]).digest() != data[-HASH_BYTES:]:
        raise ValueError("its hash does not match its content")
    magic, format_version, version, seq, ts_ns, build_bytes, payload_bytes = HEADER.unpack_from(data)
    if magic != MAGIC or format_version != FORMAT_VERSION:
        raise ValueError(f"it has format {format_version}, this program reads format {FORMAT_VERSION}")
    payload_at = HEADER.size + build_bytes
    return Snapshot(
        seq=seq,
        ts_ns=ts_ns,
        build=data[HEADER.size : payload_at].decode(),
        version=version,
        payload=data[payload_at : payload_at + payload_bytes],
    )
