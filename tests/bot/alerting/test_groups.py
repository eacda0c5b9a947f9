"""What is told together, when, how often, and what stays silent because something else says it."""

import pytest

from bot.alerting.model import AlertState
from domain.facts import Severity
from tests.bot.alerting.desk import HOUR_S, MINUTE_S, ROOM, Watch, text

CRITICAL, ERROR, WARNING = Severity.CRITICAL, Severity.ERROR, Severity.WARNING


def test_a_warning_waits_for_others_of_its_kind_and_goes_to_the_room_alone():
    watch = Watch()
    watch.fire(instrument="BTC.V", venue="V")
    watch.wait(4)
    watch.fire(instrument="ETH.V", venue="V")
    assert not watch.heard()
    watch.wait(1)
    (said,) = watch.heard()
    assert said.recipients == (ROOM,)
    assert "Stale market data · V: 2 alerts" in text(said)
    assert "A1" in text(said)
    assert "A2" in text(said)


def test_the_same_again_is_one_alert_that_counts():
    watch = Watch()
    for number in range(50):
        alert = watch.fire(text=f"stale {number}", venue="V")
        watch.wait(0.1)
    assert alert.count == 50
    watch.wait(5)
    (said,) = watch.heard()
    assert "50 times" in text(said)
    assert "stale 49" in text(said)


def test_another_venue_is_another_group():
    watch = Watch()
    watch.fire("venue_down", ERROR, venue="BYBIT")
    watch.fire("venue_down", ERROR, venue="BINANCE")
    watch.wait(5)
    assert [one.message.title for one in watch.heard()] == ["Exchange down · BYBIT", "Exchange down · BINANCE"]


def test_what_comes_soon_after_edits_the_message_once_a_minute():
    watch = Watch()
    watch.fire(venue="V")
    watch.wait(5)
    (first,) = watch.heard()
    for _ in range(110):
        watch.fire(venue="V")
        watch.wait(1)
    edits = watch.heard()
    assert [one.replaces for one in edits] == [first.event]
    watch.wait(60)
    assert [one.replaces for one in watch.heard()] == [first.event]


def test_an_edit_far_up_in_the_chat_is_a_message_of_its_own():
    watch = Watch(settle_s=HOUR_S)
    watch.fire("overrun", strategy="t1")
    watch.wait(5)
    watch.heard()
    watch.wait(6 * MINUTE_S)
    watch.fire("overrun", strategy="t1")
    watch.wait(5)
    assert not watch.heard()[-1].replaces


def test_a_critical_alert_waits_for_nothing():
    watch = Watch()
    watch.fire("dead_man", CRITICAL, account="V:main")
    (said,) = watch.heard()
    assert set(said.recipients) == {ROOM, "telegram:tina", "sms:tina", "telegram:rosa", "sms:rosa"}
    assert said.ack


def test_an_error_names_who_is_on_call():
    watch = Watch(on_call=("rosa",))
    watch.fire("venue_down", ERROR, venue="V")
    watch.wait(5)
    (said,) = watch.heard()
    assert [person.id for person in said.message.mentions] == ["rosa"]
    assert said.recipients == (ROOM,)


def test_an_error_reaches_those_on_call_alone_where_no_room_is_configured():
    watch = Watch()
    watch.people.rooms = ()
    watch.fire("venue_down", ERROR, venue="V")
    watch.wait(5)
    (said,) = watch.heard()
    assert said.recipients == ("telegram:tina", "telegram:rosa")


def test_a_storm_of_critical_alerts_floods_nobody_and_loses_none():
    watch = Watch()
    for number in range(2000):
        watch.fire("unexplained_fill", CRITICAL, f"fill {number}", account="V:main", instrument=f"I{number % 40}.V")
        watch.wait(0.03)
    assert len(watch.news()) <= 7
    watch.wait(MINUTE_S)
    assert len(watch.book.open_alerts()) == 40
    assert sum(alert.count for alert in watch.book.open_alerts()) == 2000
    assert all(alert.is_told for alert in watch.book.open_alerts())


def test_ten_thousand_of_everything_in_a_minute_are_a_handful_of_messages_and_critical_is_first():
    watch = Watch()
    for number in range(10_000):
        if number == 5000:
            watch.fire("journal_lost", CRITICAL, "the end of the journal")
            assert "the end of the journal" in text(watch.heard()[-1])
        watch.fire(f"kind_{number % 20}", WARNING, f"n {number}", account=f"V:{number % 3}", which=f"{number % 70}")
        if number % 200 == 0:
            watch.wait(1.2, step=1.2)
    watch.wait(MINUTE_S)
    kinds = {alert.group for alert in watch.book.open_alerts()}
    said = watch.heard()
    assert len(said) <= 4 * len(kinds)
    assert sum(alert.count for alert in watch.book.open_alerts()) == 10_001
    assert all(alert.is_told for alert in watch.book.open_alerts())


