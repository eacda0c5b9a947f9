"""Has the sides of tomorrow in the file, by time. The test fills them in."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake

KNOWN: dict[int, int] = {}


class ByTimeParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class ByTimeMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class ByTime(Strategy[ByTimeMemory, ByTimeParams]):
    """See above."""

    kind = "by_time"
    params_type = ByTimeParams
    memory_type = ByTimeMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return ByTimeMemory()

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
        return KNOWN.get(view.ts_ns // 10**9, memory.side)
