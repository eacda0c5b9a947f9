"""A study: repeatable with any number of processes and after any kill, each trial a backtest of its own."""

import sqlite3
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import ConfigError, MoonDevError
from research.backtest import run_plan
from research.optimise.database import Database
from research.optimise.definition import read
from research.optimise.job import Bench, Job, Run
from research.optimise.pool import Lost
from research.optimise.run import again
from research.optimise.source import DataSource
from research.optimise.study import Study
from tests.research.optimise.room import RUNS, Disorderly, Dying, Here, ready, run, write_bars


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def whole(folder):
    """An undisturbed study, one trial at a time."""
    run(ready(folder), folder)
    return trials_of(folder)


def trials_of(folder: Path):
    database = Database(f"sqlite:///{folder / 'studies.db'}")
    try:
        return read(database, "crosses")
    finally:
        database.close()


def told(trials):
    """What of a study must not depend on who ran it, and when."""
    return [
        (t.number, t.values, t.problem, t.least, t.run and (t.run.state, t.run.values, t.run.state_hash))
        for t in trials
    ]


def test_the_order_in_which_results_come_changes_nothing(folder, whole, tmp_path):
    run(ready(folder), tmp_path, Disorderly)
    assert told(trials_of(tmp_path)[1]) == told(whole[1])


