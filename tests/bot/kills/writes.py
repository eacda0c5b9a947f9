"""The program, counting every write to disk and every message sent, and killed without warning at the n-th of them.

A point is before a statement that changes `ops.db`, before its commit, after it, before, amid and after a write of the
journal, and after a chat server took a message. They are counted where SQLite, the journal's file and the client
library do them, so one that is new is counted by itself.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

CHANGES = {"insert", "update", "delete", "replace", "commit"}
BETWEEN = {"or", "into", "from", "ignore", "replace"}


class Points:
    """Writes each point down as it is passed, and kills the process at number `kill_at` (0 = never)."""

    def __init__(self, told: Path, kill_at: int) -> None:
        self._fd = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._kill_at = kill_at
        self._count = 0
        self._lock = threading.Lock()

    def passed(self, what: str) -> None:
        """One more point."""
        with self._lock:
            self._count += 1
            os.write(self._fd, f"{what}\n".encode())
            if self._count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """From here on every write of this process is a point."""
        self._watch_database()
        self._watch_journal()
        self._watch_sends()

    def _watch_database(self) -> None:
        connect = sqlite3.connect

        def watched(path: Any, *args: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(path, *args, **options)
            if str(path).endswith("ops.db"):
                connection.set_trace_callback(self._statement)
            return connection

        sqlite3.connect = watched  # type: ignore[assignment]
        from bot.store import OpsStore

        run = OpsStore.run

        async def counted(store: OpsStore, work: Any) -> Any:
            def done() -> Any:
                before = store._connection.total_changes if store._connection else 0
                result = work()
                if store._connection and store._connection.total_changes > before:
                    self.passed("ops.db: committed")
                return result

            return await run(store, done)

        setattr(OpsStore, "run", counted)  # noqa: B010 - as it is, whatever its type

    def _statement(self, sql: str) -> None:
        words = re.findall(r"\w+", sql[:80].lower())
        if words and words[0] in CHANGES:
            table = next((word for word in words[1:] if word not in BETWEEN), "")
            self.passed(f"ops.db: before {words[0]} {table}".strip())

    def _watch_journal(self) -> None:
        from engine.core.journal.segments import SegmentFile

        write = SegmentFile.write

        def watched(file: SegmentFile, data: bytes) -> None:
            if not file.path.name.startswith("main"):
                write(file, data)
                return
            self.passed("journal: before a write")
            half = len(data) // 2
            write(file, data[:half])
            self.passed("journal: amid a write")
            write(file, data[half:])
            self.passed("journal: after a write")

        setattr(SegmentFile, "write", watched)  # noqa: B010 - as above

    def _watch_sends(self) -> None:
        from telegram.request import HTTPXRequest

        do_request = HTTPXRequest.do_request

        async def watched(request: HTTPXRequest, url: str, *args: Any, **options: Any) -> tuple[int, bytes]:
            answer = await do_request(request, url, *args, **options)
            if "/send" in url or "/edit" in url:
                self.passed("telegram: it took a message")
            return answer

        setattr(HTTPXRequest, "do_request", watched)  # noqa: B010 - as above

    def watch_channels(self) -> None:
        """From here on every message that Discord, the mail server or the SMS server has taken is a point."""
        import aiosmtplib
        import discord

        from bot.channels import sms

        request, data, ask = discord.http.HTTPClient.request, aiosmtplib.SMTP.data, vars(sms)["ask"]

        async def requested(client: Any, route: Any, **options: Any) -> Any:
            answer = await request(client, route, **options)
            if route.method in {"POST", "PATCH"} and "/messages" in route.path:
                self.passed("discord: it took a message")
            return answer

        async def given(smtp: Any, *args: Any, **options: Any) -> Any:
            answer = await data(smtp, *args, **options)
            self.passed("email: it took a message")
            return answer

        async def asked(client: Any, method: str, url: str, **content: Any) -> Any:
            answer = await ask(client, method, url, **content)
            if method == "POST":
                self.passed("sms: it took a message")
            return answer

        setattr(discord.http.HTTPClient, "request", requested)  # noqa: B010 - as above
        setattr(aiosmtplib.SMTP, "data", given)  # noqa: B010 - as above
        setattr(sms, "ask", asked)  # noqa: B010 - as above


def serve_channels(words: list[str], log: str, told: str, kill_at: int) -> None:
    """The program with these arguments, killed when the n-th message was taken and its answer not looked at."""
    from tests.process import program

    Points(Path(told), kill_at).watch_channels()
    program.serve(words, log)


def serve(words: list[str], log: str, told: str, kill_at: int) -> None:
    """The program with these arguments, killed at a point."""
    from tests.process import program

    Points(Path(told), kill_at).watch()
    program.serve(words, log)
