"""The process beside the engine: started, started again, left alone when one runs, ended with the engine."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.link import keeper
from gateway.link.keeper import Keeper, Lock

SLEEP = "import time, sys; print('here', flush=True); time.sleep(60)"


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - a process tells nobody that it runs
            await asyncio.sleep(0.01)


def child(tmp_path: Path, code: str) -> Keeper:
    return Keeper(tmp_path, [sys.executable, "-S", "-c", code], tmp_path / "gateway.out")


async def test_a_process_that_is_killed_is_started_again_and_ends_with_the_engine(tmp_path: Path):
    kept = child(tmp_path, SLEEP)
    task = asyncio.create_task(kept.run())
    await until(lambda: kept.pid and (tmp_path / "gateway.out").read_text() == "here\n")
    first = kept.pid
    assert first
    os.kill(first, signal.SIGKILL)
    await until(lambda: "SIGKILL" in kept.trouble)
    await until(lambda: kept.starts == 2 and kept.pid)
    assert kept.trouble == ""
    second = kept.pid
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert second
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


async def test_a_program_that_cannot_be_started_is_said(tmp_path: Path):
    kept = Keeper(tmp_path, [str(tmp_path / "nothing")], tmp_path / "gateway.out")
    task = asyncio.create_task(kept.run())
    await until(lambda: "No such file" in kept.trouble)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_gateway_that_runs_already_is_left_alone_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeper, "LOOK_S", 0.02)
    other = Lock(tmp_path)
    assert other.take()
    assert not Lock(tmp_path).take()
    kept = child(tmp_path, SLEEP)
    task = asyncio.create_task(kept.run())
    await asyncio.sleep(0.1)
    assert kept.starts == 0
    other.release()
    await until(lambda: kept.starts == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_lock_that_nobody_holds_is_free(tmp_path: Path):
    assert not Lock(tmp_path).is_taken()
    lock = Lock(tmp_path)
    assert lock.take()
    assert Lock(tmp_path).is_taken()
    lock.release()
    assert not Lock(tmp_path).is_taken()
