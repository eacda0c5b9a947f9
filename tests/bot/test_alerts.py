"""Facts that people should know about: what is told, to whom, how often, and on which channel first."""

import asyncio
import time

import pytest

from bot.verbs import run_line
from domain.facts import Alerted, Refused, Severity, StrategyChanged, StrategyStatus
from domain.verdict import Reason
from tests.bot.servers.discord_server import shown
from tests.bot.world import BTC, GROUP, TELEGRAM, Engine, actor, fresh_id, order, until, world

TINA, ROSA, ROLF, ADAM = (TELEGRAM[name] for name in ("tina", "rosa", "rolf", "adam"))


def alerted(text, kind="feed", severity=Severity.WARNING, seq=0):
    return Alerted(seq=seq or time.monotonic_ns(), index=0, ts_ns=1, severity=severity, kind=kind, text=text)


def told(w, containing):
    return [one for one in w.telegram.sent if containing in one.text and one.chat == GROUP]


async def run(w, line, person):
    return await run_line(w.room, actor(person), line, fresh_id())


async def test_a_halt_from_any_door_is_told_on_every_channel(tmp_path):
    async with world(tmp_path) as w:
        await run(w, "/halt from the dashboard", "tina")
        alert = await w.telegram.text("Trading is HALTED", chat=GROUP)
        assert "By tina: from the dashboard" in alert.text
        assert "By tina: from the dashboard" in shown(await w.discord.text("Trading is HALTED"))


async def test_an_incident_is_told_to_every_chat_and_to_each_person_alone_and_never_held_back(tmp_path):
    async with world(tmp_path) as w:
        await run(w, "/flatten all the news is bad", "tina")
        for chat in (GROUP, TINA, ROSA, ROLF, ADAM):
            alert = await w.telegram.text("I1 (flatten)", chat=chat)
            assert "/incident ack" in alert.text
        assert "I1 (flatten)" in shown(await w.discord.text("I1 (flatten)"))
        assert not [one for one in w.telegram.sent if one.chat == TELEGRAM["vera"] and "I1" in one.text]
        await run(w, "/incident ack mine", "rosa")
        assert "rosa looks after it" in (await w.telegram.text("rosa looks after it", chat=ADAM)).text
        await run(w, "/incident recover", "rolf")
        w.engine.play(2)
        await w.telegram.text("the books are the venues", chat=ADAM)


async def test_what_is_told_depends_on_its_severity(tmp_path):
    async with world(tmp_path, "telegram") as w:
        w.desk.publish([alerted("nothing much", severity=Severity.INFO), alerted("look here")])
        await w.telegram.text("look here", chat=GROUP)
        assert not told(w, "nothing much")


async def test_the_same_again_is_counted_in_the_same_message_and_critical_is_not_held(tmp_path):
    async with world(tmp_path, "telegram") as w:
        w.desk.publish([alerted(f"gap {number}") for number in range(10)])
        w.desk.publish([alerted(f"down {number}", "dead_man", Severity.CRITICAL) for number in range(3)])
        for number in range(3):
            await w.telegram.text(f"down {number}", chat=GROUP)
        assert "10 times" in (await w.telegram.text("gap 9", chat=GROUP)).text
        w.desk.publish([alerted("gap 10")])
        edited = await w.telegram.text("gap 10", chat=GROUP)
        assert edited.method == "editMessageText"
        assert "11 times" in edited.text


async def test_a_quarantine_is_told(tmp_path):
    async with world(tmp_path, "telegram") as w:
        fact = StrategyChanged(
            seq=9, index=0, ts_ns=1, strategy="t1", kind="turtle", account="PAPER:main",
            status=StrategyStatus.QUARANTINED, detail="it raised ValueError",
        )  # fmt: skip
        w.desk.publish([fact])
        assert "it raised ValueError" in (await w.telegram.text("t1 is quarantined", chat=GROUP)).text


async def test_a_card_goes_to_those_who_may_approve_and_never_to_who_asked(tmp_path):
    async with world(tmp_path) as w:
        await run(w, "/halt", "tina")
        await run(w, "/resume", "rosa")
        for chat in (ROLF, ADAM, GROUP):
            card = await w.telegram.text("Approve? resume R1", chat=chat)
            assert [button["text"] for button in card.buttons] == ["Approve", "Deny"]
        assert (await w.discord.text("Approve? resume R1"))["components"]
        assert not [one for one in w.telegram.sent if one.chat in {ROSA, TINA}]
        await run(w, "/approve R1", "rolf")
        half = await w.telegram.text("1 of 2 (rolf)", chat=ADAM)
        assert half.method == "editMessageText"
        assert half.buttons
        await run(w, "/deny R1", "adam")
        for chat in (ROLF, ADAM, GROUP):
            closed = await w.telegram.text("resume R1: denied", chat=chat)
            assert closed.method == "editMessageText"
            assert not closed.buttons


