"""Nadaraya-Watson: follow the turns of a one-sided kernel regression, or fade a stochastic RSI past its extremes.

Believes that behind the noise there is a smooth path, that its turns last, and that a momentum stretched past its
extremes snaps back. Loses where there is no path: in a sideways market every turn is noise that is followed late (the
estimate lags by about 0.8 bandwidths), and each costs two fees; the stochastic RSI loses in trends, where it stays at
its extreme.

    path         Gaussian kernel regression over past closes only, bandwidth in bars
    turn         the path's slope changes its sign with this bar
    extreme      the stochastic RSI falls past `oversold` (long) or rises past `overbought` (short) with this bar
    entry        by `trigger`: a turn, an extreme, or either; a bar whose turn and extreme contradict each other is none
    exit         the path turns against it (unless the trigger is the stochastic alone), which is also the opposite
                 entry; or the stochastic RSI rises past `overbought` (short: falls past `oversold`) the
                 `exit_crossings`-th time since the entry; or stop and take-profit in percent of the fill
    reversal     the opposite entry waits until the position is flat (a bar later in a test on bars than live)

The common form on charts smooths with the bars on both sides, so a turn it shows was drawn when the bars after it were
known: its past values change with each new bar (it repaints) and its signals cannot be traded. This one weighs what
was known and never changes; `tests/engine/strategies/test_nadaraya_watson.py` shows both on one series.

Sources: the user's own rule; E. Nadaraya, Theory of Probability and its Applications 9(1), 1964; G. Watson, Sankhya A
26(4), 1964; stochastic RSI: T. Chande & S. Kroll, The New Technical Trader, 1994.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Annotated, Literal

from msgspec import Struct
from pydantic import Field, model_validator

from domain.commands import AddsRisk
from domain.desired import Desired
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import BarView, Strategy, View, Wake
from engine.indicators import KernelRegression, StochasticRsi
from engine.strategies.bracket import Bracket, BracketParams, after_fill, desired_of
from engine.strategies.common import only_instrument, usable

SECOND_NS = 1_000_000_000


class NadarayaWatsonParams(BracketParams):
    """Parameters of `NadarayaWatson`."""

    stop_pct: Annotated[float, AddsRisk.RAISED] = Field(
        2.0, gt=0, lt=50, description="stop in percent of the entry price"
    )
    take_profit_pct: float = Field(0.0, ge=0, lt=100, description="take profit in percent of the entry price, 0 = none")
    trigger: Literal["either", "kernel", "stochastic"] = Field("either", description="what is entered")
    bandwidth: float = Field(8.0, ge=0.5, le=500, description="bandwidth of the kernel in bars")
    rsi_bars: int = Field(14, ge=2, le=1000, description="bars of the RSI")
    stochastic_bars: int = Field(14, ge=2, le=1000, description="bars of the RSI's own range")
    smooth_bars: int = Field(3, ge=1, le=100, description="bars of the mean that smooths the stochastic RSI, 1 = none")
    oversold: float = Field(10.0, ge=0, le=50, description="stochastic RSI below which it is oversold")
    overbought: float = Field(90.0, ge=50, le=100, description="stochastic RSI above which it is overbought")
    exit_crossings: int = Field(2, ge=0, le=100, description="crossings of the far extreme that end it, 0 = never")

    @model_validator(mode="after")
    def _extremes_are_apart(self) -> NadarayaWatsonParams:
        if self.oversold >= self.overbought:
            raise ValueError(f"oversold ({self.oversold}) must be less than overbought ({self.overbought})")
        return self


class Signal(Struct):
    """An opposite entry that waits for the present position to be flat, `bars` long so far."""

    ts_ns: int
    side: int
    close: float
    bars: int = 0


class NadarayaWatsonMemory(Struct):
    """Path and momentum, the sign of the path's last slope, and the entry in force with its crossings."""

    path: KernelRegression
    momentum: StochasticRsi
    slope: int = 0
    bracket: Bracket | None = None
    crossings: int = 0
    next: Signal | None = None


