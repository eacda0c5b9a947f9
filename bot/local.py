"""The terminal's door: a Unix socket in the data folder, open only to the user who runs the service.

One JSON object a line: {"person": ..., "line": ...} in, {"text": ...} out; instead of a line, {"settings":
..., "hash": ...} asks for new settings (MessagePack in base64). Who can reach the socket owns the data folder
anyway, so naming the person is enough; roles and quorums are checked like at every door.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from bot.console import Console
from domain.codec import decode_settings, encode
from domain.commands import Actor, ApplySettings, Command, Door
from domain.errors import MoonDevError
from domain.facts import CommandDone
from domain.settings import Settings

SOCKET = "console.sock"
ANSWER_LIMIT = 1 << 20


class NotRunning(MoonDevError):
    """No service answers in this data folder."""


class LocalDoor:
    """Serves the console on a Unix socket (mode 0600)."""

    def __init__(
        self, data_dir: Path, console: Console, submit: Callable[[Command, Actor], Awaitable[CommandDone]]
    ) -> None:
        """Serve `console`, and `submit` for settings, at `data_dir`/console.sock."""
        self.path = data_dir / SOCKET
        self._console = console
        self._submit = submit
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Bind the socket; a stale one from a killed process is replaced (the data folder's lock proves it stale)."""
        self.path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path=self.path, limit=ANSWER_LIMIT)
        finally:
            os.umask(before)

    async def aclose(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while raw := await reader.readline():
                writer.write(json.dumps({"text": await self._answer(raw)}).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()

    async def _answer(self, raw: bytes) -> str:
        try:
            asked = json.loads(raw)
            actor = Actor(person=str(asked["person"]), door=Door.TERMINAL)
            if "settings" in asked:
                settings = decode_settings(base64.b64decode(asked["settings"]))
                command = ApplySettings(settings=settings, content_hash=str(asked["hash"]))
                return (await self._submit(command, actor)).text
            line = str(asked["line"])
        except (ValueError, KeyError, TypeError, msgspec.DecodeError):
            return 'Not understood: one JSON object a line, {"person": "...", "line": "..."}.'
        return await self._console(actor, line)


async def ask(data_dir: Path, person: str, line: str) -> str:
    """Send one line to the service of a data folder. Raises `NotRunning` when none answers."""
    return await _exchange(data_dir, {"person": person, "line": line})


async def ask_settings(data_dir: Path, person: str, settings: Settings, content_hash: str) -> str:
    """Ask the service of a data folder for new settings. Raises `NotRunning` when none answers."""
    encoded = base64.b64encode(encode(settings)).decode()
    return await _exchange(data_dir, {"person": person, "settings": encoded, "hash": content_hash})


async def _exchange(data_dir: Path, message: dict[str, Any]) -> str:
    path = data_dir / SOCKET
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_LIMIT)
    except OSError as error:
        raise NotRunning(f"no service answers in {data_dir} ({error.strerror}): start it with ./moondev run") from None
    try:
        writer.write(json.dumps(message).encode() + b"\n")
        await writer.drain()
        answer = await reader.readline()
    finally:
        writer.close()
    if not answer:
        raise NotRunning("the service closed the connection: see its terminal or log")
    return str(json.loads(answer)["text"])
