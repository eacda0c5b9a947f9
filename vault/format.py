"""The bytes of a vault file, version 1; docs/vault.md describes them for strangers.

Reading is strict: every size is bounded before anything is read, records stand in the order of their ids, names occur
once, nothing follows the last byte. Whether the bytes are genuine is not judged here: `vault.store` does that.
"""

from __future__ import annotations

import enum
import re
import struct
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from vault.crypto import BOUNDS, MAC_BYTES, NONCE_BYTES, SALT_BYTES, TAG_BYTES, WRAPPED_BYTES, Bounds, Cost
from vault.errors import VaultDamaged, VaultError

MAGIC = b"MOONDEV\0"
VERSION = 1
LABEL = b"moondev-vault-1"
ID_BYTES = 16
MOST_RECORDS = 1000
LONGEST_VALUE = 65_536
LONGEST_NAME = 64
MOST_BYTES = 16 * 2**20
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

_START = struct.Struct(">8sH")
_HEADER = struct.Struct(f">H{ID_BYTES}sQIQIII{SALT_BYTES}s{WRAPPED_BYTES}sI")
_RECORD = struct.Struct(f">{ID_BYTES}sIQBB")
_SEALED = struct.Struct(f">{WRAPPED_BYTES}s{NONCE_BYTES}sI")
_NEEDS_KEY_FILE = 1


class Kind(enum.StrEnum):
    """Who may see a record's value."""

    EXCHANGE = "exchange"
    """Signs, and never leaves the signer."""
    OWNER = "owner"
    """A wallet that owns money: the signer uses it for nothing but the approval of an agent."""
    SERVICE = "service"
    """Handed to the engine: bot tokens, passwords, database addresses, public halves of API keys."""


_KINDS = {Kind.EXCHANGE: 1, Kind.OWNER: 2, Kind.SERVICE: 3}
_KIND_OF = {number: kind for kind, number in _KINDS.items()}


class Record(Struct, frozen=True, kw_only=True):
    """One sealed value. `version` counts the values that this name has had, from 1."""

    id: bytes
    version: int
    created_ns: int
    kind: Kind
    name: str
    wrapped: bytes
    nonce: bytes
    sealed: bytes

    @property
    def head(self) -> bytes:
        """Who it is: authenticated together with the value."""
        name = self.name.encode()
        return _RECORD.pack(self.id, self.version, self.created_ns, _KINDS[self.kind], len(name)) + name


class VaultFile(Struct, frozen=True, kw_only=True):
    """A vault file as it is written, all secrets sealed. `generation` counts master keys, from 1."""

    id: bytes
    sequence: int
    generation: int
    master_created_ns: int
    cost: Cost
    salt: bytes
    needs_key_file: bool
    wrapped_master: bytes
    records: tuple[Record, ...] = ()


def encode(file: VaultFile) -> bytes:
    """Everything but the mark at the end, which is made over these bytes."""
    cost, flags = file.cost, _NEEDS_KEY_FILE if file.needs_key_file else 0
    parts = [
        _START.pack(MAGIC, VERSION),
        _HEADER.pack(
            flags, file.id, file.sequence, file.generation, file.master_created_ns,
            cost.memory_kib, cost.iterations, cost.lanes, file.salt, file.wrapped_master, len(file.records),
        ),
    ]  # fmt: skip
    for record in in_order(file).records:
        parts += [record.head, _SEALED.pack(record.wrapped, record.nonce, len(record.sealed)), record.sealed]
    return b"".join(parts)


def in_order(file: VaultFile) -> VaultFile:
    """The file with its records in the order of their ids, as they are written."""
    return replace(file, records=tuple(sorted(file.records, key=lambda one: one.id)))


def vault_id(raw: bytes) -> bytes:
    """The id that a file gives itself, not authenticated. Raises `VaultError`."""
    at = _START.size + 2
    if raw[: len(MAGIC)] != MAGIC or len(raw) < at + ID_BYTES:
        raise VaultError("it is no vault: its first bytes are not a vault's")
    return raw[at : at + ID_BYTES]


def parse(raw: bytes, bounds: Bounds = BOUNDS) -> tuple[VaultFile, bytes]:
    """The file, and the mark at its end. Raises `VaultDamaged`, or `VaultError` for what is no vault."""
    if len(raw) > MOST_BYTES:
        raise VaultDamaged(f"it is larger than {MOST_BYTES // 2**20} MiB, which no vault is")
    if len(raw) < _START.size:
        raise VaultDamaged("it is cut off at its beginning")
    magic, version = _START.unpack_from(raw)
    if magic != MAGIC:
        raise VaultError("it is no vault: its first bytes are not a vault's")
    reader = _READERS.get(version)
    if reader is None:
        newer = "a newer MoonDev has written it: update this one" if version > VERSION else "there never was one"
        raise VaultError(f"it has format version {version}, this program reads {VERSION}; {newer}")
    return reader(raw, bounds)


def _parse_1(raw: bytes, bounds: Bounds) -> tuple[VaultFile, bytes]:
    at, end = _START.size + _HEADER.size, len(raw) - MAC_BYTES
    if end < at:
        raise VaultDamaged("it is cut off in its header")
    (flags, vault_id, sequence, generation, master_ns, memory, iterations, lanes, salt, wrapped, count) = (
        _HEADER.unpack_from(raw, _START.size)
    )
    cost = Cost(memory, iterations, lanes)
    if problem := bounds.problem(cost):
        raise VaultDamaged(f"it asks for {problem}")
    if flags & ~_NEEDS_KEY_FILE or not sequence or not generation or count > MOST_RECORDS:
        raise VaultDamaged("its header says what no header says")
    records: list[Record] = []
    for _ in range(count):
        record, at = _record_1(raw, at, end)
        if records and record.id <= records[-1].id:
            raise VaultDamaged("its records are not in order")
        records.append(record)
    if at != end:
        raise VaultDamaged("there is more in it than it says")
    if len({record.name for record in records}) != count:
        raise VaultDamaged("a name stands in it twice")
    file = VaultFile(
        id=vault_id,
        sequence=sequence,
        generation=generation,
        master_created_ns=master_ns,
        cost=cost,
        salt=salt,
        needs_key_file=bool(flags),
        wrapped_master=wrapped,
        records=tuple(records),
    )
    return file, raw[end:]


def _record_1(raw: bytes, at: int, end: int) -> tuple[Record, int]:
    if at + _RECORD.size > end:
        raise VaultDamaged("it is cut off in a record")
    record_id, version, created_ns, kind, length = _RECORD.unpack_from(raw, at)
    at += _RECORD.size
    if at + length + _SEALED.size > end:
        raise VaultDamaged("it is cut off in a record")
    name = raw[at : at + length].decode("ascii", "replace")
    at += length
    wrapped, nonce, size = _SEALED.unpack_from(raw, at)
    at += _SEALED.size
    if not TAG_BYTES < size <= LONGEST_VALUE + TAG_BYTES or at + size > end:
        raise VaultDamaged("a record has a size that no record has")
    if not version or kind not in _KIND_OF or not NAME.fullmatch(name):
        raise VaultDamaged("a record says what no record says")
    record = Record(
        id=record_id,
        version=version,
        created_ns=created_ns,
        kind=_KIND_OF[kind],
        name=name,
        wrapped=wrapped,
        nonce=nonce,
        sealed=raw[at : at + size],
    )
    return record, at + size


_READERS: dict[int, Callable[[bytes, Bounds], tuple[VaultFile, bytes]]] = {1: _parse_1}
"""By version. A new version gets a reader beside these and is what `encode` writes, so the next write migrates."""
