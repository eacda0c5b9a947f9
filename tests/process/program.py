"""The real program in a process of its own, on a data folder: start it, talk to it, kill it, read what it left."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from bot.local import NotRunning, ask
from tests.needs import ROOT

QUICK = """
data_feed: {source: synthetic, conflate: 20ms}
gateway: {enabled: false}
paper: {feed_latency_ms: 2, entry_latency_ms: 5, response_latency_ms: 5}
approvals: {enabled: true}
risk:
  messages_per_window: 500
strategies:
  - {id: quoter, kind: bench_quoter, account: "PAPER:main", instruments: [BTC-USDC-PERP.PAPER],
     params: {every: 5, ticks_away: 0, qty: 0.002, cap: 0.02}}
  - {id: turtle, kind: turtle, account: "PAPER:main", instruments: [ETH-USDC-PERP.PAPER],
     params: {interval_s: 5, entry_bars: 2, exit_bars: 2, atr_bars: 3, style: take, take_profit_pct: 0.05}}
"""
"""A paper set-up that trades within seconds, without dashboard and chat."""


PRELOADED = [
    "main",
    "bot.local",
    "bot.service",
    "engine.data.synthetic_feed",
    "engine.runtime",
    "engine.strategies.registry",
    "exchanges.paper.venue",
]


class Running(Protocol):
    """What a test does with a process of the program."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...


def serve(words: list[str], output: str, errors: str = "") -> None:
    """The program, in a process that has its imports already."""
    for path, descriptor in ((output, 1), (errors or output, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), descriptor)
    sys.argv = ["main.py", *words]
    import main

    main.main()


class Forked:
    """A process of the program that is forked from one with its imports done: tenths of a second instead of seconds."""

    def __init__(self, words: list[str], output: Path, errors: Path | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._process = context.Process(target=serve, args=(words, str(output), str(errors or output)))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        assert self._process.exitcode is not None
        return self._process.exitcode


class Program:
    """`moondev run` on a data folder; `settings` is the text of its file. `forked` starts it in tenths of a second."""

    def __init__(self, folder: Path, settings: str = QUICK, *, forked: bool = False) -> None:
        self.forked = forked
        self.data = folder / "data"
        self.file = folder / "settings.yaml"
        self.file.write_text(settings)
        self.log = folder / "output.txt"
        self.process: Running | None = None

    def verb(self, *words: str) -> list[str]:
        return [sys.executable, str(ROOT / "main.py"), *words, "--data", str(self.data)]

    def start(self, *more: str) -> None:
        if self.forked:
            words = ["run", "--config", str(self.file), *more, "--data", str(self.data)]
            self.process = Forked(words, self.log)
            return
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self.verb("run", "--config", str(self.file)), *more],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    def output(self) -> str:
        """All it has written to its terminal so far."""
        return self.log.read_text() if self.log.exists() else ""

    def ask(self, line: str, person: str = "tina") -> str:
        return asyncio.run(ask(self.data, person, line))

    def sure(self, line: str, person: str = "tina") -> str:
        """Type a line that is asked back, and say yes; returns the answer to that, or the refusal of the line."""
        asked = self.ask(line, person)
        found = re.search(r"/confirm (C\d+) within", asked)
        return self.ask(f"/confirm {found[1]}", person) if found else asked

    def ready(self, within_s: float = 30.0) -> str:
        """Wait until the service answers; its status."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            with contextlib.suppress(NotRunning):
                return self.ask("/status")
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(f"no answer within {within_s} s:\n{self.log.read_text()}")

    def until(self, line: str, text: str, within_s: float = 30.0) -> str:
        """Ask until the answer has a text in it, however it is spaced."""
        end = time.monotonic() + within_s
        answer = ""
        while time.monotonic() < end:
            answer = self.ask(line)
            if text in " ".join(answer.split()):
                return answer
            time.sleep(0.1)
        raise AssertionError(f"{text!r} did not come within {within_s} s; the last answer to {line} was:\n{answer}")

    def changes(self, line: str, within_s: float = 30.0) -> str:
        """Ask until the answer is another one than at first, but for the stamp in its last line."""
        first = self.ask(line).splitlines()[:-1]
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            answer = self.ask(line)
            if answer.splitlines()[:-1] != first:
                return answer
            time.sleep(0.1)
        raise AssertionError(f"the answer to {line} stayed the same for {within_s} s:\n{first}")

    def kill(self) -> None:
        """Kill it as the operating system would: no warning, no clean-up."""
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Ask it to stop, as Docker or Ctrl-C does; its exit code."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(30)

    def run_verb(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A verb from beginning to end, and what it wrote."""
        if self.forked:
            output, errors = (self.log.with_name(f"verb-{name}.txt") for name in ("output", "errors"))
            for path in (output, errors):
                path.unlink(missing_ok=True)
            code = Forked([*words, "--data", str(self.data)], output, errors).wait(120)
            return subprocess.CompletedProcess(words, code, output.read_text(), errors.read_text())
        return subprocess.run(self.verb(*words), capture_output=True, text=True, timeout=120, check=False)
