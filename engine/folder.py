"""A data folder as a whole: what stands in it under which name, and whether a service runs on it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from domain.errors import ConfigError

KINDS = {
    "journal": "folder",
    "strategies": "folder",
    "venues": "folder",
    "local-venues": "folder",
    "jobs": "folder",
    "moondev.log": "file",
    "paper-exchange": "file",
    "projection.db": "file",
    "ops.db": "file",
    "sessions.json": "file",
    "settings-file": "file",
    "console.sock": "file",
    "gateway.sock": "file",
    "gateway.lock": "file",
    "gateway.log": "file",
    "gateway.out": "file",
    "signer.sock": "file",
}
"""What is in a data folder under which name."""


def check_kinds(data: Path) -> None:
    """Raise `ConfigError` for what stands under a name of ours and is of another kind."""
    for name, kind in KINDS.items():
        path = data / name
        if path.exists() and path.is_dir() is not (kind == "folder"):
            raise ConfigError(f"{path} is not a {kind}: move it away, the service keeps something of its own there")


def check_alone(data: Path) -> None:
    """Raise `ConfigError` when a service runs on the folder: nothing that its watchdog reads may change under it."""
    if is_running(data):
        raise ConfigError(
            f"another process runs on {data} already: stop it first, or give this one a folder of its own with --data"
        )


def is_running(data: Path) -> bool:
    """Whether a service holds the journal's lock."""
    try:
        handle = os.open(data / "journal" / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
