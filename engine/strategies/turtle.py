"""Turtle: follow a break of the N-bar high or low, protected by a stop from the first fill on.

Believes that a market that leaves its range of many bars keeps going, far enough and often enough to pay
for the breaks that fail. Loses in ranges (every break fails, one stop each), on gaps through the stop, and
with a near take-profit when winners are cut at 0.2 % while losers run to two ATR: that variant needs a very
high hit rate and is kept because it is the user's own.

    entry        a bar closes beyond the highest high (lowest low) of the `entry_bars` before it
    size         Strength with the stop's distance: risk sizes it, once per entry
    stop         `stop_atr` x ATR from the fill, resting at the venue, only ever tighter
    take profit  `take_profit_pct` from the average fill (0 = none)
    exit         a close beyond the opposite `exit_bars` channel (0 = none), or the weekend with a session
    units        up to `max_units`, one more each `unit_step_atr` x ATR beyond the last unit's own fills
    skip         with `skip_after_winner` a break is left alone when the break before it, taken or not, would have won:
                 its exit channel ended it in profit before `stop_atr` x ATR went against it. While it is skipped only
                 a break of `failsafe_bars` is entered

Every unit is as large as the first one's fills. Under the default limit of 10 % of equity per asset four fit when
`strength` is at most 0.05; else the last ones are clipped.

Classic system 1: entry_bars 20, exit_bars 10, take_profit_pct 0, max_units 4, skip_after_winner; system 2: 55 and 20
without it. Source of the rules: C. Faith, The Original Turtle Rules (2003).

A fired protection ends the entry: what is left of the position keeps its stop, and only a later bar's break
makes a new entry. A position found at the start (parameters were changed, memory was lost) is adopted.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import copysign, isnan
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field, model_validator

from domain.commands import AddsRisk
from domain.desired import NOTHING, Desired, Protection, Qty, Strength, Style, Target
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import BarView, Params, Strategy, View, Wake
from engine.indicators import Atr, Donchian, SessionHours, in_session, weekend_near
from engine.strategies.common import only_instrument, usable

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS


class TurtleParams(Params):
    """Parameters of `Turtle`."""

    interval_s: int = Field(3600, ge=1, description="bar interval in seconds")
    entry_bars: int = Field(55, ge=2, le=5000, description="bars of the channel whose break is entered")
    exit_bars: int = Field(0, ge=0, le=5000, description="bars of the opposite channel that ends a position, 0 = none")
    atr_bars: int = Field(20, ge=1, le=1000, description="bars of Wilder's average true range")
    stop_atr: float = Field(2.0, gt=0, le=50, description="distance of the stop in ATR")
    take_profit_pct: float = Field(0.2, ge=0, lt=100, description="take profit in percent of the entry price, 0 = none")
    max_units: Annotated[int, AddsRisk.RAISED] = Field(1, ge=1, le=20, description="units of one entry")
    unit_step_atr: Annotated[float, AddsRisk.LOWERED] = Field(
        0.5, gt=0, le=50, description="ATR beyond the last unit that add another"
    )
    skip_after_winner: Annotated[bool, AddsRisk.LOWERED] = Field(
        False, description="leave a break alone when the one before it would have won"
    )
    failsafe_bars: int = Field(
        55, ge=0, le=5000, description="bars of the channel whose break is entered all the same, 0 = none"
    )
    strength: Annotated[float, AddsRisk.RAISED] = Field(
        1.0, gt=0, le=1, description="conviction handed to risk for sizing"
    )
    style: Literal["passive", "take"] = Field("passive", description="passive: post-only at the touch; take: at once")
    direction: Literal["both", "long", "short"] = Field("both", description="breaks that are followed")
    patience_bars: int = Field(
        3, ge=0, le=10_000, description="bars after which an entry without a fill is given up, 0 = never"
    )
    session: Annotated[bool, AddsRisk.LOWERED] = Field(
        False, description="enter only in session, hold nothing over the weekend"
    )
    session_zone: str = Field("America/New_York", description="IANA time zone of the session")
    session_open: str = Field("09:30", description="local time HH:MM")
    session_close: str = Field("16:00", description="local time HH:MM")
    flat_before_min: Annotated[int, AddsRisk.LOWERED] = Field(
        15, ge=0, le=600, description="minutes before Friday's close (at least one bar)"
    )

    @model_validator(mode="after")
    def _skipping_makes_sense(self) -> TurtleParams:
        if self.skip_after_winner and not self.exit_bars:
            raise ValueError("skip_after_winner needs exit_bars: without that channel no break ends as a winner")
        if self.skip_after_winner and 0 < self.failsafe_bars <= self.entry_bars:
            raise ValueError(f"failsafe_bars ({self.failsafe_bars}) must be more than entry_bars ({self.entry_bars})")
        return self

    @model_validator(mode="after")
    def _session_makes_sense(self) -> TurtleParams:
        self.hours()
        return self

    def hours(self) -> SessionHours:
        """The session's hours. Raises ValueError when zone or times are not such."""
        return SessionHours.parse(self.session_zone, self.session_open, self.session_close)


