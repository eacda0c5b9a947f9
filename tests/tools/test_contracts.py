"""The import floors hold, and a planted import that breaks one is caught and named."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools.check import LINT_IMPORTS

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]


def empty_house(folder: Path) -> None:
    """Copy the contracts, and the layout as empty packages."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "contracts.py", folder / "tools")
    for module in ["engine/core", "engine/strategies", "engine/indicators", "exchanges/paper", "exchanges/bybit"]:
        (folder / module).mkdir(parents=True)
        (folder / module / "__init__.py").touch()
    for room in [*ROOMS, "tools"]:
        (folder / room).mkdir(exist_ok=True)
        (folder / room / "__init__.py").touch()
    (folder / "engine" / "desk.py").touch()


def lint(folder: Path) -> tuple[int, str]:
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(folder), *site()]!r}; {LINT_IMPORTS}"]
    done = subprocess.run([*command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def site() -> list[str]:
    """Name the installed packages' folder; without the repository, whose rooms would hide the planted ones."""
    return [path for path in sys.path if path.endswith("site-packages")]


@pytest.mark.parametrize(
    ("importer", "imported", "contract"),
    [
        ("domain/a.py", "risk", "Imports point down"),
        ("risk/a.py", "engine", "Imports point down"),
        ("engine/a.py", "exchanges", "Imports point down"),
        ("exchanges/a.py", "vault", "Imports point down"),
        ("bot/a.py", "gateway", "Imports point down"),
        ("bot/a.py", "risk", "know the nouns and the desk"),
        ("gateway/a.py", "exchanges.paper", "know the nouns and the desk"),
        ("bot/a.py", "engine.core", "know the nouns and the desk"),
        ("engine/strategies/a.py", "engine.core", "Strategies know"),
        ("engine/strategies/a.py", "risk", "Strategies know"),
        ("engine/indicators/a.py", "engine.strategies", "Indicators know"),
        ("research/a.py", "exchanges.bybit", "research knows"),
    ],
)
def test_a_planted_import_breaks_its_contract(tmp_path, importer, imported, contract):
    empty_house(tmp_path)
    (tmp_path / importer).write_text(f"import {imported}\n")
    code, output = lint(tmp_path)
    assert code == 1, output
    broken = [line for line in output.splitlines() if line.endswith("BROKEN")]
    assert any(contract in line for line in broken), output


def test_what_the_design_allows_is_kept(tmp_path):
    empty_house(tmp_path)
    (tmp_path / "engine" / "desk.py").write_text("import risk, engine.core\n")
    (tmp_path / "bot" / "a.py").write_text("from engine import desk\nimport domain\n")
    (tmp_path / "engine" / "strategies" / "a.py").write_text("import domain, engine.indicators\n")
    (tmp_path / "research" / "a.py").write_text("import exchanges.paper, engine.core, risk\n")
    code, output = lint(tmp_path)
    assert code == 0, output
