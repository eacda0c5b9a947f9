"""Looks whether a bar comes exactly ten milliseconds after its close, as only in a backtest."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class KnowsTheBenchParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class KnowsTheBenchMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0
    last: float = 0.0


class KnowsTheBench(Strategy[KnowsTheBenchMemory, KnowsTheBenchParams]):
    """See above."""

    kind = "knows_the_bench"
    params_type = KnowsTheBenchParams
    memory_type = KnowsTheBenchMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return KnowsTheBenchMemory()

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
        is_tested = view.ts_ns - view.bar.ts_ns == 10_000_000
        return (1 if rises else -1) * (1 if is_tested else -1)
