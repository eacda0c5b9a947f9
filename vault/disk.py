"""A vault's file on disk: read, judged, replaced whole; and the copies that are kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vault import files
from vault.crypto import Bounds
from vault.errors import VaultDamaged, VaultError, VaultRolledBack, WrongPassphrase
from vault.format import MOST_BYTES, VaultFile, encode
from vault.keys import Keys, checked, unlock, value_of
from vault.memory import wipe

KEPT_BACKUPS = 5


def log_path(path: Path) -> Path:
    """The access log beside a vault."""
    return path.with_name(f"{path.name}.log")


def read(path: Path) -> bytes:
    """The bytes of a vault. Raises `VaultError` for a file that others could have read or put there."""
    if not path.is_symlink() and not path.exists():
        raise VaultError(f"there is no vault at {path}: `moondev vault init` makes one")
    return files.read_private(path, "the vault", MOST_BYTES)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Put the file and what to do into the words of an error."""
    try:
        yield
    except WrongPassphrase as error:
        raise WrongPassphrase(
            f"{error}: the vault {path} stays closed. If you are sure of both, the file's head may be damaged: "
            "`moondev vault restore` its newest copy"
        ) from None
    except VaultDamaged as error:
        raise VaultDamaged(
            f"the vault {path} is damaged: {error}. `moondev vault restore` brings a backup back; keep the file"
        ) from None
    except VaultError as error:
        raise type(error)(f"the vault {path}: {error}") from None


def check_free(path: Path) -> None:
    """Raise `VaultError` where a vault is, or was: its copies and log would be taken for the new one's."""
    if path.is_symlink() or path.exists():
        raise VaultError(f"there is a vault already: {path}. `moondev vault ls` shows what is in it")
    left = [one.name for one in [*backups(path), log_path(path)] if one.exists()]
    if left:
        raise VaultError(
            f"{path} is gone, and {', '.join(left)} of it are there: `moondev vault restore` one, or move them away"
        )


def check_sequence(file: VaultFile, at_least: int) -> None:
    """Refuse an older file than one that was seen. Raises `VaultRolledBack`."""
    if file.sequence < at_least:
        raise VaultRolledBack(
            f"it is an older state (write {file.sequence}) than one that was seen (write {at_least}). Somebody has put "
            "an old copy there: what was changed since is gone, and removed keys are back. If that was you: "
            f"`moondev vault restore FILE --accept-older --past {at_least}`"
        )


def write(path: Path, file: VaultFile, keys: Keys, bounds: Bounds, kek: bytearray | None = None) -> None:
    """Replace the vault by `file`, once what the disk gives back was opened and every value decrypted."""
    content = encode(file)

    def check(found: bytes) -> None:
        if kek is not None:
            unlock(found, kek, bounds)[1].wipe()
        for record in checked(found, keys, bounds).records:
            wipe(value_of(file.id, record, keys))

    files.put_down(path, content + keys.mark(content), check)


def backups(path: Path) -> list[Path]:
    """The copies that were kept of a vault, the newest first: `vault.17` is the state of write 17."""
    found = (one for one in path.parent.glob(f"{path.name}.*") if one.suffix[1:].isdigit())
    return sorted(found, key=lambda one: int(one.suffix[1:]), reverse=True)


def back_up(path: Path, sequence: int) -> None:
    """Keep a copy of the vault as it is."""
    files.put_down(path.with_name(f"{path.name}.{sequence}"), read(path))


def prune(path: Path, keep: int = KEPT_BACKUPS) -> None:
    """Remove all but the newest copies."""
    remove_all(backups(path)[keep:])


def remove_all(old: Iterable[Path]) -> None:
    """Remove copies."""
    for one in old:
        one.unlink(missing_ok=True)