def test_a_study_that_was_killed_goes_on_as_if_nothing_had_been(folder, whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(ready(folder), tmp_path, Dying)
    definition, halfway, _ = trials_of(tmp_path)
    kept = [trial.number for trial in halfway if trial.run is not None]
    assert len(kept) == 4
    pools = []

    def open_pool(task):
        pools.append(Here(task))
        return pools[0]

    run(again(definition), tmp_path, open_pool)
    assert told(trials_of(tmp_path)[1]) == told(whole[1])
    assert not set(kept) & set(pools[0].ran)


def test_a_seed_is_a_study_and_another_seed_another(folder, whole, tmp_path):
    run(ready(folder, seed=8, runs=2), tmp_path, runs=2)
    assert [t.values for t in trials_of(tmp_path)[1]] != [t.values for t in whole[1]][:2]


def test_results_lead_the_later_half(whole):
    definition, trials, _ = whole
    assert definition.explore == RUNS / 2
    assert all(not trial.least for trial in trials[: definition.explore])


def test_a_trial_is_a_backtest_of_its_parameters_fill_for_fill(folder, whole):
    definition, trials, _ = whole
    turtles = ready(folder, strategy="turtle", space="entry_bars=4..30,atr_bars=2..8,interval_s=300|900")
    for name, task, params in (
        ("as tried", definition.task, next(t for t in trials if t.run is not None).run.params),
        ("takes", turtles.definition.task, {"entry_bars": 12, "exit_bars": 6, "style": "take", "interval_s": 300}),
        ("rests", turtles.definition.task, {"entry_bars": 8, "interval_s": 900, "atr_bars": 4, "max_units": 3}),
    ):
        bench = Bench(task)
        trial = bench.run(Job(number=0, params=params))
        once_more = bench.run(Job(number=0, params=params))
        result = run_plan(task.plan(params), bench.sources, task.settings).result
        assert trial.fills > 0, name
        assert (trial.effects_hash, trial.state_hash) == (result.effects_hash, result.state_hash), name
        assert (trial.effects_hash, trial.state_hash) == (once_more.effects_hash, once_more.state_hash), name
        assert (trial.pnl, trial.fills, trial.trades) == (f"{result.pnl:f}", result.fills, len(result.trades)), name
        assert trial.pieces is not None
        growth = 1.0
        for each in trial.pieces.returns:
            growth *= 1 + each
        assert growth - 1 == pytest.approx(float(result.pnl / result.deposit), abs=1e-12), name


def test_a_pruned_trial_is_the_beginning_of_the_whole_one(whole):
    definition, trials, _ = whole
    bench = Bench(definition.task)
    params = next(trial for trial in trials if trial.run is not None).run.params
    full = bench.run(Job(number=0, params=params))
    pruned = bench.run(Job(number=0, params=params, least=(None, 1e9)))
    assert pruned.state == "pruned"
    assert pruned.pieces is not None
    assert full.pieces is not None
    assert pruned.so_far == full.so_far[:2]
    assert pruned.pieces.blocks[0] == full.pieces.blocks[0]
    assert pruned.pieces.returns == full.pieces.returns[: len(pruned.pieces.returns)]


def test_what_the_strategy_refuses_is_counted_and_not_run(folder, tmp_path):
    evidence = run(ready(folder, space="fast=2..30,slow=8..30", sampler="random"), tmp_path)
    trials = trials_of(tmp_path)[1]
    refused = [trial for trial in trials if trial.problem]
    assert evidence.invalid == len(refused) > 0
    assert evidence.runs == RUNS
    assert "must be less than slow" in refused[0].problem


def test_a_study_is_of_one_code_and_one_data(folder, whole):
    definition = whole[0]
    other = msgspec.structs.replace(definition.task, data_hash="0" * 64)
    with pytest.raises(MoonDevError, match="the data differs from the study's"):
        Bench(other)
    database = Database(f"sqlite:///{folder / 'studies.db'}")
    with pytest.raises(MoonDevError, match="its data hash differs"):
        Study(database, msgspec.structs.replace(definition, task=other), ready(folder).model)
    database.close()


def test_one_keeper_at_a_time_and_a_dead_one_is_no_keeper(folder, whole, monkeypatch):
    database = Database(f"sqlite:///{folder / 'studies.db'}")
    study = Study(database, whole[0], ready(folder).model)
    monkeypatch.setattr("research.optimise.study.os.getpid", lambda: 1)
    with pytest.raises(MoonDevError, match="is being worked on by process"):
        Study(database, whole[0], ready(folder).model)
    study.note("keeper", {"pid": 2**22 + 1, "host": study._me["host"], "beat": 9e18})
    Study(database, whole[0], ready(folder).model).leave()
    database.close()


class Losing(Here):
    """Every process dies with number 2, and the first with number 0."""

    deaths = 0

    def done(self, timeout_s: float) -> list[Run | Lost]:
        if self.jobs[0].number == 2 or (self.jobs[0].number == 0 and not self.deaths):
            self.deaths += 1
            return [Lost(number=self.jobs.pop(0).number, how="its process ended with signal SIGKILL")]
        return super().done(timeout_s)


def test_a_job_whose_processes_keep_dying_is_given_up_and_said(folder, tmp_path):
    evidence = run(ready(folder, runs=5), tmp_path, Losing, runs=5)
    trials = trials_of(tmp_path)[1]
    assert trials[0].run.state == "complete"
    assert (trials[2].run.state, trials[2].run.reason) == ("failed", "its process ended with signal SIGKILL")
    assert evidence.counts == {"complete": 4, "failed": 1}


def test_several_objectives_have_a_front_and_nothing_is_pruned(folder, tmp_path):
    evidence = run(ready(folder, objective="profit,drawdown"), tmp_path)
    runs = {t.number: t.run for t in trials_of(tmp_path)[1] if t.run is not None}
    assert evidence.front
    for number in evidence.front:
        profit, fall = runs[number].values
        assert not any(other.values[0] > profit and other.values[1] < fall for other in runs.values())


def test_too_little_data_is_said_before_anything_runs(folder):
    with pytest.raises(ConfigError, match="up to 2500 bars of warm-up"):
        ready(folder, space="fast=2..12,slow=8..500")
    with pytest.raises(ConfigError, match="insufficient data: after warm-up"):
        ready(folder, folds=24, held_out=0.9)


def test_studies_can_be_read_by_optunas_own_tools(folder, whole):
    rows = (
        sqlite3.connect(folder / "studies.db").execute("select state, count(*) from trials group by state").fetchall()
    )
    assert dict(rows).keys() <= {"COMPLETE", "PRUNED"}


def test_the_longest_warm_up_of_the_space_is_tried_where_a_step_is_a_bar_and_where_bars_are_missing(tmp_path):
    write_bars(tmp_path / "BTC_USDT-5m.parquet", 1_200)
    table = pq.read_table(tmp_path / "BTC_USDT-5m.parquet")
    first = 1_577_836_800 * 10**9
    for name, left in (("whole", range(1_200)), ("holed", [*range(50), *range(60, 1_200)])):
        days = pa.array([first + at * 86_400 * 10**9 for at in left])
        path = tmp_path / f"BTC_USDT-1d-{name}.parquet"
        pq.write_table(table.take(pa.array(left)).set_column(0, "ts_ns", days), path)
        bench = Bench(ready(tmp_path, sources=(DataSource(path=str(path), tolerate_gaps=True),)).definition.task)
        longest, shortest, longer = [
            bench.run(Job(number=0, params={"interval_s": 86_400, "fast": 2, "slow": slow})) for slow in (30, 8, 31)
        ]
        assert (longest.state, shortest.state) == ("complete", "complete"), name
        assert longest.events == shortest.events, f"{name}: one of them began on another bar"
        assert (longer.state, longer.reason) == ("unfit", "its warm-up is too long")
