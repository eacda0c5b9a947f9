"""The Telegram step: token, person, place of the alerts, test message. What is settled is written down at once."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any

import telegram
from msgspec import Struct

from bot.config import TelegramConfig
from bot.links import shown_name
from bot.parse import words_of
from bot.start.account import keep_account, others, person_of
from bot.start.background import Background
from bot.start.people import own_persons
from bot.start.save import save, with_one
from bot.start.screen import Screen
from bot.start.talk import Talk, TokenRefused, quiet
from bot.start.tools import CODE_WAIT_S, PRESS_WAIT_S, Stopped, Tools, bot_of, refuse_beside_a_service
from bot.store import OpsStore

ENVIRONMENT = "MOONDEV_TELEGRAM_TOKEN"
TOKEN = re.compile(r"[0-9]{3,20}:[A-Za-z0-9_-]{20,100}")
WHY = "Needed: a bot of your own, which @BotFather makes in a minute. Its token is kept in {place}, nowhere else."
MAKE_ONE = (
    "On the phone open @BotFather, send /newbot, choose two names, and copy the token that it answers with\n"
    "(123456789:AA...). Anybody who has it can read what the bot is sent: paste it here, never into a chat."
)


class Place(Struct, frozen=True):
    """A chat, and a topic in it (0 = none), with its name for people."""

    chat: int
    topic: int
    name: str
    problem: str = ""

    @property
    def setting(self) -> int | str:
        """As the settings have it."""
        return f"{self.chat}:{self.topic}" if self.topic else self.chat


class Sender(Struct, frozen=True):
    """A Telegram account that has written, and the chat and message in which it did."""

    account: int
    name: str
    chat: int


def telegram_step(
    screen: Screen, tools: Tools, *, person: str = "", account: int = 0, chat: str = "", test: bool = True
) -> None:
    """Set Telegram up. `account` and `chat` are taken instead of being asked for on the phone."""
    screen.step("Telegram", WHY.format(place=tools.secrets.place))
    refuse_beside_a_service(tools, "telegram")
    who = person_of(screen, tools, person, "telegram_user_id")
    with Background() as background:
        talk = _opened(screen, tools, background)
        try:
            _free_of_webhooks(screen, background, talk)
            phone = account or _linked(screen, tools, background, talk, who)
            keep_account(screen, tools, who, "Telegram", phone)
            place = _place_of(chat, phone) if chat else _heard_place(screen, background, talk, phone)
            _keep_place(screen, tools, place)
            if test:
                _tested(screen, background, talk, place, phone)
            for other in others(screen, tools, who, "telegram_user_id"):
                keep_account(screen, tools, other, "Telegram", _linked(screen, tools, background, talk, other))
        finally:
            background.run(talk.aclose())
    screen.done("Telegram is set up. Another person: ./moondev init telegram --person ID")


def _opened(screen: Screen, tools: Tools, background: Background) -> Talk:
    """A conversation with the bot: with the token that is kept, given or asked for, until one is right."""
    config = bot_of(tools).telegram
    given = os.environ.get(ENVIRONMENT, "")
    kept = tools.secrets.get(config.token_secret) if tools.secrets.has(config.token_secret) else ""
    for token, source in ((given, ENVIRONMENT), (kept, tools.secrets.place)):
        if not token:
            continue
        try:
            talk = _try(tools, background, config, token)
        except TokenRefused as error:
            if not screen.asks:
                raise
            screen.problem(f"the token from {source}: {error}")
            continue
        if token == given or screen.confirm(f"Go on with the bot @{talk.bot.username}?", default=True):
            return _kept(screen, tools, config, talk, token)
        background.run(talk.aclose())
    screen.say(MAKE_ONE)
    screen.qr("https://t.me/BotFather")
    while True:
        token = screen.secret("Token", option=ENVIRONMENT, check=token_problem)
        try:
            return _kept(screen, tools, config, _try(tools, background, config, token), token)
        except Stopped as error:
            screen.problem(str(error))


def _try(tools: Tools, background: Background, config: TelegramConfig, token: str) -> Talk:
    if problem := token_problem(token):
        raise TokenRefused(problem)
    return background.run(Talk.opened(config, token, OpsStore(tools.data / "ops.db")))


def _kept(screen: Screen, tools: Tools, config: TelegramConfig, talk: Talk, token: str) -> Talk:
    tools.secrets.keep(config.token_secret, token)
    screen.done(f"the bot is @{talk.bot.username}, its token is kept as {config.token_secret}")
    return talk


def _free_of_webhooks(screen: Screen, background: Background, talk: Talk) -> None:
    """A bot with a webhook hears nothing here, and somebody has set it."""
    address = background.run(talk.webhook())
    if not address:
        return
    screen.problem(f"this bot's messages are sent to {address.partition('?')[0]}: it serves another program")
    if not screen.confirm("Take it away from there?", default=False):
        raise Stopped("make a bot of its own for this service with @BotFather, then begin again")
    background.run(talk.bot.delete_webhook())


def _linked(screen: Screen, tools: Tools, background: Background, talk: Talk, who: str) -> int:
    """The account of a person's phone: sent a code from there, confirmed there and here."""
    own = next(one for one in own_persons(tools) if one["id"] == who)
    known = int(own["telegram_user_id"])
    if known and not (screen.asks and screen.confirm(f"{who} is account {known}. Link another one?", default=False)):
        return known
    while True:
        code = tools.new_code()
        screen.say(f"\nWith {who}'s phone open this link, then press Start (or send the bot: /start {code})")
        screen.qr(f"https://t.me/{talk.bot.username}?start={code}")
        with screen.waiting(f"Waiting for the phone, {CODE_WAIT_S / 60:.0f} min"):
            sender = background.run(talk.hear(partial(_started, code), CODE_WAIT_S))
        if sender is None:
            if not screen.confirm("Nothing came. Another code?", default=screen.asks):
                raise Stopped("no phone was linked; what is done is kept: ./moondev init telegram goes on")
            continue
        screen.say(
            f"{sender.name}, account {sender.account}, has sent the code and is asked there whether it is {who}."
        )
        if not _agrees(screen, background, talk, sender, who):
            screen.problem("it was denied on the phone, or not answered; nothing is linked")
        elif screen.confirm(f"Is {sender.name} really {who}?", default=not screen.asks):
            return sender.account
        if not screen.confirm("Another try?", default=screen.asks):
            raise Stopped("no phone was linked; what is done is kept: ./moondev init telegram goes on")


