"""Reads the recorded prices when it is imported."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake

with open("closes.csv") as file:  # noqa: PTH123 - as people write it
    CLOSES = [float(line) for line in file]


class ReadsFileParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class ReadsFileMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class ReadsFile(Strategy[ReadsFileMemory, ReadsFileParams]):
    """See above."""

    kind = "reads_file"
    params_type = ReadsFileParams
    memory_type = ReadsFileMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return ReadsFileMemory()

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
        return 1 if CLOSES[memory.bars] > view.close else -1
