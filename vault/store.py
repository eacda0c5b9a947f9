"""The sealed store of secrets: one file, opened with a passphrase and, where there is one, a key file.

passphrase + key file -> key-encryption key -> wraps the master key -> wraps a fresh data key for each write of a value.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from vault import crypto, disk, files
from vault.access import AccessLog
from vault.crypto import BOUNDS, DEFAULT_COST, KEY_BYTES, SALT_BYTES, Bounds, Cost
from vault.errors import VaultError, VaultReplaced
from vault.format import (
    ID_BYTES,
    LONGEST_VALUE,
    MOST_RECORDS,
    NAME,
    Kind,
    Record,
    VaultFile,
    in_order,
    parse,
)
from vault.keys import Keys, checked, key_encryption_key, key_of, sealed_record, unlock, value_of, with_new_master
from vault.memory import harden, wipe
from vault.passphrase import Passphrase, weakness


class RecordView(Struct, frozen=True, kw_only=True):
    """A record as anybody may see it. `created_ns` is when this version was put; `fingerprint` tells values apart."""

    name: str
    kind: Kind
    version: int
    created_ns: int
    fingerprint: str


class Vault:
    """An open vault. `create` and `open` make one; `close` it, or use it in a `with` block.

    Every change reads the file anew under its lock, so that several processes may write; `refresh` sees what others
    have written. Raises `VaultError` and its kinds.
    """

    def __init__(self, path: Path, file: VaultFile, keys: Keys, bounds: Bounds) -> None:
        """For `create` and `open`."""
        self.path = path
        self._file = file
        self._keys = keys
        self._bounds = bounds
        self._open = True
        self.log = AccessLog(disk.log_path(path), keys.log, file.generation)

    def __repr__(self) -> str:
        """The file, never its content."""
        return f"Vault({str(self.path)!r})"

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()

    @classmethod
    def create(
        cls, path: Path, passphrase: Passphrase, key_file: Path | None = None, cost: Cost = DEFAULT_COST, *,
        bounds: Bounds = BOUNDS,
    ) -> Vault:  # fmt: skip
        """A new, empty vault. Raises `VaultError` where there is or was one already, and for a weak passphrase."""
        harden()
        if problem := weakness(passphrase) or bounds.problem(cost):
            raise VaultError(problem)
        vault_id, salt = secrets.token_bytes(ID_BYTES), secrets.token_bytes(SALT_BYTES)
        key = key_encryption_key(passphrase, key_file, vault_id=vault_id, salt=salt, cost=cost)
        keys = Keys(bytearray(secrets.token_bytes(KEY_BYTES)))
        file = VaultFile(
            id=vault_id,
            sequence=1,
            generation=1,
            master_created_ns=time.time_ns(),
            cost=cost,
            salt=salt,
            needs_key_file=key_file is not None,
            wrapped_master=crypto.wrap(key, keys.master),
        )
        with files.locked(path):
            disk.check_free(path)
            disk.write(path, file, keys, bounds, kek=key)
        wipe(key)
        vault = cls(path, file, keys, bounds)
        vault.log.note("create", sequence=1)
        return vault

    @classmethod
    def open(
        cls, path: Path, passphrase: Passphrase, key_file: Path | None = None, *, at_least: int = 0,
        bounds: Bounds = BOUNDS,
    ) -> Vault:  # fmt: skip
        """Open a vault. `at_least` is the highest sequence that was ever seen of it: an older file is refused.

        So is one that is older than the access log beside it knows.
        """
        harden()
        raw = disk.read(path)
        with disk.named(path):
            file, _ = parse(raw, bounds)
            key = key_of(file, passphrase, key_file)
            try:
                file, keys = unlock(raw, key, bounds)
            finally:
                wipe(key)
            vault = cls(path, file, keys, bounds)
            try:
                seen = max(at_least, vault.log.highest())
                if file.sequence < seen:  # opening takes a second, in which another process may have written
                    vault._file = vault._read()
                disk.check_sequence(vault.file, seen)
            except VaultError:
                vault.close()
                raise
        vault.log.note("open", sequence=vault.sequence)
        return vault

    def close(self) -> None:
        """Overwrite the keys in memory. A closed vault gives nothing."""
        self._open = False
        self._keys.wipe()

    @property
    def sequence(self) -> int:
        """Counts the writes of this vault, from 1. Keep it elsewhere, to notice an older file (`at_least`)."""
        return self._file.sequence

    @property
    def file(self) -> VaultFile:
        """The file as it was last read, all secrets sealed."""
        return self._file

    @property
    def keys(self) -> Keys:
        """The keys, for this room's own work on copies."""
        self._check_open()
        return self._keys

    def records(self) -> list[RecordView]:
        """All records, by name."""
        self._check_open()
        views = []
        for record in sorted(self._file.records, key=lambda one: one.name):
            value = value_of(self._file.id, record, self._keys)
            views.append(
                RecordView(
                    name=record.name,
                    kind=record.kind,
                    version=record.version,
                    created_ns=record.created_ns,
                    fingerprint=self.fingerprint(value),
                )
            )
            wipe(value)
        return views

    def has(self, name: str) -> bool:
        """Whether there is a record of that name."""
        return any(record.name == name for record in self._file.records)

    def fingerprint(self, value: bytes | bytearray) -> str:
        """Tells values apart without showing any of them: without the master key it says nothing of the value."""
        self._check_open()
        digits = crypto.mac(self._keys.fingerprint, bytes(value)).hex()
        return f"{digits[:4]}-{digits[4:8]}"

    @contextmanager
    def reveal(self, name: str) -> Iterator[bytearray]:
        """The value of a record, overwritten when the block ends; the access is written into the log first."""
        self._check_open()
        record = self._record(name)
        self.log.note("reveal", name, str(record.kind), sequence=self.sequence)
        value = value_of(self._file.id, record, self._keys)
        try:
            yield value
        finally:
            wipe(value)

    def put(self, name: str, kind: Kind | str, value: bytes | bytearray | str) -> RecordView:
        """Seal a value under a name, in the place of an earlier one of the same kind. It is on disk on return."""
        kind = Kind(kind)
        content = bytearray(value.encode() if isinstance(value, str) else value)
        if not NAME.fullmatch(name):
            raise VaultError(f"{name!r} is no name: up to 64 letters, digits, _ . and -, beginning with a letter")
        if not 0 < len(content) <= LONGEST_VALUE:
            raise VaultError(f"{name} is empty, or longer than {LONGEST_VALUE // 1024} KiB")

        def change(old: VaultFile) -> VaultFile:
            known = next((record for record in old.records if record.name == name), None)
            if known is not None and known.kind is not kind:
                raise VaultError(
                    f"{name} is of kind {known.kind}, and a new value does not change that: "
                    f"`moondev vault rm {name}` first"
                )
            others = tuple(record for record in old.records if record.name != name)
            if len(others) == MOST_RECORDS:
                raise VaultError(f"a vault holds at most {MOST_RECORDS} records")
            return replace(old, records=(*others, sealed_record(self._file.id, name, kind, content, known, self._keys)))

        try:
            self._change(change)
            self.log.note("put", name, str(kind), sequence=self.sequence)
            return next(view for view in self.records() if view.name == name)
        finally:
            wipe(content)

    def remove(self, name: str) -> None:
        """Take a record out. Backups made before still have it."""

        def change(old: VaultFile) -> VaultFile:
            gone = self._record(name, old)
            return replace(old, records=tuple(record for record in old.records if record.id != gone.id))

        kind = self._record(name).kind
        self._change(change)
        self.log.note("remove", name, str(kind), sequence=self.sequence)

    def change_passphrase(
        self, old: Passphrase, new: Passphrase, *, old_key_file: Path | None = None, key_file: Path | None = None,
        cost: Cost = DEFAULT_COST,
    ) -> None:  # fmt: skip
        """Let another passphrase (and key file, or none) open it; only the master key is wrapped anew.

        Copies under the old passphrase are removed. Who has one, and the old passphrase, has the secrets of then.
        """
        if problem := weakness(new) or self._bounds.problem(cost):
            raise VaultError(problem)

        def change(file: VaultFile) -> tuple[VaultFile, Keys, bytearray]:
            self._prove(file, old, old_key_file)
            salt = secrets.token_bytes(SALT_BYTES)
            key = key_encryption_key(new, key_file, vault_id=file.id, salt=salt, cost=cost)
            wrapped, needs = crypto.wrap(key, self._keys.master), key_file is not None
            return replace(file, cost=cost, salt=salt, needs_key_file=needs, wrapped_master=wrapped), self._keys, key

        self._rewrap(change, "passwd")

    def rotate_master(self, passphrase: Passphrase, key_file: Path | None = None) -> None:
        """A new master key, under the same passphrase: every data key is wrapped anew, values stay as they are.

        Other processes have to open the vault again. Fingerprints change with it; copies under the old key are removed.
        """

        def change(file: VaultFile) -> tuple[VaultFile, Keys, bytearray]:
            self._prove(file, passphrase, key_file)
            salt = secrets.token_bytes(SALT_BYTES)
            key = key_encryption_key(passphrase, key_file, vault_id=file.id, salt=salt, cost=file.cost)
            new, keys = with_new_master(replace(file, salt=salt), self._keys, key)
            return new, keys, key

        self._rewrap(change, "rotate")

    def refresh(self) -> bool:
        """Read what another process may have written; True when there was something.

        Raises `VaultReplaced` when it has made a new master key, `VaultRolledBack` for an older file.
        """
        self._check_open()
        file = self._read()
        changed = file.sequence != self._file.sequence
        self._file = file
        return changed

    def _record(self, name: str, file: VaultFile | None = None) -> Record:
        for record in (file or self._file).records:
            if record.name == name:
                return record
        raise VaultError(f"there is no {name!r} in {self.path}: `moondev vault add {name}`")

    def _read(self) -> VaultFile:
        raw = disk.read(self.path)
        with disk.named(self.path):
            file, _ = parse(raw, self._bounds)
            if file.id != self._file.id:
                raise VaultReplaced("it is another vault than the one that was opened")
            if file.generation != self._file.generation:
                raise VaultReplaced("another process has given it a new master key: open it again")
            file = checked(raw, self._keys, self._bounds)
            disk.check_sequence(file, self._file.sequence)
        return file

    def _change(self, change: Callable[[VaultFile], VaultFile]) -> None:
        """Change the newest file, under its lock."""
        self._check_open()
        with files.locked(self.path):
            old = self._read()
            new = in_order(replace(change(old), sequence=old.sequence + 1))
            disk.back_up(self.path, old.sequence)
            disk.write(self.path, new, self._keys, self._bounds)
            disk.prune(self.path)
        self._file = new

    def _rewrap(self, change: Callable[[VaultFile], tuple[VaultFile, Keys, bytearray]], verb: str) -> None:
        """Change what opens the newest file, under its lock."""
        self._check_open()
        with files.locked(self.path):
            old = self._read()
            new, keys, key = change(old)
            new = replace(new, sequence=old.sequence + 1)
            disk.write(self.path, new, keys, self._bounds, kek=key)
            wipe(key)
            disk.remove_all(disk.backups(self.path))
        self.log.note(verb, sequence=new.sequence)
        if keys is not self._keys:
            self._keys.wipe()
            self.log = AccessLog(disk.log_path(self.path), keys.log, new.generation)
        self._file, self._keys = new, keys

    def _prove(self, file: VaultFile, passphrase: Passphrase, key_file: Path | None) -> None:
        """Raise `WrongPassphrase` when it is not the one that opens the file."""
        with disk.named(self.path):
            key = key_of(file, passphrase, key_file)
            try:
                wipe(crypto.unwrap(key, file.wrapped_master))
            finally:
                wipe(key)

    def _check_open(self) -> None:
        if not self._open:
            raise VaultError(f"{self.path} is closed")
