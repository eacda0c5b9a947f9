"""The jobs that people asked for: one at a time, oldest first, and what became of each.

A job is a row of the operational database before its id is told. After a restart the one that ran is told as
interrupted, those that waited still wait. A job is never begun twice by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path

import structlog
from msgspec import Struct, structs

from bot.jobs import process
from bot.message import Message, Pairs, Text, age_text, bar
from bot.outbox import Outbox
from bot.store import OpsStore
from domain.facts import Severity

log = structlog.get_logger("bot.jobs")

TIME_LIMIT_S = 1800.0
FIRST_EDIT_S, EDIT_EVERY_S = 3.0, 15.0
MOST_WAITING, MOST_EACH = 5, 2
KEPT_RESULTS = 20
OPEN = ("waiting", "running")
NO_NUMBER = 1 << 62
"""Larger than any."""


class Job(Struct, frozen=True, kw_only=True):
    """One job. `state` is waiting, running, done, failed, cancelled or interrupted; `note` says why."""

    id: int
    person: str
    chat: str
    """Who is told, as a recipient of the outbox; "" = nobody: it was asked for in a terminal."""
    words: str
    """What it is, for people."""
    command: tuple[str, ...]
    state: str
    created_ns: int
    started_ns: int = 0
    ended_ns: int = 0
    note: str = ""
    pid: int = 0

    @property
    def name(self) -> str:
        """As people call it: J7."""
        return f"J{self.id}"


class JobRefused(Exception):
    """There are too many; the text says what to do."""


Show = Callable[[Job, str, Path], Awaitable[Message]]
"""Makes a message of a job's output and its result file; may raise `OSError` and `ValueError`."""


