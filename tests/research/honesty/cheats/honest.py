"""Believes in nothing much: long above the mean of twenty closes, short below. It cheats nowhere."""

from math import isnan

from msgspec import Struct, field

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake
from engine.indicators import Sma


class HonestParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class HonestMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0
    mean: Sma = field(default_factory=lambda: Sma(20))


class Honest(Strategy[HonestMemory, HonestParams]):
    """See above."""

    kind = "honest"
    params_type = HonestParams
    memory_type = HonestMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 20

    def start(self):
        return HonestMemory()

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
        mean, close = memory.mean.value, view.close
        memory.mean.update(close)
        return memory.side if isnan(mean) else 1 if close > mean else -1
