"""The terminal's door: a Unix socket in the data folder, open only to the user who runs the service.

One JSON object a line: {"person": ..., "line": ...} in, {"text": ...} out. Who can reach the socket owns
the data folder anyway, so naming the person is enough; roles are checked like at every door.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from bot.console import Console
from domain.commands import Actor, Door
from domain.errors import MoonDevError

SOCKET = "console.sock"
ANSWER_LIMIT = 1 << 20


class NotRunning(MoonDevError):
    """No service answers in this data folder."""


class LocalDoor:
    """Serves the console on a Unix socket (mode 0600)."""

    def __init__(self, data_dir: Path, console: Console) -> None:
        """Serve `console` at `data_dir`/console.sock."""
        self.path = data_dir / SOCKET
        self._console = console
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
            person, line = str(asked["person"]), str(asked["line"])
        except (ValueError, KeyError, TypeError):
            return 'Not understood: one JSON object a line, {"person": "...", "line": "..."}.'
        return await self._console(Actor(person=person, door=Door.TERMINAL), line)


async def ask(data_dir: Path, person: str, line: str) -> str:
    """Send one line to the service of a data folder. Raises `NotRunning` when none answers."""
    path = data_dir / SOCKET
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_LIMIT)
    except OSError as error:
        raise NotRunning(f"no service answers in {data_dir} ({error.strerror}): start it with ./moondev run") from None
    try:
        writer.write(json.dumps({"person": person, "line": line}).encode() + b"\n")
        await writer.drain()
        answer = await reader.readline()
    finally:
        writer.close()
    if not answer:
        raise NotRunning("the service closed the connection: see its terminal or log")
    return str(json.loads(answer)["text"])
