"""The live feed to many clients, and what open dashboards do to a halt, with both places for the gateway.

The whole program trades on paper; clients are processes of their own. From a fact's time, which the engine gives it, to
its arrival at a client lies the journal's write, the news, and for a gateway of its own the socket between the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.cookiejar
import json
import re
import signal
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import yaml

from research.bench.chat import PEOPLE, ROOT, _cpu_s, _rss_mib
from research.bench.journal import Row
from research.bench.live import percentiles

FULL_CLIENTS = 1_000
PROCESSES = 2
DASHBOARDS = 20
SESSIONS = 16
MEASURED_S = 10.0
WITHIN_S = 60.0
TOPIC = "market:BTC-USDC-PERP.PAPER"
MODES = {"engine": "in the engine's process", "own": "in a process of its own"}


def run(clients: int) -> list[Row]:
    """Both modes: fan-out to `clients`, and halts without and with dashboards open."""
    rows = []
    for mode in MODES:
        rows += asyncio.run(_mode(mode, clients))
    return rows


async def _mode(mode: str, clients: int) -> list[Row]:
    halts = 60 if clients >= FULL_CLIENTS else 2
    with tempfile.TemporaryDirectory(prefix="moondev-bench-") as folder:
        async with Program(Path(folder), mode) as program:
            rows = await _fan_out(program, clients)
            alone = [await program.halt_s() for _ in range(halts)]
            async with Audience(program, DASHBOARDS, TOPIC):
                watched = [await program.halt_s() for _ in range(halts)]
    for name, taken_s in ((f"{DASHBOARDS} dashboards", watched), ("no dashboard", alone)):
        p50, p99 = percentiles([round(one * 1e9) for one in taken_s])
        rules = (
            f"gateway {MODES[mode]}; whole program, journal and its fsync; {len(taken_s)} halts at the terminal's "
            "socket, line sent to answer read; dashboards are feed clients that watch a market"
        )
        for word, value in (("p50", p50), ("p99", p99)):
            rows.append(Row(case=f"/halt {word}, {name}, {mode}", value=value / 1e6, unit="ms", rules=rules))
    return rows


async def _fan_out(program: Program, clients: int) -> list[Row]:
    async with Audience(program, clients) as audience:
        pid = program.gateway_pid()
        await audience.begin()
        cpu_s, began_s = _cpu_s(pid), time.monotonic()
        engine_cpu_s = _cpu_s(program.pid)
        end_s = began_s + (MEASURED_S if clients >= FULL_CLIENTS else 1.0)
        while time.monotonic() < end_s:
            await program.halt_s()
            await asyncio.sleep(0.5)
        seen = await audience.end()
        took_s = time.monotonic() - began_s
        core = (_cpu_s(pid) - cpu_s) / took_s * 100
        engine_core = (_cpu_s(program.pid) - engine_cpu_s) / took_s * 100
        memory = _rss_mib(pid)
    assert not seen["missed"] and not seen["closed"], seen  # noqa: S101, PT018 - the bench's own check
    assert seen["facts"], "no fact was told"  # noqa: S101
    p50, p99 = percentiles(seen["latencies_ns"])
    sent_p50, sent_p99 = percentiles(seen["sent_ns"])
    rules = (
        f"gateway {program.mode}: {clients} clients in {PROCESSES} processes on this machine, each frame checked to "
        f"follow the one before: {seen['frames'] / took_s:,.0f} frames/s, {seen['bytes'] / took_s / 2**20:.1f} MiB/s, "
        f"{seen['facts'] // clients} facts to each in {took_s:.0f} s, as people halt and resume; none missed, none "
        f"dropped; all joined in {audience.joined_s:.1f} s; engine's process {engine_core:.0f} % of a core"
    )
    where = f"{clients} clients, {program.mode}"
    return [
        Row(case=f"feed, fact to client p50, {where}", value=p50 / 1e6, unit="ms", rules=rules),
        Row(case=f"feed, fact to client p99, {where}", value=p99 / 1e6, unit="ms", rules=rules),
        Row(case=f"feed, gateway to client p50, {where}", value=sent_p50 / 1e6, unit="ms", rules=rules),
        Row(case=f"feed, gateway to client p99, {where}", value=sent_p99 / 1e6, unit="ms", rules=rules),
        Row(case=f"feed, processor of the gateway, {where}", value=core, unit="% core", rules=rules),
        Row(case=f"feed, memory of the gateway, {where}", value=memory, unit="MiB", rules=rules),
    ]


class Program:
    """`main.py run` on paper with a gateway, and sessions there."""

    def __init__(self, folder: Path, mode: str, limits: Mapping[str, float] = MappingProxyType({})) -> None:
        """`mode` is the setting `gateway.process`, `limits` are `gateway.limits`."""
        self.data = folder / "data"
        self.limits = limits
        self.mode = mode
        self.url = ""
        self.cookies: list[str] = []

    @property
    def pid(self) -> int:
        """Of the engine's process."""
        return self._process.pid

    @property
    def cookie(self) -> str:
        """Of the first session."""
        return self.cookies[0]

    def gateway_pid(self) -> int:
        """Of the process that serves the clients."""
        if self.mode == "engine":
            return self.pid
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return next(int(c) for c in children if b"\0gateway\0" in Path(f"/proc/{c}/cmdline").read_bytes())

    async def __aenter__(self) -> Self:
        """Start it, wait for its login link, log in."""
        self.data.mkdir(parents=True)
        file = self.data / "bench.yaml"
        file.write_text(yaml.safe_dump(_settings(self.mode, self.limits)), encoding="utf-8")
        words = ["main.py", "run", "--config", str(file), "--data", str(self.data)]
        self.output = self.data / "output"
        with self.output.open("w", encoding="utf-8") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *words, cwd=ROOT, stdout=output, stderr=output
            )
        await self._until(lambda: re.search(r"Dashboard +(http\S+)", self.output.read_text()))
        for _ in range(SESSIONS):
            link = await self._said({"person": "tina", "login": True})
            self.url, cookie = await asyncio.to_thread(_log_in, link)
            self.cookies.append(cookie)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 20)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _until(self, look: Any) -> Any:  # noqa: ANN401 - whatever it finds
        end = time.monotonic() + WITHIN_S
        while not (found := look()):
            if time.monotonic() > end or self._process.returncode is not None:
                raise AssertionError(f"the program does not start: {self.output.read_text()[-500:]}")
            await asyncio.sleep(0.05)
        return found

    async def ask(self, person: str, line: str) -> str:
        """A line at the terminal's socket."""
        return await self._said({"person": person, "line": line})

    async def _said(self, message: dict[str, Any]) -> str:
        reader, writer = await asyncio.open_unix_connection(self.data / "console.sock", limit=1 << 20)
        try:
            writer.write(json.dumps(message).encode() + b"\n")
            answer = json.loads(await reader.readline())
        finally:
            writer.close()
        return str(answer["text"])

    async def halt_s(self) -> float:
        """Halt, and how long that took; then trade again."""
        began_s = time.perf_counter()
        told = await self.ask("tina", "/halt")
        took_s = time.perf_counter() - began_s
        assert "HALTED" in told.upper(), told  # noqa: S101 - the bench's own check
        found = re.search(r"/approve (R\d+)", asked := await self.ask("rosa", "/resume"))
        assert found is not None, asked  # noqa: S101
        for person in ("rolf", "rosa"):
            await self.ask(person, f"/approve {found[1]}")
        return took_s


