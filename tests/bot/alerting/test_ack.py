"""Somebody looks after it: from every door, by button and by word, on record, and nobody is called any more."""

from bot.alerting.model import AlertState
from bot.verbs import run_line
from domain.facts import Alerted, CommandDone, Severity
from tests.bot.servers.discord_server import shown
from tests.bot.world import DISCORD, GROUP, TELEGRAM, actor, fresh_id, until, world

TINA, VERA = TELEGRAM["tina"], TELEGRAM["vera"]
NUMBERS = iter(range(1_000_000, 2_000_000))


def publish(w, kind, severity, text, **labels):
    fact = Alerted(
        seq=next(NUMBERS), index=0, ts_ns=w.engine.now_ns(), severity=severity, kind=kind, text=text, labels=labels
    )
    w.desk.publish([fact])


def said(w):
    return [fact for fact in w.engine.facts if isinstance(fact, CommandDone) and fact.verb == "alert_ack"]


async def test_a_press_on_telegram_acknowledges_for_both_channels_and_is_on_record(tmp_path):
    async with world(tmp_path) as w:
        publish(w, "dead_man", Severity.CRITICAL, "the switch has fired", account="PAPER:main")
        alert = await w.telegram.text("the switch has fired", chat=GROUP)
        assert [button["text"] for button in alert.buttons] == ["Acknowledge"]
        assert (await w.discord.text("the switch has fired"))["components"]
        w.telegram.press(TINA, alert, "Acknowledge")
        closed = await w.telegram.text("acknowledged by tina", chat=GROUP)
        assert closed.method == "editMessageText"
        assert not closed.buttons
        assert "acknowledged by tina" in shown(await w.discord.text("acknowledged by tina"))
        (done,) = said(w)
        assert done.actor.person == "tina"
        assert "A1 Dead-man's switch fired" in done.text


async def test_a_press_on_discord_counts_the_same_and_a_second_one_is_told_who_was_first(tmp_path):
    async with world(tmp_path) as w:
        publish(w, "dead_man", Severity.CRITICAL, "the switch has fired", account="PAPER:main")
        card = await w.discord.text("the switch has fired")
        telegram = await w.telegram.text("the switch has fired", chat=GROUP)
        await w.discord.click(DISCORD["rosa"], card, "Acknowledge")
        await until(lambda: bool(said(w)))
        assert said(w)[0].actor.person == "rosa"
        w.telegram.press(TINA, telegram, "Acknowledge")
        assert await w.telegram.text("Closed", chat=GROUP)
        assert len(said(w)) == 1


async def test_a_stranger_and_a_forged_button_acknowledge_nothing(tmp_path):
    async with world(tmp_path, "telegram") as w:
        publish(w, "dead_man", Severity.CRITICAL, "the switch has fired", account="PAPER:main")
        alert = await w.telegram.text("the switch has fired", chat=GROUP)
        w.telegram.press(999, alert, "Acknowledge")
        data = alert.buttons[0]["callback_data"]
        alert.buttons[0]["callback_data"] = data[:-1] + ("0" if data[-1] != "0" else "1")
        w.telegram.press(TINA, alert, "Acknowledge")
        assert await w.telegram.text("Refused", chat=GROUP)
        assert not said(w)


async def test_ack_by_word_from_the_terminal_and_the_list_shows_it(tmp_path):
    async with world(tmp_path, "telegram") as w:
        publish(w, "venue_down", Severity.ERROR, "BYBIT is disconnected", venue="BYBIT")
        await w.telegram.text("BYBIT is disconnected", chat=GROUP)
        reply = await run_line(w.room, actor("vera"), "/ack a1", fresh_id())
        assert "you look after A1" in reply.title
        listed = str(await run_line(w.room, actor("tina"), "/alerts", fresh_id()))
        assert "acknowledged by vera" in listed
        again = await run_line(w.room, actor("tina"), "/ack A1", fresh_id())
        assert not again.ok
        assert "acknowledged by vera" in str(again)
        publish(w, "venue_up", Severity.INFO, "BYBIT is connected again.", venue="BYBIT")
        over = await w.telegram.text("Exchange down", chat=GROUP, count=3)
        assert "over at" in over.text
        assert "No alert stands" in str(await run_line(w.room, actor("tina"), "/alerts", fresh_id()))


async def test_who_cannot_act_does_not_stop_the_calls_about_a_critical_alert(tmp_path):
    async with world(tmp_path, "telegram") as w:
        publish(w, "venue_down", Severity.ERROR, "BYBIT is disconnected", venue="BYBIT")
        publish(w, "dead_man", Severity.CRITICAL, "the switch has fired", venue="BYBIT")
        await w.telegram.text("the switch has fired", chat=GROUP)
        await until(lambda: len(w.room.alerts.open()) == 2)
        dead_man = next(alert.id for alert in w.room.alerts.open() if alert.kind == "dead_man")
        refused = await run_line(w.room, actor("vera"), f"/ack {dead_man}", fresh_id())
        assert "trader or higher" in str(refused)
        await run_line(w.room, actor("vera"), "/ack all", fresh_id())
        states = {alert.kind: alert.state for alert in w.room.alerts.open()}
        assert states == {"venue_down": AlertState.ACKED, "dead_man": AlertState.FIRING}


async def test_an_incident_that_is_acknowledged_is_acknowledged_as_an_alert_too_and_the_other_way_round(tmp_path):
    async with world(tmp_path, "telegram") as w:
        await run_line(w.room, actor("tina"), "/flatten all", fresh_id())
        await until(lambda: any(alert.kind == "incident" for alert in w.room.alerts.open()))
        reply = await run_line(w.room, actor("rosa"), "/ack all", fresh_id())
        assert "I1 is acknowledged by rosa" in str(reply)
        (incident,) = [alert for alert in w.room.alerts.open() if alert.kind == "incident"]
        assert incident.by == "rosa"
