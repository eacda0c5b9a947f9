"""Rising numbers for one signer, over restarts and clocks that go back.

The venue refuses a nonce that it has seen, and one below the smallest of the hundred that it keeps. So no number is
given out before a higher one stands in the file: a process that is killed goes on above it.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from domain.errors import ConfigError
from exchanges.hyperliquid.wire import MS

log = logging.getLogger(__name__)

AHEAD = 60_000
"""How far ahead the file is written (ms, or numbers): once a minute. The venue takes nonces up to a day ahead."""


class Nonces:
    """The time in milliseconds, or one more than the last. `path` is its file; without one it forgets.

    Raises `ConfigError` for a file that cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._last = self._ceiling = _read(path) if path is not None and path.exists() else 0

    def next(self, now_ns: int) -> int:
        """A number never given before, by this process or an earlier one."""
        self._last = max(now_ns // MS, self._last + 1)
        if self._path is not None and self._last >= self._ceiling:
            self._ceiling = self._last + AHEAD
            self._keep(self._path, self._ceiling)
        return self._last

    def close(self) -> None:
        """A clean end: the next process goes on right here."""
        if self._path is not None and self._last < self._ceiling:
            self._keep(self._path, self._last)

    def _keep(self, path: Path, ceiling: int) -> None:
        fresh = path.with_suffix(".new")
        try:
            with fresh.open("w") as file:
                file.write(f"{ceiling}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:  # a full disk must not keep cancels from being signed
            log.error("%s: nonces cannot be kept (%s): do not set the clock back before it can be written", path, error)  # noqa: TRY400


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: the last nonce of a Hyperliquid key cannot be read ({error}). If this machine's clock is right, "
            "delete the file: nonces then begin at the time"
        ) from error
