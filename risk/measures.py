"""The formulas of what breakers watch: from samples in a window to one number. docs/risk.md has each in words.

A sample is (time, value, count). Values are integers, so that a sum does not depend on its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

Sample: TypeAlias = tuple[int, int, int]
"""(ts_ns, value, count): what the value is stands with each measure."""

LEAST_ORDERS = 5
"""Round trips without which latency is not judged."""
LEAST_REQUESTS = 20
"""Requests without which the error rate is not judged: one lost answer in three is no rate."""
LEAST_COVER = 2
"""Load is judged once samples cover the window divided by this."""
LEAST_PRICES = 5
"""Prices without which there is no mean that a price could leave."""
MOST_SAMPLES = 4_096
"""Kept of one measure: more than the longest window (`risk.matrix.LONGEST_WINDOW_NS`) has of one every five seconds."""
MILLION = 1_000_000


def since(samples: list[Sample], start_ns: int) -> None:
    """Forget samples of before `start_ns`."""
    kept = next((i for i, sample in enumerate(samples) if sample[0] >= start_ns), len(samples))
    if kept:
        del samples[:kept]


def keep(samples: list[Sample], sample: Sample) -> None:
    """Keep one more; the oldest makes room for it."""
    samples.append(sample)
    if len(samples) > MOST_SAMPLES:
        del samples[: len(samples) - MOST_SAMPLES]


def latency_ms(samples: Sequence[Sample]) -> Decimal | None:
    """Median round trip: each sample is the median (ns) of `count` orders, and weighs as much. None: too few."""
    orders = sum(count for _, _, count in samples)
    if orders < LEAST_ORDERS:
        return None
    so_far = 0
    for _, value, count in sorted(samples, key=lambda sample: sample[1]):
        so_far += count
        if 2 * so_far >= orders:
            return Decimal(value) / MILLION
    return None


def error_rate(samples: Sequence[Sample]) -> Decimal | None:
    """Failed requests (the values) of all requests (the counts). None: too few."""
    requests = sum(count for _, _, count in samples)
    return Decimal(sum(value for _, value, _ in samples)) / requests if requests >= LEAST_REQUESTS else None


def load(samples: Sequence[Sample], window_ns: int) -> Decimal | None:
    """Mean load: the values are parts per million. None until the samples cover half of the window."""
    if len(samples) < 2 or (samples[-1][0] - samples[0][0]) * LEAST_COVER < window_ns:
        return None
    return Decimal(sum(value for _, value, _ in samples)) / len(samples) / MILLION


def distance(price: int, prices: Sequence[Sample]) -> Decimal | None:
    """|price / mean of the window's prices - 1|. None: too few prices."""
    if len(prices) < LEAST_PRICES or price <= 0:
        return None
    total = sum(value for _, value, _ in prices)
    return Decimal(abs(price * len(prices) - total)) / total


def spread(bid: int, ask: int) -> Decimal | None:
    """(ask - bid) / middle. None while one of them is not known."""
    return Decimal(2 * (ask - bid)) / (ask + bid) if bid > 0 and ask > 0 else None
