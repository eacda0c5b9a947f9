"""Service, Telegram and Discord in three processes, on a bad day of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.bot.servers import discord_server, telegram_server
from tests.bot.servers.discord_objects import CHANNEL, GUILD
from tests.bot.servers.remote import Remote, apart
from tests.bot.world import DISCORD, GROUP, TELEGRAM
from tests.process.program import Program

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]
TINA, ROSA = TELEGRAM["tina"], TELEGRAM["rosa"]
WITHIN_S = 40
SETTINGS = """
data_feed: {{source: synthetic}}
gateway: {{enabled: false}}
strategies: []
persons:
  - {{id: tina, name: Tina, role: trader, telegram_user_id: {tina}, discord_user_id: {discord_tina}}}
  - {{id: rosa, name: Rosa, role: risk, telegram_user_id: {rosa}, discord_user_id: {discord_rosa}}}
  - {{id: adam, name: Adam, role: admin}}
telegram: {{enabled: true, base_url: "{telegram[base_url]}", base_file_url: "{telegram[file_url]}",
           allowed_chats: [{group}], alert_chats: [{group}]}}
discord: {{enabled: true, api_url: "{discord[api_url]}", gateway_url: "{discord[gateway_url]}", guild_id: {guild},
          alert_channels: [{channel}]}}
"""


@asynccontextmanager
async def three(tmp_path: Path) -> AsyncIterator[tuple[Remote, Remote]]:
    """All up and connected."""
    async with apart("telegram") as telegram, apart("discord") as discord:
        program = Program(
            tmp_path,
            SETTINGS.format(
                tina=TINA,
                rosa=ROSA,
                discord_tina=DISCORD["tina"],
                discord_rosa=DISCORD["rosa"],
                telegram=telegram.urls,
                discord=discord.urls,
                group=GROUP,
                guild=GUILD,
                channel=CHANNEL,
            ),
            forked=True,
        )
        secrets = program.data / "secrets"
        secrets.parent.mkdir()
        secrets.touch(mode=0o600)
        secrets.write_text(f"telegram_token = {telegram_server.TOKEN}\ndiscord_token = {discord_server.TOKEN}\n")
        program.start()
        try:
            await telegram.call("text", "MoonDev is up", within_s=WITHIN_S)
            await discord.call("text", "MoonDev is up", within_s=WITHIN_S)
            yield telegram, discord
            assert await asyncio.to_thread(program.stop) == 0, program.output()
        finally:
            program.kill()


async def test_on_a_bad_day_of_both_servers_everything_arrives_and_is_done_once(tmp_path: Path) -> None:
    async with three(tmp_path) as (telegram, discord):
        await telegram.fault("getUpdates", status=502)
        await telegram.fault("getUpdates", drop="before")
        await telegram.fault("getUpdates", drop="after")
        await telegram.fault("sendMessage", status=429, retry_after=1)
        await telegram.fault("sendMessage", drop="before")
        await telegram.fault("sendMessage", drop="after")
        await discord.fault("/channels", drop="before")
        await discord.fault("/channels", status=500)
        await telegram.call("push", {"message": {"message_id": 1, "date": "yesterday", "chat": 7}})
        await telegram.call("say", TINA, "/cap ETH 0.5", chat=GROUP)
        capped = await telegram.call("text", "cap: ", chat=GROUP, within_s=WITHIN_S)
        assert "done" in capped["text"]
        await telegram.set(forgetful=True)
        await telegram.fault("getUpdates", status=409, description="Conflict: terminated by other getUpdates request")
        await telegram.call("say", TINA, "/halt", chat=GROUP)
        await telegram.call("text", "halt: done", chat=GROUP, within_s=WITHIN_S)
        await discord.call("text", "Trading is HALTED", within_s=WITHIN_S)
        await telegram.call("text", "A chat message was unreadable", within_s=WITHIN_S)
        await telegram.call("text", "Second bot on this token", within_s=WITHIN_S)
        await discord.call("slash", DISCORD["rosa"], "audit", n="20")
        told = await discord.call("text", "halt", within_s=WITHIN_S, count=2)
        lines = [line for line in told["embeds"][0]["description"].splitlines() if "tina" in line]
        assert len([line for line in lines if "halt" in line]) == 1, lines
        assert len([line for line in lines if "cap" in line]) == 1, lines
