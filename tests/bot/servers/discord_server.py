"""A Discord server on loopback, REST and gateway, for an unmodified discord.py.

The test's side: `slash`, `complete` and `click` act as people, `sent` holds what the bot posted, `faults` and
`drop_gateway` make it misbehave. Limits are Discord's: three seconds to acknowledge, embed and name lengths.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from tests.bot.servers.discord_objects import (
    APP,
    BOT,
    CHANNEL,
    DM,
    GUILD,
    channel,
    dm,
    dm_of,
    guild,
    interaction,
    member,
    message_problems,
    user,
)
from tests.bot.servers.faults import Fault as Fault  # noqa: PLC0414 - tests name it by this server
from tests.bot.servers.faults import hang_up

TOKEN = "discord-token-canary.AAAAAA.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
KINDS = {str: 3, int: 4, bool: 5, float: 10}


class DiscordServer:
    """Start it, give `api_url` and `gateway_url` to a bot with `TOKEN`, be its users."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.commands: dict[str, dict[str, Any]] = {}
        self.completions: dict[str, list[str]] = {}
        self.modals: dict[str, dict[str, Any]] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.open_dms: set[int] = set()
        """People who let the bot write to them."""
        self.bad_token = False
        self.bad_gateway_token = False
        self.connections = 0
        self.invited, self.app_permissions = True, "8"
        self._messages: dict[str, dict[str, Any]] = {}
        self._nonces: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, dict[str, Any]] = {}
        self._ids = itertools.count(1)
        self._seq = itertools.count(1)
        self._changed = asyncio.Event()
        self._socket: web.WebSocketResponse | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=30 << 20)
        app.router.add_get("/gateway/", self._gateway)
        app.router.add_route("*", "/api/v10/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self.drop_gateway()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway/"

    async def drop_gateway(self, code: int = 1001) -> None:
        if self._socket is not None:
            await self._socket.close(code=code)
            self._socket = None

    # people

    def _id(self, at_s: float | None = None) -> str:
        now_s = time.time() if at_s is None else at_s
        return str(((int(now_s * 1000) - 1_420_070_400_000) << 22) + next(self._ids) % 4096)

    async def slash(
        self, who: int, name: str, /, *, where: str = CHANNEL, at_s: float | None = None, **options: Any
    ) -> str:
        """Use a slash command (`strategies start` for one in a group); returns the interaction's token."""
        first, _, second = name.partition(" ")
        given = [{"name": key, "type": KINDS[type(value)], "value": value} for key, value in options.items()]
        if second:
            given = [{"name": second, "type": 1, "options": given}]
        data = {"id": self.commands[first]["id"], "name": first, "type": 1, "guild_id": GUILD, "options": given}
        return await self._interact(2, data, who, where, at_s)

    async def complete(self, who: int, name: str, option: str, typed: str) -> list[str]:
        """What the client offers while a person types an option."""
        first, _, second = name.partition(" ")
        focused = [{"name": option, "type": 3, "value": typed, "focused": True}]
        options = [{"name": second, "type": 1, "options": focused}] if second else focused
        data = {"id": self.commands[first]["id"], "name": first, "type": 1, "guild_id": GUILD, "options": options}
        token = await self._interact(4, data, who, CHANNEL, None)
        await self._until(lambda: token in self.completions)
        return self.completions[token]

    def sent_to(self, who: int) -> list[dict[str, Any]]:
        """What was posted to a person alone."""
        return [one for one in self.sent if one["channel_id"] == dm_of(who)]

    async def click(self, who: int, message: dict[str, Any], label: str) -> str:
        """Press a button under a message."""
        buttons = [one for row in message["components"] for one in row["components"]]
        custom_id = next(one["custom_id"] for one in buttons if one["label"] == label)
        return await self.click_data(who, message, custom_id)

    async def click_data(self, who: int, message: dict[str, Any], custom_id: str) -> str:
        under = {key: value for key, value in message.items() if not key.startswith("_")}
        under["components"] = [
            {"type": 1, "components": [{"type": 2, "style": 3, "custom_id": custom_id, "label": "x"}]}
        ]
        data = {"custom_id": custom_id, "component_type": 2}
        return await self._interact(3, data, who, message["channel_id"], None, message=under)

    async def fill(self, who: int, token: str, typed: str) -> str:
        """Type into the window that the interaction with this token was answered with, and send it."""
        await self._until(lambda: token in self.modals)
        window = self.modals[token]
        field = {"type": 4, "custom_id": window["components"][0]["components"][0]["custom_id"], "value": typed}
        data = {"custom_id": window["custom_id"], "components": [{"type": 1, "components": [field]}]}
        return await self._interact(5, data, who, CHANNEL, None)

    async def _interact(
        self, kind: int, data: dict[str, Any], who: int, where: str, at_s: float | None, **extra: Any
    ) -> str:
        token = f"token{next(self._ids)}"
        self._tokens[token] = {"at_s": time.monotonic(), "acked": False, "under": extra.get("message", {}).get("id")}
        extra["app_permissions"] = self.app_permissions
        await self._dispatch("INTERACTION_CREATE", interaction(self._id(at_s), kind, data, who, where, token) | extra)
        return token

    async def wait(
        self, wanted: Callable[[dict[str, Any]], bool], within_s: float = 30, count: int = 1
    ) -> dict[str, Any]:
        """The `count`-th posted message that is wanted, as soon as there is one."""
        await self._until(lambda: len([one for one in self.sent if wanted(one)]) >= count, within_s)
        return [one for one in self.sent if wanted(one)][count - 1]

    async def text(self, containing: str, within_s: float = 30, count: int = 1) -> dict[str, Any]:
        return await self.wait(lambda one: containing in shown(one), within_s, count)

    async def _until(self, done: Callable[[], bool], within_s: float = 30) -> None:
        end = time.monotonic() + within_s
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError([shown(one) for one in self.sent])
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                continue

    async def invite(self) -> None:
        """Somebody adds the bot to the guild, in which it is not while `invited` is False."""
        await self._dispatch("GUILD_CREATE", guild())

    # the gateway

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._socket = socket
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 30_000}})
        async for frame in socket:
            if frame.type != WSMsgType.TEXT:
                continue
            said = json.loads(frame.data)
            if said["op"] == 1:
                await socket.send_json({"op": 11})
            elif said["op"] == 2:
                if self.bad_gateway_token or said["d"]["token"] != TOKEN:
                    await socket.close(code=4004)
                    break
                self.connections += 1
                await self._dispatch("READY", self._ready())
                if self.invited:
                    await self._dispatch("GUILD_CREATE", guild())
            elif said["op"] == 6:
                self.connections += 1
                await self._dispatch("RESUMED", {})
        return socket

    def _ready(self) -> dict[str, Any]:
        return {
            "v": 10,
            "user": user(int(BOT), bot=True),
            "guilds": [{"id": GUILD, "unavailable": True}] if self.invited else [],
            "session_id": "session",
            "resume_gateway_url": self.gateway_url,
            "application": {"id": APP, "flags": 0},
            "shard": [0, 1],
        }

    async def _dispatch(self, kind: str, data: dict[str, Any]) -> None:
        await self._until(lambda: self._socket is not None)
        assert self._socket is not None
        await self._socket.send_json({"op": 0, "t": kind, "s": next(self._seq), "d": data})

    # REST

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = f"/{request.match_info['path']}"
        if self.bad_token or request.headers.get("Authorization", f"Bot {TOKEN}") != f"Bot {TOKEN}":
            return _json({"message": "401: Unauthorized", "code": 0}, 401)
        waiting = next((faults for prefix, faults in self.faults.items() if path.startswith(prefix) and faults), None)
        fault = waiting.pop(0) if waiting else Fault()
        is_lost = fault.swallow or fault.drop == "after"
        await asyncio.sleep(fault.delay_s)
        if fault.drop == "before":
            return await hang_up(request)
        if fault.status and not is_lost:
            retry = {"retry_after": fault.retry_after or 0.2, "global": False} if fault.status == 429 else {}
            return _json({"message": "fault", "code": 0, **retry}, fault.status)
        body = await _body(request) if request.method in {"POST", "PUT", "PATCH"} else {}
        answer = self._route(request.method, path, body)
        return await hang_up(request) if is_lost else answer

    def _route(self, method: str, path: str, body: Any) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 1, "max_concurrency": 1}
        fixed: dict[str, Any] = {
            "/users/@me": user(int(BOT), bot=True),
            "/oauth2/applications/@me": _application(),
            "/gateway/bot": {"url": self.gateway_url, "shards": 1, "session_start_limit": limit},
            f"/applications/{APP}/guilds/{GUILD}/commands": list(self.commands.values()),
            f"/channels/{CHANNEL}": channel(),
            f"/channels/{CHANNEL}/typing": {},
            "/users/@me/channels": dm(int(body["recipient_id"])) if "recipient_id" in body else {},
        }
        if method == "PUT" and path == f"/applications/{APP}/guilds/{GUILD}/commands":
            return self._put_commands(body)
        if path in fixed:
            return _json(fixed[path])
        if found := re.fullmatch(r"/interactions/(\d+)/([^/]+)/callback", path):
            return self._acknowledge(found[1], found[2], body)
        if found := re.fullmatch(rf"/webhooks/{APP}/([^/]+)(?:/messages/(.+))?", path):
            token = self._tokens[found[1]]
            return self._post(body, token["original"] if found[2] == "@original" else found[2] or "")
        if found := re.fullmatch(rf"/channels/({CHANNEL}|{DM}\d+)/messages(?:/(\d+))?", path):
            return self._post(body, found[2] or "", found[1])
        return _json({"message": "Unknown Channel", "code": 10003}, 404)

    def _put_commands(self, body: list[dict[str, Any]]) -> web.Response:
        made = [{"default_member_permissions": None} | one | {"id": self._id(), "application_id": APP} for one in body]
        wrong = [problem for one in made for problem in _command_problems(one)]
        if wrong:
            return _json({"message": "Invalid Form Body", "code": 50035, "errors": wrong}, 400)
        self.commands = {one["name"]: one | {"version": "1"} for one in made}
        return _json(list(self.commands.values()))

    def _acknowledge(self, interaction_id: str, token: str, body: dict[str, Any]) -> web.Response:
        known = self._tokens[token]
        if time.monotonic() - known["at_s"] > 3:
            return _json({"message": "Unknown interaction", "code": 10062}, 404)
        if known["acked"]:
            return _json({"message": "Interaction has already been acknowledged.", "code": 40060}, 400)
        known["acked"] = True
        resource: dict[str, Any] = {"type": body["type"]}
        if body["type"] == 8:
            self.completions[token] = [choice["value"] for choice in body["data"]["choices"]]
            self._changed.set()
        if body["type"] == 9:
            self.modals[token] = body["data"]
            self._changed.set()
        if body["type"] == 6:
            known["original"] = known["under"]
        if body["type"] == 5:
            made = self._store({"content": "", "flags": 128 | (body.get("data") or {}).get("flags", 0)}, "")
            known["original"] = made["id"]
            resource["message"] = made
        return _json({"interaction": {"id": interaction_id, "type": 2}, "resource": resource})

    def _post(self, body: dict[str, Any], message_id: str, where: str = CHANNEL) -> web.Response:
        if where != CHANNEL and where not in map(dm_of, self.open_dms):
            return _json({"message": "Cannot send messages to this user", "code": 50007}, 403)
        if wrong := message_problems(body):
            return _json({"message": f"Invalid Form Body: {wrong}", "code": 50035}, 400)
        nonce = body.get("nonce")
        if nonce and body.get("enforce_nonce") and nonce in self._nonces:
            return _json(self._nonces[nonce])
        made = self._store(body | {"channel_id": where}, message_id)
        if nonce:
            self._nonces[nonce] = made
        self.sent.append(made | {"_at_s": time.monotonic(), "_raw": body})
        self._changed.set()
        return _json(made)

    def _store(self, body: dict[str, Any], message_id: str) -> dict[str, Any]:
        message_id = message_id or self._id()
        keys = ("channel_id", "content", "embeds", "components", "flags")
        kept = {key: body[key] for key in keys if body.get(key) is not None}
        made = _blank_message(message_id) | self._messages.get(message_id, {}) | kept
        if body.get("_files"):
            made["attachments"] = [
                {"id": self._id(), "filename": name, "size": len(data), "url": "http://x/f", "proxy_url": "http://x/f"}
                for name, data in body["_files"].items()
            ]
        self._messages[message_id] = made
        return made


