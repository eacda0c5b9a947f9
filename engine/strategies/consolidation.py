"""Consolidation: trade inside a tight range, or the break out of it.

Believes that a market which has hardly moved for a while either stays in its range, so that its lower third is cheap
and its upper third is dear (`variant: inside`), or is winding up for a move that goes on once it leaves (`break`).
Inside loses when the range breaks: the stop lies just outside. The break loses when it is false, which in a quiet
market it mostly is. Both lose to costs in any market: a target of 0.3 % and a stop of 0.25 % with two taker fees of
0.045 % need 62 winners of 100 to break even (0.34 / 0.55), and 46 if trading were free.

    range        true range of the last `window` bars taken as one bar: highest true high less lowest true low
    tight        the range is less than `tight_pct` of the close
    inside       a close in the lowest `edge` of the range is bought, one in the highest is sold short
    break        a close outside of the tight range of the `window` bars before is followed
    exits        stop and take-profit in percent of the fill, resting at the venue; then `pause_bars` of nothing

The range of `inside` has the present bar in it: a bar that leaves the range widens it and is measured by that.

Sources: the user's own rule (consolidation pop). Narrow ranges come before wide ones: T. Crabel, Day Trading with Short
Term Price Patterns and Opening Range Breakout, 1990; true high and true low: J. W. Wilder, 1978.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field

from domain.commands import AddsRisk
from domain.desired import Desired
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import BarView, Strategy, View, Wake
from engine.indicators import Donchian
from engine.strategies.bracket import PERCENT, Bracket, BracketParams, after_fill, desired_of
from engine.strategies.common import only_instrument, usable

SECOND_NS = 1_000_000_000


class ConsolidationParams(BracketParams):
    """Parameters of `Consolidation`."""

    variant: Literal["inside", "break"] = Field("inside", description="trade within the tight range or its break")
    window: int = Field(20, ge=2, le=5000, description="bars of the range")
    tight_pct: Annotated[float, AddsRisk.RAISED] = Field(
        0.7, gt=0, le=50, description="range in percent of the price below which it is tight"
    )
    edge: Annotated[float, AddsRisk.RAISED] = Field(
        1 / 3, ge=0.01, le=0.5, description="part of the range at its ends that is bought and sold"
    )
    pause_bars: Annotated[int, AddsRisk.LOWERED] = Field(5, ge=0, le=5000, description="bars of nothing after an exit")


class ConsolidationMemory(Struct):
    """The range, the close before, the entry in force and how many bars of pause are left."""

    reach: Donchian
    previous_close: float = 0.0
    bracket: Bracket | None = None
    pause: int = 0


class Consolidation(Strategy[ConsolidationMemory, ConsolidationParams]):
    """See the module docstring."""

    kind = "consolidation"
    params_type = ConsolidationParams
    memory_type = ConsolidationMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: ConsolidationParams) -> None:
        """Keep the one instrument."""
        super().__init__(instruments, params)
        self.instrument = only_instrument(self.kind, instruments)

    def feeds(self) -> tuple[Feed, ...]:
        """Bars of the one instrument."""
        return (Feed(kind=FeedKind.BAR, instrument=self.instrument, interval_ns=self.params.interval_s * SECOND_NS),)

    def warmup(self) -> int:
        """The window, and one bar before it for the true range of its first."""
        return self.params.window + 1

    def start(self) -> ConsolidationMemory:
        """No bar seen."""
        return ConsolidationMemory(Donchian.of(self.params.window))

    def decide(self, memory: ConsolidationMemory, view: View) -> tuple[ConsolidationMemory, Desired]:
        """Look for an entry on bars, keep the books of one on own fills."""
        if view.wake == Wake.BAR:
            self._on_bar(memory, view)
        elif view.wake == Wake.FILL and view.fill.instrument == self.instrument:
            position, paid = view.position(self.instrument), view.entry_price(self.instrument)
            self._keep(memory, after_fill(memory.bracket, view.fill, position, paid, self.params))
        desired = desired_of(((self.instrument, memory.bracket),), self.params)
        return memory, view.desired if desired == view.desired else desired

    def _on_bar(self, memory: ConsolidationMemory, view: View) -> None:
        bar = view.bar
        if not usable(bar):
            return
        before = (memory.reach.upper, memory.reach.lower)
        close = memory.previous_close or bar.close
        now = memory.reach.update(max(bar.high, close), min(bar.low, close))
        memory.previous_close = bar.close
        if view.warming:
            return
        position = view.position(self.instrument)
        if memory.bracket is not None:
            self._keep(memory, memory.bracket.after_bar(bar.close, position, self.params))
        elif position:
            paid = view.entry_price(self.instrument)
            memory.bracket = Bracket.adopted(bar.ts_ns, position, paid, bar.close, self.params)
        elif memory.pause:
            memory.pause -= 1
        else:
            side = self._broken(bar, *before) if self.params.variant == "break" else self._inside(bar, *now)
            if side and self.params.follows(side):
                memory.bracket = Bracket.at_signal(bar.ts_ns, side, bar.close, self.params)

    def _keep(self, memory: ConsolidationMemory, bracket: Bracket | None) -> None:
        if bracket is None and memory.bracket is not None:
            memory.pause = self.params.pause_bars
        memory.bracket = bracket

    def _is_tight(self, close: float, upper: float, lower: float) -> bool:
        """False also while the range is not known, and for one that has no width."""
        return not isnan(upper) and 0 < upper - lower < self.params.tight_pct * PERCENT * close

    def _inside(self, bar: BarView, upper: float, lower: float) -> int:
        """The side that is cheap or dear within the tight range that ends with this bar, 0 = neither."""
        if not self._is_tight(bar.close, upper, lower):
            return 0
        reach = self.params.edge * (upper - lower)
        return 1 if bar.close - lower <= reach else -1 if upper - bar.close <= reach else 0

    def _broken(self, bar: BarView, upper: float, lower: float) -> int:
        """The side on which this bar closed outside of the tight range before it, 0 = inside or not tight."""
        if not self._is_tight(bar.close, upper, lower):
            return 0
        return 1 if bar.close > upper else -1 if bar.close < lower else 0
