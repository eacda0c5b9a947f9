"""Watching strategies and the loop from outside the step: overruns, hangs, a stuck engine.

`Timed` wraps a strategy and reports calls that take too long. A watchdog thread sees a call that does
not come back at all and interrupts it with a signal, whose handler raises `StrategyHung` inside the
call: the strategy is quarantined like any other that raises. Only live and paper use this; what it
causes is journaled, so replay needs none of it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from msgspec import Struct

from domain.desired import Desired
from domain.errors import StrategyError
from domain.market import Feed
from domain.strategy import View
from engine.core.core import AnyStrategy

OVERRUN_MS = 50
HANG_S = 1.0
STUCK_S = 5.0


class StrategyHung(StrategyError):
    """A strategy's `decide` did not come back; it was interrupted."""


class _Interrupted(BaseException):
    """Raised inside a call that hangs; no `except Exception` of a strategy can swallow it."""


class Timed:
    """A strategy with a stop-watch; looks to the core like the strategy itself."""

    def __init__(self, strategy: AnyStrategy, strategy_id: str, guard: Guard) -> None:
        """Wrap `strategy`."""
        self._strategy = strategy
        self._id = strategy_id
        self._guard = guard
        self.kind = strategy.kind
        self.params_type = strategy.params_type
        self.memory_type = strategy.memory_type
        self.instruments = strategy.instruments
        self.params = strategy.params

    def feeds(self) -> tuple[Feed, ...]:
        """Market data that wakes it."""
        return self._strategy.feeds()

    def warmup(self) -> int:
        """Warm-up bars it needs."""
        return self._strategy.warmup()

    def start(self) -> Struct:
        """Fresh memory."""
        memory: Struct = self._strategy.start()
        return memory

    def decide(self, memory: Struct, view: View) -> tuple[Struct, Desired]:
        """Decide, timed. Raises `StrategyHung` when the watchdog had to interrupt."""
        guard = self._guard
        begun = guard.begun_ns = time.monotonic_ns()
        try:
            try:
                return self._strategy.decide(memory, view)
            finally:
                guard.begun_ns = 0
                took_ms = (time.monotonic_ns() - begun) / 1e6
                if took_ms > OVERRUN_MS:
                    guard.overran(self._id, took_ms)
        except _Interrupted:
            guard.begun_ns = 0
            raise StrategyHung(f"decide did not come back within {guard.hang_s:g} s and was interrupted") from None


class Guard:
    """One per process: the watchdog thread, and where overruns are reported."""

    def __init__(self, report: Callable[[str, str], None], *, hang_s: float = HANG_S) -> None:
        """`report(strategy_id, problem)` is called on the loop's thread for an overrun."""
        self.begun_ns = 0
        self.report = report
        self.hang_s = hang_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._main = 0
        self._stuck: Callable[[float], None] | None = None
        self._busy_since: Callable[[], int] = lambda: 0

    def overran(self, strategy_id: str, took_ms: float) -> None:
        """A call came back, too late."""
        self.report(strategy_id, f"decide took {took_ms:.0f} ms, {OVERRUN_MS} ms are allowed")

    def start(self, busy_since: Callable[[], int], stuck: Callable[[float], None]) -> None:
        """Begin to watch. `busy_since()` is monotonic ns of the event in work; `stuck(seconds)` may cancel orders.

        Must be called on the main thread, because the interrupting signal is delivered there.
        """
        self._busy_since = busy_since
        self._stuck = stuck
        self._main = threading.get_ident()
        signal.signal(signal.SIGUSR2, self._interrupt)
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watch."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    def _interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        if self.begun_ns and time.monotonic_ns() - self.begun_ns > self.hang_s * 1e9:
            raise _Interrupted

    def _watch(self) -> None:
        told_ns = 0
        while not self._stop.wait(self.hang_s / 4):
            begun = self.begun_ns
            if begun and time.monotonic_ns() - begun > self.hang_s * 1e9:
                signal.pthread_kill(self._main, signal.SIGUSR2)
            busy = self._busy_since()
            stuck_s = (time.monotonic_ns() - busy) / 1e9 if busy else 0.0
            if stuck_s > STUCK_S and busy != told_ns and self._stuck is not None:
                told_ns = busy
                self._stuck(stuck_s)
