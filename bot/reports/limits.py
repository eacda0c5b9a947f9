"""How much of each limit is used now, for summaries: the measure beside the limit that holds."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from bot.message import number

if TYPE_CHECKING:
    from engine.desk import Desk

WIDTH = 10


class Use(Struct, frozen=True):
    """A limit: what is used of it and what it is, in its own unit."""

    name: str
    used: Decimal
    limit: Decimal
    unit: str

    @property
    def bar(self) -> str:
        """Ten places, full at the limit."""
        full = min(WIDTH, int(self.used / self.limit * WIDTH)) if self.limit > 0 else WIDTH
        return "█" * full + "░" * (WIDTH - full)

    @property
    def words(self) -> str:
        """Used of the limit."""
        if self.unit == "fraction":
            return f"{self.used * 100:.1f} of {number((self.limit * 100).normalize())} %"
        if self.unit == "USD":
            return f"{_short(self.used)} of {_short(self.limit)}"
        return f"{number(self.used.quantize(Decimal('0.1')))} of {number(self.limit)}"


def _short(amount: Decimal) -> str:
    """An amount in few characters: 950, 1.2k, 1M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if amount >= size:
            return f"{number((amount / size).quantize(Decimal('0.1')))}{unit}"
    return f"{amount:.0f}"


def used(desk: Desk) -> list[Use]:
    """The portfolio's limits that have a measure; the one that is nearest to its limit first."""
    view = desk.risk()
    worst = max((part.gross for part in view.by_asset), default=Decimal(0))
    measures = {
        "daily_loss": ("day loss", view.day_loss),
        "portfolio_drawdown": ("drawdown", view.drawdown),
        "asset_fraction": ("one asset", worst / view.equity if view.equity > 0 else Decimal(0)),
        "portfolio_exposure": ("exposure", view.gross),
        "leverage": ("leverage", view.leverage or Decimal(0)),
        "open_positions": ("positions", Decimal(sum(1 for row in desk.positions() if row.qty))),
    }
    found = []
    for rule, text in desk.settings.limits():
        value, _, unit = text.partition(" ")
        if rule in measures and value.replace(".", "", 1).isdecimal():
            name, measure = measures[rule]
            found.append(Use(name, max(measure, Decimal(0)), Decimal(value), unit))
    return sorted(found, key=lambda use: use.used / use.limit if use.limit else Decimal(10**9), reverse=True)
