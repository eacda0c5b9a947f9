"""Round numbers for the axes: of values, and of times (UTC)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil, floor, log10

DAY_S = 86_400
STEPS_S = (
    1,
    5,
    15,
    30,
    60,
    300,
    900,
    1_800,
    3_600,
    7_200,
    14_400,
    21_600,
    43_200,
    DAY_S,
    2 * DAY_S,
    7 * DAY_S,
    14 * DAY_S,
)
STEPS_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)


def values(low: float, high: float, most: int = 5) -> list[float]:
    """At most about `most` multiples of a round step within a range."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10) if power * unit >= rough * 0.999)
    return [n * step for n in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def powers(low: float, high: float) -> list[float]:
    """Round values of a logarithmic scale within a range of positive numbers."""
    every = (1, 2, 5) if high / low < 200 else (1,)
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    return [unit * 10.0**decade for decade in decades for unit in every if low <= unit * 10.0**decade <= high]


def digits(marks: Sequence[float]) -> int:
    """Decimals that tell the marks of a scale apart."""
    step = min((b - a for a, b in pairwise(marks)), default=abs(marks[0]) if marks else 1.0)
    return next((n for n in range(10) if abs(round(step, n) - step) < step * 1e-6), 10) if step else 0


def times(first_ns: int, last_ns: int, most: int = 6) -> list[tuple[int, str]]:
    """Round times within a span and what is written there, oldest first."""
    first_s, last_s = first_ns / 1e9, last_ns / 1e9
    for step in STEPS_S:
        if (last_s - first_s) / step <= most:
            marks = range(ceil(first_s / step) * step, floor(last_s) + 1, step)
            return [(at * 10**9, _words(at, step)) for at in marks]
    for months in STEPS_MONTHS:
        if (last_s - first_s) / (30 * DAY_S) / months <= most:
            break
    found = ((_ns(year, month), f"{year}" if months >= 12 else _month(year, month)) for year, month in
             _months(_utc(first_s), months))  # fmt: skip
    marks_ns = []
    for at_ns, text in found:
        if at_ns > last_ns:
            break
        if at_ns >= first_ns:
            marks_ns.append((at_ns, text))
    return marks_ns


def _words(at_s: int, step: int) -> str:
    when = _utc(at_s)
    if step >= DAY_S or at_s % DAY_S == 0:
        return f"{when.day} {when:%b}"
    return f"{when:%H:%M:%S}" if step < 60 else f"{when:%H:%M}"


def _month(year: int, month: int) -> str:
    return f"{dt.date(year, month, 1):%b %Y}"


def _months(start: dt.datetime, step: int) -> Iterator[tuple[int, int]]:
    index = (start.year * 12 + start.month - 1) // step * step
    while index // 12 < dt.MAXYEAR:
        yield index // 12, index % 12 + 1
        index += step


def _ns(year: int, month: int) -> int:
    return int(dt.datetime(year, month, 1, tzinfo=dt.UTC).timestamp()) * 10**9


def _utc(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