class Idea(Struct):
    """One entry, from the break to flat.

    `unit_filled` and `unit_value` are quantity and money of the newest unit's fills. `unit_qty` is a unit's size
    once another was added (0 = still sized by risk). `spent`: its protection fired. `closing`: it is to be flat.
    """

    entry: str
    side: int
    atr: float = 0.0
    stop: float = 0.0
    take_profit: float = 0.0
    bars: int = 0
    units: int = 1
    unit_qty: float = 0.0
    unit_filled: float = 0.0
    unit_value: float = 0.0
    spent: bool = False
    closing: bool = False


class Break(Struct):
    """The newest break, taken or not, until its stop or the exit channel would have ended it."""

    side: int
    price: float
    stop: float
    skipped: bool


class TurtleMemory(Struct):
    """Channels (None = not used), average true range and the entry in force.

    `newest` and `won` (the last break that ended would have won) are kept only where winners are skipped.
    """

    entry_channel: Donchian
    exit_channel: Donchian | None
    atr: Atr
    idea: Idea | None = None
    failsafe: Donchian | None = None
    newest: Break | None = None
    won: bool = False


class Turtle(Strategy[TurtleMemory, TurtleParams]):
    """See the module docstring."""

    kind = "turtle"
    params_type = TurtleParams
    memory_type = TurtleMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: TurtleParams) -> None:
        """Keep the one instrument and what follows from the parameters."""
        super().__init__(instruments, params)
        self.instrument = only_instrument(self.kind, instruments)
        self.style = Style.PASSIVE if params.style == "passive" else Style.TAKE
        self.hours = params.hours()
        self.interval_ns = params.interval_s * SECOND_NS
        self.flat_margin_ns = max(params.flat_before_min * MINUTE_NS, self.interval_ns)

    def feeds(self) -> tuple[Feed, ...]:
        """Bars of the one instrument."""
        return (Feed(kind=FeedKind.BAR, instrument=self.instrument, interval_ns=self.interval_ns),)

    def warmup(self) -> int:
        """The channels, and ten times the ATR's period, so that of the mean that seeds it about 1 in 10,000 is left.

        The seed is the source's own: "you must start with a 20-day simple average of the True Range for the initial
        calculation" of N. The Turtles had years of days behind theirs; after five times the period 2 % of the seed was
        left, and a stop two N away hung on the day of the start.

        Where winners are skipped, some breaks more: whether one long ago won is not known, it counts as lost.
        """
        params = self.params
        skips = 5 * max(params.entry_bars, params.failsafe_bars) if params.skip_after_winner else 0
        return max(params.entry_bars, params.exit_bars, 10 * params.atr_bars, skips)

    def start(self) -> TurtleMemory:
        """No bar seen, no entry."""
        params = self.params
        exits = Donchian.of(params.exit_bars) if params.exit_bars else None
        last = Donchian.of(params.failsafe_bars) if params.skip_after_winner and params.failsafe_bars else None
        return TurtleMemory(Donchian.of(params.entry_bars), exits, Atr(params.atr_bars), failsafe=last)

    def decide(self, memory: TurtleMemory, view: View) -> tuple[TurtleMemory, Desired]:
        """Follow breaks on bars, keep the books of an entry on own fills."""
        if view.wake == Wake.BAR:
            self._on_bar(memory, view)
        elif view.wake == Wake.FILL and view.fill.instrument == self.instrument:
            self._on_fill(memory, view)
        desired = self._desired(memory.idea)
        return memory, view.desired if desired == view.desired else desired

    def _on_bar(self, memory: TurtleMemory, view: View) -> None:
        bar = view.bar
        if not usable(bar):
            return
        side = beyond(memory.entry_channel, bar)
        memory.entry_channel.update(bar.high, bar.low)
        left = self._left(memory, bar)
        atr = memory.atr.update(bar.high, bar.low, bar.close)
        if self.params.skip_after_winner:
            side = self._unless_skipped(memory, bar, side, left)
        if view.warming or isnan(atr):
            return
        idea = memory.idea
        if idea is not None:
            memory.idea = self._manage(idea, bar, view.position(self.instrument), left=left == idea.side)
        elif view.position(self.instrument):
            memory.idea = self._adopted(bar, view, atr)
        else:
            memory.idea = self._broken(bar, side, atr)

    def _left(self, memory: TurtleMemory, bar: BarView) -> int:
        """The side that the exit channel ends with this bar: 1 below its low, -1 above its high, else 0."""
        exits = memory.exit_channel
        if exits is None:
            return 0
        side = -beyond(exits, bar)
        exits.update(bar.high, bar.low)
        return side

    def _unless_skipped(self, memory: TurtleMemory, bar: BarView, side: int, left: int) -> int:
        """The side of this bar's break that is entered: 0 while it is skipped, unless it breaks the failsafe too."""
        newest = memory.newest
        if newest is not None:
            worst = bar.low if newest.side > 0 else bar.high
            if (worst - newest.stop) * newest.side <= 0:
                memory.won, memory.newest = False, None
            elif left == newest.side:
                memory.won, memory.newest = (bar.close - newest.price) * newest.side > 0, None
        if side and memory.newest is None and memory.atr.ready:
            stop = bar.close - side * self.params.stop_atr * memory.atr.value
            memory.newest = Break(side, bar.close, stop, skipped=memory.won)
        last = beyond(memory.failsafe, bar) if memory.failsafe is not None else 0
        if memory.failsafe is not None:
            memory.failsafe.update(bar.high, bar.low)
        return last if memory.newest is not None and memory.newest.skipped else side

    def _broken(self, bar: BarView, side: int, atr: float) -> Idea | None:
        """The entry that this bar's break makes, if it is one and may be followed."""
        refused = "short" if side > 0 else "long"
        if not side or self.params.direction == refused or not self._open(bar.ts_ns):
            return None
        idea = Idea(f"{bar.ts_ns}:{side}", side, atr)
        self._protect(idea, bar.close, bar.close)
        return idea

    def _adopted(self, bar: BarView, view: View, atr: float) -> Idea:
        """A position that this memory knows nothing of: all units, stop and take-profit from its entry price."""
        position = view.position(self.instrument)
        paid, size = view.entry_price(self.instrument), abs(position)
        idea = Idea(f"{bar.ts_ns}:adopted", 1 if position > 0 else -1, atr, units=self.params.max_units)
        idea.unit_qty, idea.unit_filled, idea.unit_value = size / idea.units, size, size * paid
        self._protect(idea, paid, paid)
        idea.closing = (bar.close - idea.stop) * idea.side <= 0
        return idea

    def _manage(self, idea: Idea, bar: BarView, position: float, *, left: bool) -> Idea | None:
        """The entry after one more bar, None when it is over. `left`: the exit channel ends it."""
        idea.bars += 1
        weekend = self.params.session and weekend_near(self.hours, bar.ts_ns, self.flat_margin_ns)
        if not position:
            if idea.closing or idea.unit_filled:
                return None
            tired = self.params.patience_bars and idea.bars >= self.params.patience_bars
            idea.closing = tired or (bar.close - idea.stop) * idea.side <= 0 or not self._open(bar.ts_ns)
        elif weekend or left:
            idea.closing = True
        elif not (idea.closing or idea.spent):
            self._add_unit(idea, bar, abs(position))
        return idea

    def _add_unit(self, idea: Idea, bar: BarView, held: float) -> None:
        if idea.units >= self.params.max_units or not idea.unit_filled or not self._open(bar.ts_ns):
            return
        beyond = (bar.close - idea.unit_value / idea.unit_filled) * idea.side
        if beyond < self.params.unit_step_atr * idea.atr:
            return
        idea.unit_qty = idea.unit_qty or held
        idea.units += 1
        idea.unit_filled = idea.unit_value = 0.0

    def _on_fill(self, memory: TurtleMemory, view: View) -> None:
        fill, idea = view.fill, memory.idea
        position = view.position(self.instrument)
        if not position:
            memory.idea = None
        elif idea is None:
            late = fill.entry or f"{fill.ts_ns}:late"
            memory.idea = Idea(late, int(copysign(1, position)), unit_filled=abs(position), closing=True)
        elif fill.protective:
            idea.spent = True
        elif fill.side == idea.side and not idea.closing:
            idea.unit_filled += fill.qty
            idea.unit_value += fill.qty * fill.price
            self._protect(idea, idea.unit_value / idea.unit_filled, view.entry_price(self.instrument))

    def _protect(self, idea: Idea, unit_price: float, paid: float) -> None:
        """Stop from the newest unit, only ever tighter; take-profit from what was paid on average."""
        stop = unit_price - idea.side * self.params.stop_atr * idea.atr
        if idea.side > 0:
            idea.stop = max(stop, idea.stop)
        else:
            idea.stop = min(stop, idea.stop or stop)
        if self.params.take_profit_pct:
            idea.take_profit = paid * (1 + idea.side * self.params.take_profit_pct / 100)

    def _open(self, ts_ns: int) -> bool:
        """True when entries are allowed at this time."""
        if not self.params.session:
            return True
        return in_session(self.hours, ts_ns) and not weekend_near(self.hours, ts_ns, self.flat_margin_ns)

    def _desired(self, idea: Idea | None) -> Desired:
        if idea is None:
            return NOTHING
        protections: tuple[Protection, ...] = ()
        if idea.stop or idea.take_profit:
            protections = (
                Protection(instrument=self.instrument, entry=idea.entry, stop=idea.stop, take_profit=idea.take_profit),
            )
        if idea.closing:
            flat = Target(instrument=self.instrument, want=Qty(0.0), entry=idea.entry, style=Style.TAKE)
            return Desired(targets=(flat,), protections=protections)
        if idea.spent:
            return Desired(protections=protections)
        want: Qty | Strength
        if idea.unit_qty:
            want = Qty(idea.side * idea.unit_qty * idea.units)
        else:
            want = Strength(idea.side * self.params.strength, self.params.stop_atr * idea.atr)
        target = Target(instrument=self.instrument, want=want, entry=idea.entry, style=self.style)
        return Desired(targets=(target,), protections=protections)


def beyond(channel: Donchian, bar: BarView) -> int:
    """The side on which a bar closes outside of the channel before it, 0 = inside, or the channel is not known yet."""
    return 1 if bar.close > channel.upper else -1 if bar.close < channel.lower else 0
