"""The asyncio driver around the kernel: one inbox, one writer, wall time, timers.

Feeds, venues, bots and the gateway call `put` from the event loop's thread; the writer drains the inbox
in order. Account events are never dropped; when market data alone overfills the inbox it is dropped, a
lag is announced and trading halts.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from domain.errors import JournalError
from domain.events import CommandReceived, EngineStarted, Event, InboxOverflow, StrategyFault
from domain.market import Bbo, Book, FeedState, FeedStatus, Mark, Trade
from domain.ports import Clock
from engine.core.kernel import Kernel

_DROPPABLE = frozenset({Bbo, Book, Trade, Mark})
_URGENT = frozenset({EngineStarted, CommandReceived, StrategyFault})
BATCH = 256
"""Events taken in one go before other tasks get a turn,"""
BATCH_NS = 10_000_000
"""unless they have taken this long: a slow strategy must not keep a halt in the bot's socket."""
LAG_TOLERATED_NS = 250_000_000
BEAT_S = 1.0
"""The loop turns at least so often while somebody listens to its beat."""


class EngineLoop:
    """Feeds the kernel from an inbox until cancelled or until the journal fails."""

    def __init__(self, kernel: Kernel, clock: Clock, *, inbox_limit: int = 50_000) -> None:
        """Drive `kernel`; at most `inbox_limit` events wait."""
        self.kernel = kernel
        self.clock = clock
        self.inbox_limit = inbox_limit
        self.inbox: deque[Event] = deque()
        self.urgent: deque[Event] = deque()
        """What people ask for, and faults of strategies: in their own order, before all that waits in the inbox."""
        self.beat: Callable[[], None] | None = None
        """Called with every turn, so that the outside sees a loop that is stuck; what it raises ends the loop."""
        self.failure: Exception | None = None
        self.dropped = 0
        self.busy_since_ns = 0
        """Monotonic time at which the event now in work was begun; 0 = idle. Read by the watchdog thread."""
        self._broken: Exception | None = None
        self._overflowing = False
        self._lagging = False
        self._awake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_failure: list[Callable[[Exception], None]] = []

    @property
    def has_work(self) -> bool:
        """True while events wait."""
        return bool(self.inbox or self.urgent)

    def put(self, event: Event) -> None:
        """Take an event into the inbox and stamp it as received now; cheap, and only from the loop's thread."""
        inbox = self.inbox
        kind = type(event)
        if len(inbox) >= self.inbox_limit and kind in _DROPPABLE:
            self._overflow()
            return
        event.ts_ns = self.clock.now_ns()
        (self.urgent if kind in _URGENT else inbox).append(event)
        self._awake.set()

    def _overflow(self) -> None:
        self.dropped += 1
        if self._overflowing:
            return
        self._overflowing = True
        now_ns = self.clock.now_ns()
        self.inbox.append(InboxOverflow(ts_ns=now_ns, depth=len(self.inbox)))
        detail = f"inbox full at {self.inbox_limit} events"
        self.inbox.append(FeedStatus(ts_ns=now_ns, venue="", state=FeedState.LAG, detail=detail))

    def fault(self, strategy: str, problem: str, *, quarantine: bool) -> None:
        """Report a strategy that overran or hung, as an event."""
        self.put(StrategyFault(strategy=strategy, problem=problem, quarantine=quarantine))

    def on_failure(self, callback: Callable[[Exception], None]) -> None:
        """Be told once when the engine has to stop because its journal failed."""
        self._on_failure.append(callback)

    async def run(self) -> None:
        """Drain the inbox until cancelled. Raises the journal's error when it has failed for good."""
        self._loop = asyncio.get_running_loop()
        journal = self.kernel.journal
        if journal is not None:
            journal.on_durable(self._from_journal)
            journal.on_failure(self._journal_failed)
        while self.failure is None and self._broken is None:
            self._drain()
            if self.has_work:
                await asyncio.sleep(0)
                continue
            self._overflowing = self._lagging = False
            self._awake.clear()
            # not wait_for: on 3.11 it swallows a cancellation that comes together with an event
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._awake.wait()
        raise self._broken or self.failure or RuntimeError("the engine stopped without a reason")

    def _pause_s(self) -> float | None:
        wake_ns = self.kernel.wake_ns
        longest_s = BEAT_S if self.beat is not None else None
        if not wake_ns:
            return longest_s
        pause_s = max(0.0, (wake_ns - self.clock.now_ns()) / 1e9)
        return pause_s if longest_s is None else min(pause_s, longest_s)

    def _drain(self) -> None:
        if self.beat is not None:
            self.beat()
        kernel, inbox = self.kernel, self.inbox
        until_ns = time.monotonic_ns() + BATCH_NS
        try:
            if inbox:
                self._mind_lag(inbox[0].ts_ns)
            for _ in range(min(BATCH, len(inbox) + len(self.urgent))):
                self.busy_since_ns = time.monotonic_ns()
                if self.busy_since_ns > until_ns:
                    break
                kernel.ingest(self._next())
            self.busy_since_ns = time.monotonic_ns()
            kernel.tick(self._oldest_ns())
        except JournalError as error:
            self.failure = error
        finally:
            self.busy_since_ns = 0

    def _oldest_ns(self) -> int:
        """Time up to which everything has been taken in: what waits was stamped when it came."""
        waiting = [queue[0].ts_ns for queue in (self.urgent, self.inbox) if queue]
        return min(waiting) if waiting else self.clock.now_ns()

    def _next(self) -> Event:
        if not self.urgent:
            return self.inbox.popleft()
        event = self.urgent.popleft()
        if self.inbox:
            event.ts_ns = min(event.ts_ns, self.inbox[0].ts_ns)  # it overtakes: what is behind it must not be older
        return event

    def _mind_lag(self, oldest_ns: int) -> None:
        """Say once that we fall behind, until the inbox has been empty again."""
        behind_ns = self.clock.now_ns() - oldest_ns
        if behind_ns < LAG_TOLERATED_NS or self._lagging:
            return
        self._lagging = True
        detail = f"the engine is {behind_ns / 1e6:.0f} ms behind, {len(self.inbox)} events wait"
        self.inbox.append(FeedStatus(ts_ns=self.clock.now_ns(), venue="", state=FeedState.LAG, detail=detail))

    def _from_journal(self, durable_seq: int) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed() and self.kernel.waits_for_disk:
            loop.call_soon_threadsafe(self._release, durable_seq)

    def _release(self, durable_seq: int) -> None:
        if self.failure is not None or self._broken is not None:
            return
        try:
            self.kernel.release(durable_seq)
        except JournalError as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - a callback's error would end in the log; `run` raises it
            self._broken = error
        if self.failure is not None or self._broken is not None:
            self._awake.set()

    def _journal_failed(self, error: Exception) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: Exception) -> None:
        self.failure = error
        self._awake.set()
        for callback in self._on_failure:
            callback(error)
