"""A missing component is a skip that says why, and a failure in CI; missing recorded data is only ever a skip."""

import pytest

from tests import needs


def test_a_missing_component_is_a_skip_at_home(monkeypatch):
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="apt install"):
        needs.require(present=False, reason="no Chromium: apt install chromium")


def test_a_missing_component_is_a_failure_in_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt install"):
        needs.require(present=False, reason="no Chromium: apt install chromium")


def test_missing_recorded_data_is_a_skip_even_in_ci(monkeypatch, tmp_path):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("MOONDEV_DATA_DIR", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="MOONDEV_DATA_DIR"):
        needs.recorded_data("candles")


def test_recorded_data_is_found_where_the_variable_says(monkeypatch, tmp_path):
    (tmp_path / "l2").mkdir()
    monkeypatch.setenv("MOONDEV_DATA_DIR", str(tmp_path))
    assert needs.recorded_data("l2") == tmp_path / "l2"
