"""Sends the outbox's letters through the Bot API, and says in the outbox's words how that went."""

from __future__ import annotations

import os
from datetime import timedelta

import httpx
import structlog
import telegram
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, InputFile, InputMediaDocument, InputMediaPhoto
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, TelegramError
from telegram.error import RetryAfter as TelegramRetryAfter

from bot.carrier import NotSent, OutcomeUnknown, RefusedForGood, RetryAfter
from bot.harmless import units
from bot.render import TELEGRAM_CAPTION_LIMIT, Parcel
from bot.store import Letter
from bot.supervise import scrub

os.environ.setdefault("PTB_TIMEDELTA", "true")  # the library's own switch: durations as timedelta, without a warning
log = structlog.get_logger("bot.telegram")

BUTTONS_A_ROW = 2
"""More are cut off on a phone."""
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, RuntimeError)
"""RuntimeError: the client was closed for a restart before the request began."""


class TelegramCarrier:
    """Delivers letters to `telegram:CHAT[:TOPIC]`."""

    def __init__(self, bot: telegram.Bot, token: str) -> None:
        self._bot = bot
        self._token = token

    async def deliver(self, letter: Letter, replaces_id: str) -> str:
        """Send or edit; see `bot.outbox.Carrier`. Markup or topic that the server refuses is left out."""
        _, number, *topic = letter.recipient.split(":")
        chat = int(number)
        thread = int(topic[0]) if topic else None
        parcel, mode = letter.parcel, str(ParseMode.HTML)
        try:
            while True:
                try:
                    return await self._call(chat, thread, parcel, mode, replaces_id)
                except ChatMigrated as moved:
                    log.warning("telegram group has a new id: change it in the configuration", new=moved.new_chat_id)
                    chat = moved.new_chat_id
                except BadRequest as error:
                    text = str(error).lower()
                    if "parse entities" in text and mode:
                        mode = ""
                    elif "thread not found" in text and thread:
                        thread = None
                    elif "not modified" in text and replaces_id:
                        return replaces_id
                    elif ("to edit" in text or "can't be edited" in text) and replaces_id:
                        replaces_id = ""
                    else:
                        raise
        except TelegramError as error:
            raise self._translated(error) from None

    async def probe(self, recipient: str) -> bool:
        """Show "is typing", which fails where a message would; see `bot.carrier.Prober`."""
        _, number, *topic = recipient.split(":")
        try:
            await self._bot.send_chat_action(
                int(number), ChatAction.TYPING, message_thread_id=int(topic[0]) if topic else None
            )
        except TelegramError as error:
            raise self._translated(error) from None
        return True

    async def _call(self, chat: int, thread: int | None, parcel: Parcel, mode: str, replaces_id: str) -> str:
        text = parcel.text if mode else parcel.plain
        keyboard = None
        if parcel.buttons:
            made = [InlineKeyboardButton(button.label, callback_data=button.data) for button in parcel.buttons]
            rows = [made[first : first + BUTTONS_A_ROW] for first in range(0, len(made), BUTTONS_A_ROW)]
            keyboard = InlineKeyboardMarkup(rows)
        parse_mode = mode or None
        picture = parcel.picture
        if replaces_id and picture is not None:
            media = InputMediaPhoto(picture.png, caption=text, parse_mode=parse_mode, filename=picture.name)
            await self._bot.edit_message_media(media, chat_id=chat, message_id=int(replaces_id), reply_markup=keyboard)
            return replaces_id
        if replaces_id and parcel.file_name:
            document = InputMediaDocument(
                parcel.file_text.encode(), caption=text, parse_mode=parse_mode, filename=parcel.file_name
            )
            await self._bot.edit_message_media(
                document, chat_id=chat, message_id=int(replaces_id), reply_markup=keyboard
            )
            return replaces_id
        if replaces_id:
            await self._edit_text(chat, int(replaces_id), text, parse_mode, keyboard)
            return replaces_id
        if picture is not None:
            sent = await self._bot.send_photo(
                chat,
                InputFile(picture.png, filename=picture.name),
                caption=text,
                parse_mode=parse_mode,
                message_thread_id=thread,
                reply_markup=keyboard,
            )
        elif parcel.file_name:
            file = InputFile(parcel.file_text.encode(), filename=parcel.file_name)
            sent = await self._bot.send_document(
                chat, file, caption=text, parse_mode=parse_mode, message_thread_id=thread, reply_markup=keyboard
            )
        else:
            sent = await self._bot.send_message(
                chat, text, parse_mode=parse_mode, message_thread_id=thread, reply_markup=keyboard
            )
        return str(sent.message_id)

    async def _edit_text(
        self, chat: int, number: int, text: str, parse_mode: str | None, keyboard: InlineKeyboardMarkup | None
    ) -> None:
        """Change a message's text; under a picture or file it is the caption, which may be too short for it."""
        try:
            await self._bot.edit_message_text(
                text, chat_id=chat, message_id=number, parse_mode=parse_mode, reply_markup=keyboard
            )
        except BadRequest as error:
            if "no text in the message" not in str(error).lower() or units(text) > TELEGRAM_CAPTION_LIMIT:
                raise
            await self._bot.edit_message_caption(
                chat_id=chat, message_id=number, caption=text, parse_mode=parse_mode, reply_markup=keyboard
            )

    def _translated(self, error: TelegramError) -> Exception:
        """The outbox's error for a Bot API error."""
        why = scrub(f"{type(error).__name__}: {error}", self._token)
        match error:
            case TelegramRetryAfter():
                return RetryAfter(seconds_of(error))
            case InvalidToken():
                return NotSent(why)
            case BadRequest() | Forbidden():
                return RefusedForGood(why)
            case NetworkError() if isinstance(error.__cause__, NEVER_LEFT):
                return NotSent(why)
            case _:
                return OutcomeUnknown(why)


def seconds_of(error: TelegramRetryAfter) -> float:
    """How long the server asks to wait."""
    wait = error.retry_after
    return wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
