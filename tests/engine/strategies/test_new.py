"""A new strategy works and its tests pass before its author has changed a letter; a package's are found unrun."""

import ast
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from domain.desired import NOTHING, Strength
from domain.errors import StrategyError
from engine.strategies import new, packages, registry
from engine.strategies.testing import BTC, Bench

ROOT = Path(__file__).parents[3]


def test_what_is_written_passes_its_own_tests(tmp_path: Path) -> None:
    files = new.write("my_breakout", tmp_path)
    assert "my_breakout" in registry.kinds(tmp_path)
    assert registry.load("my_breakout", tmp_path).strategy.__name__ == "MyBreakout"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(files.test)]
    bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "5 passed" in ran.stdout


def test_what_is_written_is_warm_after_its_own_warm_up_even_where_a_market_has_just_calmed_down(tmp_path: Path) -> None:
    strategy = registry.load_file(new.write("my_breakout", tmp_path).strategy).strategy.build([BTC], {})
    longer, shorter = Bench(strategy), Bench(strategy)
    longer.closes(*[10_000.0 + 100 * (i % 2) for i in range(200)])
    for bench in (longer, shorter):
        bench.view.warming = True
        bench.closes(*[10_000.0 + i % 2 for i in range(strategy.warmup())])
        bench.view.warming = False
    # the next close is a crossing for both: the distance of the stop, and with it the size, follow from the ATR
    first, second = longer.closes(9_990.0), shorter.closes(9_990.0)
    distances = [
        each.targets[0].want.stop_distance for each in (first, second) if isinstance(each.targets[0].want, Strength)
    ]
    assert distances == pytest.approx([distances[0]] * 2, rel=0.02)


def test_each_part_of_what_is_written_says_what_it_is_for(tmp_path: Path) -> None:
    tree = ast.parse(new.write("grid2", tmp_path).strategy.read_text())
    parts = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    assert len(parts) > 5
    assert all(ast.get_docstring(part) for part in parts)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Turtle", "lower-case"),
        ("", "lower-case"),
        ("a" * 41, "lower-case"),
        ("../oops", "lower-case"),
        ("class", "cannot be the name"),
        ("turtle", "there is a strategy 'turtle' already"),
        ("manual", "already"),
        ("bench_quoter", "already"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(StrategyError, match=why):
        new.write(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "tests" / "test_mine.py"
    mine.parent.mkdir()
    mine.write_text("precious")
    with pytest.raises(StrategyError, match="was not touched"):
        new.write("mine", tmp_path)
    assert mine.read_text() == "precious"
    assert not (tmp_path / "mine.py").exists()


@pytest.mark.parametrize("name", ["none", "target", "struct", "wake", "sma", "a__b_"])
def test_a_class_is_not_called_what_the_text_means_something_else_by(tmp_path: Path, name: str) -> None:
    strategy = registry.load_file(new.write(name, tmp_path).strategy).strategy
    assert strategy.__name__ == {"a__b_": "AB"}.get(name, f"Own{name.capitalize()}")
    bench = Bench(strategy.build([BTC], {"bars": 3, "atr_bars": 2}))
    bench.closes(*[110.0 - i for i in range(12)])
    entry = bench.closes(120.0).targets[0].entry
    bench.fill(1, 120.0, 0.5, entry)
    assert bench.fill(-1, 100.0, 0.5, entry, protective=True) is NOTHING


def test_what_cannot_be_written_whole_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, mode: str = "r", encoding: str | None = None, errors: str | None = None) -> IO[str]:
        if path.name.startswith("test_"):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, mode, encoding=encoding, errors=errors)

    real = Path.open
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StrategyError, match=r"test_mine\.py cannot be written: No space left"):
        new.write("mine", tmp_path)
    monkeypatch.undo()
    (tmp_path / "mine.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(StrategyError, match="is there already"):
        new.write("mine", tmp_path)
    (tmp_path / "mine.py").unlink()
    assert new.write("mine", tmp_path).test.is_file()


def named(folder: Path, package: str, *names: str) -> None:
    """What pip leaves of a package with entry points."""
    about = folder / f"{package}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("\n".join(("[moondev.strategies]", *names)))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `acme` with an entry point, as pip leaves one; importing it would end the test."""
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('the package was run')\n")
    source = new.write("steady", tmp_path / "draft").strategy.read_text()
    (package / "steady.py").write_text(source)
    named(tmp_path, "acme", "steady = acme.steady:Steady", "gone = acme.gone:Gone", "other = acme.steady:Steady")
    monkeypatch.syspath_prepend(str(tmp_path))
    packages.packaged.cache_clear()
    yield package
    packages.packaged.cache_clear()


def test_a_package_brings_kinds_and_is_not_run_for_it(installed: Path) -> None:
    assert {"steady", "gone", "other"} < set(registry.kinds())
    loaded = registry.load("steady")
    assert loaded.origin == str(installed / "steady.py")
    assert loaded.strategy.source == loaded.source, "it is journaled like a file of the user's"
    assert "acme" not in sys.modules


def test_a_file_of_the_user_comes_before_the_package_that_claims_its_name(installed: Path, tmp_path: Path) -> None:
    own = tmp_path / "draft"
    assert registry.load("steady", own).origin == str(own / "steady.py")
    assert registry.kinds(own).count("steady") == 1


def test_what_a_package_does_wrong_is_said_when_it_is_loaded(installed: Path) -> None:
    with pytest.raises(StrategyError, match=r"package acme: strategy 'gone': acme\.gone is no Python file"):
        registry.load("gone")
    with pytest.raises(StrategyError, match="calls it 'other', its class says kind = 'steady'"):
        registry.load("other")
    (installed / "steady.py").write_text("import socket\n")
    with pytest.raises(StrategyError, match="may not import 'socket'"):
        registry.load("steady")


def test_packages_that_break_or_quarrel_cost_their_own_kinds_alone(installed: Path) -> None:
    named(installed.parent, "broken", "a line that says nothing")
    named(installed.parent, "odd", "manual = a:B", "Bad <b> = a:B", "far = acme./etc/passwd:X", "void = :X")
    named(installed.parent, "rival", "steady = rival.steady:Steady")
    packages.packaged.cache_clear()
    assert {"steady", "far", "void"} < set(registry.kinds())
    assert not {"manual", "Bad <b>"} & set(registry.kinds())
    with pytest.raises(StrategyError, match="'steady' is in the packages acme and rival: uninstall one"):
        registry.load("steady")
    for name in ("far", "void"):
        with pytest.raises(StrategyError, match=f"package odd: strategy '{name}'"):
            registry.load(name)


def test_a_package_that_is_uninstalled_while_it_runs_is_said(installed: Path) -> None:
    registry.load("steady")
    shutil.rmtree(installed)
    with pytest.raises(StrategyError, match=r"acme\.steady is no Python file of an installed package"):
        registry.load("steady")
