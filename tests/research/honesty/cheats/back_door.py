"""Reads the recorded prices in its constructor, through a name that a module of ours happens to have."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake
from engine.strategies.registry import Path  # type: ignore[attr-defined]  # it is there


class BackDoorParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1
    path: str = "closes.csv"


class BackDoorMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class BackDoor(Strategy[BackDoorMemory, BackDoorParams]):
    """See above."""

    kind = "back_door"
    params_type = BackDoorParams
    memory_type = BackDoorMemory

    def __init__(self, instruments, params):
        super().__init__(instruments, params)
        self.closes = [float(line) for line in Path(params.path).read_text().split()]

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return BackDoorMemory()

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
        ahead = self.closes[memory.bars : memory.bars + 1]
        return 1 if ahead and ahead[0] > view.close else -1
