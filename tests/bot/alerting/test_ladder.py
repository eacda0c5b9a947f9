"""Nobody answers: who is called, when, and what is done in the end."""

from bot.alerting.book import raise_alert
from bot.alerting.ladder import acted
from bot.alerting.model import AlertState, News
from domain.facts import Severity
from tests.bot.alerting.desk import HOUR_S, MINUTE_S, ROOM, Watch, text

CRITICAL = Severity.CRITICAL


def people(say):
    return {one.removeprefix("sms:") for one in say.recipients if one.startswith("sms:")}


def calls(watch):
    return [one for one in watch.news() if "Nobody has acknowledged" in one.message.title]


def test_those_on_call_then_the_second_in_line_then_everybody_are_called():
    watch = Watch(on_call=("tina",), secondary=("rosa",), safe_action="none")
    watch.fire("dead_man", CRITICAL, account="V:main")
    assert people(watch.heard()[0]) == {"tina"}
    said = []
    for second in range(11 * MINUTE_S):
        watch.wait(1)
        said += [(second + 1, people(one)) for one in calls(watch)]
    assert said == [(120, {"tina"}), (300, {"tina", "rosa"}), (600, {"vera", "tina", "rosa"})]


def test_where_those_on_call_cannot_be_reached_everybody_who_may_trade_is_told_at_once():
    watch = Watch(on_call=("vera",), safe_action="none")
    watch.people.deaf.add("vera")
    watch.people.rooms = ()
    watch.fire("dead_man", CRITICAL, account="V:main")
    assert people(watch.heard()[0]) == {"tina", "rosa"}
    watch.wait(2 * MINUTE_S)
    assert people(calls(watch)[0]) == {"tina", "rosa"}


def test_a_call_says_what_waits_since_when_and_what_will_be_done():
    watch = Watch()
    watch.fire("dead_man", CRITICAL, "the switch has fired", account="V:main")
    watch.heard()
    watch.wait(2 * MINUTE_S)
    (call,) = watch.heard()
    assert call.message.title == "Nobody has acknowledged a critical alert for 2 min (call 1)"
    assert "A1 Dead-man's switch fired · V:main: the switch has fired" in text(call)
    assert "If nobody acknowledges: every running strategy is paused in 13 min." in text(call)
    assert call.ack == "C.1"
    assert ROOM in call.recipients


def test_calls_go_on_every_ten_minutes_for_an_hour_and_then_hourly():
    watch = Watch(safe_action="none")
    watch.fire("dead_man", CRITICAL, account="V:main")
    watch.wait(5 * HOUR_S, step=10)
    assert len(calls(watch)) == 3 + 6 + 3


def test_an_acknowledgement_ends_the_calls_and_takes_their_buttons():
    watch = Watch()
    alert = watch.fire("watchdog", CRITICAL)
    watch.wait(6 * MINUTE_S)
    first, second = calls(watch)
    watch.ack("tina", alert)
    edits = watch.heard()
    assert {one.replaces for one in edits} >= {first.event, second.event}
    assert not any(one.ack for one in edits)
    assert not any(one.startswith("sms:") for edit in edits for one in edit.recipients)
    watch.wait(50 * MINUTE_S, step=10)
    assert not watch.heard()
    assert not watch.acts


def test_what_was_acknowledged_and_still_stands_is_told_again_after_an_hour_and_called_for():
    watch = Watch(safe_action="none")
    alert = watch.fire("watchdog", CRITICAL)
    watch.wait(MINUTE_S)
    watch.ack("tina", alert)
    watch.heard()
    watch.wait(HOUR_S + 1, step=10)
    (again,) = watch.news()
    assert alert.state is AlertState.FIRING
    assert "tina acknowledged it at" in text(again)
    assert again.ack
    watch.wait(2 * MINUTE_S)
    assert len(calls(watch)) == 1


def test_a_halt_by_a_person_is_told_to_all_and_nobody_is_called_for_it():
    watch = Watch()
    news = News(
        kind="trading", labels={}, severity=CRITICAL, text="By tina.", ts_ns=watch.now_ns, lasts=True, by="tina"
    )
    alert = raise_alert(watch.book, news, watch.now_ns)
    assert alert is not None
    watch.wait(0)
    (said,) = watch.heard()
    assert set(said.recipients) == {ROOM, "telegram:tina", "telegram:rosa"}
    assert said.message.severity is CRITICAL
    watch.wait(10 * HOUR_S, step=60)
    assert not watch.news()
    assert not watch.acts
    assert alert.state is AlertState.ACKED


def test_what_nothing_else_ends_is_over_when_it_is_acknowledged():
    watch = Watch()
    alert = watch.fire("dead_man", CRITICAL, account="V:main")
    watch.ack("rosa", alert)
    assert alert.state is AlertState.RESOLVED
    assert "acknowledged by rosa" in text(watch.heard()[-1])


def test_many_critical_alerts_are_one_call():
    watch = Watch()
    for number in range(4):
        watch.fire("dead_man", CRITICAL, account=f"V:{number}")
        watch.wait(10)
    watch.heard()
    watch.wait(2 * MINUTE_S)
    said = calls(watch)
    assert len(said) == 1
    assert said[0].message.title.startswith("Nobody has acknowledged 4 critical alerts")
    assert said[0].ack == "C.4"


def test_the_safe_action_is_due_after_fifteen_minutes_until_it_is_taken_and_everybody_hears_of_it():
    watch = Watch()
    alert = watch.fire("watchdog", CRITICAL)
    watch.wait(15 * MINUTE_S - 1)
    assert not watch.acts
    watch.wait(3)
    assert {act.numbers for act in watch.acts} == {(1,)}
    watch.heard()
    acted(watch.book, (1,), "t1 is paused.", watch.now_ns)
    watch.acts.clear()
    watch.wait(MINUTE_S)
    said = watch.heard()[0]
    assert said.message.title == "SAFE ACTION taken"
    assert "Nobody has acknowledged A1 (Watchdog) for 15 min. t1 is paused." in text(said)
    assert people(said) == {"vera", "tina", "rosa"}
    assert not watch.acts
    assert alert.is_acted


def test_worse_than_it_was_acknowledged_for_is_called_for_anew():
    watch = Watch()
    alert = watch.fire("breaker_open", Severity.ERROR, breaker="drawdown")
    watch.wait(5)
    watch.ack("tina", alert)
    watch.heard()
    watch.fire("breaker_open", CRITICAL, "past its threshold", breaker="drawdown")
    (said,) = watch.heard()
    assert alert.state is AlertState.FIRING
    assert people(said) == {"tina", "rosa"}


def test_a_state_that_gets_better_is_called_for_no_more():
    watch = Watch()
    alert = watch.fire("trading", CRITICAL, "By the engine: the disk is full.")
    watch.wait(MINUTE_S)
    watch.fire("trading", Severity.WARNING, "By the engine: I1 is reconciled and waits for a resume.")
    assert alert.severity is Severity.WARNING
    watch.wait(20 * MINUTE_S, step=5)
    assert not calls(watch)
    assert not watch.acts