class Jobs:
    """The queue. `show` makes messages of results; `limit_s` is how long one job may take."""

    def __init__(
        self, store: OpsStore, outbox: Outbox, folder: Path, show: Show, limit_s: float = TIME_LIMIT_S
    ) -> None:
        self.progress: dict[int, float] = {}
        self._store = store
        self._outbox = outbox
        self._folder = folder
        self._show = show
        self._limit_s = limit_s
        self._program: tuple[str, ...] = ()
        self._news = asyncio.Event()
        self._running: tuple[int, asyncio.Task[process.Ended]] | None = None

    @property
    def program(self) -> tuple[str, ...]:
        """How a backtest is started, given by `main.py`; empty = not from here, and what waits goes on waiting."""
        return self._program

    @program.setter
    def program(self, words: tuple[str, ...]) -> None:
        self._program = words
        self._news.set()

    async def add(self, person: str, chat: str, words: str, command: Sequence[str], request: str) -> tuple[Job, int]:
        """Put a job in the queue, once per request; the job, and how many are before it. Raises `JobRefused`."""

        def work() -> tuple[Job, int]:
            with self._store.db as db:
                known = _jobs(db.execute("select * from jobs where request = ?", (request,)))
                ahead = _jobs(db.execute("select * from jobs where state in (?, ?)", OPEN))
                if known:
                    return known[0], len([one for one in ahead if one.id < known[0].id])
                mine = [one.name for one in ahead if one.person == person]
                if len(mine) >= MOST_EACH:
                    raise JobRefused(f"you have {' and '.join(mine)} open: wait, or /jobs cancel {mine[-1]}")
                if len(ahead) > MOST_WAITING:
                    raise JobRefused(f"{len(ahead)} jobs are open already: try again when one is done, see /jobs")
                row = (person, chat, words, json.dumps(list(command)), "waiting", time.time_ns(), request)
                cursor = db.execute(
                    "insert into jobs (person, chat, words, command, state, created_ns, request)"
                    " values (?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
                made = _jobs(db.execute("select * from jobs where id = ?", (cursor.lastrowid,)))
                return made[0], len(ahead)

        added = await self._store.run(work)
        self._news.set()
        return added

    async def last(self, count: int = 10, before: int = 0) -> list[Job]:
        """The newest jobs, newest first; with `before` those of a lower number."""
        return await self._read("select * from jobs where id < ? order by id desc limit ?", before or NO_NUMBER, count)

    async def get(self, number: int) -> Job | None:
        """One job."""
        return next(iter(await self._read("select * from jobs where id = ?", number)), None)

    async def cancel(self, number: int, person: str) -> bool:
        """End a job that is open; False when it was over already."""
        if not await self._mark(number, "cancelled", f"by {person}"):
            return False
        if self._running is not None and self._running[0] == number:
            self._running[1].cancel()
        return True

    async def result(self, job: Job) -> Message | None:
        """What a finished job has to show, again; None when it is not there (any more)."""
        output, file = self._folder / f"{job.id}.txt", self._folder / f"{job.id}.json"
        try:
            return await self._show(job, await asyncio.to_thread(output.read_text, "utf-8"), file)
        except (OSError, ValueError):
            return None

    async def report(self, job: Job) -> tuple[str, bytes]:
        """What a finished job printed, and its result file; empty where they are not kept (any more)."""
        output, file = self._folder / f"{job.id}.txt", self._folder / f"{job.id}.json"
        try:
            return await asyncio.to_thread(lambda: (output.read_text("utf-8"), file.read_bytes()))
        except (OSError, ValueError):
            return "", b""

    async def run(self) -> None:
        """Say what a restart has interrupted, then work until cancelled."""
        for job in await self._read("select * from jobs where state = 'running'"):
            process.end_left_over(job.pid, str(self._folder / f"{job.id}.json"))
            if await self._mark(job.id, "interrupted", "the service was restarted"):
                await self._tell(job, "end", _over(job, "interrupted", "The service was restarted. Ask for it again."))
        while True:
            self._news.clear()
            waiting = await self._read("select * from jobs where state = 'waiting' order by id limit 1")
            if waiting and self._program:
                await self._work(waiting[0])
            else:
                await self._news.wait()

    async def _work(self, job: Job) -> None:
        file = self._folder / f"{job.id}.json"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            await self._fail(job, f"{self._folder} cannot be made: {error.strerror}")
            return
        page, picture = file.with_suffix(".html"), file.with_suffix(".png")
        written = ("--json", str(file), "--html", str(page), "--png", str(picture))
        command = (*self._program, *job.command, "--progress", "lines", *written)
        if not await self._mark(job.id, "running", started_ns=time.time_ns()):
            return
        pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.progress[job.id] = 0.0
        task = asyncio.create_task(
            process.run(command, self._limit_s, pid.set_result, lambda part: self.progress.__setitem__(job.id, part))
        )
        self._running = job.id, task
        telling = asyncio.create_task(self._tell_progress(job, pid))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            telling.cancel()
            await asyncio.gather(task, telling, return_exceptions=True)
            self._running = None
            self.progress.pop(job.id, None)
        await self._finish(job, task)

    async def _finish(self, job: Job, task: asyncio.Task[process.Ended]) -> None:
        if task.cancelled():
            self._forget(self._folder / f"{job.id}.json")
            known = await self.get(job.id)
            if known is not None and known.state == "cancelled":
                await self._tell(job, "end", _over(job, "cancelled", f"Cancelled {known.note}."))
            return
        error = task.exception()
        ended = process.Ended(output="", why=f"it could not be started ({error})") if error else task.result()
        if ended.why:
            await self._fail(job, ended.why)
            return
        output = self._folder / f"{job.id}.txt"
        try:
            output.write_text(ended.output, encoding="utf-8")
        except OSError as error:
            await self._fail(job, f"its result cannot be kept in {self._folder}: {error.strerror}")
            return
        result = await self.result(job)
        if await self._mark(job.id, "done"):
            shown = result if result is not None else _over(job, "failed", "Its result cannot be read.")
            await self._tell(job, "end", await self._with_page(job, shown))
            await self._tell(job, "card", _over(job, "done", "The figures are below."), edits=True)
        self._tidy()

    async def _fail(self, job: Job, why: str) -> None:
        """It came to nothing: what it has written goes, and who asked is told why."""
        self._forget(self._folder / f"{job.id}.json")
        if await self._mark(job.id, "failed", why):
            await self._tell(job, "end", _over(job, "failed", f"{why[:1].upper()}{why[1:]}."))

    async def _tell_progress(self, job: Job, pid: asyncio.Future[int]) -> None:
        """Edit one message while it runs; a job that is done before that never shows it."""
        await self._mark(job.id, "running", pid=await pid)
        pause_s = FIRST_EDIT_S
        began, number = time.monotonic(), 0
        while True:
            await asyncio.sleep(pause_s)
            pause_s, number = EDIT_EVERY_S, number + 1
            text = progress_text(self.progress.get(job.id, 0.0), time.monotonic() - began)
            message = Message(
                title=f"{job.name}: running",
                blocks=(Text(job.words), Pairs((("done", text),)), Text(f"/jobs cancel {job.name} ends it.")),
            )
            await self._tell(job, f"p{number}", message, edits=number > 1, first="p1")

    async def _tell(self, job: Job, part: str, message: Message, *, edits: bool = False, first: str = "p1") -> None:
        if not job.chat:
            return
        event = f"job:{job.created_ns}:{part}"
        replaces = f"job:{job.created_ns}:{first}" if edits else ""
        if replaces and not await self._was_sent(replaces, job.chat):
            return
        await self._outbox.post(event, [job.chat], message, replaces=replaces)

    async def _was_sent(self, event: str, chat: str) -> bool:
        try:
            return bool(await self._store.provider_id(event, chat))
        except sqlite3.Error:
            return False

    async def _read(self, sql: str, *values: object) -> list[Job]:
        return await self._store.run(lambda: _jobs(self._store.db.execute(sql, values)))

    async def _mark(self, number: int, state: str, note: str = "", *, started_ns: int = 0, pid: int = 0) -> bool:
        """Change the state of a job that is open; False when it is over."""
        ended_ns = 0 if state in OPEN else time.time_ns()

        def work() -> bool:
            with self._store.db as db:
                cursor = db.execute(
                    "update jobs set state = ?, note = ?, ended_ns = ?, started_ns = max(started_ns, ?),"
                    " pid = max(pid, ?) where id = ? and state in (?, ?)",
                    (state, note, ended_ns, started_ns, pid, number, *OPEN),
                )
                return bool(cursor.rowcount)

        return await self._store.run(work)

    def _tidy(self) -> None:
        """Keep the files of the newest jobs only."""
        files = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for old in files[:-KEPT_RESULTS]:
            self._forget(old)

    @staticmethod
    def _forget(file: Path) -> None:
        """Delete all that a job wrote."""
        for suffix in (".json", ".txt", ".html", ".png"):
            with contextlib.suppress(OSError):
                file.with_suffix(suffix).unlink()

    async def _with_page(self, job: Job, shown: Message) -> Message:
        """The message with the report's page as a file; without it where there is none."""
        page = self._folder / f"{job.id}.html"
        try:
            text = await asyncio.to_thread(page.read_text, "utf-8")
        except (OSError, ValueError):
            return shown
        return structs.replace(shown, file_name=f"{job.name}.html", file_text=text)


def progress_text(part: float, seconds: float) -> str:
    """How far it is, and for how long it has been at it."""
    return f"{bar(Decimal(part))} {part:.0%}, {age_text(seconds)}"


def _over(job: Job, state: str, text: str) -> Message:
    severity = Severity.WARNING if state in {"failed", "interrupted"} else Severity.INFO
    return Message(title=f"{job.name}: {state}", blocks=(Text(job.words), Text(text)), severity=severity)


def _jobs(cursor: sqlite3.Cursor) -> list[Job]:
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    fields = [{name: row[name] for name in Job.__struct_fields__} for row in rows]
    return [Job(**{**each, "command": tuple(json.loads(each["command"]))}) for each in fields]
