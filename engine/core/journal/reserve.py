"""Room kept back on the disk: when it is full, the journal lives on from it long enough to cancel, halt and flatten."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

RESERVE_FILE = "reserve"


class Reserve:
    """A file of `size` bytes beside the segments that holds nothing but its room (0 = none is kept)."""

    def __init__(self, directory: Path, size: int) -> None:
        self._path = directory / RESERVE_FILE
        self._size = size

    @property
    def is_there(self) -> bool:
        """Whether there is room to fall back on, or none is wanted."""
        with contextlib.suppress(OSError):
            return not self._size or self._path.stat().st_size == self._size
        return False

    def make(self) -> bool:
        """Take the room, if it is not taken yet; False where the disk has not that much."""
        if self.is_there:
            return True
        self.release()  # half made by a crash, or of another size
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.posix_fallocate(fd, 0, self._size)
            finally:
                os.close(fd)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the room back; False when there was none."""
        with contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False
