"""A halt has a lane of its own: whatever else hangs, nothing that a handler does holds it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from bot import verbs as table
from bot.message import Message
from domain.facts import TradingState
from engine.reading import AT_ONCE, POOL
from tests.bot.world import GROUP, TELEGRAM, until, world

TINA, VERA, ROLF = TELEGRAM["tina"], TELEGRAM["vera"], TELEGRAM["rolf"]
WITHIN_S = 3.0
DEFAULT_THREADS = 64
"""More than the loop's own pool ever has."""


@contextmanager
def stuck(*pools: tuple[ThreadPoolExecutor, int]) -> Iterator[threading.Event]:
    """Every thread of these pools waits until the end."""
    free = threading.Event()
    for pool, count in pools:
        for _ in range(count):
            pool.submit(free.wait)
    try:
        yield free
    finally:
        free.set()


async def test_a_halt_runs_while_the_disk_and_every_thread_and_every_handler_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, free = [], asyncio.Event()

    async def hang(call) -> Message:
        asked.append(call.verb)
        await free.wait()
        return Message(title="late")

    hanging = {
        name: verb if verb.name == "halt" else replace(verb, handler=hang) for name, verb in table._BY_NAME.items()
    }
    monkeypatch.setattr(table, "_BY_NAME", hanging)
    async with world(tmp_path, "telegram") as w:
        loops_own = ThreadPoolExecutor(2)
        asyncio.get_running_loop().set_default_executor(loops_own)
        for person in (VERA, TINA, ROLF):
            for line in ("/status", "/trades 500", "/chart equity", "/report", "/pnl all"):
                w.telegram.say(person, line, chat=GROUP)
        await until(lambda: len(asked) == 3)
        with stuck((w.room.store._thread, 1), (POOL, AT_ONCE), (loops_own, DEFAULT_THREADS)):
            w.telegram.say(VERA, "/positions")  # its way to the disk never ends
            await until(lambda: len(w.telegram.handed_ns) == 16)
            w.telegram.say(TINA, "/halt the disk hangs", chat=GROUP)
            await until(lambda: w.engine.trading is TradingState.HALTED, WITHIN_S)
        free.set()
        await until(lambda: not w.telegram.updates)
        assert len(w.engine.done("halt")) == 1, "seen early and taken later, it is carried out once"


async def test_a_halt_that_was_seen_early_is_finished_in_the_inbox_and_not_carried_out_by_the_next_start(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, "telegram") as w:
        with stuck((w.room.store._thread, 1)):
            w.telegram.say(VERA, "/positions")
            await until(lambda: bool(w.telegram.handed_ns))
            w.telegram.say(TINA, "/halt")
            await until(lambda: w.engine.trading is TradingState.HALTED, WITHIN_S)
        await w.telegram.text("halt: done", chat=TINA)
        await until(lambda: not w.telegram.updates)

        def unfinished() -> int:
            sql = "select count(*) from inbox where state = 'new'"
            return int(w.room.store.db.execute(sql).fetchone()[0])

        for _ in range(100):
            if not await w.room.store.run(unfinished):
                break
            await asyncio.sleep(0.01)
        assert await w.room.store.run(unfinished) == 0
        assert len(w.engine.done("halt")) == 1
