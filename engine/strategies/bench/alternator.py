"""Benchmark `orders_mkt`: one immediate order for every best bid and offer.

It believes nothing and pays the spread each time: it measures the way from a quote to an order. Pattern `alt`
buys and sells in turn (flat after every second fill); `drift` buys 50, then sells and buys 49 in turn (never flat).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field

from domain.commands import AddsRisk
from domain.desired import Desired, Qty, Style, Take, Target
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, View, Wake
from engine.strategies.common import only_instrument

SECOND_NS = 1_000_000_000
FIRST_RUN, RUN = 50, 49
FILL = Wake.FILL


class AlternatorParams(Params):
    """Parameters of `Alternator`."""

    pattern: Literal["alt", "drift"] = Field("alt", description="order of buys and sells")
    mode: Literal["take", "target"] = Field("take", description="take: a Take each; target: a Target moved each time")
    qty: Annotated[float, AddsRisk.RAISED] = Field(0.01, gt=0, description="quantity of each order in base units")
    limit: int = Field(100_000, ge=1, description="orders in total")
    slip: float = Field(0.01, gt=0, lt=1, description="limit of a Take beyond the touch as a fraction")


class AlternatorMemory(Struct):
    """Orders asked for, and the position that they add up to in orders."""

    count: int = 0
    net: int = 0


class Alternator(Strategy[AlternatorMemory, AlternatorParams]):
    """See the module docstring."""

    kind = "bench_alternator"
    params_type = AlternatorParams
    memory_type = AlternatorMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: AlternatorParams) -> None:
        """Keep the one instrument."""
        super().__init__(instruments, params)
        self.instrument = only_instrument(self.kind, instruments)

    def feeds(self) -> tuple[Feed, ...]:
        """Best bid and offer."""
        return (Feed(kind=FeedKind.BBO, instrument=self.instrument),)

    def start(self) -> AlternatorMemory:
        """No order yet."""
        return AlternatorMemory()

    def decide(self, memory: AlternatorMemory, view: View) -> tuple[AlternatorMemory, Desired]:
        """One more order, until `limit`."""
        count, params = memory.count, self.params
        if view.wake is FILL or count >= params.limit:
            return memory, view.desired
        touch = view.bbo(self.instrument)
        if touch is None:
            return memory, view.desired
        if params.pattern == "alt":
            side = -1 if count & 1 else 1
        else:
            side = 1 if count < FIRST_RUN or (count - FIRST_RUN) // RUN & 1 else -1
        memory.count = count + 1
        memory.net += side
        if params.mode == "target":
            want = Qty(memory.net * params.qty)
            return memory, Desired(targets=(Target(instrument=self.instrument, want=want, style=Style.TAKE),))
        take = Take(
            instrument=self.instrument,
            id=f"{view.ts_ns}:{count}",
            side=side,
            qty=params.qty,
            limit=touch.ask * (1 + params.slip) if side > 0 else touch.bid * (1 - params.slip),
            expires_ns=view.ts_ns + SECOND_NS,
        )
        return memory, Desired(takes=(take,))
