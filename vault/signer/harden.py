"""What keeps a key in this process: no core dump, no look from another process, no swap where the system allows it.

A promise no greater than that: Python copies `bytes` as it likes, and who is root reads everything.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

_SET_DUMPABLE = 4
_LOCK_NOW_AND_LATER = 1 | 2
_CAP_IPC_LOCK = 14


def harden() -> list[str]:
    """Harden this process for as long as it lives; returns what could not be had, in words."""
    missing = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return ["other processes of this user can read its memory, and it may be swapped to disk: this is not Linux"]
    libc = ctypes.CDLL(None, use_errno=True)
    # also takes /proc/PID away from other processes of this user: no ptrace, no reading of memory
    if libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0):
        missing.append(f"it stays readable by other processes of this user: {_error()}")
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if limit != resource.RLIM_INFINITY and not _may_lock_all():
        # locked all the same, the first allocation beyond the limit would fail, and the process with it
        missing.append(f"its memory may be swapped to disk: the limit of locked memory is {limit} bytes (LimitMEMLOCK)")
        return missing
    if limit == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    if libc.mlockall(_LOCK_NOW_AND_LATER):
        missing.append(f"its memory may be swapped to disk: {_error()}")
    return missing


def _may_lock_all() -> bool:
    """Whether the limit of locked memory does not hold for this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> _CAP_IPC_LOCK & 1)
    return False


def _error() -> str:
    return os.strerror(ctypes.get_errno())
