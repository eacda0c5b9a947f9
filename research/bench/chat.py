"""`/halt` from the update received to every order cancelled at the venue, with the whole program; and what bots cost.

The program is a process of its own, its chat server is this one, the local Hyperliquid a third. A round begins with
orders that rest at the venue. It is measured from the moment at which the chat server has the message to the last
cancel that the venue has confirmed, as the journal has it. Then two people resume trading from their terminals.

In busy rounds every other handler works: people at terminals ask every reading verb of the table over and over (charts,
reports, long lists, files among them), the chat has a hundred commands and four charts to work on, a backtest runs, and
streams are kept up to date.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import os
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from domain.codec import decode_event
from domain.commands import Resume
from domain.events import Cancelled, CommandReceived
from engine.config.local import write_local
from engine.core.journal import JournalReader
from research.bench.journal import Row
from research.bench.live import percentiles

if TYPE_CHECKING:
    from tests.bot.servers.discord_server import DiscordServer
    from tests.bot.servers.telegram_server import TelegramServer

ROOT = Path(__file__).resolve().parents[2]
TINA, ROSA, ROLF, VERA = 11, 12, 13, 10
WITHIN_S = 60.0
QUEUED = 100
"""Commands that wait when a busy round's halt comes."""
ASKING = 4
"""Terminals that ask without a pause in busy rounds."""
CANDLES = "/chart BTC"
"""A local exchange makes them in its one thread, for seconds: its answers to orders would wait behind them."""
CHARTS = ("/chart equity", "/chart drawdown", "/chart BTC 7d", "/chart exposure")
PEOPLE = [
    {"id": "vera", "name": "Vera", "role": "viewer", "telegram_user_id": VERA},
    {"id": "tina", "name": "Tina", "role": "trader", "telegram_user_id": TINA},
    {"id": "rosa", "name": "Rosa", "role": "risk", "telegram_user_id": ROSA},
    {"id": "rolf", "name": "Rolf", "role": "risk", "telegram_user_id": ROLF},
    {"id": "adam", "name": "Adam", "role": "admin"},
]
PAPER = {"feed_latency_ms": 2, "entry_latency_ms": 5, "response_latency_ms": 5}
WORKING = "select count(*) from orders where status = 'open' and created_ns > {since_ns}"
HALTS = "select count(*) from trading_states where state = 'halted'"
TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def run(rounds: int) -> list[Row]:
    """Both venues, idle and busy, `rounds` halts each; and memory and processor of the bots, `rounds` / 2 s long."""
    rows = []
    for venue in ("PAPER", "HYPERLIQUID"):
        for busy in (False, True):
            rows += asyncio.run(_halts(venue, rounds, busy=busy))
    return [*rows, *asyncio.run(_idle(max(2.0, rounds / 2)))]


async def _halts(venue: str, rounds: int, *, busy: bool) -> list[Row]:
    server = await _telegram()
    try:
        with tempfile.TemporaryDirectory(prefix="moondev-bench-") as folder:
            data = Path(folder) / "data"
            with _venue(venue, data) as settings:
                settings["telegram"] = _telegram_section(server)
                async with _program(data, settings) as program:
                    await server.text("MoonDev is up", within_s=WITHIN_S)
                    said_ns: list[int] = []
                    spared = "" if venue == "PAPER" else CANDLES
                    async with _asking(data, ASKING if busy else 0, spared) as answered:
                        for _ in range(rounds):
                            since_ns = max(said_ns, default=0)
                            said_ns.append(await _round(server, data, since_ns, spared, busy=busy))
                    _stop(program)
                    await program.wait()
            taken = _taken_ns(data, said_ns)
    finally:
        await server.stop()
    p50, p99 = percentiles(taken)
    what = f"{venue.capitalize()}, {'busy' if busy else 'idle'}"
    load = (
        f"every reading verb {'' if venue == 'PAPER' else 'but price charts '}asked by {ASKING} terminals without a "
        f"pause ({sum(answered)} answers meanwhile), {QUEUED} "
        f"commands and {len(CHARTS)} charts in the chat, a backtest, streams"
        if busy
        else "nothing else is asked"
    )
    rules = (
        f"whole program, journal and its fsync, {len(taken)} halts over real HTTP from a Telegram server; {load}; "
        f"until the venue has confirmed the last cancel"
        + (f" (it takes {PAPER['entry_latency_ms'] + PAPER['response_latency_ms']} ms)" if venue == "PAPER" else "")
    )
    return [
        Row(case=f"/halt to cancelled p50, {what}", value=p50 / 1e6, unit="ms", rules=rules),
        Row(case=f"/halt to cancelled p99, {what}", value=p99 / 1e6, unit="ms", rules=rules),
    ]


