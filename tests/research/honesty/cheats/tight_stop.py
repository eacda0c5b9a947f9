"""Has stop and take-profit so close together that every bar holds both."""

from msgspec import Struct

from domain.desired import Desired, Protection, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class TightStopParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class TightStopMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0
    last: float = 0.0


class TightStop(Strategy[TightStopMemory, TightStopParams]):
    """See above."""

    kind = "tight_stop"
    params_type = TightStopParams
    memory_type = TightStopMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return TightStopMemory()

    def decide(self, memory, view):
        if view.wake != Wake.BAR or view.position(self.instruments[0]):
            return memory, view.desired
        close, entry = view.close, str(view.ts_ns)
        want = Target(instrument=self.instruments[0], want=Qty(self.params.qty), entry=entry)
        both = Protection(instrument=self.instruments[0], entry=entry, stop=close * 0.9995, take_profit=close * 1.0005)
        return memory, Desired(targets=(want,), protections=(both,))
