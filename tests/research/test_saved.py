"""A result on disk is the result."""

import errno
from pathlib import Path

import pytest

from domain.errors import ConfigError
from research.result import Outcome
from research.runs import keep, listed
from research.saved import Record, read_record, write_whole
from research.summary import as_json
from tests.research.test_backtest import backtested, bar_file


def test_a_result_that_was_written_is_read_as_it_was(tmp_path):
    outcome = backtested(bar_file(tmp_path))
    path = tmp_path / "runs" / "one.json"
    write_whole(path, as_json(outcome))
    assert read_record(path) == Record(result=outcome.result, change="")
    assert as_json(Outcome(result=read_record(path).result, wall_s=outcome.wall_s)) == path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["one.json"]


def test_what_is_no_result_is_refused_in_words(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_record(path)
    for text in ("{", "[]", '{"strategy": 1}', "\xff"):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(ConfigError, match="is no result of this version's"):
            read_record(path)


def test_a_full_disk_leaves_what_was_there_and_no_half_of_what_was_to_be(tmp_path, monkeypatch):
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "one.json"
    write_whole(path, b"before")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"after")
    assert [file.name for file in tmp_path.iterdir()] == ["one.json"]
    assert path.read_bytes() == b"before"


def test_a_result_that_another_run_deletes_meanwhile_is_no_failure_of_this_one(tmp_path):
    outcome = backtested(bar_file(tmp_path))
    keep(tmp_path, outcome)
    (tmp_path / "runs" / "gone.json").symlink_to(tmp_path / "nothing")  # seen, and gone when it is looked at
    keep(tmp_path, outcome)
    assert [kept.run_id for kept in listed(tmp_path)] == [outcome.result.provenance.run_id]