async def _round(server: TelegramServer, data: Path, since_ns: int, spared: str = "", *, busy: bool) -> int:
    """One halt; when the server had it. Orders of after `since_ns` rest before it; trading goes on after it."""
    await _until(lambda: _ask(data, WORKING.format(since_ns=since_ns)) > 0)
    server.sent.clear()
    if busy:
        for number in range(QUEUED):
            server.say(VERA, ("/status", "/positions", "/trades 50", "/orders")[number % 4])
        for line in (*CHARTS, "/report weekly", "/backtest turtle BTC simulated:24h", "/subscribe pnl every 15s"):
            if not spared or not line.startswith(spared):
                server.say(ROLF, line)
        await _until(lambda: not server.updates)
    halts = _ask(data, HALTS)
    said_ns = time.time_ns()
    server.say(TINA, "/halt")
    await _until(lambda: _ask(data, HALTS) > halts and not _ask(data, WORKING.format(since_ns=0)))
    ask = importlib.import_module("bot.local").ask
    found = re.search(r"/approve (R\d+)", asked := await ask(data, "rosa", "/resume"))
    assert found is not None, asked  # noqa: S101 - the bench's own check
    for person in ("rolf", "rosa"):
        await ask(data, person, f"/approve {found[1]}")
    return said_ns


