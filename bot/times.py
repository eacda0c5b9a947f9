"""Times as people say and read them: zones, clocks, spans (`30m`) and periods (`today`, `7d`, `mtd`).

Pure: the present is passed in. A day, week or month begins at midnight of the zone that is named, whatever daylight
saving does in between; `7d` is seven times twenty-four hours.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from msgspec import Struct

from bot.parse import UsageError, nearest
from domain.settings import SECOND_NS

UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONG_UNITS: Final = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("wk", "week", "weeks"), "w"),
}
UNIT_WORDS: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
MOST_S: Final = 20 * 366 * 86_400
"""Nothing here is older than twenty years, and no span is longer."""
NAMED: Final = ("today", "yesterday", "wtd", "mtd", "qtd", "ytd", "all")
ALSO: Final = {
    "day": "today",
    "daily": "today",
    "week": "wtd",
    "weekly": "wtd",
    "month": "mtd",
    "monthly": "mtd",
    "quarter": "qtd",
    "year": "ytd",
    "yearly": "ytd",
    "total": "all",
    "ever": "all",
    "alltime": "all",
}
PERIODS: Final = (*NAMED[:2], "24h", "7d", "30d", *NAMED[2:])
"""What is offered where a period is typed."""
EXAMPLES: Final = "30m, 24h, 7d, today, yesterday, wtd, mtd, ytd, 2026-11, 2026-11-01..2026-11-15, all"
NO_SAVING: Final = {"EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu"}
"""Names that the database has, and that never follow daylight saving: hardly what a person means."""
SHORT: Final = {
    "EDT": ("America/New_York",),
    "CST": ("America/Chicago", "Asia/Shanghai"),
    "CDT": ("America/Chicago",),
    "MDT": ("America/Denver",),
    "PST": ("America/Los_Angeles",),
    "PDT": ("America/Los_Angeles",),
    "CEST": ("Europe/Berlin", "Europe/Paris"),
    "EEST": ("Europe/Athens", "Europe/Helsinki"),
    "BST": ("Europe/London", "Asia/Dhaka"),
    "IST": ("Asia/Kolkata", "Asia/Jerusalem", "Europe/Dublin"),
    "JST": ("Asia/Tokyo",),
    "HKT": ("Asia/Hong_Kong",),
    "SGT": ("Asia/Singapore",),
    "AEST": ("Australia/Sydney",),
    "AEDT": ("Australia/Sydney",),
}
"""What people call zones, and the places they may mean."""

_SPAN = re.compile(r"([0-9]{1,9})(\.[0-9]{1,3})? ?([a-zA-Z]+)")
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?")


class Period(Struct, frozen=True, kw_only=True):
    """From `since_ns` (0 = ever) until before `until_ns`; `words` say it with its zone."""

    since_ns: int
    until_ns: int
    words: str


def zone_of(text: str) -> str:
    """The IANA name of the zone that a person means, by name or city. Raises `UsageError` with the nearest ones."""
    wanted = "_".join(text.split())
    if wanted.upper() in {"UTC", "GMT", "Z", "UTC+0", "UTC+00:00"}:
        return "UTC"
    if wanted.upper() in NO_SAVING:
        place = NO_SAVING[wanted.upper()]
        raise UsageError(f"{text} as such never follows daylight saving. Name a city: /timezone {place}")
    if wanted.upper() in SHORT:
        places = " or ".join(f"/timezone {place}" for place in SHORT[wanted.upper()])
        raise UsageError(f"{text} is not one place's. Name a city: {places}")
    if re.fullmatch(r"(?i)(utc|gmt)?[+-][0-9:]{1,6}", wanted):
        raise UsageError("an offset does not follow daylight saving. Name a city, for example: /timezone Europe/Berlin")
    names = _names()
    exact = names.get(wanted.lower())
    if exact is not None:
        return exact
    cities = [name for name in names.values() if name.rpartition("/")[2].lower() == wanted.lower()]
    if len(cities) == 1:
        return cities[0]
    if not cities:
        by_city = {name.rpartition("/")[2]: name for name in names.values()}
        hits = [by_city[hit] for hit in nearest(wanted.rpartition("/")[2], by_city)]
        cities = hits or ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC"]
    raise UsageError(f"no zone is called {text!r}: did you mean {' or '.join(cities)}?")


@cache
def _names() -> dict[str, str]:
    """Zones by name in lower case: places, and the few abbreviations that follow daylight saving."""
    odd = ("posix/", "right/", "Etc/", "SystemV/")
    names = sorted(name for name in available_timezones() if not name.startswith(odd))
    return {name.lower(): name for name in names if "/" in name or name in {"CET", "EET", "WET", "UTC"}}


def zone_names() -> list[str]:
    """Zones to choose from: UTC, then places."""
    return ["UTC", *(name for name in _names().values() if "/" in name)]


def zone_info(zone: str) -> ZoneInfo:
    """The zone; UTC where this machine does not know it (any more): a reply is never lost for that."""
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def local_text(ts_ns: int, zone: str) -> str:
    """Date and time to the second in a zone, with what it is called there then: `2026-11-29 21:43:07 CET`."""
    return f"{_at(ts_ns, zone):%Y-%m-%d %H:%M:%S %Z}"


def clock_in(ts_ns: int, zone: str) -> str:
    """Time of day to the second in a zone."""
    return f"{_at(ts_ns, zone):%H:%M:%S}"


def zone_short(ts_ns: int, zone: str) -> str:
    """What a zone is called at that moment: `UTC`, `CET`, `+0545`."""
    return f"{_at(ts_ns, zone):%Z}"


def beside_utc(ts_ns: int, zone: str) -> str:
    """The same moment in a person's zone, to be put behind a time in UTC: `21:43:07 CET`; "" for UTC itself.

    With its date where that is another day.
    """
    if zone == "UTC":
        return ""
    there = _at(ts_ns, zone)
    same_day = there.date() == datetime.fromtimestamp(ts_ns // SECOND_NS, UTC).date()
    return f"{there:%H:%M:%S %Z}" if same_day else f"{there:%Y-%m-%d %H:%M:%S %Z}"


def _at(ts_ns: int, zone: str) -> datetime:
    return datetime.fromtimestamp(ts_ns // SECOND_NS, zone_info(zone))


def span_of(text: str) -> int:
    """A length of time in nanoseconds: `30m`, `4h`, `1.5d`, `90 seconds`. Raises `UsageError`."""
    wanted = text.strip()
    if re.fullmatch(r"[0-9.]+", wanted):
        raise UsageError(f"{wanted} of what? Write {wanted}m for minutes, {wanted}h for hours or {wanted}d for days")
    match = _SPAN.fullmatch(wanted)
    unit = match[3] if match else ""
    if unit == "M" or unit.lower() in {"mo", "mon", "month", "months"}:
        raise UsageError(f"{wanted}: m is minutes, and months differ in length. Write 30m, 30d, mtd or 2026-11")
    name = LONG_UNITS.get(unit.lower(), unit.lower())
    if match is None or name not in UNITS_S:
        raise UsageError(f"{wanted!r} is no length of time. For example: 30m, 4h, 7d, 2w")
    thousandths = int(match[1]) * 1000 + int((match[2] or ".").removeprefix(".").ljust(3, "0"))
    span_ns = thousandths * UNITS_S[name] * (SECOND_NS // 1000)
    if not 0 < span_ns <= MOST_S * SECOND_NS:
        raise UsageError(f"{wanted} is {'no time at all' if not span_ns else 'longer than twenty years'}")
    return span_ns


def period_of(text: str, now_ns: int, zone: str = "UTC") -> Period:
    """The period that a person means, until now or before. Raises `UsageError` with what could be said."""
    wanted = " ".join(text.lower().split())
    name = ALSO.get(wanted, wanted)
    if name == "all":
        return Period(since_ns=0, until_ns=now_ns, words="since the beginning")
    if name in NAMED:
        return _named(name, now_ns, zone)
    first, dots, last = wanted.partition("..")
    if _DATE.fullmatch(first) and (not dots or not last or _DATE.fullmatch(last)):
        return _dated(first, last if dots else first, now_ns, zone)
    if not re.match(r"[0-9]", wanted):
        hits = nearest(wanted, [*NAMED, *ALSO])
        hint = f"did you mean {' or '.join(hits)}?" if hits else f"say one of {EXAMPLES}"
        raise UsageError(f"{text!r} is no period: {hint}")
    span_ns = span_of(text)
    words = f"the last {_counted(text.strip())}, since {local_text(max(now_ns - span_ns, 0), zone)}"
    return Period(since_ns=max(now_ns - span_ns, 0), until_ns=now_ns, words=words)


def _counted(text: str) -> str:
    """`7d` in words: 7 days."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return text
    amount = f"{match[1]}{match[2] or ''}"
    unit = UNIT_WORDS[LONG_UNITS.get(match[3].lower(), match[3].lower())]
    return f"{amount} {unit}" if amount == "1" else f"{amount} {unit}s"


