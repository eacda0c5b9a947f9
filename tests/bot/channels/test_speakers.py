"""The configured channels as part of the service: opened with their secrets, shown on every screen, found by person."""

import pytest
from msgspec.structs import replace

from bot.config import AppriseConfig, BotConfig, ContactConfig, EmailConfig, HookConfig, SmsConfig
from bot.contacts import contacts
from bot.message import Message, Text
from bot.service import ChatOps
from domain.facts import Severity
from tests.bot.servers.hook import SECRET, HookServer
from tests.bot.servers.sms import ACCOUNT, TOKEN, SmsServer
from tests.bot.servers.smtp import MailServer
from tests.bot.world import Engine, Secrets, running, until

HALT = Message(title="Trading is HALTED", blocks=(Text("By tina"),), severity=Severity.CRITICAL, stamp="PAPER · x")
EVERYWHERE = ("telegram", "discord", "email", "sms")


@pytest.fixture
async def servers():
    made = MailServer(), SmsServer(), HookServer()
    for server in made:
        await server.start()
    yield made
    for server in made:
        await server.stop()


def config_for(mail, sms, hook):
    return BotConfig(
        email=EmailConfig(enabled=True, server="127.0.0.1", port=mail.port, tls="none", sender="desk@moondev.example"),
        sms=SmsConfig(enabled=True, api_url=sms.url, account=ACCOUNT, sender="+15555550199"),
        hooks=(HookConfig(name="pager", url_secret="hook_url", secret="hook_secret"),),
        contacts=(ContactConfig(person="tina", email="tina@example.com", sms="+15555550100"),),
    )


SECRETS = {"sms_token": TOKEN, "hook_secret": SECRET}


async def test_one_message_reaches_a_person_by_mail_and_text_message_and_a_program_by_webhook(tmp_path, servers):
    mail, sms, hook = servers
    desk = Engine().desk
    chat = ChatOps(desk, config_for(*servers), Secrets(SECRETS | {"hook_url": hook.url}), tmp_path)
    room = chat.room
    recipients = [*room.contacts("tina", "sms", "email"), *room.alert_programs]
    assert recipients == ["email:tina@example.com", "sms:+15555550100", "hook:pager"]
    async with running(chat):
        await until(lambda: [door.ok for door in chat.doors()] == [True] * 3)
        await room.outbox.post("fact:7:1", recipients, HALT)
        await until(lambda: mail.mails and sms.messages and hook.taken)
        assert [door.name for door in chat.doors()] == ["email", "sms", "hook"]


async def test_a_channel_without_its_secret_says_so_and_the_others_work(tmp_path, servers):
    mail, _, _ = servers
    chat = ChatOps(Engine().desk, config_for(*servers), Secrets({"hook_url": "http://example.com/x"}), tmp_path)
    async with running(chat):
        await until(lambda: chat.health()["hook"].startswith("disabled"))
        assert "'sms_token' is missing" in chat.health()["sms"]
        assert chat.health()["email"] == "up"
        await chat.outbox.post("fact:7:1", ["email:tina@example.com"], HALT)
        await until(lambda: mail.mails)


async def test_an_address_that_others_could_read_along_with_is_refused_without_naming_it(tmp_path, servers):
    secrets = Secrets(SECRETS | {"hook_url": "http://hook-url-canary.example/x"})
    chat = ChatOps(Engine().desk, config_for(*servers), secrets, tmp_path)
    async with running(chat):
        await until(lambda: chat.health()["hook"].startswith("disabled"))
        assert "https://" in chat.health()["hook"]
        assert "canary" not in chat.health()["hook"]


def test_where_a_person_is_reached_depends_on_what_is_switched_on():
    desk = Engine().desk
    everything = config_for(MailServer(), SmsServer(), HookServer())
    assert contacts(desk, everything, "tina", EVERYWHERE) == ["email:tina@example.com", "sms:+15555550100"]
    assert contacts(desk, everything, "rosa", EVERYWHERE) == []
    assert contacts(desk, everything, "nobody", EVERYWHERE) == []
    chats = replace(everything, telegram=replace(everything.telegram, enabled=True), email=EmailConfig())
    assert contacts(desk, chats, "tina", EVERYWHERE) == ["telegram:11", "sms:+15555550100"]
    assert contacts(desk, chats, "tina") == ["telegram:11"]


async def test_an_apprise_address_is_a_secret_that_must_be_there(tmp_path):
    chat = ChatOps(
        Engine().desk, BotConfig(apprise=(AppriseConfig(name="phone", url_secret="x"),)), Secrets({}), tmp_path
    )
    async with running(chat):
        await until(lambda: "'x' is missing" in chat.health()["apprise"])
