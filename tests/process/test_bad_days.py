"""Bad days: each has a message that says what to do, loses nothing, and stops nothing that is safe to go on."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.journal import JournalReader, verify
from tests.needs import ROOT
from tests.process.program import QUICK, Program

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

SAMPLES = ROOT / "tests" / "engine" / "strategies" / "samples"
LAB = (
    QUICK
    + """
accounts:
  - {id: "PAPER:main", deposit: 100000}
  - {id: "PAPER:lab", deposit: 100000}
"""
)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path, LAB, forked=True)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def refused_start(program: Program, settings: str) -> str:
    """What the program says on its error stream when it does not start."""
    program.file.write_text(settings)
    words = program.verb("run", "--config", str(program.file))
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_one(program: Program) -> None:
    text = "gateway: {enabled: false}\nrisk:\n  max_exposur: 5\n"
    said = refused_start(program, text)
    assert "settings.yaml:3" in said
    assert "max_exposur" in said
    assert "max_exposure" in said


def test_broken_yaml_is_named_with_its_line(program: Program) -> None:
    said = refused_start(program, "gateway: {enabled: false\nrisk: [\n")
    assert "settings.yaml:2" in said
    assert "not valid YAML" in said


def test_a_strategy_parameter_that_cannot_be_is_refused_at_start(program: Program) -> None:
    said = refused_start(program, QUICK.replace("every: 5", "every: -5"))
    assert "settings.yaml:10" in said
    assert "every" in said
    assert "found -5" in said


def newest_segment(program: Program) -> Path:
    return max((program.data / "journal").glob("main-*.journal"))


def test_a_torn_journal_tail_is_cut_and_said_and_the_run_goes_on(program: Program) -> None:
    program.start()
    program.ready()
    program.until("/trades", "BTC")
    program.kill()
    segment = newest_segment(program)
    with segment.open("ab") as file:
        file.write(segment.read_bytes()[-40:-7])
    program.start()
    program.ready()
    assert "journal recovered: cut" in program.output() + (program.data / "moondev.log").read_text()
    program.until("/status", "ACTIVE")
    assert program.stop() == 0
    assert verify(program.data / "journal").ok


def test_a_journal_that_was_tampered_with_is_not_run_on(program: Program) -> None:
    program.start()
    program.ready()
    program.until("/trades", "BTC")
    assert program.stop() == 0
    segment = newest_segment(program)
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(content)
    audit = program.run_verb("audit", "verify")
    assert audit.returncode == 1
    assert "seq" in audit.stdout


def start_with_small_files(program: Program, kib: int) -> None:
    """A disk that takes no file larger than this: the same refusal as a full one, without being root."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 1024, kib * 1024))

    with program.log.open("ab") as output:
        program.process = subprocess.Popen(
            program.verb("run", "--config", str(program.file)),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=limit,  # noqa: PLW1509 - the limit is set before the program, in a child without threads
        )


def mount_small_disk(folder: Path, mib: int) -> bool:
    """Mount a small disk of memory at `folder`; False where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0


def stopped_by_the_disk(program: Program) -> None:
    """It ends by itself, says why and what to do, and leaves a whole journal."""
    assert program.process is not None
    end = time.monotonic() + 80
    while program.process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    assert program.process.poll() == 3, program.output()[-3000:]
    assert "journal cannot be written" in program.output()
    assert "Free space" in program.output()
    assert verify(program.data / "journal").ok


def test_a_full_disk_stops_with_the_message_and_nothing_is_lost(program: Program) -> None:
    """On a small disk of memory where that may be mounted, else with files that may not grow."""
    is_mounted = mount_small_disk(program.data, 5)
    try:
        if is_mounted:
            program.start()
            program.ready()
            left = shutil.disk_usage(program.data).free
            (program.data / "ballast").write_bytes(bytes(max(0, left - 150_000)))
        else:
            start_with_small_files(program, 160)
        stopped_by_the_disk(program)
        (program.data / "ballast").unlink(missing_ok=True)
        kept = verify(program.data / "journal").records
        program.start()
        program.ready()
        program.until("/status", "ACTIVE")
        program.until("/trades", "BTC")
        assert program.stop() == 0
        assert verify(program.data / "journal").records > kept
        replayed = program.run_verb("replay")
        assert replayed.returncode == 0, replayed.stdout
    finally:
        if is_mounted:
            program.kill()
            subprocess.run(["umount", "-l", str(program.data)], check=False)


def with_sample(program: Program, name: str) -> None:
    """The user's folder of strategies has one that misbehaves."""
    folder = program.data / "strategies"
    folder.mkdir(parents=True)
    shutil.copy(SAMPLES / f"{name}.py", folder)


def fills(program: Program) -> int:
    return program.ask("/trades 50").count("BTC")


@pytest.mark.parametrize(("name", "why"), [("hangs", "did not come back"), ("raises", "one too many")])
def test_a_strategy_that_misbehaves_is_quarantined_and_the_other_trades_on(
    program: Program, name: str, why: str
) -> None:
    with_sample(program, name)
    program.start()
    program.ready()
    program.until("/trades", "BTC")
    assert "loading" in program.sure(f"/strategies load {name} bad ETH PAPER:lab")
    program.until("/strategies list", "quarantined")
    shown = program.ask("/strategies show bad")
    assert why in shown
    program.changes("/trades 1")
    program.kill()
    program.start()
    program.ready()
    assert "quarantined" in program.ask("/strategies list")
    program.until("/status", "ACTIVE")
    assert program.stop() == 0
    for words in (("replay",), ("replay", "--code")):
        replayed = program.run_verb(*words)
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_a_journal_keeps_what_it_promised_before_each_send(program: Program) -> None:
    """Every order that the venue has accepted is in the journal, decided before it left."""
    program.start()
    program.ready()
    program.until("/trades", "BTC")
    program.kill()
    seqs = [record.seq for record in JournalReader(program.data / "journal").records(0)]
    assert seqs == sorted(set(seqs))
