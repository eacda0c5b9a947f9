"""Does an indicator change its mind about the past? What it says of a bar when that is new, and what later.

    check_indicator(nadaraya_watson, bars)          a function of columns: closes, or highs, lows, closes by name
    check_indicator(lambda: Atr(14), bars)          or what makes a struct with `update`, fed bar by bar

A line that is drawn anew over everything at each bar (a centred or two-sided average, a zig-zag) looks right on every
chart and could not have been traded. In `decide` it is harmless as long as only its newest value is read, because
that is what was known; computed beforehand over the whole tape it is knowledge of the future.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from math import isclose, isnan
from types import FunctionType
from typing import Any, NamedTuple

from msgspec import ValidationError
from msgspec.msgpack import decode

from domain.codec import encode
from domain.market import Bar
from research.honesty.case import Case
from research.honesty.luggage import carried, columns
from research.honesty.verdict import Evidence, Finding, Light

BARS = 400
"""Bars over which a function is looked at."""
COMPARED = 300
"""Of these, the ones that are compared with numbers that were brought along: the last still move."""
CUTS = 12
LEAST = 40
SAME = 1e-9
Column = Sequence[float]
Line = Callable[..., Sequence[float]]
_NAMES = {
    "open": "open",
    "opens": "open",
    "high": "high",
    "highs": "high",
    "low": "low",
    "lows": "low",
    "close": "close",
    "closes": "close",
    "volume": "volume",
    "volumes": "volume",
}


class Repaint(NamedTuple):
    """A value that was changed: of bar `at` (from 0), when `seen` bars were there, and when `later` were."""

    at: int
    seen: int
    first: float
    later: int
    second: float


def check_indicator(indicator: Callable[..., Any], bars: Sequence[Bar], scale: int = 1) -> Finding:
    """Judge a function of columns, or what makes a struct with `update`, over bars; prices are divided by `scale`."""
    table = {
        name: [getattr(bar, name) / (1 if name == "volume" else scale) for bar in bars[:BARS]]
        for name in ("open", "high", "low", "close", "volume")
    }
    name = getattr(indicator, "__name__", str(indicator))
    if len(bars) <= LEAST:
        return too_few(len(bars))
    taken = arguments(indicator)
    if taken:
        return judged(name, indicator, [table[column] for column in taken], bars)
    return streamed(name, indicator, table)


def too_few(bars: int) -> Finding:
    """That so many bars show no line's past."""
    claim = f"insufficient data: n = {bars} bars, more than {LEAST} needed"
    return Finding(check="repaint", light=Light.GREY, claim=claim)


def judged(name: str, line: Line, given: Sequence[Column], bars: Sequence[Bar]) -> Finding:
    """A function of columns: does it leave alone what it has said?"""
    found = repaint(line, given)
    if found is None:
        claim = f"{name}() says of every bar what it said when that was new"
        return Finding(check="repaint", light=Light.GREEN, claim=claim)
    return Finding(
        check="repaint",
        light=Light.RED,
        claim=f"{name}() repaints: {found.later - found.seen} bars later it says something else of the same bar",
        advice="Let each value depend on its bar and those before alone; on a chart, mark what was drawn later.",
        evidence=(seen_as(found, bars),),
    )


def repaint(line: Line, given: Sequence[Column]) -> Repaint | None:
    """The first value found that changes when more bars come."""
    count = len(given[0])
    whole = values(line, given, count)
    for cut in range(1, CUTS + 1):
        seen = LEAST + (count - LEAST) * cut // (CUTS + 1)
        part = values(line, given, seen)
        for at, (first, second) in enumerate(zip(part, whole, strict=False)):
            if not same(first, second):
                return Repaint(at, seen, first, count, second)
    return None


def values(line: Line, given: Sequence[Column], count: int) -> list[float]:
    """What a function says of each of the first `count` bars; one that gives a single number says nothing of a past."""
    said = line(*[list(column[:count]) for column in given])
    return [] if isinstance(said, int | float) else [float(value) for value in said]


def same(first: float, second: float) -> bool:
    """Equal but for rounding; not a number is equal to itself."""
    return (isnan(first) and isnan(second)) or isclose(first, second, rel_tol=SAME, abs_tol=SAME)


def seen_as(found: Repaint, bars: Sequence[Bar]) -> Evidence:
    """The two values, for people."""
    bar = bars[found.at]
    return Evidence(
        bar=found.at + 1,
        ts_ns=bar.open_ts_ns + bar.interval_ns,
        first_in=f"when {found.seen} bars were there",
        first=f"{found.first:.10g}",
        second_in=f"when {found.later} were",
        second=f"{found.second:.10g}",
    )


def arguments(function: Callable[..., Any]) -> list[str]:
    """Which columns a function wants, by the names of what it requires; none = it is no function of columns."""
    try:
        wanted = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        ]
    except (TypeError, ValueError):
        return []
    known = [_NAMES.get(parameter.name.lower(), "") for parameter in wanted]
    if len(known) == 1 and not known[0] and not inspect.isclass(function):
        return ["close"]
    return known if all(known) else []


