"""Spans, periods and zones: what people type, what is asked back, and days that daylight saving makes odd."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.parse import UsageError
from bot.times import NAMED, beside_utc, local_text, period_of, span_of, zone_names, zone_of
from domain.settings import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

BERLIN = "Europe/Berlin"


def at(text, zone="UTC"):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND_NS


NOW = at("2026-11-29T20:43:07")
"""A Sunday."""


@pytest.mark.parametrize(
    ("text", "span_ns"),
    [
        ("30m", 30 * MINUTE_NS),
        ("4h", 4 * HOUR_NS),
        ("1.5d", 36 * HOUR_NS),
        ("90 seconds", 90 * SECOND_NS),
        ("2W", 14 * DAY_NS),
        ("1 day", DAY_NS),
    ],
)
def test_a_span_is_read(text, span_ns):
    assert span_of(text) == span_ns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("30", "30 of what? Write 30m for minutes"),
        ("1M", "m is minutes, and months differ"),
        ("3 months", "months differ"),
        ("0m", "no time at all"),
        ("999999999d", "longer than twenty years"),
        ("1y", "no length of time"),
        ("-5m", "no length of time"),
        ("٣m", "no length of time"),
        ("", "no length of time"),
    ],
)
def test_a_span_that_could_mean_several_or_nothing_is_asked_back(text, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        span_of(text)


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("today", "2026-11-29", None),
        ("yesterday", "2026-11-28", "2026-11-29"),
        ("week", "2026-11-23", None),
        ("MTD", "2026-11-01", None),
        ("qtd", "2026-10-01", None),
        ("ytd", "2026-01-01", None),
        ("2026-10", "2026-10-01", "2026-11-01"),
        ("2025", "2025-01-01", "2026-01-01"),
        ("2026-11-03", "2026-11-03", "2026-11-04"),
        ("2026-11-01..2026-11-15", "2026-11-01", "2026-11-16"),
        ("2026-11-20..", "2026-11-20", None),
        ("2026-11", "2026-11-01", None),
    ],
)
def test_a_named_or_dated_period_begins_at_midnight(text, since, until):
    for zone in ("UTC", BERLIN):
        found = period_of(text, NOW, zone)
        assert found.since_ns == at(since, zone)
        assert found.until_ns == (at(until, zone) if until else NOW)


def test_a_rolling_period_and_all_end_now():
    assert period_of("7d", NOW).since_ns == NOW - 7 * DAY_NS
    assert period_of("7d", NOW).words == "the last 7 days, since 2026-11-22 20:43:07 UTC"
    assert period_of("1h", NOW, BERLIN).words == "the last 1 hour, since 2026-11-29 20:43:07 CET"
    assert period_of("all", NOW).since_ns == 0
    assert period_of("today", NOW).words == "today (2026-11-29, UTC day)"
    assert period_of("mtd", NOW).words == "this month, since 2026-11-01 00:00:00 UTC"


def test_today_is_another_day_where_the_sun_is_further():
    tokyo = period_of("today", NOW, "Asia/Tokyo")
    assert tokyo.since_ns == at("2026-11-30", "Asia/Tokyo")
    assert "2026-11-30, JST day" in tokyo.words


def test_a_day_with_daylight_saving_has_23_or_25_hours():
    spring = period_of("2026-03-29", NOW, BERLIN)
    autumn = period_of("2026-10-25", NOW, BERLIN)
    assert (spring.until_ns - spring.since_ns, autumn.until_ns - autumn.since_ns) == (23 * HOUR_NS, 25 * HOUR_NS)


def test_a_midnight_that_is_skipped_is_the_first_moment_after_it():
    """Beirut's clocks went from 00:00 to 01:00 on 27 March 2022."""
    found = period_of("2022-03-27", NOW, "Asia/Beirut")
    assert local_text(found.since_ns, "Asia/Beirut") == "2022-03-27 01:00:00 EEST"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("todya", "did you mean today"),
        ("7", "7 of what"),
        ("1M", "months differ"),
        ("2026-13", "in no calendar"),
        ("2026-02-30", "in no calendar"),
        ("2027", "has not begun yet"),
        ("2026-11-15..2026-11-01", "is not before"),
        ("1850", "nothing here is that far away"),
        ("zzzz", "say one of 30m, 24h, 7d"),
        ("", "say one of"),
    ],
)
def test_what_is_no_period_is_answered_with_what_would_be_one(text, said):
    with pytest.raises(UsageError, match=said):
        period_of(text, NOW)


@given(st.text(max_size=20) | st.from_regex(r"[0-9]{1,4}(-[0-9]{1,2}){0,2}(\.\.)?[0-9mhdwM. -]{0,10}", fullmatch=True))
def test_whatever_is_typed_is_a_period_that_ends_by_now_or_a_usage_error(text):
    try:
        found = period_of(text, NOW, BERLIN)
    except UsageError:
        return
    assert 0 <= found.since_ns < found.until_ns <= NOW
    assert found.words


def test_every_named_period_has_words():
    assert all(period_of(name, NOW, BERLIN).words for name in NAMED)


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Europe/Berlin", BERLIN),
        ("europe/berlin", BERLIN),
        ("berlin", BERLIN),
        ("new york", "America/New_York"),
        ("utc", "UTC"),
        ("GMT", "UTC"),
        ("CET", "CET"),
    ],
)
def test_a_zone_is_found_by_name_or_city(text, zone):
    assert zone_of(text) == zone


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("EST", "never follows daylight saving. Name a city: /timezone America/New_York"),
        ("IST", "/timezone Asia/Kolkata or /timezone Asia/Jerusalem or /timezone Europe/Dublin"),
        ("+2", "an offset does not follow daylight saving"),
        ("UTC+05:30", "an offset does not follow"),
        ("Berlim", "did you mean Europe/Berlin"),
        ("../../etc/passwd", "no zone is called"),
        ("qqqqq", "no zone is called 'qqqqq': did you mean Europe/Berlin"),
    ],
)
def test_what_is_no_zone_or_several_is_asked_back(text, said):
    with pytest.raises(UsageError) as told:
        zone_of(text)
    assert said in str(told.value)


def test_every_zone_that_is_offered_can_be_chosen():
    assert all(zone_of(name) == name for name in zone_names())


def test_the_other_time_is_shown_with_its_date_where_the_day_differs():
    assert beside_utc(NOW, "UTC") == ""
    assert beside_utc(NOW, BERLIN) == "21:43:07 CET"
    assert beside_utc(NOW, "Asia/Tokyo") == "2026-11-30 05:43:07 JST"
    assert beside_utc(NOW, "Not/Known") == "20:43:07 UTC", "a zone that this machine lost costs no reply"