def shown(message: dict[str, Any]) -> str:
    """The text that people see, embeds included, escapes taken out."""
    text = "\n".join([message["content"], *(embed.get("description", "") for embed in message["embeds"])])
    return re.sub(r"\\(.)", r"\1", text)


async def _body(request: web.Request) -> Any:
    if request.content_type.startswith("multipart"):
        form = await request.post()
        body = json.loads(str(form["payload_json"])) if "payload_json" in form else {}
        body["_files"] = {one.filename: one.file.read() for one in form.values() if isinstance(one, web.FileField)}
        return body
    return await request.json() if request.can_read_body else {}


def _command_problems(command: dict[str, Any]) -> list[str]:
    found = []
    if not re.fullmatch(r"[-_a-z0-9]{1,32}", command["name"]) or not 1 <= len(command["description"]) <= 100:
        found.append(f"{command['name']}: name or description")
    options = command.get("options", [])
    if len(options) > 25 or any(len(one.get("choices") or []) > 25 for one in options):
        found.append(f"{command['name']}: more than 25")
    return found + [problem for one in options for problem in _command_problems(one)]


def _blank_message(message_id: str) -> dict[str, Any]:
    return {
        "id": message_id,
        "channel_id": CHANNEL,
        "author": user(int(BOT), bot=True),
        "content": "",
        "timestamp": "2026-01-01T00:00:00+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": False,
        "type": 0,
        "flags": 0,
    }


def _application() -> dict[str, Any]:
    return {
        "id": APP,
        "name": "app",
        "icon": None,
        "description": "",
        "rpc_origins": [],
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": 0,
        "owner": member(1)["user"],
        "team": None,
        "summary": "",
    }


def _json(body: Any, status: int = 200) -> web.Response:
    """Exactly this content type: with a charset discord.py reads the answer as text. A 429 needs `Via`."""
    headers = {"content-type": "application/json", "Via": "1.1 local"}
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers)
