"""What is wrong with one of the user's files is said, and costs its own strategies and nothing else."""

import os
from functools import partial

import pytest

from domain.errors import ConfigError
from engine.catalogue import catalogue, check_settings, start_settings
from engine.core.guard import guarding
from engine.strategies import registry
from engine.strategies.turtle import Turtle
from tests.engine.strategies.test_registry import FLAT, write

SPEECHLESS = (
    FLAT.replace('"flat"', '"half"')
    + """
class E(BASE):
    def __str__(self): return self.x
raise E
"""
)
HEAD = "strategies:\n  - {id: mine, account: 'PAPER:main', instruments: [BTC-USDC-PERP.PAPER], "


@pytest.fixture
def settings(tmp_path):
    def settings(text: str):
        file = tmp_path / "settings.yaml"
        file.write_text(HEAD + text + "}\n")
        return file

    return settings


def test_the_users_kinds_stand_beside_the_built_in_ones(tmp_path):
    write(tmp_path, FLAT)
    found = catalogue(tmp_path)
    assert found.kinds["turtle"] is Turtle.params_type
    assert found.kinds["flat"].model_fields == {}
    assert found.broken == {}


def test_a_folder_that_is_not_there_has_the_built_in_ones(tmp_path):
    assert set(catalogue(tmp_path / "none").kinds) == set(registry.BUILT_IN)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("class Half(", "half.py, line 1: '(' was never closed"),
        (FLAT.replace('"flat"', '"half"') + "\n1 / 0\n", "ZeroDivisionError"),
        (FLAT.replace('"flat"', '"half"') + "\nraise SystemExit\n", "SystemExit"),
        (FLAT.replace('"flat"', '"half"') + "\nraise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("x = 1\n", "no class in it is a strategy"),
        (FLAT.replace('"flat"', '"turtle"'), "built-in"),
        (FLAT, "declared by another file"),
        ("(" * 5_000, "half.py"),
        (SPEECHLESS.replace("BASE", "Exception"), "E: (its text cannot be made"),
        (SPEECHLESS.replace("BASE", "BaseException"), "half.py"),
        (FLAT.replace('"flat"', '"half"') + "\nraise ValueError('x\\ud800y' * 1_000_000)\n", r"x\ud800y"),
    ],
)
def test_a_file_that_cannot_be_used_costs_its_own_kinds_and_is_named(tmp_path, source, why):
    write(tmp_path, FLAT)
    write(tmp_path, source, "half.py")
    found = catalogue(tmp_path)
    assert set(found.kinds) == {*registry.BUILT_IN, "flat"}
    assert why in found.broken["half.py"]
    assert len(found.broken["half.py"].encode()) < 1_000


def test_what_is_no_regular_file_is_named_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    found = catalogue(tmp_path)
    assert {name: text.rpartition(" is ")[2] for name, text in found.broken.items()} == {
        "folder.py": "no regular file",
        "pipe.py": "no regular file",
    }
    assert not registry.declared(tmp_path)


def test_a_file_that_never_comes_back_is_interrupted(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.catalogue.guarding", partial(guarding, load_s=0.3))
    write(tmp_path, FLAT.replace('"flat"', '"half"') + "\nwhile True:\n    pass\n", "half.py")
    assert "did not come back" in catalogue(tmp_path).broken["half.py"]


def test_an_unknown_kind_is_answered_with_the_nearest_and_a_wrong_parameter_with_its_line(tmp_path, settings):
    with pytest.raises(ConfigError, match=r"settings.yaml:2:.* 'turtel'; did you mean turtle\\?"):
        check_settings(settings("kind: turtel"), "paper", catalogue(tmp_path))
    with pytest.raises(ConfigError, match=r"settings.yaml:2:.*entry_bar.*did you mean entry_bars"):
        check_settings(settings("kind: turtle, params: {entry_bar: 3}"), "paper", catalogue(tmp_path))
    with pytest.raises(ConfigError) as refused:
        check_settings(settings("kind: nonsense"), "paper", catalogue(tmp_path))
    assert "bench" not in str(refused.value)


def test_a_parameter_model_of_the_users_that_raises_is_said_and_not_thrown(tmp_path, settings):
    bad = FLAT.replace("params_type = Params", "params_type = Bad").replace(
        "class Flat",
        "class Bad(Params):\n    def model_post_init(self, _: object) -> None:\n        1 / 0\n\n\nclass Flat",
    )
    write(tmp_path, bad)
    with pytest.raises(ConfigError, match="flat cannot check its parameters: ZeroDivisionError"):
        check_settings(settings("kind: flat"), "paper", catalogue(tmp_path))


def test_a_start_leaves_a_kind_to_quarantine_that_may_be_in_a_broken_file(tmp_path, settings):
    file = settings("kind: mine")
    with pytest.raises(ConfigError, match="no strategy kind"):
        start_settings(file, "paper", catalogue(tmp_path), has_run=False)
    write(tmp_path, "class Mine(", "mine.py")
    found = catalogue(tmp_path)
    assert start_settings(file, "paper", found, has_run=False).strategies[0].kind == "mine"
    with pytest.raises(ConfigError, match="no strategy kind"):
        check_settings(file, "paper", found)


def test_a_restart_goes_by_its_journal_whatever_became_of_the_users_files(tmp_path, settings):
    file = settings("kind: mine")
    assert start_settings(file, "paper", catalogue(tmp_path), has_run=True).strategies[0].kind == "mine"
    with pytest.raises(ConfigError, match="entry_bar"):
        start_settings(settings("kind: turtle, params: {entry_bar: 3}"), "paper", catalogue(tmp_path), has_run=True)