def streamed(name: str, make: Callable[[], Any], table: dict[str, list[float]]) -> Finding:
    """A struct that is updated: does it go on from what was saved, and how long does it remember its start?"""
    plain, broken, late = make(), make(), make()
    taken = _update_takes(plain)
    count = len(table["close"])
    longest = 0
    for at in range(count):
        given = [table[column][at] for column in taken]
        expected = float(plain.update(*given))
        try:
            broken = decode(encode(broken), type=type(broken))
        except (TypeError, ValidationError) as error:
            claim = f"{name} cannot be saved: {error}"
            return Finding(check="repaint", light=Light.RED, claim=claim, advice="Make it a msgspec Struct of numbers.")
        if not same(float(broken.update(*given)), expected):
            claim = f"{name} does not go on from what was saved: it keeps something outside its fields"
            return Finding(check="repaint", light=Light.RED, claim=claim, evidence=(Evidence(bar=at + 1),))
        if at >= count // 4 and not isclose(float(late.update(*given)), expected, rel_tol=1e-4):
            longest = at - count // 4 + 1
    forgets = (
        f"a start is forgotten (to 0.01 %) after {longest} bars"
        if longest < count * 3 // 4
        else "a start is never forgotten"
    )
    light = Light.GREEN if longest < count * 3 // 4 else Light.AMBER
    claim = f"{name} goes on from what was saved at every bar; {forgets}"
    return Finding(check="repaint", light=light, claim=claim, figures={"warmup_bars": longest})


def _update_takes(struct: Any) -> list[str]:  # noqa: ANN401 - any struct with `update`
    return [_NAMES.get(name.lower(), "close") for name in inspect.signature(struct.update).parameters]


def find(case: Case) -> Finding:
    """Functions of columns in the strategy's file, and whether what one of them draws was brought along."""
    name = "repaint"
    instrument = next(iter(case.instruments.values()))
    bars = [bar for bar in case.bars() if bar.instrument == instrument.id][:BARS]
    functions = list(_functions(case))
    if not functions:
        return Finding(check=name, light=Light.GREEN, claim="no function in its file draws a line over columns of bars")
    if len(bars) <= LEAST:
        return too_few(len(bars))
    table = {column: list(prices) for column, prices in columns(bars, instrument).items()}
    brought = [(where, numbers) for where, numbers in carried(case) if len(numbers) >= LEAST]
    clean: list[str] = []
    worst: Finding | None = None
    for label, line, taken in functions:
        found = _tried(line, [table[column] for column in taken])
        if found is None:
            clean.append(f"{label}()")
        elif isinstance(found, Repaint):
            drawn = values(line, [table[column] for column in taken], len(bars))
            worst = _of_strategy(label, found, bars, _matching(drawn, brought))
            if worst.light is Light.RED:
                return worst
    if worst is not None:
        return worst
    return Finding(
        check=name, light=Light.GREEN, claim=f"{', '.join(clean) or 'what its file draws'} leaves the past alone"
    )


def _of_strategy(label: str, found: Repaint, bars: Sequence[Bar], where: str) -> Finding:
    if where:
        claim = f"{where} is what {label}() draws over the whole tape, and that repaints: it was not known then"
        advice = "Compute it in decide() from the bars seen so far, and use its newest value only."
    else:
        claim = f"{label}() repaints: later bars change what it says of earlier ones"
        advice = "In decide() only its newest value was known then; older ones are hindsight, and so is a chart of it."
    return Finding(
        check="repaint",
        light=Light.RED if where else Light.AMBER,
        claim=claim,
        advice=advice,
        evidence=(seen_as(found, bars),),
    )


def _matching(drawn: Sequence[float], brought: Sequence[tuple[str, list[float]]]) -> str:
    """Which of the numbers that were brought along a line is."""
    for where, numbers in brought:
        pairs = list(zip(drawn[:COMPARED], numbers, strict=False))
        if len(pairs) >= LEAST and sum(isclose(a, b, rel_tol=1e-6) for a, b in pairs) > 0.8 * len(pairs):
            return where
    return ""


def _functions(case: Case) -> Iterator[tuple[str, Line, list[str]]]:
    """Functions of columns that are written in the strategy's own module."""
    space = case.loaded.strategy.decide.__globals__
    for name, value in space.items():
        if isinstance(value, FunctionType) and value.__globals__ is space and (taken := arguments(value)):
            yield name, value, taken


def _tried(line: Line, given: Sequence[Column]) -> Repaint | str | None:
    """Whether a function repaints; a text = it is none of a column after all."""
    try:
        if len(line(*[list(column[:LEAST]) for column in given])) != LEAST:
            return "another length"
        return repaint(line, given)
    except Exception as error:  # noqa: BLE001 - somebody's function, called with what it may not be for
        return str(error)
