"""Backtests that people ask for in chat: an id at once, one process at a time, figures when it is done."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from bot.jobs import queue
from bot.verbs import run_line
from tests.bot.world import GROUP, TELEGRAM, World, actor, fresh_id, running, until, world
from tests.needs import ROOT

PRINTS = """
import json, sys, time, os
words = sys.argv[1:]
end = time.time() + {seconds}
print("progress 0.25", file=sys.stderr, flush=True)
print(os.getpriority(os.PRIO_PROCESS, 0), os.environ["OMP_NUM_THREADS"], file=sys.stderr, flush=True)
while time.time() < end: time.sleep(0.01)
{last}
"""
DONE = (
    "print('Tested'.ljust(15) + 'turtle', 'PNL'.ljust(15) + '12.50 USDC', 'State hash'.ljust(15) + 'abc', sep=chr(10))"
)
FAILS = 'print("Error: BTC: nothing is stored in that range", file=sys.stderr); sys.exit(1)'


def program(seconds: float = 0, last: str = DONE) -> tuple[str, ...]:
    """Stands where the backtest does: the queue starts whatever it is given."""
    return (sys.executable, "-c", PRINTS.format(seconds=seconds, last=last))


async def say(w: World, line: str, person: str = "tina", request: str = "") -> str:
    from bot.render import plain

    return plain(await run_line(w.room, actor(person), line, request or fresh_id()))


async def state_of(w: World, number: int) -> str:
    job = await w.room.jobs.get(number)
    assert job is not None
    return job.state


async def ends(w: World, number: int, state: str) -> None:
    for _ in range(3000):
        if await state_of(w, number) == state:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(await state_of(w, number))


async def test_a_real_backtest_is_asked_for_in_chat_and_its_figures_come_there(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        w.room.jobs.program = (sys.executable, str(ROOT / "main.py"), "backtest", "--no-keep")
        w.telegram.say(TELEGRAM["tina"], "/backtest turtle BTC simulated:1m interval_s=10 entry_bars=2", chat=GROUP)
        at_once = await w.telegram.text("J1: waiting", chat=GROUP)
        assert "Backtest of turtle on BTC with interval_s=10, entry_bars=2: 1m of a SIMULATED market" in at_once.text
        done = await w.telegram.text("J1: done", chat=GROUP)
        for words in ("PNL", "Sharpe", "insufficient data", "targets, never promised", "no evidence of anything"):
            assert words in done.text
        assert "State hash" not in done.text
        picture = await w.telegram.wait(lambda one: bool(one.picture))
        assert "Backtest of turtle on BTC" in picture.text
        assert "Verdict No evidence of anything" in picture.text
        page = await w.telegram.wait(lambda one: one.file_name == "J1.html")
        assert page.file_text.startswith("<!doctype html>")
        assert "SIMULATED MARKET" in page.file_text
        assert "J1: done" in await say(w, "/jobs show j1", "vera")


async def test_one_runs_at_a_time_each_person_has_two_and_what_is_cancelled_ends(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        w.room.jobs.program = program(seconds=60)
        first = await say(w, "/backtest turtle BTC 30d", request="again")
        assert "It begins now" in first
        assert await say(w, "/backtest turtle BTC 30d", request="again") == first or "J1" in first
        assert "1 before it" in await say(w, "/backtest turtle ETH mtd")
        assert "you have J1 and J2 open" in await say(w, "/backtest turtle ETH mtd")
        assert "2 before it" in await say(w, "/backtest turtle SOL all", "rosa")
        await until(lambda: w.room.jobs.progress.get(1) == 0.25)
        assert "25%" in await say(w, "/jobs")
        assert await state_of(w, 2) == "waiting"
        pid = await _pid(w, 1)
        assert os.getpriority(os.PRIO_PROCESS, pid) == 19
        assert "J3 is rosa's" in await say(w, "/jobs cancel J3")
        assert "J2: cancelled" in await say(w, "/jobs cancel 2")
        assert "J1: cancelled" in await say(w, "/jobs cancel J1", "rosa")
        await ends(w, 3, "running")
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert "is cancelled already" in await say(w, "/jobs cancel J1")


async def test_several_instruments_and_a_plan_come_to_the_command_line_that_they_mean(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram", up=False) as w:
        await until(lambda: w.room.store._connection is not None)
        w.room.jobs.program = program(seconds=60)
        await say(w, "/backtest turtle btc,eth simulated:2h stop_atr=1.5")
        answer = await say(w, "/backtest plan trends 2025-01-01..2025-02-01")
        assert "Backtest of plan trends: " in answer
        jobs = await w.room.jobs.last()
        assert [list(job.command) for job in jobs[::-1]] == [
            [
                "--strategy=turtle",
                "--simulated-hours=2",
                "--instrument=BTC",
                "--instrument=ETH",
                "--params=stop_atr=1.5",
            ],
            ["trends", "--to=2025-02-02T00:00:00", "--from=2025-01-01T00:00:00"],
        ]


async def _pid(w: World, number: int) -> int:
    async with asyncio.timeout(10):
        while True:
            job = await w.room.jobs.get(number)
            if job is not None and job.pid:
                return job.pid
            await asyncio.sleep(0.01)


async def test_progress_edits_one_message_and_a_failure_says_why(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(queue, "FIRST_EDIT_S", 0.1)
    monkeypatch.setattr(queue, "EDIT_EVERY_S", 0.1)
    async with world(tmp_path, "telegram") as w:
        w.room.jobs.program = program(seconds=1, last=FAILS)
        w.telegram.say(TELEGRAM["tina"], "/backtest turtle BTC 30d")
        shown = await w.telegram.text("J1: running")
        edit = await w.telegram.wait(lambda one: one.method == "editMessageText" and "25%" in one.text)
        assert edit.message_id == shown.message_id
        failed = await w.telegram.text("J1: failed")
        assert "BTC: nothing is stored in that range." in failed.text
        assert len([one for one in w.telegram.sent if "J1: running" in one.text and one.method == "sendMessage"]) == 1


async def test_a_disk_that_takes_nothing_fails_a_job_in_words_and_not_the_queue(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram", up=False) as w:
        await until(lambda: w.room.store._connection is not None)
        w.room.jobs.program = program()
        folder = w.room.jobs._folder
        folder.write_text("in the way")
        await say(w, "/backtest turtle BTC 30d")
        await ends(w, 1, "failed")
        assert "cannot be made: File exists" in await say(w, "/jobs show J1")
        folder.unlink()
        (folder / "2.txt").mkdir(parents=True)
        await say(w, "/backtest turtle BTC 30d")
        await ends(w, 2, "failed")
        assert "its result cannot be kept" in await say(w, "/jobs show J2")
        await say(w, "/backtest turtle BTC 30d")
        await ends(w, 3, "done")


async def test_where_memory_runs_out_a_job_goes_before_the_service(tmp_path: Path) -> None:
    score = """
