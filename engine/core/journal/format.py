"""The journal on disk, byte by byte. Everything is big-endian; a hash is SHA-256, a crc is CRC-32 (zlib).

A journal is a folder of segment files:

    main-<first seq>.journal      everything but market data, one hash chain through all of them
    market-<first seq>.journal    market data, named in the chain by hash, so that it can be archived away

`<first seq>` is 20 decimal digits. A segment is a header, then frames without gaps.

Header, 64 bytes:

    0   8   magic  b"MOONJRNL"
    8   2   format version (1)
    10  1   stream: 0 main, 1 market
    11  1   zero
    12  8   first seq covered by the segment
    20  8   its ts_ns (signed)
    28  32  main: chain hash before the first frame (zeros in the first segment); market: zeros
    60  4   crc of bytes 0..59

Frame, 25 + n bytes, in main segments 33 + n:

    0   4   crc of every later byte of the frame
    4   4   n, length of the payload
    8   1   kind: 0 main record, 1 market record, 2 market batch, 3 seal; bit 7 set in the first frame of
            a group in a main segment: everything before it had been written (and synced, where syncing is on)
    9   8   seq
    17  8   ts_ns (signed)
    25  n   payload
    25+n 8  main segments only: the first 8 bytes of the chain hash after this frame

Chain: h_n = SHA-256(h_{n-1} + bytes 4 .. 25+n of frame n), through main segments in order, seals included.

Market batch (kind 2; seq and ts_ns are those of its last record), payload of 72 bytes: it stands in the chain
where its records stand in the sequence, so reading main segments from front to back gives the order of seq.

    0   8   first seq (the name) of the market segment
    8   8   offset of the batch in it
    16  4   length of the batch in bytes
    20  4   count of records
    24  8   seq of the first record
    32  8   ts_ns of the first record (signed)
    40  32  SHA-256 of the batch's bytes

Seal (kind 3; seq and ts_ns are the last in the segment) is the last frame of a finished segment. Its payload is the
chain hash before it in main segments, and empty in market segments.

What the format cannot show by itself: records cut off at the end, or everything rewritten by someone who computes
the chain anew. Against both, keep the head (seq and chain hash) outside and give it to `audit.verify`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from struct import Struct as Layout
from typing import TypeAlias
from zlib import crc32

from msgspec import Struct

from domain.errors import JournalCorrupt, JournalError

MAGIC = b"MOONJRNL"
FORMAT_VERSION = 1
GENESIS = bytes(32)

MAIN, MARKET, BATCH, SEAL = 0, 1, 2, 3
GROUP_START = 0x80
KIND_MASK = 0x7F

HEADER = Layout(">8sHBBQq32s")
HEADER_BYTES = 64
CRC_BYTES = 4
FRAME = Layout(">IIBQq")
BODY = Layout(">IBQq")
TAG_BYTES = 8
BATCH_PAYLOAD = Layout(">QQIIQq32s")
MAIN_SEAL_BYTES = FRAME.size + 32 + TAG_BYTES
MARKET_SEAL_BYTES = FRAME.size

_GROUP_START_BYTES = re.compile(rb"[\x80\x82\x83]\x00\x00")

Frame: TypeAlias = tuple[int, int, int, int, bytes]
"""(offset, kind with its group bit, seq, ts_ns, body): the body is the frame without its crc."""


class Header(Struct, frozen=True):
    """What the first 64 bytes of a segment say."""

    stream: int
    first_seq: int
    first_ts_ns: int
    chain: bytes = GENESIS


class MarketBatch(Struct, frozen=True):
    """A run of market records as the chain names it: where its bytes are, what they hash to, what they span."""

    segment_seq: int
    offset: int
    length: int
    count: int
    first_seq: int
    first_ts_ns: int
    sha256: bytes


class Break(Struct, frozen=True):
    """Where a journal is broken: `seq` is the last whole record before it."""

    segment: str
    offset: int
    seq: int
    what: str

    def __str__(self) -> str:
        """Say it in one sentence."""
        return f"journal segment {self.segment} is broken at byte {self.offset}, after seq {self.seq}: {self.what}"


class Broken(JournalCorrupt):
    """`JournalCorrupt` with the place as a value."""

    def __init__(self, place: Break) -> None:
        super().__init__(str(place))
        self.place = place


def segment_name(stream: int, first_seq: int) -> str:
    """File name of a segment."""
    return f"{'market' if stream == MARKET else 'main'}-{first_seq:020d}.journal"


def pack_header(header: Header) -> bytes:
    """The 64 bytes of a segment's header."""
    data = HEADER.pack(MAGIC, FORMAT_VERSION, header.stream, 0, header.first_seq, header.first_ts_ns, header.chain)
    return data + crc32(data).to_bytes(CRC_BYTES, "big")


