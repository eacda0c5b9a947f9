"""Markets with something planted in them, and the same markets without: bars, books of two venues, orders of a crowd.

Everything is drawn from a seed. Prices are around 10,000 (USD), bars of five minutes.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import numpy as np
from msgspec.structs import replace

from domain.instrument import Instrument, InstrumentId
from domain.market import Bbo, Book, Mark, MarketEvent, Trade
from engine.data.tables import BarTable
from research.market_data import DataKind, MarketData, bar_data
from research.strategies_on_record.cases import CORE

SECOND_NS = 1_000_000_000
BAR_NS = 300 * SECOND_NS
START_NS = 1_760_000_100_000_000_000
BARS = 3_000
BTC, ETH, SOL = "BTC-USDC-PERP.PAPER", "ETH-USDC-PERP.PAPER", "SOL-USDC-PERP.PAPER"
THERE = "BTC-USDT-PERP.BINANCE"
PRICE = 10_000.0
NOTE = "MADE UP: a result on it says that the machinery works, and is no evidence of anything else"
Path = list[float]
"""Log prices relative to the first, one a bar."""


def like(name: InstrumentId) -> Instrument:
    """The first configured contract under another name, with prices of any number of digits."""
    return replace(CORE.instruments[0], id=name, aliases=(), max_significant=0)


def bars(name: InstrumentId, path: Sequence[float], seed: int, step: float) -> MarketData:
    """Bars whose closes follow a path; each opens where the last one closed.

    Highs and lows are those of a Brownian bridge from open to close whose deviation is `step`. Bars that went straight
    from open to close would pay whoever has a stop: a price that has come to it would always go further.
    """
    rng = np.random.default_rng(seed)
    closed = np.asarray(path)
    opened = np.concatenate(([0.0], closed[:-1]))
    reach = [np.sqrt((closed - opened) ** 2 - 2 * step**2 * np.log(1.0 - rng.random(len(closed)))) for _ in "hl"]
    closes = np.round(PRICE * np.exp(closed), 1)
    opens = np.concatenate(([PRICE], closes[:-1]))
    high = np.maximum(np.round(PRICE * np.exp((opened + closed + reach[0]) / 2), 1), np.maximum(opens, closes))
    low = np.minimum(np.round(PRICE * np.exp((opened + closed - reach[1]) / 2), 1), np.minimum(opens, closes))
    times = START_NS + BAR_NS * np.arange(len(closes), dtype=np.int64)
    table = BarTable(
        name=f"made {name.partition('-')[0]}",
        interval_ns=BAR_NS,
        open_ts_ns=times,
        open=opens,
        high=high,
        low=low,
        close=closes,
        volume=np.full(len(closes), 100.0),
    )
    columns = b"".join(column.tobytes() for column in (times, opens, high, low, closes))
    return bar_data(table, like(name), None, hashlib.sha256(columns).hexdigest(), (NOTE,))


def walk(seed: int, step: float, count: int = BARS) -> Path:
    """A random walk: what comes next has nothing to do with what was."""
    rng, at, found = random.Random(seed), 0.0, []
    for _ in range(count):
        at += rng.gauss(0.0, step)
        found.append(at)
    return found


def pulled(seed: int, step: float, half_life: float, count: int = BARS) -> Path:
    """An Ornstein-Uhlenbeck process: half of what is off its mean is gone after `half_life` bars."""
    rng, at, found, keeps = random.Random(seed), 0.0, [], 0.5 ** (1 / half_life)
    for _ in range(count):
        at = keeps * at + rng.gauss(0.0, step)
        found.append(at)
    return found


def trends(seed: int, drift: float, step: float, length: int, count: int = BARS) -> Path:
    """A walk that drifts up or down, tossed anew every `length` bars."""
    rng, at, found, side = random.Random(seed), 0.0, [], 1
    for number in range(count):
        side = rng.choice((1, -1)) if number % length == 0 else side
        at += side * drift + rng.gauss(0.0, step)
        found.append(at)
    return found


def bursts(seed: int, calm: float, drift: float, count: int = BARS) -> Path:
    """Forty bars about a level, then ten that run one way to the next."""
    rng, level, found, side = random.Random(seed), 0.0, [], 1
    for number in range(count):
        side = rng.choice((1, -1)) if number % 50 == 0 else side
        level += side * drift if number % 50 >= 40 else 0.0
        found.append(level + rng.gauss(0.0, calm))
    return found


def waves(seed: int, height: float, length: int, step: float, count: int = BARS) -> Path:
    """A sine with a little noise on it."""
    rng = random.Random(seed)
    return [height * math.sin(2 * math.pi * n / length) + rng.gauss(0.0, step) for n in range(count)]


def followed(seed: int, jump: float, share: float, *, is_led: bool, count: int = BARS) -> tuple[Path, Path, Path]:
    """A leader that jumps in one bar of ten, and two that jump by `share` of it a bar later, or by their own toss."""
    rng = random.Random(seed)
    leader, one, two = 0.0, 0.0, 0.0
    paths: tuple[Path, Path, Path] = ([], [], [])
    before, own = 0.0, [0.0, 0.0]
    for _ in range(count):
        now = rng.choice((jump, -jump)) if rng.random() < 0.1 else 0.0
        tossed = [rng.choice((jump, -jump)) if rng.random() < 0.1 else 0.0 for _ in own]
        leader += now + rng.gauss(0.0, jump / 20)
        one += share * (before if is_led else tossed[0]) + rng.gauss(0.0, jump / 20)
        two += share * (before if is_led else tossed[1]) + rng.gauss(0.0, jump / 20)
        before = now
        for path, at in zip(paths, (leader, one, two), strict=True):
            path.append(at)
    return paths


def ticks(name: InstrumentId, told: str, span_ns: int, events: Callable[[], Iterator[MarketEvent]]) -> MarketData:
    """A source of made-up events; `told` is what makes them, and is hashed."""

    def tape(latency_ns: int, *_: int) -> Iterator[MarketEvent]:
        for event in events():
            event.ts_ns += latency_ns
            yield event

    return MarketData(
        name=f"made {told}",
        kind=DataKind.SIMULATED,
        instrument=like(name),
        tape=tape,
        first_ns=START_NS,
        last_ns=START_NS + span_ns,
        sha256=hashlib.sha256(f"{name} {told} {span_ns}".encode()).hexdigest(),
        notes=(NOTE,),
    )


Quoted = Callable[[int], tuple[float, float]]
"""Seconds since the start to the middle of a book (USD) and the funding rate of an interval (a fraction)."""


def venue(name: InstrumentId, told: str, quoted: Quoted, seconds: int, every_s: int, half: float = 0.5) -> MarketData:
    """A venue whose book stands `half` either side of its middle, with 10 BTC there; a mark with every book."""

    def events() -> Iterator[MarketEvent]:
        for second in range(0, seconds, every_s):
            mid, rate = quoted(second)
            ts_ns = START_NS + second * SECOND_NS
            bid, ask = round((mid - half) * 10), round((mid + half) * 10)
            mark = Decimal(repr(rate))
            yield Mark(ts_ns=ts_ns, venue_ts_ns=ts_ns, instrument=name, price=round(mid * 10), funding_rate=mark)
            deep = 1_000_000
            yield Book(ts_ns=ts_ns, venue_ts_ns=ts_ns, instrument=name, bids=((bid, deep),), asks=((ask, deep),))

    return ticks(name, told, seconds * SECOND_NS, events)


def crowd(seed: int, seconds: int, *, knows: float) -> MarketData:
    """Market orders that reach an exponential depth into a book eight basis points wide; the middle wanders.

    `knows`: how far the middle follows an order, as a share of its depth: 0 = orders are noise, 1 = they are right.
    """

    def events() -> Iterator[MarketEvent]:
        rng, mid, ts_ns = random.Random(seed), PRICE * 10, START_NS
        for number in range(seconds * 10):
            ts_ns += SECOND_NS // 10
            mid += rng.gauss(0.0, 1.0)
            at = round(mid)
            touch = {"bid": at - 40, "bid_qty": 50_000, "ask": at + 40, "ask_qty": 50_000}
            yield Bbo(ts_ns=ts_ns, venue_ts_ns=ts_ns, instrument=BTC, **touch)
            side = rng.choice((1, -1))
            if rng.random() < 0.03:
                depth = 1 + int(rng.expovariate(1 / 40))
                price, qty = at + side * depth, rng.randint(1_000, 5_000)
                ts = ts_ns + 1
                yield Trade(
                    ts_ns=ts, venue_ts_ns=ts, instrument=BTC, price=price, qty=qty, side=side, trade_id=f"{number}"
                )
                mid += side * depth * knows

    return ticks(BTC, f"crowd, seed {seed}, knows {knows}", seconds * SECOND_NS, events)
