"""Private files: read only what nobody else could have read or put there, replaced whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vault.errors import VaultError

PRIVATE_MODE = 0o600
LOCK_WITHIN_S, LOCK_EVERY_S = 20.0, 0.01


def read_private(path: Path, what: str, most: int) -> bytes:
    """A file that belongs to this user and that nobody else can read; `what` is its name in errors.

    Raises `VaultError` for a link, another owner, a mode beyond 0600, and more than `most` bytes.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise VaultError(f"{what} {path} is a symbolic link; put the file itself there") from None
        raise VaultError(f"{what} {path} cannot be read: {error.strerror}") from None
    try:
        if problem := privacy_problem(os.fstat(handle), path):
            raise VaultError(f"{what} {path} {problem}")
        return _read(handle, most, f"{what} {path}")
    finally:
        os.close(handle)


def privacy_problem(info: os.stat_result, path: Path) -> str:
    """Why a file is not private, and how to mend it; "" when it is."""
    quoted = shlex.quote(str(path))
    if not stat.S_ISREG(info.st_mode):
        return "is not a regular file"
    if info.st_uid != os.geteuid():
        return (
            f"belongs to user {info.st_uid}, and this runs as {os.geteuid()}: `chown {os.geteuid()} {quoted}`, if you "
            "know how it came there"
        )
    mode = stat.S_IMODE(info.st_mode)
    if mode & ~PRIVATE_MODE:
        return f"has mode {mode:04o}, it must be 0600: `chmod 600 {quoted}`, if nobody else can have read it"
    return ""


def read_handed(path: Path, what: str, most: int) -> bytes:
    """A secret that systemd, Docker or Kubernetes lays down for this user. Raises `VaultError`.

    It may belong to root, and its group may read it then: that is how Kubernetes (fsGroup) and systemd (access lists)
    hand one to a user who is not root. Links are followed only within the folder, as Kubernetes projects secrets.
    """
    try:
        folder, real = path.parent.resolve(strict=True), path.resolve(strict=True)
        handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise VaultError(f"{what} {path} cannot be read: {error.strerror}") from None
    try:
        if problem := _handed_problem(os.fstat(handle), folder, real):
            raise VaultError(f"{what} {path} {problem}")
        return _read(handle, most, f"{what} {path}")
    finally:
        os.close(handle)


def _handed_problem(info: os.stat_result, folder: Path, real: Path) -> str:
    trusted, mode, place = {0, os.geteuid()}, stat.S_IMODE(info.st_mode), folder.stat()
    if not real.is_relative_to(folder):
        return f"leads out of its folder, to {real}"
    if not stat.S_ISREG(info.st_mode):
        return "is not a regular file"
    if info.st_uid not in trusted or place.st_uid not in trusted:
        return "belongs, or its folder belongs, to another user: it must be this one's or root's"
    allowed = 0o740 if info.st_uid == 0 else 0o700
    if mode & 0o777 & ~allowed:
        return (
            f"has mode {mode:04o}, which lets others read or write it: 0400 is enough (Docker: `mode: 0400` and the "
            "user's `uid` at the secret; Kubernetes: `defaultMode: 0440` with `fsGroup`)"
        )
    if place.st_mode & 0o002 and not place.st_mode & stat.S_ISVTX:
        return f"lies in {folder}, where everybody may put another file in its place"
    return ""


def _read(handle: int, most: int, what: str) -> bytes:
    parts, size = [], 0
    while part := os.read(handle, min(65_536, most + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > most:
            raise VaultError(f"{what} is larger than {most:,} bytes, which cannot be right")
    return b"".join(parts)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """The only writer of `path`, on this machine, for as long as the block lasts."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_MODE)
    except OSError as error:
        raise VaultError(f"{lock} cannot be opened: {error.strerror}") from None
    try:
        take(handle, LOCK_WITHIN_S, str(lock))
        yield
    finally:
        os.close(handle)


def take(handle: int, within_s: float, what: str) -> None:
    """Lock an open file against other processes and threads. Raises `VaultError` when somebody keeps it locked."""
    until = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise VaultError(
                    f"another process has kept {what} locked for {within_s:.0f} s: is one of them stopped (`ps -e`)?"
                ) from None
            time.sleep(LOCK_EVERY_S)


def put_down(path: Path, content: bytes, check: Callable[[bytes], None] | None = None) -> None:
    """Replace a file: whoever looks, after whatever crash, finds the old one or the new one.

    `check` judges what was read back from the disk, before it takes the place of the old. Only for who holds the lock.
    Raises `VaultError` when the disk refuses; the old file is untouched then.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        _write(fresh, content)
        found = read_private(fresh, "the file just written", len(content))
        if found != content:
            raise VaultError(f"{fresh} does not read as it was written: look at the disk")
        if check is not None:
            check(found)
        fresh.replace(path)
    except BaseException as error:
        with suppress(OSError):
            fresh.unlink()
        if isinstance(error, OSError):
            raise VaultError(f"{path} cannot be written: {error.strerror}. What was there is untouched") from None
        raise
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise VaultError(f"{path} is written, and the disk does not confirm it: {error.strerror}") from None


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_MODE)
    try:
        os.fchmod(handle, PRIVATE_MODE)
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
