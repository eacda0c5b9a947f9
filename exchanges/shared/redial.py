"""A connection that is made again and again: why it ended, in words for people, and when it is tried next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import aiohttp

from domain.errors import VenueError

log = logging.getLogger(__name__)

DOWN = frozenset({502, 503, 504})
MOST_DOUBLINGS = 10


class Waits(Protocol):
    """What a venue's settings say about trying again."""

    @property
    def backoff_s(self) -> float:
        """The limit of the first wait."""
        ...

    @property
    def backoff_max_s(self) -> float:
        """The longest limit."""
        ...


def http_words(status: int) -> str:
    """What an HTTP status of a venue means."""
    if status in DOWN:
        return f"it is in maintenance or overloaded (HTTP {status}); wait until its status page says that it is up"
    return f"HTTP {status}"


class Redial:
    """Keeps one connection. It waits between a half and the whole of a limit that doubles with every failure.

    `jitter` gives random numbers in [0, 1); `worked` is called once a connection is good.
    """

    def __init__(self, name: str, waits: Waits, jitter: Callable[[], float]) -> None:
        self._name = name
        self._waits = waits
        self._jitter = jitter
        self._failures = 0

    def worked(self) -> None:
        """The next failure is the first again."""
        self._failures = 0

    async def keep(self, connection: Callable[[], Awaitable[str]], ended: Callable[[str], None]) -> None:
        """Connect until cancelled. `connection` returns when one has ended, and why; `ended` hears it.

        An error of our own ends a connection like any other: a stream that nobody reads must not look alive.
        """
        while True:
            try:
                why = await connection()
            except aiohttp.WSServerHandshakeError as error:
                why = http_words(error.status)  # its text has the address, which may hold a key
            except (aiohttp.ClientError, TimeoutError, OSError, VenueError) as error:
                why = str(error) or type(error).__name__
            except Exception as error:
                log.exception("the connection to %s ended by an error of ours", self._name)
                why = f"an error of ours: {type(error).__name__}"
            log.info("%s ended: %s", self._name, why)
            ended(why)
            waits = self._waits
            self._failures += 1
            limit_s = min(waits.backoff_max_s, waits.backoff_s * 2 ** min(self._failures - 1, MOST_DOUBLINGS))
            await asyncio.sleep(limit_s * (0.5 + self._jitter() / 2))
