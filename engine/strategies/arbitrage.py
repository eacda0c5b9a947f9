"""Arbitrage: buy an asset where it is cheap, sell it at the same moment where it is dear, and hold both until it turns.

Believes that two venues' prices of one asset come together again, so that a gap wider than all costs is money left
lying about. Loses when they do not (a venue in trouble, a quote currency that breaks its peg, funding that pays for the
gap: positions then stand at both venues and pay it), and on legs: one fills, the other is gone. The gaps that are
seen last for milliseconds and belong to whoever is nearest; here most that is earned comes from wide, slow ones.
Source: M. O'Hara, Market Microstructure Theory (1995), ch. 2, on prices that several dealers quote; A. Makarov and
A. Schoar, Trading and arbitrage in cryptocurrency markets (2020), who measure such gaps and what they cost to trade.

    edge       (bid x (1 - fee) - ask x (1 + fee)) / ask, between the bid of one venue and the ask of another
    size       as deep as both books earn `min_edge_pct` on every part, within the caps: depth is the slippage
    legs       two takes at once, at no worse than the last level counted on and `reach_pct`: a leg that misses by a
               tick costs two fees and the spread of the other
    back       nothing is transferred: positions of both venues net, and a gap the other way closes them
               (`close_edge_pct`)
    leg risk   no pair is larger than `naked_cap_usd` less what may be naked already, orders without an answer
               counted as filled. What is naked is closed at once where that costs least (`engine.strategies.legs`):
               within `slippage_pct` of the touch, after `patience_s` within `most_slippage_pct`
    stale      a book older than `max_age_ms` by the engine's own clock is not traded on: venues' clocks need not agree.
               Nor is one that was seen before the last pair: it may still show what that has taken
    pause      `pause_s` between pairs, doubled by each pair that comes apart, until one stays whole

A position found at the start is adopted: what is hedged is inventory, what is not is closed like a leg.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from domain.commands import AddsRisk
from domain.desired import Desired, Take
from domain.instrument import InstrumentId
from domain.market import Feed
from domain.strategy import Strategy, View
from engine.strategies import legs
from engine.strategies.legs import Course, Leg, LegMemory, LegParams, LegRules, closable


class ArbitrageParams(LegParams):
    """Parameters of `Arbitrage`."""

    min_edge_pct: Annotated[float, AddsRisk.LOWERED] = Field(
        0.1, gt=0, le=20, description="what a pair must earn after both fees and slippage, in percent"
    )
    close_edge_pct: Annotated[float, AddsRisk.LOWERED] = Field(
        0.0, ge=-5, le=20, description="the same for a pair that closes positions, in percent"
    )

    @model_validator(mode="after")
    def _earns_at_its_limits(self) -> ArbitrageParams:
        if 2 * self.reach_pct > self.min_edge_pct:
            text = f"two legs of reach_pct ({self.reach_pct}) each would give away more than min_edge_pct"
            raise ValueError(f"{text} ({self.min_edge_pct})")
        return self


class Arbitrage(Strategy[LegMemory, ArbitrageParams]):
    """See the module docstring. Instruments: each asset's contracts, one at each of two venues or more."""

    kind = "arbitrage"
    params_type = ArbitrageParams
    memory_type = LegMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: ArbitrageParams) -> None:
        """Sort the instruments by asset. Raises `StrategyError` where one is traded at one venue only."""
        super().__init__(instruments, params)
        self.assets = legs.by_asset(self.kind, self.instruments)
        self.rules = LegRules(params)

    def feeds(self) -> tuple[Feed, ...]:
        """The books of every venue."""
        return legs.books_of(self.instruments)

    def start(self) -> LegMemory:
        """No book seen."""
        return LegMemory()

    def decide(self, memory: LegMemory, view: View) -> tuple[LegMemory, Desired]:
        """On every book and own fill of an asset: close what is naked, else look for a gap."""
        course, found = self.rules.looks(memory, view, self.assets)
        takes = self.rules.repaired(course, found, view.ts_ns)
        if takes is None:
            takes = self._pair(course, found, memory, view.ts_ns)
        return memory, legs.wanted(view, takes)

    def _pair(self, course: Course, found: Sequence[Leg], memory: LegMemory, ts_ns: int) -> tuple[Take, ...]:
        """The widest gap that pays, if there is one and the caps leave it a size."""
        memory.because = self.rules.obstacle(course, found, memory, ts_ns)
        if memory.because:
            return ()
        ways = [(buy, sell) for buy in found for sell in found if buy is not sell and buy.asks and sell.bids]
        left, buy, sell = max([(gap(*way) - self._edge(*way), *way) for way in ways], key=lambda way: way[0])
        if left < 0:
            needed = self._edge(buy, sell)
            memory.because = f"the widest gap leaves {gap(buy, sell):.3%} after fees, {needed:.3%} is needed"
            return ()
        most = self.rules.room(found, buy, sell)
        closing = closable(buy, sell)
        pair = legs.matched(buy, sell, self._edge(buy, sell), min(most, closing or most), closing=closing > 0)
        if pair is None:
            memory.because = "what the books and the caps leave of a gap that pays is less than the smallest order"
            return ()
        return legs.pair_of(course, buy, sell, pair, self.rules.reach, ts_ns)

    def _edge(self, buy: Leg, sell: Leg) -> float:
        """What a pair has to earn, as a fraction."""
        return (self.params.close_edge_pct if closable(buy, sell) else self.params.min_edge_pct) / 100


def gap(buy: Leg, sell: Leg) -> float:
    """What is left between two touches after fees, as a fraction."""
    return legs.earned(buy.asks[0][0], sell.bids[0][0], buy.fee, sell.fee)
