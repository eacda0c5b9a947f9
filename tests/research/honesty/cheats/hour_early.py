"""Knows how the hour will close from its first five minutes on: resampled with the wrong label."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class HourEarlyParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1
    hours: tuple[float, ...] = ()


class HourEarlyMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class HourEarly(Strategy[HourEarlyMemory, HourEarlyParams]):
    """See above."""

    kind = "hour_early"
    params_type = HourEarlyParams
    memory_type = HourEarlyMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return HourEarlyMemory()

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
        hour = (memory.bars - 1) // 12
        ends = self.params.hours[hour] if hour < len(self.params.hours) else view.close
        return memory.side if ends == view.close else 1 if ends > view.close else -1
