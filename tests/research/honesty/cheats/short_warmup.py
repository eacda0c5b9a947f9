"""Follows an average of sixty bars that it lets warm up for five."""

from msgspec import Struct, field

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake
from engine.indicators import Ema


class ShortWarmupParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class ShortWarmupMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0
    mean: Ema = field(default_factory=lambda: Ema(60))


class ShortWarmup(Strategy[ShortWarmupMemory, ShortWarmupParams]):
    """See above."""

    kind = "short_warmup"
    params_type = ShortWarmupParams
    memory_type = ShortWarmupMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 5

    def start(self):
        return ShortWarmupMemory()

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
        return 1 if view.close > memory.mean.update(view.close) else -1
