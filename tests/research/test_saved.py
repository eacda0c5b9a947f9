"""A result on disk is the result."""

import pytest

from domain.errors import ConfigError
from research.result import Outcome
from research.saved import read_result, write_whole
from research.summary import as_json
from tests.research.test_backtest import backtested, bar_file


def test_a_result_that_was_written_is_read_as_it_was(tmp_path):
    outcome = backtested(bar_file(tmp_path))
    path = tmp_path / "runs" / "one.json"
    write_whole(path, as_json(outcome))
    assert read_result(path) == outcome.result
    assert as_json(Outcome(result=read_result(path), wall_s=outcome.wall_s)) == path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["one.json"]


def test_what_is_no_result_is_refused_in_words(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_result(path)
    for text in ("{", "[]", '{"strategy": 1}', "\xff"):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(ConfigError, match="is no result of this version's"):
            read_result(path)
