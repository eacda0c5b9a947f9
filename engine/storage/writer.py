"""Writes facts in a thread of its own, many to a transaction; the engine only puts them on a queue.

A database that is locked, full or gone is reported once, tried again with growing pauses and caught up. When
it stays away for so long that the queue is full, the queued facts are dropped and the projection is marked
incomplete: nothing is lost, because it can be rebuilt from the journal.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeAlias

from msgspec import Struct
from sqlalchemy.exc import DBAPIError

from domain.facts import Fact
from engine.storage.projector import Projector

log = logging.getLogger("engine.storage")

Report: TypeAlias = Callable[[str], None]
"""Called from the writer's thread: "" when the database works (again), otherwise why not."""

History: TypeAlias = Callable[[int], Iterable[Fact]]
"""Facts of the journal in order, at least those after an event (0: every one); called in the writer's thread."""

_BATCH = 2_000
_GATHER_S = 0.02
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class _Reached(Struct, frozen=True):
    seq: int


class _Rebuild(Struct, frozen=True):
    """Add what the projection misses below `first_seq`, or replace everything if it cannot be gone on from."""

    facts: History
    reached_seq: int
    first_seq: int


_Item: TypeAlias = Fact | _Reached | _Rebuild


class ProjectionWriter:
    """The live side of a projection. `put` and `reached` are cheap and never block or raise."""

    def __init__(self, projector: Projector, report: Report, max_pending: int = 200_000) -> None:
        """Prepare the thread; `start` runs it. `max_pending` bounds the memory that waiting facts take."""
        self.projector = projector
        self._report = report
        self._max_pending = max_pending
        self._pending: deque[_Item] = deque()
        self._batch: list[_Item] = []
        self._trouble = ""
        self.gap = ""
        """Why facts are missing that this run cannot bring back, "" while none are."""
        self._idle = threading.Event()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="projection", daemon=True)
        self.dropped = 0
        """Facts that were dropped because the database stayed away."""

    @property
    def pending(self) -> int:
        """Facts that wait to be written."""
        return len(self._pending) + len(self._batch)

    @property
    def trouble(self) -> str:
        """Why the database takes nothing right now, "" when it does."""
        return self._trouble

    async def start(self, first_seq: int, last_seq: int, history: History) -> None:
        """Begin to write; returns at once, also when the database is away.

        The journal ends at event `last_seq`, and the facts from `first_seq` on will be put (again). When the
        database does not reach up to that, it is rebuilt from `history` first.
        """
        self._add(_Rebuild(history, last_seq, first_seq))
        self._thread.start()

    def put(self, fact: Fact) -> None:
        """Queue a fact. When the queue is full everything in it is dropped and the projection needs a rebuild."""
        if len(self._pending) >= self._max_pending:
            self.dropped += len(self._pending)
            self._pending.clear()
            self.gap = "facts were dropped while the database could not keep up; the next start brings them back"
            log.error("the SQL projection cannot keep up: facts dropped, rebuild it from the journal")
        self._add(fact)

    def reached(self, seq: int) -> None:
        """Say that every fact up to event `seq` has been put (call it when a snapshot is taken)."""
        self._add(_Reached(seq))

    async def drain(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything put so far is written; False when it took too long."""
        end = time.monotonic() + timeout_s
        while self._busy and time.monotonic() < end:  # noqa: ASYNC110 - what it waits for is a thread
            await asyncio.sleep(0.005)
        return not self._busy

    async def aclose(self, timeout_s: float = 10.0) -> None:
        """Write what is queued, as far as the database allows within `timeout_s`, and stop."""
        if self._thread.is_alive():
            await self.drain(timeout_s)
            self._stopping.set()
            self._wake.set()
            await asyncio.to_thread(self._thread.join, timeout_s)

    @property
    def _busy(self) -> bool:
        return not self._idle.is_set() or bool(self.pending)

    def _add(self, item: _Item) -> None:
        self._idle.clear()
        self._pending.append(item)
        self._wake.set()

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                self._step()
                pause_s = _FIRST_PAUSE_S
                self._say("")
            except Exception as error:  # noqa: BLE001 - this thread must outlive whatever a database does
                self._failed(error)
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self.projector.close()

    def _step(self) -> None:
        """Write one batch, or wait for one. What could not be written stays in the batch."""
        if not self._batch:
            self._take()
        if not self._batch:
            self._idle.set()
            self._wake.wait()
            self._wake.clear()
            self._stopping.wait(_GATHER_S)
            return
        first = self._batch[0]
        if isinstance(first, _Rebuild):
            self._rebuild(first)
        else:
            facts = [item for item in self._batch if not isinstance(item, (_Reached, _Rebuild))]
            reached = max((item.seq for item in self._batch if isinstance(item, _Reached)), default=-1)
            cursor = self.projector.apply(facts, reached, complete=not self.gap)
            if not cursor.complete and not self.gap:
                self.gap = "the database forgot what was written before; the next start brings it back"
        self._batch = []

    def _rebuild(self, item: _Rebuild) -> None:
        cursor = self.projector.open()
        reason = cursor.rebuild_reason(item.first_seq, item.reached_seq)
        if not reason:
            return
        if cursor.seq and cursor.can_go_on(item.reached_seq):
            log.info("the SQL projection is brought up to date from the journal: %s", reason)
            missing = iter(item.facts(cursor.seq))
            for batch in iter(lambda: list(islice(missing, _BATCH)), []):
                self.projector.apply(batch)
            cursor = self.projector.apply([], item.reached_seq)
        else:
            log.warning("the SQL projection is rebuilt from the journal: %s", reason)
            cursor = self.projector.rebuild(item.facts(0), item.reached_seq)
        log.info("the SQL projection is whole up to event %d", cursor.seq)

    def _take(self) -> None:
        """Move items into the batch; a rebuild stands alone."""
        self._idle.clear()
        while self._pending and len(self._batch) < _BATCH:
            if self._batch and isinstance(self._pending[0], _Rebuild):
                return
            try:
                self._batch.append(self._pending.popleft())
            except IndexError:
                return
            if isinstance(self._batch[-1], _Rebuild):
                return

    def _failed(self, error: Exception) -> None:
        """Say it, and let go of the connection: the next attempt opens the database anew."""
        self._say(_reason(error))
        self.projector.close()
        if self._batch and isinstance(self._batch[0], _Rebuild) and not isinstance(error, DBAPIError):
            log.error("the SQL projection cannot be rebuilt (%s): it stays as it was, incomplete", _reason(error))
            self._batch = []
            self.gap = f"incomplete, and it cannot be rebuilt: {_reason(error)}"

    def _say(self, trouble: str) -> None:
        if trouble == self._trouble:
            return
        if trouble and not self._trouble:
            log.error("the SQL projection cannot be written (%s): trading goes on, it is tried again", trouble)
        elif not trouble:
            log.warning("the SQL projection is written again; %d facts to catch up", self.pending)
        self._trouble = trouble
        self._report(trouble)


def _reason(error: BaseException) -> str:
    """The driver's own first line, without SQL and parameters; of errors during clean-up the one before them."""
    cause: BaseException = error
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, DBAPIError) and behind.orig is not None:
            cause = behind.orig
        behind = behind.__context__
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]
