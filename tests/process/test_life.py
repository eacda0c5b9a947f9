"""Starting, stopping and starting again: what a person at the keyboard can count on."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from domain.codec import decode_event
from domain.events import EngineStopped
from engine.core.journal import JournalReader, SnapshotStore, verify
from tests.process.program import QUICK, Program

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path, forked=True)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def rows(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table of a projection, but for the moment at which it was written."""
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        names = [name for name in inspect(engine).get_table_names() if name != "alembic_version"]
        return {name: sorted(map(tuple, connection.execute(text(f"SELECT * FROM {name}")))) for name in names}


def test_sigterm_stops_cleanly_with_a_snapshot_and_the_next_start_replays_nothing(program: Program) -> None:
    program.forked = False
    program.start()
    program.ready()
    program.until("/trades", "BTC")
    assert program.stop() == 0, program.output()
    snapshot = SnapshotStore(program.data / "journal" / "snapshots").load()
    records = list(JournalReader(program.data / "journal").records(0, market=False))
    (stopped,) = [record.seq for record in records if isinstance(decode_event(record.payload), EngineStopped)]
    assert snapshot is not None
    assert snapshot.seq >= stopped
    assert verify(program.data / "journal").ok
    program.start()
    program.ready()
    recovered = re.findall(r"Recovered  (\d+) events after the snapshot", program.output())
    assert int(recovered[-1]) < 20, "only what the venue said in the very last moment"
    assert program.stop() == 0


def test_a_second_instance_on_the_same_folder_is_refused_and_disturbs_nobody(program: Program) -> None:
    program.start()
    program.ready()
    second = subprocess.run(
        program.verb("run", "--config", str(program.file)), capture_output=True, text=True, timeout=60, check=False
    )
    assert second.returncode == 1
    assert "Traceback" not in second.stderr
    assert "another process" in second.stderr or "another writer" in second.stderr, second.stderr
    assert str(program.data) in second.stderr
    assert "ACTIVE" in program.until("/status", "ACTIVE")


def test_a_second_instance_changes_nothing_that_the_watchdog_of_the_first_reads(program: Program) -> None:
    program.start()
    program.ready()
    program.until("/jobs", "No jobs")  # the chat's database is open: its files come and go no more
    before = {path.name for path in program.data.iterdir()} | {(program.data / "settings-file").read_text()}
    second = subprocess.run(
        program.verb("run", "--venue", "hyperliquid-local"), capture_output=True, text=True, timeout=60, check=False
    )
    after = {path.name for path in program.data.iterdir()} | {(program.data / "settings-file").read_text()}
    assert second.returncode == 1
    assert f"another process runs on {program.data} already: stop it first" in second.stderr
    assert after == before


def test_halted_stays_halted_through_kill_9_until_the_quorum_resumes(program: Program) -> None:
    program.start()
    program.ready()
    program.until("/trades", "BTC")
    assert "HALTED" in program.ask("/halt the night is over")
    program.kill()
    program.start()
    assert "HALTED" in program.ready()
    assert "the night is over" in program.ask("/status")
    time.sleep(2)
    assert "HALTED" in program.ask("/status")
    request = next(
        word for word in program.ask("/resume", "rosa").split() if word.startswith("R") and word[1:].isdigit()
    )
    program.ask(f"/approve {request}", "adam")
    assert "ACTIVE" in program.until("/status", "ACTIVE")


def test_the_verb_halt_halts_a_running_service(program: Program) -> None:
    program.start()
    program.ready()
    done = program.run_verb("halt", "--reason", "from the shell")
    assert done.returncode == 0
    assert "HALTED" in done.stdout
    assert "HALTED" in program.ask("/status")


def test_a_verb_without_a_service_says_what_to_start(program: Program) -> None:
    program.data.mkdir()
    done = program.run_verb("halt")
    assert done.returncode == 1
    assert "start it with" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_projection_rebuilt_from_the_journal_is_the_one_that_grew_live(program: Program) -> None:
    for _ in range(2):
        program.start()
        program.ready()
        program.until("/trades", "BTC")
        time.sleep(1)
        program.kill()
    program.start()
    program.ready()
    program.until("/status", "ACTIVE")
    assert program.stop() == 0
    live = rows(program.data / "projection.db")
    done = program.run_verb("rebuild")
    assert done.returncode == 0, done.stderr
    rebuilt = rows(program.data / "projection.db")
    assert set(live) == set(rebuilt)
    for name, content in live.items():
        assert content == rebuilt[name], name
    assert any(live.values())


def test_changed_settings_are_shown_and_not_taken_over_in_silence(program: Program) -> None:
    program.start()
    program.ready()
    assert program.stop() == 0
    program.file.write_text(QUICK.replace("messages_per_window: 500", "messages_per_window: 77"))
    program.start()
    program.ready()
    assert "messages_per_window" in program.output()
    assert "stay" in program.output()
