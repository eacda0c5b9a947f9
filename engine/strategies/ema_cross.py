"""EMA cross: long while the fast average is at or above the slow one, short while it is below.

Believes that a move, once under way, goes on longer than it took to show. Loses in a sideways market:
every false cross pays the spread and two taker fees, and it is never flat. It is a reference and a
benchmark more than a living: the rule is short enough to be checked by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field, model_validator

from domain.commands import AddsRisk
from domain.desired import NOTHING, Desired, Qty, Style, Target
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, View, Wake
from engine.strategies.common import only_instrument

SECOND_NS = 1_000_000_000
BAR = Wake.BAR


class EmaCrossParams(Params):
    """Parameters of `EmaCross`."""

    interval_s: int = Field(60, ge=1, description="bar interval in seconds")
    fast: int = Field(10, ge=1, description="period of the fast average in bars")
    slow: int = Field(20, ge=2, description="period of the slow average in bars")
    qty: Annotated[float, AddsRisk.RAISED] = Field(0.01, gt=0, description="position in base units, long or short")
    style: Literal["take", "passive"] = Field("take", description="take: at once; passive: post-only at the touch")

    @model_validator(mode="after")
    def _fast_is_faster(self) -> EmaCrossParams:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be less than slow ({self.slow})")
        return self


class EmaCrossMemory(Struct):
    """Bars seen, both averages (seeded with the first close) and the side last wanted (0 = none yet)."""

    count: int = 0
    fast: float = 0.0
    slow: float = 0.0
    side: int = 0


class EmaCross(Strategy[EmaCrossMemory, EmaCrossParams]):
    """See the module docstring. The averages are written out in `decide`: this one is measured per bar."""

    kind = "ema_cross"
    params_type = EmaCrossParams
    memory_type = EmaCrossMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: EmaCrossParams) -> None:
        """Keep the one instrument and the weights."""
        super().__init__(instruments, params)
        self.instrument = only_instrument(self.kind, instruments)
        self.slow_bars = params.slow
        self.fast_new = 2 / (params.fast + 1)
        self.fast_old = 1 - self.fast_new
        self.slow_new = 2 / (params.slow + 1)
        self.slow_old = 1 - self.slow_new
        self.style = Style.TAKE if params.style == "take" else Style.PASSIVE

    def feeds(self) -> tuple[Feed, ...]:
        """Bars of the one instrument."""
        return (Feed(kind=FeedKind.BAR, instrument=self.instrument, interval_ns=self.params.interval_s * SECOND_NS),)

    def warmup(self) -> int:
        """Five times the slow period: of the first close, which seeds both averages, 1 in 20,000 is left then.

        Begun without a history it decides from the `slow`-th bar on, as the benchmarks' reference does.
        """
        return 5 * self.params.slow

    def start(self) -> EmaCrossMemory:
        """No bar seen."""
        return EmaCrossMemory()

    def decide(self, memory: EmaCrossMemory, view: View) -> tuple[EmaCrossMemory, Desired]:
        """A new target when the side changes, else what was wanted before."""
        if view.wake is not BAR:
            return memory, view.desired
        close = view.close
        if not isfinite(close):
            return memory, view.desired
        if not memory.count:
            memory.fast = memory.slow = close
        memory.fast = fast = self.fast_new * close + self.fast_old * memory.fast
        memory.slow = slow = self.slow_new * close + self.slow_old * memory.slow
        memory.count = count = memory.count + 1
        if count < self.slow_bars:
            return memory, NOTHING
        side = 1 if fast >= slow else -1
        if side == memory.side or view.warming:
            return memory, view.desired
        memory.side = side
        target = Target(
            instrument=self.instrument,
            want=Qty(side * self.params.qty),
            entry=f"{view.bar.ts_ns}:{side}",
            style=self.style,
        )
        return memory, Desired(targets=(target,))
