"""A study in bad hands: what breaks is said in words, and what was worked out before is kept."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import optuna
import pytest
import typer
from typer.testing import CliRunner

from domain.errors import ConfigError, MoonDevError
from research.optimise import cli
from research.optimise.database import Database
from research.optimise.definition import read
from research.optimise.job import Job, Run
from research.optimise.pool import Lost, Machines, Processes
from research.optimise.search import progress_of
from research.optimise.source import DataSource
from tests.research.optimise.room import RUNS, Disorderly, Here, ready, run, write_bars

OWN = '''
"""One that breaks in the way that is asked for."""
from typing import Literal

from msgspec import Struct

from domain.desired import NOTHING
from domain.market import Feed, FeedKind
from domain.strategy import Params, Strategy


class P(Params):
    how: Literal["made", "feeds", "warmup", "decides", "ends", "mostly"] = "made"
    x: int = 1


class M(Struct):
    count: int = 0


class Breaks(Strategy[M, P]):
    kind = "breaks"
    params_type = P
    memory_type = M

    def __init__(self, instruments, params):
        super().__init__(instruments, params)
        if params.how == "made" or (params.how == "mostly" and params.x % 10):
            raise ZeroDivisionError("in its making")

    def feeds(self):
        if self.params.how == "feeds":
            raise ZeroDivisionError("in its feeds")
        return (Feed(kind=FeedKind.BAR, instrument=self.instruments[0], interval_ns=300 * 10**9),)

    def warmup(self):
        if self.params.how == "warmup":
            raise ZeroDivisionError("in its warm-up")
        return 1

    def start(self):
        return M()

    def decide(self, memory, view):
        if self.params.how == "decides":
            raise ZeroDivisionError("in its decision")
        while self.params.how == "ends":
            pass
        return memory, NOTHING
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("hostile")
    write_bars(path / "BTC_USDT-5m.parquet")
    (path / "breaks.py").write_text(OWN, encoding="utf-8")
    return path


def breaking(folder: Path, how: str, **asked):
    """A study of the strategy that breaks."""
    wanted = {"strategy": "breaks", "folder": str(folder), "space": "x=1..40", "params": {"how": how}, "runs": 2}
    return ready(folder, **wanted | asked)


@pytest.mark.parametrize(("how", "words"), [("made", "making"), ("feeds", "feeds"), ("warmup", "warm-up")])
def test_a_strategy_that_cannot_be_made_is_refused_with_its_own_words(folder, how, words):
    with pytest.raises(MoonDevError, match=f"cannot be made: ZeroDivisionError: in its {words}"):
        breaking(folder, how)


def test_one_that_can_be_made_at_some_points_only_is_tried_and_the_others_say_why(folder, tmp_path):
    evidence = run(breaking(folder, "mostly", least_trades=0, space="x=8|9|10"), tmp_path, runs=3)
    assert evidence.counts == {"complete": 1, "unfit": 2}
    assert any("in its making" in why for why in evidence.why)


def test_one_that_always_raises_leaves_a_study_that_says_so_and_has_a_page(folder, tmp_path):
    evidence = run(breaking(folder, "decides"), tmp_path, runs=2)
    assert evidence.chosen is None
    assert evidence.counts == {"failed": 2}
    assert evidence.verdict == "Nothing to choose: no trial can be judged (2 failed)."
    assert any("ZeroDivisionError: in its decision" in why for why in evidence.why)


def test_a_trial_that_never_ends_fails_and_the_next_one_has_a_process(folder):
    prepared = breaking(folder, "ends")
    pool = Processes(prepared.definition.task, 1, limit_s=0.2)
    try:
        pool.submit(Job(number=0, params={"how": "ends", "x": 1}))
        found = pool.done(60)
        assert [(each.number, each.state, each.reason) for each in found if isinstance(each, Run)] == [
            (0, "failed", "it was not over after 0 s (--limit)")
        ]
        assert pool.room == 1
    finally:
        pool.close()


def test_a_trial_that_never_ends_fails_in_a_dask_worker_too_which_goes_on(folder):
    from distributed import LocalCluster

    task = breaking(folder, "ends").definition.task
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        pool = Machines(task, cluster.scheduler_address, limit_s=3)
        pool.submit(Job(number=0, params={"how": "ends", "x": 1}))
        pool.submit(Job(number=1, params={"how": "decides", "x": 1}))
        found: list[Run | Lost] = []
        while len(found) < 2:
            found += pool.done(60)
        pool.close()
    assert [(each.number, each.state, each.reason) for each in found if isinstance(each, Run)] == [
        (0, "failed", "it was not over after 3 s (--limit)"),
        (1, "failed", "ZeroDivisionError: in its decision (breaks, line 46)"),
    ]


def test_a_study_of_which_every_trial_fails_ends_with_an_error_and_the_words_of_the_first(folder, tmp_path):
    run(breaking(folder, "decides"), tmp_path)
    app = typer.Typer()
    cli.register(app)
    app.command("nothing")(lambda: None)
    result = CliRunner().invoke(app, ["optimise", "go-on", "crosses", "--data-folder", str(tmp_path), "--workers", "1"])
    assert result.exit_code != 0
    assert isinstance(result.exception, MoonDevError)
    assert "no trial of crosses came to a result; trial 0 was the first to fail: " in str(result.exception)
    assert "ZeroDivisionError: in its decision" in str(result.exception)
    assert "Nothing to choose" in result.output


def test_a_defect_in_one_trial_is_the_failure_of_that_trial(folder, monkeypatch):
    prepared = ready(folder)
    here = Here(prepared.definition.task)

    def broken(*_: object) -> float:
        raise RuntimeError("no figure")

    monkeypatch.setattr(type(here.bench), "value", broken)
    here.submit(Job(number=4, params={"fast": 3, "slow": 9, "interval_s": 300}))
    (found,) = here.done(0)
    assert isinstance(found, Run)
    assert (found.state, found.reason) == ("failed", "RuntimeError: no figure")


def test_half_of_the_trials_are_spread_evenly_also_where_most_of_the_space_is_refused(folder, tmp_path):
    run(ready(folder, space="fast=8..30,slow=8..30", sampler="random"), tmp_path)
    database = Database(f"sqlite:///{tmp_path / 'studies.db'}")
    trials = read(database, "crosses")[1]
    database.close()
    tried = [trial.is_even for trial in trials if trial.is_valid]
    assert tried == [True] * (RUNS // 2) + [False] * (RUNS // 2)
    assert sum(not trial.is_valid for trial in trials) >= 2


class Filling(Here):
    """After three results nothing more can be written, as on a disk that is full."""

    folder: ClassVar[Path]

    def done(self, timeout_s: float) -> list:
        found = super().done(timeout_s)
        if len(self.ran) == 3:
            with sqlite3.connect(self.folder / "studies.db") as connection:
                connection.execute(
                    "create trigger full before insert on trial_user_attributes "
                    "begin select raise(abort, 'database or disk is full'); end"
                )
        return found


def test_a_disk_that_is_full_is_said_and_the_study_goes_on_when_there_is_room(folder, tmp_path):
    Filling.folder = tmp_path
    with pytest.raises(MoonDevError, match=r"cannot be read or written.*disk is full.*go-on"):
        run(ready(folder), tmp_path, Filling)
    with sqlite3.connect(tmp_path / "studies.db") as connection:
        connection.execute("drop trigger full")
    pools = []

    def open_pool(task):
        pools.append(Here(task))
        return pools[0]

    assert run(ready(folder), tmp_path, open_pool).runs == RUNS
    assert {0, 1}.isdisjoint(pools[0].ran)


class Removing(Here):
    """Somebody removes the studies while one is under way."""

    folder: ClassVar[Path]

    def done(self, timeout_s: float) -> list:
        (self.folder / "studies.db").unlink(missing_ok=True)
        return super().done(timeout_s)


def test_a_database_that_was_removed_is_told_before_anybody_takes_the_result_for_kept(folder, tmp_path):
    Removing.folder = tmp_path
    with pytest.raises(MoonDevError, match="removed or replaced"):
        run(ready(folder, runs=2), tmp_path, Removing, runs=2)


def test_data_that_changed_since_is_refused_by_whoever_goes_on(folder, tmp_path):
    data = write_bars(tmp_path / "BTC_USDT-5m.parquet")
    prepared = ready(tmp_path)
    write_bars(data, seed=4)
    with pytest.raises(MoonDevError, match="the data differs from the study's"):
        run(prepared, tmp_path, Here)


def test_a_study_of_another_program_is_left_alone_and_hides_no_other(folder, tmp_path):
    path = tmp_path / "studies.db"
    other = optuna.create_study(storage=f"sqlite:///{path}", study_name="crosses", direction="maximize")
    other.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(MoonDevError, match="of another program"):
        run(ready(folder), tmp_path)
    run(ready(folder, name="ours", runs=1), tmp_path, runs=1)
    app = typer.Typer()
    cli.register(app)
    app.command("nothing")(lambda: None)
    said = CliRunner().invoke(app, ["optimise", "ls", "--data-folder", str(tmp_path)], catch_exceptions=False).output
    assert "not made by" in said
    assert "1 of 1 trials" in said


def test_a_file_of_any_name_gives_a_study_a_name():
    assert DataSource(path="/x/Größe ☃ ../BTC.parquet").short == "BTC"
    assert DataSource(path="/x/Größe ☃.parquet").short == "Gr--e--"


@pytest.mark.parametrize("address", ["nonsense", "tcp://somewhere", "tcp://a:b"])
def test_an_address_that_is_none_is_refused_at_once(folder, address):
    with pytest.raises(ConfigError, match="expected the address of a scheduler"):
        Machines(ready(folder).definition.task, address)


class Shaky(Disorderly):
    """All processes die at once, and for a while there is no room for others."""

    died = no_room = 0

    @property
    def room(self) -> int:
        if self.no_room:
            self.no_room -= 1
            return 0
        return super().room

    def done(self, timeout_s: float) -> list:
        if not self.jobs:
            return []
        if not self.died:
            self.died, self.no_room = 1, 2
            lost = [Lost(number=job.number, how="its Dask worker is gone: lost") for job in self.jobs]
            self.jobs.clear()
            return lost
        return super().done(timeout_s)


def test_a_study_waits_for_workers_that_were_all_lost(folder, tmp_path):
    assert run(ready(folder), tmp_path, Shaky).runs == RUNS


def test_the_time_left_goes_by_the_newest_results():
    tally = SimpleNamespace(finished=60, states={"pruned": 0, "unfit": 0, "failed": 0}, best=None, invalid=0)
    study: Any = SimpleNamespace(tally=tally)
    progress = progress_of(study, 160, recent=50, took_s=25.0)
    assert (progress.rate_per_s, progress.left_s) == (2.0, 50.0)
    assert progress_of(study, 160, recent=0, took_s=0.0).left_s is None
