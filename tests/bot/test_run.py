"""The whole program, steered from chat: halted on Telegram, killed, started again, and still halted."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.bot.servers import discord_server, telegram_server
from tests.bot.servers.discord_objects import CHANNEL, GUILD
from tests.bot.servers.discord_server import DiscordServer, shown
from tests.bot.servers.telegram_server import TelegramServer
from tests.bot.world import DISCORD, GROUP, TELEGRAM

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]
ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 60
CONFIG = """
data_feed: {{source: synthetic}}
persons:
  - {{id: tina, name: Tina, role: trader, telegram_user_id: {tina}, discord_user_id: {discord_tina}}}
  - {{id: rosa, name: Rosa, role: risk, telegram_user_id: {rosa}, discord_user_id: {discord_rosa}}}
  - {{id: adam, name: Adam, role: admin}}
telegram: {{enabled: true, base_url: "{telegram_url}", base_file_url: "{telegram_url}", allowed_chats: [{group}],
           alert_chats: [{group}]}}
discord: {{enabled: true, api_url: "{api}", gateway_url: "{gateway}", guild_id: {guild}, alert_channels: [{channel}]}}
"""


@asynccontextmanager
async def service(tmp_path):
    """The program as a process of its own; killed without warning at the end."""
    command = ["main.py", "run", "--data", str(tmp_path / "data"), "--config", str(tmp_path / "c.yaml"), "--port", "0"]
    output = (tmp_path / "output").open("a")
    child = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        output.close()


@pytest.fixture
async def servers(tmp_path):
    telegram, discord = TelegramServer(), DiscordServer()
    await telegram.start()
    await discord.start()
    text = CONFIG.format(
        tina=TELEGRAM["tina"],
        rosa=TELEGRAM["rosa"],
        discord_tina=DISCORD["tina"],
        discord_rosa=DISCORD["rosa"],
        telegram_url=telegram.base_url,
        group=GROUP,
        api=discord.api_url,
        gateway=discord.gateway_url,
        guild=GUILD,
        channel=CHANNEL,
    )
    (tmp_path / "c.yaml").write_text(text)
    secrets = tmp_path / "data" / "secrets"
    secrets.parent.mkdir()
    secrets.touch(mode=0o600)
    secrets.write_text(f"telegram_token = {telegram_server.TOKEN}\ndiscord_token = {discord_server.TOKEN}\n")
    yield telegram, discord
    await telegram.stop()
    await discord.stop()


async def test_a_halt_from_chat_outlives_kill_9(servers, tmp_path):
    telegram, discord = servers
    tina, rosa = TELEGRAM["tina"], TELEGRAM["rosa"]
    async with service(tmp_path):
        telegram.say(tina, "/status")
        status = await telegram.text("Status: ", chat=tina, within_s=START_LIMIT_S)
        assert "PAPER" in status.text
        await discord.text("MoonDev is up", within_s=START_LIMIT_S)
        telegram.say(tina, "/halt before the kill", chat=GROUP)
        await telegram.text("halt: done", chat=GROUP)
        await discord.text("Trading is HALTED")
    telegram.say(rosa, "/status")
    async with service(tmp_path):
        status = await telegram.text("Status: HALTED", chat=rosa, within_s=START_LIMIT_S)
        assert "before the kill" in status.text
        await discord.wait(lambda one: "MoonDev is up" in shown(one), START_LIMIT_S, count=2)
        await discord.slash(DISCORD["rosa"], "status")
        await discord.text("Status: HALTED")
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.name != "secrets")
    for canary in (telegram_server.TOKEN, discord_server.TOKEN):
        assert canary.encode() not in written
    assert (tmp_path / "data" / "ops.db").stat().st_mode & 0o777 == 0o600
