"""Follows a moving average that is centred: half of its window lies ahead."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


def centred(closes: list[float]) -> list[float]:
    """Mean of the five closes before, the one at hand, and the five after."""
    windows = [closes[max(0, at - 5) : at + 6] for at in range(len(closes))]
    return [sum(window) / len(window) for window in windows]


class CentredMeanParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1
    line: tuple[float, ...] = ()


class CentredMeanMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class CentredMean(Strategy[CentredMeanMemory, CentredMeanParams]):
    """See above."""

    kind = "centred_mean"
    params_type = CentredMeanParams
    memory_type = CentredMeanMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return CentredMeanMemory()

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
        line, now = self.params.line, memory.bars
        if now + 1 >= len(line):
            return memory.side
        return 1 if line[now] > line[now - 1] else -1