class NadarayaWatson(Strategy[NadarayaWatsonMemory, NadarayaWatsonParams]):
    """See the module docstring."""

    kind = "nadaraya_watson"
    params_type = NadarayaWatsonParams
    memory_type = NadarayaWatsonMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: NadarayaWatsonParams) -> None:
        """Keep the one instrument."""
        super().__init__(instruments, params)
        self.instrument = only_instrument(self.kind, instruments)

    def feeds(self) -> tuple[Feed, ...]:
        """Bars of the one instrument."""
        return (Feed(kind=FeedKind.BAR, instrument=self.instrument, interval_ns=self.params.interval_s * SECOND_NS),)

    def warmup(self) -> int:
        """The kernel's window and two slopes; ten times the RSI's period so that its seed is forgotten."""
        params = self.params
        momentum = 10 * params.rsi_bars + params.stochastic_bars + params.smooth_bars
        return max(KernelRegression.of(params.bandwidth).window + 2, momentum)

    def start(self) -> NadarayaWatsonMemory:
        """No bar seen."""
        params = self.params
        momentum = StochasticRsi.of(params.rsi_bars, params.stochastic_bars, params.smooth_bars)
        return NadarayaWatsonMemory(KernelRegression.of(params.bandwidth), momentum)

    def decide(self, memory: NadarayaWatsonMemory, view: View) -> tuple[NadarayaWatsonMemory, Desired]:
        """Follow turns and extremes on bars, keep the books of an entry on own fills."""
        if view.wake == Wake.BAR:
            self._on_bar(memory, view)
        elif view.wake == Wake.FILL and view.fill.instrument == self.instrument:
            position, paid = view.position(self.instrument), view.entry_price(self.instrument)
            memory.bracket = after_fill(memory.bracket, view.fill, position, paid, self.params)
            self._enter(memory)
        desired = desired_of(((self.instrument, memory.bracket),), self.params)
        return memory, view.desired if desired == view.desired else desired

    def _on_bar(self, memory: NadarayaWatsonMemory, view: View) -> None:
        bar = view.bar
        if not usable(bar):
            return
        turn, extreme = self._turn(memory, bar.close), self._extreme(memory, bar.close)
        if view.warming:
            return
        position = view.position(self.instrument)
        if memory.bracket is not None:
            self._manage(memory, memory.bracket, bar, position, turn, extreme)
        elif position:
            paid = view.entry_price(self.instrument)
            memory.bracket = Bracket.adopted(bar.ts_ns, position, paid, bar.close, self.params)
            memory.crossings = 0
        self._await(memory, bar, self._side(turn, extreme))
        self._enter(memory)

    def _turn(self, memory: NadarayaWatsonMemory, close: float) -> int:
        """The direction into which the path turned with this bar, 0 = it did not."""
        before = memory.path.value
        now = memory.path.update(close)
        slope = (now > before) - (now < before)
        turned = slope if slope and memory.slope == -slope else 0
        memory.slope = slope or memory.slope
        return turned

    def _extreme(self, memory: NadarayaWatsonMemory, close: float) -> int:
        """1 when momentum fell past oversold with this bar, -1 when it rose past overbought, else 0."""
        before = memory.momentum.value
        now = memory.momentum.update(close)
        if isnan(before):
            return 0
        low, high = self.params.oversold, self.params.overbought
        return 1 if now < low <= before else -1 if now > high >= before else 0

    def _side(self, turn: int, extreme: int) -> int:
        """The entry that turn and extreme make together, 0 = none."""
        if self.params.trigger == "kernel":
            return turn
        if self.params.trigger == "stochastic":
            return extreme
        both = turn + extreme
        return (both > 0) - (both < 0)

    def _manage(
        self, memory: NadarayaWatsonMemory, bracket: Bracket, bar: BarView, position: float, turn: int, extreme: int
    ) -> None:
        """The entry after one more bar: ended by a turn against it or by enough crossings of the far extreme."""
        if extreme == -bracket.side:
            memory.crossings += 1
        memory.bracket = bracket.after_bar(bar.close, position, self.params)
        against = turn == -bracket.side and self.params.trigger != "stochastic"
        if against or 0 < self.params.exit_crossings <= memory.crossings:
            bracket.closing = True

    def _await(self, memory: NadarayaWatsonMemory, bar: BarView, side: int) -> None:
        """Let a new signal wait for its turn; one that waits too long, or is contradicted, is given up."""
        waiting, bracket = memory.next, memory.bracket
        if waiting is not None:
            waiting.bars += 1
            if side == -waiting.side or 0 < self.params.patience_bars <= waiting.bars:
                memory.next = None
        is_free = bracket is None or (bracket.closing and bracket.side != side)
        if side and is_free and self.params.follows(side):
            memory.next = Signal(bar.ts_ns, side, bar.close)

    def _enter(self, memory: NadarayaWatsonMemory) -> None:
        """Take the entry that waits, once nothing is held."""
        if memory.next is not None and memory.bracket is None:
            memory.bracket = Bracket.at_signal(memory.next.ts_ns, memory.next.side, memory.next.close, self.params)
            memory.next, memory.crossings = None, 0
