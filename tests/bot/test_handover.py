"""What a channel refuses goes to where its reader is reached instead, once, and what nobody takes is kept."""

import sqlite3

import pytest
from msgspec import structs

from bot.carrier import ChannelRefused, NotSent, RefusedForGood
from bot.config import BotConfig, ContactConfig, DiscordConfig, EmailConfig, SmsConfig, TelegramConfig
from bot.contacts import alert_chats
from bot.handover import rescue
from bot.message import Button, Message, Picture, Text
from bot.room import ControlRoom
from bot.store import OpsStore
from domain.facts import Severity
from tests.bot.test_floods import Filed
from tests.bot.test_pictures import PIXEL
from tests.bot.world import Engine, until

CONFIG = BotConfig(
    telegram=TelegramConfig(enabled=True, alert_chats=(-100,)),
    discord=DiscordConfig(enabled=True, alert_channels=(500,)),
    email=EmailConfig(enabled=True, sender="a@b.example"),
    sms=SmsConfig(enabled=True),
    contacts=(ContactConfig(person="tina", email="tina@example.com", sms="+15555550100"),),
)
HALT = Message(title="Halted", blocks=(Text("by rolf"),), severity=Severity.CRITICAL, stamp="PAPER · x")
GROUP, TINA = "telegram:-100", "telegram:11"


class Refusing(Filed):
    """Refuses everything, for good."""

    def __init__(self, why="Forbidden: bot was kicked", error=RefusedForGood) -> None:
        super().__init__()
        self.error = error(why)

    async def deliver(self, letter, replaces_id):
        raise self.error


@pytest.fixture
async def room(tmp_path):
    made = ControlRoom(Engine().desk, OpsStore(tmp_path / "ops.db"), CONFIG)
    await made.store.start()
    yield made
    await made.outbox.aclose()
    await made.store.aclose()


def states(room):
    """State by (event, recipient), as it is on disk."""
    with sqlite3.connect(room.store.path) as db:
        return {(event, who): state for event, who, state in db.execute("select event, recipient, state from outbox")}


def test_a_chat_that_is_named_twice_or_by_its_first_topic_is_told_once():
    config = BotConfig(telegram=TelegramConfig(enabled=True, alert_chats=(-100, -100, "-100:1", "-100:11")))
    assert alert_chats(config) == ("telegram:-100", "telegram:-100:11")


async def test_a_person_who_has_blocked_the_bot_is_told_on_discord_then_by_mail(room):
    discord, mail = Filed(), Filed()
    room.outbox.attach("telegram", Refusing("Forbidden: bot was blocked by the user"))
    room.outbox.attach("discord", discord)
    room.outbox.attach("email", mail)
    await room.outbox.post("a", [TINA], HALT)
    await until(lambda: discord.sent)
    recipient, text, _, _ = discord.sent[0]
    assert recipient == "discord:@111"
    assert "Meant for tina's private Telegram chat" in text
    assert "blocked by the user" in text
    await until(lambda: states(room) == {("a", TINA): "failed", ("a", "discord:@111"): "sent"})
    room.outbox.attach("discord", Refusing("Forbidden: 50007"))
    await room.outbox.post("b", [TINA], HALT)
    await until(lambda: mail.sent)
    assert mail.sent[0][0] == "email:tina@example.com"


async def test_who_has_it_already_is_not_told_twice(room):
    discord = Filed()
    room.outbox.attach("discord", discord)
    await room.outbox.post("a", [TINA, "discord:@111"], HALT)
    await until(lambda: discord.sent)
    room.outbox.attach("telegram", Refusing())
    await until(lambda: states(room)["a", TINA] == "failed")
    assert len(discord.sent) == 1


async def test_a_text_message_is_for_what_is_urgent(room):
    for channel in ("telegram", "discord", "email"):
        room.outbox.attach(channel, Refusing())
    sms = Filed()
    room.outbox.attach("sms", sms)
    await room.outbox.post("small", [TINA], structs.replace(HALT, severity=Severity.INFO))
    await until(lambda: states(room)["small", TINA] == "failed" and "dead" in states(room).values())
    assert sms.sent == []
    await room.outbox.post("big", [TINA], HALT)
    await until(lambda: sms.sent)
    assert sms.sent[0][1].startswith("PAPER CRITICAL: Halted. by rolf")