def test_more_of_a_kind_than_anybody_reads_is_counted_as_others():
    watch = Watch()
    for number in range(600):
        watch.fire("foreign_order", account="V:main", order=f"o{number}")
    watch.wait(5)
    assert len(watch.book.open_alerts()) == 501
    assert sum(alert.count for alert in watch.book.open_alerts()) == 600
    assert "and 491 more" in text(watch.heard()[0])


def test_what_is_over_before_it_was_told_is_no_message_but_stands_in_the_digest():
    watch = Watch()
    watch.fire("venue_down", ERROR, "BYBIT is disconnected.", venue="BYBIT")
    watch.wait(2)
    watch.over("venue_down", venue="BYBIT")
    watch.wait(MINUTE_S)
    assert not watch.heard()
    assert "over before it was told" in watch.book.noted["venue_down"].text


def test_the_end_of_a_warning_edits_it_and_the_end_of_an_error_is_told():
    watch = Watch()
    watch.fire("feed_stale", venue="V", instrument="BTC.V")
    watch.fire("venue_down", ERROR, venue="W")
    watch.wait(MINUTE_S)
    watch.heard()
    watch.over("feed_stale", venue="V")
    watch.over("venue_down", venue="W")
    watch.wait(5)
    first, second = watch.heard()
    assert first.replaces
    assert first.message.title == "Over: Stale market data · V"
    assert not second.replaces
    assert second.message.title == "Over: Exchange down · W"
    assert not second.ack


def test_flapping_is_one_alert_and_told_once_a_minute():
    watch = Watch()
    for _ in range(60):
        watch.fire("venue_down", ERROR, venue="V")
        watch.wait(5)
        watch.over("venue_down", venue="V")
        watch.wait(5)
    assert len(watch.news()) <= 21
    assert watch.book.numbers.alerts == 1


def test_what_still_stands_is_told_again_after_four_hours():
    watch = Watch()
    watch.fire("feed_down", venue="V")
    watch.wait(5)
    watch.heard()
    watch.wait(4 * HOUR_S - 60, step=30)
    assert not watch.heard()
    watch.wait(120, step=30)
    (said,) = watch.heard()
    assert not said.replaces


def test_what_nothing_ends_is_over_when_nothing_more_comes():
    watch = Watch()
    alert = watch.fire("settings", text="version 5", version="5")
    watch.wait(16 * MINUTE_S, step=5)
    assert alert.state is AlertState.RESOLVED
    assert len(watch.heard()) == 1
    assert not watch.book.open_alerts()


def test_an_outage_hides_what_follows_from_it_and_what_still_stands_after_it_is_told():
    watch = Watch()
    watch.fire("feed_stale", venue="V", instrument="BTC.V")
    watch.fire("venue_down", ERROR, venue="V")
    hidden = watch.fire("breaker_open", ERROR, venue="V", operation="orders")
    watch.fire("feed_stale", venue="W", instrument="BTC.W")
    watch.wait(5)
    titles = [one.message.title for one in watch.heard()]
    assert titles == ["Exchange down · V", "Stale market data · W"]
    assert hidden.hidden == "A2"
    watch.over("feed_stale", venue="V", instrument="BTC.V")
    watch.over("venue_down", venue="V")
    watch.wait(MINUTE_S)
    assert "Breaker open · V" in [one.message.title for one in watch.heard()]


def test_a_critical_alert_is_never_hidden_by_an_outage():
    watch = Watch()
    watch.fire("venue_down", ERROR, venue="V")
    watch.fire("breaker_open", CRITICAL, venue="V", operation="orders")
    assert [one.message.title for one in watch.heard()] == ["Breaker open · V"]


@pytest.mark.parametrize("severity", [Severity.INFO, Severity.WARNING])
def test_small_news_wait_for_the_digest_at_its_hour(severity):
    watch = Watch(digest_hour_utc=13, min_severity=Severity.ERROR)
    watch.fire("allocation", severity, "shares a")
    watch.fire("allocation", severity, "shares b")
    watch.wait(2 * MINUTE_S)
    assert not watch.heard()
    watch.wait(HOUR_S, step=30)
    (said,) = watch.heard()
    assert said.recipients == (ROOM,)
    assert "Allocation: 2" in text(said)
    assert "shares b" in text(said)
    watch.wait(24 * HOUR_S, step=300)
    assert not watch.heard()
