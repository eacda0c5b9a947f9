"""Trades the legs of a zig-zag, whose last pivot moves until the leg is over."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


def zig_zag(closes: list[float]) -> list[float]:
    """Straight lines between turning points that are at least 0.5 % apart."""
    pivots, side = [0], 0
    for at, close in enumerate(closes):
        last = closes[pivots[-1]]
        move = (close - last) / last
        if side * move > 0:
            pivots[-1] = at
        elif abs(move) >= 0.005:
            side = 1 if move > 0 else -1
            pivots.append(at)
    pivots.append(len(closes) - 1)
    line = [closes[0]]
    for start, end in zip(pivots, pivots[1:], strict=False):  # noqa: RUF007 - as people write it
        line += [closes[start] + (closes[end] - closes[start]) * n / (end - start) for n in range(1, end - start + 1)]
    return line


class ZigZagParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1
    line: tuple[float, ...] = ()


class ZigZagMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class ZigZag(Strategy[ZigZagMemory, ZigZagParams]):
    """See above."""

    kind = "zig_zag"
    params_type = ZigZagParams
    memory_type = ZigZagMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return ZigZagMemory()

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
