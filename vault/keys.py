"""The keys of an open vault, and what they open: the bytes of a file, the value of a record."""

from __future__ import annotations

import hashlib
import secrets
import time
from pathlib import Path

from msgspec.structs import replace

from vault import crypto, files
from vault.crypto import BOUNDS, KEY_BYTES, Bounds, Cost
from vault.errors import VaultDamaged, VaultError, WrongPassphrase
from vault.format import ID_BYTES, LABEL, Kind, Record, VaultFile, parse
from vault.memory import wipe
from vault.passphrase import Passphrase

_LEAST_KEY_FILE, _MOST_KEY_FILE = 32, 2**20


class Keys:
    """What an open vault holds in memory: the master key, and the keys of each purpose made from it."""

    def __init__(self, master: bytearray) -> None:
        """Take the master key over."""
        self.master = master
        self.wrapping = bytearray(crypto.subkey(master, LABEL + b" wrap"))
        self.manifest = crypto.subkey(master, LABEL + b" manifest")
        self.fingerprint = crypto.subkey(master, LABEL + b" fingerprint")
        self.log = crypto.subkey(master, LABEL + b" log")

    def wipe(self) -> None:
        """Overwrite what can be."""
        wipe(self.master)
        wipe(self.wrapping)

    def mark(self, content: bytes) -> bytes:
        """The mark at the end of a file: nobody without the master key can make it."""
        return crypto.mac(self.manifest, content)


def key_of(file: VaultFile, passphrase: Passphrase, key_file: Path | None) -> bytearray:
    """The key-encryption key of a file, at the cost of one guess."""
    if file.needs_key_file and key_file is None:
        raise VaultError("it needs its key file beside the passphrase: name it as vault.key_file, or with --key-file")
    if key_file is not None and not file.needs_key_file:
        raise VaultError("it was made without a key file: take vault.key_file away, or make `moondev vault passwd`")
    return key_encryption_key(passphrase, key_file, vault_id=file.id, salt=file.salt, cost=file.cost)


def key_encryption_key(
    passphrase: Passphrase, key_file: Path | None, *, vault_id: bytes, salt: bytes, cost: Cost
) -> bytearray:
    """What the passphrase and the content of the key file make, for one vault."""
    secret = b""
    if key_file is not None:
        content = files.read_private(key_file, "the key file", _MOST_KEY_FILE)
        if len(content) < _LEAST_KEY_FILE:
            raise VaultError(f"the key file {key_file} has fewer than {_LEAST_KEY_FILE} bytes")
        secret = hashlib.sha256(content).digest()
    return crypto.stretch(passphrase.bytes, salt, cost, secret=secret, ad=LABEL + vault_id)


def unlock(raw: bytes, key: bytearray, bounds: Bounds = BOUNDS) -> tuple[VaultFile, Keys]:
    """Open the bytes of a vault with its key-encryption key. Nothing of them is used before all are authenticated."""
    file, _ = parse(raw, bounds)
    keys = Keys(crypto.unwrap(key, file.wrapped_master))
    return checked(raw, keys, bounds), keys


def checked(raw: bytes, keys: Keys, bounds: Bounds = BOUNDS) -> VaultFile:
    """The file in these bytes, once the mark at their end is right. Raises `VaultDamaged`."""
    file, mark = parse(raw, bounds)
    if not crypto.same(keys.mark(raw[: -len(mark)]), mark):
        raise VaultDamaged("its mark does not fit: something in it was changed")
    return file


def identity(vault_id: bytes, record: Record) -> bytes:
    """What a sealed value is tied to: format, vault, record, version, time, kind and name."""
    return LABEL + vault_id + record.head


def value_of(vault_id: bytes, record: Record, keys: Keys) -> bytearray:
    """The value of a record. Raises `VaultDamaged`."""
    try:
        data_key = crypto.unwrap(keys.wrapping, record.wrapped)
    except WrongPassphrase:
        raise VaultDamaged(f"the key of {record.name} is not this vault's") from None
    try:
        return crypto.unseal(data_key, record.nonce, record.sealed, identity(vault_id, record))
    finally:
        wipe(data_key)


def sealed_record(vault_id: bytes, name: str, kind: Kind, value: bytearray, known: Record | None, keys: Keys) -> Record:
    """A value under a data key of its own, as the next version of the record `known`."""
    data_key = bytearray(secrets.token_bytes(KEY_BYTES))
    record = Record(
        id=known.id if known is not None else secrets.token_bytes(ID_BYTES),
        version=known.version + 1 if known is not None else 1,
        created_ns=time.time_ns(),
        kind=kind,
        name=name,
        wrapped=crypto.wrap(keys.wrapping, data_key),
        nonce=b"",
        sealed=b"",
    )
    nonce, sealed = crypto.seal(data_key, value, identity(vault_id, record))
    wipe(data_key)
    return replace(record, nonce=nonce, sealed=sealed)


def with_new_master(file: VaultFile, keys: Keys, key: bytes | bytearray) -> tuple[VaultFile, Keys]:
    """The file under a new master key, itself under `key`; each data key is wrapped anew. Nothing else changes."""
    fresh = Keys(bytearray(secrets.token_bytes(KEY_BYTES)))
    records = []
    for record in file.records:
        data_key = crypto.unwrap(keys.wrapping, record.wrapped)
        records.append(replace(record, wrapped=crypto.wrap(fresh.wrapping, data_key)))
        wipe(data_key)
    new = replace(
        file,
        generation=file.generation + 1,
        master_created_ns=time.time_ns(),
        wrapped_master=crypto.wrap(key, fresh.master),
        records=tuple(records),
    )
    return new, fresh
