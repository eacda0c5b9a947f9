"""`./moondev simulate`: many seeds with a progress bar, or one with its trace."""

from __future__ import annotations

import os

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from research.simulation.run import simulate
from research.simulation.world import Outcome, World


def run(seeds: int, first_seed: int = 0, *, verbose: bool = False, processes: int | None = None) -> int:
    """Live through `seeds` seeds from `first_seed` on; returns the exit code: 1 when an invariant broke."""
    if seeds < 1:
        Console(stderr=True).print(f"{seeds} seeds: give at least one, for example ./moondev simulate --seeds 200")
        return 2
    if seeds == 1:
        return show(first_seed, verbose=verbose)
    console = Console()
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console) as progress:
        task = progress.add_task("", total=seeds)
        failed = 0

        def count(outcome: Outcome) -> None:
            nonlocal failed
            failed += bool(outcome.rule)
            progress.update(task, advance=1, description=f"{failed} failed" if failed else "")

        cores = processes if processes is not None else os.cpu_count() or 1
        summary = simulate(range(first_seed, first_seed + seeds), processes=cores, on_outcome=count)
    console.print(summary.text(), markup=False, highlight=False)
    return 1 if summary.failed else 0


def show(seed: int, *, verbose: bool) -> int:
    """Live through one seed and say what became of it; `verbose` prints the last lines of its trace when it failed."""
    console = Console()
    world = World(seed, verbose=verbose, audits=True)
    outcome = world.run()
    if verbose:
        for line in world.trace.lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    met = ", ".join(f"{what} {count}" for what, count in sorted(outcome.met.items()))
    said = f"seed {seed}: {outcome.events} events in {outcome.simulated_s:.0f} simulated seconds; {met}"
    console.print(said, markup=False, highlight=False)
    if outcome.rule:
        console.print(f"FAILED after {outcome.at_s:.3f} s: {outcome.text}", markup=False, highlight=False)
        return 1
    console.print("every invariant held", markup=False, highlight=False)
    return 0