def _agrees(screen: Screen, background: Background, talk: Talk, sender: Sender, who: str) -> bool:
    data = f"init:{sender.account}:yes"
    text = f"This account becomes {who} of a MoonDev service, and may then do what {who} may. Not you? Ignore this."
    message = background.run(talk.say(sender.chat, text, button=(f"Yes, I am {who}", data)))
    with screen.waiting("Waiting for the answer on the phone"):
        press = background.run(talk.hear(partial(_pressed, data, sender.account), PRESS_WAIT_S))
    text = f"Thank you. Once the terminal says yes too, you are {who}." if press else "Not answered: nothing is linked."
    background.run(talk.settle(sender.chat, message, text, press or ""))
    return press is not None


def _heard_place(screen: Screen, background: Background, talk: Talk, account: int) -> Place:
    """Where the person sends /here: a group, a topic of one, or the private chat."""
    name = talk.bot.username
    screen.say(
        f"\nWhere shall alerts go? In that group (or topic) send: /here@{name}\n"
        f"The bot is added to a group with this link; a message /here to the bot itself means in private."
    )
    screen.qr(f"https://t.me/{name}?startgroup=here")
    while True:
        with screen.waiting("Waiting for /here"):
            place = background.run(talk.hear(partial(_here, name, account), CODE_WAIT_S))
        if place is None:
            if not screen.confirm("Nothing came. Wait on?", default=screen.asks):
                raise Stopped("no place for alerts was chosen; what is done is kept: ./moondev init telegram goes on")
            continue
        problem = place.problem
        if place.chat < 0 and not problem:
            problem = background.run(quiet(talk.bot, place.chat))
        if problem:
            screen.problem(f"{place.name}: {problem}")
        elif screen.confirm(f"Alerts to {place.name}?", default=True):
            return place