async def test_a_chat_that_is_gone_is_replaced_by_the_other_chats_and_without_any_by_people(room):
    telegram, discord, mail = Refusing("Forbidden: bot was kicked from the group"), Filed(), Filed()
    room.outbox.attach("telegram", telegram)
    room.outbox.attach("discord", discord)
    await room.outbox.post("a", [GROUP], HALT)
    await until(lambda: discord.sent)
    assert discord.sent[0][0] == "discord:500"
    assert "Meant for the Telegram chat -100" in discord.sent[0][1]
    await room.outbox.detach("discord")
    room.outbox.attach("discord", Refusing("Missing Permissions"))
    room.outbox.attach("email", mail)
    await room.outbox.post("b", [GROUP], HALT)
    await until(lambda: mail.sent)
    assert mail.sent[0][0] == "email:tina@example.com"


async def test_what_nobody_takes_is_dead_and_kept(room):
    for channel in ("telegram", "discord", "email", "sms"):
        room.outbox.attach(channel, Refusing())
    await room.outbox.post("a", [TINA], HALT)
    await until(lambda: room.outbox.waiting() == 0)
    assert sorted(states(room).values()) == ["dead", "failed", "failed", "failed"]


async def test_a_wrong_password_keeps_letters_that_have_nowhere_else_to_go(room):
    room.outbox.attach("hook", Refusing("login: 535", ChannelRefused))
    await room.outbox.post("a", ["hook:pager"], HALT)
    discord = Filed()
    room.outbox.attach("discord", discord)
    await until(lambda: states(room)["a", "hook:pager"] == "failed")
    await until(lambda: discord.sent)
    other = ControlRoom(room.desk, room.store, BotConfig(email=EmailConfig(enabled=True)))
    other.outbox.attach("email", Refusing("login: 535", ChannelRefused))
    await other.outbox.post("b", ["email:x@y.example"], HALT)
    await until(lambda: other.outbox.reach.of("email:x@y.example").whole_channel)
    assert other.outbox.waiting() == 1
    await until(lambda: states(room)["b", "email:x@y.example"] == "queued")
    await other.outbox.aclose()


async def test_a_secret_goes_nowhere_else(room):
    discord = Filed()
    room.outbox.attach("telegram", Refusing())
    room.outbox.attach("discord", discord)
    await room.outbox.post("code", [TINA], Message(title="123456", is_secret=True))
    await until(lambda: states(room)["code", TINA] == "dead")
    assert discord.sent == []


async def test_a_picture_goes_along_and_buttons_that_fit_one_channel_do_not(room):
    discord = Filed()
    room.outbox.attach("telegram", Refusing())
    room.outbox.attach("discord", discord)
    picture = Picture(name="equity.png", png=PIXEL, words="up")
    card = Message(title="Equity", pictures=(picture,), buttons=(Button("Yes", "ap:1"),))
    await room.outbox.post("a", [TINA], card)
    await until(lambda: discord.sent)
    kept = [letter for letter in (await room.store.open_letters()) if letter.parcel.buttons]
    assert kept == []
    assert discord.sent[0][1].startswith("Equity")


async def test_what_is_urgent_does_not_wait_for_a_channel_that_is_down_and_arrives_there_later_too(room):
    mail, telegram = Filed(), Filed()
    room.outbox.attach("email", mail)
    await room.outbox.post("a", [TINA], HALT)
    await room.outbox.post("b", [TINA], structs.replace(HALT, severity=Severity.INFO))
    room.outbox.reach.note("discord:@111", NotSent("no route"))
    await rescue(room.outbox, lambda _channel: "", 0)
    await until(lambda: mail.sent)
    assert mail.events == ["a"]
    assert "it is not connected" in mail.sent[0][1]
    await rescue(room.outbox, lambda _channel: "", 0)
    room.outbox.attach("telegram", telegram)
    await until(lambda: len(telegram.sent) == 2)
    assert len(mail.sent) == 1, "handed on once"


async def test_of_a_channel_whose_token_is_wrong_everything_goes_elsewhere_and_nothing_comes_late(room):
    mail, telegram = Filed(), Filed()
    room.outbox.attach("email", mail)
    await room.outbox.post("b", [TINA], structs.replace(HALT, severity=Severity.INFO))
    room.outbox.reach.note("discord:@111", NotSent("no route"))
    await rescue(room.outbox, lambda channel: "the token is wrong" if channel == "telegram" else "", 0)
    await until(lambda: mail.sent)
    assert "the token is wrong" in mail.sent[0][1]
    room.outbox.attach("telegram", telegram)
    await until(lambda: room.outbox.waiting() == 0)
    assert telegram.sent == []
