"""Chat-ops as a whole: both bots in one loop, none able to hurt trading, and no token anywhere."""

import asyncio
import logging

import pytest

from bot.config import (
    DISCORD_API_URL,
    TELEGRAM_URL,
    AppriseConfig,
    BotConfig,
    ContactConfig,
    EmailConfig,
    HeartbeatConfig,
    HookConfig,
    SmsConfig,
    check_url,
)
from bot.message import Message
from bot.render import plain
from bot.service import ChatOps
from bot.supervise import Health, keep_running, scrub
from bot.verbs import run_line
from domain.errors import ConfigError
from domain.facts import Severity, TradingState
from tests.bot.servers import discord_server, telegram_server
from tests.bot.servers.sms import ACCOUNT, SmsServer
from tests.bot.servers.smtp import MailServer
from tests.bot.servers.telegram_server import Fault
from tests.bot.world import (
    DISCORD,
    GROUP,
    SECRETS,
    TELEGRAM,
    Engine,
    Secrets,
    actor,
    fresh_id,
    order,
    running,
    until,
    world,
)

TINA, ROSA = "tina", "rosa"
CANARIES = (
    telegram_server.TOKEN,
    telegram_server.TOKEN.partition(":")[2],
    discord_server.TOKEN,
    discord_server.TOKEN.partition(".")[0],
)


async def test_both_bots_share_the_loop_and_a_request_from_one_is_approved_on_the_other(tmp_path):
    async with world(tmp_path) as w:
        await order(w.desk, TINA)
        card = await w.discord.wait(lambda one: one["components"])
        await w.discord.click(DISCORD[ROSA], card, "Approve")
        edited = await w.telegram.wait(lambda one: one.method == "editMessageText")
        assert "approved" in edited.text
        w.engine.play(5)
        assert w.desk.positions()[0].qty > 0


async def test_one_bot_down_leaves_the_other_and_trading_alone(tmp_path):
    async with world(tmp_path) as w:
        await w.telegram.stop()
        await until(lambda: w.chat.health()["telegram"] != "up", 10)
        await w.discord.slash(DISCORD[TINA], "halt")
        await w.discord.text("halt: done")
        assert w.engine.trading is TradingState.HALTED
        assert w.chat.health()["discord"] == "up"
        w.engine.play(5)


async def test_both_servers_unreachable_from_the_start_is_health_and_not_an_error(tmp_path):
    engine = Engine()
    config = BotConfig()
    async with world(tmp_path / "x", up=True) as w:
        config = w.config
    chat = ChatOps(engine.desk, config, Secrets(SECRETS), tmp_path)
    async with running(chat):
        await until(lambda: all(state.startswith("restarting") for state in chat.health().values()), 20)
        engine.play(5)
    assert engine.trading is TradingState.ACTIVE


async def test_commands_that_come_before_the_engine_knows_its_people_are_not_thrown_away(tmp_path):
    engine = Engine()
    known = dict(engine.driver.core.persons)
    engine.driver.core.persons.clear()
    async with world(tmp_path, "telegram", engine=engine, up=False) as w:
        w.telegram.say(TELEGRAM[TINA], "/halt")
        await asyncio.sleep(0.3)
        assert "nobody is known yet" in w.chat.health()["chat"]
        engine.driver.core.persons.update(known)
        await w.telegram.text("halt: done")


async def test_with_no_bot_what_people_choose_is_kept_all_the_same(tmp_path):
    chat = ChatOps(Engine().desk, BotConfig(), Secrets({}), tmp_path)
    async with running(chat):
        await until(lambda: chat._health.state == "up")
        assert await chat.room.people.change("tina", timezone="Asia/Tokyo")


async def test_a_part_that_fails_beside_the_bots_is_shown_until_it_runs_again(tmp_path, monkeypatch):
    chat = ChatOps(Engine().desk, BotConfig(), Secrets({}), tmp_path)
    run, broken = chat.room.tickets.run, True

    async def fail() -> None:
        if broken:
            raise OSError("the disk is gone")
        await run()

    monkeypatch.setattr(chat.room.tickets, "run", fail)
    async with running(chat):
        await until(lambda: any(door.name == "tickets" for door in chat.doors()))
        (door,) = chat.doors()
        assert not door.ok
        assert "the disk is gone" in door.text
        broken = False
        await until(lambda: not chat.doors())


