"""When a summary is due, and which days it tells of. Nothing here looks at a clock.

A summary is due at a time of day in somebody's zone. It tells of whole UTC days, because the PNL day is UTC for
everybody: the last day, week (from Monday) or month that was over by then.

A time that a change of the clocks leaves out comes as much later as the clock is put forward (02:30 is then 03:30);
of one that comes twice only the first counts.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from msgspec import Struct

from bot.parse import UsageError, suggest
from domain.settings import DAY_NS

LONGEST_ABSENCE_NS = 400 * DAY_NS
"""Runs that were due longer ago are not looked for."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LAST = "last"
LAST_DAY_OF_ALL = 28
"""Every month has it."""
USUAL_HOUR = 8


class Kind(enum.StrEnum):
    """How much a summary tells of."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class Timing(Struct, frozen=True, kw_only=True):
    """When a summary is due. `day` is a weekday, a day of the month, or `last`; "" for the daily one."""

    kind: Kind
    hour: int = USUAL_HOUR
    minute: int = 0
    day: str = ""

    @property
    def words(self) -> str:
        """For people: `daily 08:00`, `weekly mon 08:00`, `monthly last day 08:00`."""
        day = {"": "", LAST: "last day "}.get(self.day, f"{self.day} ")
        return f"{self.kind} {day}{self.hour:02}:{self.minute:02}"


class Span(Struct, frozen=True):
    """Whole UTC days: from `since_ns` to before `until_ns`. `missed` summaries are made up for by this one."""

    since_ns: int
    until_ns: int
    missed: int = 0


def timing_of(kind: str, words: list[str]) -> Timing:
    """What a person means by `fri 17:00`, `1 8am`, `last` or nothing. Raises `UsageError`."""
    which = Kind(kind)
    left = list(words)
    day = "" if which is Kind.DAILY else _day(which, left)
    hour, minute = _time(left.pop(0)) if left else (USUAL_HOUR, 0)
    if left:
        raise UsageError(f"{' '.join(left)!r} is too much. For example: {EXAMPLES[which]}")
    return Timing(kind=which, hour=hour, minute=minute, day=day)


EXAMPLES = {
    Kind.DAILY: "/schedule set daily 08:00",
    Kind.WEEKLY: "/schedule set weekly mon 08:00",
    Kind.MONTHLY: "/schedule set monthly 1 08:00",
}


def _day(kind: Kind, left: list[str]) -> str:
    """Take the day off the words, where there is one."""
    word = left[0].lower() if left else ""
    if kind is Kind.WEEKLY:
        if not word or word[0].isdigit():
            return WEEKDAYS[0]
        if len(word) < 3 or word not in {name[: len(word)] for name in LONG_WEEKDAYS}:
            raise UsageError(f"{left[0]!r} is no weekday: {suggest(word, LONG_WEEKDAYS)} For example: {EXAMPLES[kind]}")
        left.pop(0)
        return word[:3]
    if word == LAST:
        left.pop(0)
        return LAST
    if not (word.isascii() and word.isdecimal()) or (len(left) == 1 and int(word) > 31):
        return "1"
    if not 1 <= int(word) <= LAST_DAY_OF_ALL:
        raise UsageError(f"not every month has a day {word}: say 1 to {LAST_DAY_OF_ALL}, or {LAST}")
    left.pop(0)
    return str(int(word))


LONG_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(r"([0-9]{1,2})(?:[:.h]([0-9]{2}))?(am|pm)?")


def _time(word: str) -> tuple[int, int]:
    """Hour and minute of `08:00`, `8.30`, `8am`. A bare number is asked back: `8` may be a day or either half."""
    match = _TIME.fullmatch(word.lower())
    if match is None or not (match[2] or match[3]):
        raise UsageError(f"{word!r} is no time of day: write 08:00 or 8am")
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3]:
        if not 1 <= hour <= 12:
            raise UsageError(f"{word!r} is no time of day: with {match[3]} the hour is 1 to 12")
        hour = hour % 12 + (12 if match[3] == "pm" else 0)
    if hour > 23 or minute > 59:
        hint = "; midnight is 00:00" if (hour, minute) == (24, 0) else ""
        raise UsageError(f"{word!r} is no time of day: they go from 00:00 to 23:59{hint}")
    return hour, minute


def runs(timing: Timing, zone: str, after_ns: int) -> Iterator[int]:
    """Every time after `after_ns` at which it is due, for ever."""
    where = ZoneInfo(zone)
    days = {Kind.WEEKLY: "day_of_week", Kind.MONTHLY: "day"}
    day = {days[timing.kind]: timing.day} if timing.kind in days else {}
    trigger = CronTrigger(hour=timing.hour, minute=timing.minute, timezone=where, **day)
    at = _utc(after_ns) + timedelta(microseconds=1)
    while True:
        due = trigger.get_next_fire_time(None, at.astimezone(where))
        if due is None:
            return
        at = due.astimezone(UTC) + timedelta(microseconds=1)
        if not due.fold:
            yield _ns(due)


def span_before(kind: Kind, ts_ns: int) -> Span:
    """The last UTC day, week or month that was over by then."""
    until = _utc(ts_ns).replace(hour=0, minute=0, second=0, microsecond=0)
    if kind is Kind.DAILY:
        since = until - timedelta(days=1)
    elif kind is Kind.WEEKLY:
        until -= timedelta(days=until.weekday())
        since = until - timedelta(days=7)
    else:
        until = until.replace(day=1)
        since = (until - timedelta(days=1)).replace(day=1)
    return Span(_ns(since), _ns(until))


def due_span(timing: Timing, zone: str, looked_ns: int, covered_ns: int, now_ns: int) -> tuple[int, Span] | None:
    """The newest run after `looked_ns` that is due by now, and what it has to tell; None when nothing is due.

    Everything up to `covered_ns` was told before (0 = nothing was): what was missed since then is told with it.
    """
    newest = 0
    for run_ns in runs(timing, zone, max(looked_ns, now_ns - LONGEST_ABSENCE_NS)):
        if run_ns > now_ns:
            break
        newest = run_ns
    if not newest:
        return None
    span = span_before(timing.kind, newest)
    if span.until_ns <= covered_ns:
        return None
    since_ns, missed = span.since_ns, 0
    while covered_ns and covered_ns < since_ns and span.until_ns - since_ns < LONGEST_ABSENCE_NS:
        since_ns, missed = span_before(timing.kind, since_ns).since_ns, missed + 1
    return newest, Span(since_ns, span.until_ns, missed)


def next_run(timing: Timing, zone: str, covered_ns: int, now_ns: int) -> int:
    """When it is sent next: the first run after now that has something to tell which was not told before."""
    return next(run for run in runs(timing, zone, now_ns) if span_before(timing.kind, run).until_ns > covered_ns)


def _utc(ts_ns: int) -> datetime:
    return datetime.fromtimestamp(ts_ns // 1000 / 1e6, tz=UTC)


def _ns(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000
