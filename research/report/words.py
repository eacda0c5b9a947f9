"""Figures as people read them: true minus signs, thousands apart, the interval beside the value. All times are UTC."""

from __future__ import annotations

import datetime as dt
from typing import Final

from domain.text import plain
from research.measures import Figure

MINUS: Final = "\N{MINUS SIGN}"
TIMES: Final = "\N{MULTIPLICATION SIGN}"
DASH: Final = "\N{EN DASH}"
MOST_NAME: Final = 120
"""Characters of a name that a stranger's file or strategy gave."""


def money(value: float, *, sign: bool = False) -> str:
    """12,345.67, whole from a hundred thousand on, with more digits below one."""
    size = abs(value)
    digits = 0 if size >= 100_000 else 2 if size >= 0.1 or not size else 4
    return _signed(f"{value:,.{digits}f}", sign=sign)


def percent(value: float, *, sign: bool = False, digits: int | None = None) -> str:
    """A fraction in percent: three figures or so."""
    size = abs(value)
    shown = digits if digits is not None else 0 if size >= 10 else 1 if size >= 0.1 else 2 if size >= 0.0005 else 3
    return _signed(f"{value * 100:,.{shown}f}", sign=sign) + " %"


def ratio(value: float, *, sign: bool = False) -> str:
    """A plain number with two digits."""
    return _signed(f"{value:,.2f}", sign=sign)


def count(value: float) -> str:
    """A whole number."""
    return _signed(f"{value:,.0f}", sign=False)


def multiple(value: float) -> str:
    """So many times."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f} {TIMES}"


def bps(value: float) -> str:
    """Basis points."""
    return _signed(f"{value:,.2f}", sign=False) + " bp"


def _signed(text: str, *, sign: bool) -> str:
    if not any(digit in text for digit in "123456789"):
        return text.lstrip("-")
    return text.replace("-", MINUS) if text.startswith("-") else f"+{text}" if sign else text


FORMATS: Final = {"money": money, "percent": percent, "ratio": ratio, "count": count, "multiple": multiple}


def value_of(figure: Figure, form: str) -> str:
    """A figure's value, or a dash."""
    return DASH if figure.value is None else FORMATS[form](figure.value)


def interval_of(figure: Figure, form: str) -> str:
    """A figure's interval; "" where it has none."""
    if figure.value is None or figure.low is None or figure.high is None:
        return ""
    return f"{FORMATS[form](figure.low)} to {FORMATS[form](figure.high)}"


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
