"""Looks at the clock on the wall, through a module of ours."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake
from engine.strategies.registry import sys  # type: ignore[attr-defined]  # it is there


class WallClockParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class WallClockMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class WallClock(Strategy[WallClockMemory, WallClockParams]):
    """See above."""

    kind = "wall_clock"
    params_type = WallClockParams
    memory_type = WallClockMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return WallClockMemory()

    def decide(self, memory, view):
        if view.wake != Wake.BAR:
            return memory, view.desired
        memory.bars += 1
        side = self.side(memory, view)
        if view.warming or side == memory.side:
            return memory, view.desired
        memory.side = side
        want = Qty(side * self.params.qty)
        return memory, Desired(targets=(Target(instrument=self.instruments[0], want=want, entry=str(view.ts_ns)),))

    def side(self, memory, view):
        return 1 if sys.modules["time"].time_ns() % 2_000_000_000 < 1_000_000_000 else -1
