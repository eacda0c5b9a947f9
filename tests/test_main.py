"""The command line as a whole."""

import os

import pytest
from typer.testing import CliRunner

import main


def test_files_are_their_users_alone_in_a_folder_that_others_may_look_into(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(main, "forbid_core_dumps", lambda: None)  # it would hold for all tests after this one
    before = os.umask(0o022)
    try:
        assert CliRunner().invoke(main.app, ["version"]).exit_code == 0
        assert os.umask(0o022) == 0o077
    finally:
        os.umask(before)
