"""Killed without warning at every write: nothing lost, nothing executed twice, nothing said twice without saying so.

The whole program, its journal and its databases on disk, is a process of its own; the Telegram server and its people
are here and outlive it. `MOONDEV_KILLS=all ./moondev test tests/bot/kills` kills at every point; without it some
of them are drawn, other ones in each run.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import pytest

from engine.core.journal import SnapshotStore, verify
from engine.core.recovery import state_of
from tests.bot.kills import writes
from tests.bot.servers import telegram_server
from tests.bot.servers.telegram_server import Sent, TelegramServer
from tests.bot.world import GROUP, TELEGRAM, until
from tests.process.program import PRELOADED

Serve = Callable[[list[str], str, str, int], None]
"""The program in a process of its own, which kills itself at a point."""
TINA, ROSA = TELEGRAM["tina"], TELEGRAM["rosa"]
DRAWN = 2
"""Points that a run kills at, unless it is asked for all."""
REPEATED = "sent again, it may have arrived before"
BOUGHT = {"ETH": 0.1, "BTC": 0.15}
SETTINGS = """
data_feed: {{source: synthetic}}
gateway: {{enabled: false}}
approvals: {{enabled: true}}
strategies: []
persons:
  - {{id: tina, name: Tina, role: trader, telegram_user_id: {tina}}}
  - {{id: rosa, name: Rosa, role: risk, telegram_user_id: {rosa}}}
  - {{id: adam, name: Adam, role: admin}}
telegram: {{enabled: true, base_url: "{url}", base_file_url: "{url}", allowed_chats: [{group}], alert_chats: [{group}]}}
"""


class Lives:
    """The program on one data folder, killed at a point of its first life and started again until it is stopped."""

    def __init__(self, folder: Path, settings: str, secrets: str, kill_at: int, serve: Serve = writes.serve) -> None:
        self.data = folder / "data"
        self.told = folder / "points"
        self.log = folder / "output"
        self._file = folder / "settings.yaml"
        self._file.write_text(settings)
        kept = self.data / "secrets"
        kept.parent.mkdir(exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets)
        self._serve = serve
        self.kills = 0
        self._process = self._start(kill_at)

    def _start(self, kill_at: int) -> multiprocessing.process.BaseProcess:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*PRELOADED, "bot.telegram"])
        words = ["run", "--config", str(self._file), "--data", str(self.data)]
        process = context.Process(target=self._serve, args=(words, str(self.log), str(self.told), kill_at))
        process.start()
        return process

    async def keep(self) -> None:
        """Start it again whenever it was killed."""
        while True:
            await until(lambda: not self._process.is_alive(), 60)
            assert self._process.exitcode == -signal.SIGKILL, self.log.read_text()[-3000:]
            self.kills += 1
            self._process = self._start(0)

    async def again(self) -> None:
        """Start once more, and wait until it is up."""
        self.kills += 1
        self._process = self._start(0)
        await until(lambda: self.log.read_text().count("Stop with Ctrl-C") > self.kills, 30)

    def stop(self) -> int | None:
        if self._process.is_alive() and self._process.pid is not None:
            os.kill(self._process.pid, signal.SIGTERM)
        self._process.join(20)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join(5)

    def points(self) -> list[str]:
        return self.told.read_text().splitlines()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Kept alive while people talk to it; stopped cleanly at the end."""
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self.keep())
                yield
                keeping.cancel()
                if self.stop() == -signal.SIGKILL:
                    said = starts(self.data)
                    await self.again()  # the point was one of the stop's own
                    await until(lambda: starts(self.data) > said and is_quiet(self.data), 60)
                assert self.stop() == 0, self.log.read_text()[-3000:]
        finally:
            self.kill()


async def talk(server: TelegramServer, data: Path) -> None:
    """What two people do in a minute: a small order, a large one that the other approves, and a halt."""
    for line in ("/order buy ETH 0.1", "/order buy BTC 0.15"):
        server.say(TINA, line, chat=GROUP)
        asked = await server.wait(partial(has_button, "Confirm", line.split()[2]))
        server.press(TINA, asked, "Confirm")
    card = await server.wait(lambda one: one.chat == ROSA and any(b["text"] == "Approve" for b in one.buttons))
    server.press(ROSA, card, "Approve")
    await server.wait(lambda one: one.chat == ROSA and ("approve: done" in one.text or "with your vote" in one.text))
    await until(lambda: bought(data) == BOUGHT)
    server.say(TINA, "/halt enough for today")
    await server.text("halt: done", chat=TINA)


def has_button(label: str, word: str, one: Sent) -> bool:
    """Whether a message in the group asks about something."""
    return one.chat == GROUP and word in one.text and any(button["text"] == label for button in one.buttons)


