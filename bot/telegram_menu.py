"""Telegram's menu of commands: in a person's private chat what their role may do, elsewhere nearly nothing.

A menu is no permission: every line is looked at when it arrives. Telegram keeps menus by chat, so they are set
when the service starts and whenever a role or an account changes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, TypeAlias

import structlog
import telegram
from telegram.error import TelegramError

from bot.room import ControlRoom
from bot.verbs import menu

log = structlog.get_logger("bot.telegram")

Menu: TypeAlias = tuple[tuple[str, str], ...]
EVERYBODY: Final = 0
"""Telegram's default scope: strangers, and groups where people of several roles read."""
MOST: Final = 100
LOOK_S: Final = 2.0
AGAIN_S: Final = 300.0
"""A menu that Telegram refused is tried again: a person may not have opened the chat yet."""


class Menus:
    """The menus of one bot. `is_private` says whether people may write to it alone."""

    def __init__(self, bot: telegram.Bot, room: ControlRoom, *, is_private: bool) -> None:
        """Nothing is set yet."""
        self._bot = bot
        self._room = room
        self._is_private = is_private
        self._set: dict[int, Menu] = {}
        self._not_before: dict[int, tuple[Menu, float]] = {}

    async def run(self) -> None:
        """Keep them right until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(LOOK_S)

    async def step(self) -> None:
        """Set those that are not as they should be."""
        wanted = self._wanted()
        for chat in [chat for chat in self._set if chat not in wanted]:
            if await self._tell(chat, ()):
                del self._set[chat]
        for chat, commands in wanted.items():
            if self._set.get(chat) != commands and await self._tell(chat, commands):
                self._set[chat] = commands

    def _wanted(self) -> dict[int, Menu]:
        """Menus by chat."""
        found: dict[int, Menu] = {EVERYBODY: tuple(one for one in menu() if one[0] in {"help", "whoami"})}
        for view in self._room.desk.persons():
            person = self._room.desk.person(view.id)
            if person is not None and person.telegram_user_id and self._is_private:
                found[person.telegram_user_id] = tuple(menu(person)[:MOST])
        return found

    async def _tell(self, chat: int, commands: Menu) -> bool:
        """Set a chat's menu, none = as everybody's; False when Telegram would not, or was asked just now."""
        refused, at_s = self._not_before.get(chat, ((), 0.0))
        if refused == commands and time.monotonic() < at_s:
            return False
        scope = telegram.BotCommandScopeChat(chat) if chat != EVERYBODY else telegram.BotCommandScopeDefault()
        try:
            if commands:
                await self._bot.set_my_commands(commands, scope=scope)
            else:
                await self._bot.delete_my_commands(scope=scope)
        except TelegramError as error:
            self._not_before[chat] = commands, time.monotonic() + AGAIN_S
            log.info("telegram menu not set", error=type(error).__name__)
            return False
        self._not_before.pop(chat, None)
        return True
