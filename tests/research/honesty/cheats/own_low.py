"""Wants to have bought at the low of the bar that is over."""

from msgspec import Struct

from domain.desired import Desired, Quote
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class OwnLowParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class OwnLowMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0
    last: float = 0.0


class OwnLow(Strategy[OwnLowMemory, OwnLowParams]):
    """See above."""

    kind = "own_low"
    params_type = OwnLowParams
    memory_type = OwnLowMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return OwnLowMemory()

    def decide(self, memory, view):
        if view.wake != Wake.BAR:
            return memory, view.desired
        bar, qty = view.bar, self.params.qty
        bid = Quote(instrument=self.instruments[0], side=1, price=bar.low, qty=qty)
        ask = Quote(instrument=self.instruments[0], side=-1, price=bar.high, qty=qty)
        return memory, Desired(quotes=(bid, ask))
