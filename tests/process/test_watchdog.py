"""`moondev watchdog` beside the real program, at a local Hyperliquid: a process that is killed, and one that sleeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from engine.config.local import write_local
from exchanges.shared.local import LocalVenues
from tests.exchanges.hyperliquid.exchange_room import MASTER
from tests.process.program import Program

ACCOUNT = "HYPERLIQUID:main"
BTC, ETH = "BTC-USDC-PERP.HYPERLIQUID", "ETH-USDC-PERP.HYPERLIQUID"
DEADLINE_S = "3.5"
KEEPER = '''"""Holds a position with a stop in one instrument, and keeps a bid far below the market of another."""

from msgspec import Struct

from domain.desired import Desired, Protection, Qty, Quote, Target
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy


class Memory(Struct):
    stop: float = 0.0
    bid: float = 0.0


class Keeper(Strategy[Memory, Params]):
    """See above."""

    kind = "keeper"
    params_type = Params
    memory_type = Memory

    def feeds(self):
        return tuple(Feed(kind=FeedKind.BBO, instrument=instrument) for instrument in self.instruments)

    def start(self):
        return Memory()

    def decide(self, memory, view):
        held, quoted = self.instruments
        now, there = view.bbo(held), view.bbo(quoted)
        if now is None or there is None:
            return memory, Desired()
        memory.stop = memory.stop or now.bid * 0.8
        memory.bid = memory.bid or there.bid * 0.97
        return memory, Desired(
            targets=(Target(instrument=held, want=Qty(0.01), entry="e"),),
            protections=(Protection(instrument=held, entry="e", stop=memory.stop),),
            quotes=(Quote(instrument=quoted, side=1, price=memory.bid, qty=0.1),),
        )
'''


class Ward:
    """The program at a local venue that outlives it, and the watchdog beside it."""

    def __init__(self, folder: Path) -> None:
        self.venues = LocalVenues(folder)
        [ready] = self.venues.start(["hyperliquid-local"])
        self.url: str = ready["url"]
        self.program = Program(folder, forked=True)
        data = self.program.data
        (data / "strategies").mkdir(parents=True, mode=0o700)
        data.chmod(0o700)
        (data / "strategies" / "keeper.py").write_text(KEEPER)
        settings: dict[str, Any] = yaml.safe_load(write_local(data, [ready]).read_text())
        settings["strategies"] = [{"id": "keeper", "kind": "keeper", "account": ACCOUNT, "instruments": [BTC, ETH]}]
        settings["execution"] = {"validity": "2s"}
        settings["gateway"] = {"enabled": False}
        self.program.file.write_text(yaml.safe_dump(settings))
        self.dogs: list[subprocess.Popen[str]] = []

    def watch(self, *more: str) -> subprocess.Popen[str]:
        words = self.program.verb("watchdog", "--deadline", DEADLINE_S, *more)
        dog = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.dogs.append(dog)
        return dog

    def books(self) -> Books:
        """What the venue says, asked by nobody of the program."""
        return books(self.url)

    def close(self) -> None:
        for dog in self.dogs:
            dog.kill()
            dog.communicate()
        if self.program.process is not None:
            self.program.kill()
        self.venues.stop()


class Books(NamedTuple):
    """What the venue holds: whether each order only reduces, and the coins of the positions."""

    orders: list[bool]
    positions: list[str]


def books(url: str) -> Books:
    """Two questions of weight 22 in all: the program and `moondev halt` live from the same 1,200 a minute."""

    def ask(kind: str) -> Any:
        body = json.dumps({"type": kind, "user": MASTER}).encode()
        with urllib.request.urlopen(
            urllib.request.Request(f"{url}/info", body, {"Content-Type": "application/json"})
        ) as told:
            return json.load(told)

    held = ask("clearinghouseState")["assetPositions"]
    return Books(
        orders=sorted(order["reduceOnly"] for order in ask("frontendOpenOrders")),
        positions=[each["position"]["coin"] for each in held if float(each["position"]["szi"])],
    )


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path)
    yield ward
    ward.close()


def traded(ward: Ward) -> None:
    """The program holds a position with its stop, and a quote."""
    ward.program.start()
    ward.program.ready(60)
    ward.program.until("/orders", "ETH buy 0.1 quote", 60)
    until_s = time.monotonic() + 60
    # a quote that is moved is for a moment not at the venue
    while (held := ward.books().orders) != [False, True]:
        assert time.monotonic() < until_s, held
        time.sleep(2)


@pytest.mark.process
@pytest.mark.timeout(180)
def test_a_process_that_sleeps_loses_its_quotes_keeps_its_stop_and_sends_nothing_when_it_wakes(ward: Ward) -> None:
    traded(ward)
    dog = ward.watch()
    assert dog.stdout is not None
    assert "Watching" in dog.stdout.readline()
    assert "the engine lives" in dog.stdout.readline()
    second = ward.program.run_verb("watchdog", "--deadline", DEADLINE_S)
    assert second.returncode == 1
    assert "another watchdog watches this data folder already" in second.stderr
    assert ward.program.process is not None
    os.kill(ward.program.process.pid, signal.SIGSTOP)
    said = dog.communicate(timeout=60)[0]
    assert dog.returncode == 10, said
    assert "1 order(s) cancelled, 1 that protect kept" in said
    os.kill(ward.program.process.pid, signal.SIGCONT)
    assert ward.program.process.wait(60) == 5, ward.program.output()
    left = ward.books()
    assert left.orders == [True]
    assert left.positions == ["BTC"]

    ward.program.start()
    ward.program.ready(60)
    status = ward.program.until("/status", "trading REDUCING")
    assert "the heartbeat of run 1 died" in status


@pytest.mark.process
@pytest.mark.timeout(180)
def test_halt_needs_no_engine_that_answers_and_the_next_start_is_halted(ward: Ward) -> None:
    traded(ward)
    process = ward.program.process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    halted = ward.program.run_verb("halt", "--as", "rosa", "--reason", "it hangs", "--within", "1")
    assert halted.returncode == 0, halted.stdout + halted.stderr
    assert "has not answered within 1 s" in halted.stdout
    assert "1 order(s) cancelled, 1 that protect kept" in halted.stdout
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(60) == 5, ward.program.output()
    assert ward.books().orders == [True], "it sends nothing when it wakes"

    ward.program.start()
    ward.program.ready(60)
    status = " ".join(ward.program.until("/status", "trading HALTED").split())
    assert "halted by rosa while no engine answered (it hangs)" in status
    assert "/incident ack" in status
    assert "INCIDENT" in ward.program.ask("/resume", "rosa")


@pytest.mark.process
@pytest.mark.timeout(180)
def test_a_killed_process_is_flattened_once_and_the_next_run_knows_it(ward: Ward) -> None:
    traded(ward)
    dog = ward.watch("--flatten")
    assert dog.stdout is not None
    assert "Watching" in dog.stdout.readline()
    assert "the engine lives" in dog.stdout.readline()
    ward.program.kill()
    said = dog.communicate(timeout=60)[0]
    assert dog.returncode == 10, said
    left = ward.books()
    assert (left.orders, left.positions) == ([], [])
    again = ward.watch("--flatten")
    assert again.stdout is not None
    again.stdout.readline()
    assert "has acted for the last run" in again.stdout.readline()

    ward.program.start()
    ward.program.ready(60)
    ward.program.until("/positions", "No open positions")
    status = ward.program.until("/status", "trading HALTED")
    assert "the heartbeat of run 1 died" in status
    assert "hold" not in ward.program.output()
    assert "lives" in again.stdout.readline()
