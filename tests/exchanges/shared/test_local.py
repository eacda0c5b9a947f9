"""Local venues as children of a service."""

import socket
import subprocess
import sys
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from domain.errors import ConfigError, VenueError
from exchanges.shared import local
from exchanges.shared.local import ROOT, LocalVenues, module_of

PARENT = """
import sys, time
from pathlib import Path
from exchanges.shared.local import LocalVenues
venues = LocalVenues(Path(sys.argv[1]))
print(venues.start(["hyperliquid-local"])[0]["url"], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hyperliqiud-local", "did you mean hyperliquid-local"),
        ("binance", "did you mean binance-local.* test network is set up in a settings file: see docs/venues.md"),
        ("paper", "there are hyperliquid-local, binance-local"),
    ],
)
def test_a_venue_that_is_not_local_is_refused_with_what_there_is(name, said):
    with pytest.raises(ConfigError, match=said):
        module_of(name)


def test_without_the_test_tree_it_is_said_where_it_is(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="not in this installation: run it from a clone of the repository"):
        module_of("hyperliquid-local")


def test_one_that_does_not_start_is_told_with_where_to_look(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "module_of", lambda _: "tests.exchanges.nothing_here")
    venues = LocalVenues(tmp_path / "venues")
    with pytest.raises(VenueError, match=r"hyperliquid-local did not start; .*server.log says why"):
        venues.start(["hyperliquid-local"])
    venues.stop()
    assert "No module named" in (tmp_path / "venues" / "server.log").read_text()


def answers(url: str) -> bool:
    try:
        with closing(socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0), timeout=1)):
            return True
    except OSError:
        return False


@pytest.mark.process
def test_a_child_ends_with_its_parent_even_when_that_is_killed(tmp_path):
    command = [sys.executable, "-c", PARENT, str(tmp_path / "venues")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert answers(url)
        parent.kill()
    kept, end = tmp_path / "venues" / "hyperliquid.room", time.monotonic() + 30
    while (answers(url) or not kept.exists()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not answers(url)
    assert kept.exists(), "it has written down what it knows"
