"""Pairs: two prices that belong together are apart; sell the dear one, buy the other, leave when they meet.

Believes that a linear combination of two log prices comes back to its mean (cointegration), for a reason outside of the
sample: the same asset, the same sector, one made of the other. Loses when the relation ends (delisting, hack, new
tokenomics), because then the spread runs and both legs lose; when the test found it by chance, which a 5 % level does
with every twentieth pair, so a pair picked out of many needs a far lower one; and to costs: four fees a round trip,
and the funding of two legs.

    spread     y - level - ratio x of the log closes; y is the first instrument (lead), x the second (hedge)
    line       `rolling`: least squares over `window` bars; `kalman`: a filter that lets ratio and level wander
    z          spread over its standard deviation in the window (kalman: the newest error over that of the window's)
    regime     Engle-Granger below MacKinnon's value at `significance_pct`, half-life and correlation of returns within
               bounds, ratio too; to go on holding it must not fail at the 10 % level for `regime_bars` bars in a row
    entry      |z| from `entry_z` to below `stop_z`, against it, if coming back to `exit_z` earns `cost_factor` times
               the taker fees of both legs, in and out
    exit       by the line, level and deviation of the entry: a mean that wanders after the price is no profit.
               |z| back at `exit_z`; past `stop_z`; after `max_half_lives` half-lives; or the regime is over.
               After the last three nothing is entered until z has been back at `exit_z`
    legs       the lead by a `Target`, the hedge follows what the lead has filled, with at most `naked_usd` of the lead
               bare; `leg_stop_pct` is a stop of the lead that rests at the venue, for the day this program is away

The closes of an instant are compared once both have come. Where one is missing, nothing is decided.

Sources: Engle & Granger, Econometrica 55(2), 1987; Gatev, Goetzmann & Rouwenhorst, Review of Financial Studies 19(3),
2006 (entry at two deviations, and profits that shrank since); Chan, Algorithmic Trading, 2013, ch. 2-3 (half-life,
Kalman hedge).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, log
from typing import Annotated, Literal

from msgspec import Struct, field
from pydantic import Field, model_validator

from domain.commands import AddsRisk
from domain.desired import NOTHING, Desired, Hedge, Protection, Qty, Strength, Style, Target
from domain.errors import StrategyError
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy, View, Wake
from engine.indicators import Cointegration, EngleGranger, KalmanLine, RollingStd, critical_value

SECOND_NS = 1_000_000_000
FLAT = 1e-9
"""A deviation of log prices up to here is rounding."""
STAYING_PCT = 10
"""Level at which a pair that is held may not fail for long."""


class PairsParams(Params):
    """Parameters of `Pairs`."""

    interval_s: int = Field(300, ge=1, le=86400, description="bar interval in seconds")
    window: int = Field(500, ge=30, le=5000, description="bars of the test, the line and the deviation")
    lags: int = Field(1, ge=0, le=5, description="lagged differences in the Dickey-Fuller test")
    hedge: Literal["rolling", "kalman"] = Field("rolling", description="where the ratio comes from")
    kalman_delta: float = Field(1e-5, gt=0, lt=0.5, description="how far ratio and level may wander in a bar, 0 to 1")
    significance_pct: Annotated[Literal[1, 5, 10], AddsRisk.RAISED] = Field(
        5, description="level in percent that the test must pass to enter"
    )
    min_half_life: float = Field(1.0, ge=0, le=5000, description="shortest half-life in bars")
    max_half_life: Annotated[float, AddsRisk.RAISED] = Field(
        100.0, gt=0, le=5000, description="longest half-life in bars"
    )
    min_correlation: Annotated[float, AddsRisk.LOWERED] = Field(
        0.3, ge=-1, le=1, description="least correlation of the returns"
    )
    min_ratio: float = Field(0.2, gt=0, le=1.25, description="least money of the hedge for one of the lead")
    max_ratio: float = Field(1.1, gt=0, le=1.25, description="the most; above it, name the legs the other way round")
    regime_bars: Annotated[int, AddsRisk.RAISED] = Field(
        12, ge=1, le=5000, description="bars in a row without the regime after which a pair is closed"
    )
    entry_z: Annotated[float, AddsRisk.LOWERED] = Field(2.0, gt=0, le=10, description="deviations that are entered")
    exit_z: float = Field(0.5, ge=0, le=10, description="deviations at which it is left")
    stop_z: Annotated[float, AddsRisk.RAISED] = Field(
        4.0, gt=0, le=50, description="deviations at which it is given up"
    )
    max_half_lives: Annotated[float, AddsRisk.RAISED] = Field(
        4.0, ge=0, le=100, description="half-lives after which it is closed, 0 = any"
    )
    cost_factor: Annotated[float, AddsRisk.LOWERED] = Field(
        1.5, ge=0, le=100, description="least gain of coming back, in all taker fees of the round trip"
    )
    strength: Annotated[float, AddsRisk.RAISED] = Field(1.0, gt=0, le=1, description="strength of the lead's target")
    naked_usd: Annotated[float, AddsRisk.RAISED] = Field(
        1000.0, gt=0, description="most of the lead that may be without its hedge, in quote currency"
    )
    style: Literal["take", "passive"] = Field("take", description="how the lead is traded")
    leg_stop_pct: Annotated[float, AddsRisk.RAISED] = Field(
        15.0, ge=0, lt=90, description="resting stop of the lead in percent of its price, 0 = none"
    )

    @model_validator(mode="after")
    def _in_order(self) -> PairsParams:
        if not self.exit_z < self.entry_z < self.stop_z:
            raise ValueError(f"exit_z ({self.exit_z}) < entry_z ({self.entry_z}) < stop_z ({self.stop_z}) is not so")
        if self.min_ratio > self.max_ratio or self.min_half_life > self.max_half_life:
            raise ValueError("min_ratio and min_half_life may not be above max_ratio and max_half_life")
        if self.window < 3 * self.lags + 30:
            raise ValueError(f"a window of {self.window} bars is too short for {self.lags} lags")
        return self


class Line(Struct, frozen=True):
    """The relation of a moment: log lead = level + ratio x log hedge, and the deviation from it."""

    ratio: float
    level: float
    deviation: float

    def z(self, x: float, y: float) -> float:
        """How far apart two log prices are, in deviations."""
        return (y - self.level - self.ratio * x) / self.deviation


NOWHERE = Line(1.0, 0.0, 1.0)
"""Of an entry that is only to be closed."""
NO_LINE = "a price does not move"


class Close(Struct, frozen=True):
    """The newest close of a leg, and when that bar closed."""

    ts_ns: int
    price: float


class Idea(Struct):
    """One entry: `side` of the lead, the line it was entered by, and how much hedge follows a unit of the lead.

    `held` is the lead's quantity of an adopted position, signed (0 = sized by risk). `closing`: it is to be flat.
    """

    entry: str
    side: int
    line: Line
    per_lead: float
    naked: float
    stop_distance: float = 0.0
    stop: float = 0.0
    most_bars: int = 0
    bars: int = 0
    lost_bars: int = 0
    held: float = 0.0
    closing: bool = False


class PairsMemory(Struct):
    """The closes that wait for each other, test and filter, and the entry in force.

    `unmet`: side of z on which an entry failed; nothing is entered until z has been back. `because`: why nothing is.
    """

    test: Cointegration
    kalman: KalmanLine
    errors: RollingStd
    closes: dict[InstrumentId, Close] = field(default_factory=dict)
    because: str = "the window is not full"
    unmet: int = 0
    idea: Idea | None = None


class Pairs(Strategy[PairsMemory, PairsParams]):
    """See the module docstring. Instruments: the lead (y), then the hedge (x)."""

    kind = "pairs"
    params_type = PairsParams
    memory_type = PairsMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: PairsParams) -> None:
        """Keep both legs. Raises `StrategyError` unless there are two different instruments."""
        super().__init__(instruments, params)
        if len(instruments) != 2 or instruments[0] == instruments[1]:
            raise StrategyError(f"strategy kind {self.kind!r} needs two instruments: the lead, then the hedge")
        self.lead, self.hedge = instruments
        self.style = Style.TAKE if params.style == "take" else Style.PASSIVE
        self.entering = critical_value(params.significance_pct, params.window)
        self.staying = critical_value(STAYING_PCT, params.window)

    def feeds(self) -> tuple[Feed, ...]:
        """Bars of both."""
        interval_ns = self.params.interval_s * SECOND_NS
        return tuple([Feed(kind=FeedKind.BAR, instrument=leg, interval_ns=interval_ns) for leg in self.instruments])

    def warmup(self) -> int:
        """The window."""
        return self.params.window

    def start(self) -> PairsMemory:
        """No bar seen."""
        params = self.params
        test = Cointegration.of(params.window, params.lags)
        return PairsMemory(test, KalmanLine(params.kalman_delta), RollingStd(params.window))

    def decide(self, memory: PairsMemory, view: View) -> tuple[PairsMemory, Desired]:
        """Judge the pair when both closes of an instant are here; keep the books of an entry on own fills."""
        if view.wake == Wake.BAR:
            self._on_bar(memory, view)
        elif view.wake == Wake.FILL:
            self._on_fill(memory, view)
        idea = memory.idea
        if idea is not None and idea.closing and not (view.position(self.lead) or view.position(self.hedge)):
            memory.idea = None
        desired = self._desired(memory.idea)
        return memory, view.desired if desired == view.desired else desired

    def _on_bar(self, memory: PairsMemory, view: View) -> None:
        bar = view.bar
        if bar.instrument not in self.instruments or not (isfinite(bar.close) and bar.close > 0):
            return
        memory.closes[bar.instrument] = Close(bar.ts_ns, bar.close)
        lead, hedge = memory.closes.get(self.lead), memory.closes.get(self.hedge)
        if lead is None or hedge is None or lead.ts_ns != hedge.ts_ns:
            return
        x, y = log(hedge.price), log(lead.price)
        memory.test.update(x, y)
        error = memory.kalman.update(x, y)
        if memory.kalman.count > 2:
            memory.errors.update(error)
        if view.warming or not memory.test.ready:
            return
        line = self._line(memory, x, y, error)
        if memory.idea is not None:
            self._manage(memory, memory.idea, line, x, y)
        elif view.position(self.lead) or view.position(self.hedge):
            memory.idea = self._adopted(memory, view, line)
        elif line is None:
            memory.because = NO_LINE
        else:
            self._look(memory, view, line, line.z(x, y))

    def _line(self, memory: PairsMemory, x: float, y: float, error: float) -> Line | None:
        """The relation as it is now; None while there is none that could be traded by.

        The filter has taken this pair in already: what it expected before is told from the error that it made.
        """
        fitted, deviation = memory.test.line, memory.test.deviation
        if not deviation > FLAT:
            return None
        if self.params.hedge == "rolling":
            return Line(fitted.slope, fitted.intercept, deviation)
        ratio, deviation = memory.kalman.slope, memory.errors.value
        return Line(ratio, y - error - ratio * x, deviation) if deviation > FLAT else None

    def _look(self, memory: PairsMemory, view: View, line: Line, z: float) -> None:
        """Flat: enter, or say why not. The test is made of spreads that would be entered only."""
        params = self.params
        if z * memory.unmet <= params.exit_z:
            memory.unmet = 0
        memory.because = f"the two are {z:+.1f} deviations apart"
        if memory.unmet:
            memory.because += ", and have not met since an entry failed"
        elif params.entry_z <= abs(z) < params.stop_z:
            found = memory.test.test()
            memory.because = self._regime(found, line, self.entering)
            if found is not None and not memory.because:
                memory.idea = self._entered(memory, view, found, line, z)

    def _regime(self, found: EngleGranger | None, line: Line | None, critical: float) -> str:
        """Why this is no pair, "" = it is one. What is not a number is none."""
        params = self.params
        if found is None or line is None:
            return NO_LINE
        if not found.statistic < critical:
            return f"not cointegrated: {found.statistic:.2f}, needed below {critical:.2f}"
        if not params.min_half_life <= found.half_life <= params.max_half_life:
            return f"half-life of {found.half_life:.1f} bars"
        if not found.correlation >= params.min_correlation:
            return f"correlation of returns {found.correlation:.2f}"
        if not params.min_ratio <= line.ratio <= params.max_ratio:
            return f"hedge ratio {line.ratio:.2f}"
        return ""

    def _entered(self, memory: PairsMemory, view: View, found: EngleGranger, line: Line, z: float) -> Idea | None:
        """The entry that a spread this wide makes, if it pays and can be hedged."""
        params, price = self.params, memory.closes[self.lead].price
        naked = params.naked_usd / price
        gain = (abs(z) - params.exit_z) * line.deviation
        cost = 2 * (view.taker_fee(self.lead) + line.ratio * view.taker_fee(self.hedge))
        if gain < params.cost_factor * cost:
            memory.because = f"coming back would earn {gain:.2%}, the fees are {cost:.2%}"
            return None
        if naked < view.smallest(self.lead):
            memory.because = "naked_usd is less than the smallest order of the lead"
            return None
        side = -1 if z > 0 else 1
        return Idea(
            f"{view.ts_ns}:{side}",
            side,
            line,
            per_lead=line.ratio * price / memory.closes[self.hedge].price,
            naked=naked,
            stop_distance=(params.stop_z - abs(z)) * line.deviation * price,
            stop=price * (1 - side * params.leg_stop_pct / 100) if params.leg_stop_pct else 0.0,
            most_bars=ceil(params.max_half_lives * found.half_life),
        )

    def _adopted(self, memory: PairsMemory, view: View, line: Line | None) -> Idea:
        """A position that this memory knows nothing of: held as it is while the regime is on, else closed."""
        params, price = self.params, memory.closes[self.lead].price
        held, hedged, found = view.position(self.lead), view.position(self.hedge), memory.test.test()
        side = 1 if held > 0 or (not held and hedged < 0) else -1
        idea = Idea(f"{view.ts_ns}:adopted", side, line or NOWHERE, 0.0, params.naked_usd / price, held=held)
        if held * hedged < 0:
            idea.per_lead = -hedged / held
        elif line is not None:
            idea.per_lead = max(0.0, line.ratio) * price / memory.closes[self.hedge].price
        if params.leg_stop_pct and held:
            idea.stop = view.entry_price(self.lead) * (1 - side * params.leg_stop_pct / 100)
        idea.most_bars = ceil(params.max_half_lives * found.half_life) if found and isfinite(found.half_life) else 0
        idea.closing = not held or line is None or bool(self._regime(found, line, self.staying))
        return idea

    def _manage(self, memory: PairsMemory, idea: Idea, line: Line | None, x: float, y: float) -> None:
        """One more bar of an entry: have the two met, by its own line, or will they not?"""
        params = self.params
        idea.bars += 1
        if idea.closing:
            return
        memory.because = self._regime(memory.test.test(), line, self.staying)
        idea.lost_bars = idea.lost_bars + 1 if memory.because else 0
        apart = -idea.side * idea.line.z(x, y)
        tired = idea.most_bars and idea.bars >= idea.most_bars
        if apart <= params.exit_z:
            idea.closing = True
        elif apart >= params.stop_z or tired or idea.lost_bars >= params.regime_bars:
            give_up(memory, idea)

    def _on_fill(self, memory: PairsMemory, view: View) -> None:
        """A fired stop ends the entry; a fill that comes after its end is closed."""
        idea, fill = memory.idea, view.fill
        if idea is None:
            if view.position(self.lead) or view.position(self.hedge):
                side = 1 if view.position(self.lead) > 0 else -1
                memory.idea = Idea(f"{fill.ts_ns}:late", side, NOWHERE, 0.0, 0.0, closing=True)
        elif fill.protective and fill.instrument == self.lead:
            give_up(memory, idea)

    def _desired(self, idea: Idea | None) -> Desired:
        if idea is None:
            return NOTHING
        want: Qty | Strength
        if idea.closing:
            want = Qty(0.0)
        elif idea.held:
            want = Qty(idea.held)
        else:
            want = Strength(idea.side * self.params.strength, idea.stop_distance)
        style = Style.TAKE if idea.closing else self.style
        lead = Target(instrument=self.lead, want=want, entry=idea.entry, style=style)
        hedge = Target(instrument=self.hedge, want=Hedge(self.lead, idea.per_lead, idea.naked), style=Style.TAKE)
        if not idea.stop:
            return Desired(targets=(lead, hedge))
        stop = Protection(instrument=self.lead, entry=idea.entry, stop=idea.stop)
        return Desired(targets=(lead, hedge), protections=(stop,))


def give_up(memory: PairsMemory, idea: Idea) -> None:
    """Close an entry that failed, and enter nothing on its side until the two have met."""
    idea.closing = True
    memory.unmet = -idea.side
