"""How often the price breakers of the matrix trip for nothing, over recorded bars.

A trip is FALSE when the guarded measure would not have worsened by half of its threshold before the breaker could have
been tried again: nobody would have been spared anything. The definition, the rules (the mission's, untouched) and the
split (each file cut in two halves by time) were fixed before anything was looked at; nothing is fitted to either half.

    volatility      the price of that symbol; worse = the distance from the mean at the trip grows by half of the band
    portfolio_loss  a portfolio that holds the asset, long or short, for all of its equity anew each day
    drawdown        the same without the new start each day; after a trip it begins anew at the end of the cool-down

The pause is the state machine that trades (`risk.breaker`), with one look at each close. Losses are judged every few
seconds live, so they trip at the threshold itself wherever a bar's worst price passes it, and the rest of that bar
counts to what came after; a price that jumped over the threshold counts as if it had walked.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

from msgspec import Struct

from domain.breakers import MINUTE_NS, BreakerRule, Watch
from domain.errors import DataError
from domain.settings import DAY_NS
from engine.data.importers import Stamp, read_bars
from engine.data.tables import BarTable
from risk import measures
from risk.breaker import Breaker, BreakerState, judge
from risk.matrix import DEFAULTS
from risk.measures import Sample

LEAST_TRIPS = 50
"""With fewer, a rate says nothing."""
WORSE = Decimal("0.5")
"""By this part of its threshold the measure has to grow, or the trip was false."""
Z = 1.959963984540054
"""Of the 95 % interval."""
SCALE = 10**10
"""Prices as integers, as the core has them."""


class Trip(Struct, frozen=True):
    """One trip: when, at which measure, and the worst that it came to before it could be tried again."""

    ts_ns: int
    at: Decimal
    worst: Decimal
    is_false: bool


class Rate(Struct, frozen=True):
    """False trips of all, with Wilson's 95 % interval."""

    false: int
    trips: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson, J. Am. Stat. Assoc. 22 (1927): holds for small numbers and at both ends."""
        n, p = self.trips, self.false / self.trips if self.trips else 0.0
        if not n:
            return 0.0, 1.0
        middle, half = p + Z * Z / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        return max(0.0, (middle - half) / (1 + Z * Z / n)), min(1.0, (middle + half) / (1 + Z * Z / n))

    @property
    def text(self) -> str:
        """The rate for people; "not enough" below `LEAST_TRIPS`."""
        low, high = self.interval
        span = f"{100 * low:.0f}-{100 * high:.0f} %"
        if self.trips < LEAST_TRIPS:
            return f"not enough: n = {self.trips}" + (f", {self.false} false ({span})" if self.trips else "")
        return f"{100 * self.false / self.trips:.1f} % false ({self.false} of {self.trips}; 95 %: {span})"


class Bars:
    """A table of bars as decimals and integers, and where its PNL days begin."""

    def __init__(self, table: BarTable) -> None:
        self.step_ns = table.interval_ns
        self.ts_ns = [int(ts) for ts in table.open_ts_ns]
        self.open, self.high, self.low, self.close = (
            [round(float(value) * SCALE) for value in column]
            for column in (table.open, table.high, table.low, table.close)
        )

    def __len__(self) -> int:
        return len(self.ts_ns)

    def worst(self, row: int, side: int) -> int:
        """The worst price of a bar for a side."""
        return self.low[row] if side > 0 else self.high[row]


def volatility(bars: Bars, rule: BreakerRule, threshold: Decimal) -> list[Trip]:
    """Trips of one symbol's volatility pause. Raises `DataError` for bars that are too far apart for its mean."""
    if bars.step_ns > MINUTE_NS:
        raise DataError(f"bars of {bars.step_ns // MINUTE_NS} min have no mean of 5 min")
    breaker, kept, found = Breaker(), list[Sample](), list[Trip]()
    for row, opened_ns in enumerate(bars.ts_ns):
        now_ns, price = opened_ns + bars.step_ns, bars.close[row]
        measures.since(kept, now_ns - rule.window_ns)
        kept.append((now_ns, price, 1))
        value = measures.distance(price, kept)
        moved = now_ns - breaker.since_ns >= rule.window_ns
        changed = judge(breaker, rule, now_ns, value, threshold=threshold, has_moved=moved)
        if changed and breaker.state is BreakerState.OPEN and value is not None:
            mean = Decimal(sum(kept_price for _, kept_price, _ in kept)) / len(kept)
            side = 1 if price < mean else -1
            later = _within(bars, row + 1, breaker.until_ns)
            worst = max((abs(bars.worst(n, side) / mean - 1) for n in later), default=value)
            found.append(_trip(now_ns, value, max(value, worst), threshold))
    return found


