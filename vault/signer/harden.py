"""What the process that signs has beside `vault.memory`: no swap, where the system allows it."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

from vault import memory

_GET_DUMPABLE = 3
_LOCK_NOW_AND_LATER = 1 | 2
_CAP_IPC_LOCK = 14


def harden() -> list[str]:
    """Harden this process for as long as it lives; returns what could not be had, in words."""
    memory.harden()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # for good: this process has no other business
    if not sys.platform.startswith("linux"):
        return ["Other processes of this user can read its memory, and it may be swapped to disk: this is not Linux."]
    libc = ctypes.CDLL(None, use_errno=True)
    missing = []
    if libc.prctl(_GET_DUMPABLE, 0, 0, 0, 0):
        missing.append("Other processes of this user can read its memory: the system does not let it forbid that.")
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if limit != resource.RLIM_INFINITY and not _may_lock_all():
        # locked all the same, the first allocation beyond the limit would fail, and the process with it
        missing.append(
            f"Its memory may be swapped to disk: the limit of locked memory is {limit} bytes (LimitMEMLOCK)."
        )
        return missing
    if limit == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    if libc.mlockall(_LOCK_NOW_AND_LATER):
        missing.append(f"Its memory may be swapped to disk: {os.strerror(ctypes.get_errno())}.")
    return missing


def _may_lock_all() -> bool:
    """Whether the limit of locked memory does not hold for this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> _CAP_IPC_LOCK & 1)
    return False
