"""The mission's financial targets beside the honest figure: reported against, never promised."""

from __future__ import annotations

import enum

from msgspec import Struct

from research.measures.figure import DAYS, Figure, figure
from research.measures.paths import MISSION_DRAWDOWN

DAILY_PNL, SHARPE, WIN_RATE = 0.005, 1.5, 0.6


class Standing(enum.StrEnum):
    """How a figure stands to its target."""

    MET = "met"
    MISSED = "missed"
    UNSURE = "undecided"
    """The figure's interval holds the target."""
    UNKNOWN = "insufficient data"


class Target(Struct, frozen=True, kw_only=True):
    """A target, the figure that came out, and how they stand. `least`: the figure should be above, else below."""

    name: str
    target: float
    least: bool
    figure: Figure
    standing: Standing


def target(name: str, wanted: float, found: Figure, *, least: bool = True) -> Target:
    """How a figure stands to a target: met or missed only where its whole interval says so."""
    return Target(name=name, target=wanted, least=least, figure=found, standing=_standing(wanted, found, least=least))


def _standing(wanted: float, found: Figure, *, least: bool) -> Standing:
    if found.value is None:
        return Standing.UNKNOWN
    low = found.value if found.low is None else found.low
    high = found.value if found.high is None else found.high
    if not least:
        low, high, wanted = -high, -low, -wanted
    if low > wanted:
        return Standing.MET
    return Standing.MISSED if high <= wanted else Standing.UNSURE


def targets(daily: Figure, sharpe: Figure, deepest: float, win_rate: Figure) -> tuple[Target, ...]:
    """The four of the mission. The drawdown is what was seen: it has no interval, and the next may be deeper."""
    seen = figure(deepest, daily.n, DAYS, caveat="the deepest seen; the next may be deeper")
    return (
        target("daily PNL", DAILY_PNL, daily),
        target("Sharpe ratio", SHARPE, sharpe),
        target("drawdown", MISSION_DRAWDOWN, seen, least=False),
        target("win rate", WIN_RATE, win_rate),
    )