def unpack_header(data: bytes, name: str) -> Header:
    """Read a header of the segment called `name`. Raises `Broken`; `JournalError` for a newer format."""
    if len(data) < HEADER_BYTES or crc32(data[:60]) != int.from_bytes(data[60:HEADER_BYTES], "big"):
        raise Broken(Break(name, 0, 0, "the header is not whole"))
    magic, version, stream, _, first_seq, first_ts_ns, chain = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise Broken(Break(name, 0, 0, "this is not a journal segment"))
    if version != FORMAT_VERSION:
        raise JournalError(
            f"journal segment {name} has format {version}, this program reads format {FORMAT_VERSION}: "
            "start the version that wrote it"
        )
    if segment_name(stream, first_seq) != name:
        raise Broken(Break(name, 0, 0, f"the header says it is {segment_name(stream, first_seq)}"))
    return Header(stream, first_seq, first_ts_ns, chain)


def market_frame(seq: int, ts_ns: int, payload: bytes) -> bytes:
    """One market record."""
    body = BODY.pack(len(payload), MARKET, seq, ts_ns) + payload
    return crc32(body).to_bytes(CRC_BYTES, "big") + body


def chained_frame(chain: bytes, kind: int, seq: int, ts_ns: int, payload: bytes) -> tuple[bytes, bytes]:
    """One frame of a main segment and the chain hash after it."""
    body = BODY.pack(len(payload), kind, seq, ts_ns) + payload
    chain = sha256(chain + body).digest()
    body += chain[:TAG_BYTES]
    return crc32(body).to_bytes(CRC_BYTES, "big") + body, chain


def market_seal(seq: int, ts_ns: int) -> bytes:
    """The last frame of a finished market segment."""
    body = BODY.pack(0, SEAL, seq, ts_ns)
    return crc32(body).to_bytes(CRC_BYTES, "big") + body


def pack_batch(batch: MarketBatch) -> bytes:
    """Payload of a market batch frame."""
    return BATCH_PAYLOAD.pack(
        batch.segment_seq,
        batch.offset,
        batch.length,
        batch.count,
        batch.first_seq,
        batch.first_ts_ns,
        batch.sha256,
    )


def unpack_batch(body: bytes) -> MarketBatch:
    """Read the market batch out of a main segment's frame body."""
    return MarketBatch(*BATCH_PAYLOAD.unpack_from(body, BODY.size))


def walk(data: bytes, offset: int, *, tagged: bool) -> Iterator[Frame]:
    """Yield the whole frames from `offset` on, up to the end or the first frame that is not whole."""
    unpack = FRAME.unpack_from
    around = FRAME.size + (TAG_BYTES if tagged else 0)
    size = len(data)
    while offset + around <= size:
        crc, length, kind, seq, ts_ns = unpack(data, offset)
        end = offset + around + length
        if end > size:
            return
        body = data[offset + CRC_BYTES : end]
        if crc32(body) != crc:
            return
        yield offset, kind, seq, ts_ns, body
        offset = end


def group_starts_after(data: bytes, offset: int) -> bool:
    """Tell whether a later group begins after a bad frame at `offset` of a main segment.

    If so, the bad frame had been written whole, and it is corruption; if not, it may be the torn end of the
    last group.
    """
    kind_at = FRAME.size - 17
    for match in _GROUP_START_BYTES.finditer(data, offset + kind_at + 1):
        start = match.start() - kind_at
        if next(walk(data, start, tagged=True), None) is not None:
            return True
    return False
