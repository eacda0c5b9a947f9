"""Remembers the last close in its class."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class ClassStateParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class ClassStateMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class ClassState(Strategy[ClassStateMemory, ClassStateParams]):
    """See above."""

    kind = "class_state"
    params_type = ClassStateParams
    memory_type = ClassStateMemory

    last = 0.0

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return ClassStateMemory()

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
        rises = view.close > type(self).last
        type(self).last = view.close
        return 1 if rises else -1
