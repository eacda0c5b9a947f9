"""The signer beside the whole program, at a local Hyperliquid: sealed, opened, killed, and needed without an engine."""

import json
import os
import pty
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.config.local import write_local
from exchanges.shared.local import LocalVenues
from tests.process.program import Program
from tests.process.test_local_venue import ordered
from vault.crypto import Cost
from vault.passphrase import Passphrase
from vault.signer.client import SignerClient, SignerGone
from vault.store import Vault

WORDS = "otter marble kiosk window seven"
FLOOR = Cost(memory_kib=65_536, iterations=3, lanes=4)


class VaultProgram(Program):
    """The program with a vault, at a local Hyperliquid that outlives it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.forked = True
        self.data.mkdir(0o700)
        self.venues = LocalVenues(self.data / "local-venues")
        ready = self.venues.start(["hyperliquid-local"])
        written = write_local(self.data, ready)
        self.settings: dict[str, Any] = yaml.safe_load(written.read_text())
        written.unlink()
        (self.data / "secrets").unlink()
        with Vault.create(self.data / "vault", Passphrase(WORDS), cost=FLOOR) as vault:
            for name, key in ready[0]["secrets"].items():
                vault.put(name, "exchange", key)
        self.passphrase = folder / "passphrase"

    def say(self, **vault: Any) -> None:
        """Write the settings file."""
        self.file.write_text(yaml.safe_dump(self.settings | {"vault": vault}))

    def signer(self) -> SignerClient:
        client = SignerClient(self.data)
        client.connect()
        return client

    def typed(self, *words: str) -> str:
        """Run a verb at a terminal where a person types the passphrase; what it says."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(self.verb()[0], self.verb(*words))
        said = b""
        os.set_blocking(terminal, False)
        end, has_typed = time.monotonic() + 60, False
        while time.monotonic() < end:
            try:
                said += os.read(terminal, 4096)
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:
                break
            if not has_typed and b"Passphrase" in said:
                os.write(terminal, WORDS.encode() + b"\n")
                has_typed = True
            if b"is open for" in said:  # a signer stays
                break
        else:
            raise AssertionError(said.decode())
        return said.decode()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[VaultProgram]:
    program = VaultProgram(tmp_path)
    yield program
    if program.process is not None:
        program.kill()
    try:
        client = program.signer()
        os.kill(client.pid, signal.SIGKILL)
    except SignerGone:
        pass
    program.venues.stop()


def ready_at(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait(condition: Any, within_s: float = 30.0) -> Any:
    end = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@pytest.mark.process
@pytest.mark.timeout(180)
def test_a_sealed_start_serves_status_alone_and_goes_on_once_a_person_opens_the_vault(program: VaultProgram) -> None:
    program.settings["gateway"] = {"port": free_port()}
    program.say(signer="process")
    program.start()
    wait(lambda: "SEALED" in program.output())
    url = f"http://127.0.0.1:{program.settings['gateway']['port']}"
    status, body = wait(lambda: attempt(lambda: ready_at(url)))
    assert (status, body["sealed"]) == (503, True)
    assert "at a terminal" in body["reasons"][0]
    assert not (program.data / "journal").exists(), "no engine runs"
    assert not (program.data / "console.sock").exists()

    assert "is open for HYPERLIQUID" in program.typed("signer")
    assert "HYPERLIQUID  local, connected" in program.ready(60)
    program.until("/status", "trading ACTIVE")
    assert "Working" in ordered(program, "/order buy DOGE 2000")
    program.until("/trades", "DOGE buy 2000")
    assert program.stop() == 0
    assert program.signer().names() == [], "a person's signer outlives the service; it has no service secrets here"


@pytest.mark.process
@pytest.mark.timeout(180)
def test_a_signer_that_died_starts_again_alone_and_halts_from_outside_are_signed_without_an_engine(
    program: VaultProgram,
) -> None:
    program.passphrase.write_text(WORDS)
    program.passphrase.chmod(0o600)
    program.settings["gateway"] = {"enabled": False}
    program.say(signer="process", passphrase={"from": "file", "file": str(program.passphrase)})
    program.start()
    program.ready(60)
    program.until("/orders", "BTC buy", 60)
    first = program.signer().pid
    limits, status = (Path(f"/proc/{first}/{name}").read_text() for name in ("limits", "status"))
    assert re.search(r"Max core file size +0 +0", limits)
    assert os.getpgid(first) == first, "Ctrl-C at the service's terminal is not for it"
    assert int(re.findall(r"VmLck:\s+(\d+)", status)[0]) > 0 or "CapEff:\t0000000000000000" in status
    os.kill(first, signal.SIGKILL)
    program.until("/alerts", "No signatures: the signer is gone")
    again = wait(lambda: attempt(lambda: program.signer().pid))
    program.until("/orders", "BTC buy", 60)

    program.kill()
    halted = program.run_verb("halt", "--reason", "the engine is gone")
    assert re.search(r"HYPERLIQUID: [1-9]+ order\(s\) cancelled", halted.stdout)
    assert (halted.returncode, program.signer().pid) == (0, again), "signed by the signer that was there"

    os.kill(again, signal.SIGKILL)
    program.say(signer="process", passphrase={"from": "prompt"})
    unattended = program.run_verb("halt")
    assert unattended.returncode == 1
    assert "is sealed" in unattended.stdout
    assert "NOT everything could be done" in unattended.stdout
    assert "HYPERLIQUID: 0 order(s) cancelled" in program.typed("halt")


def attempt(work: Any) -> Any:
    try:
        return work()
    except (OSError, SignerGone):
        return None


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
