"""A point is as good as its neighbourhood: the score that a small mistake in every parameter would still get.

The neighbours of a trial are those nearest to it in the unit cube of the space (largest difference of one parameter,
so that no direction hides behind another). Its robust score is their median, its own included.
"""

from __future__ import annotations

from math import isqrt
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from research.measures.figure import Floats

FEWEST, MOST = 5, 25
PLATEAU, SLOPE = 0.6, 0.3
"""Shares of a point's advantage over the middle trial that its neighbourhood keeps."""


class Ground(Struct, frozen=True, kw_only=True):
    """What the surface is like around a trial. `kept` is the share of its advantage that its neighbourhood has."""

    index: int
    value: float
    around: float
    middle: float
    kept: float
    reach: float
    """Distance of the farthest neighbour: 1 = a whole parameter's range."""

    @property
    def shape(self) -> Literal["plateau", "slope", "peak"]:
        """Whether the trial stands among its like."""
        if self.kept >= PLATEAU:
            return "plateau"
        return "slope" if self.kept >= SLOPE else "peak"


def neighbours(positions: Floats, rows: Floats | None = None) -> NDArray[np.intp]:
    """For each row (default: each trial) the numbers of the nearest trials, itself first."""
    count = min(len(positions), max(FEWEST, min(MOST, isqrt(len(positions)))))
    rows = positions if rows is None else rows
    # row by row: all differences at once would take gigabytes of some thousand trials
    near = [np.argsort(np.abs(positions - row).max(axis=1), kind="stable")[:count] for row in rows]
    return np.array(near, dtype=np.intp).reshape(len(rows), count)


def around(near: NDArray[np.intp], values: Floats) -> Floats:
    """The robust score of each trial: the median of its neighbourhood's values."""
    found: Floats = np.median(values[near], axis=1)
    return found


def choose(near: NDArray[np.intp], values: Floats, allowed: NDArray[np.bool_] | None = None) -> int:
    """The trial with the best neighbourhood (more is better here); of equal ones the best itself, then the first."""
    scores = around(near, values)
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    best = np.flatnonzero(scores == scores.max())
    return int(best[np.argmax(values[best])])


def ground(positions: Floats, values: Floats, index: int) -> Ground:
    """What the surface is like around one trial (more is better here)."""
    near = neighbours(positions, positions[[index]])[0]
    value, middle = float(values[index]), float(np.median(values))
    nearby = float(np.median(values[near]))
    advantage = value - middle
    return Ground(
        index=index,
        value=value,
        around=nearby,
        middle=middle,
        kept=(nearby - middle) / advantage if advantage > 0 else 1.0,
        reach=float(np.abs(positions[near] - positions[index]).max()),
    )
