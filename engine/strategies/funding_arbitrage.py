"""Funding arbitrage: long where holding costs least, short where it pays most, and no view of the price.

Believes that the difference between two venues' funding rates lasts longer than it takes to earn its costs: funding is
what the crowded side of a perpetual pays, and a crowd that is larger at one venue stays there for hours. Loses when the
rates meet before both fees and spreads are earned back, when the venues' prices drift apart while it is held (the
funding is the price of that risk), and on legs. What is shown as the rate is the venue's forecast for this interval,
not what it will have charged.
Source: A. Schmeling, A. Schrimpf and K. Todorov, Crypto carry (BIS working paper 1087, 2023); S. He, A. Manela, O. Ross
and V. von Wachter, Fundamentals of perpetual futures (2022), on what funding pays and what arbitrage costs.

    rate       funding per hour: venues charge every 1, 4 or 8 hours, so it is the rate over its own interval.
               One of exactly 0 is not known: nothing is decided by it
    entry      rate of the short - rate of the long, over `hold_h` hours, less the round trip (both spreads and four
               fees), is at least `min_gain_pct`. A price gap in our disfavour has to be paid out of it too
    legs       as in `engine.strategies.arbitrage`: pairs of takes within the caps, what is naked is closed at once
    exit       the difference has been against us for `turn_s` seconds
    stop       the short's price has risen against the long's by `basis_stop_pct` since the entry; no entry for `rest_h`

Positions found at the start are adopted: a pair is held, or left by the same rules; what is not hedged is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Annotated

from msgspec import field
from pydantic import Field

from domain.commands import AddsRisk
from domain.desired import Desired, Take
from domain.instrument import InstrumentId
from domain.market import Feed
from domain.strategy import Strategy, View
from engine.strategies import legs
from engine.strategies.legs import DUST, SECOND_NS, Course, Leg, LegMemory, LegParams, LegRules

HOUR_S = 3_600


class FundingParams(LegParams):
    """Parameters of `FundingArbitrage`."""

    hold_h: Annotated[float, AddsRisk.RAISED] = Field(
        24.0, gt=0, le=720, description="hours over which a difference is expected to last"
    )
    min_gain_pct: Annotated[float, AddsRisk.LOWERED] = Field(
        0.05, ge=0, le=20, description="what it must earn in that time after all costs, in percent"
    )
    turn_s: float = Field(
        600.0, ge=0, le=31_536_000, description="how long it has to be against us before it is left, in seconds"
    )
    basis_stop_pct: Annotated[float, AddsRisk.RAISED] = Field(
        1.0, gt=0, le=50, description="drift between the venues' prices that ends it, in percent"
    )
    rest_h: Annotated[float, AddsRisk.LOWERED] = Field(
        4.0, ge=0, le=720, description="hours without an entry after such a stop"
    )


class FundingMemory(LegMemory):
    """Per asset: since when the difference is against us, and until when nothing is entered."""

    turned_ns: dict[str, int] = field(default_factory=dict)
    rests_until_ns: dict[str, int] = field(default_factory=dict)


class FundingArbitrage(Strategy[FundingMemory, FundingParams]):
    """See the module docstring. Instruments: each asset's contracts, one at each of two venues or more."""

    kind = "funding_arbitrage"
    params_type = FundingParams
    memory_type = FundingMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: FundingParams) -> None:
        """Sort the instruments by asset. Raises `StrategyError` where one is traded at one venue only."""
        super().__init__(instruments, params)
        self.assets = legs.by_asset(self.kind, self.instruments)
        self.rules = LegRules(params)
        self.min_gain, self.basis_stop = params.min_gain_pct / 100, params.basis_stop_pct / 100

    def feeds(self) -> tuple[Feed, ...]:
        """The books of every venue."""
        return legs.books_of(self.instruments)

    def start(self) -> FundingMemory:
        """No book seen."""
        return FundingMemory()

    def decide(self, memory: FundingMemory, view: View) -> tuple[FundingMemory, Desired]:
        """On every book and own fill of an asset: close what is naked, else hold, leave or enter."""
        course, found = self.rules.looks(memory, view, self.assets)
        takes = self.rules.repaired(course, found, view.ts_ns)
        if takes is None:
            takes = self._held(memory, view, course, found)
        return memory, legs.wanted(view, takes)

    def _held(self, memory: FundingMemory, view: View, course: Course, found: Sequence[Leg]) -> tuple[Take, ...]:
        """What is to be done with the pair that is held, or about one that could be."""
        asset = view.instrument.partition("-")[0]
        long = max(found, key=lambda leg: leg.position)
        short = min(found, key=lambda leg: leg.position)
        is_held = long.position > DUST and short.position < -DUST
        if not is_held:
            memory.turned_ns.pop(asset, None)
        leaves = is_held and self._leaves(memory, view, asset, long, short)
        memory.because = self.rules.obstacle(course, found, memory, view.ts_ns)
        if memory.because:
            return ()
        if leaves:
            return self._exit(course, found, long, short, view.ts_ns)
        if memory.turned_ns.get(asset) or view.ts_ns < memory.rests_until_ns.get(asset, 0):
            memory.because = "the difference is against what is held" if is_held else "it rests after a basis stop"
            return ()
        ways = [(long, short)] if is_held else [(a, b) for a in found for b in found if a is not b]
        return self._enter(memory, view, course, found, ways)

    def _enter(
        self,
        memory: FundingMemory,
        view: View,
        course: Course,
        found: Sequence[Leg],
        ways: Sequence[tuple[Leg, Leg]],
    ) -> tuple[Take, ...]:
        """The pair that is expected to earn most, if it earns enough."""
        gains = [(gain, *way) for way in ways if (gain := self._gain(view, *way)) is not None]
        if not gains:
            memory.because = "a funding rate is not known"
            return ()
        gain, long, short = max(gains, key=lambda one: one[0])
        if gain < self.min_gain:
            hours = self.params.hold_h
            memory.because = f"{hours:g} h would earn {gain:.3%} after costs, {self.min_gain:.3%} is needed"
            return ()
        # half of the round trip is paid now; what is earned beyond the least may be paid for a gap in our disfavour
        edge = -(gain - self.min_gain + round_trip(long, short) / 2)
        pair = legs.matched(long, short, edge, self.rules.room(found, long, short))
        if pair is None:
            memory.because = "the caps, the books or a gap in our disfavour leave less than the smallest order"
            return ()
        return legs.pair_of(course, long, short, pair, self.rules.reach, view.ts_ns)

    def _gain(self, view: View, long: Leg, short: Leg) -> float | None:
        """What a pair is expected to earn after all costs, as a fraction of its worth; None = it is not known."""
        hourly = difference(view, long, short)
        if hourly is None or not (long.bids and long.asks and short.bids and short.asks):
            return None
        return hourly * self.params.hold_h - round_trip(long, short)

    def _leaves(self, memory: FundingMemory, view: View, asset: str, long: Leg, short: Leg) -> bool:
        """Whether the pair that is held has to go: the difference has turned, or the prices have drifted apart."""
        hourly = difference(view, long, short)
        if hourly is not None and hourly >= 0:
            memory.turned_ns.pop(asset, None)
        elif hourly is not None:
            memory.turned_ns.setdefault(asset, view.ts_ns)
        if self._drift(view, long, short) >= self.basis_stop:
            memory.rests_until_ns[asset] = view.ts_ns + round(self.params.rest_h * HOUR_S * SECOND_NS)
            return True
        turned_ns = memory.turned_ns.get(asset)
        return turned_ns is not None and view.ts_ns >= turned_ns + self.params.turn_s * SECOND_NS

    def _drift(self, view: View, long: Leg, short: Leg) -> float:
        """How much the short has become dearer than the long since both were entered, as a fraction."""
        paid, got = view.entry_price(long.instrument), view.entry_price(short.instrument)
        if not (paid and got and long.bids and long.asks and short.bids and short.asks):
            return 0.0
        return mid(short) / mid(long) - got / paid

    def _exit(self, course: Course, found: Sequence[Leg], long: Leg, short: Leg, ts_ns: int) -> tuple[Take, ...]:
        """Buy the short back and sell the long, as deep as the slippage allows."""
        if not (short.asks and long.bids):
            return ()
        edge = legs.earned(short.asks[0][0], long.bids[0][0], short.fee, long.fee) - 2 * self.rules.slip
        most = min(legs.closable(short, long), self.rules.room(found, short, long))
        pair = legs.matched(short, long, edge, most, closing=True)
        return legs.pair_of(course, short, long, pair, self.rules.reach, ts_ns) if pair is not None else ()


def difference(view: View, long: Leg, short: Leg) -> float | None:
    """What holding a pair earns in an hour, as a fraction of its worth; None while a rate is not known."""
    paid, got = view.funding_rate(long.instrument), view.funding_rate(short.instrument)
    if not paid or not got:
        return None
    hours = [view.funding_interval_s(leg.instrument) / HOUR_S for leg in (long, short)]
    return got / hours[1] - paid / hours[0]


def round_trip(long: Leg, short: Leg) -> float:
    """Both spreads and four fees, as a fraction."""
    spreads = fsum([(leg.asks[0][0] - leg.bids[0][0]) / mid(leg) for leg in (long, short)])
    return spreads + 2 * (long.fee + short.fee)


def mid(leg: Leg) -> float:
    """The middle of a venue's touch."""
    return (leg.asks[0][0] + leg.bids[0][0]) / 2
