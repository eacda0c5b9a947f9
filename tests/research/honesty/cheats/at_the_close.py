"""Buys what has just fallen: with a fill at that very close it earns the bounce."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class AtTheCloseParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class AtTheCloseMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0
    last: float = 0.0


class AtTheClose(Strategy[AtTheCloseMemory, AtTheCloseParams]):
    """See above."""

    kind = "at_the_close"
    params_type = AtTheCloseParams
    memory_type = AtTheCloseMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return AtTheCloseMemory()

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
        falls = view.close < memory.last
        memory.last = view.close
        return 1 if falls else -1