score = lambda: open('/proc/self/oom_score_adj').read()
while score().strip() == '0' and time.time() < end + 5: time.sleep(0.01)
print('Score'.ljust(15) + score())
"""
    async with world(tmp_path, "telegram", up=False) as w:
        await until(lambda: w.room.store._connection is not None)
        w.room.jobs.program = program(last=score)
        await say(w, "/backtest turtle BTC 30d")
        await ends(w, 1, "done")
        assert "1000" in await say(w, "/jobs show J1")


async def test_a_job_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        w.room.jobs.program = program(seconds=60)
        w.room.jobs._limit_s = 0.3
        w.telegram.say(TELEGRAM["tina"], "/backtest turtle BTC 30d")
        assert "the time limit" in (await w.telegram.text("J1: failed")).text


async def test_a_restart_says_what_it_interrupted_and_what_waited_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        w.room.jobs.program = program(seconds=60)
        for line in ("/backtest turtle BTC 30d", "/backtest turtle ETH 30d"):
            w.telegram.say(TELEGRAM["tina"], line)
        await w.telegram.text("J2: waiting")
        pid = await _pid(w, 1)
        chat = w.chat
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)  # a job does not outlive the service
    async with world(tmp_path, "telegram", engine=w.engine) as again:
        again.room.jobs.program = program()
        told = await again.telegram.text("J1: interrupted")
        assert "Ask for it again" in told.text
        assert "12.50 USDC" in (await again.telegram.text("J2: done")).text
    assert chat is not again.chat
    async with running(again.chat):
        pass


async def test_a_process_that_a_killed_service_left_is_ended_at_the_next_start(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram") as w:
        w.telegram.say(TELEGRAM["tina"], "/backtest turtle BTC 30d")
        await w.telegram.text("cannot be run from here")
        w.room.jobs._program = program()
        await say(w, "/backtest turtle BTC 30d")
        engine = w.engine
    words = (sys.executable, "-c", "import time; time.sleep(60)")
    left = await asyncio.create_subprocess_exec(*words, str(tmp_path / "jobs" / "1.json"), start_new_session=True)
    other = await asyncio.create_subprocess_exec(*words, start_new_session=True)
    try:
        for process in (left, other):
            with sqlite3.connect(tmp_path / "ops.db") as db:
                db.execute("update jobs set state = 'running', pid = ?", (process.pid,))
            async with world(tmp_path, "telegram", engine=engine) as again:
                await ends(again, 1, "interrupted")
        assert await left.wait() == -signal.SIGKILL
        assert other.returncode is None  # a stranger that has got the number since
    finally:
        for process in (left, other):
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/backtest turtel BTC 30d", "did you mean turtle?"),
        ("/backtest bench_quoter BTC 30d", "no kind of strategy"),
        ("/backtest turtle --data=/etc/passwd 30d", "is no instrument"),
        ("/backtest turtle BTC soon", "A range is 30m"),
        ("/backtest turtle BTC simulated:900h", "at most 31 days"),
        ("/backtest turtle BTC,--x 30d", "is no instrument"),
        ("/backtest turtle A,B,C,D,E,F,G,H,I,J,K 30d", "11 instruments at once, 10 are allowed"),
        ("/backtest turtle BTC", "RANGE is missing"),
        ("/backtest plan ../x", "is no plan's name"),
        ("/backtest plan x 30d a=1", "parameters stand in the plan itself"),
        ("/backtest plan x simulated:1h", "what a plan runs over stands in the plan"),
        ("/backtest turtle BTC 30d --config=x.yaml", "a parameter is NAME=VALUE"),
        ("/backtest turtle BTC 30d a=1,b=2", "without commas"),
        ("/backtest turtle", "SYMBOL is missing"),
        ("/jobs show J9", "there is no job"),
        ("/jobs cancel banana", "there is no job"),
    ],
)
async def test_what_cannot_be_meant_is_said_before_anything_starts(tmp_path: Path, line: str, answer: str) -> None:
    async with world(tmp_path, "telegram", up=False) as w:
        await until(lambda: w.room.store._connection is not None)
        w.room.jobs.program = program()
        assert answer in await say(w, line)
        assert await w.room.jobs.last() == []


async def test_a_viewer_looks_and_only_a_trader_begins(tmp_path: Path) -> None:
    async with world(tmp_path, "telegram", up=False) as w:
        await until(lambda: w.room.store._connection is not None)
        assert "it needs trader" in await say(w, "/backtest turtle BTC 30d", "vera")
        assert "Begin one" in await say(w, "/jobs", "vera")
        assert "cannot be run from here" in await say(w, "/backtest turtle BTC 30d")
