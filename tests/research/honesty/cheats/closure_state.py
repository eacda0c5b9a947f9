"""Remembers the last close in a closure."""

from msgspec import Struct

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


def follower():
    """A function that remembers."""
    last = 0.0

    def side_of(close: float) -> int:
        nonlocal last
        rises, last = close > last, close
        return 1 if rises else -1

    return side_of


follow = follower()


class ClosureStateParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1


class ClosureStateMemory(Struct):
    """What is remembered."""

    bars: int = 0
    side: int = 0


class ClosureState(Strategy[ClosureStateMemory, ClosureStateParams]):
    """See above."""

    kind = "closure_state"
    params_type = ClosureStateParams
    memory_type = ClosureStateMemory

    def feeds(self):
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=self.params.interval_s * 10**9),)

    def warmup(self):
        return 0

    def start(self):
        return ClosureStateMemory()

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
        return follow(view.close)
