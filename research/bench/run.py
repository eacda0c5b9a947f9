"""`moondev bench`: every case in a process of its own, as rows with the rules that were on, peers beside them."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypedDict

from domain.errors import ConfigError, MoonDevError
from research.bench import (
    backtests,
    chat,
    core,
    feeds,
    gateway_api,
    gateway_feed,
    indicators,
    journal,
    l2,
    live,
    market,
    risk,
    signing,
    sockets,
    study,
    vault,
    venue_engine,
    venue_messages,
    venue_orders,
)
from research.bench.journal import Row
from research.bench.peers import PeerFigure, run_peers

CACHE = Path(".moondev/bench")
ROOT = Path(__file__).resolve().parent.parent.parent
LESS_IS_BETTER = frozenset({"us", "ms", "s", "MiB", "bytes/day", "ratio", "% core"})


class Beside(TypedDict):
    """A peer's figure beside a row of ours, and how many times better we are."""

    engine: str
    value: float
    ratio: float
    detail: str


class Told(Row):
    """A row of ours; `name` is the case that `--only` runs it by."""

    name: str
    peers: list[Beside]


class Report(TypedDict):
    """What `--json` writes."""

    machine: str
    rows: list[Told]


Sizes = tuple[int, int]
"""Full and quick size of a case."""

CASES: dict[str, tuple[Sizes, Callable[[int, Path], list[Row]]]] = {
    **{name: ((case.most, backtests.QUICK), partial(backtests.run, name)) for name, case in backtests.CASES.items()},
    "core": ((200_000, 2_000), core.run),
    "risk": ((20_000, 50), lambda count, _: risk.run(count)),
    "indicators": ((20_000, 20), lambda count, _: indicators.run(count)),
    "history": ((200_000, 2_000), core.history_rows),
    "memory": ((market.FULL, 2_000), core.memory_rows),
    "live": ((4_000, 60), lambda count, _: live.run(count, count)),
    "sockets": ((3_000, 40), lambda count, _: sockets.run(count)),
    "l2": ((1_000_000, 20_000), lambda count, _: l2.run(count)),
    "feeds": ((1_000, 10), lambda count, _: feeds.run(count, count * 200)),
    "messages": ((20_000, 20), lambda count, _: venue_messages.run(count)),
    "orders": ((4_000, 40), lambda count, _: venue_orders.run(count)),
    "signing": ((4_000, 40), lambda count, _: signing.run(count)),
    "whole": ((1_000_000, 400), lambda count, _: venue_engine.run(count)),
    "chat": ((40, 2), lambda count, _: chat.run(count)),
    "gateway": ((gateway_feed.FULL_CLIENTS, 40), lambda count, _: gateway_feed.run(count)),
    "api": ((4_000, 20), lambda count, _: gateway_api.run(count)),
    "study": ((100, 4), study.run),
    "vault": ((9, 1), lambda count, _: vault.run(count)),
    "journal": ((200_000, 1_000), lambda count, _: journal.run(count, max(5, count // 500))),
}


def measure(name: str, cache: Path, *, quick: bool = False) -> list[Row]:
    """Run one case here. Raises `ConfigError` for a name that is none."""
    if name not in CASES:
        raise ConfigError(f"--only {name!r}: there are {', '.join(CASES)}")
    sizes, run = CASES[name]
    return run(sizes[quick], cache)


def measure_apart(name: str, cache: Path, *, quick: bool) -> list[Row]:
    """Run one case in a fresh process. Raises `MoonDevError` when it fails."""
    command = [sys.executable, "-m", "research.bench", name, str(cache), "quick" if quick else "full"]
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no output"]
        raise MoonDevError(f"bench {name} failed: {last[0]}")
    rows: list[Row] = json.loads(done.stdout)
    if name == "bars_ema":
        took_s = time.perf_counter() - began
        rows.append(
            Row(case="bars_ema whole process", value=took_s, unit="s", rules="start, imports, load, run, check")
        )
    return rows


def bench(only: str, peers: Path | None, *, quick: bool, say: Callable[[str], None]) -> Report:
    """Run everything (or one case), printing rows as they come; returns them with the peers' figures.

    Raises `MoonDevError` at the first case that fails, or whose result is wrong.
    """
    names = [only] if only else list(CASES)
    if only and only not in CASES:
        raise ConfigError(f"--only {only!r}: there are {', '.join(CASES)}")
    machine_now = machine()
    say(machine_now)
    others = run_peers(peers, say) if peers is not None else []
    told: list[Told] = []
    say(f"{'case':<46} {'ours':>14} {'unit':<10} peers and rules")
    for name in names:
        for row in measure_apart(name, cache_folder(), quick=quick):
            rivals = row.pop("rivals", [])
            beside = [PeerFigure(case=row["case"], **rival) for rival in rivals]
            beside += [figure for figure in others if figure.case == row["case"]]
            for line in lines(row, beside):
                say(line)
            told.append({**row, "name": name, "peers": [compared(row, figure) for figure in beside]})
    left = {figure.case for figure in others} - {row["case"] for row in told}
    for case in sorted(left) if not only else ():
        say(f"a peer measured {case!r}, which none of our rows is")
    return {"machine": machine_now, "rows": told}


def cache_folder() -> Path:
    """Where the bench's data is kept."""
    return ROOT / CACHE


def lines(row: Row, beside: Iterable[PeerFigure]) -> Iterator[str]:
    """A row as text: our figure and its rules, then a line for each peer."""
    yield f"{row['case']:<46} {number(row['value']):>14} {row['unit']:<10} {row['rules']}"
    for figure in beside:
        detail = f"; {figure.detail}" if figure.detail else ""
        ratio = advantage(row, figure)
        yield f"{'':<46} {number(figure.value):>14} {row['unit']:<10} {figure.engine}: we are {ratio:.2f}x{detail}"


def compared(row: Row, figure: PeerFigure) -> Beside:
    """A peer's figure with the ratio, for programs."""
    return {"engine": figure.engine, "value": figure.value, "ratio": advantage(row, figure), "detail": figure.detail}


def advantage(row: Row, figure: PeerFigure) -> float:
    """How many times better we are (below 1: worse)."""
    ours, theirs = row["value"], figure.value
    if row["unit"] in LESS_IS_BETTER:
        ours, theirs = theirs, ours
    return ours / theirs if theirs else float("inf")


def number(value: float) -> str:
    """Three or more significant digits, thousands separated."""
    return f"{value:,.0f}" if value >= 1_000 else f"{value:,.3g}"


def machine() -> str:
    """What was measured on, and how busy it was: absolute figures mean nothing without it."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    when = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    busy = "" if load < 1 else " THE MACHINE IS BUSY: figures are too low"
    return (
        f"{when}, Python {platform.python_version()}, {os.cpu_count()} cores, {memory} GiB, load {load:.1f}{busy}; "
        f"peers run in the same session"
    )
