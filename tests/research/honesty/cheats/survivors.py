"""Trades the few of many that turned out well: somebody looked at the end to choose them. The test names them."""

from msgspec import Struct, field

from domain.desired import Desired, Qty, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, Wake


class SurvivorsParams(Params):
    """Parameters."""

    interval_s: int = 300
    qty: float = 0.1
    chosen: tuple[str, ...] = ()


class SurvivorsMemory(Struct):
    """What is remembered."""

    sides: dict[str, int] = field(default_factory=dict)
    closes: dict[str, float] = field(default_factory=dict)


class Survivors(Strategy[SurvivorsMemory, SurvivorsParams]):
    """See above."""

    kind = "survivors"
    params_type = SurvivorsParams
    memory_type = SurvivorsMemory

    def feeds(self):
        length_ns = self.params.interval_s * 10**9
        return tuple([Feed(kind=FeedKind.BAR, instrument=name, interval_ns=length_ns) for name in self.instruments])

    def start(self):
        return SurvivorsMemory()

    def decide(self, memory, view):
        name = view.instrument
        if view.wake != Wake.BAR or name.partition("-")[0] not in self.params.chosen:
            return memory, view.desired
        side = 1 if view.close > memory.closes.get(name, view.close) else -1
        memory.closes[name] = view.close
        if side == memory.sides.get(name):
            return memory, view.desired
        memory.sides[name] = side
        targets = [
            Target(instrument=each, want=Qty(way * self.params.qty), entry=f"{view.ts_ns}:{each}")
            for each, way in memory.sides.items()
        ]
        return memory, Desired(targets=tuple(targets))
