"""What is on disk is lost, cut, moved or damaged: the real program says so and does not trade on as if nothing was."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import require
from tests.process.program import QUICK, Program
from tests.process.test_bad_days import mount_small_disk

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path, QUICK, forked=True)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def traded(program: Program) -> None:
    program.start()
    program.ready()
    program.until("/trades", "BTC")


def test_an_older_copy_of_the_journal_starts_halted_and_is_told(program: Program) -> None:
    traded(program)
    program.kill()
    journal = program.data / "journal"
    shutil.copytree(journal, program.data.parent / "older")
    program.start()
    program.ready()
    program.until("/orders", "-2-")
    assert "HALTED" in program.ask("/halt")
    program.until("/status", "HALTED")
    assert program.stop() == 0
    shutil.rmtree(journal)
    shutil.copytree(program.data.parent / "older", journal)
    audit = program.run_verb("audit", "verify")
    assert audit.returncode == 1
    assert "the projection" in audit.stdout
    program.start()
    program.ready()
    status = program.until("/status", "HALTED")
    assert "the end of the journal was lost" in " ".join(status.split())
    assert "run 3" in program.output(), "run 2 has sent orders, though this journal does not know it"
    assert program.stop() == 0
    audit = program.run_verb("audit", "verify")
    assert audit.returncode == 1
    assert "NOT WHOLE" in audit.stdout
    replayed = program.run_verb("replay")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_removed_market_data_stops_no_start_and_no_audit(program: Program) -> None:
    program.file.write_text(QUICK + "journal: {segment_mib: 1}\n")
    traded(program)
    assert program.stop() == 0
    for path in (program.data / "journal").glob("market-*.journal"):
        path.unlink()
    audit = program.run_verb("audit", "verify")
    assert audit.returncode == 0, audit.stdout
    assert "missing" in audit.stdout
    head = re.search(r"head +seq (\d+ \w+)", audit.stdout)
    assert head
    assert program.run_verb("audit", "verify", "--head", head[1]).returncode == 0
    forged = program.run_verb("audit", "verify", "--head", head[1].translate(str.maketrans("0123abcd", "1032badc")))
    assert forged.returncode == 1
    program.start()
    program.ready()
    program.until("/status", "ACTIVE")
    program.changes("/trades 1")
    assert program.stop() == 0
    replayed = program.run_verb("replay")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "is gone" in replayed.stdout
    early = program.run_verb("replay", "--seq", "20")
    assert early.returncode == 1
    assert "Put the segment back" in early.stderr
    assert program.run_verb("rebuild").returncode == 1


def test_verbs_use_the_file_and_the_database_of_the_last_start(program: Program) -> None:
    elsewhere = program.data.parent / "elsewhere.db"
    program.file.write_text(QUICK + f"storage: {{url: 'sqlite:///{elsewhere}'}}\n")
    traded(program)
    assert program.stop() == 0
    assert elsewhere.exists()
    elsewhere.unlink()
    rebuilt = program.run_verb("rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert elsewhere.name in rebuilt.stdout
    assert elsewhere.exists()
    assert not (program.data / "projection.db").exists()
    looked = program.run_verb("doctor")
    assert program.file.name in looked.stdout
    assert elsewhere.name in looked.stdout


def test_a_damaged_venue_memory_is_said_with_its_place_and_not_traded_on(program: Program) -> None:
    traded(program)
    program.kill()
    store = program.data / "paper-exchange"
    content = bytearray(store.read_bytes())
    content[len(content) // 3] ^= 0x10
    store.write_bytes(content)
    refused = program.run_verb("run", "--config", str(program.file))
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "paper-exchange" in refused.stderr
    assert "byte" in refused.stderr
    assert store.read_bytes() == bytes(content), "evidence is not changed"


def test_a_venue_that_forgot_is_believed_held_and_asked_about(program: Program) -> None:
    traded(program)
    for strategy in ("turtle", "quoter"):
        program.ask(f"/strategies pause {strategy}")
    program.sure("/order buy SOL 1")
    program.until("/positions", "by hand")
    program.kill()
    (program.data / "paper-exchange").unlink()
    program.start()
    program.ready()
    status = program.until("/status", "our books said")
    assert "REDUCING" in status
    program.until("/positions", "No open positions")  # each position is believed when it has differed twice


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *[(name, "kind") for name in ("console.sock", "moondev.log", "journal", "paper-exchange", "settings-file")],
        *[(name, "unwritable") for name in ("moondev.log", "journal", "paper-exchange.new")],
    ],
)
def test_what_cannot_be_written_is_one_sentence(program: Program, name: str, how: str) -> None:
    path = program.data / name
    program.data.mkdir(mode=0o700)
    if how == "unwritable":
        path.symlink_to("/nowhere/at/all")
    elif name == "journal":
        path.write_text("no folder")
    else:
        (path / "in the way").mkdir(parents=True)
    refused = program.run_verb("run", "--config", str(program.file))
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
    assert name.removesuffix(".new") in refused.stderr
    assert len(refused.stderr.strip().splitlines()) <= 3


def test_on_a_full_disk_trading_halts_and_people_still_flatten_make_room_and_resume(program: Program) -> None:
    require(mount_small_disk(program.data, 48), "mounting a small disk needs root")
    try:
        program.file.write_text(QUICK + "journal: {reserve_mib: 12}\n")
        traded(program)
        with contextlib.suppress(OSError):  # what the service wrote meanwhile may have taken the rest
            (program.data / "ballast").write_bytes(bytes(shutil.disk_usage(program.data).free - 100_000))
        status = program.until("/status", "HALTED")
        assert "the disk is full" in " ".join(status.split())
        assert "closing" in program.ask("/flatten")
        program.until("/positions", "No open positions")
        assert "HALTED" in program.ask("/halt")
        (program.data / "ballast").unlink()
        assert "acknowledged by tina" in program.ask("/incident ack")
        program.ask("/incident recover", "rosa")
        program.until("/incident", "recovered")
        request = re.search(r"/approve (R\d+)", program.ask("/resume", "adam"))
        assert request
        for person in ("rosa", "adam"):
            program.ask(f"/approve {request[1]}", person)
        program.until("/status", "ACTIVE")
        program.changes("/trades 1")
        assert program.stop() == 0
        assert program.run_verb("audit", "verify").returncode == 0
        replayed = program.run_verb("replay")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    finally:
        program.kill()
        subprocess.run(["umount", "-l", str(program.data)], check=False)


def test_a_kill_after_a_halt_costs_no_rebuild_of_the_projection(program: Program) -> None:
    traded(program)
    snapshots = program.data / "journal" / "snapshots"
    before = set(snapshots.glob("*"))
    program.ask("/halt")
    end = time.monotonic() + 20
    while not set(snapshots.glob("*")) - before:
        assert time.monotonic() < end, "no snapshot of what people decided"
        time.sleep(0.1)
    program.kill()
    program.start()
    program.ready()
    program.until("/status", "HALTED")
    assert program.stop() == 0
    assert "projection is rebuilt" not in program.output()
    assert program.run_verb("doctor").stdout.count("incomplete") == 0
