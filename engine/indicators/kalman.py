"""A line whose slope and level wander: y = level + slope x + noise, followed by a Kalman filter.

    before   state [slope, level], covariance P
    predict  P + W,  W = delta / (1 - delta) on the diagonal
    observe  error e = y - level - slope x,  its variance S = [x 1] (P + W) [x 1]' + 1
    update   gain K = (P + W) [x 1]' / S,  state + K e,  P = (P + W) - K [x 1] (P + W)

All variances are in units of the noise's: the gains depend on nothing else, so the noise need not be known.

Source: the dynamic hedge ratio of Chan, Algorithmic Trading, 2013, ch. 3; the filter is Kalman's, 1960.
"""

from __future__ import annotations

from math import sqrt

from msgspec import Struct

DIFFUSE = 1e7
"""Variance of a state of which nothing is known, in noise variances."""


class KalmanLine(Struct):
    """The filter's state. `delta`, 0 to 1: how far slope and level may move from one pair to the next."""

    delta: float
    slope: float = 0.0
    level: float = 0.0
    slope_slope: float = DIFFUSE
    slope_level: float = 0.0
    level_level: float = DIFFUSE
    deviation: float = 0.0
    """Of the newest error as the filter expected it, in noise deviations."""
    count: int = 0

    def update(self, x: float, y: float) -> float:
        """Take the next pair; returns how far y was from where the line was expected."""
        wander = self.delta / (1.0 - self.delta)
        a, b, d = self.slope_slope + wander, self.slope_level, self.level_level + wander
        error = y - self.level - self.slope * x
        for_slope, for_level = a * x + b, b * x + d
        variance = for_slope * x + for_level + 1.0
        self.slope += for_slope / variance * error
        self.level += for_level / variance * error
        self.slope_slope = a - for_slope * for_slope / variance
        self.slope_level = b - for_slope * for_level / variance
        self.level_level = d - for_level * for_level / variance
        self.deviation = sqrt(variance)
        self.count += 1
        return error
