"""A person at a terminal: the real program in a process of its own behind a pty, read and typed to."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from pathlib import Path
from typing import Self

from tests.needs import ROOT

WITHIN_S = 40.0
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """`async with Terminal("init", ...) as t`: `await t.until(text)`, `t.type(line)`, `await t.ended()`."""

    def __init__(self, *words: str, **environment: str) -> None:
        self._words = [sys.executable, str(ROOT / "main.py"), *words]
        self._environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm", **environment}
        self.shown = ""
        self._read = 0
        """What was looked at already: a text is waited for once."""
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 200, 0, 0))
        self._process = await asyncio.create_subprocess_exec(
            *self._words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self._environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._take)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            self.shown += ANSI.sub("", os.read(self._master, 65536).decode(errors="replace")).replace("\r", "")
        self._news.set()

    async def until(self, text: str) -> str:
        """Wait until a text is shown that was not waited for before; what was shown up to it."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while (at := self.shown.find(text, self._read)) < 0:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} did not come; the terminal shows:\n{self.shown}") from None
        seen, self._read = self.shown[self._read : at], at + len(text)
        return seen

    def type(self, line: str, end: str = "\n") -> None:
        os.write(self._master, f"{line}{end}".encode())

    async def answer(self, question: str, line: str = "") -> None:
        await self.until(question)
        self.type(line)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.type("\x03", end="")

    async def ended(self) -> int:
        async with asyncio.timeout(WITHIN_S):
            code = await self._process.wait()
        self._take()
        return code


def files_of(data: Path) -> str:
    """Every file of a folder as one text, but for the secrets."""
    return "".join(p.read_text(errors="replace") for p in data.rglob("*") if p.is_file() and p.name != "secrets")
