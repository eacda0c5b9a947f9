"""Lead-lag: when the leader breaks out, trade the alt that has followed least so far, in the leader's direction.

Believes that one market (ETH) moves first and that the others follow, so that the one which has moved least still has
the move ahead of it. Loses when what has not moved has its own reason not to, when the leader's break is false, and
when all move at once, as arbitrage makes them do on liquid venues: then "least" is noise. With a stop of 0.2 % and a
take-profit of 0.25 %, two taker fees of 0.045 % need 65 winners of 100 to break even (0.29 / 0.45). Exits this near lie
within one bar of a lively alt: a test on bars longer than a minute cannot tell which of them came first.

    leader       the first instrument; it is watched, never traded, and a position in it is left alone
    break        its close is further from its close before than its true range (mean of `level_bars`, times
                 `range_factor`), or beyond the highest high (lowest low) of the `level_bars` before
    lag          leader's move less the alt's, in the break's direction, each since its own last close, in percent
    follower     the alt with the largest lag of at least `min_lag_pct`; with `min_correlation`, only one whose returns
                 went with the leader's over `correlation_bars`
    exits        stop and take-profit in percent of the fill, `hold_bars`, or a break of the leader the other way

The bars of one instant are compared once all have come (`CrossSection`): half of them would make an alt look late
whose bar merely arrives later.

Sources: the user's own rule. That large stocks' returns lead those of small ones: Lo & MacKinlay, When Are Contrarian
Profits Due to Stock Market Overreaction?, Review of Financial Studies 3(2), 1990.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field

from domain.commands import AddsRisk
from domain.desired import Desired
from domain.errors import StrategyError
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import BarView, Strategy, View, Wake
from engine.indicators import Donchian, RollingRegression, Sma, true_range
from engine.strategies.bracket import Bracket, BracketParams, after_fill, desired_of
from engine.strategies.common import usable
from engine.strategies.cross_section import CrossSection

SECOND_NS = 1_000_000_000


class LeadLagParams(BracketParams):
    """Parameters of `LeadLag`."""

    stop_pct: Annotated[float, AddsRisk.RAISED] = Field(
        0.2, gt=0, lt=50, description="stop in percent of the entry price"
    )
    take_profit_pct: float = Field(
        0.25, ge=0, lt=100, description="take profit in percent of the entry price, 0 = none"
    )
    hold_bars: Annotated[int, AddsRisk.RAISED] = Field(
        12, ge=0, le=10_000, description="bars after which a position is closed, 0 = only by its exits"
    )
    trigger: Literal["either", "range", "levels"] = Field("either", description="which break of the leader counts")
    level_bars: int = Field(20, ge=2, le=5000, description="bars of the leader's levels and of its true range")
    range_factor: Annotated[float, AddsRisk.LOWERED] = Field(
        1.0, gt=0, le=20, description="true ranges that the leader has to move"
    )
    min_lag_pct: Annotated[float, AddsRisk.LOWERED] = Field(
        0.1, ge=0, lt=50, description="least lag in percent that is traded; two taker fees are 0.09"
    )
    correlation_bars: int = Field(50, ge=3, le=5000, description="bars of the correlation with the leader")
    min_correlation: Annotated[float, AddsRisk.LOWERED] = Field(
        0.0, ge=0, le=1, description="least correlation of returns with the leader, 0 = not asked"
    )
    max_open: Annotated[int, AddsRisk.RAISED] = Field(1, ge=1, le=50, description="alts held at once")


class Alt(Struct):
    """An alt: its newest close, how far that is from the one before (fraction), and its entry in force."""

    together: RollingRegression
    close: float = 0.0
    move: float = 0.0
    bracket: Bracket | None = None


class LeadLagMemory(Struct):
    """The leader's range and levels, its newest move and break (side, close time of the bar), and every alt."""

    section: CrossSection
    reach: Sma
    levels: Donchian
    alts: dict[InstrumentId, Alt]
    close: float = 0.0
    move: float = 0.0
    broken: int = 0
    broken_ns: int = 0


