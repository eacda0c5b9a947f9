"""What a person types and reads: a study shown, a trial run again, the page."""

from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from domain.errors import ConfigError, MoonDevError
from research.optimise import cli
from research.optimise.database import Database
from research.optimise.definition import read
from research.optimise.page import page
from tests.research.optimise.room import ready, run

TRIALS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A data folder with a study of sixteen trials."""
    path = tmp_path_factory.mktemp("cli")
    run(ready(path, runs=TRIALS, command="optimise --params <b>&"), path, runs=TRIALS)
    return path


def said(folder: Path, *arguments: str) -> str:
    app = typer.Typer()
    cli.register(app)
    app.command("nothing")(lambda: None)
    result = CliRunner().invoke(app, ["optimise", *arguments, "--data-folder", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_study_is_shown_with_its_verdict_first(folder):
    text = said(folder, "show", "crosses")
    assert text.startswith("Verdict")
    assert "buy and hold" in text
    assert "walk-forward, anchored" in text
    assert "looked at once" in text
    assert f"{TRIALS} of {TRIALS} trials" in said(folder, "ls")


def test_a_space_that_is_exhausted_ends_the_study(folder, tmp_path):
    evidence = run(ready(folder, name="small", space="fast=2..3,slow=8..9", runs=30), tmp_path, runs=30)
    assert (evidence.runs, evidence.invalid) == (4, 0)
    assert evidence.repeats >= 40


def test_a_trial_can_be_run_again_and_is_the_same(folder):
    assert "the same, order for order" in said(folder, "show", "crosses", "0", "--again")
    with pytest.raises(ConfigError, match="0 to"):
        said(folder, "show", "crosses", "999")
    with pytest.raises(ConfigError, match="there is no study 'crises'; there are: crosses"):
        said(folder, "show", "crises")


def test_a_result_that_cannot_be_had_again_is_said(folder):
    database = Database(f"sqlite:///{folder / 'studies.db'}")
    definition, trials, _ = read(database, "crosses")
    database.close()
    assert trials[0].run is not None
    forged = msgspec.structs.replace(trials[0], run=msgspec.structs.replace(trials[0].run, pnl="1000000"))
    with pytest.raises(MoonDevError, match="came out differently"):
        cli._compare(definition, forged)


def test_the_page_needs_nothing_else_and_is_the_same_twice(folder, tmp_path):
    said(folder, "report", "crosses", "--html", str(tmp_path / "a.html"), "--json", str(tmp_path / "a.json"))
    said(folder, "report", "crosses", "--html", str(tmp_path / "b.html"))
    text = (tmp_path / "a.html").read_text()
    assert text == (tmp_path / "b.html").read_text()
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    assert "&lt;b&gt;&amp;" in text
    assert text.count("<svg") >= 5
    evidence = msgspec.json.decode((tmp_path / "a.json").read_bytes())
    assert evidence["verdict"] in text.replace("&#39;", "'")


def test_the_page_of_a_study_without_a_judged_trial_says_why(folder, tmp_path):
    evidence = run(ready(folder, name="none", least_trades=10_000, runs=3), tmp_path, runs=3)
    database = Database(f"sqlite:///{tmp_path / 'studies.db'}")
    definition, trials, _ = read(database, "none")
    database.close()
    text = page(definition, trials, evidence)
    assert "Nothing to choose" in text
    assert "at least 10000 are asked for" in text


def test_a_studys_name_is_no_path(folder):
    with pytest.raises(ConfigError, match="make a name"):
        ready(folder, name="../up")
