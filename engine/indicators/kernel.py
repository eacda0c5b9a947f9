"""Nadaraya-Watson kernel regression at the newest value: one-sided, so that nothing of the past ever changes."""

from __future__ import annotations

import math
from functools import cache
from operator import mul

from msgspec import Struct, field


@cache
def gaussian_weights(bandwidth: float, window: int) -> tuple[float, ...]:
    """Weights of the last `window` values, oldest first, that sum to one: exp(-age^2 / (2 bandwidth^2))."""
    weights = [math.exp(-0.5 * (age / bandwidth) ** 2) for age in range(window - 1, -1, -1)]
    total = math.fsum(weights)
    return tuple([weight / total for weight in weights])


class KernelRegression(Struct):
    """Gaussian Nadaraya-Watson estimate at the newest value, from it and the `window` - 1 before it.

    Nadaraya 1964, Watson 1964. The common form on charts weighs values on both sides of each point, the future of
    that point too, and so repaints: a turn that it shows was drawn after the fact. This one is a weighted mean of
    what was known. The price is a delay of 0.8 bandwidths (the mean age of its weights).
    An update costs its window, unlike those of other indicators.
    """

    bandwidth: float
    window: int
    values: list[float] = field(default_factory=list)
    """The newest last; more than `window` of them are cut off now and then."""
    mean: float = 0.0

    @classmethod
    def of(cls, bandwidth: float) -> KernelRegression:
        """One whose window is five bandwidths: what is older weighs less than a millionth of a part."""
        return cls(bandwidth, math.ceil(5 * bandwidth) + 1)

    @property
    def ready(self) -> bool:
        """True once `window` values were seen."""
        return len(self.values) >= self.window

    @property
    def value(self) -> float:
        """The estimate, NaN until ready."""
        return self.mean if len(self.values) >= self.window else math.nan

    def update(self, x: float) -> float:
        """Take the next value and return the estimate, NaN until ready."""
        values, window = self.values, self.window
        values.append(x)
        if len(values) < window:
            return math.nan
        if len(values) >= 2 * window:
            del values[:-window]
        # fsum: the same bits under every Python (sum() compensates from 3.12 on)
        self.mean = math.fsum(map(mul, gaussian_weights(self.bandwidth, window), values[-window:]))
        return self.mean
