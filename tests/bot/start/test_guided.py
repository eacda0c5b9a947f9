"""`moondev init` as a person has it: a terminal, a phone, and a chat server on the other side of the network."""

from __future__ import annotations

import re
import sqlite3
import stat
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pyotp
import pytest
import yaml

from tests.bot.servers.discord_objects import CHANNEL, GUILD, OTHER_CHANNEL
from tests.bot.servers.discord_server import TOKEN as DISCORD_TOKEN
from tests.bot.servers.discord_server import DiscordServer
from tests.bot.servers.telegram_server import BOT_NAME, TOKEN, TelegramServer
from tests.bot.start.terminal import Terminal, files_of

ANNA = 501
STRANGER = 999
TELEGRAM_GROUP = -1007
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
    server.say(STRANGER, f"/start {code}", chat=TELEGRAM_GROUP)
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
    nobody = {"id": TELEGRAM_GROUP, "type": "supergroup", "title": "desk"}
    server.say(1087968824, f"/here@{BOT_NAME}", chat=TELEGRAM_GROUP, sender_chat=nobody)
    await t.until("anonymous admin")
    server.say(ANNA, f"/here@{BOT_NAME}", chat=TELEGRAM_GROUP)
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
            test = await server.text("Test message", chat=TELEGRAM_GROUP)
            server.press(ANNA, test, "It has arrived")
            await t.until("the test message has arrived")
            for question in ("Connect Discord?", "Alerts by e-mail too?", "Critical alerts as text messages too?"):
                await t.answer(question, "n")
            await t.until("ok Telegram, anna alone: takes messages")
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
    assert told["telegram"]["alert_chats"] == told["telegram"]["allowed_chats"] == [TELEGRAM_GROUP]
    assert text.startswith("# mine\n")
    assert "# local" in text
    with sqlite3.connect(data / "ops.db") as db:
        kept = [body for (body,) in db.execute("select body from inbox")]
    assert any(b"/halt while it was down" in body for body in kept)  # the service carries it out when it starts


async def test_ctrl_c_and_a_second_program_end_it_and_the_step_goes_on_from_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with telegram() as server:
        file = settings_for(server, tmp_path / "mine.yaml")
        file.write_text(f"{file.read_text()}persons:\n  - {{id: anna, role: admin}}\n  - {{id: bob, role: risk}}\n")
        words = ("--person", "anna", "--data", str(data), "--config", str(file))
        async with Terminal("init", "telegram", *words) as t:
            await give_token(t)
            await t.until("Waiting for the phone")
            t.interrupt()
            await t.until(f"What was settled is kept; to go on: ./moondev init telegram --data {data} --config {file}")
            assert await t.ended() == 130
        async with Terminal("init", "telegram", *words) as t:
            await t.answer(f"Go on with the bot @{BOT_NAME}?", "y")
            await t.until("Waiting for the phone")
            async with httpx.AsyncClient() as other:
                await other.get(f"{server.base_url}{TOKEN}/getUpdates")
            await t.until("another program listens to this bot")
            assert await t.ended() == 1
        async with Terminal("init", "telegram", *words) as t:
            await t.answer(f"Go on with the bot @{BOT_NAME}?", "y")
            await link_anna(t, server)
            await t.until("Waiting for /here")
            t.interrupt()
            assert await t.ended() == 130
        assert "telegram_user_id: 501" in file.read_text()
        assert "enabled" not in file.read_text()


