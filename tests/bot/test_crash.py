"""Killed between poll and handling: nothing lost, nothing doubled. And a halt waits for nobody."""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bot.service import ChatOps
from domain.facts import TradingState
from tests.bot.servers.telegram_server import TelegramServer
from tests.bot.world import DISCORD, SECRETS, TELEGRAM, Engine, Secrets, bot_config, running, until, world

TINA, ROSA = TELEGRAM["tina"], TELEGRAM["rosa"]
ROOT = Path(__file__).resolve().parents[2]


async def chats_of(engine, server, tmp_path):
    return ChatOps(engine.desk, bot_config(server, None), Secrets(SECRETS), tmp_path)


@pytest.fixture
async def server():
    made = TelegramServer()
    await made.start()
    yield made
    await made.stop()


@pytest.mark.parametrize("where", ["before the engine", "after the engine"])
async def test_a_run_that_ends_while_handling_is_continued_and_nothing_is_doubled(server, tmp_path, where):
    engine = Engine()
    server.say(TINA, "/hold BTC off")
    server.say(TINA, "/hold BTC off")
    if where == "before the engine":
        engine.desk.slow_s = 30
    else:
        engine.desk.slow_after_s = 30
    async with running(await chats_of(engine, server, tmp_path)):
        await until(lambda: server.updates == [])  # acknowledged, so committed
        await until(lambda: where == "before the engine" or engine.done("hold"))
    engine.desk.slow_s = engine.desk.slow_after_s = 0
    async with running(await chats_of(engine, server, tmp_path)):
        await server.text("hold: ", chat=TINA, count=2)
    assert [done.ok for done in engine.done("hold") if done.ok] == [True, True]
    assert len({done.request_id for done in engine.done("hold")}) == 2


@pytest.mark.process
async def test_kill_9_after_the_acknowledgement_loses_no_command(server, tmp_path):
    script = (
        "import asyncio, sys; from pathlib import Path; from types import SimpleNamespace as N\n"
        "from bot.service import ChatOps; from tests.bot.world import *\n"
        "engine = Engine(); engine.desk.slow_s = 60\n"
        "server = N(base_url=sys.argv[1], file_url=sys.argv[1])\n"
        "asyncio.run(ChatOps(engine.desk, bot_config(server, None), Secrets(SECRETS), Path(sys.argv[2])).run())\n"
    )
    command = [sys.executable, "-c", script, server.base_url, str(tmp_path)]
    child = subprocess.Popen(command, cwd=ROOT)  # noqa: ASYNC220 - starting is quick
    try:
        for _ in range(20):
            server.say(TINA, "/hold BTC off")
        await until(lambda: server.updates == [], 30)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    engine = Engine()
    async with running(await chats_of(engine, server, tmp_path)):
        await until(lambda: len(engine.done("hold")) == 20)
    assert len({done.request_id for done in engine.done("hold")}) == 20


async def test_a_slow_handler_never_delays_a_halt(tmp_path):
    async with world(tmp_path, "telegram") as w:
        w.desk.slow_s = 60
        for person in (TINA, ROSA):
            w.telegram.say(person, "/hold BTC off")
        await until(lambda: w.telegram.updates == [])
        w.telegram.say(TINA, "/halt")
        await until(lambda: w.engine.trading is TradingState.HALTED)
        assert w.engine.done("hold") == []


async def test_what_was_sent_before_a_halt_and_not_yet_done_is_not_done_after_it(tmp_path):
    async with world(tmp_path, "telegram") as w:
        w.desk.slow_s = 0.5
        for line in ("/pending", "/hold BTC off", "/hold BTC off", "/halt"):
            w.telegram.updates.append({"update_id": 100 + len(line), "message": w.telegram.message(TINA, line)})
        w.telegram.updates.sort(key=lambda one: one["message"]["message_id"])
        for number, one in enumerate(w.telegram.updates):
            one["update_id"] = 100 + number
        w.telegram.say(TINA, "/whoami")
        await w.telegram.text("halt: done", chat=TINA)
        await w.telegram.text("A halt was sent after it", chat=TINA, count=2)
        assert w.engine.done("hold") == []


async def test_a_halt_does_not_wait_for_a_slow_disk(tmp_path):
    async with world(tmp_path, "telegram") as w:
        store = w.chat.outbox.store
        disk = threading.Event()
        hanging = asyncio.create_task(store.run(lambda: disk.wait(60)))
        w.telegram.say(TINA, "/halt")
        await until(lambda: w.engine.trading is TradingState.HALTED)
        disk.set()
        assert await hanging, "the halt came first"
        await w.telegram.text("halt: done", chat=TINA)
        await until(lambda: store._connection is not None and not w.chat.outbox.waiting())
        assert await store.new_updates("telegram:4242") == []


async def test_a_handler_that_fails_is_told_and_the_next_command_is_handled(tmp_path):
    async with world(tmp_path) as w:
        w.desk.positions = None  # a bug of ours
        w.telegram.say(TINA, "/positions")
        w.telegram.say(TINA, "/whoami")
        await w.telegram.text("Something went wrong", chat=TINA)
        await w.telegram.text("You are Tina", chat=TINA)
        await w.discord.slash(DISCORD["tina"], "positions")
        await w.discord.text("Something went wrong")


async def test_halts_work_while_the_disk_refuses_writes(tmp_path):
    async with world(tmp_path, "telegram") as w:
        store = w.chat.outbox.store
        await store.run(lambda: store._connection.execute("pragma query_only = on"))
        w.telegram.say(TINA, "/hold BTC off")
        w.telegram.say(TINA, "/halt")
        await w.telegram.text("halt: done", chat=TINA)
        assert w.engine.trading is TradingState.HALTED
        assert w.engine.done("hold") == []
        await until(lambda: "cannot be written" in w.chat.health()["telegram"])
        await store.run(lambda: store._connection.execute("pragma query_only = off"))
        await w.telegram.text("A halt was sent after it", chat=TINA)
        assert w.chat.health()["telegram"] == "up"
        assert len(w.engine.done("halt")) == 1


async def test_how_long_a_halt_takes(tmp_path):
    async with world(tmp_path, "telegram") as w:
        times_ms = []
        for _ in range(20):
            w.engine.driver.core.state.latched = w.engine.driver.core.state.trading = TradingState.ACTIVE
            began = time.monotonic()
            w.telegram.say(TINA, "/halt")
            await until(lambda: w.engine.trading is TradingState.HALTED)
            times_ms.append((time.monotonic() - began) * 1000)
        p50, worst = statistics.median(times_ms), max(times_ms)
        print(f"halt from Telegram's server to HALTED: p50 {p50:.1f} ms, worst of 20 {worst:.1f} ms")
        assert p50 < 2000, (
            "some milliseconds; far more means that it waited for something, not that the machine is busy"
        )