@contextlib.asynccontextmanager
async def _asking(data: Path, terminals: int, spared: str = "") -> AsyncIterator[list[int]]:
    """Terminals that ask every reading verb over and over; how many answers each has had."""
    table, local = importlib.import_module("bot.verbs"), importlib.import_module("bot.local")
    lines = [
        example
        for verb in table.VERBS
        if verb.effect.value == "reads" and not verb.hidden
        for example in verb.examples
        if not example.startswith(("/schedule", "/timezone", "/link", "/unlink", spared or "/link"))
    ]
    answered = [0] * terminals

    async def ask(number: int) -> None:
        for line in itertools.islice(itertools.cycle(lines), number * len(lines) // max(terminals, 1), None):
            await local.ask(data, "adam", line)
            answered[number] += 1

    workers = [asyncio.create_task(ask(number)) for number in range(terminals)]
    try:
        yield answered
    finally:
        for worker in workers:
            worker.cancel()
        ended = await asyncio.gather(*workers, return_exceptions=True)
        failed = [one for one in ended if isinstance(one, Exception)]
        assert not failed, failed  # noqa: S101 - without its load a busy round is none


def _taken_ns(data: Path, said_ns: list[int]) -> list[int]:
    """How long each halt took, from the journal. Raises `AssertionError` for one that cancelled nothing.

    What is cancelled after trading was asked for again is not the halt's: the quoter moves on, and the end of the run
    cancels too.
    """
    events = [decode_event(one.payload) for one in JournalReader(data / "journal").records(0, market=False)]
    cancelled = [event.ts_ns for event in events if isinstance(event, Cancelled)]
    commands = [event for event in events if isinstance(event, CommandReceived)]
    resumed = [event.ts_ns for event in commands if isinstance(event.command, Resume)]
    taken = []
    for began in said_ns:
        over = min(at for at in resumed if at > began)
        within = [at - began for at in cancelled if began < at < over]
        assert within, "a halt that cancelled nothing is no measurement"  # noqa: S101 - the bench's own check
        taken.append(max(within))
    return taken


async def _idle(seconds: float) -> list[Row]:
    """What both bots add to the memory and the processor time of a program that nobody talks to."""
    found = {}
    for bots in (False, True):
        telegram, discord = (
            await _telegram(),
            importlib.import_module("tests.bot.servers.discord_server").DiscordServer(),
        )
        await discord.start()
        try:
            with tempfile.TemporaryDirectory(prefix="moondev-bench-") as folder:
                data = Path(folder) / "data"
                settings = _paper() | {"strategies": []}
                if bots:
                    settings |= {"telegram": _telegram_section(telegram), "discord": _discord_section(discord)}
                async with _program(data, settings) as program:
                    if bots:
                        await telegram.text("MoonDev is up", within_s=WITHIN_S)
                        await discord.text("MoonDev is up", within_s=WITHIN_S)
                    await _until((data / "projection.db").exists)
                    await asyncio.sleep(2)
                    before_s = _cpu_s(program.pid)
                    await asyncio.sleep(seconds)
                    found[bots] = (_rss_mib(program.pid), (_cpu_s(program.pid) - before_s) / seconds * 100)
        finally:
            await telegram.stop()
            await discord.stop()
    (bare_mib, bare_cpu), (mib, cpu) = found[False], found[True]
    rules = f"the program on paper without a strategy; with both bots connected minus without, {seconds:.0f} s each"
    return [
        Row(
            case="both bots idle, memory",
            value=mib - bare_mib,
            unit="MiB",
            rules=f"{rules}: {mib:.0f} - {bare_mib:.0f}",
        ),
        Row(
            case="both bots idle, processor",
            value=max(cpu - bare_cpu, 0.0),
            unit="% core",
            rules=f"{rules}: {cpu:.2f} - {bare_cpu:.2f}",
        ),
    ]


@contextlib.contextmanager
def _venue(name: str, data: Path) -> Iterator[dict[str, Any]]:
    """Settings for a venue, which runs meanwhile."""
    data.mkdir(parents=True, exist_ok=True)
    if name == "PAPER":
        yield _paper()
        return
    local = importlib.import_module("exchanges.shared.local").LocalVenues(data / "local-venues")
    try:
        settings = yaml.safe_load(write_local(data, local.start(["hyperliquid-local"])).read_text(encoding="utf-8"))
        yield settings | _common(f"{name}:main", f"BTC-USDC-PERP.{name}")
    finally:
        local.stop()


def _paper() -> dict[str, Any]:
    return {"data_feed": {"source": "synthetic"}, "paper": PAPER, **_common("PAPER:main", "BTC-USDC-PERP.PAPER")}


def _common(account: str, instrument: str) -> dict[str, Any]:
    params = {"every": 1, "ticks_away": 400, "qty": 0.002, "cap": 0.02}
    return {
        "gateway": {"enabled": False},
        "approvals": {"enabled": True, "requester_counts": True},
        "persons": PEOPLE,
        "strategies": [
            {"id": "quoter", "kind": "bench_quoter", "account": account, "instruments": [instrument], "params": params}
        ],
    }


@contextlib.asynccontextmanager
async def _program(data: Path, settings: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    """`main.py run` on these settings; ended at the end."""
    data.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - a moment
    file = data / "bench.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    servers = {name: importlib.import_module(f"tests.bot.servers.{name}_server") for name in ("telegram", "discord")}
    secrets = data / "secrets"
    secrets.touch(mode=0o600)
    with secrets.open("a", encoding="utf-8") as out:
        out.writelines(f"{name}_token = {module.TOKEN}\n" for name, module in servers.items())
    words = ["main.py", "run", "--config", str(file), "--data", str(data)]
    with (data / "output").open("w", encoding="utf-8") as output:
        program = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=output, stderr=output)
        try:
            yield program
        finally:
            if program.returncode is None:
                _stop(program)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(program.wait(), 20)
            if program.returncode is None:
                program.kill()
                await program.wait()


def _stop(program: asyncio.subprocess.Process) -> None:
    program.send_signal(signal.SIGTERM)


async def _telegram() -> TelegramServer:
    server: TelegramServer = importlib.import_module("tests.bot.servers.telegram_server").TelegramServer()
    await server.start()
    return server


def _telegram_section(server: TelegramServer) -> dict[str, Any]:
    return {"enabled": True, "base_url": server.base_url, "base_file_url": server.file_url, "alert_chats": [TINA]}


def _discord_section(server: DiscordServer) -> dict[str, Any]:
    objects = importlib.import_module("tests.bot.servers.discord_objects")
    urls = {"api_url": server.api_url, "gateway_url": server.gateway_url}
    return {"enabled": True, **urls, "guild_id": int(objects.GUILD), "alert_channels": [int(objects.CHANNEL)]}


def _ask(data: Path, sql: str) -> int:
    """A count from the projection of a running program; 0 while it has none."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{data / 'projection.db'}?mode=ro", uri=True)) as db,
    ):
        return int(db.execute(sql).fetchone()[0])
    return 0


async def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("what the bench waits for does not come")
        await asyncio.sleep(0.02)


def _rss_mib(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
