"""The terminal's door: a Unix socket in the data folder, open only to the user who runs the service.

One JSON object a line: {"person": ..., "line": ...} in, {"text": ..., "ok": ...} out. Instead of a line,
{"command": ...} carries a command (MessagePack in base64), {"login": true} asks for a login link. Who can reach
the socket owns the data folder anyway, so naming the person is enough; roles and quorums are checked like at
every door.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from bot.console import Console
from domain.codec import decode_command, encode
from domain.commands import Actor, ApplySettings, Command, Door
from domain.errors import MoonDevError
from domain.facts import CommandDone
from domain.settings import RoleName
from domain.views import PersonView

SOCKET = "console.sock"
ANSWER_LIMIT = 1 << 20
MOST_SHOWN = ANSWER_LIMIT // 16
"""Characters of an answer; JSON writes one in at most twelve bytes."""
LOOK_S = 2.0
log = structlog.get_logger("bot.local")


class NotRunning(MoonDevError):
    """No service answers in this data folder."""


class LocalDoor:
    """Serves the console on a Unix socket (mode 0600)."""

    def __init__(
        self,
        data_dir: Path,
        console: Console,
        submit: Callable[[Command, Actor], Awaitable[CommandDone]],
        new_link: Callable[[str], Awaitable[str]],
        persons: Callable[[], Sequence[PersonView]] = tuple,
    ) -> None:
        """Serve `console`, `submit` for commands and `new_link` (person -> address) at `data_dir`/console.sock.

        Where nobody is named, the first of `persons` who may do it speaks.
        """
        self.path = data_dir / SOCKET
        self._console = console
        self._submit = submit
        self._new_link = new_link
        self._persons = persons
        self._server: asyncio.Server | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind the socket; a stale one from a killed process is replaced (the data folder's lock proves it stale).

        Raises `MoonDevError` where there can be none: the system allows about 100 characters of path.
        """
        try:
            await self._bind()
        except OSError as error:
            why = error.strerror or str(error)
            raise MoonDevError(
                f"the console's socket {self.path} cannot be made ({why}): use a shorter --data"
            ) from None
        self._watching = asyncio.create_task(self._watch(), name="console socket")

    async def aclose(self) -> None:
        """Stop serving."""
        if self._watching is not None:
            self._watching.cancel()
        if self._server is not None:
            self._server.close()
            self.path.unlink(missing_ok=True)

    async def _bind(self) -> None:
        self.path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path=self.path, limit=ANSWER_LIMIT)
        finally:
            os.umask(before)

    async def _watch(self) -> None:
        """Make the socket again when somebody has removed it: without it there is no halt from the terminal."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self.path.is_socket():
                continue
            try:
                if self._server is not None:
                    self._server.close()
                await self._bind()
                log.warning("the console's socket was removed and is made again", path=str(self.path))
            except OSError as error:
                log.error("the console's socket cannot be made again", error=error.strerror)  # noqa: TRY400

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while raw := await reader.readline():
                ok, text = await self._answer(raw)
                writer.write(json.dumps({"text": _short(text), "ok": ok}).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()

    async def _answer(self, raw: bytes) -> tuple[bool, str]:
        try:
            asked = json.loads(raw)
            command = decode_command(base64.b64decode(asked["command"])) if "command" in asked else None
            wanted = RoleName.ADMIN if isinstance(command, ApplySettings) else RoleName.TRADER
            person = str(asked["person"]) or self._usual(wanted)
            person.encode()  # a lone surrogate could not be journaled
            actor = Actor(person=person, door=Door.TERMINAL)
            if command is not None:
                done = await self._submit(command, actor)
                return done.ok, done.text
            if "login" in asked:
                return True, await self._new_link(actor.person)
            if "who" in asked:
                return True, person
            line = str(asked["line"])
        except (ValueError, KeyError, TypeError, RecursionError, msgspec.DecodeError):
            return False, 'Not understood: one JSON object a line, {"person": "...", "line": "..."}.'
        return True, await self._console(actor, line)

    def _usual(self, role: RoleName) -> str:
        """Who speaks when nobody is named: the first person of that role or higher, else the first one."""
        known = self._persons()
        able = (one.id for one in known if RoleName[one.role.upper()] >= role)
        return next(able, known[0].id if known else "")


def _short(text: str) -> str:
    """An answer that a terminal can print and the other side reads whole."""
    shown = text.encode(errors="backslashreplace").decode()
    return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}\n... cut: the answer is longer than that."


async def ask(data_dir: Path, person: str, line: str) -> str:
    """Send one line to the service of a data folder. Raises `NotRunning` when none answers."""
    return (await _exchange(data_dir, {"person": person, "line": line}))[1]


async def ask_command(data_dir: Path, person: str, command: Command) -> tuple[bool, str]:
    """Send a command to the service of a data folder: whether it was done, and the answer. Raises `NotRunning`."""
    return await _exchange(data_dir, {"person": person, "command": base64.b64encode(encode(command)).decode()})


async def ask_login(data_dir: Path, person: str) -> str:
    """A new login link of the dashboard. Raises `NotRunning` when no service answers."""
    return (await _exchange(data_dir, {"person": person, "login": True}))[1]


async def ask_who(data_dir: Path) -> str:
    """Who speaks where nobody is named. Raises `NotRunning` when no service answers."""
    return (await _exchange(data_dir, {"person": "", "who": True}))[1]


async def _exchange(data_dir: Path, message: dict[str, Any]) -> tuple[bool, str]:
    path = data_dir / SOCKET
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=ANSWER_LIMIT)
    except OSError as error:
        raise NotRunning(f"no service answers in {data_dir} ({error.strerror}): start it with ./moondev run") from None
    try:
        writer.write(json.dumps(message).encode() + b"\n")
        await writer.drain()
        answer = await reader.readline()
    except ConnectionError:
        raise NotRunning("the service ended before it answered: start it again, and see /status") from None
    except ValueError:
        raise NotRunning("the answer is longer than a terminal takes; it was carried out: see /status") from None
    finally:
        writer.close()
    if not answer:
        raise NotRunning("the service closed the connection: see its terminal or log")
    said = json.loads(answer)
    return bool(said["ok"]), str(said["text"])
