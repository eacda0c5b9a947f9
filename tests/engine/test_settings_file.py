"""A settings file is written whole, checked before, with the old one beside it; `run` takes a data folder's own."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import ConfigError
from engine.config import remembered
from engine.settings_file import KEPT_BACKUPS, SettingsFile, backtest_words, file_of, own_file

PERSONS = [{"id": "anna", "role": "admin"}, {"id": "bob", "role": "risk"}]


def test_a_change_is_shown_before_and_written_whole_after_with_a_copy(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "settings.yaml", tmp_path)
    first = file.draft({("persons",): PERSONS})
    assert "+  - {id: anna, role: admin}" in first.lines
    assert not file.path.exists()
    assert file.write(first) is None
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert remembered(tmp_path) == file.path
    before = file.path.read_text()
    copy = file.write(file.draft({("gateway", "port"): 9000}))
    assert copy is not None
    assert copy.read_text() == before
    assert file.config().gateway.port == 9000
    assert file.write(file.draft({("gateway", "port"): 9000})) is None
    for port in range(9001, 9004 + KEPT_BACKUPS):
        file.write(file.draft({("gateway", "port"): port}))
    assert len(file.backups()) == KEPT_BACKUPS
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_what_a_start_would_refuse_is_not_written_and_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("gateway:\n  port: 9000\n")
    file = SettingsFile(path, tmp_path)
    with pytest.raises(ConfigError, match=r"mine.yaml:2:9: gateway.port"):
        file.draft({("gateway", "port"): 99999})
    assert path.read_text() == "gateway:\n  port: 9000\n"


@pytest.fixture
def private_umask() -> Iterator[None]:
    """As every verb sets it."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("private_umask")
def test_a_link_is_followed_and_the_mode_of_the_file_stays(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("gateway: {port: 9000}\n")
    real.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(real)
    file = SettingsFile(link, tmp_path)
    file.write(file.draft({("gateway", "port"): 9001}))
    assert link.is_symlink()
    assert real.read_text() == "gateway: {port: 9001}\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_which_file_belongs_to_a_data_folder(tmp_path: Path) -> None:
    own = tmp_path / "settings.yaml"
    assert own_file(tmp_path) is None
    assert file_of(tmp_path, None) == own
    own.write_text("{}\n")
    assert own_file(tmp_path) == own
    file = SettingsFile(own, tmp_path)
    file.write(file.draft({("gateway", "port"): 9000}))
    assert backtest_words(tmp_path)[-2:] == ("--config", str(own))
    assert file_of(tmp_path, tmp_path / "other.yaml") == tmp_path / "other.yaml"
