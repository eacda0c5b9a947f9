"""The same tape in other worlds: cut off, with another future, mirrored, shuffled, years later.

Each is a function from events to events. Events are changed in place: a tape is read anew for every run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import exp, log

from domain.instrument import Instrument, InstrumentId
from domain.market import Bar, Bbo, Book, Mark, MarketEvent, Trade

Events = list[MarketEvent]
Edit = Callable[[Events], Events]
Instruments = dict[InstrumentId, Instrument]
DAY_NS = 86_400_000_000_000
WEEK_NS = 7 * DAY_NS
CALENDAR_NS = 10_227 * DAY_NS
"""28 years: the same weekdays on the same dates, and with them the same changes of the clocks."""


def cut(until_ns: int) -> Edit:
    """Nothing after a time."""
    return lambda events: [event for event in events if event.ts_ns <= until_ns]


def since(from_ns: int) -> Edit:
    """Nothing before a time."""
    return lambda events: [event for event in events if event.ts_ns >= from_ns]


def later(by_ns: int = CALENDAR_NS) -> Edit:
    """The same market at another time."""

    def edit(events: Events) -> Events:
        for event in events:
            event.ts_ns += by_ns
            event.venue_ts_ns += by_ns if event.venue_ts_ns else 0
            if type(event) is Bar:
                event.open_ts_ns += by_ns
        return events

    return edit


def late(most_ns: int) -> Edit:
    """Every bar comes up to `most_ns` later, each by another time; bars of one close by the same."""

    def edit(events: Events) -> Events:
        for event in events:
            if type(event) is Bar:
                event.ts_ns += random.Random(event.open_ts_ns + event.interval_ns).randrange(most_ns)
        return events

    return edit


def mirrored(instruments: Instruments, after_ns: int = 0) -> Edit:
    """What rose falls and what fell rises, from the last price until `after_ns` on.

    Bars by the same factor; ticks by the same distance, so that a spread stays what it is.
    """

    def edit(events: Events) -> Events:
        pivots: dict[InstrumentId, int] = {}
        for event in events:
            price = price_of(event)
            if event.ts_ns <= after_ns or event.instrument not in pivots:
                if price:
                    pivots[event.instrument] = price
                continue
            reflect(event, pivots[event.instrument], instruments[event.instrument].tick)
        return events

    return edit


def multiplied(factor: int) -> Edit:
    """All prices, and the volumes of bars, times a whole number."""

    def edit(events: Events) -> Events:
        for event in events:
            if type(event) is Bar:
                event.open, event.high = event.open * factor, event.high * factor
                event.low, event.close = event.low * factor, event.close * factor
                event.volume *= factor
            elif type(event) is Bbo:
                event.bid, event.ask = event.bid * factor, event.ask * factor
            elif type(event) is Book:
                event.bids = tuple([(price * factor, qty) for price, qty in event.bids])
                event.asks = tuple([(price * factor, qty) for price, qty in event.asks])
            elif isinstance(event, Trade | Mark):
                event.price *= factor
        return events

    return edit


def moved(instruments: Instruments, by: dict[InstrumentId, float], seed: int) -> Edit:
    """The prices of bars, each moved by up to that part of itself, and volumes by as much as a twentieth.

    Bars of different length that close together are moved by the same, and each opens where the one before closed.
    """

    def edit(events: Events) -> Events:
        before: dict[tuple[InstrumentId, int], float] = {}
        for event in events:
            if type(event) is not Bar:
                continue
            rng = random.Random(f"{seed} {event.instrument} {event.open_ts_ns + event.interval_ns}")
            tick, most, key = (
                instruments[event.instrument].tick,
                by[event.instrument],
                (event.instrument, event.interval_ns),
            )
            factor = 1 + rng.uniform(-most, most)
            event.open = on_tick(event.open * before.get(key, 1.0), tick)
            event.high, event.low = on_tick(event.high * factor, tick), on_tick(event.low * factor, tick)
            event.close, before[key] = on_tick(event.close * factor, tick), factor
            event.high = max(event.open, event.high, event.close)
            event.low = min(event.open, event.low, event.close)
            event.volume = round(event.volume * rng.uniform(0.95, 1.05))
        return events

    return edit


def price_of(event: MarketEvent) -> int:
    """A price of this event (0 = it tells none)."""
    if type(event) is Bar:
        return event.close
    if type(event) is Bbo:
        return (event.bid + event.ask) // 2
    if type(event) is Book:
        return (event.bids[0][0] + event.asks[0][0]) // 2 if event.bids and event.asks else 0
    return event.price if isinstance(event, Trade | Mark) else 0


def reflect(event: MarketEvent, pivot: int, tick: int) -> None:
    """Mirror the prices of one event."""
    if type(event) is Bar:
        event.open, event.close = _inverse(event.open, pivot, tick), _inverse(event.close, pivot, tick)
        event.high, event.low = _inverse(event.low, pivot, tick), _inverse(event.high, pivot, tick)
        return
    twice = 2 * pivot // tick * tick
    if type(event) is Bbo:
        event.bid, event.ask = max(tick, twice - event.ask), max(2 * tick, twice - event.bid)
        event.bid_qty, event.ask_qty = event.ask_qty, event.bid_qty
    elif type(event) is Book:
        event.bids, event.asks = (
            tuple([(twice - price, qty) for price, qty in event.asks if price < twice]),
            tuple([(twice - price, qty) for price, qty in event.bids if price < twice]),
        )
    elif type(event) is Trade:
        event.price, event.side = max(tick, twice - event.price), -event.side
    elif type(event) is Mark:
        event.price = _inverse(event.price, pivot, tick)


def _inverse(price: int, pivot: int, tick: int) -> int:
    return on_tick(pivot * pivot / price, tick) if price > 0 else price


def on_tick(price: float, tick: int) -> int:
    """The nearest price that the instrument can have."""
    return max(tick, round(price / tick) * tick)


def noise(instruments: Instruments, seed: int, count: int = 0) -> Edit:
    """Bars in another order, each with its own shape and as likely upside down: a market without any drift or memory.

    Of each instrument the first `count` bars (0 = all) keep their times; everything that is no bar is left out. All
    instruments are shuffled alike, so that those that move together go on doing so.
    """

    def edit(events: Events) -> Events:
        made: Events = []
        for name, instrument in instruments.items():
            bars = [event for event in events if type(event) is Bar and event.instrument == name]
            made += _shuffled(bars, instrument.tick, random.Random(seed), count or len(bars))
        made.sort(key=lambda event: event.ts_ns)
        return made

    return edit


def _shuffled(bars: Sequence[Bar], tick: int, rng: random.Random, count: int) -> list[Bar]:
    shapes = [
        (
            log(bar.open / before.close),
            log(bar.high / before.close),
            log(bar.low / before.close),
            bar.close / before.close,
        )
        for before, bar in pairwise(bars)
        if min(bar.open, bar.high, bar.low, bar.close, before.close) > 0
    ]
    volumes = [bar.volume for bar in bars]
    rng.shuffle(shapes)
    level = float(bars[0].close) if bars else 0.0
    made = list(bars[:1])
    for bar, volume, (first, high, low, growth) in zip(bars[1:count], volumes[1:], shapes, strict=False):
        side = rng.choice((1, -1))
        bar.open, bar.close = on_tick(level * exp(side * first), tick), on_tick(level * growth**side, tick)
        reached = on_tick(level * exp(side * high), tick), on_tick(level * exp(side * low), tick)
        bar.high, bar.low = max(*reached, bar.open, bar.close), min(*reached, bar.open, bar.close)
        bar.volume = volume
        level *= growth**side
        made.append(bar)
    return made
