"""Remembers the last close in itself."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class SelfStateParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class SelfStateMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class SelfState(Strategy[SelfStateMemory, SelfStateParams]):
    """See above."""

    kind = "self_state"
    params_type = SelfStateParams
    memory_type = SelfStateMemory

    def __init__(self, instruments, params):
        super().__init__(instruments, params)
        self.last = 0.0

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return SelfStateMemory()

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
        rises = view.close > self.last
        self.last = view.close
        return 1 if rises else -1