@asynccontextmanager
async def discord():
    server = DiscordServer()
    server.invited = False
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_discord_from_its_token_to_a_test_message_that_has_arrived(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    async with discord() as server:
        file = data / "settings.yaml"
        urls = f"discord: {{api_url: {server.api_url}, gateway_url: {server.gateway_url}}}"
        file.write_text(f"{urls}\npersons: [{{id: anna, role: admin}}, {{id: bob, role: risk}}]\n")
        async with Terminal("init", "discord", "--data", str(data)) as t:
            await t.answer("Whose account is it [anna]", "eve")
            await t.until("there are anna, bob")
            t.type("anna")
            await t.answer("Token (not shown): ", "123456")
            await t.until("three parts")
            await t.answer("Token (not shown): ", f"{DISCORD_TOKEN}x")
            await t.until("Discord does not know this token")
            await t.answer("Token (not shown): ", DISCORD_TOKEN)
            await t.until("scope=bot+applications.commands&permissions=117760")
            await t.until("Waiting for the server")
            await server.invite()
            await t.until("the server is guild")
            assert set(server.commands) == {"link", "here"}
            code = re.findall(r"code:([A-Z0-9]{10})", await t.until("Waiting for the code"))[-1]
            await server.slash(STRANGER, "link", code="AAAAAAAAAA")
            await server.slash(ANNA, "link", code=code.lower())
            asked = await server.text("becomes anna")
            await server.click(STRANGER, asked, "Yes, I am anna")
            await server.click(ANNA, asked, "Yes, I am anna")
            await t.answer("Is @user501 really anna?", "y")
            await t.answer("Write this?", "y")
            await t.until("Waiting for /here")
            server.app_permissions = str(1 << 10 | 1 << 11)
            await server.slash(ANNA, "here")
            await t.until("not allowed here: Embed Links, Attach Files, Read Message History")
            server.app_permissions = "8"
            await server.slash(STRANGER, "here", where=OTHER_CHANNEL)
            await server.slash(ANNA, "here")
            await t.answer("Alerts to #desk300?", "y")
            await t.answer("Write this?", "y")
            await server.click(ANNA, await server.text("Test message"), "It has arrived")
            await t.until("the test message has arrived")
            await t.answer("Is bob here too?", "n")
            assert await t.ended() == 0
    assert DISCORD_TOKEN not in t.shown + files_of(data)
    told = yaml.safe_load(file.read_text())
    assert told["persons"][0] == {"id": "anna", "role": "admin", "discord_user_id": ANNA}
    assert told["discord"]["guild_id"] == int(GUILD)
    assert told["discord"]["alert_channels"] == [int(CHANNEL)]


@pytest.mark.process
async def test_what_was_set_up_runs_and_a_halt_from_meanwhile_is_carried_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with telegram() as server:
        file = settings_for(server, data / "settings.yaml")
        file.write_text(
            f"{file.read_text()}data_feed: {{source: synthetic}}\ngateway: {{enabled: false}}\nstrategies: []\n"
        )
        async with Terminal("init", "people", "--person", "anna", "--no-code", "--yes", "--data", str(data)) as t:
            assert await t.ended() == 0
        async with Terminal("init", "telegram", "--data", str(data), MOONDEV_TELEGRAM_TOKEN=TOKEN) as t:
            await link_anna(t, server)
            await choose_group(t, server)
            await t.until("press its button")
            server.press(ANNA, await server.text("Test message"), "It has arrived")
            assert await t.ended() == 0
        async with Terminal("run", "--data", str(data)) as service:
            await service.until("Chat       Telegram")
            halted = await server.text("halt: done")
            assert halted.chat == ANNA
            server.say(ANNA, "/whoami", chat=TELEGRAM_GROUP)
            assert "You are Anna" in (await server.text("You are", chat=TELEGRAM_GROUP)).text
            service.interrupt()
            assert await service.ended() == 0


async def test_a_partner_gets_an_authenticator_and_the_demo_person_goes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    file = data / "settings.yaml"
    file.write_text('persons:\n  - {id: anna, role: admin}  # me\n  - {id: rosa, name: "Rosa (demo)", role: risk}\n')
    async with Terminal("init", "people", "--person", "bob", "--code", "--data", str(data)) as t:
        await t.answer("Name [Bob]")
        await t.until("risk also votes")
        await t.answer("Role [risk]", "captain")
        await t.until("there is no role 'captain'")
        await t.answer("Role [risk]")
        await t.answer("Write this?")
        shown = await t.until("The six digits")
        secret = re.findall(r"secret=([A-Z2-7]+)", shown)[0]
        t.type("000000")
        await t.until("does not fit")
        t.type(pyotp.TOTP(secret).now())
        await t.until("bob can vote with codes")
        assert await t.ended() == 0
    told = yaml.safe_load(file.read_text())
    assert told["persons"] == [{"id": "anna", "role": "admin"}, {"id": "bob", "name": "Bob", "role": "risk"}]
    assert told["approvals"] == {"requester_counts": True}
    assert "# me" in file.read_text()
    assert f"totp_bob = {secret}" in (data / "secrets").read_text()


async def test_a_terminal_that_shows_plain_letters_only_gets_the_link_without_its_picture(tmp_path: Path) -> None:
    async with telegram() as server:
        file = settings_for(server, tmp_path / "mine.yaml")
        file.write_text(f"{file.read_text()}persons: [{{id: anna, name: Zoë, role: admin}}, {{id: bob, role: risk}}]\n")
        words = ("--person", "anna", "--data", str(tmp_path / "data"), "--config", str(file))
        ascii_only = {"PYTHONIOENCODING": "ascii", "MOONDEV_TELEGRAM_TOKEN": TOKEN}
        async with Terminal("init", "telegram", *words, **ascii_only) as t:
            await t.until("?start=")
            await t.until("Waiting for the phone")
            t.interrupt()
            assert await t.ended() == 130
    assert t.shown.isascii()
