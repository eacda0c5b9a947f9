"""What the paper exchange knows, on disk: it plays somebody else, so it must not forget when our process dies.

One append-only file of records, each a length, a checksum and MessagePack: first an `Image` of everything,
then a `Change` for every call that changed something, written before its answers leave. Past a size the
file is replaced by a fresh image. A torn last record is cut off on opening, with a copy beside the file; damage before
whole records is refused. There is no fsync: it survives `kill -9`, not the loss of power.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from domain.errors import JournalCorrupt
from domain.events import Filled, FundingPaid
from domain.instrument import AccountId, InstrumentId
from exchanges.paper.ledger import PaperAccount
from exchanges.paper.orders import PaperOrder

_log = logging.getLogger(__name__)

_HEAD = struct.Struct("<II")
_TAG = b"\xa4type"
COMPACT_BYTES = 16 * 1024 * 1024


class Image(Struct, kw_only=True, tag="image"):
    """Everything the floor remembers."""

    version: int = 1
    seq: int
    accounts: list[PaperAccount]
    orders: list[PaperOrder]
    """All that are kept, finished ones first, in the order they finished."""
    history: dict[AccountId, list[Filled | FundingPaid]]
    told: dict[AccountId, int]
    next_funding_ns: dict[InstrumentId, int]


class Change(Struct, kw_only=True, tag="change"):
    """What one call changed: new values of accounts and orders, new movements of money."""

    seq: int
    accounts: list[PaperAccount]
    orders: list[PaperOrder]
    news: list[Filled | FundingPaid]
    next_funding_ns: dict[InstrumentId, int]


_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
_decode = msgspec.msgpack.Decoder(Image | Change).decode


class PaperStore:
    """The file at `path`. `read` first, then `append` and `compact`; one process at a time."""

    def __init__(self, path: Path, compact_bytes: int = COMPACT_BYTES) -> None:
        self.path = path
        self.cut_bytes = 0
        """How much of a torn tail was cut off when the file was read."""
        self._compact_bytes = compact_bytes
        self._size = 0
        self._image_size = 0
        self._fd = -1

    def read(self) -> Iterator[Image | Change]:
        """Yield every whole record, then cut off what is torn behind the last.

        Raises `JournalCorrupt` for a damaged record that others follow, when those before it have been yielded.
        """
        data = self.path.read_bytes() if self.path.exists() else b""
        at = 0
        while at + _HEAD.size <= len(data):
            size, checksum = _HEAD.unpack_from(data, at)
            payload = data[at + _HEAD.size : at + _HEAD.size + size]
            if len(payload) < size or zlib.crc32(payload) != checksum:
                break
            try:
                yield _decode(payload)
            except msgspec.MsgspecError as error:
                raise JournalCorrupt(f"{self.path}: the record at byte {at} cannot be read: {error}") from error
            at += _HEAD.size + size
            self._image_size = self._image_size or at
        self.cut_bytes = len(data) - at
        if self.cut_bytes:
            self._cut(data, at)
        self._size = at

    def _cut(self, data: bytes, at: int) -> None:
        """Take off the torn end. Raises `JournalCorrupt` when whole records follow: then it is none."""
        after = sum(1 for _ in _records_after(data, at))
        if after:
            raise JournalCorrupt(
                f"{self.path} is damaged at byte {at} of {len(data)}: what the paper exchange did from there on is "
                f"lost, with at least {after} whole records that follow. Nothing was changed. Put a backup back; or "
                "move the file away: the exchange then begins anew with its deposits, and the engine finds the "
                "difference, takes the exchange's word, holds the instruments and asks"
            )
        with contextlib.suppress(OSError):
            self.path.with_name(self.path.name + ".cut").write_bytes(data[at:])
        os.truncate(self.path, at)
        _log.warning(
            "%s: cut %d bytes from byte %d on: not a whole record, left by a crash", self.path, len(data) - at, at
        )

    def append(self, change: Change) -> None:
        """Add one record; it is with the operating system when this returns. Raises `OSError` (disk full)."""
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        record = _record(change)
        written = os.write(self._fd, record)
        if written < len(record):
            os.ftruncate(self._fd, self._size)
            raise OSError(f"{self.path}: the disk took {written} of {len(record)} bytes")
        self._size += written

    @property
    def wants_compaction(self) -> bool:
        """Whether the file has grown enough past its image to be worth rewriting."""
        return self._size - self._image_size > max(self._compact_bytes, self._image_size)

    def compact(self, image: Image) -> None:
        """Replace the file by one image, atomically. Raises `OSError`, which names the file and leaves it as it was."""
        fresh = self.path.with_name(self.path.name + ".new")
        record = _record(image)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(record)
            fresh.chmod(0o600)
            self.close()
            fresh.replace(self.path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error
        self._size = self._image_size = len(record)

    def close(self) -> None:
        """Release the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _records_after(data: bytes, at: int) -> Iterator[int]:
    """Offsets of whole records behind a bad one, found by how each begins: a map whose first key is its tag."""
    found = data.find(_TAG, at + 1)
    while found > 0:
        start = found - 1 - _HEAD.size
        if start > at:
            size, checksum = _HEAD.unpack_from(data, start)
            payload = data[found - 1 : found - 1 + size]
            if len(payload) == size and zlib.crc32(payload) == checksum:
                yield start
        found = data.find(_TAG, found + 1)


def _record(value: Image | Change) -> bytes:
    payload = _encode(value)
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload
