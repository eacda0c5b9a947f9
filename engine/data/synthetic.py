"""A seeded market for offline starts, tests and simulation: deterministic, and without memory.

Every number is a function of (seed, instrument, time), so a market started again later goes on where the
earlier one would have been, and history is computed, not stored. The same base asset has nearly the same
price on every venue.

    price    fractal noise around a typical price per base asset; half the octaves are common to all
             assets, so they are correlated; the quick octaves swell and fade with a volatility regime
    book     10 levels a side; the size at a price lives a few seconds, round prices are thicker
    trades   2 to 6 a second, at the touch, leaning to where the price goes next (adverse selection)
    bars     made of these trades, delivered at their close
    mark     every 10 s, with a slowly moving funding rate

Two faces: `SyntheticMarket.events` for simulation and backtest, `synthetic_feed.SyntheticFeed` in real time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter

from domain.errors import ConfigError
from domain.instrument import Instrument, InstrumentId
from domain.market import Bar, Feed, FeedKind, MarketEvent
from engine.data.synthetic_source import MARK_STEPS, SECOND_NS, STEP_NS, SyntheticSource

MINUTE_NS = 60 * SECOND_NS

TYPICAL_PRICES: Mapping[str, Decimal] = {
    "BTC": Decimal(60_000),
    "ETH": Decimal(3_000),
    "SOL": Decimal(150),
    "BNB": Decimal(600),
    "AVAX": Decimal(30),
    "LINK": Decimal(15),
    "XRP": Decimal("0.6"),
    "DOGE": Decimal("0.12"),
}
OTHER_PRICE = Decimal(25)
"""Typical price of a base asset that has none of its own."""

CHUNK_STEPS = 600
_by_time = attrgetter("ts_ns")


class SyntheticMarket:
    """Some instruments moving together from `start_ts_ns` (UTC) on.

    `typical_prices` (by base asset) replaces the built-in ones. Raises `ConfigError` for an instrument
    whose tick is too coarse for its typical price.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        seed: int,
        start_ts_ns: int,
        typical_prices: Mapping[str, Decimal] | None = None,
    ) -> None:
        self.instruments = tuple(instruments)
        self.seed = seed
        self.start_ts_ns = start_ts_ns
        typical = {**TYPICAL_PRICES, **(typical_prices or {})}
        self._sources = {i.id: SyntheticSource(i, seed, typical.get(i.base, OTHER_PRICE)) for i in instruments}

    def everything(self) -> list[Feed]:
        """Subscriptions to every kind of data of every instrument, with one-minute bars."""
        return [
            Feed(kind=kind, instrument=instrument.id, interval_ns=MINUTE_NS if kind is FeedKind.BAR else 0)
            for instrument in self.instruments
            for kind in FeedKind
        ]

    def events(
        self,
        feeds: Sequence[Feed] | None = None,
        start_ts_ns: int | None = None,
        chunk_steps: int = CHUNK_STEPS,
    ) -> Iterator[MarketEvent]:
        """Everything that `feeds` ask for (None: `everything`) from `start_ts_ns` on, in time order, without end.

        Each event is stamped with the venue's time in both time fields; latencies are the caller's business.
        `chunk_steps` (100 ms each) are computed at once. Marks of the instruments asked for are included.
        Raises `ConfigError` for an unknown instrument or an interval that is not in whole seconds.
        """
        plan = self._plan(self.everything() if feeds is None else feeds)
        start = self.start_ts_ns if start_ts_ns is None else start_ts_ns
        return self._run(plan, start, chunk_steps)

    def bars(self, instrument: InstrumentId, interval_ns: int, end_ts_ns: int, count: int) -> list[Bar]:
        """The last `count` bars closed at or before `end_ts_ns`, oldest first; the same ones that `events` delivers."""
        source = self._source(instrument)
        _check_interval(interval_ns)
        first_open = (end_ts_ns // interval_ns - count) * interval_ns
        return source.bars(interval_ns, first_open, count)

    def _source(self, instrument: InstrumentId) -> SyntheticSource:
        source = self._sources.get(instrument)
        if source is None:
            known = ", ".join(self._sources) or "none"
            raise ConfigError(f"the synthetic market has no {instrument}; it has {known}")
        return source

    def _plan(self, feeds: Sequence[Feed]) -> list[_Plan]:
        plans: dict[InstrumentId, _Plan] = {}
        for feed in feeds:
            source = self._source(feed.instrument)
            kinds, intervals = plans.get(feed.instrument, (source, frozenset(), ()))[1:]
            if feed.kind is FeedKind.BAR:
                _check_interval(feed.interval_ns)
                intervals = tuple(sorted({*intervals, feed.interval_ns}))
            else:
                kinds |= {feed.kind}
            plans[feed.instrument] = (source, kinds, intervals)
        return list(plans.values())

    def _run(self, plan: list[_Plan], start_ts_ns: int, chunk_steps: int) -> Iterator[MarketEvent]:
        step = start_ts_ns // STEP_NS
        early = True
        while plan:
            chunk: list[MarketEvent] = []
            for source, kinds, intervals in plan:
                chunk += _chunk(source, kinds, intervals, step, step + chunk_steps)
            chunk.sort(key=_by_time)
            if early:
                chunk = [event for event in chunk if event.ts_ns >= start_ts_ns]
                early = False
            yield from chunk
            step += chunk_steps


_Plan = tuple[SyntheticSource, frozenset[FeedKind], tuple[int, ...]]


def _check_interval(interval_ns: int) -> None:
    if interval_ns < SECOND_NS or interval_ns % SECOND_NS:
        raise ConfigError(f"a bar interval of {interval_ns} ns: the synthetic market makes bars of whole seconds")


def _chunk(
    source: SyntheticSource, kinds: frozenset[FeedKind], intervals: tuple[int, ...], first: int, last: int
) -> list[MarketEvent]:
    """One instrument's events of steps first <= s < last; bars that close at a step come before its trades."""
    events: list[MarketEvent] = []
    for interval_ns in intervals:
        opens_from = -(-first * STEP_NS // interval_ns) - 1
        count = (last * STEP_NS - 1) // interval_ns - opens_from
        if count > 0:
            events += source.bars(interval_ns, opens_from * interval_ns, count)
    events += [source.mark(step) for step in range(-(-first // MARK_STEPS) * MARK_STEPS, last, MARK_STEPS)]
    if kinds:
        events += source.micro(first, last, kinds)
    return events
