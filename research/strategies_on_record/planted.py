"""What is run over made-up markets: each kind where what it believes is so, and where it is not."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import Any

import numpy as np
from msgspec import Struct, field

from research.market_data import MarketData
from research.measures import Figure
from research.measures.numbers import money
from research.measures.trips import expectancy, trips_of
from research.result import Result
from research.strategies_on_record import made
from research.strategies_on_record.cases import MAKER, SYSTEM_1
from research.strategies_on_record.made import BTC, ETH, SOL, THERE, bars
from research.strategies_on_record.ran import SEED, run

LEGS = {"max_age_ms": 5_000, "naked_cap_usd": 1_000.0, "max_position_usd": 4_000.0}
HOUR_S = 3_600
WIDE, BACK = 50.0, -15.0
"""USD by which the second venue is dearer in the first half of the arbitrage tape, and in its second half."""
RATE, AGAINST, HOURS, LAST_H = 0.0005, 0.000001, 24, 3
"""Funding an hour of the second venue for so many hours, and then, for the rest of the tape."""
NEAR = 0.01
"""Share of what was reckoned by hand that sizes in whole lots may be off."""
FUNDED = LEGS | {"max_age_ms": 25_000, "hold_h": 12.0, "turn_s": 60.0}


class Planted(Struct, frozen=True, kw_only=True):
    """One run. `is_there`: what the kind believes is so in this market; `answer` is what it then should earn exactly.

    `moved` are parameters that are moved one at a time over it, for kinds whose recorded data are too short.
    """

    kind: str
    market: str
    make: Callable[[int], tuple[MarketData, ...]]
    is_there: bool
    params: dict[str, Any] = field(default_factory=dict)
    answer: float | None = None
    moved: tuple[str, ...] = ()
    draws: int = 5
    """Seeds."""


class Came(Struct, frozen=True, kw_only=True):
    """What came of a case over all its draws together: the mean round trip after and before fees."""

    case: Planted
    results: tuple[Result, ...]
    net: Figure
    gross: Figure

    @property
    def pnl(self) -> float:
        """Of all draws together."""
        return float(sum(result.pnl for result in self.results))

    @property
    def verdict(self) -> str:
        """Whether it is as it should be, in words."""
        if self.case.answer is not None:
            off = self.pnl - self.case.answer
            near = "as reckoned" if abs(off) < NEAR * abs(self.case.answer) else "**not as reckoned**"
            return f"{near}: {money(self.case.answer, sign=True)} by hand, off by {money(off, sign=True)}"
        if not any(result.fills for result in self.results):
            return "**did not trade**" if self.case.is_there else "stayed out"
        judged = self.net if self.case.is_there else self.gross
        if judged.low is None or judged.high is None:
            return f"insufficient data: n = {judged.n} round trips"
        if self.case.is_there:
            found = "**lost in spite of it**" if judged.high < 0 else "**not told from nothing**"
            return "found it" if judged.low > 0 else found
        if judged.low > 0:
            return "**earned what is not there**"
        return "lost its costs" if judged.high >= 0 else "lost more than its costs"


def came_of(case: Planted) -> Came:
    """Run one, over every draw."""
    results = tuple(run(case.kind, case.params, case.make(SEED + 1_000 * draw)) for draw in range(case.draws))
    trips = trips_of([trade for result in results for trade in result.trades])
    gross = expectancy(np.add(trips.pnl, trips.fees))
    return Came(case=case, results=results, net=expectancy(trips.pnl), gross=gross)


def pnl_of(case: Planted, changed: dict[str, Any]) -> float:
    """What it earns in the first draw with some parameters changed."""
    return float(run(case.kind, {**case.params, **changed}, case.make(SEED)).pnl)


def _two_venues(gap: Callable[[int], float], seconds: int) -> tuple[MarketData, ...]:
    here = made.venue(BTC, "prices that do not move", lambda _: (made.PRICE, 0.0), seconds, 1)
    there = made.venue(THERE, f"prices apart by {gap(0)}, then {gap(seconds)}", _apart(gap), seconds, 1)
    return here, there


def _apart(gap: Callable[[int], float]) -> made.Quoted:
    return lambda second: (made.PRICE + gap(second), 0.0)


def _two_fundings(rate: Callable[[int], float]) -> tuple[MarketData, ...]:
    seconds = (HOURS + LAST_H) * HOUR_S
    here = made.venue(BTC, "a funding of 0.001 %", lambda _: (made.PRICE, 0.00001), seconds, 10)
    told = f"a funding of {rate(0):.3%}, then {rate(seconds):.3%}"
    return here, made.venue(THERE, told, lambda second: (made.PRICE, rate(second)), seconds, 10)


def _alike(_: int) -> float:
    return 0.00001


def arbitrage_answer() -> float:
    """Buy here and sell there at the first gap, the other way round at the second, at the touch, four taker fees."""
    fee = float(made.like(BTC).taker_fee)
    ask, bid = made.PRICE + 0.5, made.PRICE + WIDE - 0.5
    back_ask, back_bid = made.PRICE + BACK + 0.5, made.PRICE - 0.5
    qty = floor(LEGS["max_position_usd"] / bid * 1e5) / 1e5
    return qty * (bid - ask + back_bid - back_ask - fee * (ask + bid + back_ask + back_bid))


def funding_answer() -> float:
    """Long here, short there: what the one receives less what the other pays in each hour, two spreads, four fees."""
    fee = float(made.like(BTC).taker_fee)
    qty = floor(FUNDED["max_position_usd"] / (made.PRICE + 0.5) * 1e5) / 1e5
    return qty * (made.PRICE * (RATE - 0.00001) * HOURS - 2 * 1.0 - fee * 4 * made.PRICE)


def _pair(seed: int, *, is_there: bool) -> tuple[MarketData, ...]:
    common = made.walk(seed, 0.002)
    spread = made.pulled(seed + 1, 0.0025, 12) if is_there else made.walk(seed + 1, 0.002)
    lead = [a + b for a, b in zip(common, spread, strict=True)]
    return bars(BTC, lead, seed + 2, 0.002), bars(ETH, common, seed + 3, 0.002)


def _led(seed: int, *, is_led: bool) -> tuple[MarketData, ...]:
    paths = made.followed(seed, 0.01, 0.8, is_led=is_led)
    return tuple(
        bars(name, path, seed + n, 0.0005) for n, (name, path) in enumerate(zip((ETH, BTC, SOL), paths, strict=True))
    )


def _three(seed: int, path: Callable[[int], made.Path]) -> tuple[MarketData, ...]:
    return tuple(bars(name, path(seed + 100 * n), seed + n, 0.005) for n, name in enumerate((BTC, ETH, SOL)))


def _one(seed: int, path: made.Path, step: float) -> tuple[MarketData, ...]:
    return (bars(BTC, path, seed, step),)


WALK = "a random walk"
PLANTED: tuple[Planted, ...] = (
    Planted(
        kind="turtle",
        market="trends of 100 bars, 0.1 % a bar",
        make=lambda seed: _one(seed, made.trends(seed, 0.001, 0.002, 100), 0.002),
        is_there=True,
        params=SYSTEM_1,
    ),
    Planted(
        kind="turtle",
        market=WALK,
        make=lambda seed: _one(seed, made.walk(seed, 0.002), 0.002),
        is_there=False,
        params=SYSTEM_1,
    ),
    Planted(
        kind="lead_lag",
        market="alts that jump a bar after the leader",
        make=lambda seed: _led(seed, is_led=True),
        is_there=True,
    ),
    Planted(
        kind="lead_lag",
        market="alts that jump by their own toss",
        make=lambda seed: _led(seed, is_led=False),
        is_there=False,
    ),
    Planted(
        kind="pairs",
        market="a spread with a half-life of 12 bars",
        make=lambda seed: _pair(seed, is_there=True),
        is_there=True,
    ),
    Planted(
        kind="pairs",
        market="prices that move together, their spread a random walk",
        make=lambda seed: _pair(seed, is_there=False),
        is_there=False,
        draws=12,
    ),
    Planted(
        kind="consolidation",
        market="a tight range that holds",
        make=lambda seed: _one(seed, made.pulled(seed, 0.0012, 4), 0.0012),
        is_there=True,
        params={"window": 20, "tight_pct": 1.2},
    ),
    Planted(
        kind="consolidation", market=WALK, make=lambda seed: _one(seed, made.walk(seed, 0.0006), 0.0006), is_there=False
    ),
    Planted(
        kind="consolidation",
        market="the break: calm, then ten bars one way",
        make=lambda seed: _one(seed, made.bursts(seed, 0.0001, 0.0015), 0.0003),
        is_there=True,
        params={"variant": "break"},
    ),
    Planted(
        kind="consolidation",
        market=f"the break: {WALK}",
        make=lambda seed: _one(seed, made.walk(seed, 0.0006), 0.0006),
        is_there=False,
        params={"variant": "break"},
    ),
    Planted(
        kind="nadaraya_watson",
        market="waves of 120 bars, 3 % high",
        make=lambda seed: _one(seed, made.waves(seed, 0.03, 120, 0.0003), 0.0003),
        is_there=True,
        params={"trigger": "kernel"},
    ),
    Planted(
        kind="nadaraya_watson",
        market=WALK,
        make=lambda seed: _one(seed, made.walk(seed, 0.002), 0.002),
        is_there=False,
        params={"trigger": "kernel"},
    ),
    Planted(
        kind="mean_reversion",
        market="three prices with a half-life of 5 bars",
        make=lambda seed: _three(seed, lambda own: made.pulled(own, 0.005, 5)),
        is_there=True,
        params={"interval_s": 300},
    ),
    Planted(
        kind="mean_reversion",
        market="three random walks",
        make=lambda seed: _three(seed, lambda own: made.walk(own, 0.005)),
        is_there=False,
        params={"interval_s": 300},
    ),
    Planted(
        kind="market_maker",
        market="orders that are noise",
        make=lambda seed: (made.crowd(seed, 3_600, knows=0.0),),
        is_there=True,
        params=MAKER,
        moved=("vol_factor", "horizon_s", "skew", "min_edge_bps"),
    ),
    Planted(
        kind="market_maker",
        market="orders that know",
        make=lambda seed: (made.crowd(seed, 3_600, knows=1.0),),
        is_there=False,
        params=MAKER,
    ),
    Planted(
        kind="calibrated_maker",
        market="orders that are noise",
        make=lambda seed: (made.crowd(seed, 3_600, knows=0.0),),
        is_there=True,
        params=MAKER,
        moved=("gamma", "reach_bps", "fit_tau_s", "max_vpin"),
    ),
    Planted(
        kind="calibrated_maker",
        market="orders that know",
        make=lambda seed: (made.crowd(seed, 3_600, knows=1.0),),
        is_there=False,
        params=MAKER,
        draws=10,
    ),
    Planted(
        kind="arbitrage",
        market="two venues 0.5 % apart, then 0.15 % the other way",
        make=lambda _: _two_venues(lambda second: WIDE if second < 300 else BACK, 600),
        is_there=True,
        params=LEGS,
        answer=arbitrage_answer(),
        draws=1,
        moved=("min_edge_pct", "reach_pct", "naked_cap_usd", "max_position_usd", "pause_s"),
    ),
    Planted(
        kind="arbitrage",
        market="two venues 0.05 % apart, by turns",
        make=lambda _: _two_venues(lambda second: 5.0 if second // 60 % 2 else -5.0, 600),
        is_there=False,
        params=LEGS,
        draws=1,
    ),
    Planted(
        kind="funding_arbitrage",
        market="0.05 % an hour for a day, then a little against it",
        make=lambda _: _two_fundings(lambda second: RATE if second < HOURS * HOUR_S else AGAINST),
        is_there=True,
        params=FUNDED,
        answer=funding_answer(),
        draws=1,
        moved=("hold_h", "min_gain_pct", "turn_s", "max_position_usd"),
    ),
    Planted(
        kind="funding_arbitrage",
        market="the same funding at both",
        make=lambda _: _two_fundings(_alike),
        is_there=False,
        params=FUNDED,
        draws=1,
    ),
)
