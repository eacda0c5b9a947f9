"""Who may talk to the Telegram bot, and what they said: one gate for text and buttons alike.

Let through: a new message or button press of a known person, in their private chat or in an allowed chat or topic.
Everything else gets nothing: edits, forwards, channel posts, anonymous admins, other bots, unknown people, and what
was written earlier and sent by a schedule, but for a halt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import telegram
from msgspec import structs

from bot.buttons import Find, Signer
from bot.config import TelegramConfig
from bot.links import is_link_code, shown_name
from bot.parse import nearest, words_of
from bot.sessions import Ask, Claim, Ignored
from bot.verbs import is_urgent
from bot.votes import WITH_CODE, code_in
from domain.commands import Actor, Door

if TYPE_CHECKING:
    from engine.desk import Desk

GENERAL_TOPIC = 1
"""A forum's first topic; Telegram refuses replies that name it."""


class Gate:
    """Decides on parsed updates; reads nothing but its configuration, the desk's persons and open requests."""

    def __init__(self, desk: Desk, config: TelegramConfig, bot_name: str, signer: Signer, find: Find) -> None:
        self._desk = desk
        self._config = config
        self._places = frozenset(str(place) for place in config.allowed_chats)
        self._bot_name = bot_name
        self._signer = signer
        self._find = find

    def read(self, update: telegram.Update) -> Ask | Claim | Ignored:
        """What the update asks for, or why it gets nothing."""
        if update.callback_query is not None:
            return self._read_press(update.callback_query)
        if update.message is not None:
            return self._read_message(update.message)
        return Ignored("neither a new message nor a button")

    def _read_message(self, message: telegram.Message) -> Ask | Claim | Ignored:
        foreign = (
            message.sender_chat is not None
            or _is_second_hand(message)
            or message.edit_date is not None
            or message.from_user is None
            or message.from_user.is_bot
        )
        if foreign or message.from_user is None:
            return Ignored("edited, forwarded, anonymous or sent by a bot or channel")
        words = words_of(message.text or "", self._bot_name)
        if not words:
            return Ignored("not a command for this bot")
        if message.is_from_offline and not is_urgent(words):
            return Ignored("written earlier and sent by a schedule")
        user = message.from_user
        if is_link_code(words) and self._desk.person_by_telegram(user.id) is None:
            return self._read_claim(user, message, words[1])
        admitted = self._admit(message.from_user, message, message.text or "")
        # also where the verb is typed wrong: the message is deleted, and not kept
        has_code = (bool(nearest(words[0], WITH_CODE, likeness=0.7)) and bool(code_in(words))) or is_link_code(words)
        if has_code and isinstance(admitted, Ask):
            return structs.replace(admitted, erase=message.message_id)
        return admitted

    def _read_claim(self, user: telegram.User, message: telegram.Message, code: str) -> Claim | Ignored:
        """The one thing that an unknown account may send, alone with the bot."""
        if not self._config.private_chats or message.chat.type != "private" or message.chat.id != user.id:
            return Ignored("unknown person", user.id)
        recipient = f"telegram:{message.chat.id}"
        return Claim(
            actor=Actor(person=str(user.id), door=Door.TELEGRAM, chat=recipient),
            name=shown_name(f"@{user.username}" if user.username else user.full_name),
            code=code,
            recipient=recipient,
            erase=message.message_id,
        )

    def _read_press(self, press: telegram.CallbackQuery) -> Ask | Ignored:
        if press.message is None or press.from_user.is_bot or _is_second_hand(press.message):
            return Ignored("a button without its message, of a forwarded one, or pressed by a bot")
        read = self._signer.read(press.data or "", self._find)
        admitted = self._admit(press.from_user, press.message, read.line, press.id)
        if isinstance(admitted, Ignored):
            return structs.replace(admitted, press=read.request)
        return structs.replace(admitted, request=read.request, forged=read.forged)

    def _admit(
        self, user: telegram.User, message: telegram.MaybeInaccessibleMessage, text: str, callback_id: str = ""
    ) -> Ask | Ignored:
        person = self._desk.person_by_telegram(user.id)
        if person is None:
            return Ignored("unknown person", user.id)
        private = message.chat.type == "private" and message.chat.id == user.id
        topic = _topic(message)
        here = {str(message.chat.id), f"{message.chat.id}:{topic}"}
        if not (private and self._config.private_chats) and self._places.isdisjoint(here):
            return Ignored("chat or topic not allowed", user.id)
        recipient = f"telegram:{message.chat.id}"
        if topic > GENERAL_TOPIC:
            recipient += f":{topic}"
        actor = Actor(person=person.id, door=Door.TELEGRAM, chat=recipient)
        return Ask(actor=actor, person=person, text=text, recipient=recipient, callback_id=callback_id)


def _topic(message: telegram.MaybeInaccessibleMessage) -> int:
    """The topic that a message stands in: 1 is General, and whatever has no topics; 0 = it cannot be told any more."""
    if not isinstance(message, telegram.Message):
        return 0
    return (message.message_thread_id if message.is_topic_message else None) or GENERAL_TOPIC


def _is_second_hand(message: telegram.MaybeInaccessibleMessage) -> bool:
    """Forwarded, or written by a bot in somebody's name."""
    if not isinstance(message, telegram.Message):
        return False
    return any(part is not None for part in (message.forward_origin, message.via_bot, message.sender_business_bot))
