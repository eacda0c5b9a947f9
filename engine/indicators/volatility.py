"""How far prices move: true range, Wilder's ATR, standard deviation of a window, EWMA volatility in time."""

from __future__ import annotations

import math

from msgspec import Struct, field

SECOND_NS = 1_000_000_000


def true_range(high: float, low: float, previous_close: float) -> float:
    """The bar's range, with the gap from the previous close."""
    return max(high, previous_close) - min(low, previous_close)


class Atr(Struct):
    """Wilder's average true range, in price units.

    Seeded with the plain mean of the first `period` true ranges (the first bar's is high - low), then
    atr += (tr - atr) / period. Ready with the seed.
    """

    period: int
    count: int = 0
    previous_close: float = 0.0
    mean: float = 0.0

    @property
    def ready(self) -> bool:
        """True once `period` bars were seen."""
        return self.count >= self.period

    @property
    def value(self) -> float:
        """The average true range, NaN until ready."""
        return self.mean if self.count >= self.period else math.nan

    def update(self, high: float, low: float, close: float) -> float:
        """Take the next bar and return the average true range, NaN until ready."""
        reach = true_range(high, low, self.previous_close) if self.count else high - low
        self.previous_close = close
        self.count = count = self.count + 1
        self.mean += (reach - self.mean) / min(count, self.period)
        return self.value


class RollingStd(Struct):
    """Population standard deviation (and `mean`) of the last `window` values.

    The running moments are taken anew each time the ring wraps, so rounding does not pile up.
    """

    window: int
    ring: list[float] = field(default_factory=list)
    at: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of squared deviations from the mean."""

    @property
    def ready(self) -> bool:
        """True once `window` values were seen."""
        return len(self.ring) == self.window

    @property
    def value(self) -> float:
        """The standard deviation, NaN until ready."""
        return math.sqrt(max(self.squares, 0.0) / self.window) if self.ready else math.nan

    def update(self, x: float) -> float:
        """Take the next value and return the standard deviation, NaN until ready."""
        ring, window = self.ring, self.window
        if len(ring) < window:
            ring.append(x)
            deviation = x - self.mean
            self.mean += deviation / len(ring)
            self.squares += deviation * (x - self.mean)
            return self.value
        at, old, mean = self.at, ring[self.at], self.mean
        ring[at] = x
        self.mean = fresh = mean + (x - old) / window
        self.squares += (x - old) * (x - fresh + old - mean)
        self.at = at = at + 1 if at + 1 < window else 0
        if at == 0:
            self.mean = fresh = math.fsum(ring) / window
            self.squares = math.fsum([(v - fresh) ** 2 for v in ring])
        return self.value


class EwmaVolatility(Struct):
    """Volatility of a price sampled at uneven times: fraction per square root of a second.

    `variance` follows r**2 / dt of the log returns with weight 1 - exp(-dt / tau_s). The seed is the plain
    mean over time: until tau_s has passed, dt / seen_s is the greater weight and is used. Ready once returns
    over `settle_s` seconds were seen.
    """

    tau_s: float
    settle_s: float = 0.0
    seen_s: float = 0.0
    ts_ns: int = 0
    price: float = 0.0
    variance: float = 0.0

    @property
    def ready(self) -> bool:
        """True once enough time was seen."""
        return self.seen_s > 0.0 and self.seen_s >= self.settle_s

    @property
    def value(self) -> float:
        """Volatility per square root of a second, NaN until ready."""
        return math.sqrt(self.variance) if self.ready else math.nan

    def update(self, ts_ns: int, price: float) -> float:
        """Take a price (> 0) seen at `ts_ns`; times that do not advance are ignored. Returns the value."""
        elapsed_ns = ts_ns - self.ts_ns
        if self.ts_ns and elapsed_ns <= 0:
            return self.value
        if self.ts_ns:
            elapsed_s = elapsed_ns / SECOND_NS
            rate = math.log(price / self.price) ** 2 / elapsed_s
            self.seen_s += elapsed_s
            weight = max(1.0 - math.exp(-elapsed_s / self.tau_s), elapsed_s / self.seen_s)
            self.variance += weight * (rate - self.variance)
        self.ts_ns = ts_ns
        self.price = price
        return self.value
