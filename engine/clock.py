"""The machine's clock as the engine may use it: it never goes back, and never stands still.

A wall clock that is set back would freeze every timer until it had caught up. This one then goes on at
half the speed of the monotonic clock until the wall clock is level again; a wall clock that jumps ahead
is followed at once. Both are told once.
"""

from __future__ import annotations

import time
from collections.abc import Callable

STEP_NS = 500_000_000
"""From here on a difference is a step that people hear of, and not the slow correction of time sync."""
SLOWER = 2
"""While ahead of the wall clock, time passes this many times slower."""


class WallClock:
    """Nanoseconds since the Unix epoch, UTC; read by every live part, so that all have one time."""

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        *,
        not_before_ns: int = 0,
    ) -> None:
        """A clock that begins no earlier than `not_before_ns`: the last time an earlier run has written down."""
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._read_ns = monotonic_ns()
        self._now_ns = max(wall_ns(), not_before_ns)
        self._ahead_ns = 0
        self.on_step: Callable[[int], None] = lambda _: None
        """Told of each step of the wall clock, in ns; negative = it went back."""

    @property
    def ahead_ns(self) -> int:
        """By how much this clock is ahead of a wall clock that was set back; 0 = they are level."""
        return max(0, self._ahead_ns)

    def now_ns(self) -> int:
        """The time; never less than the last one."""
        wall, read = self._wall_ns(), self._monotonic_ns()
        passed = read - self._read_ns
        self._read_ns = read
        expected = self._now_ns - self._ahead_ns + passed
        self._now_ns = max(wall, self._now_ns + passed // SLOWER)
        self._ahead_ns = self._now_ns - wall
        if abs(wall - expected) > STEP_NS:
            self.on_step(wall - expected)
        return self._now_ns
