"""Verbs of the research room: backtest, simulate, bench. Heavy libraries load with the verb."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(simulate)


def simulate(
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 200,
    seed: Annotated[int | None, typer.Option(help="Run only this seed.")] = None,
    first: Annotated[int, typer.Option(help="First seed.")] = 1,
    verbose: Annotated[bool, typer.Option(help="Print the trace of a failing seed.")] = False,
) -> None:
    """Run seeded simulated days with faults and kills, and check every invariant."""
    from research.simulation.cli import run

    count, start = (1, seed) if seed is not None else (seeds, first)
    raise typer.Exit(run(count, start, verbose=verbose))


DataPath = Annotated[Path, typer.Argument(help="Market data file.")]
