"""Trades only once it has seen 250 bars: in a backtest, never after a start."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class LongHistoryParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class LongHistoryMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0
    last: float = 0.0


class LongHistory(Strategy[LongHistoryMemory, LongHistoryParams]):
    """See above."""

    kind = "long_history"
    params_type = LongHistoryParams
    memory_type = LongHistoryMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 20

    def start(self):
        return LongHistoryMemory()

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
        return memory.side if memory.bars < 250 else 1 if rises else -1
