"""What market data costs: microseconds from a frame's bytes to a domain event, synthetic events a second, conflation.

Frames are made here in Hyperliquid's wire format, 20 levels a side, of which five change from one frame to the
next, as they did on average in a recorded half minute of BTC; the decoder remembers texts it has seen.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import time
from collections.abc import Callable
from decimal import Decimal

import msgspec

from domain.instrument import Instrument
from engine.data.conflate import Conflator
from engine.data.synthetic import SyntheticMarket
from research.bench.journal import Row

BTC = Instrument(
    id="BTC-USDC-PERP.HYPERLIQUID",
    venue_symbol="BTC",
    price_decimals=1,
    qty_decimals=5,
    max_significant=5,
    min_notional=Decimal(10),
)
START_NS = 1_700_000_000_000_000_000
ROUNDS = 15


def run(frames: int = 1_000, events: int = 200_000) -> list[Row]:
    """Measure on `frames` frames (best of 15 rounds) and `events` synthetic events; about 5 s by default."""
    return [*wire_rows(frames), *synthetic_rows(events)]


def book_frames(count: int) -> list[bytes]:
    """`count` l2Book frames of 20 + 20 levels, five sizes changing each time."""
    sizes = [[f"{1 + at}.{at:05}" for at in range(20)] for _ in range(2)]
    made = []
    for number in range(count):
        for change in range(5):
            sizes[change % 2][(number * 7 + change * 3) % 20] = f"{1 + change}.{(number * 131 + change) % 100_000:05}"
        levels = [
            [{"px": f"{105_055 + side - at * (1 - 2 * side)}.0", "sz": sizes[side][at], "n": 5} for at in range(20)]
            for side in range(2)
        ]
        message = {"channel": "l2Book", "data": {"coin": "BTC", "time": START_NS // 10**6 + number, "levels": levels}}
        made.append(msgspec.json.encode(message))
    return made


def wire_rows(count: int) -> list[Row]:
    """Frame bytes to event, for a book, a quote and a trade."""
    # By name: research does not build on this venue, it only measures it.
    wire = importlib.import_module("exchanges.hyperliquid.wire")
    touch = [{"px": "105055.0", "sz": "2.0", "n": 1}, {"px": "105056.0", "sz": "2.0", "n": 1}]
    quote = {"channel": "bbo", "data": {"coin": "BTC", "time": 1, "bbo": touch}}
    sold = {"coin": "BTC", "side": "A", "px": "105055.0", "sz": "0.00219", "time": 1, "hash": "0x0", "tid": 1}
    trade = {"channel": "trades", "data": [sold]}
    codec = wire.CoinCodec(BTC)
    cases: list[tuple[str, list[bytes], Callable[[bytes], object]]] = [
        ("l2Book 20+20", book_frames(count), lambda frame: codec.book(wire.decode(frame).data, 1)),
        ("bbo", [msgspec.json.encode(quote)] * count, lambda frame: codec.bbo(wire.decode(frame).data, 1)),
        ("trades x1", [msgspec.json.encode(trade)] * count, lambda frame: codec.trade(wire.decode(frame).data[0], 1)),
    ]
    rules = "JSON bytes to validated integer event; exact prices; crossed books refused"
    return [
        Row(case=f"Hyperliquid {name} frame to event", value=_best_us(frames, make), unit="us", rules=rules)
        for name, frames, make in cases
    ]


def _best_us(frames: list[bytes], make: Callable[[bytes], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        began = time.perf_counter_ns()
        for frame in frames:
            make(frame)
        best = min(best, (time.perf_counter_ns() - began) / len(frames) / 1_000)
    return best


def synthetic_rows(count: int) -> list[Row]:
    """Making events, and thinning them."""
    market = SyntheticMarket([BTC], 7, START_NS)
    began = time.perf_counter()
    events = list(itertools.islice(market.events(), count))
    made_s = time.perf_counter() - began
    kept = 0

    def count_up(_: object) -> None:
        nonlocal kept
        kept += 1

    conflator = Conflator(count_up, cadence_ns=1_000_000_000)
    began = time.perf_counter()
    for event in events:
        conflator.put(event)
    put_us = (time.perf_counter() - began) / count * 1e6
    rules = "one instrument; quotes, books of 10+10, trades, marks, one-minute bars"
    return [
        Row(case="synthetic market events", value=count / made_s, unit="1/s", rules=rules),
        Row(case="conflation per event", value=put_us, unit="us", rules=f"cadence 1 s; {kept} of {count} passed on"),
    ]
