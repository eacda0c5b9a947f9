"""Where profit came from: round trips by strategy, instrument, venue, side, month, weekday and hour.

Every table adds up to all round trips, after fees and before funding; what is still open is in none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from research.measures.figure import Floats
from research.measures.trips import HOUR_NS, Trips

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EPOCH_WEEKDAY = 3
"""1 January 1970 was a Thursday."""


class Share(Struct, frozen=True, kw_only=True):
    """What one part of the round trips earned after fees."""

    name: str
    trades: int
    wins: int
    pnl: float
    fees: float


def attribution(trips: Trips) -> dict[str, tuple[Share, ...]]:
    """Every table by its name. Months and hours are UTC: a trip counts in the month it ended, the hour it began."""
    hours = trips.opened // HOUR_NS
    tables = {
        "strategy": trips.strategies,
        "instrument": trips.instruments,
        "venue": [name.rpartition(".")[2] for name in trips.instruments],
        "side": ["long" if side > 0 else "short" for side in trips.sides.tolist()],
        "month": trips.closed.astype("datetime64[ns]").astype("datetime64[M]").astype(str).tolist(),
        "weekday": [WEEKDAYS[day] for day in ((hours // 24 + EPOCH_WEEKDAY) % 7).tolist()],
        "hour": [f"{hour:02d}" for hour in (hours % 24).tolist()],
    }
    found = {name: shares(trips, names) for name, names in tables.items()}
    found["weekday"] = tuple(sorted(found["weekday"], key=lambda share: WEEKDAYS.index(share.name)))
    return found


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
