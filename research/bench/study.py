"""`study`: trials a second of `moondev optimise` on a year of five-minute bars, with a process on every core.

The bars are the peers' one-minute ones, five made one; the space is that of freqtrade's case (fast 5 to 25, slow 26 to
60). Only trials that were run to their end or given up count, none whose result was known before.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from engine.config import load_config
from research.bench import market
from research.bench.journal import Row

YEAR = 105_120
"""Five-minute bars of 365 days."""
START_NS = 1_700_000_100_000_000_000
STEP_NS = 5 * market.MINUTE_NS
QUICK_BARS = 3_000
SPACE = "fast=5..25,slow=26..60"


def year_of_bars(folder: Path, count: int) -> Path:
    """A Parquet file of that many five-minute bars, made once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"BTC_USDT-5m-{count}.parquet"
    if not path.exists():
        rows = np.array(market.arrays("bars", folder)[: count * 5]).reshape(count, 5, 6)
        columns = {
            "ts_ns": START_NS + np.arange(count, dtype=np.int64) * STEP_NS,
            "open": rows[:, 0, 1] / 10,
            "high": rows[:, :, 2].max(axis=1) / 10,
            "low": rows[:, :, 3].min(axis=1) / 10,
            "close": rows[:, -1, 4] / 10,
            "volume": rows[:, :, 5].sum(axis=1) / 1_000,
        }
        pq.write_table(pa.table(columns), path)
    return path


def run(trials: int, folder: Path) -> list[Row]:
    """Trials and candles a second, what a trial costs its core, and the memory of all processes together."""
    from research.optimise.database import Database
    from research.optimise.definition import read
    from research.optimise.job import Task
    from research.optimise.pool import Processes
    from research.optimise.run import Asked, optimise, prepare
    from research.optimise.source import DataSource
    from research.prepare import BacktestSettings

    path = year_of_bars(folder, YEAR if trials >= 20 else QUICK_BARS)
    asked = Asked(
        name="study",
        strategy="ema_cross",
        sources=(DataSource(path=str(path)),),
        settings=BacktestSettings(core=load_config(None).to_settings()),
        space=SPACE,
        runs=trials,
    )
    pools: list[Processes] = []

    def open_pool(task: Task) -> Processes:
        pools.append(Processes(task, os.cpu_count() or 1))
        return pools[0]

    times: list[float] = []
    memory: list[float] = []

    def on_progress(_: object) -> None:
        times.append(time.perf_counter())
        memory.append(sum(peak_mib(pid) for pid in (os.getpid(), *pools[0].pids)))

    with TemporaryDirectory() as data:
        url = f"sqlite:///{data}/studies.db"
        optimise(prepare(asked), url, runs=trials, open_pool=open_pool, on_progress=on_progress)
        database = Database(url)
        _, found, _ = read(database, "study")
        database.close()
    runs = [trial.run for trial in found if trial.run is not None and not trial.is_repeat]
    if any(run.state not in {"complete", "pruned"} or not run.fills for run in runs):
        raise AssertionError("a trial was not run: " + next(run.reason for run in runs if not run.fills))
    took_s, events = times[-1] - times[0], sum(run.events for run in runs)
    pruned, cpu_s = sum(run.state == "pruned" for run in runs), sum(run.cpu_s for run in runs)
    orders = sum(run.orders for run in runs)
    what = (
        f"{len(runs)} trials of ema_cross, {SPACE}, {pruned} given up early, {events:,} bars, {orders:,} orders; "
        f"{pools[0].name}, start of the processes included; all rules of a backtest, next_open, latencies, breakers"
    )
    return [
        Row(case="study", value=len(runs) / took_s, unit="trials/s", rules=what),
        Row(case="study candles", value=events / took_s, unit="candles/s", rules="over all trials, all processes"),
        Row(
            case="study, a core", value=events / cpu_s, unit="candles/s", rules="of a process's own time, in the trials"
        ),
        Row(case="study peak memory", value=max(memory), unit="MiB", rules="keeper and processes together"),
    ]


def peak_mib(pid: int) -> float:
    """Most memory that a process ever had, 0 where that is not told."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
