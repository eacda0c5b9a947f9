"""Exchange hours in a real time zone, from event time: no clock is read here.

Weekdays only; exchange holidays are not known, those days count as open. Daylight saving time follows
the zone's rules (tzdata).
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

SECOND_NS = 1_000_000_000
FRIDAY = 4


class SessionHours(Struct, frozen=True):
    """Opening hours of each weekday, as minutes after local midnight in `zone` (IANA name)."""

    zone: str = "America/New_York"
    open_minute: int = 9 * 60 + 30
    close_minute: int = 16 * 60

    @classmethod
    def parse(cls, zone: str, opens: str, closes: str) -> SessionHours:
        """From an IANA zone and two HH:MM times. Raises ValueError that says which of them is wrong."""
        hours = cls(zone, _minute(opens), _minute(closes))
        if hours.open_minute >= hours.close_minute:
            raise ValueError(f"session opens at {opens}, not before it closes at {closes}")
        try:
            _zone(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder, a long name
            raise ValueError(
                f"no time zone is called {zone!r:.80}: use an IANA name such as America/New_York"
            ) from error
        return hours


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    if not (hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60):
        raise ValueError(f"{text!r} is not a time of day: write HH:MM, for example 09:30")
    return int(hour) * 60 + int(minute)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _local(hours: SessionHours, ts_ns: int) -> tuple[int, float]:
    """Weekday (Monday 0) and minutes after local midnight."""
    local = datetime.fromtimestamp(ts_ns // SECOND_NS, _zone(hours.zone))
    return local.weekday(), local.hour * 60 + local.minute + local.second / 60


def in_session(hours: SessionHours, ts_ns: int) -> bool:
    """True from the open up to, but not at, the close of a weekday."""
    weekday, minute = _local(hours, ts_ns)
    return weekday <= FRIDAY and hours.open_minute <= minute < hours.close_minute


def weekend_near(hours: SessionHours, ts_ns: int, margin_ns: int) -> bool:
    """True from `margin_ns` before Friday's close until Monday begins: time to hold nothing."""
    weekday, minute = _local(hours, ts_ns)
    margin_minutes = margin_ns / (60 * SECOND_NS)
    return weekday > FRIDAY or (weekday == FRIDAY and minute >= hours.close_minute - margin_minutes)