class LeadLag(Strategy[LeadLagMemory, LeadLagParams]):
    """See the module docstring. Instruments: the leader, then the alts."""

    kind = "lead_lag"
    params_type = LeadLagParams
    memory_type = LeadLagMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: LeadLagParams) -> None:
        """Keep leader and alts. Raises `StrategyError` for less than two instruments, or one given twice."""
        super().__init__(instruments, params)
        if len(instruments) < 2 or len(set(instruments)) < len(instruments):
            raise StrategyError(f"strategy kind {self.kind!r} needs the leader, then one or more alts, each once")
        self.leader, *self.alts = instruments

    def feeds(self) -> tuple[Feed, ...]:
        """Bars of all."""
        interval_ns = self.params.interval_s * SECOND_NS
        return tuple([Feed(kind=FeedKind.BAR, instrument=name, interval_ns=interval_ns) for name in self.instruments])

    def warmup(self) -> int:
        """The levels and the true range, whose first bar needs the close before it, and the correlation."""
        asked = self.params.correlation_bars if self.params.min_correlation else 0
        return 1 + max(self.params.level_bars, asked)

    def start(self) -> LeadLagMemory:
        """No bar seen."""
        bars = self.params.level_bars
        alts = {alt: Alt(RollingRegression(self.params.correlation_bars)) for alt in self.alts}
        return LeadLagMemory(CrossSection.of(self.instruments), Sma(bars), Donchian.of(bars), alts)

    def decide(self, memory: LeadLagMemory, view: View) -> tuple[LeadLagMemory, Desired]:
        """Watch the leader, compare all once their bars have come, keep the books of entries on own fills."""
        if view.wake == Wake.BAR:
            self._on_bar(memory, view)
        elif view.wake == Wake.FILL and view.fill.instrument in memory.alts:
            name = view.fill.instrument
            alt, position, paid = memory.alts[name], view.position(name), view.entry_price(name)
            alt.bracket = after_fill(alt.bracket, view.fill, position, paid, self.params)
        desired = desired_of([(name, alt.bracket) for name, alt in memory.alts.items()], self.params)
        return memory, view.desired if desired == view.desired else desired

    def _on_bar(self, memory: LeadLagMemory, view: View) -> None:
        bar = view.bar
        if not usable(bar) or not memory.section.is_news(bar.instrument, bar.ts_ns):
            return
        if bar.instrument == self.leader:
            self._lead(memory, bar)
        else:
            self._follow(memory.alts[bar.instrument], bar, view)
        if not memory.section.arrive(bar.instrument, bar.ts_ns):
            return
        if self.params.min_correlation and memory.section.has(self.leader):
            for name, alt in memory.alts.items():
                if memory.section.has(name):
                    alt.together.update(memory.move, alt.move)
        if memory.broken and memory.broken_ns == bar.ts_ns and not view.warming:
            self._act(memory, view)

    def _lead(self, memory: LeadLagMemory, bar: BarView) -> None:
        """Take the leader's bar: how far it moved, and whether that breaks its range or its levels."""
        before, reach = memory.close or bar.close, memory.reach.value * self.params.range_factor
        upper, lower = memory.levels.upper, memory.levels.lower
        memory.close, memory.move = bar.close, bar.close / before - 1
        memory.reach.update(true_range(bar.high, bar.low, before))
        memory.levels.update(bar.high, bar.low)
        moved = bar.close - before
        up, down = moved > reach, -moved > reach
        if self.params.trigger == "levels":
            up = down = False
        if self.params.trigger != "range":
            up, down = up or bar.close > upper, down or bar.close < lower
        memory.broken, memory.broken_ns = up - down, bar.ts_ns

    def _follow(self, alt: Alt, bar: BarView, view: View) -> None:
        """Take an alt's bar: how far it moved, and what becomes of its entry."""
        alt.move, alt.close = bar.close / (alt.close or bar.close) - 1, bar.close
        if view.warming:
            return
        position = view.position(bar.instrument)
        if alt.bracket is not None:
            alt.bracket = alt.bracket.after_bar(bar.close, position, self.params)
        elif position:
            paid = view.entry_price(bar.instrument)
            alt.bracket = Bracket.adopted(bar.ts_ns, position, paid, bar.close, self.params)

    def _act(self, memory: LeadLagMemory, view: View) -> None:
        """The leader broke out: leave what is held against it, and enter the alt that lags most."""
        side = memory.broken
        held = [alt.bracket for alt in memory.alts.values() if alt.bracket is not None]
        for bracket in held:
            bracket.closing = bracket.closing or bracket.side != side
        if len(held) >= self.params.max_open or not self.params.follows(side):
            return
        best, most = None, self.params.min_lag_pct
        for name, alt in memory.alts.items():
            lag = 100 * side * (memory.move - alt.move)
            free = alt.bracket is None and not view.position(name) and memory.section.has(name)
            if free and lag >= most and self._goes_along(alt) and (best is None or lag > most):
                best, most = alt, lag
        if best is not None:
            best.bracket = Bracket.at_signal(memory.broken_ns, side, best.close, self.params)

    def _goes_along(self, alt: Alt) -> bool:
        """True when it went with the leader often enough; False while that is not known."""
        return not self.params.min_correlation or alt.together.correlation >= self.params.min_correlation
