"""`moondev init` as a person has it: a terminal, a phone, and a chat server on the other side of the network."""

from __future__ import annotations

import re
import sqlite3
import stat
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from tests.bot.servers.telegram_server import BOT_NAME, TOKEN, TelegramServer
from tests.bot.start.terminal import Terminal, files_of

ANNA = 501
STRANGER = 999
GROUP = -1007
CODE = re.compile(r"\?start=([A-Z0-9]{10})")
WRONG = "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@asynccontextmanager
async def telegram():
    server = TelegramServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def settings_for(server: TelegramServer, path: Path) -> Path:
    """A file of the person's own, which knows where the local server is."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "# mine\ntelegram:\n"
        f"  base_url: {server.base_url}        # local\n  base_file_url: {server.file_url}\n  alert_chats: []\n"
    )
    return path


async def name_anna(t: Terminal) -> None:
    await t.answer("Short id", "Anna!")
    await t.until("an id has small letters")
    t.type("anna")
    await t.answer("Name [Anna]")
    await t.answer("And another person?", "n")
    await t.answer("Write this?", "y")
    await t.answer("Give anna an authenticator", "n")


async def give_token(t: Terminal) -> None:
    await t.answer("Token (not shown): ", "hello")
    await t.until("no bot token")
    await t.answer("Token (not shown): ", WRONG)
    await t.until("does not know this token")
    await t.answer("Token (not shown): ", TOKEN)
    await t.until(f"the bot is @{BOT_NAME}")


async def link_anna(t: Terminal, server: TelegramServer) -> None:
    """Only the code, from the phone that then says yes, counts."""
    await t.until("Waiting for the phone")
    code = CODE.findall(t.shown)[-1]
    server.say(STRANGER, "/start AAAAAAAAAA")
    server.say(STRANGER, f"/start {code}", chat=GROUP)
    server.say(ANNA, f"/start {code}")
    asked = await server.text("becomes anna")
    assert asked.chat == ANNA
    server.push({"callback_query": server.press_of(STRANGER, asked, asked.buttons[0]["callback_data"])})
    server.press(ANNA, asked, "Yes, I am anna")
    await t.answer("Is user501 really anna?", "y")
    await t.answer("Write this?", "y")


async def choose_group(t: Terminal, server: TelegramServer) -> None:
    await t.until("Waiting for /here")
    server.say(STRANGER, f"/here@{BOT_NAME}", chat=-5)
    server.say(ANNA, "/halt while it was down")
    server.say(ANNA, f"/here@{BOT_NAME}", chat=GROUP)
    await t.answer("Alerts to desk", "y")
    await t.answer("Write this?", "y")


async def test_from_nothing_to_a_linked_telegram_through_every_mistake(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with telegram() as server:
        file = settings_for(server, data / "settings.yaml")
        async with Terminal("init", "--data", str(data)) as t:
            await name_anna(t)
            await t.answer("Connect Telegram?", "y")
            await give_token(t)
            await link_anna(t, server)
            await choose_group(t, server)
            test = await server.text("Test message", chat=GROUP)
            server.press(ANNA, test, "It has arrived")
            await t.until("the test message has arrived")
            await t.until(f"./moondev run --data {data}")
            assert await t.ended() == 0
    for token in (TOKEN, WRONG):
        assert token not in t.shown
        assert token not in files_of(data)
    assert stat.S_IMODE((data / "secrets").stat().st_mode) == 0o600
    assert f"telegram_token = {TOKEN}" in (data / "secrets").read_text()
    text = file.read_text()
    told = yaml.safe_load(text)
    assert [(one["id"], one.get("telegram_user_id")) for one in told["persons"]] == [("anna", ANNA), ("rosa", None)]
    assert told["telegram"]["enabled"] is True
    assert told["telegram"]["alert_chats"] == told["telegram"]["allowed_chats"] == [GROUP]
    assert text.startswith("# mine\n")
    assert "# local" in text
    with sqlite3.connect(data / "ops.db") as db:
        kept = [body for (body,) in db.execute("select body from inbox")]
    assert any(b"/halt while it was down" in body for body in kept)  # the service carries it out when it starts


async def test_ctrl_c_keeps_what_was_settled_and_the_step_goes_on_from_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with telegram() as server:
        file = settings_for(server, tmp_path / "mine.yaml")
        words = ("--data", str(data), "--config", str(file))
        async with Terminal("init", "people", *words) as t:
            await name_anna(t)
            assert await t.ended() == 0
        async with Terminal("init", "telegram", *words) as t:
            await give_token(t)
            await t.until("Waiting for the phone")
            t.interrupt()
            await t.until(f"What was settled is kept; to go on: ./moondev init telegram --data {data} --config {file}")
            assert await t.ended() == 130
        async with Terminal("init", "telegram", *words) as t:
            await t.answer(f"Go on with the bot @{BOT_NAME}?", "y")
            await link_anna(t, server)
            await t.until("Waiting for /here")
            t.interrupt()
            assert await t.ended() == 130
        assert "telegram_user_id: 501" in file.read_text()
        assert "enabled" not in file.read_text()
