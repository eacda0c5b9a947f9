"""Moving averages: simple (finite window) and exponential (recursive, seeded with its first value)."""

from __future__ import annotations

import math

from msgspec import Struct, field


class Sma(Struct):
    """Mean of the last `window` values.

    The running sum is taken anew each time the ring wraps, so rounding does not pile up.
    """

    window: int
    ring: list[float] = field(default_factory=list)
    at: int = 0
    total: float = 0.0

    @property
    def ready(self) -> bool:
        """True once `window` values were seen."""
        return len(self.ring) == self.window

    @property
    def value(self) -> float:
        """The mean, NaN until ready."""
        return self.total / self.window if self.ready else math.nan

    def update(self, x: float) -> float:
        """Take the next value and return the mean, NaN until ready."""
        ring = self.ring
        if len(ring) < self.window:
            ring.append(x)
            self.total += x
            return self.value
        at = self.at
        self.total += x - ring[at]
        ring[at] = x
        self.at = at = at + 1 if at + 1 < self.window else 0
        if at == 0:
            self.total = math.fsum(ring)
        return self.total / self.window


class Ema(Struct):
    """Exponential average with alpha = 2 / (period + 1), seeded with the first value.

    Ready after `period` values; there is a `value` from the first.
    """

    period: int
    count: int = 0
    mean: float = 0.0

    @property
    def ready(self) -> bool:
        """True once `period` values were seen."""
        return self.count >= self.period

    @property
    def value(self) -> float:
        """The average, NaN before the first value."""
        return self.mean if self.count else math.nan

    def update(self, x: float) -> float:
        """Take the next value and return the average."""
        if not self.count:
            self.mean = x
        alpha = 2.0 / (self.period + 1)
        self.count += 1
        self.mean = mean = alpha * x + (1.0 - alpha) * self.mean
        return mean
