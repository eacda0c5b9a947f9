"""Exchange hours across daylight saving time, from event time alone."""

from datetime import UTC, datetime

import pytest

from engine.indicators import SessionHours, in_session, weekend_near

HOURS = SessionHours()
MINUTE_NS = 60_000_000_000


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("moment", "opened"),
    [
        ("2024-01-10T14:30", True),  # winter: New York is UTC-5
        ("2024-01-10T14:29", False),
        ("2024-01-10T20:59", True),
        ("2024-01-10T21:00", False),
        ("2024-07-10T13:30", True),  # summer: UTC-4
        ("2024-07-10T13:29", False),
        ("2024-07-10T20:00", False),
        ("2024-03-08T14:00", False),  # the last Friday of winter time
        ("2024-03-11T14:00", True),  # the first Monday of summer time
        ("2024-07-13T15:00", False),  # Saturday
    ],
)
def test_new_york_hours_follow_the_clock_change(moment, opened):
    assert in_session(HOURS, utc(moment)) is opened


@pytest.mark.parametrize(
    ("moment", "near"),
    [
        ("2024-07-12T19:44", False),  # Friday, 15:44 in New York
        ("2024-07-12T19:45", True),
        ("2024-07-13T12:00", True),
        ("2024-07-14T12:00", True),
        ("2024-07-15T03:59", True),  # still Sunday in New York
        ("2024-07-15T04:00", False),
        ("2024-07-11T19:59", False),  # other evenings are not the weekend
    ],
)
def test_the_weekend_is_near_from_the_margin_before_fridays_close(moment, near):
    assert weekend_near(HOURS, utc(moment), 15 * MINUTE_NS) is near


def test_hours_are_parsed_and_wrong_ones_are_named():
    assert SessionHours.parse("Europe/London", "08:00", "16:30") == SessionHours("Europe/London", 480, 990)
    for zone, opens, closes, said in (
        ("Europe/Lundon", "08:00", "16:30", "no time zone is called"),
        ("../etc/passwd", "08:00", "16:30", "no time zone is called"),
        ("Europe/London", "8am", "16:30", "'8am' is not a time of day"),
        ("Europe/London", "08:00", "24:30", "'24:30' is not a time of day"),
        ("Europe/London", "16:30", "08:00", "not before it closes"),
    ):
        with pytest.raises(ValueError, match=said):
            SessionHours.parse(zone, opens, closes)
