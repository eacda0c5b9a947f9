"""Benchmark `quotes_mm`: two fixed quotes re-priced at every k-th best bid and offer.

It believes nothing and loses to anyone informed: it measures quoting. Bid `ticks_away` below the best bid,
ask as far above the best ask; a filled side stays empty until the next k-th quote; a side is not quoted once
the inventory has reached the cap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Struct
from pydantic import Field

from domain.commands import AddsRisk
from domain.desired import Desired, Quote
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, View, Wake
from engine.strategies.common import only_instrument

QTY_NOISE = 1e-9
FILL = Wake.FILL


class QuoterParams(Params):
    """Parameters of `Quoter`."""

    every: int = Field(10, ge=1, description="quotes of the market between two decisions")
    ticks_away: int = Field(2, ge=0, description="distance from the touch in ticks")
    qty: Annotated[float, AddsRisk.RAISED] = Field(0.01, gt=0, description="quantity of each quote in base units")
    cap: Annotated[float, AddsRisk.RAISED] = Field(
        0.5, gt=0, description="inventory in base units at which a side is not quoted"
    )


class QuoterMemory(Struct):
    """Quotes of the market seen, and what is left of our bid and ask."""

    seen: int = 0
    bid_left: float = 0.0
    ask_left: float = 0.0


class Quoter(Strategy[QuoterMemory, QuoterParams]):
    """See the module docstring."""

    kind = "bench_quoter"
    params_type = QuoterParams
    memory_type = QuoterMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: QuoterParams) -> None:
        """Keep the one instrument."""
        super().__init__(instruments, params)
        self.instrument = only_instrument(self.kind, instruments)

    def feeds(self) -> tuple[Feed, ...]:
        """Best bid and offer."""
        return (Feed(kind=FeedKind.BBO, instrument=self.instrument),)

    def start(self) -> QuoterMemory:
        """Nothing seen."""
        return QuoterMemory()

    def decide(self, memory: QuoterMemory, view: View) -> tuple[QuoterMemory, Desired]:
        """Both quotes anew at every k-th wake, the unfilled rest of them in between."""
        if view.wake is FILL:
            return self._filled(memory, view)
        memory.seen += 1
        if memory.seen % self.params.every:
            return memory, view.desired
        touch = view.bbo(self.instrument)
        if touch is None:
            return memory, view.desired
        params = self.params
        away = params.ticks_away * view.tick_size(self.instrument)
        inventory = view.position(self.instrument)
        quotes = []
        memory.bid_left = memory.ask_left = 0.0
        if inventory < params.cap - QTY_NOISE:
            memory.bid_left = params.qty
            quotes.append(Quote(instrument=self.instrument, side=1, price=touch.bid - away, qty=params.qty))
        if inventory > -params.cap + QTY_NOISE:
            memory.ask_left = params.qty
            quotes.append(Quote(instrument=self.instrument, side=-1, price=touch.ask + away, qty=params.qty))
        desired = Desired(quotes=tuple(quotes))
        return memory, view.desired if desired == view.desired else desired

    def _filled(self, memory: QuoterMemory, view: View) -> tuple[QuoterMemory, Desired]:
        """Take a filled quote away, so that it comes back at the next k-th wake and not before."""
        fill = view.fill
        if fill.side > 0:
            memory.bid_left -= fill.qty
            left = memory.bid_left
        else:
            memory.ask_left -= fill.qty
            left = memory.ask_left
        if left > QTY_NOISE:
            return memory, view.desired
        return memory, Desired(quotes=tuple([quote for quote in view.desired.quotes if quote.side != fill.side]))
