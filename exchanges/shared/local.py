"""Local venues as child processes: servers of the test tree that speak a venue's protocol, with made-up money.

They are no part of the product, so they are there only in a clone of the repository. A child ends when its stdin does:
at `stop`, and whenever this process is gone, however that came.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.errors import ConfigError, VenueError
from exchanges.shared.setup import VENUES, nearest

SUFFIX = "-local"
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
ROOT = Path(__file__).parents[2]


def module_of(name: str) -> str:
    """The module that serves `NAME-local`. Raises `ConfigError` for a name or a tree that is not there."""
    venue = name.lower().removesuffix(SUFFIX)
    known = [each.lower() + SUFFIX for each in VENUES]
    if name.lower() not in known:
        raise ConfigError(
            f"--venue {name!r:.40} is not known{nearest(name, known)}; there are {', '.join(known)}. A venue's test "
            "network is set up in a settings file: see docs/venues.md"
        )
    path = f"tests.exchanges.{venue}.serve"
    try:
        found = importlib.util.find_spec(path)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigError(
            f"--venue {name} needs the server in tests/exchanges/{venue}, which is not in this installation: run it "
            "from a clone of the repository"
        )
    return path


class LocalVenues:
    """The children of one run; each keeps what it knows in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: list[subprocess.Popen[str]] = []

    def start(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Start the venues and return what each says of itself. Raises `ConfigError`, `VenueError`."""
        modules = [module_of(name) for name in names]
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._children = [self._spawn(module) for module in modules]
        return [self._ready(name, child) for name, child in zip(names, self._children, strict=True)]

    def stop(self) -> None:
        """End them, and wait until they have written down what they know."""
        for child in self._children:
            if child.stdin is not None:
                with contextlib.suppress(OSError):
                    child.stdin.close()
        for child in self._children:
            try:
                child.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()
        self._children = []

    def _spawn(self, module: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", module, "--folder", str(self._folder.absolute())]
        with (self._folder / "server.log").open("a", encoding="utf-8") as log:
            # a session of its own: Ctrl-C is for us, and we still have orders to cancel there
            return subprocess.Popen(  # noqa: S603 - our own Python on our own module
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def _ready(self, name: str, child: subprocess.Popen[str]) -> dict[str, Any]:
        assert child.stdout is not None  # noqa: S101 - it was asked for
        readable, _, _ = select.select([child.stdout], [], [], READY_WITHIN_S)
        line = child.stdout.readline() if readable else ""
        try:
            ready: dict[str, Any] = json.loads(line)
        except ValueError:
            raise VenueError(f"{name} did not start; {self._folder / 'server.log'} says why") from None
        return ready
