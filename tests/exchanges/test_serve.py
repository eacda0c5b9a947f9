"""A local venue as a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, cast

import pytest

ROOT = Path(__file__).parents[2]


def serve(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.exchanges.hyperliquid.serve", "--folder", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.process
def test_it_says_in_one_line_how_to_trade_there_and_ends_with_its_stdin(tmp_path):
    with serve(tmp_path) as process:
        ready = json.loads(cast("IO[str]", process.stdout).readline())
        cast("IO[str]", process.stdin).close()
        assert process.wait(10) == 0
    assert ready["venue"] == "HYPERLIQUID"
    assert ready["url"].startswith("http://127.0.0.1:")
    assert {account["key"] for account in ready["accounts"]} == set(ready["secrets"])
    assert ready["instruments"][0] == "BTC-USDC-PERP.HYPERLIQUID"
    assert {file.name for file in tmp_path.iterdir()} == {"hyperliquid.room", "hyperliquid.lock"}