def nothing_twice(data: Path) -> None:
    """Read from what is on disk: each command once, each vote once, each order's worth once."""
    assert verify(data / "journal").ok
    with closing(sqlite3.connect(data / "projection.db")) as db:
        done = Counter(row[0] for row in db.execute("select request_id from commands where ok"))
        verbs = Counter(row[0] for row in db.execute("select verb from commands where ok"))
    assert [key for key, count in done.items() if count > 1] == []
    assert (verbs["manual"], verbs["approve"], verbs["halt"]) == (2, 1, 1), verbs
    assert bought(data) == BOUGHT
    snapshot = SnapshotStore(data / "journal" / "snapshots").load()
    assert snapshot is not None
    requests = state_of(snapshot).requests
    assert [(one.votes, str(one.status)) for one in requests.values()] == [(["rosa"], "approved")]


def bought(data: Path) -> dict[str, float]:
    """What was filled, by contract."""
    sql = "select instrument, sum(filled) from orders where side = 'buy' group by instrument"
    with closing(sqlite3.connect(f"file:{data / 'projection.db'}?mode=ro", uri=True)) as db:
        return {name.partition("-")[0]: round(qty, 5) for name, qty in db.execute(sql)}


def nothing_lost(data: Path, server: TelegramServer) -> None:
    """Every update is handled, every message that was queued was taken by the server."""
    with closing(sqlite3.connect(data / "ops.db")) as db:
        inbox = Counter(row[0] for row in db.execute("select state from inbox"))
        open_letters = list(
            db.execute("select event, state, note from outbox where state not in ('sent', 'superseded')")
        )
        sent_ids = {row[0] for row in db.execute("select provider_id from outbox where state = 'sent'")}
    assert set(inbox) == {"done"}
    assert open_letters == []
    assert sent_ids <= {str(one.message_id) for one in server.sent}


def is_quiet(data: Path) -> bool:
    """Whether nothing waits to be handled or sent."""
    with closing(sqlite3.connect(f"file:{data / 'ops.db'}?mode=ro", uri=True)) as db:
        waiting = "select count(*) from outbox where state in ('queued', 'unknown')"
        handling = "select count(*) from inbox where state = 'new'"
        return not any(db.execute(sql).fetchone()[0] for sql in (waiting, handling))


def starts(data: Path) -> int:
    """How often the program has said that it is up."""
    with closing(sqlite3.connect(f"file:{data / 'ops.db'}?mode=ro", uri=True)) as db:
        return int(db.execute("select count(*) from outbox where event like 'start:%'").fetchone()[0])


def nothing_doubled_in_silence(server: TelegramServer) -> None:
    """A message that stands there twice says that it may be a repetition."""
    first: set[tuple[int, str]] = set()
    for one in server.sent:
        if one.method == "editMessageText":
            continue
        reference = (one.chat, one.text.rpartition(" · ref ")[2])
        assert reference not in first or REPEATED in one.text, one.text
        first.add(reference)


async def life(folder: Path, kill_at: int) -> tuple[list[str], int]:
    """A day with a kill in it; the points passed before it, and how often it was killed."""
    folder.mkdir(parents=True)  # noqa: ASYNC240 - a moment
    server = TelegramServer()
    await server.start()
    try:
        settings = SETTINGS.format(tina=TINA, rosa=ROSA, url=server.base_url, group=GROUP)
        made = Lives(folder, settings, f"telegram_token = {telegram_server.TOKEN}\n", kill_at)
        async with made.kept():
            await talk(server, made.data)
            await until(lambda: server.updates == [] and is_quiet(made.data))
        nothing_twice(made.data)
        nothing_lost(made.data, server)
        nothing_doubled_in_silence(server)
        return made.points(), made.kills
    finally:
        await server.stop()


@pytest.mark.process
@pytest.mark.timeout(1800)
async def test_killed_at_a_write_nothing_is_lost_and_nothing_done_twice(tmp_path: Path) -> None:
    passed, kills = await life(tmp_path / "whole", 0)
    assert kills == 0
    assert {point.partition(":")[0] for point in passed} == {"ops.db", "journal", "telegram"}
    every = range(1, len(passed) + 1)
    asked = os.environ.get("MOONDEV_KILLS", "")
    wanted = every if asked == "all" else [int(number) for number in asked.split(",") if number]
    chosen = wanted or random.sample(every, DRAWN)
    print(f"{len(passed)} points; killed at {len(chosen)} of them")
    for number in chosen:
        points, kills = await life(tmp_path / str(number), number)
        print(f"{number}: {points[number - 1] if number <= len(points) else 'not passed'}")
        assert kills == (number <= len(points))
