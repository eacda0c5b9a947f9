"""Watching strategies and the loop from outside the step: overruns, hangs, a stuck engine.

Everything that runs a user's code is watched: `Guard.call` (loading a file, making a strategy) and `Timed` (its
decisions). A watchdog thread sees a call that does not come back and interrupts it with a signal, whose handler
raises inside the call; it comes out as `StrategyHung`, and the strategy is quarantined like any other that raises.
What it causes is journaled, so replay needs none of it.

A call into C that keeps the interpreter to itself can neither be interrupted nor seen by any thread of Python; for
that there is an alarm below it, which writes to the error stream which line of which file everything waits for.
"""

from __future__ import annotations

import faulthandler
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from msgspec import Struct

from domain.desired import Desired
from domain.errors import StrategyError
from domain.market import Feed
from domain.strategy import View
from domain.text import error_text
from engine.core.core import AnyStrategy
from engine.core.strategies import OVERRUN_WINDOW_NS, OVERRUNS_TOLERATED

OVERRUN_MS = 50
OVERRUN_NS = OVERRUN_MS * 1_000_000
HANG_S = 1.0
LOAD_S = 3.0
"""Running a file and making a strategy of it may take longer than a decision: it imports and compiles."""
PATIENCE_S = 10.0
"""What a strategy's late calls may add to a recovery, which makes many calls a second and tells no overruns."""
STUCK_S = 5.0
DEAF_S = 10.0
"""How long no thread of Python may get its turn before the alarm below it writes where the main one is."""
STDERR = 2

T = TypeVar("T")
Report = Callable[[str, str], None]


class StrategyHung(StrategyError):
    """A call of a strategy's code did not come back; it was interrupted."""


class _Interrupted(BaseException):
    """Raised inside a call that hangs; no `except Exception` of a strategy can swallow it."""


class Timed:
    """A strategy whose decisions are watched and timed; looks to the core like the strategy itself."""

    def __init__(self, strategy: AnyStrategy, strategy_id: str, guard: Guard) -> None:
        """Wrap `strategy`."""
        self._strategy = strategy
        self._id = strategy_id
        self._guard = guard
        self._late: list[int] = []
        self._late_ns = 0
        self.kind = strategy.kind
        self.source, self.origin = strategy.source, strategy.origin
        self.params_type = strategy.params_type
        self.memory_type = strategy.memory_type
        self.instruments = strategy.instruments
        self.params = strategy.params

    def feeds(self) -> tuple[Feed, ...]:
        """Market data that wakes it; asked while it is loaded, which is watched as a whole."""
        return self._strategy.feeds()

    def warmup(self) -> int:
        """Warm-up bars it needs."""
        return self._strategy.warmup()

    def start(self) -> Struct:
        """Fresh memory."""
        memory: Struct = self._strategy.start()
        return memory

    def decide(self, memory: Struct, view: View) -> tuple[Struct, Desired]:
        """Decide, timed. Raises `StrategyHung` when it had to be interrupted, or was late too often."""
        guard = self._guard
        begun = guard.begun_ns = time.monotonic_ns()
        try:
            try:
                decided = self._strategy.decide(memory, view)
            finally:
                guard.begun_ns = 0
        except _Interrupted:
            guard.begun_ns = 0
            raise StrategyHung(f"decide did not come back within {guard.hang_s:g} s and was interrupted") from None
        now = time.monotonic_ns()
        if now - begun > OVERRUN_NS:
            self._overran(now, now - begun)
        return decided

    def _overran(self, now_ns: int, took_ns: int) -> None:
        """Count it here and now: a report waits in the inbox behind the events that the next late calls belong to."""
        problem = f"decide took {took_ns / 1e6:.0f} ms, {OVERRUN_MS} ms are allowed"
        report = self._guard.report
        if report is None:
            self._late_ns += took_ns
            if self._late_ns > PATIENCE_S * 1e9:
                raise StrategyHung(f"{problem}; its late calls held up recovery for {PATIENCE_S:g} s")
            return
        self._late = [at for at in self._late if now_ns - at < OVERRUN_WINDOW_NS] + [now_ns]
        if len(self._late) > OVERRUNS_TOLERATED:
            raise StrategyHung(f"{problem}; it is the {len(self._late)}th such call within a minute")
        report(self._id, problem)


class Guard:
    """One per process: the watchdog thread, and where overruns are reported."""

    def __init__(self, report: Report | None = None, *, hang_s: float = HANG_S, load_s: float = LOAD_S) -> None:
        """`report(strategy_id, problem)` is called on the loop's thread for an overrun; None while recovering."""
        self.begun_ns = 0
        self.report = report
        self.hang_s = hang_s
        self.load_s = load_s
        self._within_s = hang_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._main = 0
        self._stuck: Callable[[float], None] | None = None
        self._busy_since: Callable[[], int] = lambda: 0

    def call(self, work: Callable[[], T]) -> T:
        """Run a user's code other than a decision: on the main thread, one call at a time, nothing of ours inside.

        Raises `StrategyHung` when it had to be interrupted, `StrategyError` when it tried to end the program,
        `KeyboardInterrupt` when a person did, and else what it raises.
        """
        self._within_s = self.load_s
        self.begun_ns = time.monotonic_ns()
        pressed: list[int] = []
        try:
            try:
                with _ctrl_c(pressed):
                    return work()
            finally:
                self.begun_ns = 0
                self._within_s = self.hang_s
        except _Interrupted:
            self.begun_ns = 0
            self._within_s = self.hang_s
            text = f"its code did not come back within {self.load_s:g} s of being loaded and was interrupted"
            raise StrategyHung(text) from None
        except Exception:
            raise
        except BaseException as error:
            if pressed:
                raise
            raise StrategyError(f"it raised {error_text(error)}: no strategy ends the program") from error

    def start(self, busy_since: Callable[[], int] | None = None, stuck: Callable[[float], None] | None = None) -> None:
        """Begin to watch. `busy_since()` is monotonic ns of the event in work; `stuck(seconds)` may cancel orders.

        Must be called on the main thread, because the interrupting signal is delivered there.
        """
        self._busy_since = busy_since or self._busy_since
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
            faulthandler.cancel_dump_traceback_later()

    def _hangs(self) -> bool:
        begun = self.begun_ns
        return bool(begun) and time.monotonic_ns() - begun > self._within_s * 1e9

    def _interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        if self._hangs():
            raise _Interrupted

    def _watch(self) -> None:
        told_ns = 0
        while not self._stop.wait(self.hang_s / 4):
            faulthandler.dump_traceback_later(DEAF_S, repeat=True, file=STDERR)
            if self._hangs():
                signal.pthread_kill(self._main, signal.SIGUSR2)
            busy = self._busy_since()
            stuck_s = (time.monotonic_ns() - busy) / 1e9 if busy else 0.0
            if stuck_s > STUCK_S and busy != told_ns and self._stuck is not None:
                told_ns = busy
                self._stuck(stuck_s)


@contextmanager
def _ctrl_c(pressed: list[int]) -> Iterator[None]:
    """Note in `pressed` that a person pressed Ctrl-C: a strategy may raise `KeyboardInterrupt` by itself."""

    def end(signum: int, _frame: FrameType | None) -> None:
        pressed.append(signum)
        raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def guarding(*, load_s: float = LOAD_S) -> Iterator[Guard]:
    """A guard for as long as the block runs: for verbs that look at a user's strategies without an engine."""
    guard = Guard(load_s=load_s)
    guard.start()
    try:
        yield guard
    finally:
        guard.stop()
