"""The set-up's conversation with the Bot API: asks who a token is, hears what people send the bot, answers.

What is not meant for the set-up is not lost: it goes into the durable inbox, and the service carries it out by its own
rules when it starts (a halt of any age, nothing that adds risk after a minute).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

import telegram
from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.config import TELEGRAM_FILE_URL, TELEGRAM_URL, TelegramConfig, check_url
from bot.start.tools import Stopped
from bot.store import OpsStore, Update
from bot.supervise import quiet_libraries, scrub
from bot.telegram import Poller
from bot.telegram_send import seconds_of

T = TypeVar("T")
POLL_S = 20
RETRY_S = 2.0
UNKNOWN = (
    "Telegram does not know this token. Copy it whole from @BotFather (/mybots, API Token); one that was revoked no "
    "longer counts"
)
Heard = Callable[[telegram.Update], T | None]


class TokenRefused(Stopped):
    """Telegram does not know the token."""


class Talk:
    """One bot, until `aclose`."""

    def __init__(self, bot: telegram.Bot, poller: Poller, store: OpsStore, token: str) -> None:
        self.bot = bot
        self._poller = poller
        self._store = store
        self._token = token
        self._heard: deque[Update] = deque()

    @classmethod
    async def opened(cls, config: TelegramConfig, token: str, store: OpsStore) -> Talk:
        """A conversation with the token's bot. Raises `TokenRefused`, `Stopped`, or `ConfigError` for an address."""
        quiet_libraries()
        remote = config.allow_remote_base_url
        base = check_url("telegram.base_url", config.base_url, TELEGRAM_URL, allow_remote=remote)
        files = check_url("telegram.base_file_url", config.base_file_url, TELEGRAM_FILE_URL, allow_remote=remote)
        polls = HTTPXRequest(connection_pool_size=1, read_timeout=POLL_S + 10)
        sends = HTTPXRequest(connection_pool_size=2)
        try:
            bot = telegram.Bot(token, base_url=base, base_file_url=files, request=sends, get_updates_request=polls)
        except InvalidToken:
            raise TokenRefused(UNKNOWN) from None
        try:
            await bot.initialize()
        except TelegramError as error:
            await bot.shutdown()
            if isinstance(error, InvalidToken):
                raise TokenRefused(UNKNOWN) from None
            why = scrub(str(error) or type(error).__name__, token)
            raise Stopped(f"Telegram cannot be reached ({why}): check network and proxy, then try again") from None
        await store.start()
        return cls(bot, Poller(polls, f"{base}{token}/getUpdates", POLL_S), store, token)

    async def aclose(self) -> None:
        """Tell Telegram what was heard, so that the service does not hear it again; keep what nobody asked for."""
        try:
            await self._keep(self._heard)
            await self.bot.get_updates(offset=self._poller.next_offset, limit=1, timeout=0)
        except (TelegramError, OSError):
            pass  # then the service hears it again, and says that it is closed
        finally:
            await self._store.aclose()
            await self.bot.shutdown()

    async def webhook(self) -> str:
        """The address that Telegram sends this bot's updates to instead of waiting for polls; "" = none."""
        return (await self.bot.get_webhook_info()).url

    async def hear(self, wanted: Heard[T], within_s: float) -> T | None:
        """The first thing that is wanted, None when it did not come. Raises `Stopped` for a second program.

        What the network does meanwhile is waited out.
        """
        try:
            async with asyncio.timeout(within_s):
                while True:
                    while self._heard:
                        update = self._heard.popleft()
                        if (found := self._read(update, wanted)) is not None:
                            return found
                        await self._keep([update])
                    await self._fetch()
        except TimeoutError:
            return None

    async def say(self, chat: int, text: str, *, topic: int = 0, button: tuple[str, str] = ("", "")) -> int:
        """Send a message, with a button (label, data) under it; its id. Raises `Stopped` with the reason in words."""
        label, data = button
        keyboard = InlineKeyboardMarkup([[InlineKeyboardButton(label, callback_data=data)]]) if label else None
        try:
            sent = await self.bot.send_message(chat, text, message_thread_id=topic or None, reply_markup=keyboard)
        except (BadRequest, Forbidden) as error:
            raise Stopped(
                f"Telegram does not let the bot write there ({error.message}). Is it still a member, may members send "
                "messages, is the topic open?"
            ) from None
        except TelegramError as error:
            raise Stopped(f"the message could not be sent ({scrub(str(error), self._token)}); try again") from None
        return sent.message_id

    async def settle(self, chat: int, message: int, text: str, press: str = "") -> None:
        """Replace a message and its button, and stop the button's spinner; a failure changes nothing."""
        try:
            if press:
                await self.bot.answer_callback_query(press)
            await self.bot.edit_message_text(text, chat_id=chat, message_id=message)
        except TelegramError:
            return

    def _read(self, update: Update, wanted: Heard[T]) -> T | None:
        try:
            read = telegram.Update.de_json(json.loads(update.body), self.bot)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None  # unreadable: kept like everything that is not ours
        return wanted(read)

    async def _fetch(self) -> None:
        try:
            self._heard.extend(await self._poller.fetch())
            self._poller.taken()
        except Conflict as error:
            raise Stopped(
                f"another program listens to this bot ({error.message}): stop it, or make a bot of its own for it with "
                "@BotFather"
            ) from None
        except InvalidToken:
            raise TokenRefused("Telegram no longer takes the token: it was revoked meanwhile") from None
        except RetryAfter as error:
            await asyncio.sleep(seconds_of(error))
        except TelegramError:
            await asyncio.sleep(RETRY_S)

    async def _keep(self, updates: Sequence[Update] | deque[Update]) -> None:
        if updates:
            await self._store.put_updates(f"telegram:{self.bot.id}", list(updates))


async def quiet(bot: telegram.Bot, chat: int) -> str:
    """Why the bot could not write in a group, "" when it can as far as Telegram tells."""
    try:
        member = await bot.get_chat_member(chat, bot.id)
    except TelegramError as error:
        return f"Telegram does not say whether the bot is a member ({error.message})"
    if member.status in {"left", "kicked"}:
        return "the bot is no member of it: add it, then send /here again"
    if member.status == "restricted" and not getattr(member, "can_send_messages", True):
        return "the bot may not send messages there: allow it in the group's settings, then send /here again"
    return ""
