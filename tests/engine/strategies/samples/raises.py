"""A strategy that breaks at its third wake, as a user's bug would."""

from __future__ import annotations

from msgspec import Struct

from domain.desired import NOTHING, Desired
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, View


class CountMemory(Struct):
    wakes: int = 0


class Raises(Strategy[CountMemory, Params]):
    kind = "raises"
    params_type = Params
    memory_type = CountMemory

    def feeds(self) -> tuple[Feed, ...]:
        return tuple([Feed(kind=FeedKind.BBO, instrument=instrument) for instrument in self.instruments])

    def start(self) -> CountMemory:
        return CountMemory()

    def decide(self, memory: CountMemory, view: View) -> tuple[CountMemory, Desired]:
        memory.wakes += 1
        if memory.wakes == 3:
            raise ValueError("the third wake is one too many")
        return memory, NOTHING
