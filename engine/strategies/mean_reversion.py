"""Mean reversion: fade what is far from its mean, over many instruments, while their moves are being taken back.

Believes that a price pushed `k` deviations from its recent mean was pushed by haste, and comes back. Loses in trends:
each step away looks like a better bargain. Its losses come together, when one shock moves all instruments, and then it
would hold `max_open` of them.

    far          the close is at least `k` population deviations from the mean of the last `bars` closes (Bollinger)
    regime       variance ratio of the last `regime_bars` returns at `regime_lag` bars is at most `max_variance_ratio`
    entry        against the move; of several at once the furthest first, never more than `max_open` open
    exits        target and stop in percent of the fill, `hold_bars`, and with `leave_at_mean` a close back at its mean
    again        an instrument is entered again only after its close has been within `k` deviations in between

Why the variance ratio (Lo & MacKinlay 1988) is the filter: below 1 it says that moves were taken back over the very
horizon that is traded, which is what the strategy bets on. Wilder's directional index tells a strong trend from a weak
one and is late by two of its periods; a Hurst exponent by rescaled range is biased upwards in windows as short as
these (Lo, Econometrica 59, 1991). Within 96 returns the ratio of a random walk at lag 4 scatters by 0.19 around 1, so
that the filter is a tendency and no proof.

The bars of one instant are compared once all have come (`CrossSection`): else the first to arrive would be entered
instead of the furthest. Exits do not wait for other instruments.

Sources: the user's own rule; J. Bollinger, Bollinger on Bollinger Bands, 2001; A. Lo & C. MacKinlay, Stock Market
Prices Do Not Follow Random Walks, Review of Financial Studies 1(1), 1988.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Struct
from pydantic import Field, model_validator

from domain.commands import AddsRisk
from domain.desired import Desired
from domain.errors import StrategyError
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import BarView, Strategy, View, Wake
from engine.indicators import RollingStd, VarianceRatio
from engine.strategies.bracket import Bracket, BracketParams, after_fill, desired_of
from engine.strategies.common import usable
from engine.strategies.cross_section import CrossSection

SECOND_NS = 1_000_000_000
FLAT = 1e-12
"""A deviation of less than this part of the mean is rounding: nothing moved."""


class MeanReversionParams(BracketParams):
    """Parameters of `MeanReversion`."""

    interval_s: int = Field(900, ge=1, description="bar interval in seconds")
    stop_pct: Annotated[float, AddsRisk.RAISED] = Field(
        1.0, gt=0, lt=50, description="stop in percent of the entry price"
    )
    take_profit_pct: float = Field(1.0, ge=0, lt=100, description="target in percent of the entry price, 0 = none")
    bars: int = Field(20, ge=3, le=5000, description="bars of the mean")
    k: Annotated[float, AddsRisk.LOWERED] = Field(
        2.0, gt=0, le=20, description="deviations from the mean that are faded"
    )
    leave_at_mean: bool = Field(False, description="also leave at a close that is back at the mean")
    regime_bars: int = Field(96, ge=4, le=5000, description="returns of the variance ratio")
    regime_lag: int = Field(4, ge=2, le=1000, description="bars over which moves have to be taken back")
    max_variance_ratio: Annotated[float, AddsRisk.RAISED] = Field(
        1.0, ge=0, le=10, description="variance ratio above which nothing is entered, 0 = no filter"
    )
    max_open: Annotated[int, AddsRisk.RAISED] = Field(5, ge=1, le=50, description="instruments held at once")

    @model_validator(mode="after")
    def _lag_fits_its_window(self) -> MeanReversionParams:
        if self.regime_lag >= self.regime_bars:
            raise ValueError(f"regime_lag ({self.regime_lag}) must be less than regime_bars ({self.regime_bars})")
        return self


class Member(Struct):
    """One instrument: mean and deviation, regime (None = no filter), newest close, its deviations away, and its entry.

    `armed`: it has been within `k` deviations since its last entry.
    """

    spread: RollingStd
    regime: VarianceRatio | None
    close: float = 0.0
    away: float = 0.0
    armed: bool = True
    bracket: Bracket | None = None


class MeanReversionMemory(Struct):
    """Every instrument, and which bars of the present instant have come."""

    section: CrossSection
    members: dict[InstrumentId, Member]


class MeanReversion(Strategy[MeanReversionMemory, MeanReversionParams]):
    """See the module docstring. Instruments: the universe, one or more."""

    kind = "mean_reversion"
    params_type = MeanReversionParams
    memory_type = MeanReversionMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: MeanReversionParams) -> None:
        """Keep the universe. Raises `StrategyError` for none, or one given twice."""
        super().__init__(instruments, params)
        if not instruments or len(set(instruments)) < len(instruments):
            raise StrategyError(f"strategy kind {self.kind!r} needs one or more instruments, each once")

    def feeds(self) -> tuple[Feed, ...]:
        """Bars of all."""
        interval_ns = self.params.interval_s * SECOND_NS
        return tuple([Feed(kind=FeedKind.BAR, instrument=name, interval_ns=interval_ns) for name in self.instruments])

    def warmup(self) -> int:
        """The mean, and with a filter the returns of the regime."""
        return max(self.params.bars, self.params.regime_bars + 1 if self.params.max_variance_ratio else 0)

    def start(self) -> MeanReversionMemory:
        """No bar seen."""
        params = self.params
        members = {}
        for name in self.instruments:
            regime = VarianceRatio.of(params.regime_bars, params.regime_lag) if params.max_variance_ratio else None
            members[name] = Member(RollingStd(params.bars), regime)
        return MeanReversionMemory(CrossSection.of(self.instruments), members)

    def decide(self, memory: MeanReversionMemory, view: View) -> tuple[MeanReversionMemory, Desired]:
        """Exits at each one's bar, entries once all have come, the books of entries on own fills."""
        if view.wake == Wake.BAR:
            self._on_bar(memory, view)
        elif view.wake == Wake.FILL and view.fill.instrument in memory.members:
            name = view.fill.instrument
            member, position, paid = memory.members[name], view.position(name), view.entry_price(name)
            member.bracket = after_fill(member.bracket, view.fill, position, paid, self.params)
        desired = desired_of([(name, member.bracket) for name, member in memory.members.items()], self.params)
        return memory, view.desired if desired == view.desired else desired

    def _on_bar(self, memory: MeanReversionMemory, view: View) -> None:
        bar = view.bar
        if not usable(bar) or not memory.section.is_news(bar.instrument, bar.ts_ns):
            return
        member = memory.members[bar.instrument]
        self._measure(member, bar.close)
        if not view.warming:
            self._manage(member, bar, view)
        if memory.section.arrive(bar.instrument, bar.ts_ns) and not view.warming:
            self._enter(memory, view)

    def _measure(self, member: Member, close: float) -> None:
        """How many deviations the close is away from its mean; 0 while that is not known, or nothing moved."""
        spread, member.close = member.spread, close
        deviation = spread.update(close)
        if member.regime is not None:
            member.regime.update(close)
        member.away = (close - spread.mean) / deviation if deviation > FLAT * close else 0.0
        member.armed = member.armed or abs(member.away) < self.params.k

    def _manage(self, member: Member, bar: BarView, view: View) -> None:
        """What becomes of an entry with one more bar of its instrument."""
        position = view.position(bar.instrument)
        if member.bracket is not None:
            member.bracket = member.bracket.after_bar(bar.close, position, self.params)
        elif position:
            paid = view.entry_price(bar.instrument)
            member.bracket = Bracket.adopted(bar.ts_ns, position, paid, bar.close, self.params)
        if member.bracket is not None and self.params.leave_at_mean:
            member.bracket.closing = member.bracket.closing or member.away * member.bracket.side >= 0

    def _enter(self, memory: MeanReversionMemory, view: View) -> None:
        """All bars of the instant are there: enter the furthest, as many as may be open."""
        members = memory.members
        room = self.params.max_open - sum(member.bracket is not None for member in members.values())
        far = [
            name
            for name, member in members.items()
            if member.armed
            and member.bracket is None
            and memory.section.has(name)
            and not view.position(name)
            and abs(member.away) >= self.params.k
            and self.params.follows(-1 if member.away > 0 else 1)
            and self._comes_back(member)
        ]
        far.sort(key=lambda name: -abs(members[name].away))
        for name in far[: max(0, room)]:
            member = members[name]
            side = -1 if member.away > 0 else 1
            member.bracket = Bracket.at_signal(memory.section.at_ns, side, member.close, self.params)
            member.armed = False

    def _comes_back(self, member: Member) -> bool:
        """True when its moves are being taken back; False while that is not known."""
        return member.regime is None or member.regime.value <= self.params.max_variance_ratio
