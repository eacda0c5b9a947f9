"""Two legs: trade a wide spread between two contracts on the same asset, the hedge following the lead's fills.

Believes that two contracts on one asset cannot stay apart. Loses when they do (a venue in trouble, funding that
pays for the gap), and on the legs: between the lead's fill and the hedge's. It is the plain proof of the hedging
rule, without fees, costs or regime in its arithmetic; what trades for money is the arbitrage strategy.

When the lead's bid is `enter_bps` above the hedge's ask it sells the lead, when the lead's ask is as far below the
hedge's bid it buys; back within `exit_bps` it goes flat. The hedge leg is a `Hedge`: minus ratio times what the
lead has *filled*, with at most `naked_cap` of the lead unhedged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field, model_validator

from domain.commands import AddsRisk
from domain.desired import Desired, Hedge, Qty, Style, Target
from domain.errors import StrategyError
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import BboView, Params, Strategy, View

BPS = 1e-4


class TwoLegParams(Params):
    """Parameters of `TwoLeg`."""

    qty: Annotated[float, AddsRisk.RAISED] = Field(gt=0, description="position of the lead in base units")
    ratio: float = Field(1.0, gt=0, le=1000, description="hedge per unit of the lead")
    naked_cap: Annotated[float, AddsRisk.RAISED] = Field(
        gt=0, description="most of the lead that may be unhedged, in base units of the lead"
    )
    enter_bps: float = Field(10.0, gt=0, le=10000, description="spread that is entered in basis points")
    exit_bps: float = Field(1.0, ge=0, le=10000, description="spread within which it is left")
    lead_style: Literal["take", "passive"] = Field("take", description="how the lead is traded")

    @model_validator(mode="after")
    def _exit_is_inside(self) -> TwoLegParams:
        if self.exit_bps >= self.enter_bps:
            raise ValueError(f"exit_bps ({self.exit_bps}) must be less than enter_bps ({self.enter_bps})")
        return self


class TwoLegMemory(Struct):
    """Side of the lead that is wanted, and the entry's name."""

    side: int = 0
    entry: str = ""


class TwoLeg(Strategy[TwoLegMemory, TwoLegParams]):
    """See the module docstring. Instruments: the lead, then the hedge."""

    kind = "two_leg"
    params_type = TwoLegParams
    memory_type = TwoLegMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: TwoLegParams) -> None:
        """Keep both legs. Raises `StrategyError` unless there are two different instruments."""
        super().__init__(instruments, params)
        if len(instruments) != 2 or instruments[0] == instruments[1]:
            raise StrategyError(f"strategy kind {self.kind!r} needs two instruments: the lead, then the hedge")
        self.lead, self.hedge = instruments
        self.style = Style.TAKE if params.lead_style == "take" else Style.PASSIVE
        self.hedging = Target(
            instrument=self.hedge, want=Hedge(self.lead, params.ratio, params.naked_cap), style=Style.TAKE
        )

    def feeds(self) -> tuple[Feed, ...]:
        """Best bid and offer of both legs."""
        return tuple([Feed(kind=FeedKind.BBO, instrument=instrument) for instrument in self.instruments])

    def start(self) -> TwoLegMemory:
        """Nothing wanted."""
        return TwoLegMemory()

    def decide(self, memory: TwoLegMemory, view: View) -> tuple[TwoLegMemory, Desired]:
        """The lead's target from the spread; the hedge's is always that it follows."""
        lead, hedge = view.bbo(self.lead), view.bbo(self.hedge)
        if lead is None or hedge is None:
            return memory, view.desired
        side = self._side(memory.side, lead, hedge)
        if side == memory.side:
            return memory, view.desired
        memory.side = side
        memory.entry = f"{view.ts_ns}:{side}" if side else memory.entry
        target = Target(instrument=self.lead, want=Qty(side * self.params.qty), entry=memory.entry, style=self.style)
        return memory, Desired(targets=(target, self.hedging))

    def _side(self, side: int, lead: BboView, hedge: BboView) -> int:
        """Side of the lead that the spread now asks for."""
        mid = (hedge.bid + hedge.ask) / 2
        enter, leave = self.params.enter_bps * BPS * mid, self.params.exit_bps * BPS * mid
        if lead.bid - hedge.ask >= enter:
            return -1
        if hedge.bid - lead.ask >= enter:
            return 1
        apart = (lead.bid + lead.ask) / 2 - mid
        return side if side * apart < -leave else 0
