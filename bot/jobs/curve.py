"""A curve of a backtest with fewer points, for pages that draw it themselves."""

from __future__ import annotations

import math
from decimal import Decimal

MOST_POINTS = 1_500
"""A page shows no more; of each stretch the lowest and the highest are kept."""


def thinned(points: list[tuple[int, Decimal]]) -> list[tuple[int, Decimal]]:
    """Of many points the lowest and highest of each stretch, and both ends."""
    if not points:
        return []
    stretch = max(1, math.ceil(len(points) / (MOST_POINTS / 2)))
    kept = {points[0], points[-1]}
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        kept |= {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
    return sorted(kept)
