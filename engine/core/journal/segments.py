"""Segment files: which there are, what they say of themselves, and one that is open for appending."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from msgspec import Struct

from engine.core.journal import format as fmt

sync_data = getattr(os, "fdatasync", os.fsync)


class SegmentInfo(Struct, frozen=True, kw_only=True):
    """One segment as its header and seal describe it. `last_*` are None while it is unfinished."""

    name: str
    stream: int
    bytes: int
    first_seq: int
    first_ts_ns: int
    last_seq: int | None = None
    last_ts_ns: int | None = None


class Seal(Struct, frozen=True):
    """The end of a finished segment, and the chain hash before and after it (main segments)."""

    seq: int
    ts_ns: int
    before: bytes = fmt.GENESIS
    chain: bytes = fmt.GENESIS


def list_segments(directory: Path, stream: int) -> list[Path]:
    """The segments of one stream, oldest first."""
    prefix = fmt.segment_name(stream, 0).partition("-")[0]
    return sorted(directory.glob(f"{prefix}-{'[0-9]' * 20}.journal"))


def first_seq_of(path: Path) -> int:
    """The first sequence number of a segment, from its name."""
    return int(path.stem.partition("-")[2])


def read_header(path: Path) -> fmt.Header:
    """The header of a segment file. Raises `JournalCorrupt`, `JournalError`."""
    with path.open("rb") as file:
        return fmt.unpack_header(file.read(fmt.HEADER_BYTES), path.name)


def read_seal(path: Path, stream: int) -> Seal | None:
    """The seal at the end of a segment, None when it is unfinished."""
    length = fmt.MARKET_SEAL_BYTES if stream == fmt.MARKET else fmt.MAIN_SEAL_BYTES
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) < fmt.HEADER_BYTES + length:
            return None
        file.seek(-length, os.SEEK_END)
        data = file.read(length)
    return parse_seal(data, stream)


def parse_seal(data: bytes, stream: int) -> Seal | None:
    """Read the bytes of a seal, None when they are none."""
    crc, length, kind, seq, ts_ns = fmt.FRAME.unpack_from(data)
    if kind & fmt.KIND_MASK != fmt.SEAL or crc32(data[fmt.CRC_BYTES :]) != crc:
        return None
    if stream == fmt.MARKET:
        return Seal(seq, ts_ns)
    if length != len(fmt.GENESIS):
        return None
    body = data[fmt.CRC_BYTES :]
    return Seal(seq, ts_ns, chain_before_seal(body), chain_after_seal(body))


def chain_before_seal(body: bytes) -> bytes:
    """The chain hash before a main segment's seal, which the seal carries."""
    return body[fmt.BODY.size : -fmt.TAG_BYTES]


def chain_after_seal(body: bytes) -> bytes:
    """The chain hash after a main segment's seal, with which the next segment goes on."""
    return sha256(chain_before_seal(body) + body[: -fmt.TAG_BYTES]).digest()


def describe_segments(directory: Path) -> list[SegmentInfo]:
    """Every segment with what it spans, main ones first. Raises `JournalCorrupt`."""
    infos = []
    for stream in (fmt.MAIN, fmt.MARKET):
        for path in list_segments(directory, stream):
            header, seal = read_header(path), read_seal(path, stream)
            infos.append(
                SegmentInfo(
                    name=path.name,
                    stream=stream,
                    bytes=path.stat().st_size,
                    first_seq=header.first_seq,
                    first_ts_ns=header.first_ts_ns,
                    last_seq=seal.seq if seal else None,
                    last_ts_ns=seal.ts_ns if seal else None,
                )
            )
    return infos


def make_directory(directory: Path, *, fsync: bool) -> None:
    """Make a folder that survives a power cut when `fsync`. Raises OSError."""
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        if fsync:
            sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Make created, renamed and removed names in a folder durable. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class SegmentFile:
    """A segment open for appending. `committed` is the size up to which everything is a whole, finished group."""

    def __init__(self, path: Path, fd: int, size: int, committed: int) -> None:
        self.path = path
        self.first_seq = first_seq_of(path)
        self.size = size
        self.committed = committed
        self._fd = fd

    @classmethod
    def create(cls, directory: Path, header: fmt.Header, *, fsync: bool) -> SegmentFile:
        """Make a new segment with its header. Raises OSError, with no half-made file left behind."""
        path = directory / fmt.segment_name(header.stream, header.first_seq)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        file = cls(path, fd, 0, 0)
        try:
            file.write(fmt.pack_header(header))
            if fsync:
                file.sync()
                sync_directory(directory)
        except OSError:
            file.rollback()
            file.close()
            raise
        return file

    @classmethod
    def reopen(cls, path: Path) -> SegmentFile:
        """Open an unfinished segment to continue it. Raises OSError."""
        size = path.stat().st_size
        return cls(path, os.open(path, os.O_WRONLY | os.O_APPEND), size, size)

    def write(self, data: bytes) -> None:
        """Append all of `data`. Raises OSError."""
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self.size += written
            view = view[written:]

    def sync(self) -> None:
        """Wait until what was written is on the disk. Raises OSError."""
        sync_data(self._fd)

    def rollback(self) -> None:
        """Drop what was written since the last finished group. Raises OSError."""
        if self.committed:
            os.ftruncate(self._fd, self.committed)
            self.size = self.committed
        else:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the file."""
        os.close(self._fd)
