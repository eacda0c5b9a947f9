"""Market maker: post-only bids and asks around a fair price, leaning against its own inventory.

Believes that most trades are noise that comes back, so that who waits earns the spread from who hurries. Loses
when flow is informed: one side is filled again and again while price runs (adverse selection), when the spread
earned is less than two maker fees, when volatility jumps between two wakes, and on the stop when it fires at
the end of a spike. At tier-0 fees (1.5 bp) many markets are too tight for it: then it quotes behind the touch
and is filled only by sweeps, the worst kind of flow.

    fair         micro-price (bid x ask size + ask x bid size) / (sizes), or mid; less the funding carry
    half spread  maker fee + minimum edge + vol_factor x sigma x sqrt(horizon)
    skew         fair is moved by -skew x half spread x position / max_position (linear in inventory)
    levels       `levels` per side, `level_spacing_bps` apart, each `qty`, together never past `max_position`
    silence      when the range of the last `range_s` seconds is above `max_range_bps`; while sigma is unknown
    exit         at `kill_position`, after `max_age_s`, or by the resting stop (`stop_pct` from the average entry
                 price, only ever tighter); then a pause of `pause_s`

Sources: reservation price and spread that grow with inventory and sigma, Avellaneda & Stoikov, Quantitative Finance
8(3), 2008; the form without a horizon, bid = fair - half - skew q and ask = fair + half - skew q, Gueant, Lehalle &
Fernandez-Tapia, arXiv 1105.3115; micro-price, Stoikov 2018. Here half and skew are set by fee and volatility
instead of fitted order intensities: parameters that a person can check. The funding carry is ours.

A quote is moved only when it is further than the tolerance from where it should be: messages are a budget, and a
moved quote loses its place in the queue. So a fill may earn less than the edge by as much as the tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Annotated, Literal

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


class MarketMakerParams(Params):
    """Parameters of `MarketMaker`."""

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
    maker_fee_bps: Annotated[float, AddsRisk.LOWERED] = Field(
        1.5, ge=-10, le=100, description="fee of a maker fill in basis points"
    )
    min_edge_bps: Annotated[float, AddsRisk.LOWERED] = Field(
        0.5, ge=0, le=1000, description="least gain of a fill over fair and fee"
    )
    vol_factor: Annotated[float, AddsRisk.LOWERED] = Field(
        1.0, ge=0, le=20, description="half spread per sigma over the horizon"
    )
    vol_tau_s: float = Field(60.0, gt=0, le=86400, description="memory of the volatility in seconds")
    sample_s: float = Field(1.0, gt=0, le=60, description="seconds between samples of the fair price")
    settle_s: Annotated[float, AddsRisk.LOWERED] = Field(
        10.0, ge=0, le=3600, description="seconds of market seen before the first quote"
    )
    horizon_s: float = Field(5.0, gt=0, le=3600, description="seconds that a quote is exposed")
    skew: float = Field(0.5, ge=0, le=2, description="shift at max_position in half spreads")
    carry_intervals: float = Field(0.0, ge=0, le=1000, description="funding intervals that a position is held")
    range_s: float = Field(60.0, gt=0, le=3600, description="window of the range in seconds")
    max_range_bps: Annotated[float, AddsRisk.RAISED] = Field(
        50.0, gt=0, le=10000, description="range of the window above which it is silent"
    )
    kill_position: float = Field(0.0, ge=0, description="position in base units that is closed at once, 0 = none")
    stop_pct: float = Field(0.0, ge=0, lt=100, description="stop from the average entry price in percent, 0 = none")
    max_age_s: float = Field(0.0, ge=0, description="age of a position at which it is closed, 0 = none")
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
    def _limits_make_sense(self) -> MarketMakerParams:
        if self.qty > self.max_position:
            raise ValueError(f"qty ({self.qty}) is more than max_position ({self.max_position}): it could never quote")
        if self.kill_position and self.kill_position <= self.max_position:
            raise ValueError("kill_position must be above max_position: it is for what slipped past the cap")
        return self


class MarketMakerMemory(Struct):
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


class MarketMaker(Strategy[MarketMakerMemory, MarketMakerParams]):
    """See the module docstring."""

    kind = "market_maker"
    params_type = MarketMakerParams
    memory_type = MarketMakerMemory

    def __init__(self, instruments: Sequence[InstrumentId], params: MarketMakerParams) -> None:
        """Keep the one instrument and the parameters in the units of the arithmetic."""
        super().__init__(instruments, params)
        self.instrument = only_instrument(self.kind, instruments)
        self.floor = (params.maker_fee_bps + params.min_edge_bps) * BPS
        self.vol_weight = params.vol_factor * sqrt(params.horizon_s)
        self.spacing = params.level_spacing_bps * BPS
        self.max_range = params.max_range_bps * BPS
        self.tolerance = params.tolerance_bps * BPS
        self.sample_ns = int(params.sample_s * SECOND_NS)
        self.pause_ns = int(params.pause_s * SECOND_NS)
        self.max_age_ns = int(params.max_age_s * SECOND_NS)
        self.micro = params.fair == "micro"

    def feeds(self) -> tuple[Feed, ...]:
        """Best bid and offer, or the book."""
        kind = FeedKind.BBO if self.params.feed == "bbo" else FeedKind.BOOK
        return (Feed(kind=kind, instrument=self.instrument),)

    def start(self) -> MarketMakerMemory:
        """Nothing seen."""
        params = self.params
        samples = max(1, round(params.range_s / params.sample_s))
        return MarketMakerMemory(EwmaVolatility(params.vol_tau_s, params.settle_s), Donchian.of(samples))

    def decide(self, memory: MarketMakerMemory, view: View) -> tuple[MarketMakerMemory, Desired]:
        """Quotes for the market and position as they are now."""
        position = view.position(self.instrument)
        touch = view.bbo(self.instrument)
        fair = self._fair(touch)
        if fair and view.ts_ns >= memory.next_sample_ns:
            self._sample(memory, view.ts_ns, fair)
        self._follow_position(memory, view, position)
        old = view.desired
        quotes: tuple[Quote, ...] = ()
        if touch is not None and fair and self._may_quote(memory, view):
            quotes = self._quotes(memory, view, position, touch, fair)
        targets, protections = self._exits(memory, view)
        if quotes == old.quotes and targets == old.targets and protections == old.protections:
            return memory, old
        return memory, Desired(targets=targets, quotes=quotes, protections=protections)

    def _fair(self, touch: BboView | None) -> float:
        """Fair price without carry; 0.0 when there is no sound touch (none, crossed, empty or NaN)."""
        if touch is None or not 0.0 < touch.bid < touch.ask:
            return 0.0
        if not self.micro:
            return (touch.bid + touch.ask) / 2
        sizes = touch.bid_qty + touch.ask_qty
        if not sizes > 0.0:
            return 0.0
        return (touch.bid * touch.ask_qty + touch.ask * touch.bid_qty) / sizes

    def _sample(self, memory: MarketMakerMemory, ts_ns: int, fair: float) -> None:
        memory.volatility.update(ts_ns, fair)
        memory.reach.update(fair, fair)
        memory.next_sample_ns = ts_ns + self.sample_ns

    def _follow_position(self, memory: MarketMakerMemory, view: View, position: float) -> None:
        """Name and age the position, and decide whether it has to go."""
        side = (position > 0) - (position < 0)
        if side != memory.side:
            if memory.exiting:
                memory.exiting = False
                memory.paused_until_ns = view.ts_ns + self.pause_ns
            memory.side, memory.opened_ns = side, view.ts_ns
            memory.entry = f"{view.ts_ns}:{side}" if side else ""
            memory.stop = 0.0
        if view.wake == Wake.FILL and view.fill.protective and view.fill.instrument == self.instrument:
            memory.paused_until_ns = view.ts_ns + self.pause_ns
        if side and not memory.exiting:
            kill = self.params.kill_position
            too_large = kill and abs(position) >= kill
            too_old = self.max_age_ns and view.ts_ns - memory.opened_ns >= self.max_age_ns
            memory.exiting = bool(too_large or too_old)

    def _may_quote(self, memory: MarketMakerMemory, view: View) -> bool:
        if view.warming or memory.exiting or view.ts_ns < memory.paused_until_ns or not memory.volatility.ready:
            return False
        low = memory.reach.lows.so_far
        return memory.reach.highs.so_far - low <= self.max_range * low

    def _quotes(
        self, memory: MarketMakerMemory, view: View, position: float, touch: BboView, fair: float
    ) -> tuple[Quote, ...]:
        """The quotes wanted; an old one that is near enough stays."""
        params, instrument = self.params, self.instrument
        tick, lot, cap = view.tick_size(instrument), view.lot_size(instrument), params.max_position
        half = fair * (self.floor + self.vol_weight * memory.volatility.value)
        centre = fair - params.skew * half * max(-1.0, min(1.0, position / cap))
        if params.carry_intervals:
            centre -= fair * view.funding_rate(instrument) * params.carry_intervals
        tolerance = max(params.tolerance_ticks * tick, self.tolerance * fair)
        old = {quote.side * (quote.level + 1): quote for quote in view.desired.quotes}
        quotes = []
        for level in range(params.levels):
            reach, taken = half + level * self.spacing * fair, level * params.qty
            for side, room, price, limit in (
                (1, cap - position - taken, centre - reach, touch.ask - tick),
                (-1, cap + position - taken, centre + reach, touch.bid + tick),
            ):
                qty = min(params.qty, room)
                if qty < lot or price <= 0.0:
                    continue
                within = min(price, limit) if side > 0 else max(price, limit)
                before = old.get(side * (level + 1))
                if before is not None and stays(before, within, qty, limit, tolerance):
                    quotes.append(before)
                else:
                    quotes.append(Quote(instrument=instrument, side=side, price=within, qty=qty, level=level))
        return tuple(quotes)

    def _exits(self, memory: MarketMakerMemory, view: View) -> tuple[tuple[Target, ...], tuple[Protection, ...]]:
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
