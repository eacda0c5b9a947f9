"""Results on disk: written whole or not at all, and read again as they were."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import msgspec

from domain.codec import digest
from domain.errors import ConfigError
from research.result import Result


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A result as it is on disk; `change` says how it was changed since it was written, "" = it was not."""

    result: Result
    change: str


class _Seal(msgspec.Struct, frozen=True, kw_only=True):
    content_sha256: str = ""
    pnl: Decimal | None = None


def content_hash(result: Result) -> str:
    """Over everything in a result: what its record carries, so that a later change of the record shows.

    It tells edits and damage from faults of the program. It is no signature: who knows it can make it anew, and only
    the run made again tells.
    """
    return digest(result)


def read_record(path: Path) -> Record:
    """What `--json` wrote. Raises `ConfigError` for a file that is not there, or no result of this version."""
    try:
        content = path.read_bytes()
        result, seal = msgspec.json.decode(content, type=Result), msgspec.json.decode(content, type=_Seal)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is no result of this version's `moondev backtest --json`: {error}") from None
    if not seal.content_sha256:
        return Record(
            result=result, change="the record carries no hash of its content: an older version wrote it, or a hand"
        )
    if seal.content_sha256 != content_hash(result) or seal.pnl != result.pnl:
        text = "the record was changed after it was written: the hash of its content is not the one that it carries"
        return Record(result=result, change=text)
    return Record(result=result, change="")


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in place at once: a reader never sees half of it, and a full disk keeps no half of it either."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(content)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