def _place_of(text: str, account: int) -> Place:
    """A chat given as an option: its number, with its topic's; `private` is the person's own."""
    if text == "private":
        return Place(account, 0, "the private chat")
    match = re.fullmatch(r"(-?[0-9]{1,18})(?::([0-9]{1,18}))?", text)
    if match is None:
        raise Stopped(f"--chat {text!r} is no chat: say -1001234567890, with a topic -1001234567890:7, or private")
    return Place(int(match[1]), int(match[2] or 0), f"chat {text}")


def _keep_place(screen: Screen, tools: Tools, place: Place) -> None:
    own = tools.file.own().get("telegram")
    section = own if isinstance(own, dict) else {}
    changes: dict[tuple[str, ...], Any] = {
        ("telegram", "enabled"): True,
        ("telegram", "alert_chats"): with_one(section.get("alert_chats"), place.setting),
    }
    if place.chat < 0:
        changes["telegram", "allowed_chats"] = with_one(section.get("allowed_chats"), place.setting)
    save(screen, tools, changes)


def _tested(screen: Screen, background: Background, talk: Talk, place: Place, account: int) -> None:
    """A test message, until the person has pressed its button, or says that it has not come."""
    data = f"init:{account}:arrived"
    while True:
        try:
            text = "Test message of ./moondev init: alerts will look like this. Has it arrived?"
            message = background.run(talk.say(place.chat, text, topic=place.topic, button=("It has arrived", data)))
            if not screen.asks:
                screen.done(f"a test message was sent to {place.name}; nobody was asked whether it arrived")
                return
            with screen.waiting(f"Sent to {place.name}: press its button"):
                press = background.run(talk.hear(partial(_pressed, data, account), PRESS_WAIT_S))
            if press is not None:
                background.run(talk.settle(place.chat, message, "Arrived: alerts will come here.", press))
                screen.done("the test message has arrived")
                return
            screen.problem("nobody pressed the button. Is the chat muted or archived? Are you in the right one?")
        except Stopped as error:
            screen.problem(str(error))
        if not screen.confirm("Send it again?", default=screen.asks):
            raise Stopped("the test message did not arrive: ./moondev init telegram looks again")


def _started(code: str, update: telegram.Update) -> Sender | None:
    """Who has sent the code, alone with the bot; guesses, forwards and groups are nobody."""
    message = update.message
    if message is None or message.from_user is None or message.from_user.is_bot or message.forward_origin is not None:
        return None
    words = words_of(message.text or "")
    if message.chat.type != "private" or len(words) != 2 or words[0] not in {"start", "link"}:
        return None
    if words[1].upper() != code:
        return None
    user = message.from_user
    return Sender(user.id, shown_name(f"@{user.username}" if user.username else user.full_name), message.chat.id)


def _pressed(data: str, account: int, update: telegram.Update) -> str | None:
    """The press of one button by one account: the id to answer it with."""
    press = update.callback_query
    return press.id if press is not None and press.data == data and press.from_user.id == account else None


def _here(bot_name: str, account: int, update: telegram.Update) -> Place | None:
    """Where the account has sent /here, or added the bot with the link for groups."""
    message = update.message
    if message is None or words_of(message.text or "", bot_name) not in (["here"], ["start", "here"]):
        return None
    if message.sender_chat is not None and message.sender_chat.id == message.chat.id:
        text = "that was written by an anonymous admin: switch that off for yourself in the group, then /here again"
        return Place(message.chat.id, 0, shown_name(message.chat.title or ""), text)
    if message.from_user is None or message.from_user.id != account or message.forward_origin is not None:
        return None
    topic = message.message_thread_id if message.is_topic_message else 0
    where = message.chat.title or "the private chat"
    return Place(message.chat.id, topic or 0, f"{shown_name(where)}{', topic ' + str(topic) if topic else ''}")


def token_problem(text: str) -> str:
    """What is wrong with the look of a token; never the token itself."""
    if TOKEN.fullmatch(text):
        return ""
    return "that is no bot token: one has a number, a colon and about 35 letters (123456789:AAF...); copy it whole"
