"""Environments by the names that people use: which folder is meant, and that none is taken for another."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import ConfigError
from domain.settings import Environment, Settings
from engine.config import load_config, remember
from engine.config.remember import check_environment
from engine.core.state import State
from engine.environments import with_environment


@pytest.mark.parametrize(
    ("name", "folder"),
    [("dev", "paper"), ("paper", "paper"), ("staging", "testnet"), ("prod", "live"), ("PROD", "live")],
)
def test_a_name_is_a_data_folder_of_its_own(name: str, folder: str) -> None:
    assert with_environment(["halt", "--env", name]) == ["halt", "--data", f".moondev/{folder}"]
    assert with_environment([f"--env={name}", "halt", "--as", "tina"])[-2:] == ["--data", f".moondev/{folder}"]


def test_a_line_without_it_is_left_alone() -> None:
    assert with_environment(["run", "--port", "0"]) == ["run", "--port", "0"]


@pytest.mark.parametrize("line", [["halt", "--env", "production"], ["halt", "--env"], ["backtest", "--env", "dev"]])
def test_what_is_no_environment_or_has_none_is_refused(line: list[str]) -> None:
    with pytest.raises(ConfigError):
        with_environment(line)


def test_settings_of_another_environment_are_not_started_under_its_name(tmp_path: Path) -> None:
    file = tmp_path / "staging.yaml"
    file.write_text("environment: testnet\n")
    assert with_environment(["run", "--config", str(file), "--env", "staging"])[-1] == ".moondev/testnet"
    with pytest.raises(ConfigError, match="says live, but the settings are for testnet"):
        with_environment(["run", "--config", str(file), "--env", "prod"])
    with pytest.raises(ConfigError, match="says testnet, but the settings are for paper"):
        with_environment(["run", "--env", "staging"])
    remember(tmp_path, file)
    assert with_environment(["halt", "--data", str(tmp_path), "--env", "staging"])[1:] == ["--data", str(tmp_path)]
    with pytest.raises(ConfigError, match="says paper"):
        with_environment(["halt", "--data", str(tmp_path), "--env", "dev"])


def test_a_folders_own_settings_count_where_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("environment: testnet\n")
    line = ["run", "--data", str(tmp_path), "--env"]
    assert with_environment([*line, "staging"]) == line[:-1]
    with pytest.raises(ConfigError, match="says live, but the settings are for testnet"):
        with_environment([*line, "prod"])


def test_a_data_folder_of_one_environment_does_not_start_as_another() -> None:
    config = load_config(None)
    other = State(epoch=3, settings=Settings(environment=Environment.TESTNET))
    with pytest.raises(ConfigError, match="is the data folder of testnet, and these settings are for paper"):
        check_environment(Path("somewhere"), other, config)
    check_environment(Path("somewhere"), State(), config)
    check_environment(Path("somewhere"), State(epoch=3, settings=config.to_settings()), config)
