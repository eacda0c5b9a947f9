"""Market maker: post-only bids and asks around a fair price, leaning against its own inventory.

Believes that most trades are noise that comes back, so that who waits earns the spread from who hurries. Loses
when flow is informed: one side is filled again and again while price runs (adverse selection), when the spread
earned is less than two maker fees, when volatility jumps between two wakes, and on the stop when it fires at
the end of a spike. At tier-0 fees (1.5 bp) many markets are too tight for it: then it quotes behind the touch
and is filled only by sweeps, the worst kind of flow.

    centre       fair, moved by -skew x half spread x position / max_position (linear in inventory), less the carry
    half spread  maker fee + minimum edge + vol_factor x sigma x sqrt(horizon)

Fair price, levels, silences and exits are those of every maker (`quoting`).

Sources: reservation price and spread that grow with inventory and sigma, Avellaneda & Stoikov, Quantitative Finance
8(3), 2008; the form without a horizon, bid = fair - half - skew q and ask = fair + half - skew q, Gueant, Lehalle &
Fernandez-Tapia, arXiv 1105.3115. Here half and skew are set by fee and volatility: parameters that a person can
check; `calibrated_maker` fits them from the flow of orders. The funding carry is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from typing import Annotated

from pydantic import Field

from domain.commands import AddsRisk
from domain.instrument import InstrumentId
from domain.strategy import View
from engine.strategies.quoting import Around, Maker, QuotingMemory, QuotingParams


class MarketMakerParams(QuotingParams):
    """Parameters of `MarketMaker`."""

    vol_factor: Annotated[float, AddsRisk.LOWERED] = Field(
        1.0, ge=0, le=20, description="half spread per sigma over the horizon"
    )
    horizon_s: float = Field(5.0, gt=0, le=3600, description="seconds that a quote is exposed")
    skew: float = Field(0.5, ge=0, le=2, description="shift at max_position in half spreads")


class MarketMaker(Maker[QuotingMemory, MarketMakerParams]):
    """See the module docstring."""

    kind = "market_maker"
    params_type = MarketMakerParams
    memory_type = QuotingMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: MarketMakerParams) -> None:
        """Keep the weight of sigma too."""
        super().__init__(instruments, params)
        self.vol_weight = params.vol_factor * sqrt(params.horizon_s)

    def start(self) -> QuotingMemory:
        """Nothing seen."""
        return QuotingMemory(*self.seen())

    def around(self, memory: QuotingMemory, view: View, position: float, fair: float) -> Around:
        """Half a spread from fee and volatility, the centre moved by inventory and funding."""
        params = self.params
        half = fair * (self.floor + self.vol_weight * memory.volatility.value)
        centre = fair - params.skew * half * max(-1.0, min(1.0, position / params.max_position))
        if params.carry_intervals:
            centre -= fair * view.funding_rate(self.instrument) * params.carry_intervals
        return centre, half, inf, 0.0
