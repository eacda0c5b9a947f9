"""Cards on every channel: reminders, the countdown of an override, and who never gets one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.cards import Cards
from domain.commands import Approve
from tests.bot.servers.discord_objects import CHANNEL, dm_of
from tests.bot.servers.discord_server import shown
from tests.bot.test_verbs import ask
from tests.bot.world import DISCORD, GROUP, TELEGRAM, Engine, actor, order, until, world


async def loosened(engine: Engine, minutes: int = 12) -> None:
    """Rosa asks, Rolf and Adam agree."""
    said = await ask(engine, f"/override open_positions 25 {minutes} all a busy day", "rosa")
    assert said.startswith("override: waits for approval"), said
    for voter in ("rolf", "adam"):
        assert (await engine.desk.submit(Approve(request="R1"), actor(voter))).ok


async def test_people_are_reminded_at_half_time_but_not_who_asked(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        await order(w.desk, "tina")
        await w.telegram.wait(lambda one: one.buttons and one.chat == GROUP)
        w.engine.play(61)
        reminder = await w.telegram.text("order R1 expires in", chat=TELEGRAM["rosa"])
        assert "R1 still waits: 0 of 1 votes" in reminder.text
        await w.telegram.text("order R1 expires in", chat=GROUP)
        w.engine.play(60)
        await w.telegram.text("order R1: expired", chat=GROUP)
        assert not [one for one in w.telegram.sent if "expires in" in one.text and one.chat == TELEGRAM["tina"]]


async def test_the_time_left_to_vote_counts_down_on_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.cards.LOOK_S", 0.01)
    async with world(tmp_path, "telegram") as w:
        await order(w.desk, "tina")
        card = await w.telegram.wait(lambda one: bool(one.buttons) and one.chat == TELEGRAM["rosa"])
        await until(lambda: bool(w.chat.outbox.waiting() == 0))
        w.engine.play(45)
        edited = await w.telegram.wait(lambda one: one.method == "editMessageText" and one.chat == TELEGRAM["rosa"])
        assert edited.message_id == card.message_id
        assert "left      75 s" in edited.text
        assert [button["text"] for button in edited.buttons] == ["Approve", "Deny"]


async def test_an_override_counts_down_everywhere_and_its_card_says_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.cards.LOOK_S", 0.01)
    async with world(tmp_path) as w:
        await loosened(w.engine)
        card = await w.telegram.text("OVERRIDE in force: open_positions", chat=GROUP)
        assert "open_positions of portfolio is 25 count" in card.text
        assert "rosa, rolf, adam (R1)" in card.text
        assert "/overrides end open_positions portfolio" in card.text
        there = await w.discord.text("OVERRIDE in force: open_positions")
        await w.telegram.text("OVERRIDE in force", chat=TELEGRAM["rosa"])
        w.engine.play(180)
        edited = await w.telegram.wait(lambda one: one.method == "editMessageText" and "9 min" in one.text)
        assert edited.message_id in {one.message_id for one in w.telegram.sent if one.method == "sendMessage"}
        w.telegram.say(TELEGRAM["tina"], "/status", chat=GROUP)
        status = await w.telegram.text("Status:", chat=GROUP)
        assert "OVERRIDE open_positions" in status.text
        assert "· OVERRIDE open_positions until" in status.text.splitlines()[-1]
        assert (await ask(w.engine, "/overrides end open_positions", "tina")).startswith("overrides end: done")
        over = await w.telegram.wait(lambda one: "Override over" in one.text and one.chat == GROUP)
        assert over.message_id == card.message_id
        await w.discord.wait(lambda one: one["id"] == there["id"] and "Override over" in shown(one))
        assert "OVERRIDE" not in (await ask(w.engine, "/status"))


async def test_the_countdown_is_in_steps_while_there_is_much_time(tmp_path: Path) -> None:
    engine = Engine()
    await loosened(engine, 60)
    posted: list[str] = []

    class Outbox:
        async def post(self, event: str, *_: object, **__: object) -> bool:
            posted.append(event)
            return len(posted) == 1

    cards = Cards(engine.desk, Outbox(), recipients=["telegram:1"], rooms={}, private=lambda _: "")  # type: ignore[arg-type]
    for _ in range(12):
        await cards.count_down()
        engine.play(60)
    assert [event.split(":")[3] for event in posted if event.count(":") == 3] == ["55", "50"]


async def test_break_glass_is_told_to_each_person_alone(tmp_path: Path) -> None:
    from engine.codes import Codes
    from tests.bot.test_codes import SECRETS, code
    from tests.bot.world import Secrets

    async with world(tmp_path, "telegram") as w:
        w.desk.codes = Codes(Secrets(SECRETS), w.engine)
        said = await ask(w.engine, f"/breakglass halt {code(w.engine, 'rosa')} fire", "rosa")
        assert said.startswith("breakglass: done"), said
        for person in ("tina", "rosa", "rolf", "adam"):
            await w.telegram.text("BREAK-GLASS", chat=TELEGRAM[person])
        await until(lambda: any("BREAK-GLASS" in one.text and one.chat == GROUP for one in w.telegram.sent))


async def test_approvers_are_told_alone_on_discord_and_vote_there_but_who_asked_is_not(tmp_path: Path) -> None:
    async with world(tmp_path, "discord") as w:
        w.discord.open_dms = set(DISCORD.values())
        await order(w.desk, "rosa")
        card = await w.discord.wait(lambda one: one["components"] and one["channel_id"] == dm_of(DISCORD["rolf"]))
        await w.discord.wait(lambda one: one["components"] and one["channel_id"] == dm_of(DISCORD["adam"]))
        await w.discord.click(DISCORD["rolf"], card, "Approve")
        await w.discord.text("approve: done")
        edited = await w.discord.wait(lambda one: one["id"] == card["id"] and not one["components"])
        assert "approved" in shown(edited)
        for person in ("rosa", "tina", "vera"):
            assert w.discord.sent_to(DISCORD[person]) == []


@pytest.mark.parametrize("is_alerted", [True, False])
async def test_who_takes_no_message_alone_finds_the_card_in_the_channel_once(tmp_path: Path, is_alerted: bool) -> None:
    engine = Engine()
    async with world(tmp_path, "discord", engine=engine, alert_channels=is_alerted) as w:
        await order(w.desk, "tina")
        card = await w.discord.wait(lambda one: one["components"])
        await until(lambda: w.chat.outbox.waiting() == 0)
        assert card["channel_id"] == CHANNEL
        assert len([one for one in w.discord.sent if one["components"]]) == 1
        await w.discord.click(DISCORD["rolf"], card, "Approve")
        await w.discord.wait(lambda one: one["id"] == card["id"] and not one["components"])
        await until(lambda: w.chat.outbox.waiting() == 0)
        assert len([one for one in w.discord.sent if "order R1: approved" in shown(one)]) == 1
