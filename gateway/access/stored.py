"""`Stored`: the access database for an event loop. It has threads of its own, so that nothing waits for it.

A lock-down is one moment, written in it: whatever was made before counts no more, here at once and in other processes
when they next look.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from domain.access import AccessLost
from domain.errors import ConfigError
from domain.security import AccessKind
from domain.settings import SECOND_NS
from gateway.access.caller import Identity
from gateway.access.database import get_value, noted, set_value

T = TypeVar("T")
THREADS: Final = 2
BELIEVED_NS: Final = SECOND_NS
MOST_BELIEVED: Final = 4_096
LOCK_DOWN: Final = "lock_down_ns"

log = structlog.get_logger("gateway.access")


class Stored:
    """What was found is believed for a second, so whatever is ended, here or elsewhere, ends within two."""

    def __init__(self, opened: Callable[[], Engine], now_ns: Callable[[], int] = time.time_ns) -> None:
        """`opened` opens the database, when it is first needed and until it succeeds."""
        self.now_ns = now_ns
        self._open = opened
        self._engine: Engine | None = None
        self._opening = Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="access")
        self._believed: dict[str, tuple[Identity, int]] = {}
        self._lock_down_ns = 0
        self._lock_down_unwritten = False

    def close(self) -> None:
        """Let the database go."""
        self._pool.shutdown(wait=True)
        if self._engine is not None:
            self._engine.dispose()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Look something up. Raises `AccessLost`."""
        return await self._run(work, writes=False)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Change something, whole or not at all. Raises `AccessLost`."""
        return await self._run(work, writes=True)

    async def _run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.now, work, writes)

    def now(self, work: Callable[[Connection], T], writes: bool = True) -> T:
        """Do it in this thread, which waits. Raises `AccessLost`."""
        try:
            try:
                return self._once(work, writes)
            except IntegrityError:  # another process wrote the same row first: now it is there
                return self._once(work, writes)
        except SQLAlchemyError as error:
            log.warning("the access database does not answer", error=type(error).__name__)
            raise AccessLost("the access database does not answer: use the chat or the terminal") from None
        except ConfigError as error:
            log.warning("the access database cannot be used", error=str(error))
            raise AccessLost("the access database cannot be used, see the log: use the chat or the terminal") from None

    def _once(self, work: Callable[[Connection], T], writes: bool) -> T:
        with self._opened().connect().execution_options(writes=writes) as connection, connection.begin():
            return work(connection)

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def note(
        self, connection: Connection, kind: AccessKind, text: str, *, person: str = "", by: str = "", ip: str = ""
    ) -> None:
        """Write down what happened, for the journal; in the transaction that makes it happen."""
        row = {"person": person[:100], "by": by[:100], "ip": ip[:64], "text": text[:500]}
        connection.execute(noted.insert().values(ts_ns=self.now_ns(), kind=kind.value, **row))

    def lock_down(self) -> None:
        """From now on nothing counts that was made before: sessions and links end, tokens are suspended."""
        self._lock_down_ns = max(self._lock_down_ns, self.now_ns())
        self._lock_down_unwritten = True
        self.forget()
        self._pool.submit(self.write_lock_down)

    def write_lock_down_later(self) -> None:
        """Try again what could not be written."""
        if self._lock_down_unwritten:
            self._pool.submit(self.write_lock_down)

    def write_lock_down(self) -> None:
        """Tell the other processes; what could not be written is tried again by the housekeeping."""
        try:
            self.now(lambda connection: set_value(connection, LOCK_DOWN, self.locked_ns(connection)))
        except AccessLost:
            return
        self._lock_down_unwritten = False

    def locked_ns(self, connection: Connection) -> int:
        """When the last lock-down began, here or as another process wrote it; 0 = never."""
        self._lock_down_ns = max(self._lock_down_ns, get_value(connection, LOCK_DOWN))
        return self._lock_down_ns

    def made_ns(self, connection: Connection) -> int:
        """The time at which something is made: after the last lock-down, whatever the clock has done since."""
        return max(self.now_ns(), self.locked_ns(connection) + 1)

    async def note_use(self, work: Callable[[Connection], None]) -> None:
        """Write down when something was last used; a disk that is full keeps nobody out."""
        with contextlib.suppress(AccessLost):
            await self.write(work)

    def still(self, key: str) -> Identity | None:
        """What was found within the last second."""
        known, until_ns = self._believed.get(key, (None, 0))
        if known is None:
            return None
        return known if until_ns - BELIEVED_NS <= self.now_ns() < min(until_ns, known.expires_ns) else None

    def believe(self, key: str, known: Identity | None) -> Identity | None:
        """Remember for a second what was found."""
        if len(self._believed) >= MOST_BELIEVED:
            self._believed.clear()
        if known is not None:
            self._believed[key] = (known, self.now_ns() + BELIEVED_NS)
        return known

    def forget(self) -> None:
        """Believe nothing that was found before: something has ended."""
        self._believed.clear()
