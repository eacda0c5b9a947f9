"""Killed between a message that was taken and the answer that was not looked at: on Discord, by mail, by SMS.

What happened is not known then. The next run sends again and says so, or finds that it has arrived; nothing is lost,
nothing stands there twice without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from bot.local import NotRunning, ask
from tests.bot.kills import writes
from tests.bot.kills.test_kills import REPEATED, Lives, is_quiet
from tests.bot.servers import discord_server
from tests.bot.servers.discord_objects import CHANNEL, GUILD
from tests.bot.servers.discord_server import DiscordServer, shown
from tests.bot.servers.sms import ACCOUNT, SmsServer
from tests.bot.servers.sms import TOKEN as SMS_TOKEN
from tests.bot.servers.smtp import MailServer
from tests.bot.world import DISCORD, until

SETTINGS = """
data_feed: {{source: synthetic}}
gateway: {{enabled: false}}
strategies: []
persons:
  - {{id: tina, name: Tina, role: trader, discord_user_id: {tina}}}
  - {{id: rosa, name: Rosa, role: risk}}
  - {{id: adam, name: Adam, role: admin}}
discord: {{enabled: true, api_url: "{api}", gateway_url: "{socket}", guild_id: {guild}, alert_channels: [{channel}]}}
email: {{enabled: true, server: 127.0.0.1, port: {mail}, tls: none, sender: desk@example.org}}
sms: {{enabled: true, api_url: "{sms}", account: {account}, sender: "+15550000000"}}
contacts: [{{person: tina, email: tina@example.org, sms: "+15551111111"}}]
"""
SECRETS = f"discord_token = {discord_server.TOKEN}\nsms_token = {SMS_TOKEN}\n"


async def life(folder: Path, kill_at: int) -> tuple[list[str], int]:
    """An incident that everybody is told of, and a kill; the points passed before it, and how often it was killed."""
    folder.mkdir(parents=True)  # noqa: ASYNC240 - a moment
    guild, mail, sms = DiscordServer(), MailServer(), SmsServer()
    for server in (guild, mail, sms):
        await server.start()
    settings = SETTINGS.format(
        tina=DISCORD["tina"],
        api=guild.api_url,
        socket=guild.gateway_url,
        guild=GUILD,
        channel=CHANNEL,
        mail=mail.port,
        sms=sms.url,
        account=ACCOUNT,
    )
    made = Lives(folder, settings, SECRETS, kill_at, writes.serve_channels)
    try:
        async with made.kept():
            await guild.text("MoonDev is up", within_s=60)
            await flatten(made.data)
            await until(lambda: bool(mail.mails and sms.messages) and is_quiet(made.data), 60)
    finally:
        made.kill()
        for server in (guild, mail, sms):
            await server.stop()
    with closing(sqlite3.connect(made.data / "ops.db")) as db:
        lost = "select recipient, state, note from outbox where state not in ('sent', 'superseded') and note not like ?"
        assert list(db.execute(lost, ("%; handed to %",))) == []
    told = [("discord", str(one["channel_id"]), shown(one)) for one in guild.sent]
    told += [("email", str(one["To"]), one.get_body(("plain",)).get_content()) for one in mail.mails]  # type: ignore[union-attr]
    told += [("sms", one["to"], one["body"]) for one in sms.messages]
    assert {channel for channel, *_ in told} == {"discord", "email", "sms"}
    for times, (channel, whom, text) in counted(told):
        assert times == 1 or REPEATED in text, f"{channel} {whom} had this {times} times: {text}"
    return made.points(), made.kills


async def flatten(data: Path) -> None:
    """Type it until there is an answer: what runs then may be killed before it says a word."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(NotRunning):
                await ask(data, "tina", "/flatten all the prices are odd")
                return
            await asyncio.sleep(0.1)


def counted(told: list[tuple[str, str, str]]) -> list[tuple[int, tuple[str, str, str]]]:
    """Each message with how many of the same reference there are, the last of them."""
    key = {one: (*one[:2], one[2].strip().rpartition("ref ")[2]) for one in told}
    times = Counter(key[one] for one in told)
    last = {key[one]: one for one in told}
    return [(times[ref], one) for ref, one in last.items()]


@pytest.mark.process
@pytest.mark.timeout(900)
async def test_killed_before_the_answer_of_a_channel_it_says_so_or_finds_what_has_arrived(tmp_path: Path) -> None:
    passed, kills = await life(tmp_path / "whole", 0)
    assert kills == 0
    assert {point.partition(":")[0] for point in passed} == {"discord", "email", "sms"}
    every = range(1, len(passed) + 1)
    chosen = list(every) if os.environ.get("MOONDEV_KILLS") == "all" else [random.choice(every)]
    print(f"{len(passed)} messages; killed at {len(chosen)} of them")
    for number in chosen:
        points, kills = await life(tmp_path / str(number), number)
        print(f"{number}: {points[number - 1] if number <= len(points) else 'not passed'}")
        assert kills == (number <= len(points))
