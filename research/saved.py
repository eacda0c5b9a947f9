"""Results on disk: written whole or not at all, and read again as they were."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from domain.errors import ConfigError
from research.result import Result


def read_result(path: Path) -> Result:
    """What `--json` wrote. Raises `ConfigError` for a file that is not there, or no result of this version."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is no result of this version's `moondev backtest --json`: {error}") from None


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
