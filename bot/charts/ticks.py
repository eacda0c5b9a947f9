"""Where a time axis is marked, and how: at round times of the person's zone, few enough to read on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

SECOND_NS: Final = 1_000_000_000
DAY_S: Final = 86_400
MOST: Final = 4
STEPS_S: Final = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 28_800, 43_200)
STEPS_DAYS: Final = (1, 2, 3, 7, 14)
STEPS_MONTHS: Final = (1, 2, 3, 4, 6, 12, 24, 60)
EDGE: Final = 0.05
"""Of the axis at either end, where words would stick out."""


def ticks(from_ns: int, to_ns: int, zone: str) -> list[tuple[int, str]]:
    """Times and their words, oldest first."""
    margin = int((to_ns - from_ns) * EDGE)
    first, last = from_ns + margin, to_ns - margin
    place = ZoneInfo(zone)
    span_s = (to_ns - from_ns) / SECOND_NS
    start = datetime.fromtimestamp(from_ns / SECOND_NS, place).replace(hour=0, minute=0, second=0, microsecond=0)
    for step_s in STEPS_S:
        if span_s / step_s <= MOST:
            form = "%H:%M:%S" if step_s < 60 else "%H:%M"
            times = _by_seconds(start, step_s, to_ns)
            return [(at, _words(when, form)) for at, when in times if first <= at <= last]
    for days in STEPS_DAYS:
        if span_s / DAY_S / days <= MOST:
            form = "%a %d" if span_s < 12 * DAY_S else "%d %b"
            return [(at, f"{when:{form}}") for at, when in _by_days(start, days, to_ns) if first <= at <= last]
    for months in STEPS_MONTHS:
        if span_s / DAY_S / 30 / months <= MOST:
            form = "%b %Y" if months < 12 else "%Y"
            return [(at, f"{when:{form}}") for at, when in _by_months(start, months, to_ns) if first <= at <= last]
    return []


def _words(when: datetime, form: str) -> str:
    """A time of day; at midnight the day that begins."""
    return f"{when:%a %d}" if not (when.hour or when.minute or when.second) else f"{when:{form}}"


def _ns(when: datetime) -> int:
    return round(when.timestamp() * SECOND_NS)


def _by_seconds(start: datetime, step_s: int, to_ns: int) -> Iterator[tuple[int, datetime]]:
    """Round times of every day: counted from its midnight, so that they stay round when clocks change."""
    day = start
    while _ns(day) <= to_ns:
        for second in range(0, DAY_S, step_s):
            when = day.replace(hour=second // 3600, minute=second // 60 % 60, second=second % 60)
            yield _ns(when), when
        day += timedelta(days=1)


def _by_days(start: datetime, days: int, to_ns: int) -> Iterator[tuple[int, datetime]]:
    when = start + timedelta(days=-(start.toordinal() % days))
    while _ns(when) <= to_ns:
        yield _ns(when), when
        when += timedelta(days=days)


def _by_months(start: datetime, months: int, to_ns: int) -> Iterator[tuple[int, datetime]]:
    index = (start.year * 12 + start.month - 1) // months * months
    while True:
        when = start.replace(year=index // 12, month=index % 12 + 1, day=1)
        if _ns(when) > to_ns:
            return
        yield _ns(when), when
        index += months
