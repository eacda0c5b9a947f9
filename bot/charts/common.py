"""What the charts have in common: headings, short figures, curves that break where nothing is known."""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from bot.charts.sheet import MINUS, Element, Ink, Sheet, Span
from bot.message import utc_text
from bot.times import zone_info, zone_short
from domain.performance import CurvePoint, Gap, Performance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.desk import Desk

NAN = float("nan")
THOUSAND, MILLION = Decimal(1_000), Decimal(1_000_000)


def heading(desk: Desk, title: str, since_ns: int, until_ns: int, zone: str, notes: Sequence[str] = ()) -> Sheet:
    """A sheet with nothing on it yet but where, when and of what it is."""
    status = desk.status()
    where = f"{status.environment.upper()} · {period(since_ns, until_ns, zone)}"
    footer = [f"Drawn {utc_text(time.time_ns())} · market: {status.market}"]
    return Sheet(
        title=title,
        figure="",
        subtitle="\n".join([where, *(wrapped for note in notes for wrapped in lines(note))]),
        footer="\n".join(lines(footer[0], 74)),
        zone=zone,
        from_ns=since_ns,
        to_ns=until_ns,
    )


def lines(text: str, width: int = 66) -> list[str]:
    """Words in lines that fit the picture."""
    found, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            found.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*found, line]


def period(since_ns: int, until_ns: int, zone: str) -> str:
    """From when to when, in the zone, as short as it can be without being unclear."""
    since, until = (datetime.fromtimestamp(t / 1e9, zone_info(zone)) for t in (since_ns, until_ns))
    if since.date() == until.date():
        return f"{since:%d %b %Y, %H:%M} to {until:%H:%M} {zone_short(until_ns, zone)}"
    year = "" if since.year == until.year else " %Y"
    return f"{since:%d %b{year} %H:%M} to {until:%d %b %Y %H:%M} {zone_short(until_ns, zone)}"


def short(value: Decimal) -> str:
    """Money as short as it is clear: 10,412.33 or 1,204,551, with a true minus sign."""
    digits = 2 if abs(value) < 100 * THOUSAND else 0
    return f"{value:,.{digits}f}".replace("-", MINUS)


def gain(value: Decimal) -> str:
    """As `short`, with its sign."""
    return f"+{short(value)}" if value > 0 else short(value)


def price_text(value: Decimal) -> str:
    """A price with thousands separators, without trailing zeros."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: Decimal, *, sign: bool = False) -> str:
    """A fraction in percent."""
    digits = 1 if abs(value) >= Decimal("0.1") else 2
    return f"{value * 100:{'+' if sign else ''}.{digits}f}%".replace("-", MINUS)


def curve(seen: Performance, value_of: Callable[[CurvePoint], Decimal]) -> tuple[list[int], list[float]]:
    """Times and values, broken at every gap: what nobody measured is not drawn."""
    times: list[int] = []
    values: list[float] = []
    gaps = iter(seen.gaps)
    gap = next(gaps, None)
    for point in seen.points:
        while gap is not None and gap.to_ns <= point.ts_ns:
            if times:
                times.append(gap.from_ns)
                values.append(NAN)
            gap = next(gaps, None)
        times.append(point.ts_ns)
        values.append(float(value_of(point)))
    return times, values


def gap_spans(gaps: Sequence[Gap], *, named: bool = True) -> list[Element]:
    """The times without data."""
    return [Span(gap.from_ns, gap.to_ns, "no data" if named else "", Ink.QUIET) for gap in gaps]
