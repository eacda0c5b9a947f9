"""A market as Avellaneda and Stoikov draw it: a mid that wanders, and orders that reach delta with A exp(-k delta)."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from domain.market import Bbo, MarketEvent, Trade
from tests.engine.strategies.harness import BTC, SECOND_NS, START_NS

STEP_NS = SECOND_NS // 10


def poisson_events(
    seconds: int, seed: int, *, a_per_s: float = 4.0, k: float = 0.5, step: int = 3
) -> Iterator[MarketEvent]:
    """Touches each 100 ms around 10,000.0 and orders of both sides, in ticks of 0.1; `k` is per tick of 0.1."""
    rng, mid, ts_ns = random.Random(seed), 100_000, START_NS
    for _ in range(seconds * 10):
        ts_ns += STEP_NS
        mid += rng.randint(-step, step)
        yield Bbo(ts_ns=ts_ns, instrument=BTC, bid=mid - 1, bid_qty=50_000, ask=mid + 1, ask_qty=50_000)
        for side in (1, -1):
            if rng.random() < a_per_s * math.exp(-k) * 0.1:
                depth = 1 + int(rng.expovariate(k))
                yield Trade(
                    ts_ns=ts_ns + 1 + (side > 0),
                    instrument=BTC,
                    price=mid + side * depth,
                    qty=rng.randint(1_000, 5_000),
                    side=side,
                )
