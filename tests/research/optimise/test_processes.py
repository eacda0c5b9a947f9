"""Studies with real processes: the keeper is killed, a worker is killed, Dask works, and nothing is counted twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from domain.errors import MoonDevError
from research.optimise.database import Database
from research.optimise.definition import read
from research.optimise.job import Job, Run
from research.optimise.pool import Lost, Machines, Processes
from research.optimise.run import again
from tests.research.optimise.room import Here, ready, run

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("processes")


def test_after_kill_9_a_study_goes_on_and_counts_everything_once(folder):
    prepared = ready(folder)
    command = [sys.executable, "main.py", "optimise", "--strategy", "ema_cross", "--study", "killed", "--trials", "60"]
    command += ["--data", str(folder / "BTC_USDT-5m.parquet"), "--space", "fast=2..12,slow=8..30", "--folds", "3"]
    command += ["--data-folder", str(folder), "--workers", "1", "--progress", "lines", "--least-trades", "1"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as keeper:
        assert keeper.stderr is not None
        for line in keeper.stderr:
            assert line.startswith("progress"), line
            if " 0/60 " not in line:
                break
        keeper.kill()
    database = Database(f"sqlite:///{folder / 'studies.db'}")
    definition, halfway, notes = read(database, "killed")
    database.close()
    kept = {trial.number: trial.run for trial in halfway if trial.run is not None}
    assert 0 < len(kept) < 60
    _gone(int(kept[0].host.rpartition(":")[2]))
    pools: list[Here] = []

    def open_pool(task):
        pools.append(Here(task))
        return pools[0]

    total = len(kept) + 3
    run(again(definition), folder, open_pool, runs=total)
    database = Database(f"sqlite:///{folder / 'studies.db'}")
    _, trials, _ = read(database, "killed")
    database.close()
    assert notes["keeper"]["pid"] == keeper.pid
    assert sum(trial.run is not None for trial in trials) == total
    assert all(trials[number].run == kept[number] for number in kept)
    assert not {number for number in pools[0].ran if number >= 0} & set(kept)
    assert prepared.definition.task.data_hash == definition.task.data_hash


def _gone(pid: int) -> None:
    """A worker leaves by itself when its keeper is dead."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail(f"the worker {pid} outlived its keeper")


def test_a_worker_that_is_killed_loses_its_job_and_is_replaced(folder):
    task = ready(folder).definition.task
    job = Job(number=0, params={"fast": 3, "slow": 9, "interval_s": 300})
    pool = Processes(task, 1)
    try:
        os.kill(pool.pids[0], signal.SIGKILL)
        pool.submit(job)
        assert pool.done(60) == [Lost(number=0, how="its process ended with signal SIGKILL")]
        pool.submit(job)
        (answer,) = pool.done(60)
    finally:
        pool.close()
    assert isinstance(answer, Run)
    assert answer.state_hash == Here(task).bench.run(job).state_hash
    assert answer.host != f"{os.uname().nodename}:{os.getpid()}"


def test_dasks_workers_run_jobs_and_refuse_another_study(folder):
    from distributed import LocalCluster

    task = ready(folder).definition.task
    job = Job(number=0, params={"fast": 3, "slow": 9, "interval_s": 300})
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        pool = Machines(task, cluster.scheduler_address)
        pool.submit(job)
        answers: list[Run | Lost] = []
        while not answers:
            answers = pool.done(5)
        pool.close()
        other = Machines(msgspec.structs.replace(task, data_hash="0" * 64), cluster.scheduler_address)
        other.submit(job)
        with pytest.raises(MoonDevError, match="the data differs from the study's"):
            other.done(60)
        other.close()
    (answer,) = answers
    assert isinstance(answer, Run)
    assert answer.state_hash == Here(task).bench.run(job).state_hash
