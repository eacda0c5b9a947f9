"""Every kind of update that Telegram can send with somebody's words in it, and whether the bot may listen."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.config import TelegramConfig

GROUP, FORUM, ELSEWHERE = -1001, -1002, -1999
TOPIC, OTHER_TOPIC = 55, 56
CONFIG = TelegramConfig(enabled=True, allowed_chats=(GROUP, f"{FORUM}:{TOPIC}"))
BOT_NAME = "moondev_test_bot"
BOT = {"id": 4242, "is_bot": True, "first_name": "moondev", "username": BOT_NAME}
ANONYMOUS_ADMIN = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
CHANNEL_BOT = {"id": 136817688, "is_bot": True, "first_name": "Channel"}
TELEGRAM_ITSELF = {"id": 777000, "is_bot": False, "first_name": "Telegram"}

Update = dict[str, Any]
_ids = itertools.count(1)


def user(number: int) -> Update:
    return {"id": number, "is_bot": False, "first_name": f"user{number}"}


def chat(number: int) -> Update:
    if number > 0:
        return {"id": number, "type": "private", "first_name": f"user{number}"}
    return {"id": number, "type": "supergroup", "title": "desk", "is_forum": number == FORUM}


def message(who: int, text: str, where: int = 0, **more: Any) -> Update:
    return {
        "message_id": next(_ids),
        "date": int(time.time()),
        "chat": chat(where or who),
        "from": user(who),
        "text": text,
    } | more


def topic(number: int) -> Update:
    return {"message_thread_id": number, "is_topic_message": True}


def forwarded(kind: str, who: int) -> Update:
    origins: dict[str, Update] = {
        "user": {"type": "user", "sender_user": user(who)},
        "hidden": {"type": "hidden_user", "sender_user_name": "x"},
        "chat": {"type": "chat", "sender_chat": chat(GROUP)},
        "channel": {"type": "channel", "chat": {"id": -5, "type": "channel", "title": "news"}, "message_id": 1},
    }
    return {"forward_origin": origins[kind] | {"date": 1}}


def press(who: int, data: str, where: int = 0, **more: Any) -> Update:
    under = {"message_id": next(_ids), "date": int(time.time()), "chat": chat(where or who), "from": BOT, "text": "?"}
    return {
        "id": str(next(_ids)),
        "from": user(who),
        "chat_instance": "1",
        "data": data,
        "message": under | more,
    }


@dataclass(frozen=True)
class Kind:
    """One kind of update: how it is made of a person's number and words, and whether it is heard from who is known."""

    name: str
    make: Callable[[int, str], Update]
    heard: bool = False


def _said(name: str, sender: Update | None = None, *, heard: bool = False, where: int = 0, **more: Any) -> Kind:
    by: Update = {"from": sender} if sender else {}
    return Kind(name, lambda who, text: {"message": message(who, text, where, **more) | by}, heard)


def _forward(kind: str) -> Kind:
    def make(who: int, text: str) -> Update:
        return {"message": message(who, text) | forwarded(kind, who)}

    return Kind(f"forwarded from {kind}", make)


def _under(field: str, name: str, **more: Any) -> Kind:
    return Kind(name, lambda who, text: {field: message(who, text, GROUP, **more)})


