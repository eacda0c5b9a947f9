"""Main segments read from front to back, with every check: what the reader, recovery and the audit share."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from engine.core.journal import format as fmt
from engine.core.journal.format import Break, Broken, Frame
from engine.core.journal.segments import chain_after_seal, list_segments


class Cut(Struct, frozen=True):
    """The unfinished end of a segment, as a crash leaves it: `bytes` from `offset` on, after the record `last_seq`."""

    segment: str
    offset: int
    bytes: int
    last_seq: int
    what: str

    def __str__(self) -> str:
        """Say it in one sentence."""
        return f"{self.segment}: {self.bytes} bytes from byte {self.offset}, after seq {self.last_seq}: {self.what}"


class MainSegment:
    """One main segment in memory. After `frames` is exhausted, `chain`, `last_seq`, `sealed` and `torn` are known.

    `newest` segments may end torn or without a seal; in any other that is corruption. `check_chain` recomputes
    every hash; without it only the crc of each frame is checked, and the chain from segment to segment.
    """

    def __init__(self, path: Path, *, newest: bool, check_chain: bool) -> None:
        """Read the file. Raises `JournalCorrupt` for a bad header, `JournalError` for a newer format."""
        self.name = path.name
        self.data = path.read_bytes()
        self.header = fmt.unpack_header(self.data, self.name)
        self.chain = self.header.chain
        self.last_seq = 0
        self.last_ts_ns = 0
        self.sealed = False
        self.torn: Cut | None = None
        self._newest = newest
        self._check_chain = check_chain

    def frames(self) -> Iterator[Frame]:
        """Yield the records and market batches, checked, without the seal. Raises `JournalCorrupt`."""
        offset, last_seq, chain, check_chain = fmt.HEADER_BYTES, 0, self.chain, self._check_chain
        for frame in fmt.walk(self.data, offset, tagged=True):
            offset, kind, seq, ts_ns, body = frame
            if self.sealed:
                raise self._broken(offset, "something follows the seal")
            if check_chain:
                chain = sha256(chain + body[: -fmt.TAG_BYTES]).digest()
                if chain[: fmt.TAG_BYTES] != body[-fmt.TAG_BYTES :]:
                    raise self._broken(offset, "the hash chain does not match: this record or one before was changed")
            kind &= fmt.KIND_MASK
            if kind == fmt.SEAL:
                self.sealed = True
                self.chain = chain if check_chain else chain_after_seal(body)
            elif seq <= last_seq or kind not in (fmt.MAIN, fmt.BATCH):
                raise self._broken(offset, f"a record of kind {kind} with seq {seq} cannot follow seq {last_seq}")
            else:
                self.last_seq = last_seq = seq
                self.last_ts_ns = ts_ns
                self.chain = chain
                yield frame
            offset += fmt.CRC_BYTES + len(body)
        self._end(offset)

    def _end(self, offset: int) -> None:
        """Judge what is left after the last whole frame."""
        rest = len(self.data) - offset
        if rest and (not self._newest or fmt.group_starts_after(self.data, offset)):
            raise self._broken(offset, "the record is damaged, and more was written after it")
        if rest:
            self.torn = Cut(self.name, offset, rest, self.last_seq, "not a whole record")
        elif not self.sealed and not self._newest:
            raise self._broken(offset, "the segment ends without its seal: its end was cut off")

    def _broken(self, offset: int, what: str) -> Broken:
        return Broken(Break(self.name, offset, self.last_seq, what))


def main_segments(directory: Path, *, from_seq: int = 0, check_chain: bool = False) -> Iterator[MainSegment]:
    """Yield the main segments that may hold `from_seq` or later; each must be walked before the next is asked for.

    Raises `JournalCorrupt` when one is missing between two, or changed.
    """
    paths = list_segments(directory, fmt.MAIN)
    if from_seq:
        while len(paths) > 1 and int(paths[1].stem.partition("-")[2]) <= from_seq:
            paths.pop(0)
    before: MainSegment | None = None
    for path in paths:
        newest = path == paths[-1]
        if newest and path.stat().st_size < fmt.HEADER_BYTES:
            return
        segment = MainSegment(path, newest=newest, check_chain=check_chain)
        if before and (segment.header.chain != before.chain or segment.header.first_seq <= before.last_seq):
            raise Broken(
                Break(
                    path.name, 0, before.last_seq, f"it does not continue {before.name}: one was changed or is missing"
                )
            )
        yield segment
        before = segment
