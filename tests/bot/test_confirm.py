"""Asked first: a preview sends exactly its command, once, for its person alone, while it is fresh."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from msgspec import structs

from bot import discord_client, verbs
from bot.confirm import FRESH_NS, confirm
from bot.message import Message, Text
from bot.previews import KEEP_NS, Answer, Preview, Previews
from bot.render import plain
from bot.store import OpsStore
from bot.verbs import run_line
from domain.commands import Actor, Door, Halt, SetHold
from domain.facts import Alerted
from domain.settings import RoleName
from tests.bot.servers.discord_server import shown
from tests.bot.world import BTC, DISCORD, GROUP, TELEGRAM, Engine, actor, fresh_id, until, world

TINA, ROSA = TELEGRAM["tina"], TELEGRAM["rosa"]
HOLD = SetHold(account="PAPER:main", instrument=BTC)


@pytest.fixture(autouse=True)
def asking_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """`/hold` asks first here: a verb whose command is easily seen."""

    async def hold(call) -> Message:
        return await confirm(call, title="Hold BTC?", blocks=(Text("No strategy would act on it."),), command=HOLD)

    row = verbs._BY_NAME["hold"]
    asking = structs.replace(row, handler=hold)
    monkeypatch.setitem(verbs._BY_NAME, "hold", asking)
    monkeypatch.setattr(verbs, "VERBS", tuple(asking if one is row else one for one in verbs.VERBS))
    monkeypatch.setattr(discord_client, "VERBS", verbs.VERBS)


async def say(engine: Engine, line: str, person: str = "tina", door: Door = Door.TERMINAL) -> str:
    return plain(await run_line(engine.room, actor(person, door), line, fresh_id()))


def holds(engine: Engine) -> int:
    return len(engine.done("hold"))


async def test_a_preview_does_nothing_until_its_person_says_yes_and_then_once() -> None:
    engine = Engine()
    asked = await say(engine, "/hold BTC")
    assert "Nothing is done yet. /confirm C1 within 30 s" in asked
    assert holds(engine) == 0
    assert "hold: done" in await say(engine, "/confirm c1")
    assert "C1 is confirmed. It was carried out once." in await say(engine, "/confirm C1")
    assert holds(engine) == 1


async def test_presses_at_the_same_moment_send_it_once() -> None:
    engine = Engine()
    await say(engine, "/hold BTC")
    presses = (say(engine, "/confirm C1", door=door) for door in (Door.TERMINAL, Door.DASHBOARD) * 4)
    answers = await asyncio.gather(*presses)
    assert len([done for done in engine.done("hold") if done.ok]) == 1
    assert all("refused" not in said for said in answers)


async def test_a_yes_that_a_crash_lost_before_the_engine_had_it_is_carried_out_once_when_it_comes_again() -> None:
    engine = Engine()
    await say(engine, "/hold BTC")
    (preview,) = engine.room.confirms.previews.open()
    await engine.room.confirms.previews.put(structs.replace(preview, answer=Answer.CONFIRMED))
    assert "hold: done" in await say(engine, "/confirm C1")
    assert "It was carried out once" in await say(engine, "/confirm C1")
    assert holds(engine) == 1


async def test_a_press_whose_command_a_crash_swallowed_is_carried_out_when_it_comes_again(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        w.telegram.say(TINA, "/hold BTC")
        card = await w.telegram.wait(lambda one: one.buttons and one.chat == TINA)
        (preview,) = w.room.confirms.previews.open()
        await w.room.confirms.previews.put(structs.replace(preview, answer=Answer.CONFIRMED))
        w.telegram.press(TINA, card, "Confirm")
        await w.telegram.text("hold: done", chat=TINA)
        w.telegram.press(TINA, card, "Confirm")
        await w.telegram.text("It was carried out once", chat=TINA)
        assert holds(w.engine) == 1


async def test_a_yes_whose_answer_a_crash_swallowed_is_told_what_came_of_it() -> None:
    engine = Engine()
    await say(engine, "/hold BTC")
    await say(engine, "/confirm C1")
    [done] = engine.done("hold")

    async def earlier(request_id: str):
        return done if request_id == done.request_id else None

    engine.desk.earlier = earlier
    assert f"What came of it: {done.text}" in await say(engine, "/confirm C1")
    assert holds(engine) == 1


async def test_a_yes_that_a_crash_lost_can_still_be_taken_back() -> None:
    engine = Engine()
    await say(engine, "/hold BTC")
    (preview,) = engine.room.confirms.previews.open()
    await engine.room.confirms.previews.put(structs.replace(preview, answer=Answer.CONFIRMED))
    assert "C1 is cancelled. Nothing was done." in await say(engine, "/confirm C1 no")
    assert holds(engine) == 0


async def test_a_clock_that_is_put_back_does_not_keep_a_question_open() -> None:
    engine = Engine()
    await say(engine, "/hold BTC")
    now_ns = time.time_ns()
    engine.room.confirms.now_ns = lambda: now_ns - 3_600_000_000_000
    assert "C1 is not confirmed within 30 s. Nothing was done." in await say(engine, "/confirm C1")
    assert holds(engine) == 0


async def test_somebody_elses_preview_is_refused_and_recorded_and_still_waits() -> None:
    engine = Engine()
    await say(engine, "/hold BTC")
    assert "only tina answers it" in await say(engine, "/confirm C1", "rosa")
    told = [fact.text for fact in engine.facts if isinstance(fact, Alerted) and fact.kind == "press_refused"]
    assert told == ["terminal, rosa on C1: tina's preview was answered by somebody else."]
    assert "hold: done" in await say(engine, "/confirm C1")


async def test_what_is_dropped_or_too_old_is_not_sent() -> None:
    engine = Engine()
    await say(engine, "/hold BTC")
    assert "C1 is cancelled. Nothing was done." in await say(engine, "/confirm C1 no")
    assert "C1 is cancelled. Ask again" in await say(engine, "/confirm C1")
    await say(engine, "/hold BTC")
    engine.room.confirms.now_ns = lambda: time.time_ns() + FRESH_NS + 1
    assert "C2 is not confirmed within 30 s. Nothing was done." in await say(engine, "/confirm C2")
    assert holds(engine) == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/confirm C9", "no preview is called 'C9'. You are asked: C1."),
        ("/confirm C1 deadbeef", "'deadbeef' is neither no nor the digest of C1"),
        ("/confirm", "ID is missing"),
    ],
)
async def test_an_answer_that_fits_nothing_is_told_what_would(line: str, said: str) -> None:
    engine = Engine()
    await say(engine, "/hold BTC")
    assert said in await say(engine, line)
    assert holds(engine) == 0


async def test_who_lost_the_role_between_question_and_answer_is_refused() -> None:
    engine = Engine()
    await say(engine, "/hold BTC")
    persons = engine.driver.core.persons
    persons["tina"] = structs.replace(persons["tina"], role=RoleName.VIEWER)
    assert "ROLE" in await say(engine, "/confirm C1")
    assert not [done for done in engine.done("hold") if done.ok]


async def test_on_telegram_the_press_turns_the_question_into_the_result(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        w.telegram.say(TINA, "/hold BTC", chat=GROUP)
        card = await w.telegram.wait(lambda one: one.buttons and one.chat == GROUP)
        assert [button["text"] for button in card.buttons] == ["Confirm", "Cancel"]
        assert all(len(button["callback_data"].encode()) <= 64 for button in card.buttons)
        w.telegram.press(ROSA, card, "Confirm")
        await w.telegram.text("only tina answers it", chat=GROUP)
        w.telegram.press(TINA, card, "Confirm")
        done = await w.telegram.text("hold: done", chat=GROUP)
        assert (done.method, done.message_id, done.buttons) == ("editMessageText", card.message_id, [])
        w.telegram.press(TINA, card, "Confirm")
        await w.telegram.text("It was carried out once", chat=GROUP)
        assert holds(w.engine) == 1


async def test_a_question_survives_a_restart_and_an_unanswered_one_loses_its_buttons(tmp_path: Path) -> None:
    engine = Engine()
    async with world(tmp_path, "telegram", engine=engine) as first:
        first.telegram.say(TINA, "/hold BTC")
        first.telegram.say(TINA, "/hold BTC")
        cards = [await first.telegram.wait(lambda one, n=n: f"confirm C{n}" in one.text) for n in (1, 2)]
    async with world(tmp_path, "telegram", engine=engine) as w:
        press = w.telegram.press_of(TINA, cards[0], cards[0].buttons[0]["callback_data"])
        w.telegram.push({"update_id": 900, "callback_query": press})
        await w.telegram.text("hold: done", chat=TINA)
        later_ns = time.time_ns() + FRESH_NS + 1
        w.room.confirms.now_ns = lambda: later_ns
        await w.room.confirms.expire()
        over = await w.telegram.text("hold: not confirmed within 30 s", chat=TINA)
        assert over.buttons == []
        press = w.telegram.press_of(TINA, cards[1], cards[1].buttons[0]["callback_data"])
        w.telegram.push({"update_id": 901, "callback_query": press})
        await w.telegram.text("C2 is expired", chat=TINA)
        assert holds(engine) == 1


async def test_on_discord_the_press_turns_the_question_into_the_result(tmp_path: Path) -> None:
    async with world(tmp_path, "discord") as w:
        await w.discord.slash(DISCORD["tina"], "hold", symbol="BTC")
        card = await w.discord.wait(lambda one: one["components"])
        await w.discord.click(DISCORD["rosa"], card, "Confirm")
        await w.discord.text("only tina answers it")
        await w.discord.click(DISCORD["tina"], card, "Confirm")
        done = await w.discord.text("hold: done")
        assert (done["id"], done["components"]) == (card["id"], [])
        await w.discord.slash(DISCORD["tina"], "hold", symbol="BTC")
        card = await w.discord.wait(lambda one: one["components"] and "C2" in shown(one))
        later_ns = time.time_ns() + FRESH_NS + 1
        w.room.confirms.now_ns = lambda: later_ns
        await w.room.confirms.expire()
        over = await w.discord.wait(lambda one: one["id"] == card["id"] and "not confirmed" in shown(one))
        assert over["components"] == []
        assert holds(w.engine) == 1


async def test_an_answer_from_another_door_brings_the_question_up_to_date(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        w.telegram.say(TINA, "/hold BTC", chat=GROUP)
        card = await w.telegram.wait(lambda one: one.buttons and one.chat == GROUP)
        said = plain(await run_line(w.room, actor("tina"), "/confirm C1", fresh_id()))
        assert "hold: done" in said
        edited = await w.telegram.text("hold: done", chat=GROUP)
        assert (edited.message_id, edited.buttons) == (card.message_id, [])
        await until(lambda: w.chat.outbox.waiting() == 0)


async def test_numbers_go_on_after_a_restart_and_old_questions_are_forgotten(tmp_path: Path) -> None:
    store = OpsStore(tmp_path / "ops.db")
    await store.start()
    engine = Engine()
    asked_ns = engine.now_ns()
    first = Previews(store)
    await first.start(asked_ns)
    preview = Preview(
        number=first.next_number(),
        actor=actor("tina"),
        verb="halt",
        command=Halt(),
        event="t:1",
        until_ns=asked_ns,
        message=Message(title="?"),
    )
    await first.put(preview)
    second = Previews(store)
    await second.start(asked_ns + 3 * KEEP_NS)
    assert second.next_number() == 2, "the button of C1 must not meet another C1"
    second.forget(asked_ns + 3 * KEEP_NS)
    assert second.get("C1") is None
    await store.aclose()


async def test_a_token_says_yes_only_to_what_it_asked_itself() -> None:
    """A token for orders would otherwise confirm what its person was asked elsewhere, with rights it has not."""
    engine = Engine()
    token, other = (Actor(person="tina", door=Door.API, chat=f"token:T{n}") for n in (1, 2))
    await say(engine, "/hold BTC")
    for program, question in ((token, "C1"), (other, "C1")):
        told = plain(await run_line(engine.room, program, f"/confirm {question}", fresh_id()))
        assert "a token answers only what it asked for" in told
    await run_line(engine.room, token, "/hold BTC", fresh_id())
    assert "only what it asked for" in plain(await run_line(engine.room, other, "/confirm C2", fresh_id()))
    assert "hold: done" in plain(await run_line(engine.room, token, "/confirm C2", fresh_id()))
    assert "hold: done" in await say(engine, "/confirm C1")
