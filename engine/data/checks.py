"""What makes a file a liar. Each check returns sentences; `refuse` turns them into one error.

`rows` are the file's own row numbers, which run backwards when the file was turned round.
"""

from __future__ import annotations

import numpy as np

from domain.errors import DataError
from engine.data.noise import Ints
from engine.data.tables import Floats, Gap

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
TELLING = 100
"""Bars from which it can be told that two columns are swapped."""


def refuse(name: str, problems: list[str]) -> None:
    """Raise `DataError` naming every problem; nothing to say, nothing raised."""
    if problems:
        raise DataError(f"{name}: " + "; also, ".join(problems))


def order(times: Ints, rows: Ints, *, newest_first: bool, repeats: bool = False) -> list[str]:
    """Times must rise; `repeats` allows equal ones. `newest_first` says that the file was turned round already."""
    steps = np.diff(times)
    if len(steps) and np.all(steps <= 0) and np.any(steps < 0):
        if newest_first:
            return ["its rows are oldest first, although newest_first was passed"]
        return ["its rows run backwards (newest first): sort them ascending or pass newest_first (--newest-first)"]
    back = np.flatnonzero(steps < 0)
    if len(back) > len(steps) / 2:
        jump = rows[np.flatnonzero(steps >= 0)[0] + 1]
        return [f"its rows run backwards (newest first), but jump forward at row {jump}: sort them ascending by time"]
    if len(back):
        return [f"row {rows[back[0] + 1]}: its time is before that of row {rows[back[0]]}: sort them ascending by time"]
    same = np.flatnonzero(steps == 0)
    if len(same) and not repeats:
        return [f"row {rows[same[0] + 1]}: the same time as row {rows[same[0]]}"]
    return []


def positive(rows: Ints, **columns: Floats) -> list[str]:
    """Prices and quantities must be above zero."""
    problems = []
    for name, values in columns.items():
        bad = np.flatnonzero(~(values > 0))
        if len(bad):
            problems.append(f"row {rows[bad[0]]}: {name} {values[bad[0]]:g} is not above zero")
    return problems


def candles(rows: Ints, opens: Floats, highs: Floats, lows: Floats, closes: Floats) -> list[str]:
    """A bar's high is its highest price and its low its lowest."""
    problems = positive(rows, open=opens, high=highs, low=lows, close=closes)
    too_low = highs < np.maximum(opens, closes)
    too_high = lows > np.minimum(opens, closes)
    for name, values, bad in (("high", highs, too_low), ("low", lows, too_high)):
        if bad.any():
            at, where = int(bad.argmax()), "below" if name == "high" else "above"
            count = f"{int(bad.sum())} of {len(rows)} rows"
            problems.append(f"row {rows[at]}: its {name} {values[at]:g} is {where} its open or close ({count})")
    if too_low.any() or too_high.any():
        problems += _mislabelled(open=opens, high=highs, low=lows, close=closes)
    elif not problems:
        problems += _swapped(rows, opens, closes)
    return problems


def _swapped(rows: Ints, opens: Floats, closes: Floats) -> list[str]:
    """Bars go on where the last one closed: where they go on from its open instead, the two are called wrong."""
    if len(rows) < TELLING:
        return []
    from_close = float(np.abs(opens[1:] - closes[:-1]).sum())
    from_open = float(np.abs(closes[1:] - opens[:-1]).sum())
    if from_open >= from_close / 4:
        return []
    what = f"row {rows[1]}: its close {closes[1]:g} goes on from row {rows[0]}'s open {opens[0]:g}, and so all through"
    return [f"{what}: the columns called open and close are swapped"]


def _mislabelled(**columns: Floats) -> list[str]:
    """Say which column holds the extremes, where one does in every row."""
    stack = np.stack(list(columns.values()))
    found = []
    for extreme, edge in (("high", stack.max(axis=0)), ("low", stack.min(axis=0))):
        holders = [name for name, values in columns.items() if np.array_equal(values, edge)]
        if holders and extreme not in holders:
            found.append(f"the column called {holders[0]} holds the {extreme}")
    return [f"the header is wrong: {' and '.join(found)} in every row"] if found else []


