"""Where profit came from: sums of round trips by side, month and hour. Every table adds up to all round trips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from research.measures.figure import Floats
from research.measures.trips import HOUR_NS, Trips


class Share(Struct, frozen=True, kw_only=True):
    """What one part of the round trips earned after fees."""

    name: str
    trades: int
    wins: int
    pnl: float
    fees: float


def by_side(trips: Trips) -> tuple[Share, ...]:
    """Long and short."""
    return shares(trips, [("long" if side > 0 else "short") for side in trips.sides.tolist()])


def by_month(trips: Trips) -> tuple[Share, ...]:
    """Calendar month (UTC) in which a round trip ended."""
    return shares(trips, trips.closed.astype("datetime64[ns]").astype("datetime64[M]").astype(str).tolist())


def by_hour(trips: Trips) -> tuple[Share, ...]:
    """Hour of the day (UTC) in which a round trip began."""
    return shares(trips, [f"{hour:02d}" for hour in (trips.opened // HOUR_NS % 24).tolist()])


def shares(trips: Trips, names: Sequence[Any]) -> tuple[Share, ...]:
    """Sums by name, in the order of names."""
    if not len(trips):
        return ()
    known, which = np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)
    size = len(known)
    pnl = np.bincount(which, weights=trips.pnl, minlength=size)
    fees = np.bincount(which, weights=trips.fees, minlength=size)
    wins = np.bincount(which, weights=_ones(trips.pnl > 0), minlength=size)
    trades = np.bincount(which, minlength=size)
    return tuple(
        Share(name=str(name), trades=int(trades[i]), wins=int(wins[i]), pnl=float(pnl[i]), fees=float(fees[i]))
        for i, name in enumerate(known)
    )


def _ones(flags: Any) -> Floats:  # noqa: ANN401 - an array of truth values
    return np.asarray(flags, dtype=np.float64)
