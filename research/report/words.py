"""Figures, times and names as people read them. All times are UTC."""

from __future__ import annotations

import datetime as dt
from typing import Final

from domain.text import plain
from research.measures import Figure
from research.measures.numbers import FORMATS, MINUS, bps, count, money, multiple, percent, ratio

__all__ = ["FORMATS", "MINUS", "bps", "count", "money", "multiple", "percent", "ratio"]

DASH: Final = "\N{EN DASH}"
MOST_NAME: Final = 120
"""Characters of a name that a stranger's file or strategy gave."""


def value_of(figure: Figure, form: str) -> str:
    """A figure's value, or a dash."""
    return DASH if figure.value is None else FORMATS[form](figure.value)


def interval_of(figure: Figure, form: str) -> str:
    """A figure's interval; "" where it has none."""
    if figure.value is None or figure.low is None:
        return ""
    low = FORMATS[form](figure.low)
    return f"{low} or more" if figure.high is None else f"{low} to {FORMATS[form](figure.high)}"


def standing_on(figure: Figure) -> str:
    """What a figure stands on, and what is to be known of it."""
    if figure.value is None:
        return figure.caveat
    n = f"n = {figure.n:,} {figure.of}"
    return f"{n}; {figure.caveat}" if figure.caveat else n


def date(ts_ns: int) -> str:
    """3 Jan 2023."""
    when = _utc(ts_ns)
    return f"{when.day} {when:%b %Y}"


def moment(ts_ns: int) -> str:
    """2023-01-03 01:10, UTC."""
    return f"{_utc(ts_ns):%Y-%m-%d %H:%M}"


def span(ns: float) -> str:
    """How long: in days, hours, minutes or seconds."""
    seconds = ns / 1e9
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:g} s"


def name(text: object, most: int = MOST_NAME) -> str:
    """What a stranger's file or strategy is called, printable and not too long."""
    return plain(text, most)


def _utc(ts_ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ts_ns / 1e9, tz=dt.UTC)
