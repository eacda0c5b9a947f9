"""`moondev init` as a person has it: a terminal, a phone, and chat servers in processes of their own."""

from __future__ import annotations

import re
import stat
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from tests.bot.servers.telegram_server import TOKEN, TelegramServer
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


async def test_from_nothing_to_a_linked_telegram_through_every_mistake(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with telegram() as server:
        file = settings_for(server, data / "settings.yaml")
        async with Terminal("init", "--data", str(data)) as t:
            await t.answer("Short id", "Anna!")
            await t.until("an id has small letters")
            t.type("anna")
            await t.answer("Name [Anna]")
            await t.answer("And another person?", "n")
            await t.answer("Write this?", "y")
            await t.answer("Give anna an authenticator", "n")
            await t.answer("Connect Telegram?", "y")
            await t.answer("Token (not shown)", "hello")
            await t.until("no bot token")
            await t.answer("Token (not shown)", WRONG)
            await t.until("does not know this token")
            await t.answer("Token (not shown)", TOKEN)
            await t.until("the bot is @moondev_test_bot")
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
            await t.until("Waiting for /here")
            server.say(STRANGER, "/here@moondev_test_bot", chat=GROUP)
            server.say(ANNA, "/halt while it was down")
            server.say(ANNA, "/here@moondev_test_bot", chat=GROUP, message_thread_id=7, is_topic_message=True)
            await t.answer("Alerts to desk", "y")
            await t.answer("Write this?", "y")
            test = await server.text("Test message", chat=GROUP)
            server.press(ANNA, test, "It has arrived")
            await t.until("the test message has arrived")
            assert await t.ended() == 0
    assert TOKEN not in t.shown
    assert WRONG not in t.shown
    secrets = data / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    assert f"telegram_token = {TOKEN}" in secrets.read_text()
    assert TOKEN not in files_of(data)
    told = yaml.safe_load(file.read_text())
    assert [(one["id"], one.get("telegram_user_id")) for one in told["persons"]] == [("anna", ANNA), ("rosa", None)]
    assert told["telegram"]["enabled"] is True
    assert "# mine" in file.read_text()
    assert "# local" in file.read_text()