async def test_requests_that_wait_at_the_start_get_their_cards(tmp_path):
    async with world(tmp_path, "telegram") as first:
        await first.telegram.text("MoonDev is up")
    await order(first.desk, "tina")
    async with world(tmp_path, "telegram", engine=first.engine) as second:
        card = await second.telegram.text("Approve? order R1", chat=ROSA)
        assert card.buttons


async def test_facts_that_come_too_fast_are_counted_and_said(tmp_path):
    async with world(tmp_path, "telegram") as w:
        w.desk.publish([alerted(f"burst {number}", severity=Severity.INFO) for number in range(5000)])
        await w.telegram.text("Some news was missed", chat=GROUP)


async def test_an_alert_for_a_chat_that_is_gone_does_not_hold_up_the_others(tmp_path):
    async with world(tmp_path, "telegram") as w:
        w.telegram.unknown_chats.add(ROLF)
        await run(w, "/halt", "tina")
        await run(w, "/resume", "rosa")
        await w.telegram.text("Approve? resume R1", chat=ADAM)
        await until(lambda: w.chat.outbox.waiting() == 0)


@pytest.mark.parametrize("door", ["telegram", "discord"])
async def test_what_happens_while_a_channel_is_down_is_told_when_it_is_back(tmp_path, door):
    async with world(tmp_path, door) as w:
        server = getattr(w, door)
        port = server.port
        await server.stop()
        await run(w, "/halt", "tina")
        await asyncio.sleep(0.3)
        await server.start(port)
        await server.text("Trading is HALTED")


async def test_a_persons_order_that_meets_a_limit_later_is_told(tmp_path):
    async with world(tmp_path, "telegram") as w:
        for number, reason in enumerate((Reason.NEEDS_APPROVAL, Reason.NOTIONAL_LIMIT)):
            refused = Refused(
                seq=900 + number, index=0, ts_ns=1, strategy="manual:x", instrument=BTC, reason=reason, detail=""
            )
            w.desk.publish([refused])
        assert "worth more than" in (await w.telegram.text("A person's order is refused (NOTIONAL", chat=GROUP)).text
        assert not told(w, "NEEDS_APPROVAL")


async def test_what_was_raised_while_nobody_listened_is_told_at_the_next_start_and_nothing_else_again(tmp_path):
    async with world(tmp_path, "telegram", update_s=60) as first:
        first.engine.publish([alerted("told at once", kind="a"), alerted("told at once", kind="b")])
        await until(lambda: len(told(first, "told at once")) == 2 and first.chat.outbox.waiting() == 0)
        first.engine.publish([alerted("held back", kind="a")])
        await until(lambda: first.room.alerts.open()[0].count == 2)
    first.engine.publish([alerted("nobody listens", kind="c"), alerted("nor now", kind="d", severity=Severity.INFO)])
    async with world(tmp_path, "telegram", engine=first.engine) as second:
        await second.telegram.text("nobody listens", chat=GROUP)
        second.room.alerts.now_ns = lambda: time.time_ns() + 60_000_000_000
        assert "2 times" in (await second.telegram.text("held back", chat=GROUP)).text
        assert "That was at 1970-01-01" in told(second, "nobody listens")[0].text
        assert not told(second, "told at once")
        assert not told(second, "nor now")
        await until(lambda: second.chat.outbox.waiting() == 0)
    async with world(tmp_path, "telegram", engine=first.engine) as third:
        await third.telegram.text("MoonDev is up", chat=GROUP)
        await asyncio.sleep(0.3)
        assert not told(third, "nobody listens")


async def test_without_a_cursor_only_what_this_run_has_raised_is_told(tmp_path):
    first = Engine()
    first.publish([alerted("of this run")])
    first.facts.insert(0, alerted("of an earlier run", seq=0))
    async with world(tmp_path, "telegram", engine=first) as w:
        await w.telegram.text("of this run", chat=GROUP)
        assert not told(w, "of an earlier run")


async def test_news_that_cannot_be_read_does_not_silence_what_comes_now(tmp_path):
    engine = Engine()
    del engine.facts
    async with world(tmp_path, "telegram", engine=engine) as w:
        await w.telegram.text("MoonDev is up", chat=GROUP)
        w.desk.publish([alerted("look here")])
        await w.telegram.text("look here", chat=GROUP)
