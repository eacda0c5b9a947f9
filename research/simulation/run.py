"""Many seeds on several processes: what they met, how fast, and the first that failed."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, field

from research.simulation.world import Outcome, World

AUDIT_EVERY = 50
"""Every so many seeds the journal is also written to a real disk and its chain verified."""
CHUNK = 8


class Summary(Struct, kw_only=True):
    """What a run over many seeds gave."""

    seeds: int = 0
    events: int = 0
    simulated_s: float = 0.0
    fewest_events: int = 0
    took_s: float = 0.0
    met: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    @property
    def seeds_per_s(self) -> float:
        """Speed over all processes."""
        return self.seeds / self.took_s if self.took_s else 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one seed."""
        self.fewest_events = min(self.fewest_events, outcome.events) if self.seeds else outcome.events
        self.seeds += 1
        self.events += outcome.events
        self.simulated_s += outcome.simulated_s
        self.met.update(outcome.met)
        if outcome.rule:
            self.failed.append(outcome)

    def text(self) -> str:
        """For people: figures, what was met, and how to see the first failure again."""
        rows = [f"  {count:>9}  {what}" for what, count in sorted(self.met.items())]
        head = (
            f"{self.seeds} seeds, {self.events} events, {self.simulated_s / 3600:.1f} simulated hours in "
            f"{self.took_s:.1f} s: {self.seeds_per_s:.1f} seeds/s; {len(self.failed)} failed"
        )
        text = [head, *rows]
        rules = Counter(outcome.rule for outcome in self.failed)
        text += [f"  FAILED {count:>5} times: {rule}" for rule, count in rules.most_common()]
        for outcome in sorted(self.failed, key=lambda o: o.seed)[:3]:
            text.append(f"seed {outcome.seed} after {outcome.at_s:.3f} s: {outcome.text[:600]}")
            text.append(f"  see it again: ./moondev simulate --seed {outcome.seed} --verbose")
        return "\n".join(text)


def live_through(seed: int) -> Outcome:
    """One seed."""
    return World(seed, audits=seed % AUDIT_EVERY == 0).run()


def outcomes(seeds: Iterable[int], processes: int) -> Iterator[Outcome]:
    """Outcomes as they come, in any order with several processes."""
    if processes <= 1:
        yield from map(live_through, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(live_through, seeds, chunksize=CHUNK)


def simulate(
    seeds: Iterable[int],
    *,
    processes: int | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    stop_at: int = 0,
) -> Summary:
    """Live through every seed; stops early after `stop_at` failures (0 = never)."""
    summary = Summary()
    begun = time.monotonic()
    for outcome in outcomes(seeds, processes if processes is not None else os.cpu_count() or 1):
        summary.add(outcome)
        if on_outcome is not None:
            on_outcome(outcome)
        if stop_at and len(summary.failed) >= stop_at:
            break
    summary.took_s = time.monotonic() - begun
    return summary
