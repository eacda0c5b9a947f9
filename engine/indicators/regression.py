"""Two series side by side: least-squares line and correlation over a window."""

from __future__ import annotations

import math

from msgspec import Struct, field


class RollingRegression(Struct):
    """Least squares of y on x over the last `window` pairs: `slope`, `intercept`, `correlation`.

    The running moments are taken anew each time the ring wraps, so rounding does not pile up. NaN until ready, and
    where x (for the correlation: either) did not move.
    """

    window: int
    xs: list[float] = field(default_factory=list)
    ys: list[float] = field(default_factory=list)
    at: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0
    """Sums of products of deviations from the means."""

    @property
    def ready(self) -> bool:
        """True once `window` pairs were seen."""
        return len(self.xs) == self.window

    @property
    def slope(self) -> float:
        """Change of y for one of x."""
        return self.xy / self.xx if self.ready and self.xx > _noise(self.mean_x, self.window) else math.nan

    @property
    def intercept(self) -> float:
        """The line's y at x = 0."""
        return self.mean_y - self.slope * self.mean_x

    @property
    def correlation(self) -> float:
        """Pearson's coefficient, -1 to 1."""
        flat = self.xx <= _noise(self.mean_x, self.window) or self.yy <= _noise(self.mean_y, self.window)
        if flat or not self.ready:
            return math.nan
        return max(-1.0, min(1.0, self.xy / math.sqrt(self.xx * self.yy)))

    def update(self, x: float, y: float) -> float:
        """Take the next pair and return the correlation, NaN until ready."""
        xs, ys, window = self.xs, self.ys, self.window
        if len(xs) < window:
            xs.append(x)
            ys.append(y)
            count = len(xs)
            dx, dy = x - self.mean_x, y - self.mean_y
            self.mean_x += dx / count
            self.mean_y += dy / count
            self.xx += dx * (x - self.mean_x)
            self.yy += dy * (y - self.mean_y)
            self.xy += dx * (y - self.mean_y)
            return self.correlation
        at = self.at
        old_x, old_y, mean_x, mean_y = xs[at], ys[at], self.mean_x, self.mean_y
        xs[at], ys[at] = x, y
        self.mean_x = fresh_x = mean_x + (x - old_x) / window
        self.mean_y = fresh_y = mean_y + (y - old_y) / window
        self.xx += (x - old_x) * (x - fresh_x + old_x - mean_x)
        self.yy += (y - old_y) * (y - fresh_y + old_y - mean_y)
        self.xy += (x - mean_x) * (y - fresh_y) - (old_x - mean_x) * (old_y - fresh_y)
        self.at = at = at + 1 if at + 1 < window else 0
        if at == 0:
            self._recount()
        return self.correlation

    def _recount(self) -> None:
        xs, ys, window = self.xs, self.ys, self.window
        self.mean_x = mean_x = math.fsum(xs) / window
        self.mean_y = mean_y = math.fsum(ys) / window
        self.xx = math.fsum([(x - mean_x) ** 2 for x in xs])
        self.yy = math.fsum([(y - mean_y) ** 2 for y in ys])
        self.xy = math.fsum([(x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)])


def _noise(mean: float, window: int) -> float:
    """Sums of squares up to here are rounding of values that are all the same."""
    return window * (1e-12 * mean) ** 2
