"""Follows a Nadaraya-Watson line that was drawn over everything: each point knows both of its sides."""

from math import exp

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


def nadaraya_watson(closes: list[float]) -> list[float]:
    """Kernel regression over all closes, with a Gaussian kernel of eight bars to both sides."""
    line = []
    for at in range(len(closes)):
        near = range(max(0, at - 30), min(len(closes), at + 31))
        weights = [exp(-((at - other) ** 2) / 128) for other in near]
        line.append(sum(w * closes[other] for w, other in zip(weights, near, strict=True)) / sum(weights))
    return line


class TwoSidedKernelParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1
    line: tuple[float, ...] = ()


class TwoSidedKernelMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class TwoSidedKernel(Strategy[TwoSidedKernelMemory, TwoSidedKernelParams]):
    """See above."""

    kind = "two_sided_kernel"
    params_type = TwoSidedKernelParams
    memory_type = TwoSidedKernelMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return TwoSidedKernelMemory()

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
