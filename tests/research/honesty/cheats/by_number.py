"""Has the prices of tomorrow as a parameter, by the number of the bar."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class ByNumberParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1
    closes: tuple[float, ...] = ()


class ByNumberMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class ByNumber(Strategy[ByNumberMemory, ByNumberParams]):
    """See above."""

    kind = "by_number"
    params_type = ByNumberParams
    memory_type = ByNumberMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return ByNumberMemory()

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
        ahead = self.params.closes[memory.bars : memory.bars + 1]
        return 1 if ahead and ahead[0] > view.close else -1
