"""What docs/api.md tells people to type is typed here, against a running service."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.access import Scope
from gateway.access.refuse import refuse
from gateway.views import VIEWS
from tests.gateway.served import Served, served_gateway

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_gateway(tmp_path_factory.mktemp("served")) as made:
        yield made


@pytest.fixture
def desk(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a token in it, where the examples are tried."""
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text(served.token("tina", Scope.READ, Scope.TRADE))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_program_in_python_does_what_it_says(served: Served, desk: Path, capsys: pytest.CaptureFixture[str]):
    [program] = blocks("python")
    exec(program, {"URL": served.url})
    said = capsys.readouterr().out
    assert "sent" in said or "filled" in said, said


def test_the_lines_for_curl_do_what_they_say(served: Served, desk: Path):
    [script] = blocks("sh")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"PATH": os.environ["PATH"], "URL": served.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"environment":"paper"' in done.stdout
    assert "HALTED" in done.stdout


def test_every_view_and_every_code_is_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z][a-z_.-]+)`", text))
    assert set(VIEWS) - named == set()
    source = "\n".join(file.read_text() for file in (PAGE.parents[1] / "gateway").rglob("*.py"))
    codes = set(re.findall(rf"{refuse.__name__}\([^\"]*\"([a-z_]+)\"", source))
    assert codes - named == set(), codes
