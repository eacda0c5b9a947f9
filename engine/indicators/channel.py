"""Highest high and lowest low of a window, at flat cost: monotonic queues kept as lists."""

from __future__ import annotations

import math

from msgspec import Struct, field


class RollingExtreme(Struct):
    """Maximum (`sign` +1) or minimum (`sign` -1) of the last `window` values.

    `values` from `head` on can still become the extreme, best first; `steps` are when they came.
    What is before `head` has left the window and is cut off once it is half of the list.
    """

    window: int
    sign: int = 1
    count: int = 0
    head: int = 0
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """True once `window` values were seen."""
        return self.count >= self.window

    @property
    def value(self) -> float:
        """The extreme, NaN until ready."""
        return self.values[self.head] if self.count >= self.window else math.nan

    @property
    def so_far(self) -> float:
        """The extreme of the values seen, also before the window is full; NaN for none."""
        return self.values[self.head] if self.values else math.nan

    def update(self, x: float) -> float:
        """Take the next value and return the extreme, NaN until ready."""
        values, steps, head, count = self.values, self.steps, self.head, self.count
        if self.sign > 0:
            while len(values) > head and values[-1] <= x:
                values.pop()
                steps.pop()
        else:
            while len(values) > head and values[-1] >= x:
                values.pop()
                steps.pop()
        values.append(x)
        steps.append(count)
        if steps[head] <= count - self.window:
            head += 1
        if head * 2 > len(values):
            del values[:head], steps[:head]
            head = 0
        self.head = head
        self.count = count = count + 1
        return values[head] if count >= self.window else math.nan


class Donchian(Struct):
    """Highest high and lowest low of the last `window` bars. To see a break, compare before `update`."""

    highs: RollingExtreme
    lows: RollingExtreme

    @classmethod
    def of(cls, window: int) -> Donchian:
        """An empty channel over `window` bars."""
        return cls(RollingExtreme(window, 1), RollingExtreme(window, -1))

    @property
    def ready(self) -> bool:
        """True once `window` bars were seen."""
        return self.highs.ready

    @property
    def upper(self) -> float:
        """Highest high of the window, NaN until ready."""
        return self.highs.value

    @property
    def lower(self) -> float:
        """Lowest low of the window, NaN until ready."""
        return self.lows.value

    def update(self, high: float, low: float) -> tuple[float, float]:
        """Take the next bar and return (upper, lower), NaN until ready."""
        return self.highs.update(high), self.lows.update(low)