def _named(name: str, now_ns: int, zone: str) -> Period:
    today = _at(now_ns, zone).date()
    began = {
        "today": today,
        "yesterday": today - timedelta(days=1),
        "wtd": today - timedelta(days=today.weekday()),
        "mtd": today.replace(day=1),
        "qtd": today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1),
        "ytd": today.replace(month=1, day=1),
    }[name]
    since_ns = _midnight(began, zone)
    until_ns = _midnight(today, zone) if name == "yesterday" else now_ns
    called = {"wtd": "this week", "mtd": "this month", "qtd": "this quarter", "ytd": "this year"}.get(name, name)
    words = f"{called} ({began}, {_called(since_ns, zone)} day)" if began == today or name == "yesterday" else ""
    return Period(since_ns=since_ns, until_ns=until_ns, words=words or f"{called}, since {local_text(since_ns, zone)}")


def _called(ts_ns: int, zone: str) -> str:
    return "UTC" if zone == "UTC" else zone_short(ts_ns, zone)


def _dated(first: str, last: str, now_ns: int, zone: str) -> Period:
    since = _first_day(first)
    until = _day_after(last) if last else None
    since_ns = _midnight(since, zone)
    until_ns = min(now_ns, _midnight(until, zone)) if until else now_ns
    if since_ns >= now_ns:
        raise UsageError(f"{first} has not begun yet")
    if since_ns >= until_ns:
        raise UsageError(f"{first} is not before {last}")
    ended = "now" if until_ns == now_ns else local_text(until_ns, zone)
    return Period(since_ns=since_ns, until_ns=until_ns, words=f"{local_text(since_ns, zone)} to {ended}")


def _first_day(text: str) -> date:
    match = _DATE.fullmatch(text)
    assert match is not None  # noqa: S101 - the caller has looked
    try:
        day = date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        raise UsageError(f"{text} is in no calendar. For example: 2026-11-30") from None
    if not 2000 <= day.year <= 2200:
        raise UsageError(f"{text}: nothing here is that far away. For example: 2026-11-30")
    return day


def _day_after(text: str) -> date:
    """The day after a day, the first of the month after a month, of the year after a year."""
    day = _first_day(text)
    parts = text.count("-")
    if parts == 2:
        return day + timedelta(days=1)
    if parts == 1:
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day.replace(year=day.year + 1)


def _midnight(day: date, zone: str) -> int:
    """When a day begins in a zone; where its midnight is skipped by daylight saving, the first moment after it."""
    began = datetime(day.year, day.month, day.day, tzinfo=zone_info(zone))
    return int(began.timestamp()) * SECOND_NS
