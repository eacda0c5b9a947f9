"""The access log: who opened the vault and saw which record, one JSON line each, chained by marks.

A line is `{"n":..,"ts_ns":..,"user":..,"process":..,"pid":..,"verb":..,"record":..,"kind":..,"sequence":..,
"generation":..,"missed":..,"previous":..,"mark":..}`. `mark` is HMAC-SHA256 over the line without it under a key that
is made from the vault's master key, and `previous` the mark of the line before: none can be changed, and none taken
out of the middle. A cut at the end is seen by who has read further before.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, ValidationError
from msgspec import json as msgspec_json
from msgspec.structs import asdict, replace

from vault import crypto, files
from vault.errors import VaultDamaged, VaultError

log = logging.getLogger(__name__)

_VERB = re.compile(r"[a-z-]{2,16}")
_LONGEST_LINE = 4096
_LOCK_WITHIN_S = 2.0
MOST_BYTES = 256 * 2**20


class Access(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One access. `missed` counts accesses before it that could not be written down, since the disk refused."""

    n: int
    ts_ns: int
    user: str
    process: str
    pid: int
    verb: str
    record: str
    kind: str
    sequence: int
    generation: int
    missed: int
    previous: str
    mark: str = ""


class AccessLog:
    """Appends to the log of one vault; safe for several processes."""

    def __init__(self, path: Path, key: bytes, generation: int) -> None:
        """Nothing is touched yet. `generation` says with which master key's the marks are made."""
        self._path = path
        self._key = key
        self._generation = generation
        self._missed = 0

    def note(self, verb: str, record: str = "", kind: str = "", *, sequence: int) -> None:
        """Write an access down, durably. A disk that refuses does not stop it: cancelling orders needs keys too."""
        try:
            self._append(verb, record, kind, sequence)
            self._missed = 0
        except (OSError, VaultError) as error:
            self._missed += 1
            log.warning("the access %s of %s cannot be written into %s: %s", verb, record or "all", self._path, error)

    def highest(self) -> int:
        """The vault's sequence at the last access, as far as its line can be believed; else 0.

        A line of this master key must have its mark; one of a later key says that this one is of an older vault.
        """
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            last, _ = _last(handle)
        except VaultDamaged:
            return 0
        finally:
            os.close(handle)
        if last is None or last.generation < self._generation:
            return 0
        forged = not crypto.same(mark(last, self._key).encode(), last.mark.encode())
        return 0 if forged and last.generation == self._generation else last.sequence

    def _append(self, verb: str, record: str, kind: str, sequence: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(self._path, flags, files.PRIVATE_MODE)
        try:
            if problem := files.privacy_problem(os.fstat(handle), self._path):
                raise VaultError(f"it {problem}")
            files.take(handle, _LOCK_WITHIN_S, "it")
            last, torn_at = _last(handle)
            if torn_at is not None:  # of a process that was killed
                os.ftruncate(handle, torn_at)
            access = Access(
                n=last.n + 1 if last is not None else 1,
                ts_ns=time.time_ns(),
                user=user(),
                process=process(),
                pid=os.getpid(),
                verb=verb,
                record=record,
                kind=kind,
                sequence=sequence,
                generation=self._generation,
                missed=self._missed,
                previous=last.mark if last is not None else "",
            )
            os.write(handle, _line(replace(access, mark=mark(access, self._key))))
            os.fsync(handle)
        finally:
            os.close(handle)


def user() -> str:
    """Who runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def process() -> str:
    """This program and its verb; nothing else of the command line."""
    verb = sys.argv[1] if len(sys.argv) > 1 and _VERB.fullmatch(sys.argv[1]) else ""
    return f"{Path(sys.argv[0]).name} {verb}".strip()


def mark(access: Access, key: bytes) -> str:
    """The mark of a line."""
    fields = asdict(access)
    del fields["mark"]
    return crypto.mac(key, json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hex()


def read_from(path: Path, offset: int = 0) -> tuple[list[Access], int]:
    """The accesses from a byte offset on, and the offset to go on from; a last line that is not whole waits.

    Marks are not judged: that takes the vault (`problems`). Raises `VaultDamaged` for a line that is none.
    """
    if not path.exists():
        return [], 0
    raw = files.read_private(path, "the access log", MOST_BYTES)
    if offset > len(raw):
        raise VaultDamaged(f"the access log {path} is shorter than it was")
    whole = raw.rfind(b"\n") + 1
    return [_parsed(line, path) for line in raw[offset:whole].splitlines()], max(whole, offset)


def problems(accesses: Sequence[Access], key: bytes, generation: int) -> list[str]:
    """What is wrong with the chain from its beginning. Marks of earlier master keys cannot be judged any more."""
    found, previous, n = [], "", 0
    for access in accesses:
        if access.n != n + 1 or access.previous != previous:
            found.append(f"between line {n} and line {access.n} something was taken out or put in")
        if access.generation == generation and not crypto.same(mark(access, key).encode(), access.mark.encode()):
            found.append(f"line {access.n} was changed, or written by somebody without the vault")
        previous, n = access.mark, access.n
    return found


def _line(access: Access) -> bytes:
    return msgspec_json.encode(access) + b"\n"


def _parsed(line: bytes, path: Path) -> Access:
    try:
        return msgspec_json.decode(line, type=Access)
    except (ValidationError, ValueError):
        raise VaultDamaged(f"the access log {path} has a line that is none") from None


def _last(handle: int) -> tuple[Access | None, int | None]:
    """The last whole line, and where a torn one behind it begins."""
    size = os.fstat(handle).st_size
    start = max(0, size - 2 * _LONGEST_LINE)
    tail = os.pread(handle, size - start, start)
    whole = tail.rfind(b"\n") + 1
    lines = tail[:whole].splitlines()
    last = _parsed(lines[-1], Path(os.devnull)) if lines else None
    return last, start + whole if whole < len(tail) else None