def interval(name: str, times: Ints, rows: Ints, interval_ns: int) -> int:
    """The bars' interval: stated, or the most frequent step. Raises `DataError` for one that does not hold."""
    if interval_ns < 0:
        raise DataError(f"a bar interval of {interval_ns} ns makes no sense")
    if len(times) < 2:
        if not interval_ns:
            raise DataError(
                f"{name}: a single row: how long its bars are cannot be told, and nothing can be tested on one"
            )
        return interval_ns
    steps = np.diff(times)
    sizes, counts = np.unique(steps, return_counts=True)
    usual = int(sizes[counts.argmax()])
    if interval_ns and interval_ns != usual:
        raise DataError(f"{name}: its bars are {usual / 1e9:g} s apart, not {interval_ns / 1e9:g} s as stated")
    odd = np.flatnonzero(steps % usual)
    if len(odd):
        at = int(odd[0])
        raise DataError(
            f"{name}, row {rows[at + 1]}: {steps[at] / 1e9:g} s after row {rows[at]}, "
            f"which is no multiple of the usual {usual / 1e9:g} s"
        )
    return usual


def gaps(times: Ints, rows: Ints, interval_ns: int) -> tuple[Gap, ...]:
    """Where bars are missing."""
    missing = np.diff(times) // interval_ns - 1
    return tuple(Gap(int(rows[at]), int(times[at]), int(missing[at])) for at in np.flatnonzero(missing).tolist())


def clocks_change(times: Ints, rows: Ints) -> str:
    """What to tell of times without a zone that leap by an hour on a Sunday, as clocks do; "" when they do not."""
    steps = np.diff(times)
    if not len(steps):
        return ""
    sizes, counts = np.unique(steps, return_counts=True)
    is_sunday = (times[:-1] // DAY_NS + 4) % 7 == 0
    leaps = np.flatnonzero((np.abs(steps - sizes[counts.argmax()]) == HOUR_NS) & is_sunday)
    if not len(leaps):
        return ""
    return (
        f"its times name no zone and leap by an hour after row {rows[leaps[0]]}, as where clocks are changed: "
        "write them in UTC"
    )


def twice(rows: Ints, names: list[str]) -> list[str]:
    """Identifiers must be unique."""
    seen: set[str] = set()
    for row, name in zip(rows.tolist(), names, strict=True):
        if name in seen:
            return [f"row {row}: the id {name!r:.60} comes a second time"]
        seen.add(name)
    return []


def books(bid_price: Floats, bid_qty: Floats, ask_price: Floats, ask_qty: Floats) -> list[str]:
    """Each side best first, no holes, quantities with every price, and the sides apart."""
    problems = []
    for side, prices, quantities, sign in (("bid", bid_price, bid_qty, -1), ("ask", ask_price, ask_qty, 1)):
        there = np.isfinite(prices)
        for text, bad in (
            (f"a {side} price without a size, or the other way round", (there != np.isfinite(quantities)).any(axis=1)),
            (f"a hole between {side} levels", (there[:, 1:] & ~there[:, :-1]).any(axis=1)),
            (f"{side} levels are not best first", (np.diff(prices, axis=1) * sign <= 0).any(axis=1)),
            (f"a {side} price or size is not above zero", ((prices <= 0) | (quantities <= 0)).any(axis=1)),
        ):
            if bad.any():
                problems.append(f"row {int(bad.argmax()) + 1}: {text}")
    crossed = bid_price[:, 0] >= ask_price[:, 0]
    if crossed.any():
        at = int(crossed.argmax())
        problems.append(f"row {at + 1}: crossed, best bid {bid_price[at, 0]:g} and best ask {ask_price[at, 0]:g}")
    return problems
