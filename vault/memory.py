"""Keeps keys out of core dumps and out of other processes' reach, and overwrites them after use.

Python's `bytes` and `str` cannot be overwritten, so copies may remain until their memory is used again: a process
that can read this one's memory can read keys. No more than this is promised.
"""

from __future__ import annotations

import ctypes
import resource
import sys

PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Keep the memory of this process, and of those that it starts, off the disk when one crashes."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def harden() -> None:
    """Forbid core dumps of this process, and reading its memory to others of the same user (Linux)."""
    forbid_core_dumps()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def wipe(buffer: bytearray) -> None:
    """Overwrite with zeros in place."""
    buffer[:] = bytes(len(buffer))
