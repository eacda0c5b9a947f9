"""A small file of bars with a swing in it, and pools that run jobs here, in an order that a test wants."""

import math
import random
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from engine.config import load_config
from research.optimise.job import Bench, Job, Run, Task
from research.optimise.pool import Lost
from research.optimise.run import Asked, Ready, optimise, prepare
from research.optimise.source import DataSource
from research.prepare import BacktestSettings

MINUTE_NS = 60_000_000_000
BARS = 900
RUNS = 8


def write_bars(path: Path, count: int = BARS, seed: int = 3) -> Path:
    """Five-minute bars that swing and stumble."""
    draw, rows, price = random.Random(seed), [], 30_000.0
    for index in range(count):
        opened = price
        price = round(price * (1 + 0.0006 * math.sin(index / 23) + draw.gauss(0, 0.0008)), 1)
        wick = abs(draw.gauss(0, 0.0004)) * price
        high, low = round(max(opened, price) + wick, 1), round(min(opened, price) - wick, 1)
        rows.append((1_700_000_100_000_000_000 + index * 5 * MINUTE_NS, opened, high, low, price, 50.0))
    names = ("ts_ns", "open", "high", "low", "close", "volume")
    pq.write_table(pa.table({name: [row[at] for row in rows] for at, name in enumerate(names)}), path)
    return path


def ready(folder: Path, /, **asked) -> Ready:
    """A study of EMA crosses over the file of a folder."""
    path = folder / "BTC_USDT-5m.parquet"
    if not path.exists():
        write_bars(path)
    wanted: dict[str, Any] = {
        "name": "crosses",
        "strategy": "ema_cross",
        "sources": (DataSource(path=str(path)),),
        "settings": BacktestSettings(core=load_config(None).to_settings(), sample_ns=12 * 5 * MINUTE_NS),
        "space": "fast=2..12,slow=8..30",
        "runs": RUNS,
        "folds": 3,
        "lag": 3,
        "least_trades": 1,
    }
    return prepare(Asked(**wanted | asked))


def run(prepared: Ready, folder: Path, pool=None, runs: int = RUNS):
    """The study, in this process."""
    return optimise(prepared, f"sqlite:///{folder / 'studies.db'}", runs=runs, open_pool=pool or Here)


class Here:
    """Runs jobs in this process. With `order` jobs pile up, as many as there is room, and come back by it."""

    room_of = 1
    benches: ClassVar[dict[str, Bench]] = {}

    def __init__(self, task: Task) -> None:
        self.bench = self.benches.setdefault(repr(task), Bench(task))
        self.jobs: list[Job] = []
        self.ran: list[int] = []

    name = "here"

    @property
    def room(self) -> int:
        return self.room_of - len(self.jobs)

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def done(self, _timeout_s: float) -> list[Run | Lost]:
        job = self.pick()
        self.ran.append(job.number)
        return [self.bench.run(job)]

    def pick(self) -> Job:
        return self.jobs.pop(0)

    def close(self) -> None:
        self.jobs.clear()


class Disorderly(Here):
    """Four at once, the newest comes back first."""

    room_of = 4

    def pick(self) -> Job:
        return self.jobs.pop()


class Dying(Disorderly):
    """The keeper dies after four results."""

    def done(self, timeout_s: float) -> list[Run | Lost]:
        if len(self.ran) == 4:
            raise KeyboardInterrupt
        return super().done(timeout_s)
