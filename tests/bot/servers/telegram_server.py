"""A Telegram Bot API server on loopback for real clients: long polls, limits and errors as Telegram has them.

The test's side: `say`, `press` and `push` act as people, `sent` holds what the bot sent, `faults` makes it misbehave.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.bot.servers.faults import Fault as Fault  # noqa: PLC0414 - tests name it by this server
from tests.bot.servers.faults import hang_up
from tests.bot.servers.telegram_text import CAPTION_LIMIT, PNG, TEXT_LIMIT, Media, Refusal, shown, utf16

BOT_ID = 4242
TOKEN = f"{BOT_ID}:test-token-canary-AAAAAAAAAAAAAAAAAAAA"
BOT_NAME = "moondev_test_bot"
ANSWER_WITHIN_S = 15


@dataclass
class Sent:
    """One call that showed something to people."""

    method: str
    chat: int
    message_id: int
    text: str
    at_s: float
    parse_mode: str = ""
    thread: int = 0
    buttons: list[dict[str, str]] = field(default_factory=list)
    file_name: str = ""
    file_text: str = ""
    picture: bytes = b""


class TelegramServer(Media):
    """Start it, give `base_url` to a bot with `TOKEN`, be its users."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.menus: dict[int, list[dict[str, str]]] = {}
        """Commands by chat; 0 is the default scope."""
        self.answered: list[str] = []
        self.deleted: list[tuple[int, int]] = []
        self.faults: dict[str, list[Fault]] = {}
        self.calls: dict[str, int] = {}
        self.unknown_chats: set[int] = set()
        self.migrated: dict[int, int] = {}
        self.webhook = ""
        """Where another program has the updates sent."""
        self.forgetful = False
        """Deliver updates again although they were acknowledged."""
        self.updates: list[dict[str, Any]] = []
        self.handed_ns: dict[int, int] = {}
        """When an update was handed to the bot, by its id."""
        self._update_ids = itertools.count(1)
        self._ids = itertools.count(1)
        self._news = asyncio.Event()
        self._changed = asyncio.Event()
        self._poll = 0
        self._presses: dict[str, float] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=60 << 20)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/bot"

    @property
    def file_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/file/bot"

    # people

    def push(self, update: dict[str, Any]) -> int:
        """Queue a raw update; returns its id."""
        update.setdefault("update_id", next(self._update_ids))
        self.updates.append(update)
        self._news.set()
        return update["update_id"]

    def message(self, user: int, text: str, chat: int = 0, date: float | None = None, **extra: Any) -> dict[str, Any]:
        """A message of a person; in their private chat when no chat is given."""
        where = chat or user
        kind = "private" if where > 0 else "supergroup"
        named = {"first_name": f"user{user}"} if where > 0 else {"title": "desk"}
        return {
            "message_id": next(self._ids),
            "date": int(time.time() if date is None else date),
            "chat": {"id": where, "type": kind, **named},
            "from": {"id": user, "is_bot": False, "first_name": f"user{user}"},
            "text": text,
            "entities": [{"type": "bot_command", "offset": 0, "length": len(text.split(" ", maxsplit=1)[0])}],
            **extra,
        }

    def say(self, user: int, text: str, chat: int = 0, date: float | None = None, **extra: Any) -> int:
        return self.push({"message": self.message(user, text, chat, date, **extra)})

    def press(self, user: int, under: Sent, label: str) -> int:
        """Press a button under a message that the bot sent."""
        data = next(button["callback_data"] for button in under.buttons if button["text"] == label)
        return self.push({"callback_query": self.press_of(user, under, data)})

    def press_of(self, user: int, under: Sent, data: str) -> dict[str, Any]:
        query_id = str(next(self._ids))
        self._presses[query_id] = time.monotonic()
        message = self.message(BOT_ID, under.text, under.chat)
        message["message_id"] = under.message_id
        person = {"id": user, "is_bot": False, "first_name": f"user{user}"}
        return {"id": query_id, "from": person, "chat_instance": "1", "data": data, "message": message}

    async def wait(self, wanted: Callable[[Sent], bool], within_s: float = 30, count: int = 1) -> Sent:
        """The `count`-th sent message that is wanted, as soon as there is one."""
        end = time.monotonic() + within_s
        while True:
            hits = [one for one in self.sent if wanted(one)]
            if len(hits) >= count:
                return hits[count - 1]
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError([one.text for one in self.sent])
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                continue

    async def text(self, containing: str, chat: int = 0, within_s: float = 30, count: int = 1) -> Sent:
        return await self.wait(lambda one: containing in one.text and chat in {0, one.chat}, within_s, count)

    # the API

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        self.calls[method] = self.calls.get(method, 0) + 1
        if request.match_info["token"] != TOKEN:
            return _json({"ok": False, "error_code": 404, "description": "Not Found"}, 404)
        fields: dict[str, Any] = dict(request.query)
        if request.can_read_body:
            fields |= dict(await request.post())
        waiting = self.faults.get(method)
        fault = waiting.pop(0) if waiting else Fault()
        try:
            if fault.delay_s:
                await asyncio.sleep(fault.delay_s)
            if fault.drop == "before":
                return await hang_up(request)
            if fault.status:
                extra = {"retry_after": fault.retry_after} if fault.retry_after else {}
                raise Refusal(fault.status, fault.description, **extra)
            result = await getattr(self, f"_{method}", self._nothing)(fields)
        except Refusal as refusal:
            body = {"ok": False, "error_code": refusal.status, "description": refusal.description}
            if refusal.parameters:
                body["parameters"] = refusal.parameters
            return _json(body, refusal.status)
        if fault.drop == "after":
            return await hang_up(request)
        if fault.swallow:
            await asyncio.sleep(30)
        return _json({"ok": True, "result": result})

    async def _nothing(self, fields: dict[str, Any]) -> bool:
        return True

    async def _getMe(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - the API's name
        return {"id": BOT_ID, "is_bot": True, "first_name": "MoonDev", "username": BOT_NAME}

    async def _getWebhookInfo(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"url": self.webhook, "has_custom_certificate": False, "pending_update_count": len(self.updates)}

    async def _deleteWebhook(self, fields: dict[str, Any]) -> bool:  # noqa: N802
        self.webhook = ""
        return True

    async def _getChatMember(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        status = "left" if int(fields["chat_id"]) in self.unknown_chats else "member"
        return {"status": status, "user": await self._getMe({})}

    async def _sendChatAction(self, fields: dict[str, Any]) -> bool:  # noqa: N802
        if int(fields["chat_id"]) in self.unknown_chats:
            raise Refusal(400, "Bad Request: chat not found")
        return True

    async def _getUpdates(self, fields: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: N802
        self._poll += 1
        mine = self._poll
        self._news.set()
        offset = int(fields.get("offset", 0))
        kinds = json.loads(fields.get("allowed_updates", "[]"))
        if not self.forgetful:
            self.updates = [one for one in self.updates if one["update_id"] >= offset]
        end = time.monotonic() + int(fields.get("timeout", 0))
        while True:
            if mine != self._poll:
                raise Refusal(409, "Conflict: terminated by other getUpdates request; make sure that only one runs")
            ready = [one for one in self.updates if self.forgetful or one["update_id"] >= offset]
            ready = [one for one in ready if not kinds or any(kind in one for kind in kinds)]
            if ready:
                self.forgetful = False
                ready = ready[: int(fields.get("limit", 100))]
                for one in ready:
                    self.handed_ns.setdefault(one["update_id"], time.time_ns())
                return ready
            left = end - time.monotonic()
            if left <= 0:
                return []
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), left)
            except TimeoutError:
                continue

    async def _sendMessage(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        text = shown(fields["text"], fields.get("parse_mode", ""))
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if utf16(text) > TEXT_LIMIT:
            raise Refusal(400, "Bad Request: message is too long")
        return self._show("sendMessage", fields, text)

    async def _sendDocument(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        caption = shown(fields.get("caption", ""), fields.get("parse_mode", ""))
        if utf16(caption) > CAPTION_LIMIT:
            raise Refusal(400, "Bad Request: message caption is too long")
        file = next(value for value in fields.values() if isinstance(value, web.FileField))
        content = file.file.read()
        if not content:
            raise Refusal(400, "Bad Request: file must be non-empty")
        made = self._show("sendDocument", fields, caption)
        self.sent[-1].file_name = file.filename
        self.sent[-1].file_text = content.decode()
        document = {"file_id": "f", "file_unique_id": "u", "file_name": file.filename}
        return {name: value for name, value in made.items() if name != "text"} | {"document": document}

    async def _sendPhoto(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        caption = shown(fields.get("caption", ""), fields.get("parse_mode", ""))
        if utf16(caption) > CAPTION_LIMIT:
            raise Refusal(400, "Bad Request: message caption is too long")
        file = next(value for value in fields.values() if isinstance(value, web.FileField))
        picture = file.file.read()
        if not picture.startswith(PNG):
            raise Refusal(400, "Bad Request: IMAGE_PROCESS_FAILED")
        made = self._show("sendPhoto", fields, caption)
        self.sent[-1].file_name = file.filename
        self.sent[-1].picture = picture
        size = {"file_id": "p", "file_unique_id": "u", "width": 1200, "height": 800}
        return {name: value for name, value in made.items() if name != "text"} | {"photo": [size]}

    async def _editMessageText(self, fields: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        known = [one for one in self.sent if one.message_id == int(fields["message_id"])]
        if not known:
            raise Refusal(400, "Bad Request: message to edit not found")
        text = shown(fields["text"], fields.get("parse_mode", ""))
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if utf16(text) > TEXT_LIMIT:
            raise Refusal(400, "Bad Request: MESSAGE_TOO_LONG")
        if known[-1].file_name:
            raise Refusal(400, "Bad Request: there is no text in the message to edit")
        if (known[-1].text, known[-1].buttons) == (text, _buttons(fields)):
            raise Refusal(400, "Bad Request: message is not modified: specified new message content is the same")
        return self._show("editMessageText", fields, text, int(fields["message_id"]))

    async def _deleteMessage(self, fields: dict[str, Any]) -> bool:  # noqa: N802
        self.deleted.append((int(fields["chat_id"]), int(fields["message_id"])))
        return True

    async def _answerCallbackQuery(self, fields: dict[str, Any]) -> bool:  # noqa: N802
        pressed = self._presses.get(fields["callback_query_id"], float("-inf"))
        if time.monotonic() - pressed > ANSWER_WITHIN_S:
            raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self.answered.append(fields["callback_query_id"])
        return True

    async def _setMyCommands(self, fields: dict[str, Any]) -> bool:  # noqa: N802
        commands = json.loads(fields["commands"])
        if len(commands) > 100:
            raise Refusal(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]) or not 1 <= len(command["description"]) <= 256:
                raise Refusal(400, "Bad Request: BOT_COMMAND_INVALID")
        self.menus[self._scope(fields)] = commands
        return True

    async def _deleteMyCommands(self, fields: dict[str, Any]) -> bool:  # noqa: N802
        self.menus.pop(self._scope(fields), None)
        return True

    def _scope(self, fields: dict[str, Any]) -> int:
        scope = json.loads(fields.get("scope") or '{"type": "default"}')
        chat = int(scope["chat_id"]) if scope["type"] == "chat" else 0
        if chat in self.unknown_chats:
            raise Refusal(400, "Bad Request: chat not found")
        return chat

    def _show(self, method: str, fields: dict[str, Any], text: str, message_id: int = 0) -> dict[str, Any]:
        chat = int(fields["chat_id"])
        if chat in self.unknown_chats:
            raise Refusal(400, "Bad Request: chat not found")
        if chat in self.migrated:
            raise Refusal(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=self.migrated[chat])
        thread = int(fields.get("message_thread_id", 0))
        if thread == 1:
            raise Refusal(400, "Bad Request: message thread not found")
        buttons = _buttons(fields)
        one = Sent(
            method=method,
            chat=chat,
            message_id=message_id or next(self._ids),
            text=text,
            at_s=time.monotonic(),
            parse_mode=fields.get("parse_mode", ""),
            thread=thread,
            buttons=buttons,
        )
        self.sent.append(one)
        self._changed.set()
        kind = "private" if chat > 0 else "supergroup"
        named = {"first_name": "x"} if chat > 0 else {"title": "desk"}
        where = {"id": chat, "type": kind, **named}
        return {"message_id": one.message_id, "date": int(time.time()), "chat": where, "text": text}


def _buttons(fields: dict[str, Any]) -> list[dict[str, str]]:
    """The buttons of a message, or Telegram's refusal of them."""
    rows = json.loads(fields.get("reply_markup", "{}")).get("inline_keyboard", [])
    buttons = [button for row in rows for button in row]
    if any(not 1 <= len(button["callback_data"].encode()) <= 64 for button in buttons):
        raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
    if any(not button["text"].strip() for button in buttons):
        raise Refusal(400, "Bad Request: text buttons are unallowed in the inline keyboard")
    if len(buttons) > 100 or any(len(row) > 8 for row in rows):
        raise Refusal(400, "Bad Request: too many inline keyboard buttons")
    return buttons


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(body, status=status)
