"""Turns around at every bar: earns a little each time, if trading costs nothing."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class ScalperParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class ScalperMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0
    last: float = 0.0


class Scalper(Strategy[ScalperMemory, ScalperParams]):
    """See above."""

    kind = "scalper"
    params_type = ScalperParams
    memory_type = ScalperMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return ScalperMemory()

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
        rises = view.close > memory.last
        memory.last = view.close
        return 1 if rises else -1
