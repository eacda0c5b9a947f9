"""The gateway in a process of its own: what happens to it touches no trading, and it finds an engine again."""

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.link.keeper import Lock
from tests.process.program import QUICK, Program

WITHIN_S = 60.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    settings = QUICK.replace("gateway: {enabled: false}", "gateway: {process: own}")
    made = Program(tmp_path, settings, forked=True)
    yield made
    if made.process is not None:
        made.kill()
    for pid in gateways(made.data):
        os.kill(pid, signal.SIGKILL)


def gateways(data: Path) -> list[int]:
    """Processes that serve this data folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"gateway" in words and str(data).encode() in words:
            found.append(int(entry.name))
    return found


def ready(port: int) -> dict[str, Any]:
    """What `/health/ready` says; nothing while nobody serves."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            found: dict[str, Any] = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        found = json.loads(error.read())
    except OSError:
        return {}
    return found


def until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + WITHIN_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.process
@pytest.mark.timeout(240)
def test_the_gateway_may_die_and_so_may_the_engine_and_each_finds_the_other_again(program: Program, port: int):
    program.start("--port", str(port))
    until(lambda: ready(port).get("status") == "ready")
    [first] = gateways(program.data)
    assert "connected" in program.ask("/health")

    os.kill(first, signal.SIGKILL)
    assert "equity" in program.ask("/status").lower()
    until(lambda: ready(port).get("status") == "ready" and gateways(program.data) != [first])
    [second] = gateways(program.data)

    program.kill()
    until(lambda: ready(port).get("reasons") == ["the engine does not answer"])
    assert ready(port)["trading"] == "unknown"
    program.start("--port", str(port))
    until(lambda: ready(port).get("status") == "ready")
    assert gateways(program.data) == [second]

    program.stop()
    until(lambda: not gateways(program.data))
    assert not Lock(program.data).is_taken()
