"""The whole program with two venues over real sockets: one hangs, its strategy goes on at the other, and comes back."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.config.load import BUILT_IN
from tests.needs import ROOT
from tests.process.program import Program

OWN, BACKUP = "BTC-USDC-PERP.HYPERLIQUID", "BTC-USDT-PERP.BINANCE"


class Server:
    """A local venue in a process of its own, which can be made to hang."""

    def __init__(self, venue: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.exchanges.{venue}.serve"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], 60)
        assert readable, f"{venue} did not start"
        self.ready: dict[str, Any] = json.loads(self.process.stdout.readline())

    def hang(self) -> None:
        """It answers nothing and tells nothing; what it knows stays."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self) -> None:
        self.go_on()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def servers() -> Iterator[dict[str, Server]]:
    started: dict[str, Server] = {}
    try:
        for venue in ("hyperliquid", "binance"):
            started[venue] = Server(venue)
        yield started
    finally:
        for server in started.values():
            server.end()


def settings(servers: dict[str, Server]) -> str:
    built_in = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    venues = [
        {
            "name": name,
            "network": "local",
            "base_url": server.ready["url"],
            "instruments": [instrument],
            "accounts": server.ready["accounts"],
        }
        for (name, server), instrument in zip(servers.items(), (OWN, BACKUP), strict=True)
    ]
    mover = {"pattern": "drift", "mode": "target", "qty": 0.002}
    return yaml.safe_dump(
        {
            "environment": "testnet",
            "data_feed": {"source": "synthetic", "conflate": "20ms"},
            "gateway": {"enabled": False},
            "execution": {"stale_feed": "5s"},
            "breakers": {"exchange_failure": {"cool_down": "3s"}},
            "venues": venues,
            "strategies": [
                {
                    "id": "mover",
                    "kind": "bench_alternator",
                    "account": "HYPERLIQUID:main",
                    "instruments": [OWN],
                    "params": mover,
                }
            ],
            "failover": [{"instrument": OWN, "backup": BACKUP, "account": "BINANCE:main", "return_after": "3s"}],
            "approvals": {"enabled": False},
            **{section: built_in[section] for section in ("risk", "persons")},
        }
    )


@pytest.mark.process
@pytest.mark.timeout(240)
def test_a_venue_hangs_its_strategy_goes_on_at_the_other_and_comes_back(
    tmp_path: Path, servers: dict[str, Server]
) -> None:
    program = Program(tmp_path, settings(servers), forked=True)
    program.data.mkdir(parents=True)
    secrets = program.data / "secrets"
    secrets.touch(mode=0o600)
    keys = {name: key for server in servers.values() for name, key in server.ready["secrets"].items()}
    secrets.write_text("".join(f"{name} = {key}\n" for name, key in keys.items()), encoding="utf-8")
    program.start("--port", "0")
    try:
        program.ready(60)
        program.until("/status", "trading ACTIVE", 60)
        assert "USDT" not in program.until("/trades", "USDC", 60)
        servers["hyperliquid"].hang()
        said = program.until("/status", "fail-over mover", 60)
        assert f"{OWN} is read and traded as {BACKUP}" in " ".join(said.split())
        program.until("/trades 1", "USDT", 60)
        servers["hyperliquid"].go_on()
        program.until("/trades 1", "USDC", 90)
        program.until("/status", "trading ACTIVE", 60)
        program.ask("/flatten all the test is over")
        program.until("/positions", "No open positions", 60)
        program.until("/status", "open orders 0", 60)
        assert program.stop() == 0, program.output()
    finally:
        if program.process is not None and program.process.poll() is None:
            program.kill()
