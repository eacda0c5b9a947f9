"""How one-sided recent moves were: Wilder's relative strength index, and where it stands in its own range."""

from __future__ import annotations

import math

from msgspec import Struct

from engine.indicators.averages import Sma
from engine.indicators.channel import RollingExtreme

EVEN = 50.0
"""What both say of a market that does not move: neither up nor down."""


class Rsi(Struct):
    """Wilder's relative strength index, 0 to 100 (New Concepts in Technical Trading Systems, 1978).

    Seeded with the plain mean of the first `period` gains and losses, so ready after `period` + 1 values. 50 where
    nothing moved at all (TA-Lib says 0 there, which reads as a market that only falls).
    """

    period: int
    count: int = 0
    previous: float = 0.0
    gain: float = 0.0
    loss: float = 0.0

    @property
    def ready(self) -> bool:
        """True once `period` changes were seen."""
        return self.count > self.period

    @property
    def value(self) -> float:
        """The index, NaN until ready."""
        if self.count <= self.period:
            return math.nan
        moved = self.gain + self.loss
        return 100.0 * self.gain / moved if moved > 0.0 else EVEN

    def update(self, x: float) -> float:
        """Take the next value and return the index, NaN until ready."""
        change = x - self.previous
        self.previous = x
        seen = self.count
        self.count = seen + 1
        if seen:
            weight = 1.0 / min(seen, self.period)
            self.gain += (max(0.0, change) - self.gain) * weight
            self.loss += (max(0.0, -change) - self.loss) * weight
        return self.value


class StochasticRsi(Struct):
    """Where the RSI stands between its lowest and highest of a window, 0 to 100, smoothed by a plain mean.

    Chande & Kroll, The New Technical Trader, 1994. 50 where the RSI has not moved in the whole window.
    """

    rsi: Rsi
    highest: RollingExtreme
    lowest: RollingExtreme
    smooth: Sma

    @classmethod
    def of(cls, rsi_bars: int = 14, window: int = 14, smooth: int = 3) -> StochasticRsi:
        """An empty one; `smooth` 1 = the raw position."""
        return cls(Rsi(rsi_bars), RollingExtreme(window, 1), RollingExtreme(window, -1), Sma(smooth))

    @property
    def ready(self) -> bool:
        """True once all windows are full."""
        return self.smooth.ready

    @property
    def value(self) -> float:
        """The smoothed position, NaN until ready."""
        return self.smooth.value

    def update(self, x: float) -> float:
        """Take the next value and return the smoothed position, NaN until ready."""
        rsi = self.rsi.update(x)
        if math.isnan(rsi):
            return math.nan
        high, low = self.highest.update(rsi), self.lowest.update(rsi)
        if math.isnan(high):
            return math.nan
        return self.smooth.update(100.0 * (rsi - low) / (high - low) if high > low else EVEN)
