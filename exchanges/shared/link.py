"""Whether a venue's private streams are up, and why not: for its start, for the engine, and for people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from domain.errors import VenueError
from domain.events import VenueEvent, VenueStatus
from exchanges.shared.payloads import Payloads


class Link:
    """`venue` is its name and `place` where it was looked for, both for people; `emit` hears of every change."""

    def __init__(self, name: str, venue: str, place: str, emit: Callable[[VenueEvent], None]) -> None:
        self._name = name
        self._venue = venue
        self._place = place
        self._emit = emit
        self._first = asyncio.Event()
        self.is_up = False
        self.complaint = ""
        """What was wrong last."""

    @asynccontextmanager
    async def opening(self, within_s: float, close: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Let the body begin, then wait until all is up. Whatever goes wrong, `close` leaves nothing open.

        Raises `VenueError` when the venue does not confirm the streams in time.
        """
        try:
            yield
            async with asyncio.timeout(within_s):
                await self._first.wait()
        except TimeoutError:
            await close()
            raise VenueError(
                f"{self._venue} ({self._place}) did not confirm the private streams within {within_s:g} s: "
                f"{self.complaint or 'no answer'}"
            ) from None
        except BaseException:
            await close()
            raise

    def up(self) -> None:
        """All streams are confirmed."""
        self.is_up = True
        self._first.set()
        self._emit(VenueStatus(venue=self._name, connected=True, detail=f"{self._venue}, {self._place}"))

    def down(self, why: str) -> None:
        """A stream has ended."""
        self.complaint = why
        if self.is_up:
            self.is_up = False
            self._emit(VenueStatus(venue=self._name, connected=False, detail=why))

    def says(self, payloads: Payloads, warnings: Iterable[str] = ()) -> str:
        """All that people should know, in one line."""
        said = [*([] if self.is_up else [self.complaint or "not started"]), *warnings]
        if payloads.unknown:
            said.append(f"unknown fields: {', '.join(list(payloads.unknown)[:3])}")
        return "; ".join(said)
