"""Golden journal: the same records lead to the same orders, fills, verdicts and cash, on every hash seed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.core.journal import JournalReader, verify
from engine.core.journal.memory import MemoryJournal
from engine.core.recovery import recover
from engine.core.state import State
from engine.replay import replay_folder
from tests.engine.core.golden import FOLDER, outcome
from tests.engine.core.test_resume import with_code
from tests.needs import ROOT

CHILD = """
import json, sys
from tests.engine.core.golden import FOLDER, outcome
from engine.core.recovery import state_hash
from engine.replay import replay_folder
codeless, coded = replay_folder(FOLDER), replay_folder(FOLDER, with_code=True)
assert codeless.ok and coded.ok
outcomes = [outcome(FOLDER, with_code=code) for code in (False, True)]
print(json.dumps([*outcomes, codeless.state_hash, coded.state_hash]))
"""


def expected() -> dict[str, Any]:
    wanted: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())
    return wanted


@pytest.mark.parametrize("code", [False, True], ids=["from the record", "with the code"])
def test_the_golden_journal_leads_where_it_led_when_it_was_recorded(code: bool) -> None:
    assert outcome(FOLDER, with_code=code) == expected()


def test_it_is_worth_replaying() -> None:
    counts = expected()["counts"]
    assert {"Place", "Cancel", "Query", "FillBooked", "Refused", "RequestChanged", "TradingStateChanged"} <= set(counts)
    assert counts["FillBooked"] > 15


@pytest.mark.process
def test_the_hash_seed_of_python_changes_nothing() -> None:
    """Sets and dictionaries of strings iterate in another order under each of these."""
    answers = []
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    assert answers[0] == answers[1] == answers[2]
    codeless, coded, codeless_hash, coded_hash = answers[0]
    assert codeless == coded == expected()
    assert codeless_hash == coded_hash


def test_its_chain_is_whole(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "golden")
    assert verify(tmp_path / "golden").ok


def test_a_replay_stops_where_it_is_told_and_says_what_was_known() -> None:
    report = replay_folder(FOLDER, until_seq=200)
    assert report.seq <= 200
    assert report.knew["status"]["trading_state"] == "active"
    whole = replay_folder(FOLDER)
    assert whole.seq > 200
    assert whole.knew["status"]["trading_state"] == "halted"
    at = replay_folder(FOLDER, until_ns=report.ts_ns)
    assert at.state_hash == report.state_hash


def test_the_build_that_wrote_it_is_named() -> None:
    assert "Written by build" in replay_folder(FOLDER).note


def test_another_build_takes_its_books_and_steps_none_of_its_events() -> None:
    journal = MemoryJournal()
    for record in JournalReader(FOLDER).records(0):
        journal.append(record.stream, record.seq, record.ts_ns, record.payload)
    stepped = with_code(State())
    core, found = recover(journal, lambda state: stepped, "another build")
    assert not found.same_build
    assert core.state.effects_hash == b"", "no event was stepped, so nothing was emitted"
    assert {name: str(account.cash) for name, account in core.state.accounts.items()} == expected()["cash"]
    assert core.state.latched.value == "halted", "a flatten was its last command"
