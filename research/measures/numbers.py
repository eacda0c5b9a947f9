"""Numbers as people read them: true minus signs, thousands apart, as many digits as their size needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MINUS: Final = "\N{MINUS SIGN}"
TIMES: Final = "\N{MULTIPLICATION SIGN}"


def money(value: float, *, sign: bool = False) -> str:
    """12,345.67, whole from a hundred thousand on, with more digits below one."""
    size = abs(value)
    digits = 0 if size >= 100_000 else 2 if size >= 0.1 or not size else 4
    return _signed(f"{value:,.{digits}f}", sign=sign)


def percent(value: float, *, sign: bool = False, digits: int | None = None) -> str:
    """A fraction in percent: three figures or so."""
    size = abs(value)
    if digits is None:
        digits = 0 if size >= 10 or size < 5e-6 else 1 if size >= 0.1 else 2 if size >= 0.0005 else 3
    return _signed(f"{value * 100:,.{digits}f}", sign=sign) + " %"


def ratio(value: float, *, sign: bool = False) -> str:
    """A plain number with two digits."""
    return _signed(f"{value:,.2f}", sign=sign)


def count(value: float) -> str:
    """A whole number."""
    return _signed(f"{value:,.0f}", sign=False)


def multiple(value: float) -> str:
    """So many times."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 or not value else 4
    return f"{value:,.{digits}f} {TIMES}"


def bps(value: float) -> str:
    """Basis points."""
    return _signed(f"{value:,.2f}", sign=False) + " bp"


def _signed(text: str, *, sign: bool) -> str:
    if not any(digit in text for digit in "123456789"):
        return text.lstrip("-")
    return text.replace("-", MINUS) if text.startswith("-") else f"+{text}" if sign else text


FORMATS: Final[dict[str, Callable[[float], str]]] = {
    "money": money,
    "percent": percent,
    "ratio": ratio,
    "count": count,
    "multiple": multiple,
}
