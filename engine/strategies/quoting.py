"""What every market maker here does: quotes post-only around a fair price, within a cap, and knows when to be silent.

    fair       micro-price (bid x ask size + ask x bid size) / (sizes), or mid
    levels     `levels` per side, `level_spacing_bps` apart, each `qty`, together never past `max_position`; on the side
               that would grow the position, qty x exp(-size_skew x |position| / max_position)
    silence    when the range of the last `range_s` seconds is above `max_range_bps`; while sigma is unknown
    exit       at `kill_position`, after `max_age_s`, or by the resting stop (`stop_pct` from the average entry
               price, only ever tighter); then a pause of `pause_s`

A kind of maker says where the middle of its quotes and their distance from it lie (`around`), and when else it is
silent (`silence`). Micro-price: Stoikov 2018; sizes that shrink with inventory: hummingbot's Avellaneda strategy.

A quote is moved only when it is further than the tolerance from where it should be: messages are a budget, and a
moved quote loses its place in the queue. So a fill may earn less than the edge by as much as the tolerance.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import exp
from typing import Annotated, Literal, TypeAlias, TypeVar

from msgspec import Struct
from pydantic import Field, model_validator

from domain.commands import AddsRisk
from domain.desired import Desired, Protection, Qty, Quote, Style, Target
from domain.instrument import InstrumentId
from domain.market import Feed, FeedKind
from domain.strategy import BboView, Params, Strategy, View, Wake
from engine.indicators import Donchian, EwmaVolatility
from engine.strategies.common import only_instrument

SECOND_NS = 1_000_000_000
BPS = 1e-4


class QuotingParams(Params):
    """Parameters of every maker."""

    qty: Annotated[float, AddsRisk.RAISED] = Field(gt=0, description="quantity of each quote in base units")
    max_position: Annotated[float, AddsRisk.RAISED] = Field(
        gt=0, description="position in base units at which the growing side is not quoted"
    )
    feed: Literal["bbo", "book"] = Field("bbo", description="what wakes it")
    fair: Literal["micro", "mid"] = Field("micro", description="fair price: micro-price or mid")
    levels: Annotated[int, AddsRisk.RAISED] = Field(1, ge=1, le=20, description="quotes per side")
    level_spacing_bps: Annotated[float, AddsRisk.LOWERED] = Field(
        2.0, gt=0, le=1000, description="distance between levels in basis points"
    )
    size_skew: Annotated[float, AddsRisk.LOWERED] = Field(
        0.0, ge=0, le=20, description="how fast the growing side's quantity shrinks with the position, 0 = not"
    )
    maker_fee_bps: Annotated[float, AddsRisk.LOWERED] = Field(
        1.5, ge=-10, le=100, description="fee of a maker fill in basis points"
    )
    min_edge_bps: Annotated[float, AddsRisk.LOWERED] = Field(
        0.5, ge=0, le=1000, description="least gain of a fill over fair and fee"
    )
    vol_tau_s: float = Field(60.0, gt=0, le=86400, description="memory of the volatility in seconds")
    sample_s: float = Field(1.0, ge=0.001, le=60, description="seconds between samples of the fair price")
    settle_s: Annotated[float, AddsRisk.LOWERED] = Field(
        10.0, ge=0, le=3600, description="seconds of market seen before the first quote"
    )
    carry_intervals: float = Field(0.0, ge=0, le=1000, description="funding intervals that a position is held")
    range_s: float = Field(60.0, gt=0, le=3600, description="window of the range in seconds")
    max_range_bps: Annotated[float, AddsRisk.RAISED] = Field(
        50.0, gt=0, le=10000, description="range of the window above which it is silent"
    )
    kill_position: float = Field(0.0, ge=0, description="position in base units that is closed at once, 0 = none")
    stop_pct: float = Field(0.0, ge=0, lt=100, description="stop from the average entry price in percent, 0 = none")
    max_age_s: float = Field(0.0, ge=0, le=31_536_000, description="age of a position at which it is closed, 0 = none")
    pause_s: Annotated[float, AddsRisk.LOWERED] = Field(
        60.0, ge=0, le=86400, description="silence after an exit in seconds"
    )
    tolerance_ticks: Annotated[float, AddsRisk.RAISED] = Field(
        1.0, ge=0, le=1000, description="distance in ticks that does not move a quote"
    )
    tolerance_bps: Annotated[float, AddsRisk.RAISED] = Field(
        1.0, ge=0, le=100, description="the same in basis points; the larger one counts"
    )

    @model_validator(mode="after")
    def _limits_make_sense(self) -> QuotingParams:
        if self.qty > self.max_position:
            raise ValueError(f"qty ({self.qty}) is more than max_position ({self.max_position}): it could never quote")
        if self.kill_position and self.kill_position <= self.max_position:
            raise ValueError("kill_position must be above max_position: it is for what slipped past the cap")
        return self


class QuotingMemory(Struct):
    """Volatility and range of the fair price, and the life of the present position (`side` 0 = flat)."""

    volatility: EwmaVolatility
    reach: Donchian
    next_sample_ns: int = 0
    side: int = 0
    opened_ns: int = 0
    entry: str = ""
    stop: float = 0.0
    exiting: bool = False
    paused_until_ns: int = 0
    paused_for: str = ""
    because: str = ""
    """Why it does not quote, "" = it does."""


Around: TypeAlias = tuple[float, float, float, float]
"""Where quotes are wanted: (centre, half below and above it, the highest bid, the lowest ask)."""
M = TypeVar("M", bound=QuotingMemory)
P = TypeVar("P", bound=QuotingParams)


class Maker(Strategy[M, P]):
    """See the module docstring."""

    def __init__(self, instruments: Sequence[InstrumentId], params: P) -> None:
        """Keep the one instrument and the parameters in the units of the arithmetic."""
        super().__init__(instruments, params)
        self.instrument = only_instrument(self.kind, instruments)
        self.floor = (params.maker_fee_bps + params.min_edge_bps) * BPS
        self.spacing = params.level_spacing_bps * BPS
        self.max_range = params.max_range_bps * BPS
        self.tolerance = params.tolerance_bps * BPS
        self.sample_ns = int(params.sample_s * SECOND_NS)
        self.pause_ns = int(params.pause_s * SECOND_NS)
        self.max_age_ns = int(params.max_age_s * SECOND_NS)
        self.micro = params.fair == "micro"

    @abstractmethod
    def around(self, memory: M, view: View, position: float, fair: float) -> Around:
        """Where quotes are wanted now."""

    def feeds(self) -> tuple[Feed, ...]:
        """Best bid and offer, or the book."""
        kind = FeedKind.BBO if self.params.feed == "bbo" else FeedKind.BOOK
        return (Feed(kind=kind, instrument=self.instrument),)

    def seen(self) -> tuple[EwmaVolatility, Donchian]:
        """Volatility and range of a maker that has seen nothing."""
        params = self.params
        samples = max(1, round(params.range_s / params.sample_s))
        return EwmaVolatility(params.vol_tau_s, params.settle_s), Donchian.of(samples)

    def decide(self, memory: M, view: View) -> tuple[M, Desired]:
        """Quotes for the market and position as they are now."""
        position = view.position(self.instrument)
        touch = view.bbo(self.instrument)
        fair = self.fair_of(touch)
        if fair and view.ts_ns >= memory.next_sample_ns:
            self.sample(memory, view, fair)
        self._follow_position(memory, view, position)
        old = view.desired
        quotes: tuple[Quote, ...] = ()
        if touch is None or not fair:
            memory.because = "no sound bid and ask are known"
        else:
            memory.because = because = self.silence(memory, view)
            if not because:
                quotes = self._quotes(memory, view, position, touch, fair)
        targets, protections = self._exits(memory, view)
        if quotes == old.quotes and targets == old.targets and protections == old.protections:
            return memory, old
        return memory, Desired(targets=targets, quotes=quotes, protections=protections)

    def fair_of(self, touch: BboView | None) -> float:
        """Fair price without carry; 0.0 when there is no sound touch (none, crossed, empty or NaN)."""
        if touch is None or not 0.0 < touch.bid < touch.ask:
            return 0.0
        if not self.micro:
            return (touch.bid + touch.ask) / 2
        sizes = touch.bid_qty + touch.ask_qty
        if not sizes > 0.0:
            return 0.0
        return (touch.bid * touch.ask_qty + touch.ask * touch.bid_qty) / sizes

    def sample(self, memory: M, view: View, fair: float) -> None:
        """Take the fair price into volatility and range."""
        memory.volatility.update(view.ts_ns, fair)
        memory.reach.update(fair, fair)
        memory.next_sample_ns = view.ts_ns + self.sample_ns

    def _follow_position(self, memory: M, view: View, position: float) -> None:
        """Name and age the position, and decide whether it has to go."""
        side = (position > 0) - (position < 0)
        if side != memory.side:
            if memory.exiting:
                memory.exiting = False
                self.pause(memory, view, "it closed its position")
            memory.side, memory.opened_ns = side, view.ts_ns
            memory.entry = f"{view.ts_ns}:{side}" if side else ""
            memory.stop = 0.0
        if view.wake == Wake.FILL and view.fill.protective and view.fill.instrument == self.instrument:
            self.pause(memory, view, "its stop fired")
        if side and not memory.exiting:
            kill = self.params.kill_position
            too_large = kill and abs(position) >= kill
            too_old = self.max_age_ns and view.ts_ns - memory.opened_ns >= self.max_age_ns
            memory.exiting = bool(too_large or too_old)

    def pause(self, memory: M, view: View, reason: str) -> None:
        """Be silent for `pause_s` from now on."""
        memory.paused_until_ns, memory.paused_for = view.ts_ns + self.pause_ns, reason

    def silence(self, memory: M, view: View) -> str:
        """Why it may not quote, "" = it may: it warms up, closes or pauses, or the market is unknown or wild."""
        if view.warming:
            return "it warms up"
        if memory.exiting:
            return "it closes its position"
        if view.ts_ns < memory.paused_until_ns:
            return f"it pauses for {(memory.paused_until_ns - view.ts_ns) / SECOND_NS:.0f} s more: {memory.paused_for}"
        if not memory.volatility.ready:
            return "volatility is not known yet"
        low = memory.reach.lows.so_far
        span = memory.reach.highs.so_far - low
        if not span <= self.max_range * low:
            return f"the price moved over {span / low / BPS:.0f} bp, max_range_bps is {self.params.max_range_bps:g}"
        return ""

    def _quotes(self, memory: M, view: View, position: float, touch: BboView, fair: float) -> tuple[Quote, ...]:
        """The quotes wanted; an old one that is near enough stays."""
        params, instrument, cap = self.params, self.instrument, self.params.max_position
        tick, lot = view.tick_size(instrument), view.lot_size(instrument)
        centre, half, highest, lowest = self.around(memory, view, position, fair)
        highest, lowest = min(highest, touch.ask - tick), max(lowest, touch.bid + tick)
        tolerance = max(params.tolerance_ticks * tick, self.tolerance * fair)
        old = {quote.side * (quote.level + 1): quote for quote in view.desired.quotes}
        bid_qty = ask_qty = params.qty
        if params.size_skew and position:
            small = params.qty * exp(-params.size_skew * min(1.0, abs(position) / cap))
            bid_qty, ask_qty = (small, ask_qty) if position > 0 else (bid_qty, small)
        quotes = []
        for level in range(params.levels):
            reach = half + level * self.spacing * fair
            for side, each, room, price, limit in (
                (1, bid_qty, cap - position, centre - reach, highest),
                (-1, ask_qty, cap + position, centre + reach, lowest),
            ):
                qty = min(each, room - level * each)
                within = min(price, limit) if side > 0 else max(price, limit)
                if qty < lot or not (price > 0.0 and within > 0.0):
                    continue
                before = old.get(side * (level + 1))
                if before is not None and stays(before, within, qty, limit, tolerance):
                    quotes.append(before)
                else:
                    quotes.append(Quote(instrument=instrument, side=side, price=within, qty=qty, level=level))
        return tuple(quotes)

    def _exits(self, memory: M, view: View) -> tuple[tuple[Target, ...], tuple[Protection, ...]]:
        """Target flat while exiting, and the stop of the position."""
        if not memory.side or view.warming:
            return (), ()
        targets: tuple[Target, ...] = ()
        protections: tuple[Protection, ...] = ()
        if memory.exiting:
            targets = (Target(instrument=self.instrument, want=Qty(0.0), entry=memory.entry, style=Style.TAKE),)
        if self.params.stop_pct:
            stop = view.entry_price(self.instrument) * (1 - memory.side * self.params.stop_pct / 100)
            if not memory.stop or (stop - memory.stop) * memory.side > 0:
                memory.stop = stop
            protections = (Protection(instrument=self.instrument, entry=memory.entry, stop=memory.stop),)
        return targets, protections


def stays(before: Quote, price: float, qty: float, limit: float, tolerance: float) -> bool:
    """True when a quote may stay where it is: right in size, near `price`, and not past the post-only `limit`."""
    if before.qty != qty or abs(before.price - price) > tolerance:
        return False
    return before.price <= limit if before.side > 0 else before.price >= limit
