"""The front door: versions, stamps, interrupted and concurrent first starts, failures that say what to do."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
VERSION = sys.version_info[:2]
ECHO = "import sys\nprint('main', *sys.argv[1:])\n"


def load() -> ModuleType:
    loader = SourceFileLoader("moondev_bootstrap", str(ROOT / "moondev"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


moondev = load()


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose locks hold no packages, so that setting it up takes a moment."""
    shutil.copy(ROOT / "moondev", tmp_path)
    (tmp_path / "main.py").write_text(ECHO)
    (tmp_path / "requirements.lock").write_text("# no packages\n")
    (tmp_path / "requirements-dev.lock").write_text("# no packages either\n")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").touch()
    (tmp_path / "tools" / "check.py").write_text("import os, sys\nprint('check', os.getcwd(), *sys.argv[1:])\n")
    return tmp_path


@pytest.fixture
def with_uv(tmp_path_factory):
    """A PATH on which `uv` exists but must not be needed, so that no pip is unpacked."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "uv").write_text("#!/bin/sh\nexit 0\n")
    (folder / "uv").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}


def command(checkout: Path, *args: str) -> list[str]:
    return [sys.executable, str(checkout / "moondev"), *args]


def start(checkout: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(checkout, *args), env=env, cwd="/", capture_output=True, text=True, timeout=50, check=False
    )


@pytest.mark.parametrize(("version", "fine"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)])
def test_only_the_supported_pythons_are_accepted_and_others_are_told_what_to_install(version, fine):
    problem = moondev.version_problem(version)
    assert (problem == "") == fine
    if not fine:
        assert "Python 3.11 to 3.13 is needed" in problem
        assert "apt install" in problem


def test_the_stamp_changes_with_the_lock_and_with_the_python_version(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("a==1\n")
    first = moondev.stamp_name(lock, (3, 11))
    assert moondev.stamp_name(lock, (3, 11)) == first
    assert moondev.stamp_name(lock, (3, 12)) != first
    lock.write_text("a==2\n")
    assert moondev.stamp_name(lock, (3, 11)) != first


def test_the_contributors_environment_serves_every_verb_but_the_runtime_one_not_the_tests(checkout):
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (checkout / ".venv" / moondev.stamp_name(checkout / "requirements.lock", VERSION)).touch()
    assert moondev.is_ready(checkout, "run", VERSION)
    assert not moondev.is_ready(checkout, "test", VERSION)
    (checkout / ".venv" / moondev.stamp_name(checkout / "requirements-dev.lock", VERSION)).touch()
    assert moondev.is_ready(checkout, "test", VERSION)
    (checkout / ".venv" / moondev.INTERRUPTED).touch()
    assert not moondev.is_ready(checkout, "run", VERSION)


def test_progress_counts_what_pip_has_collected():
    assert moondev.progress("", 60) == "60 packages"
    assert moondev.progress("Collecting a==1\n  Using cached\nCollecting b==2\n", 60) == "2 of 60 packages"
    assert moondev.progress("Collecting a==1\nInstalling collected packages: a\n", 60) == "unpacking 60 packages"


def test_verbs_are_handed_over_with_their_arguments(tmp_path):
    python = str(tmp_path / ".venv" / "bin" / "python")
    processes = str((os.cpu_count() or 2) * 3 // 2)
    test = [python, "-m", "pytest", "-c", str(tmp_path / "pyproject.toml")]
    assert moondev.command_line(tmp_path, ["test"]) == [*test, "-n", processes]
    assert moondev.command_line(tmp_path, ["test", "-k", "x"]) == [*test, "-k", "x"]
    assert moondev.command_line(tmp_path, ["check", "--fix"]) == [python, "-m", "tools.check", "--fix"]
    assert moondev.command_line(tmp_path, ["run", "--data", "d"]) == [
        python,
        str(tmp_path / "main.py"),
        "run",
        "--data",
        "d",
    ]
    assert moondev.command_line(tmp_path, [])[-1] == "--help"


def test_bytecode_is_kept_in_the_environment_where_none_may_lie_beside_the_sources(tmp_path):
    home = str(tmp_path / ".venv" / "bytecode")
    banned = {"HOME": "/h", "PYTHONDONTWRITEBYTECODE": "1"}
    assert moondev.environment(tmp_path, banned) == {"HOME": "/h", "PYTHONPYCACHEPREFIX": home}
    own = {"PYTHONPYCACHEPREFIX": "/elsewhere"}
    assert moondev.environment(tmp_path, banned | own) == {"HOME": "/h"} | own
    assert moondev.environment(tmp_path, {"HOME": "/h"}) == {"HOME": "/h"}


def test_a_python_without_ensurepip_is_told_the_package_to_install(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else found(name))
    with pytest.raises(moondev.SetupError, match=r"no ensurepip.*apt install python3-venv"):
        moondev.make_env(tmp_path / ".venv", with_pip=True)
    assert not (tmp_path / ".venv").exists()


@pytest.mark.process
def test_the_first_start_makes_the_environment_and_the_second_is_silent(checkout, with_uv):
    first = start(checkout, with_uv, "run", "--data", "here")
    assert (first.returncode, first.stdout) == (0, "main run --data here\n")
    assert "packages installed with uv" in first.stderr
    second = start(checkout, with_uv, "run")
    assert (second.returncode, second.stdout, second.stderr) == (0, "main run\n", "")
    python = [checkout / ".venv" / "bin" / "python", "-c", "import tools; print(tools.__file__)"]
    imported = subprocess.run(python, cwd="/", capture_output=True, text=True, check=True)
    assert imported.stdout == f"{checkout}/tools/__init__.py\n", "the checkout is importable from anywhere"


@pytest.mark.process
def test_an_interrupted_installation_is_made_anew(checkout, with_uv):
    assert start(checkout, with_uv, "run").returncode == 0
    (checkout / ".venv" / "half-written").touch()
    (checkout / ".venv" / moondev.INTERRUPTED).touch()
    again = start(checkout, with_uv, "run")
    assert (again.returncode, again.stdout) == (0, "main run\n")
    assert not (checkout / ".venv" / "half-written").exists()


@pytest.mark.process
def test_two_first_starts_at_once_make_one_environment(checkout, with_uv):
    both = [
        subprocess.Popen(command(checkout, "run"), env=with_uv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    ends = [(process.communicate(timeout=50), process.returncode) for process in both]
    assert [code for _, code in ends] == [0, 0]
    assert [out for (out, _), _ in ends] == [b"main run\n"] * 2
    assert sum(b"packages installed" in err for (_, err), _ in ends) == 1


@pytest.mark.process
def test_a_failing_installer_is_quoted_and_leaves_the_old_environment_in_service(checkout, with_uv):
    assert start(checkout, with_uv, "run").returncode == 0
    (checkout / "requirements-dev.lock").write_text("a==1 \\\n    --hash=sha256:00\n")
    uv = Path(with_uv["PATH"].split(":")[0]) / "uv"
    uv.write_text("#!/bin/sh\necho no route to the index\nexit 2\n")
    failed = start(checkout, with_uv, "check")
    assert failed.returncode == 1
    assert "no route to the index" in failed.stderr
    assert "Is there a network" in failed.stderr
    assert start(checkout, with_uv, "run").stdout == "main run\n"


@pytest.mark.process
def test_an_installer_killed_halfway_is_not_trusted_by_the_next_start(checkout, with_uv):
    assert start(checkout, with_uv, "run").returncode == 0
    (checkout / "requirements-dev.lock").write_text("a==1 \\\n    --hash=sha256:00\n")
    uv = Path(with_uv["PATH"].split(":")[0]) / "uv"
    uv.write_text("#!/bin/sh\nkill -9 $$\n")
    assert start(checkout, with_uv, "check").returncode == 1
    (checkout / ".venv" / "half-written").touch()
    uv.write_text("#!/bin/sh\nexit 0\n")
    assert start(checkout, with_uv, "run").stdout == "main run\n"
    assert not (checkout / ".venv" / "half-written").exists()


@pytest.mark.process
def test_a_killed_start_whose_installer_lives_on_makes_the_next_start_wait_for_it(checkout, with_uv):
    (checkout / "requirements.lock").write_text("a==1 \\\n    --hash=sha256:00\n")
    uv, began, ended = Path(with_uv["PATH"].split(":")[0]) / "uv", checkout / "began", checkout / "ended"
    uv.write_text(f"#!/bin/sh\ntouch {began}\nsleep 1\ntouch {ended}\n")
    killed = subprocess.Popen(command(checkout, "run"), env=with_uv, stderr=subprocess.DEVNULL)
    while not began.exists():
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    (checkout / "next-uv").write_text(f"#!/bin/sh\ntest -e {ended}\n")  # the running one keeps its own text
    (checkout / "next-uv").chmod(0o755)
    (checkout / "next-uv").replace(uv)
    done = start(checkout, with_uv, "run")
    assert (done.returncode, done.stdout) == (0, "main run\n")
    assert "another start is setting up" in done.stderr


@pytest.mark.process
def test_a_moved_checkout_still_starts(checkout, with_uv, tmp_path_factory):
    assert start(checkout, with_uv, "check").returncode == 0
    moved = tmp_path_factory.mktemp("elsewhere") / "checkout"
    shutil.move(checkout, moved)
    done = start(moved, with_uv, "check", "--fix")
    assert (done.returncode, done.stdout) == (0, f"check {moved} --fix\n")
