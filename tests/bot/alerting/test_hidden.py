"""Mutes and quiet hours: what is not told for a while goes on being watched, and nothing critical is lost in them."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bot.alerting import book as books
from bot.alerting.model import Mute
from bot.alerting.quiet import is_quiet, window_of
from domain.facts import Severity
from tests.bot.alerting.desk import HOUR_S, MINUTE_S, ROOM, Watch, text

ERROR, WARNING, CRITICAL = Severity.ERROR, Severity.WARNING, Severity.CRITICAL


def mute(watch, seconds, kind="", *, is_critical=False, **labels):
    number = watch.book.count("mutes")
    until_ns = watch.now_ns + int(seconds * 1e9)
    made = Mute(
        number=number, kind=kind, labels=labels, until_ns=until_ns, by="tina", reason="", made_ns=watch.now_ns,
        is_critical=is_critical,
    )  # fmt: skip
    books.mute(watch.book, made, watch.now_ns)
    return number


def test_what_is_muted_is_watched_and_told_if_it_stands_when_the_mute_ends():
    watch = Watch()
    mute(watch, 1800, "feed_stale", venue="V")
    alert = watch.fire(venue="V", instrument="BTC.V")
    watch.fire(venue="W")
    watch.wait(1700, step=5)
    assert [one.message.title for one in watch.heard()] == ["Stale market data · W"]
    assert alert.hidden == "M1"
    assert alert.is_open
    watch.wait(200)
    (said,) = watch.heard()
    assert "Stale market data · V" in text(said)
    assert not watch.book.mutes


def test_a_mute_of_one_person_does_not_hide_what_is_critical_nor_what_becomes_so():
    watch = Watch()
    mute(watch, HOUR_S)
    watch.fire("breaker_open", ERROR, breaker="drawdown")
    watch.wait(MINUTE_S)
    assert not watch.heard()
    watch.fire("breaker_open", CRITICAL, "past its threshold", breaker="drawdown")
    assert len(watch.heard()) == 1


def test_a_mute_that_two_agreed_to_hides_what_is_critical_and_nobody_is_called():
    watch = Watch()
    mute(watch, HOUR_S, "dead_man", is_critical=True)
    watch.fire("dead_man", CRITICAL, account="V:main")
    watch.wait(50 * MINUTE_S, step=5)
    assert not watch.heard()
    assert not watch.acts
    watch.wait(11 * MINUTE_S, step=1)
    assert watch.heard()
    watch.wait(5 * MINUTE_S)
    assert not watch.acts


def test_a_mute_that_is_ended_early_tells_at_once_what_stands():
    watch = Watch()
    number = mute(watch, HOUR_S, "dead_man", is_critical=True)
    watch.fire("dead_man", CRITICAL, account="V:main")
    books.unmute(watch.book, number)
    watch.wait(1)
    assert watch.heard()


def test_quiet_hours_leave_a_person_out_and_tell_them_afterwards_in_one_message():
    watch = Watch(on_call=("tina", "rosa"))
    watch.people.quiet = {"tina"}
    watch.fire("venue_down", ERROR, "BYBIT is disconnected.", venue="BYBIT")
    watch.wait(6)
    watch.fire("venue_down", ERROR, "DYDX is disconnected.", venue="DYDX")
    watch.over("venue_down", venue="BYBIT")
    watch.wait(MINUTE_S)
    said = watch.heard()
    assert [person.id for one in said for person in one.message.mentions] == ["rosa", "rosa"]
    assert all(one.recipients == (ROOM,) for one in said)
    watch.people.quiet = set()
    watch.wait(1)
    (summary,) = watch.heard()
    assert summary.recipients == ("telegram:tina",)
    assert summary.message.title == "While you wanted quiet: 2"
    assert "over at" in text(summary)
    assert "DYDX is disconnected." in text(summary)
    watch.wait(MINUTE_S)
    assert not watch.heard()


def test_what_is_critical_passes_quiet_hours():
    watch = Watch()
    watch.people.quiet = {"tina", "rosa"}
    watch.fire("dead_man", CRITICAL, account="V:main")
    assert {"sms:tina", "sms:rosa"} <= set(watch.heard()[0].recipients)
    watch.people.quiet = set()
    watch.wait(1)
    assert not watch.heard()


def test_what_everybody_must_hear_waits_for_the_morning_of_those_who_sleep():
    watch = Watch()
    watch.people.quiet = {"tina"}
    watch.fire("incident", ERROR, "I1 goes on", incident="I1")
    (said,) = watch.heard()
    assert set(said.recipients) == {ROOM, "telegram:rosa"}
    watch.people.quiet = set()
    watch.wait(1)
    assert "I1 goes on" in text(watch.heard()[0])


BERLIN = "Europe/Berlin"


def local(year, month, day, hour, minute=0, fold=0):
    return int(datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(BERLIN), fold=fold).timestamp() * 1e9)


def test_quiet_hours_go_by_the_clock_on_the_wall_also_in_the_nights_in_which_it_is_changed():
    window = window_of("22-7")
    minute_ns = 60_000_000_000
    for day, hours in (((2026, 3, 28), 8), ((2026, 10, 24), 10), ((2026, 6, 1), 9)):
        start = local(*day, 12)
        quiet = [is_quiet(window, BERLIN, start + n * minute_ns) for n in range(24 * 60)]
        assert sum(quiet) == hours * 60
        assert quiet.index(True) == 10 * 60
        assert sum(a != b for a, b in pairwise(quiet)) == 2
    assert is_quiet("02:15-02:45", BERLIN, local(2026, 10, 25, 2, 30, fold=0))
    assert is_quiet("02:15-02:45", BERLIN, local(2026, 10, 25, 2, 30, fold=1))


@pytest.mark.parametrize(
    ("text_", "kept"),
    [
        ("22:00-07:00", "22:00-07:00"),
        ("22-7", "22:00-07:00"),
        ("9:30 to 17", "09:30-17:00"),
        ("2230-0615", "22:30-06:15"),
    ],
)
def test_hours_are_understood_as_people_write_them(text_, kept):
    assert window_of(text_) == kept


@pytest.mark.parametrize("text_", ["", "night", "25:00-07:00", "22:00", "22:61-07:00", "07:00-07:00", "-", "22-7-9"])
def test_what_are_no_hours_is_refused_in_words(text_):
    with pytest.raises(ValueError, match=r"no hours|whole day"):
        window_of(text_)
