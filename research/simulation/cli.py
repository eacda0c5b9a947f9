"""`moondev simulate`: seeds, a progress line, what they met; one seed with its trace."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import Progress

from research.simulation.run import simulate
from research.simulation.world import World


def run(seeds: int, first_seed: int, *, verbose: bool = False) -> int:
    """Live through `seeds` seeds from `first_seed` on; 1 when an invariant broke, else 0."""
    if seeds == 1:
        return run_one(first_seed, verbose=verbose)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("seeds", total=seeds)
        summary = simulate(range(first_seed, first_seed + seeds), on_outcome=lambda _: progress.advance(task))
    sys.stdout.write(summary.text() + "\n")
    return 1 if summary.failed else 0


def run_one(seed: int, *, verbose: bool) -> int:
    """Live through one seed; with `verbose` the trace is printed as it goes."""
    outcome = World(seed, verbose=verbose, audits=True).run()
    if outcome.rule:
        sys.stdout.write(f"seed {seed} broke '{outcome.rule}' after {outcome.at_s:.3f} s: {outcome.text}\n")
        return 1
    sys.stdout.write(f"seed {seed}: {outcome.events} events, every invariant held\n")
    return 0