class Audience:
    """Clients of the feed, in processes of their own."""

    def __init__(self, program: Program, count: int, topic: str = "") -> None:
        """`count` clients, who watch `topic` too."""
        self._program = program
        self._count = count
        self._topic = topic
        self._processes: list[asyncio.subprocess.Process] = []
        self.joined_s = 0.0

    async def __aenter__(self) -> Self:
        """Connect all."""
        program, share = self._program, -(-self._count // PROCESSES)
        for _ in range(PROCESSES):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "research.bench.gateway_clients",
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=64 << 20,
            )
            self._processes.append(process)
            where = {"url": f"{program.url}/ws/feed", "origin": program.url, "cookies": program.cookies}
            self._write(process, where | {"count": share, "topic": self._topic})
        self.joined_s = max([(await self._read(one))["joined_s"] for one in self._processes])
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect all."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def begin(self) -> None:
        """Count from now on."""
        for process in self._processes:
            self._write(process, {})

    async def end(self) -> dict[str, Any]:
        """What was counted, by all together."""
        await self.begin()
        seen = [await self._read(one) for one in self._processes]
        return {name: sum((one[name] for one in seen), type(seen[0][name])()) for name in seen[0]}

    @staticmethod
    def _write(process: asyncio.subprocess.Process, said: dict[str, Any]) -> None:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(json.dumps(said).encode() + b"\n")

    @staticmethod
    async def _read(process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        async with asyncio.timeout(WITHIN_S):
            line = await process.stdout.readline()
        found: dict[str, Any] = json.loads(line)
        return found


def _log_in(link: str) -> tuple[str, str]:
    """Spend a login link as a browser does: the gateway's address, and the session's cookie."""
    where = urllib.parse.urlsplit(link)
    url, jar = f"{where.scheme}://{where.netloc}", http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with browser.open(link) as answer:
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', answer.read().decode()))
    form = urllib.parse.urlencode(fields).encode()
    with browser.open(urllib.request.Request(f"{url}/login", form, {"Origin": url})):  # noqa: S310 - our own address
        pass
    return url, "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def _settings(mode: str, limits: Mapping[str, float]) -> dict[str, Any]:
    params = {"every": 5, "ticks_away": 0, "qty": 0.002, "cap": 0.02}
    quoter = {"id": "quoter", "kind": "bench_quoter", "account": "PAPER:main", "params": params}
    return {
        "data_feed": {"source": "synthetic"},
        "paper": {"feed_latency_ms": 2, "entry_latency_ms": 5, "response_latency_ms": 5},
        "gateway": {"port": 0} | ({"process": mode} if mode else {}) | ({"limits": dict(limits)} if limits else {}),
        "approvals": {"enabled": True, "requester_counts": True},
        "persons": PEOPLE,
        "strategies": [quoter | {"instruments": ["BTC-USDC-PERP.PAPER"]}],
    }
