"""Buys below and sells above the mean in units of deviation: both of the whole sample."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class WholeSampleParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1
    mean: float = 100.0
    deviation: float = 1.0


class WholeSampleMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class WholeSample(Strategy[WholeSampleMemory, WholeSampleParams]):
    """See above."""

    kind = "whole_sample"
    params_type = WholeSampleParams
    memory_type = WholeSampleMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return WholeSampleMemory()

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
        z = (view.close - self.params.mean) / self.params.deviation
        return -1 if z > 1 else 1 if z < -1 else memory.side
