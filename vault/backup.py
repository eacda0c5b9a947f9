"""A copy of a vault to keep elsewhere, and bringing one back."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from vault import access, disk, files
from vault.crypto import BOUNDS, DEFAULT_COST, SALT_BYTES, Bounds, Cost
from vault.errors import VaultDamaged, VaultError, VaultRolledBack
from vault.format import VaultFile, parse
from vault.keys import Keys, checked, key_encryption_key, key_of, unlock, value_of, with_new_master
from vault.memory import harden, wipe
from vault.passphrase import Passphrase, weakness
from vault.store import Vault


class Restored(Struct, frozen=True, kw_only=True):
    """What a restore has done: the write it brought back, the write it is now, names by what became of them."""

    backup_sequence: int
    sequence: int
    records: int
    lost: tuple[str, ...] = ()
    """Names that only the former vault had."""
    back: tuple[str, ...] = ()
    """Names that only the backup had."""
    former: Path | None = None


def export(
    vault: Vault, target: Path, passphrase: Passphrase | None = None, cost: Cost = DEFAULT_COST, bounds: Bounds = BOUNDS
) -> None:
    """Write a backup, as a new file. With a passphrase of its own it has its own master key too, and no key file.

    So who opens such a backup sees its secrets, and cannot open the vault that it was made from.
    """
    if target.is_symlink() or target.exists():
        raise VaultError(f"there is a file already: {target}")
    vault.refresh()
    if passphrase is None:
        raw = disk.read(vault.path)
        checked(raw, vault.keys, bounds)
        files.put_down(target, raw)
    else:
        if problem := weakness(passphrase):
            raise VaultError(problem)
        file, salt = vault.file, secrets.token_bytes(SALT_BYTES)
        key = key_encryption_key(passphrase, None, vault_id=file.id, salt=salt, cost=cost)
        own = replace(file, salt=salt, cost=cost, needs_key_file=False)
        own, fresh = with_new_master(own, vault.keys, key)
        disk.write(target, own, fresh, bounds, kek=key)
        wipe(key)
        fresh.wipe()
    vault.log.note("export", sequence=vault.sequence)


def restore(
    backup: Path, path: Path, passphrase: Passphrase, key_file: Path | None = None, *, accept_older: bool = False,
    past: int = 0, bounds: Bounds = BOUNDS,
) -> Restored:  # fmt: skip
    """Make a backup the vault at `path`, which then opens with the backup's passphrase (and key file).

    It counts on from the highest write that the present vault, its log, or `past` knows of, and gets a new master key:
    no process goes on with what it had open. Raises `VaultRolledBack` for a backup older than that, unless accepted.
    """
    harden()
    raw = disk.read(backup)
    with disk.named(backup):
        file, _ = parse(raw, bounds)
        key = key_of(file, passphrase, key_file)
        file, keys = unlock(raw, key, bounds)
        for record in file.records:
            wipe(value_of(file.id, record, keys))
    with files.locked(path):
        former_raw = _raw(path)
        former = _parsed(former_raw, bounds)
        if former is not None and former.id != file.id:
            raise VaultError(f"{backup} is of another vault than {path}: move that one away first, if it is to go")
        known = max(past, former.sequence if former is not None else 0, _logged(path))
        names = {record.name for record in file.records}
        had = {record.name for record in former.records} if former is not None else set()
        done = Restored(
            backup_sequence=file.sequence,
            sequence=max(known, file.sequence) + 1,
            records=len(names),
            lost=tuple(sorted(had - names)),
            back=tuple(sorted(names - had)) if former is not None else (),
            former=_keep(path, former_raw, former) if file.sequence >= known or accept_older else None,
        )
        if file.sequence < known and not accept_older:
            raise VaultRolledBack(_refusal(backup, known, done))
        generation = max(file.generation, former.generation if former is not None else 0)
        new, fresh = with_new_master(replace(file, sequence=done.sequence, generation=generation), keys, key)
        disk.write(path, new, fresh, bounds, kek=key)
    access.AccessLog(disk.log_path(path), fresh.log, new.generation).note("restore", sequence=new.sequence)
    for one in (keys, fresh):
        one.wipe()
    wipe(key)
    return done


def examine(path: Path, keys: Keys, bounds: Bounds = BOUNDS) -> list[str]:
    """What is wrong with an open vault's copies and its access log; empty when nothing is."""
    found = []
    for copy in disk.backups(path):
        try:
            for record in (file := checked(disk.read(copy), keys, bounds)).records:
                wipe(value_of(file.id, record, keys))
        except VaultDamaged:
            found.append(f"the copy {copy} is damaged, or from before the master key was changed: remove it")
        except VaultError as error:
            found.append(str(error))
    try:
        lines, _ = access.read_from(disk.log_path(path))
        file = checked(disk.read(path), keys, bounds)
        found += access.problems(lines, keys.log, file.generation)
        if lines and lines[-1].sequence > file.sequence:
            found.append(f"the access log knows of write {lines[-1].sequence}, the vault is of write {file.sequence}")
    except VaultError as error:
        found.append(str(error))
    return found


def _refusal(backup: Path, known: int, done: Restored) -> str:
    lost = f" It does not have {', '.join(done.lost)}." if done.lost else ""
    back = f" It brings back {', '.join(done.back)}, removed since." if done.back else ""
    return (
        f"{backup} is of write {done.backup_sequence}, and write {known} is known.{lost}{back} Values put since are "
        "the old ones again. If that is what you want: --accept-older"
    )


def _raw(path: Path) -> bytes:
    """The bytes that are there now; none when nothing is. A file that others could have put there is refused."""
    return disk.read(path) if path.is_symlink() or path.exists() else b""


def _parsed(raw: bytes, bounds: Bounds) -> VaultFile | None:
    """The present file, as far as it can be read without its key: what is damaged is to be replaced."""
    try:
        return parse(raw, bounds)[0] if raw else None
    except VaultError:
        return None


def _logged(path: Path) -> int:
    with suppress(VaultError):
        lines, _ = access.read_from(disk.log_path(path))
        return max((line.sequence for line in lines), default=0)
    return 0


def _keep(path: Path, raw: bytes, file: VaultFile | None) -> Path | None:
    """Put the former vault aside."""
    if not raw:
        return None
    aside = path.with_name(f"{path.name}.{file.sequence}" if file is not None else f"{path.name}.damaged")
    files.put_down(aside, raw)
    return aside
