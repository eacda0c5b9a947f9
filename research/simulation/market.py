"""A cheap seeded market: best bid and offer, trades, ten-second bars and marks of three contracts.

Small books, so that orders fill in parts; now and then a jump, so that stops fire. All of it is drawn
before the day begins, so nothing that the engine does changes what the market does.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from msgspec import Struct

from domain.instrument import Instrument, InstrumentId
from domain.market import Bar, Bbo, Mark, MarketEvent, Trade
from domain.settings import SECOND_NS
from research.simulation.cast import MID
from research.simulation.plan import FLATTEN_NS

BAR_NS = 10 * SECOND_NS
WARMUP_BARS = 60
AT_THE_END = 20
"""The book is so many times deeper when everything is to be closed."""


class Walk(Struct):
    """One contract's price on its way, in ticks of the contract."""

    instrument: Instrument
    mid: int
    spread: int
    liquid: int
    """A usual size at the touch, in integer scale."""


def day(
    random: Random, instruments: Sequence[Instrument], begin_ns: int, end_ns: int, *, stormy: bool
) -> list[MarketEvent]:
    """All market events of a day-part, in order of time; a stormy one moves several per cent."""
    events: list[MarketEvent] = []
    gap_s = random.choice((5.0, 6.0, 7.0))
    wild = 50.0 if stormy else random.choice((2.0, 5.0, 12.0))
    common = _steps(random, begin_ns, end_ns, wild)
    for instrument in instruments:
        start = MID[instrument.id]
        liquid = max(1, round(40_000 / float(instrument.notional(start, 1))))
        walk = Walk(instrument, start // instrument.tick, random.choice((1, 2, 6)), liquid)
        events += _contract(random, walk, begin_ns, end_ns, gap_s, common)
    events.sort(key=lambda event: event.ts_ns)
    return events


def _steps(random: Random, begin_ns: int, end_ns: int, wild: float) -> list[float]:
    """What all contracts do together: moves in basis points, one for every second."""
    moves: list[float] = []
    for _ in range((end_ns - begin_ns) // SECOND_NS + 1):
        move = random.gauss(0.0, wild / 10)
        if random.random() < 0.004:
            move += random.choice((-1, 1)) * random.uniform(5.0, 60.0)
        moves.append(move)
    return moves


def _contract(
    random: Random, walk: Walk, begin_ns: int, end_ns: int, gap_s: float, common: Sequence[float]
) -> list[MarketEvent]:
    events: list[MarketEvent] = []
    name, tick = walk.instrument.id, walk.instrument.tick
    price = float(walk.mid)
    bar = [walk.mid * tick] * 4
    bar_open_ns = begin_ns // BAR_NS * BAR_NS
    mark_ns = begin_ns
    ts_ns, second = begin_ns, 0
    while True:
        ts_ns += int(random.expovariate(1 / gap_s) * SECOND_NS) + 1_000_000
        if ts_ns >= end_ns:
            return events
        now = (ts_ns - begin_ns) // SECOND_NS
        move = sum(common[second:now]) + random.gauss(0.0, 0.4)
        second = now
        price *= 1 + move * 1e-4
        while bar_open_ns + BAR_NS <= ts_ns:
            events.append(_bar(name, bar_open_ns, bar))
            bar_open_ns += BAR_NS
            bar = [bar[3]] * 4
        if ts_ns >= mark_ns:
            rate = Decimal(random.randint(-30, 60)).scaleb(-5)
            events.append(Mark(ts_ns=ts_ns, instrument=name, price=int(price) * tick, funding_rate=rate))
            mark_ns = ts_ns + 40 * SECOND_NS
        bid = int(price) - walk.spread // 2
        lot = walk.instrument.lot
        liquid = walk.liquid * (AT_THE_END if ts_ns > FLATTEN_NS else 1)
        sizes = [(int(liquid * random.random() ** 2) // lot + 1) * lot for _ in range(3)]
        ask = bid + walk.spread
        touch = Bbo(instrument=name, ts_ns=ts_ns, bid=bid * tick, bid_qty=sizes[0], ask=ask * tick, ask_qty=sizes[1])
        events.append(touch)
        last = (bid if random.random() < 0.5 else ask) * tick
        bar = [bar[0], max(bar[1], last), min(bar[2], last), last]
        if random.random() < 0.4:
            side = random.choice((1, -1))
            through = random.choice((0, 0, 0, 4))
            paid = (ask + through if side > 0 else bid - through) * tick
            later_ns = ts_ns + random.randrange(SECOND_NS // 2)
            events.append(Trade(ts_ns=later_ns, instrument=name, price=paid, qty=sizes[2], side=side))


def _bar(name: InstrumentId, open_ns: int, bar: Sequence[int]) -> Bar:
    first, high, low, last = bar
    return Bar(
        ts_ns=open_ns + BAR_NS,
        instrument=name,
        interval_ns=BAR_NS,
        open_ts_ns=open_ns,
        open=first,
        high=high,
        low=low,
        close=last,
        volume=1,
    )


def history(instrument: InstrumentId, until_ns: int, seen: Sequence[Bar], count: int) -> tuple[Bar, ...]:
    """Finished bars for a warm-up: what the day has shown, and a quiet past before it."""
    bars = [bar for bar in seen if bar.instrument == instrument and bar.ts_ns <= until_ns][-count:]
    first_ns = bars[0].open_ts_ns if bars else until_ns // BAR_NS * BAR_NS
    flat = MID[instrument]
    missing = count - len(bars)
    past = [
        _bar(instrument, first_ns - (missing - n) * BAR_NS, (flat, flat + 50, flat - 50, flat)) for n in range(missing)
    ]
    return (*past, *bars)
