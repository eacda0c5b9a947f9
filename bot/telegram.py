"""The Telegram bot: logs in, polls raw updates into the durable inbox, sends the outbox's letters.

`python-telegram-bot` does the Bot API; the poll loop is ours, because an update that the library cannot read
must not stop those behind it, and an update must be on disk before Telegram is told that we have it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlencode

import structlog
import telegram
from telegram.error import Conflict, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.buttons import Signer, signer_for
from bot.config import TELEGRAM_FILE_URL, TELEGRAM_URL, TelegramConfig, check_url
from bot.room import ControlRoom
from bot.sessions import Ask, Claim, Ignored, Sessions
from bot.store import Update
from bot.supervise import Disabled, Health, keep_running, quiet_libraries, scrub
from bot.telegram_gate import Gate
from bot.telegram_menu import Menus
from bot.telegram_send import TelegramCarrier, seconds_of
from domain.errors import ConfigError
from domain.facts import Severity
from domain.ports import Secrets
from domain.security import PressRefused

log = structlog.get_logger("bot.telegram")

ALLOWED_UPDATES = ("message", "callback_query")
SEND_TIMEOUT_S = 10.0
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
REFUSALS_UNTIL_DISABLED = 3
CONFLICT: Final = ("second_bot", {"channel": "telegram"})
"""Kind and labels of that alert."""
CONFLICT_OVER_S = 60.0
MAX_UPDATE_ID = 1 << 62
BATCH, MOST_AT_ONCE = 50, 100
"""Updates of a poll, and of a look at what waits: Telegram hands out the oldest, so that a look sees past a batch."""
LOOK_AHEAD_S = 0.25
"""A batch that takes longer to be on disk must not hide a halt behind it."""


class TelegramBot:
    """Runs for ever beside trading; `health` says how it is, `signer` makes the buttons of its cards."""

    def __init__(self, room: ControlRoom, config: TelegramConfig, secrets: Secrets) -> None:
        self.health = Health()
        self.signer = signer_for(secrets, config.token_secret, lambda: room.desk.installation)
        self._room = room
        self._desk = room.desk
        self._config = config
        self._secrets = secrets
        self._outbox = room.outbox
        self._token = ""
        self._is_alone = False  # an earlier run may have raised the conflict
        self._conflict_s = time.monotonic()
        self._seen_strangers: dict[int, float] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Run until cancelled; no error of Telegram's leaves it."""
        quiet_libraries()
        await keep_running("telegram", self._connect, self.health, secret=lambda: self._token)

    async def _connect(self) -> None:
        try:
            self._token = self._secrets.get(self._config.token_secret)
            base_url, file_url = self._urls()
        except ConfigError as error:
            raise Disabled(str(error)) from None
        polls = HTTPXRequest(connection_pool_size=1, read_timeout=self._config.poll_timeout_s + 10)
        sends = HTTPXRequest(connection_pool_size=8, pool_timeout=5, read_timeout=SEND_TIMEOUT_S)
        try:
            bot = telegram.Bot(
                self._token, base_url=base_url, base_file_url=file_url, request=sends, get_updates_request=polls
            )
        except InvalidToken:
            raise self._refused() from None
        try:
            await bot.initialize()
            await self._serve(bot, Poller(polls, f"{base_url}{self._token}/getUpdates", self._config.poll_timeout_s))
        except InvalidToken:
            raise self._refused() from None
        finally:
            await self._outbox.detach("telegram")
            await bot.shutdown()

    def _refused(self) -> Disabled:
        return Disabled(
            "Telegram refuses the bot's token. Put the token from @BotFather under the secret "
            f"{self._config.token_secret!r}"
        )

    def _urls(self) -> tuple[str, str]:
        remote = self._config.allow_remote_base_url
        return (
            check_url("telegram.base_url", self._config.base_url, TELEGRAM_URL, allow_remote=remote),
            check_url("telegram.base_file_url", self._config.base_file_url, TELEGRAM_FILE_URL, allow_remote=remote),
        )

    async def _serve(self, bot: telegram.Bot, poller: Poller) -> None:
        self.signer = Signer(self._token, lambda: self._desk.installation)
        self._room.telegram_name = bot.username
        gate = Gate(self._desk, self._config, bot.username, self.signer, self._room.subject)

        def read(body: bytes) -> Ask | Claim | Ignored:
            update = telegram.Update.de_json(json.loads(body), bot)
            return gate.read(update)

        sessions = Sessions(
            f"telegram:{bot.id}",
            self._room,
            read,
            answer=lambda callback_id: _quietly(bot.answer_callback_query(callback_id)),
            ignored=self._ignore,
            erase=lambda ask: _quietly(bot.delete_message(ask.recipient.split(":")[1], ask.erase)),
        )
        menus = asyncio.create_task(Menus(bot, self._room, is_private=self._config.private_chats).run())
        self._outbox.attach("telegram", TelegramCarrier(bot, self._token))
        self.health.set("up")
        try:
            await sessions.start()
            await self._poll(poller, sessions)
        finally:
            for task in (menus, *self._tasks):
                task.cancel()
            await asyncio.gather(menus, *self._tasks, sessions.aclose(), return_exceptions=True)

    async def _poll(self, poller: Poller, sessions: Sessions) -> None:
        backoff_s, refusals = FIRST_BACKOFF_S, 0
        while True:
            try:
                await self._take(poller, sessions)
            except RetryAfter as error:
                await asyncio.sleep(seconds_of(error))
                continue
            except InvalidToken:
                refusals += 1
                if refusals >= REFUSALS_UNTIL_DISABLED:
                    raise
                self.health.set("degraded", "Telegram refused the token once")
            except Conflict:
                self._tell_conflict()
            except (TelegramError, sqlite3.Error) as error:
                self._say_degraded(error)
            else:
                poller.taken()
                backoff_s, refusals = FIRST_BACKOFF_S, 0
                self.health.last_ok_ns = time.time_ns()
                self.health.set("up")
                self._no_conflict()
                continue
            await asyncio.sleep(backoff_s)
            backoff_s = min(MAX_BACKOFF_S, backoff_s * 2)

    async def _take(self, poller: Poller, sessions: Sessions) -> None:
        """The next batch, until it is on disk. While the disk takes its time, halts behind it are looked for."""
        taking = asyncio.create_task(sessions.take(await poller.fetch()))
        try:
            while not (await asyncio.wait([taking], timeout=LOOK_AHEAD_S))[0]:
                with suppress(TelegramError):
                    sessions.look(await poller.look())
        finally:
            if not taking.done():
                taking.cancel()
                await asyncio.wait([taking])
        taking.result()

    def _say_degraded(self, error: Exception) -> None:
        if isinstance(error, sqlite3.Error):
            why = f"the chat database cannot be written ({error}); only /halt and /flatten are carried out"
        else:
            why = scrub(f"{type(error).__name__}: {error}", self._token)
        if self.health.set("degraded", why):
            log.warning("telegram is degraded", why=why)

    def _tell_conflict(self) -> None:
        why = "a second bot is polling with this token: stop it, or give it a token of its own"
        self._conflict_s = time.monotonic()
        self._is_alone = False
        if self.health.set("degraded", why):
            log.error("telegram conflict", why=why)
            text = f"Commands may reach the other one: {why}. Trading goes on; halt from another door if you must."
            title = "Second bot on this token"
            self._beside(self._room.alerts.raise_alert(*CONFLICT, Severity.CRITICAL, title, text, lasts=True))

    def _no_conflict(self) -> None:
        """Polls are good. A conflict is over when there was none for a while: two bots take turns."""
        if not self._is_alone and time.monotonic() - self._conflict_s >= CONFLICT_OVER_S:
            self._is_alone = True
            self._beside(self._room.alerts.resolve(*CONFLICT, "this bot polls alone again"))

    def _beside(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do it beside the polls: it waits for the disk, and they must not."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ignore(self, ignored: Ignored) -> None:
        self.health.ignored += 1
        now_s = time.monotonic()
        if now_s - self._seen_strangers.get(ignored.user_id, -3600.0) >= 3600:
            if len(self._seen_strangers) > 1000:
                self._seen_strangers.clear()
            self._seen_strangers[ignored.user_id] = now_s
            if ignored.press:
                stranger = f"user {ignored.user_id}"
                self._desk.report(
                    PressRefused(source="telegram", who=stranger, request=ignored.press, text=ignored.why)
                )
            log.info("telegram update ignored", why=ignored.why, user_id=ignored.user_id, count=self.health.ignored)


class Poller:
    """Long polls for raw updates. The offset only acknowledges the last batch: Telegram's ids may start anew."""

    def __init__(self, request: HTTPXRequest, url: str, timeout_s: int) -> None:
        self._request = request
        self._url = url
        self._timeout_s = timeout_s
        self._offset = 0
        self._next_offset = 0
        self._last_taken_ns = 0

    async def fetch(self) -> list[Update]:
        """The next batch; raises `TelegramError`. Until `taken`, the same updates come again."""
        query: dict[str, Any] = {"timeout": self._timeout_s, "allowed_updates": json.dumps(ALLOWED_UPDATES)}
        if self._offset:
            query["offset"] = self._offset
        query["limit"] = BATCH
        result = await self._ask(query)
        updates = [self._update(raw) for raw in result if _usable(raw)]
        if result and not updates:
            raise NetworkError("getUpdates answered with updates that have no usable id")
        self._next_offset = max((update.update_id for update in updates), default=-1) + 1
        return updates

    async def look(self) -> list[Update]:
        """What waits now, the batch that is not on disk yet among it; acknowledges nothing. Raises `TelegramError`."""
        query = {"timeout": 0, "allowed_updates": json.dumps(ALLOWED_UPDATES), "limit": MOST_AT_ONCE}
        if self._offset:
            query["offset"] = self._offset
        return [self._update(raw) for raw in await self._ask(query) if _usable(raw)]

    async def _ask(self, query: dict[str, Any]) -> list[Any]:
        result = await self._request.post(f"{self._url}?{urlencode(query)}")
        if not isinstance(result, list):
            raise NetworkError("getUpdates did not answer with a list")
        return result

    @property
    def next_offset(self) -> int:
        """What acknowledges the last batch."""
        return self._next_offset

    def taken(self) -> None:
        """The batch is on disk: the next poll acknowledges it."""
        self._offset = self._next_offset
        self._last_taken_ns = time.time_ns()

    def _update(self, raw: dict[str, Any]) -> Update:
        return Update(update_id=raw["update_id"], body=json.dumps(raw).encode(), sent_ns=self._sent_ns(raw))

    def _sent_ns(self, raw: dict[str, Any]) -> int:
        """When it was sent. A press carries no time: not before its card, nor before the poll that missed it."""
        press = raw.get("callback_query")
        message = press.get("message") if isinstance(press, dict) else raw.get("message")
        date = message.get("date") if isinstance(message, dict) else None
        date_ns = date * 1_000_000_000 if isinstance(date, int) and 0 < date < 1 << 33 else 1
        return max(date_ns, self._last_taken_ns) if press is not None else date_ns


def _usable(raw: object) -> bool:
    return isinstance(raw, dict) and type(raw.get("update_id")) is int and 0 <= raw["update_id"] < MAX_UPDATE_ID


async def _quietly(call: Awaitable[object]) -> None:
    """Await something whose failure changes nothing."""
    try:
        await call
    except TelegramError as error:
        log.info("telegram call failed", error=type(error).__name__)
