"""Tosses a coin that it found in a module it may import."""

from statistics import random  # type: ignore[attr-defined]  # it is there

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class RandomSideParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class RandomSideMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class RandomSide(Strategy[RandomSideMemory, RandomSideParams]):
    """See above."""

    kind = "random_side"
    params_type = RandomSideParams
    memory_type = RandomSideMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return RandomSideMemory()

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
        return 1 if random.random() < 0.5 else -1
