"""What a study costs as it grows: counted, because a clock tells of the machine."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from optuna.storages._rdb import models
from sqlalchemy import event

from domain.instrument import InstrumentId
from research.optimise.database import Database
from research.optimise.job import Run, Shared
from research.optimise.search import search
from research.optimise.study import Study
from research.plan import Plan
from research.prepare import paper_config
from tests.research.optimise import room

PERIODS, OF_EACH = 4, 12


class Counted(list):
    """A list that counts the elements it shows."""

    seen = 0

    def __iter__(self) -> Iterator:
        for element in super().__iter__():
            self.seen += 1
            yield element

    def __getitem__(self, at):
        self.seen += len(range(*at.indices(len(self)))) if isinstance(at, slice) else 1
        return super().__getitem__(at)


class Instant(room.Here):
    """Every job has a result at once."""

    def __init__(self) -> None:
        self.jobs, self.came, self.on_period = [], 0, lambda: None

    def done(self, _timeout_s: float) -> list:
        job = self.jobs.pop()
        self.came += 1
        if self.came % OF_EACH == 0:
            self.on_period()
        value = float(job.number % 17)
        return [Run(number=job.number, params=job.params, state="complete", values=(value,), so_far=(value,) * 3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("growth")


def test_a_trial_of_a_long_study_reads_no_more_than_one_of_a_short_study(tmp_path):
    space = "fast=2..60,slow=61..200"
    room.write_bars(tmp_path / "BTC_USDT-5m.parquet", 4_000)
    ready = room.ready(tmp_path, name="long", space=space, runs=PERIODS * OF_EACH, sampler="random", seed=1)
    database = Database(f"sqlite:///{tmp_path / 'studies.db'}")
    study = Study(database, ready.definition, ready.model)
    study.trials = shown = Counted(study.trials)
    rows, pool, counts = [0], Instant(), [(0, 0)]

    def loaded(*_: object) -> None:
        rows[0] += 1

    pool.on_period = lambda: counts.append((rows[0], shown.seen))
    models_of = (models.TrialModel, models.TrialUserAttributeModel, models.TrialParamModel, models.TrialValueModel)
    for model in models_of:
        event.listen(model, "load", loaded)
    try:
        search(study, pool, PERIODS * OF_EACH, lambda _: None)
    finally:
        for model in models_of:
            event.remove(model, "load", loaded)
    database.close()
    assert len(study.trials) == PERIODS * OF_EACH == study.tally.finished
    from_storage, from_memory = ([after[at] - before[at] for before, after in pairwise(counts)] for at in (0, 1))

    assert max(from_storage[1:]) <= from_storage[0] + OF_EACH, from_storage
    assert max(from_memory[2:]) <= from_memory[1] + OF_EACH, from_memory


def test_tapes_in_memory_are_bounded_and_the_oldest_goes_first(folder):
    ready = room.ready(folder)
    (source,), settings = ready.sources, ready.definition.task.settings
    paper = {source.instrument.venue: paper_config(settings, source.instrument.venue, 0)}
    shared = Shared(most=1_000)

    def play(minutes: int) -> int:
        wanted: dict[InstrumentId, tuple[int, ...]] = {source.instrument.id: (minutes * 60 * 10**9,)}
        events, _ = shared.open(Plan(strategies=()), ready.sources, paper, wanted)
        return len(list(events))

    assert [play(minutes) for minutes in (10, 15)] == [449, 300]
    kept = shared.events
    assert [play(minutes) for minutes in (10, 20)] == [449, 224]
    assert (kept, shared.events) == (749, 973)
    assert play(5) == 900
    assert shared.events == 900, "one that is as large as all may be, or nearly, leaves no room for the others"
