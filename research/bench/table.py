"""The figures of docs/benchmarks.md, made of what `moondev bench --json FILE` wrote: `-m research.bench.table FILE`.

Targets are kept here, so that the page cannot say "met" by hand. One without a peer bounds our own figure; one with
a peer bounds the ratio to the best figure of that engine in the same session.
"""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec

from domain.errors import ConfigError
from research.bench.run import LESS_IS_BETTER, Report, Told, number

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: made by research.bench.table -->\n", "<!-- end of figures -->"
HEAD = "| case | ours | target | met | beside it | rules that were on |\n|---|---|---|---|---|---|\n"


class Target(NamedTuple):
    """`bound` is the worst value allowed, or with `peer` (the beginning of its name) the smallest ratio."""

    bound: float
    peer: str = ""


TARGETS: dict[str, tuple[Target, ...]] = {
    "bars_ema": (Target(2, "nautilus-v2"), Target(25, "nautilus-v1"), Target(16, "freqtrade")),
    "sma_cross": (Target(16, "freqtrade"),),
    "sma_cross peak memory": (Target(400),),
    "bars_ema peak memory": (Target(400),),
    "bars_ema whole process": (Target(8),),
    "quotes_mm": (Target(2, "nautilus-v2"), Target(8, "nautilus-v1")),
    "orders_alt": (Target(2, "nautilus-v2"), Target(8, "nautilus-v1")),
    "orders_drift": (Target(2, "nautilus-v2"), Target(8, "nautilus-v1")),
    "risk gate": (Target(20),),
    "risk gate, full desk": (Target(20),),
    "two orders amended, cost late over early": (Target(1.2),),
    "positions closed, cost late over early": (Target(1.2),),
    "memory growth": (Target(16),),
    "tick to venue p50, no journal": (Target(100),),
    "tick to venue p99, no journal": (Target(400),),
    "burst, no journal": (Target(15_000),),
    "frame to order p50, journaled before sent, fsync off": (Target(250),),
    "frame to order p99, journaled before sent, fsync off": (Target(1_000),),
    "l2_replay recorded": (Target(0.5, "hftbacktest"),),
    "Hyperliquid l2Book 20+20 frame to event": (Target(10),),
    "Hyperliquid l2Book 20+20 message": (Target(10), Target(8, "ccxt.pro")),
    "Hyperliquid order signed": (Target(40), Target(8, "hyperliquid-python-sdk")),
    "budget keeper per request, later": (Target(5),),
    "study candles": (Target(16, "freqtrade"),),
    "messages through the whole engine": (Target(10_000),),
    "orders through the whole engine": (Target(1_000),),
    "memory growth over messages": (Target(16),),
}


def table(report: Report) -> str:
    """The figures as Markdown, a table for each command."""
    parts = [f"Measured {report['machine']}.\n"]
    for name, rows in groupby(report["rows"], lambda row: row["name"]):
        lines = "\n".join(line(row) for row in rows)
        parts.append(f"### {name}\n\n`./moondev bench --only {name}`\n\n{HEAD}{lines}\n")
    return "\n".join(parts)


def line(row: Told) -> str:
    """One row."""
    judged = [judge(row, target) for target in TARGETS.get(row["case"], ())]
    beside = "<br>".join(
        f"{peer['engine']} {number(peer['value'])}, **{peer['ratio']:.2f}x**"
        + (f" ({peer['detail']})" if peer["detail"] else "")
        for peer in row["peers"]
    )
    wanted, met = "<br>".join(text for text, _ in judged), "<br>".join(verdict for _, verdict in judged)
    return f"| {row['case']} | {number(row['value'])} {row['unit']} | {wanted} | {met} | {beside} | {row['rules']} |"


def judge(row: Told, target: Target) -> tuple[str, str]:
    """A target in words, and whether it is met; "not run" where its peer was not."""
    if not target.peer:
        less = row["unit"] in LESS_IS_BETTER
        met = row["value"] <= target.bound if less else row["value"] >= target.bound
        return f"{'≤' if less else '≥'} {number(target.bound)} {row['unit']}", "yes" if met else "**no**"
    ratios = [peer["ratio"] for peer in row["peers"] if peer["engine"].startswith(target.peer)]
    verdict = "not run" if not ratios else "yes" if min(ratios) >= target.bound else "**no**"
    return f"≥ {target.bound:g}x {target.peer}", verdict


def write(source: Path, page: Path = PAGE) -> None:
    """Replace the figures on the page. Raises `ConfigError` for a file or page that is not what it should be."""
    try:
        report = msgspec.json.decode(source.read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{source}: {error}; write it with ./moondev bench --json {source}") from error
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"{page}: no lines {BEGIN.strip()!r} and {END!r}, between which the figures belong")
    page.write_text(f"{before}{begin}\n{table(report)}\n{end}{after}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
