"""The program's own projection, written live across a kill and a clean stop, equals one rebuilt from its journal."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.observe.build import ROOMS, ROOT
from engine.storage import schema

SETTINGS = "data_feed: {source: synthetic}\ngateway: {port: 0}\nexecution: {equity_sample: 1s}\n"


def copy_of_the_program(folder: Path) -> Path:
    """A copy that nobody edits: a journal of two builds is another story."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "main.py", folder)
    return folder


def run_until(program: Path, data: Path, settings: Path, enough, how: signal.Signals) -> None:
    """Run the service until `enough` is stored, then end it."""
    command = [sys.executable, "main.py", "run", "--config", str(settings), "--data", str(data)]
    with (data.parent / "output").open("ab") as output:
        service = subprocess.Popen(command, cwd=program, stdout=output, stderr=output)
        try:
            end = time.monotonic() + 45
            while not enough(data / "projection.db"):
                assert service.poll() is None, (data.parent / "output").read_text()
                assert time.monotonic() < end, "the service stored nothing"
                time.sleep(0.2)
        finally:
            service.send_signal(how)
            service.wait(30)


def count(file: Path, table: str) -> int:
    try:
        with sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True) as connection:
            found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        connection.close()
    except sqlite3.Error:
        return 0
    return int(found)


def rows(file: Path) -> dict:
    connection = sqlite3.connect(file)
    found = {t.name: sorted(connection.execute(f"SELECT * FROM {t.name}"), key=repr) for t in schema.PROJECTED}
    connection.close()
    return found


@pytest.mark.process
@pytest.mark.timeout(150)
def test_what_the_program_stored_equals_what_its_journal_tells(tmp_path):
    program = copy_of_the_program(tmp_path / "program")
    data = tmp_path / "data"
    settings = tmp_path / "settings.yaml"
    settings.write_text(SETTINGS)

    def traded(file: Path) -> bool:
        return count(file, "orders") >= 2 and count(file, "equity") >= 3

    run_until(program, data, settings, traded, signal.SIGKILL)
    before = count(data / "projection.db", "equity")
    run_until(program, data, settings, lambda file: count(file, "equity") >= before + 3, signal.SIGINT)
    live = rows(data / "projection.db")
    assert live["orders"]
    assert live["commands"]
    command = [sys.executable, "main.py", "rebuild", "--data", str(data)]
    done = subprocess.run(command, cwd=program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rows(data / "projection.db") == live