def portfolio_loss(bars: Bars, rule: BreakerRule, side: int) -> list[Trip]:
    """Trips of the loss of the day, for a portfolio that begins every day with all of its equity in the asset."""
    found: list[Trip] = []
    day, opened, is_open = -1, 0, False
    for row, opened_ns in enumerate(bars.ts_ns):
        if opened_ns // DAY_NS != day:
            day, opened, is_open = opened_ns // DAY_NS, bars.open[row], False
        lost = Decimal(side * (opened - bars.worst(row, side))) / opened
        if is_open or lost < rule.threshold:
            continue
        is_open = True
        later = _within(bars, row, (day + 1) * DAY_NS)
        worst = max(Decimal(side * (opened - bars.worst(n, side))) / opened for n in later)
        found.append(_trip(opened_ns + bars.step_ns, rule.threshold, worst, rule.threshold))
    return found


def drawdown(bars: Bars, rule: BreakerRule, side: int) -> list[Trip]:
    """Trips of the drawdown; people release it at the end of its cool-down, and it begins anew there.

    Raises `DataError` for bars that are longer than the cool-down.
    """
    if bars.step_ns > rule.cool_down_ns:
        raise DataError(f"bars of {bars.step_ns // MINUTE_NS} min are longer than the cool-down")
    found: list[Trip] = []
    bests: deque[int] = deque()
    """Rows whose best price no later one has passed, oldest first."""
    released_ns = 0
    for row, opened_ns in enumerate(bars.ts_ns):
        if opened_ns < released_ns:
            continue
        while bests and side * (bars.worst(bests[-1], -side) - bars.worst(row, -side)) <= 0:
            bests.pop()
        bests.append(row)
        while bars.ts_ns[bests[0]] < opened_ns - rule.window_ns:
            bests.popleft()
        best = bars.worst(bests[0], -side)
        below = Decimal(side * (best - bars.worst(row, side))) / best
        if below < rule.threshold:
            continue
        released_ns = opened_ns + bars.step_ns + rule.cool_down_ns
        worst = max(Decimal(side * (best - bars.worst(n, side))) / best for n in _within(bars, row, released_ns))
        found.append(_trip(opened_ns + bars.step_ns, rule.threshold, worst, rule.threshold))
        bests.clear()
    return found


def _within(bars: Bars, row: int, until_ns: int) -> Iterator[int]:
    """Rows from one on that end by a time."""
    while row < len(bars) and bars.ts_ns[row] + bars.step_ns <= until_ns:
        yield row
        row += 1


def _trip(ts_ns: int, at: Decimal, worst: Decimal, threshold: Decimal) -> Trip:
    return Trip(ts_ns, at, worst, worst < at + WORSE * threshold)


def measure(paths: list[Path], majors: tuple[str, ...] = ("BTC", "ETH")) -> Iterator[str]:
    """The table, line by line: file, breaker, first half, second half; then all files together."""
    totals: dict[str, list[Trip]] = {}
    halves: dict[str, tuple[list[Trip], list[Trip]]] = {}
    yield "| file | breaker | first half | second half |"
    yield "|---|---|---|---|"
    for path in paths:
        bars = Bars(read_bars(path, stamp=Stamp.OPEN, tolerate_gaps=True))
        middle_ns = (bars.ts_ns[0] + bars.ts_ns[-1]) // 2
        for name, trips in _of_file(bars, path.name.startswith(majors)):
            if isinstance(trips, str):
                yield f"| {path.name} | {name} | {trips} | |"
                continue
            first = [trip for trip in trips if trip.ts_ns < middle_ns]
            second = [trip for trip in trips if trip.ts_ns >= middle_ns]
            both = halves.setdefault(name, ([], []))
            both[0].extend(first)
            both[1].extend(second)
            totals.setdefault(name, []).extend(trips)
            yield f"| {path.name} | {name} | {_rate(first).text} | {_rate(second).text} |"
    for name, (first, second) in halves.items():
        yield f"| all | {name} | {_rate(first).text} | {_rate(second).text} |"
    for name, trips in totals.items():
        yield f"| all, both halves | {name} | {_rate(trips).text} | |"


def _rate(trips: list[Trip]) -> Rate:
    return Rate(sum(trip.is_false for trip in trips), len(trips))


def _of_file(bars: Bars, is_major: bool) -> Iterator[tuple[str, list[Trip] | str]]:
    pause, loss, below = DEFAULTS.volatility, DEFAULTS.portfolio_loss, DEFAULTS.drawdown
    if pause is None or loss is None or below is None:
        return
    band = pause.thresholds["BTC"] if is_major else pause.threshold
    yield Watch.VOLATILITY.value, _or_why(partial(volatility, bars, pause, band))
    for side, word in ((1, "long"), (-1, "short")):
        yield f"{Watch.PORTFOLIO_LOSS.value}, {word}", _or_why(partial(portfolio_loss, bars, loss, side))
    for side, word in ((1, "long"), (-1, "short")):
        yield f"{Watch.DRAWDOWN.value}, {word}", _or_why(partial(drawdown, bars, below, side))


def _or_why(count: Callable[[], list[Trip]]) -> list[Trip] | str:
    try:
        return count()
    except DataError as error:
        return str(error)
