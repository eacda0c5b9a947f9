"""Benchmark `sma_cross`: freqtrade's plainest strategy, candle for candle: long from a cross of two means to the next.

It believes nothing. When the fast mean crosses above the slow one it buys for `stake` at the next open; the cross below
sells. The means are summed as TA-Lib sums them, the newest added before the oldest is taken out, because
where both are equal the last bit decides on a trade.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Annotated

from msgspec import Struct, field
from pydantic import Field

from domain.commands import AddsRisk
from domain.desired import NOTHING, Desired, Qty, Target
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, View, Wake
from engine.strategies.common import only_instrument

SECOND_NS = 1_000_000_000
BAR = Wake.BAR


class SmaCrossParams(Params):
    """Parameters of `SmaCross`."""

    interval_s: int = Field(60, ge=1, description="bar interval in seconds")
    fast: int = Field(10, ge=1, le=1000, description="bars of the fast mean")
    slow: int = Field(30, ge=2, le=1000, description="bars of the slow mean")
    stake: Annotated[float, AddsRisk.RAISED] = Field(1000.0, gt=0, description="worth of each purchase in quote units")


class SmaCrossMemory(Struct):
    """The newest closes as a ring, their sums, bars seen, and both means of the bar before."""

    closes: list[float] = field(default_factory=list)
    fast_sum: float = 0.0
    slow_sum: float = 0.0
    count: int = 0
    fast: float = 0.0
    slow: float = 0.0
    is_long: bool = False


class SmaCross(Strategy[SmaCrossMemory, SmaCrossParams]):
    """See the module docstring."""

    kind = "bench_sma_cross"
    params_type = SmaCrossParams
    memory_type = SmaCrossMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: SmaCrossParams) -> None:
        """Keep the one instrument."""
        super().__init__(instruments, params)
        self.instrument = only_instrument(self.kind, instruments)
        self.fast_bars, self.slow_bars = params.fast, params.slow

    def feeds(self) -> tuple[Feed, ...]:
        """Bars of the one instrument."""
        return (Feed(kind=FeedKind.BAR, instrument=self.instrument, interval_ns=self.params.interval_s * SECOND_NS),)

    def start(self) -> SmaCrossMemory:
        """No bar seen."""
        return SmaCrossMemory([0.0] * self.slow_bars)

    def decide(self, memory: SmaCrossMemory, view: View) -> tuple[SmaCrossMemory, Desired]:
        """Buy the cross above, sell the cross below."""
        if view.wake is not BAR:
            return memory, view.desired
        close = view.close
        before = memory.fast, memory.slow
        self._add(memory, close)
        if memory.count <= self.slow_bars:
            return memory, NOTHING
        if memory.fast > memory.slow and before[0] <= before[1] and not memory.is_long:
            memory.is_long = True
            return memory, self._hold(floor(self.params.stake / close * 1e8) / 1e8, view)
        if memory.fast < memory.slow and before[0] >= before[1] and memory.is_long:
            memory.is_long = False
            return memory, self._hold(0.0, view)
        return memory, view.desired

    def _add(self, memory: SmaCrossMemory, close: float) -> None:
        closes, at, fast_bars, slow_bars = memory.closes, memory.count % self.slow_bars, self.fast_bars, self.slow_bars
        oldest_fast, oldest_slow = closes[at - fast_bars + 1], closes[at + 1 - slow_bars]
        closes[at] = close
        if fast_bars == 1:
            oldest_fast = close
        memory.count += 1
        memory.fast_sum += close
        memory.slow_sum += close
        memory.fast, memory.slow = memory.fast_sum / fast_bars, memory.slow_sum / slow_bars
        if memory.count >= fast_bars:
            memory.fast_sum -= oldest_fast
        if memory.count >= slow_bars:
            memory.slow_sum -= oldest_slow

    def _hold(self, qty: float, view: View) -> Desired:
        return Desired(targets=(Target(instrument=self.instrument, want=Qty(qty), entry=f"{view.ts_ns}:{qty:g}"),))
