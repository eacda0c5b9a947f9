"""When summaries are due: zones, daylight saving, what was missed, and how people write times."""

from datetime import UTC, datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest

from bot.parse import UsageError
from bot.reports.calendar import Kind, Span, Timing, due_span, next_run, runs, span_before, timing_of

DAY_NS = 86_400_000_000_000
AT_HALF_PAST_TWO = Timing(kind=Kind.DAILY, hour=2, minute=30)


def ns(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def utc(ts_ns):
    return f"{datetime.fromtimestamp(ts_ns / 1e9, tz=UTC):%Y-%m-%d %H:%M}"


def local(ts_ns, zone):
    return f"{datetime.fromtimestamp(ts_ns / 1e9, tz=ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def due(*asked):
    found = due_span(*asked)
    assert found is not None
    return found


def first(timing, zone, after, count):
    return [utc(run) for run in islice(runs(timing, zone, ns(after)), count)]


def test_the_time_of_day_stays_when_the_clocks_change():
    timing = Timing(kind=Kind.DAILY, hour=8)
    assert first(timing, "Europe/Berlin", "2026-03-28 00:00", 2) == ["2026-03-28 07:00", "2026-03-29 06:00"]
    assert first(timing, "America/New_York", "2026-10-31 00:00", 2) == ["2026-10-31 12:00", "2026-11-01 13:00"]
    assert first(timing, "Asia/Kolkata", "2026-03-28 00:00", 1) == ["2026-03-28 02:30"]


def test_a_time_that_the_change_leaves_out_comes_an_hour_later_that_day():
    found = list(islice(runs(AT_HALF_PAST_TWO, "Europe/Berlin", ns("2026-03-28 00:00")), 3))
    assert [local(run, "Europe/Berlin") for run in found] == [
        "2026-03-28 02:30", "2026-03-29 03:30", "2026-03-30 02:30"
    ]  # fmt: skip


def test_a_time_that_comes_twice_counts_once():
    found = first(AT_HALF_PAST_TWO, "Europe/Berlin", "2026-10-24 12:00", 2)
    assert found == ["2026-10-25 00:30", "2026-10-26 01:30"]


def test_a_run_between_the_two_of_a_repeated_time_does_not_wait_for_the_second():
    assert first(AT_HALF_PAST_TWO, "Europe/Berlin", "2026-10-25 00:45", 1) == ["2026-10-26 01:30"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Australia/Lord_Howe"])
def test_every_zone_gets_one_summary_of_every_day(zone):
    covered = looked = ns("2026-01-01 00:00")
    told = []
    for hour in range(0, 24 * 366, 6):
        now = ns("2026-01-01 00:00") + hour * 3600 * 10**9
        if (found := due_span(AT_HALF_PAST_TWO, zone, looked, covered, now)) is not None:
            looked, span = found
            covered = span.until_ns
            told.append(span)
    assert [span.missed for span in told] == [0] * len(told)
    assert len(told) in {364, 365}
    assert all(a.until_ns == b.since_ns for a, b in pairwise(told))


def test_what_is_told_are_whole_utc_days_weeks_and_months():
    at = ns("2026-03-03 06:00")
    assert [utc(ts) for ts in (span_before(Kind.DAILY, at).since_ns, span_before(Kind.DAILY, at).until_ns)] == [
        "2026-03-02 00:00", "2026-03-03 00:00"
    ]  # fmt: skip
    week, month = span_before(Kind.WEEKLY, at), span_before(Kind.MONTHLY, at)
    assert (utc(week.since_ns), utc(week.until_ns)) == ("2026-02-23 00:00", "2026-03-02 00:00")
    assert (utc(month.since_ns), utc(month.until_ns)) == ("2026-02-01 00:00", "2026-03-01 00:00")


def test_weeks_and_months_have_their_day():
    friday = Timing(kind=Kind.WEEKLY, hour=17, day="fri")
    assert first(friday, "UTC", "2026-11-28 00:00", 2) == ["2026-12-04 17:00", "2026-12-11 17:00"]
    last = Timing(kind=Kind.MONTHLY, hour=8, day="last")
    assert first(last, "UTC", "2026-02-01 00:00", 2) == ["2026-02-28 08:00", "2026-03-31 08:00"]


def test_what_was_missed_is_told_once_and_together():
    eight = Timing(kind=Kind.DAILY)
    looked, covered = ns("2026-11-25 08:00"), ns("2026-11-25 00:00")
    run, span = due(eight, "UTC", looked, covered, ns("2026-11-29 12:00"))
    assert utc(run) == "2026-11-29 08:00"
    assert span == Span(covered, ns("2026-11-29 00:00"), 3)
    assert due_span(eight, "UTC", run, span.until_ns, ns("2026-11-29 23:00")) is None


def test_missed_weeks_and_months_are_told_in_whole_ones():
    weekly, monthly = Timing(kind=Kind.WEEKLY, day="mon"), Timing(kind=Kind.MONTHLY, day="1")
    _, weeks = due(weekly, "UTC", ns("2026-11-02 08:00"), ns("2026-11-02 00:00"), ns("2026-11-24 00:00"))
    assert (weeks.missed, utc(weeks.since_ns), utc(weeks.until_ns)) == (2, "2026-11-02 00:00", "2026-11-23 00:00")
    _, months = due(monthly, "UTC", ns("2026-01-01 08:00"), ns("2026-01-01 00:00"), ns("2026-04-02 00:00"))
    assert (months.missed, utc(months.since_ns), utc(months.until_ns)) == (2, "2026-01-01 00:00", "2026-04-01 00:00")


def test_the_first_summary_tells_of_one_day_only():
    _, span = due(Timing(kind=Kind.DAILY), "UTC", ns("2026-11-28 09:00"), 0, ns("2026-11-29 08:00"))
    assert (span.missed, span.until_ns - span.since_ns) == (0, DAY_NS)


def test_nothing_is_due_before_its_time_and_what_was_told_is_not_told_again():
    eight = Timing(kind=Kind.DAILY)
    assert due_span(eight, "UTC", ns("2026-11-28 08:00"), 0, ns("2026-11-29 07:59")) is None
    nine = Timing(kind=Kind.DAILY, hour=9)
    told = ns("2026-11-29 00:00")
    assert due_span(nine, "UTC", ns("2026-11-29 08:30"), told, ns("2026-11-29 09:00")) is None
    assert utc(next_run(nine, "UTC", told, ns("2026-11-29 08:30"))) == "2026-11-30 09:00"
    assert utc(next_run(nine, "UTC", 0, ns("2026-11-29 08:30"))) == "2026-11-29 09:00"


def test_years_of_absence_end_in_one_summary():
    _, span = due(
        Timing(kind=Kind.DAILY), "UTC", ns("2016-01-01 08:00"), ns("2016-01-01 00:00"), ns("2026-01-01 09:00")
    )
    assert span.until_ns - span.since_ns == 400 * DAY_NS


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("daily", "daily 08:00"),
        ("daily 7:05", "daily 07:05"),
        ("daily 5pm", "daily 17:00"),
        ("daily 12am", "daily 00:00"),
        ("daily 0.30", "daily 00:30"),
        ("weekly", "weekly mon 08:00"),
        ("weekly Friday 17:00", "weekly fri 17:00"),
        ("weekly 17:00", "weekly mon 17:00"),
        ("monthly", "monthly 1 08:00"),
        ("monthly last 18:00", "monthly last day 18:00"),
        ("monthly 15", "monthly 15 08:00"),
        ("monthly 8:00", "monthly 1 08:00"),
    ],
)
def test_times_are_written_as_people_write_them(line, words):
    kind, *rest = line.split()
    assert timing_of(kind, rest).words == words


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("daily 8", "write 08:00 or 8am"),
        ("daily 24:00", "midnight is 00:00"),
        ("daily 13pm", "1 to 12"),
        ("daily noon", "write 08:00 or 8am"),
        ("daily 08:00 UTC", "'UTC' is too much"),
        ("weekly m 08:00", "no weekday"),
        ("weekly fryday 08:00", "did you mean fri"),
        ("monthly 31 08:00", "say 1 to 28, or last"),
        ("monthly 0", "say 1 to 28, or last"),
    ],
)
def test_what_is_no_time_is_told_with_what_would_be_one(line, hint):
    kind, *rest = line.split()
    with pytest.raises(UsageError, match=hint):
        timing_of(kind, rest)
