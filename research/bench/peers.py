"""Figures of other engines, measured in the same session by executables that print one JSON line each.

A line names what was run and what came out; both of these are understood:

    {"engine": "name", "case": "bars_ema", "value": 161000, "unit": "bars/s"}
    {"engine": "name", "version": "2.0.0", "case": "bars_ema", "per_s": 161000, "orders": 44928, "balance": "..."}

The second is what the scripts for NautilusTrader print; `rss_peak_mb` and `wall_s` in it stand beside our peak memory
and whole process. `case` is the name of our row; where a line has none, the executable's own name (without suffix,
after the last `-`) is taken.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from domain.errors import ConfigError

TIMEOUT_S = 1_800
SAME = {"bars_ema_py": "bars_ema", "orders_mkt": "orders_"}
"""Their names for our cases; `orders_mkt` is completed by its pattern."""
DETAILS = ("task", "orders", "trades", "fills", "balance")
"""What else of a line is shown: a case that is not quite ours says so in `task`."""


class PeerFigure(Struct, frozen=True, kw_only=True):
    """One figure of another engine. `detail` is what else it said (orders, balance)."""

    engine: str
    case: str
    value: float
    detail: str = ""


def executables(folder: Path) -> list[Path]:
    """What `--peers` names. Raises `ConfigError` when there is nothing to run."""
    if not folder.is_dir():
        raise ConfigError(f"--peers {folder}: no such folder; put executables there that print one JSON line each")
    found = sorted(path for path in folder.iterdir() if path.is_file() and os.access(path, os.X_OK))
    if not found:
        raise ConfigError(f"--peers {folder}: no executables in it; each prints one JSON line")
    return found


def run_peers(folder: Path, say: Callable[[str], None]) -> list[PeerFigure]:
    """Run every executable, one after another; one that fails is said and left out."""
    figures: list[PeerFigure] = []
    for path in executables(folder):
        say(f"peer {path.name} ...")
        try:
            figures += parse(last_json(path), path)
        except subprocess.CalledProcessError as error:
            last = (error.stderr or "").strip().splitlines()[-1:] or ["no output"]
            say(f"peer {path.name} failed with status {error.returncode}: {last[0][:200]}")
        except (OSError, subprocess.TimeoutExpired, ValueError) as error:
            say(f"peer {path.name} is left out: {error}")
    return figures


def last_json(path: Path) -> str:
    """Run one executable; the last line it prints that begins as JSON does. What it logs beside may be long."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        subprocess.run(  # noqa: S603 - the user named the folder
            [str(path.resolve())], stdout=output, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=True
        )
        output.seek(0)
        last = ""
        for line in output:
            if line.startswith("{"):
                last = line
    return last


def parse(line: str, path: Path) -> list[PeerFigure]:
    """Figures in a JSON line. Raises `ValueError` when there is none."""
    if not line:
        raise ValueError("it printed no JSON line")
    told = json.loads(line)
    engine = " ".join(str(told[key]) for key in ("engine", "version") if told.get(key))
    named = str(told.get("case") or path.stem.rpartition("-")[2])
    case = SAME.get(named, named)
    if case.endswith("_"):
        case += str(told.get("pattern") or "alt")
    detail = ", ".join(f"{key} {told[key]}" for key in DETAILS if told.get(key) is not None)
    if named != case:
        detail = ", ".join(filter(None, (named, detail)))
    name = engine or path.stem
    figures = [PeerFigure(engine=name, case=of, value=value, detail=detail) for of, value in _values(told, case)]
    if not figures:
        raise ValueError("its JSON line has neither value, per_s nor tick_to_venue_us")
    return figures


def _values(told: dict[str, Any], case: str) -> list[tuple[str, float]]:
    if "value" in told:
        return [(case, float(told["value"]))]
    if "per_s" in told:
        beside = (("rss_peak_mb", "peak memory"), ("wall_s", "whole process"))
        return [
            (case, float(told["per_s"])),
            *[(f"{case} {name}", float(told[key])) for key, name in beside if told.get(key)],
        ]
    if "tick_to_venue_us" not in told:
        return []
    if told.get("gap_us") is None:
        return [("burst, no journal", float(told["orders_per_s"]))]
    taken = told["tick_to_venue_us"]
    return [(f"tick to venue {name}, no journal", float(taken[name])) for name in ("p50", "p99")]
