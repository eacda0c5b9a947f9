"""Files that are read over a while and must not change meanwhile: a hash would be of other rows than are played."""

from __future__ import annotations

from pathlib import Path

from domain.errors import DataError


class Unchanged:
    """Some files as they are now; None stands for no file."""

    def __init__(self, *paths: Path | None) -> None:
        """Look at each. Raises `OSError`."""
        self._paths = [path for path in paths if path is not None]
        self._were = self._now()

    def check(self) -> None:
        """Raises `DataError` when one of them is another file, or was written to."""
        if self._now() != self._were:
            names = " or ".join(path.name for path in self._paths)
            raise DataError(f"{names} was written to while it was in use: try again when it is complete")

    def _now(self) -> list[tuple[int, int, int]]:
        return [(found.st_ino, found.st_mtime_ns, found.st_size) for found in map(Path.stat, self._paths)]
