"""Our order ids in the venue's 32 bits: a counter on disk that maps both ways.

    client id of the engine  ──▶  number, durable before the first send  ──▶  clientId on the chain
    orders and fills of the venue  ──▶  number, or the indexer's id of the order  ──▶  client id of the engine

The number is a count: no two orders share one for 2**32 orders. `clientMetadata`, which the venue echoes, carries a
checksum of the whole id, so that an order of somebody else with one of our numbers is not taken for ours. When the
file is lost, counting goes on from the seconds of the clock, which are ahead of any count: orders of before are then
strangers, and the engine takes them over as such.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from domain.errors import ConfigError
from domain.order import ClientId
from exchanges.dydx.chain import OrderKey

KEPT = 50_000
"""Orders that are remembered over a restart."""
BITS = 2**32


class Entry(Struct, frozen=True, array_like=True):
    """One line of the file."""

    cid: ClientId
    key: OrderKey

    @property
    def metadata(self) -> int:
        """The checksum that goes with the order."""
        return zlib.crc32(self.cid.encode())


class IdMap:
    """The map in the file `path`, which is made when it is not there. `threaded`: the disk is waited for in a thread.

    Raises `ConfigError` for a file that cannot be read: guessing would repeat numbers.
    """

    def __init__(self, path: Path, now_ns: int, *, threaded: bool = True) -> None:
        self._path = path
        self._threaded = threaded
        self._by_cid: dict[ClientId, Entry] = {}
        self._by_uuid: dict[str, Entry] = {}
        self._lock = asyncio.Lock()
        entries = self._read() if path.exists() else []
        self._last = entries[-1].key.client_id if entries else now_ns // 10**9 % BITS
        for entry in entries[-KEPT:]:
            self._know(entry)
        if len(entries) > 2 * KEPT:
            self._rewrite(entries[-KEPT:])

    def _read(self) -> list[Entry]:
        try:
            *lines, torn = self._path.read_bytes().split(b"\n")
            entries = [msgspec.json.decode(line, type=Entry) for line in lines]
            if torn:  # it was never durable, so its order was never sent
                self._rewrite(entries)
            return entries
        except (OSError, msgspec.DecodeError, UnicodeError) as error:
            raise ConfigError(
                f"{self._path} maps our orders to dYdX's numbers and cannot be read ({error}). Put a copy back; or, "
                "when no order of ours is open at dYdX, move it away and start again"
            ) from error

    def _rewrite(self, entries: Iterable[Entry]) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def _know(self, entry: Entry) -> None:
        self._by_cid[entry.cid] = entry
        self._by_uuid[entry.key.uuid] = entry
        if len(self._by_cid) > 2 * KEPT:
            oldest = self._by_cid.pop(next(iter(self._by_cid)))
            del self._by_uuid[oldest.key.uuid]

    def of(self, cid: ClientId) -> Entry | None:
        """What was sent, or was about to be, under one of our ids."""
        return self._by_cid.get(cid)

    def owner(self, uuid: str, metadata: str) -> ClientId:
        """Our id of an order of the venue's, or one made of the venue's own when it is not ours."""
        entry = self._by_uuid.get(uuid)
        return entry.cid if entry is not None and metadata in {"", str(entry.metadata)} else f"dydx-{uuid}"

    async def give(self, cid: ClientId, address: str, subaccount: int, flags: int, pair: int) -> Entry:
        """A number for an order, durable when this returns; the same one when it is asked for again.

        Raises `OSError` when the disk refuses; the order may then not be sent.
        """
        async with self._lock:
            known = self._by_cid.get(cid)
            if known is not None:
                return known
            number = (self._last + 1) % BITS
            entry = Entry(cid, OrderKey(address, subaccount, number, flags, pair))
            line = msgspec.json.encode(entry) + b"\n"
            if self._threaded:
                await asyncio.to_thread(self._append, line)
            else:
                self._append(line)
            self._last = number
            self._know(entry)
            return entry

    def _append(self, line: bytes) -> None:
        is_new = not self._path.exists()
        before = 0 if is_new else self._path.stat().st_size
        with self._path.open("ab") as file:
            try:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.truncate(file.fileno(), before)
                raise
        if is_new:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