MESSAGES = (
    _said("private", heard=True),
    _said("group", heard=True, where=GROUP),
    _said("any topic of an allowed group", heard=True, where=GROUP, **topic(9)),
    _said("allowed topic", heard=True, where=FORUM, **topic(TOPIC)),
    _said("a reply in the allowed topic", heard=True, where=FORUM, **topic(TOPIC), reply_to_message=message(7, "x")),
    _said("another topic", where=FORUM, **topic(OTHER_TOPIC)),
    _said("general, of a forum with one allowed topic", where=FORUM),
    _said("a thread that is no topic", where=FORUM, message_thread_id=TOPIC),
    _said("another group", where=ELSEWHERE),
    _said("the allowed topic's number in another group", where=ELSEWHERE, **topic(TOPIC)),
    Kind("somebody else's private chat", lambda who, text: {"message": message(who, text, 5_000_001)}),
    _said("edited", where=GROUP, edit_date=int(time.time())),
    _under("edited_message", "an edit"),
    _under("channel_post", "a channel's post"),
    _under("edited_channel_post", "an edit of a channel's post"),
    _under("business_message", "a business account's message", business_connection_id="b"),
    _under("edited_business_message", "an edit of a business account's message", business_connection_id="b"),
    *(_forward(kind) for kind in ("user", "hidden", "chat", "channel")),
    Kind(
        "forwarded in the group",
        lambda who, text: {"message": message(who, text, GROUP) | forwarded("user", who)},
    ),
    _said("from the linked channel", where=GROUP, sender_chat=chat(-5), is_automatic_forward=True),
    _said("via an inline bot", via_bot={"id": 5, "is_bot": True, "first_name": "inline"}),
    _said("a business bot in the person's name", sender_business_bot={"id": 5, "is_bot": True, "first_name": "b"}),
    _said("an anonymous admin", ANONYMOUS_ADMIN, where=GROUP, sender_chat=chat(GROUP)),
    Kind(
        "an anonymous admin with the person's number",
        lambda who, text: {"message": message(who, text, GROUP, sender_chat=chat(GROUP))},
    ),
    _said("as a channel", CHANNEL_BOT, where=GROUP, sender_chat=chat(-5)),
    _said("Telegram itself", TELEGRAM_ITSELF, where=GROUP),
    Kind("a bot", lambda who, text: {"message": message(who, text, GROUP, **{"from": user(who) | {"is_bot": True}})}),
    Kind("nobody", lambda who, text: {"message": {k: v for k, v in message(who, text).items() if k != "from"}}),
    Kind("a caption", lambda who, text: {"message": message(who, "", GROUP, caption=text)}),
    Kind(
        "to another bot",
        lambda who, text: {"message": message(who, f"{text.split()[0]}@another_bot {text.partition(' ')[2]}", GROUP)},
    ),
    Kind("to this bot by name", lambda who, text: {"message": message(who, _named(text), GROUP)}, heard=True),
    Kind(
        "an inline query",
        lambda who, text: {"inline_query": {"id": "1", "from": user(who), "query": text, "offset": ""}},
    ),
)


def _named(text: str) -> str:
    first, space, rest = text.partition(" ")
    return f"{first}@{BOT_NAME}{space}{rest}"


def _pressed(name: str, *, heard: bool = False, where: int = 0, **more: Any) -> Kind:
    return Kind(name, lambda who, data: {"callback_query": press(who, data, where, **more)}, heard)


def _without(who: int, data: str) -> Update:
    made = press(who, data)
    del made["message"]
    return {"callback_query": made | {"inline_message_id": "1"}}


def _gone(where: int) -> Callable[[int, str], Update]:
    """A press under a message that Telegram does not show any more."""

    def make(who: int, data: str) -> Update:
        return {"callback_query": press(who, data) | {"message": {"message_id": 1, "date": 0, "chat": chat(where)}}}

    return make


PRESSES = (
    _pressed("private", heard=True),
    _pressed("group", heard=True, where=GROUP),
    _pressed("allowed topic", heard=True, where=FORUM, **topic(TOPIC)),
    Kind("group, message gone", _gone(GROUP), heard=True),
    Kind("forum, message gone: its topic cannot be told", _gone(FORUM)),
    _pressed("another topic", where=FORUM, **topic(OTHER_TOPIC)),
    _pressed("general, of a forum with one allowed topic", where=FORUM),
    _pressed("another group", where=ELSEWHERE),
    Kind("somebody else's private chat", lambda who, data: {"callback_query": press(who, data, 5_000_001)}),
    Kind("a forwarded card", lambda who, data: {"callback_query": press(who, data, GROUP, **forwarded("user", 4242))}),
    Kind("a card sent by way of another bot", _pressed("", where=GROUP, via_bot=CHANNEL_BOT).make),
    Kind("without its message", _without),
    Kind(
        "a bot", lambda who, data: {"callback_query": press(who, data, GROUP) | {"from": user(who) | {"is_bot": True}}}
    ),
)