async def test_tokens_are_in_no_log_no_error_no_chat_and_no_database(tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    async with world(tmp_path) as w:
        w.telegram.faults["getUpdates"] = [Fault(502), Fault(409, "Conflict"), Fault(404, "Not Found")]
        w.telegram.faults["sendMessage"] = [Fault(500), Fault(429, "Too Many Requests", retry_after=1)]
        w.discord.faults["/channels"] = [discord_server.Fault(500), discord_server.Fault(403)]
        w.telegram.push({"message": "poison"})
        w.telegram.say(TELEGRAM[TINA], "/halt")
        await w.discord.slash(DISCORD[TINA], "status")
        await w.telegram.text("halt: done", within_s=20)
        await w.discord.text("Status")
        await w.telegram.stop()
        await until(lambda: w.chat.health()["telegram"] != "up", 10)
        health = str(w.chat.health())
        chat = str(w.telegram.sent) + str(w.discord.sent)
    for secrets in ({"telegram_token": "4242:wrong-canary", "discord_token": "wrong-canary"}, {}):
        async with world(tmp_path / "again", secrets=secrets, up=False) as w:
            await until(lambda: all(state.startswith("disabled") for state in w.chat.health().values()), 10)
            health += str(w.chat.health())
    printed = capfd.readouterr()
    everything = caplog.text + printed.out + printed.err + health + chat
    for canary in (*CANARIES, "wrong-canary"):
        assert canary not in everything
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or canary.encode() not in file.read_bytes()


async def test_secrets_of_the_other_channels_are_in_no_log_no_error_no_message_and_no_database(tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    secrets = {
        "email_password": "smtp-password-canary",
        "sms_token": "wrong-sms-token-canary",
        "hook_secret": "hook-secret-canary",
        "hook_url": "https://127.0.0.1:9/hook-url-canary",
        "apprise_url": "json://apprise-user-canary:apprise-pass-canary@127.0.0.1:9/?retry=0",
        "heartbeat_url": "https://127.0.0.1:9/beat-canary",
    }
    mail, sms = MailServer(), SmsServer()
    await mail.start()
    await sms.start()
    mail.answers["MAIL"] = ["550 5.7.8 smtp-password-canary is wrong for <tina@example.com>"]
    config = BotConfig(
        email=EmailConfig(enabled=True, server="127.0.0.1", port=mail.port, tls="none", user="u", sender="a@b.example"),
        sms=SmsConfig(enabled=True, api_url=sms.url, account=ACCOUNT, sender="+15555550199"),
        hooks=(HookConfig(name="pager", url_secret="hook_url", secret="hook_secret"),),
        apprise=(AppriseConfig(name="phone", url_secret="apprise_url"),),
        contacts=(ContactConfig(person="tina", email="tina@example.com", sms="+15555550100"),),
        heartbeat=HeartbeatConfig(url_secret="heartbeat_url", every_s=0.05),
    )
    chat = ChatOps(Engine().desk, config, Secrets(secrets), tmp_path)
    everyone = ["email:tina@example.com", "sms:+15555550100", "hook:pager", "apprise:phone"]
    async with running(chat):
        await until(lambda: all(chat.health()[name] == "up" for name in ("email", "sms", "hook", "apprise")))
        await chat.outbox.post("a", everyone, Message(title="Halted", severity=Severity.CRITICAL))
        await until(lambda: all(chat.outbox.reach.of(one).failing_ns for one in everyone))
        await chat._watch.look()
        await until(lambda: chat.speakers.heart.state == "degraded")
        shown = str(chat.doors()) + str(chat.health()) + str(chat.outbox.reach.all())
        assert "cannot reach tina's e-mail" in shown
    await mail.stop()
    await sms.stop()
    printed = capfd.readouterr()
    everything = caplog.text + printed.out + printed.err + shown
    assert "tina@example.com" not in str(chat.doors()) + str(chat.health())
    for canary in ("smtp-password", "sms-token", "hook-secret", "hook-url", "apprise-user", "apprise-pass", "beat"):
        assert f"{canary}-canary" not in everything
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or f"{canary}-canary".encode() not in file.read_bytes()


async def test_a_bot_that_was_removed_from_its_chat_is_told_on_the_channel_that_still_works(tmp_path):
    async with world(tmp_path) as w:
        w.telegram.unknown_chats.add(GROUP)
        await w.chat.outbox.post("a", [f"telegram:{GROUP}"], Message(title="Halted", severity=Severity.CRITICAL))
        handed = await w.discord.text("Meant for the Telegram chat")
        assert "Chat not found" in discord_server.shown(handed)
        await w.chat._watch.look()
        told = discord_server.shown(await w.discord.text("Add the bot to that chat again"))
        assert "Cannot reach the Telegram chat" in told
        assert "cannot reach the Telegram chat" in await status(w)
        w.telegram.unknown_chats.clear()
        await w.chat.outbox.post("b", [f"telegram:{GROUP}"], Message(title="Works"))
        await w.telegram.text("Works")
        await until(lambda: not w.chat.outbox.reach.of(f"telegram:{GROUP}").failing_ns)
        await w.chat._watch.look()
        assert "cannot reach the Telegram chat" not in await status(w)


async def test_what_ends_a_session_is_written_down_without_its_secret_and_it_starts_again():
    health, runs = Health(), []

    async def session():
        runs.append(1)
        raise ValueError("https://api/bot12:SECRET/x failed")

    task = asyncio.create_task(keep_running("x", session, health, secret=lambda: "SECRET", first_pause_s=0.01))
    await until(lambda: len(runs) >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert health.text() == "restarting: ValueError: https://api/bot12:***/x failed"
    assert scrub("nothing", "") == "nothing"


async def test_a_session_whose_way_out_fails_ends_all_the_same():
    async def session():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("cannot be closed")

    task = asyncio.create_task(keep_running("x", session, Health()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 1)


def test_a_token_goes_to_loopback_or_home_unless_allowed():
    assert check_url("k", TELEGRAM_URL, TELEGRAM_URL, allow_remote=False) == TELEGRAM_URL
    assert check_url("k", "http://127.0.0.1:8081/bot", TELEGRAM_URL, allow_remote=False)
    assert check_url("k", "http://[::1]:8081/bot", TELEGRAM_URL, allow_remote=False)
    assert check_url("k", "https://botapi.example/bot", TELEGRAM_URL, allow_remote=True)
    for url in ("https://api.telegram.org.evil.example/bot", "http://127.0.0.1.evil.example/", "nonsense"):
        with pytest.raises(ConfigError, match="allow_remote_base_url"):
            check_url("discord.api_url", url, DISCORD_API_URL, allow_remote=False)


async def status(w):
    return plain(await run_line(w.room, actor(TINA), "/status", fresh_id()))


async def test_every_screen_says_how_the_channels_are(tmp_path):
    async with world(tmp_path, up=False, secrets=SECRETS | {"telegram_token": "4242:wrong"}) as w:
        await until(lambda: w.chat.health()["discord"] == "up")
        await until(lambda: w.chat.health()["telegram"].startswith("disabled"))
        said = await status(w)
        assert "discord      connected since 20" in said
        assert "telegram     switched off since 20" in said
        assert "@BotFather" in said, "what to do"
        assert "4242:wrong" not in said
        assert [door.ok for door in w.desk.status().doors] == [False, True]
        assert said.startswith("⚠️ Status: ACTIVE")


async def test_a_lost_channel_says_since_when_and_not_since_the_last_attempt(tmp_path):
    async with world(tmp_path, "telegram") as w:
        assert "connected since" in await status(w)
        await w.telegram.stop()
        await until(lambda: not w.desk.status().doors[0].ok)
        first = w.chat.telegram.health.down_ns
        w.chat.telegram.health.set("restarting", "again")
        assert w.chat.telegram.health.down_ns == first
        assert "not connected, trying again, since 20" in await status(w)
