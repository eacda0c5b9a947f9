"""A local venue as a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

import pytest

ROOT = Path(__file__).parents[2]


def serve(venue: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"tests.exchanges.{venue}.serve", "--folder", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.process
@pytest.mark.parametrize(("venue", "first"), [("hyperliquid", "BTC-USDC-PERP"), ("bybit", "BTC-USDT-PERP")])
def test_it_says_in_one_line_how_to_trade_there_and_ends_with_its_stdin(tmp_path, venue, first):
    with serve(venue, tmp_path) as process:
        ready = json.loads(cast("IO[str]", process.stdout).readline())
        cast("IO[str]", process.stdin).close()
        assert process.wait(10) == 0
    assert ready["venue"] == venue.upper()
    assert ready["url"].startswith("http://127.0.0.1:")
    named = {account[half] for account in ready["accounts"] for half in ("key", "api_key") if half in account}
    assert named == set(ready["secrets"])
    assert ready["instruments"][0] == f"{first}.{venue.upper()}"
    assert {file.name for file in tmp_path.iterdir()} == {f"{venue}.room", f"{venue}.lock"}
