"""Do bars come when they are over? Finer data of the same instrument tell whether they come early.

A file of hourly bars that stamps the open, read as if it stamped the close, shows each hour when it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domain.market import Bar, Trade
from research.honesty.case import Case
from research.honesty.verdict import Evidence, Finding, Light
from research.market_data import DataKind, MarketData

NAME = "bar labels"
LEAST = 10
"""Pairs of bars below which nothing is said."""
SAME = 0.8
"""Part of the closes that have to be equal for two series to be of one market."""


def find(case: Case) -> Finding:
    """Compare the bars that are tested on with shorter ones, or trades, of the same instrument."""
    compared = 0
    for coarse in _series(case.sources):
        for prices in finer(case, coarse[0]):
            found = early(prices, coarse)
            if found is not None:
                return found
            compared += agree(prices, coarse)
    if not compared:
        claim = (
            "nothing finer of the same instrument, of the same times and prices, is there to compare its bars with "
            "(--universe may have it)"
        )
        return Finding(check=NAME, light=Light.GREY, claim=claim)
    return Finding(check=NAME, light=Light.GREEN, claim="its bars hold what finer data showed until then, and no more")


def finer(case: Case, bar: Bar) -> Iterator[dict[int, int]]:
    """Closing prices by time from everything that is finer than a bar: shorter bars, trades."""
    ends_ns = bar.interval_ns
    for source in (*case.sources, *case.everything):
        if source.instrument.id != bar.instrument:
            continue
        if source.kind is DataKind.BARS and source.interval_ns < ends_ns:
            yield {e.open_ts_ns + e.interval_ns: e.close for e in source.tape(0) if type(e) is Bar}
        elif source.kind is DataKind.TRADES:
            closes: dict[int, int] = {}
            for event in source.tape(0):
                if type(event) is Trade:
                    closes[event.ts_ns // ends_ns * ends_ns + ends_ns] = event.price
            yield closes


def agree(closes: dict[int, int], coarse: Sequence[Bar]) -> bool:
    """Whether finer data close where most of the bars do: what does not tells nothing about them."""
    pairs = [(bar.close, closes[end]) for bar in coarse if (end := bar.open_ts_ns + bar.interval_ns) in closes]
    return len(pairs) >= LEAST and sum(close == finer for close, finer in pairs) > SAME * len(pairs)


def early(closes: dict[int, int], coarse: Sequence[Bar]) -> Finding | None:
    """A finding when the closes of the bars are those of finer data at another time."""
    length_ns = coarse[0].interval_ns
    for shift, what in ((1, "early: each is shown before it is over"), (-1, "late by their own length")):
        pairs = [
            (bar, closes[end], closes[end + shift * length_ns])
            for bar in coarse
            if (end := bar.open_ts_ns + length_ns) in closes and end + shift * length_ns in closes
        ]
        if len(pairs) < LEAST:
            continue
        right = sum(bar.close == now for bar, now, _ in pairs)
        shifted = sum(bar.close == other for bar, _, other in pairs)
        if shifted > SAME * len(pairs) and shifted > right:
            return _wrong(pairs[0], what, shift, length_ns)
    return None


def _wrong(pair: tuple[Bar, int, int], what: str, shift: int, length_ns: int) -> Finding:
    bar, now, other = pair
    end_ns = bar.open_ts_ns + length_ns
    minutes = length_ns / 60e9
    return Finding(
        check=NAME,
        light=Light.RED if shift > 0 else Light.AMBER,
        claim=f"bars of {minutes:g} min come {what}",
        advice="The file's times were taken for the wrong end of its bars: pass --stamp open (or close).",
        evidence=(
            Evidence(
                ts_ns=end_ns,
                first_in="finer data close at",
                first=str(now),
                second_in="the bar shows the close of the one after" if shift > 0 else "the bar shows",
                second=str(other),
            ),
        ),
    )


def _series(sources: Sequence[MarketData]) -> Iterator[list[Bar]]:
    """The bars of every source as it has them, not as the strategy reads them."""
    for source in sources:
        bars = [event for event in source.tape(0) if type(event) is Bar] if source.kind is DataKind.BARS else []
        if bars:
            yield bars
