"""The loop of a study: hand out jobs, keep what comes back, say how long it will take."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

from msgspec import Struct

from research.optimise.job import Job, Run
from research.optimise.pool import Lost, Pool
from research.optimise.study import Study

WAIT_S = 1.0
RECENT = 50
"""Results that the rate is told from: what starting took is soon forgotten."""
MOST_TRIES = 3
"""Processes that may die with the same job before it is given up."""


class Progress(Struct, frozen=True, kw_only=True):
    """How far a study is. `left_s` None = not to be told yet; `best` is of the first objective."""

    done: int
    runs: int
    rate_per_s: float
    left_s: float | None
    best: float | None
    pruned: int
    unfit: int
    invalid: int
    failed: int

    @property
    def text(self) -> str:
        """One line for programs and logs."""
        left = f"{self.left_s:.0f} s left" if self.left_s is not None else "time left not known yet"
        best = f", best {self.best:.4g}" if self.best is not None else ""
        counts = {"pruned": self.pruned, "unfit": self.unfit, "failed": self.failed, "invalid": self.invalid}
        told = "".join(f", {count} {name}" for name, count in counts.items() if count)
        share = self.done / self.runs if self.runs else 1.0
        return f"progress {share:.3f} {self.done}/{self.runs} trials, {self.rate_per_s:.2f}/s, {left}{best}{told}"


def search(study: Study, pool: Pool, runs: int, on_progress: Callable[[Progress], None]) -> None:
    """Bring a study to so many runs; what was under way at a kill comes first. Interrupted, all that came is kept."""
    tries: Counter[int] = Counter()
    waiting = study.under_way()
    out: dict[int, Job] = {}
    came_s = deque([time.monotonic()], maxlen=RECENT + 1)
    on_progress(progress_of(study, runs, 0, 0.0))
    while True:
        while pool.room and (job := waiting.pop(0) if waiting else study.ask(runs)) is not None:
            out[job.number] = job
            tries[job.number] += 1
            pool.submit(job)
        if not out and not waiting:
            break
        for answer in pool.done(WAIT_S):
            job = out.pop(answer.number)
            if isinstance(answer, Run):
                study.keep(answer)
                came_s.append(time.monotonic())
            elif tries[job.number] < MOST_TRIES:
                waiting.append(job)
            else:
                study.keep(Run(number=job.number, params=job.params, state="failed", reason=answer.how))
            on_progress(progress_of(study, runs, len(came_s) - 1, came_s[-1] - came_s[0]))
        study.beat()
    study.settle()


def beside(pool: Pool, jobs: Sequence[Job]) -> list[Run]:
    """Run jobs that are no trials: what defaults do, what is held out. In the order they were given."""
    waiting, found = list(jobs), dict[int, Run]()
    tries: Counter[int] = Counter()
    known = {job.number: job for job in jobs}
    while len(found) < len(jobs):
        while waiting and pool.room:
            tries[waiting[0].number] += 1
            pool.submit(waiting.pop(0))
        for answer in pool.done(WAIT_S):
            job = known[answer.number]
            if isinstance(answer, Lost) and tries[job.number] < MOST_TRIES:
                waiting.append(job)
            elif isinstance(answer, Lost):
                found[job.number] = Run(number=job.number, params=job.params, state="failed", reason=answer.how)
            else:
                found[job.number] = answer
    return [found[job.number] for job in jobs]


def progress_of(study: Study, runs: int, recent: int, took_s: float) -> Progress:
    """How far it is; the newest `recent` results took so long."""
    tally = study.tally
    done, states = tally.finished, tally.states
    rate = recent / took_s if took_s > 0 else 0.0
    return Progress(
        done=done,
        runs=runs,
        rate_per_s=rate,
        left_s=(runs - done) / rate if rate else None,
        best=tally.best,
        pruned=states["pruned"],
        unfit=states["unfit"],
        failed=states["failed"],
        invalid=tally.invalid,
    )
