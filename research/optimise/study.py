"""A study in its database: what is tried next, what came of it, and how it goes on after a kill.

One process keeps the study; those that run trials never see the database. What is tried at number i depends on the
seed, on i, and on the results of the numbers up to i - `lag`: they are told in order of number, never earlier. So a
seed gives the same study with one process or with many, killed in the middle or not. A result is written when it
comes; a number that was under way when the keeper died is run again, and counted once.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from bisect import insort
from typing import Any

import msgspec
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from domain.errors import ConfigError, MoonDevError
from domain.strategy import Params
from research.optimise.database import Database
from research.optimise.definition import (
    Definition,
    Numbered,
    differences,
    directions,
    encode,
    key_of,
    outcome_of,
    told_apart,
)
from research.optimise.explore import point
from research.optimise.job import Job, Run
from research.optimise.objectives import OBJECTIVES
from research.optimise.space import problem_with
from research.optimise.tally import Tally

MOST_INVALID = 50
"""Invalid combinations for each run asked for, after which the space is given up."""
LEAST_PEERS = 8
"""Runs that have reached a block before another is given up there."""
MOST_REPEATS = 40
"""Proposals one after the other that were all run before, after which the space counts as exhausted."""
MOST_REFUSED_IN_A_ROW = 1_000
"""Proposals one after the other of which none was both new and valid, after which the space counts as exhausted."""
UPPER = 2 / 3
"""What results lead to has to be in the best third: the even half has looked at the rest of the space already."""
BEAT_S = 5.0
STALE_S = 30.0
"""A keeper that has not been heard of for so long is dead."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Study:
    """A study of the database, kept by this process alone. Raises `MoonDevError` when another one keeps it."""

    def __init__(self, database: Database, definition: Definition, model: type[Params]) -> None:
        """Begin it, or go on with it."""
        self.definition = definition
        self._model = model
        self._database = database
        towards = directions(definition.task.objectives)
        self._id = database.begin(definition.name, towards)
        self._claim()
        self._write_definition()
        self._memory = InMemoryStorage()
        self._mirror = optuna.create_study(storage=self._memory, directions=towards)
        self._mirror_id = self._memory.get_study_id_from_name(self._mirror.study_name)
        self._distributions = definition.space.distributions
        self._ids: list[int] = []
        self.trials: list[Numbered] = []
        self.tally = Tally(OBJECTIVES[definition.task.objectives[0]])
        self._reached: list[list[float]] = [[] for _ in range(definition.task.cuts.blocks)]
        """For each block what the told runs had reached at its end, worst first, more is better."""
        self._first: dict[str, int] = {}
        """The first number that tried something."""
        self._told = 0
        self._restore()

    # what is tried

    def under_way(self) -> list[Job]:
        """Jobs whose results are not here: of an earlier run of this study that was killed."""
        left = [trial for trial in self.trials if trial.is_valid and trial.run is None]
        return [self._job(trial) for trial in left if not self._repeat(trial)]

    def ask(self, runs: int) -> Job | None:
        """The next job, None while results are awaited on which it depends, or when `runs` have been asked for.

        Raises `ConfigError` when hardly any combination is valid.
        """
        while self.tally.asked < runs and not self.is_exhausted:
            number = len(self.trials)
            if not self._tell_until(number - self.definition.lag):
                return None
            is_even = self.tally.asked < self.definition.explore
            values = self._sampled(number, is_even=is_even)
            problem = problem_with(self._model, self.definition.space.params(values))
            least = () if problem or is_even else self._least()
            attributes = {"least": list(least), "problem": problem, "guided": not is_even}
            self._ids.append(self._database.storage.create_new_trial(self._id, self._running(values, attributes)))
            same_as = None if problem else self._first.setdefault(key_of(self.definition.space, values), number)
            trial = Numbered(
                number=number,
                values=values,
                problem=problem,
                run=None,
                least=least,
                is_even=is_even,
                same_as=same_as if same_as != number else None,
            )
            self.trials.append(trial)
            self.tally.tried(trial)
            if not problem and not self._repeat(trial):
                return self._job(trial)
            if len(self.trials) > MOST_INVALID * max(runs, 1):
                raise ConfigError(
                    f"{self.tally.invalid} of {len(self.trials)} combinations are refused by the strategy "
                    f"itself, the last because {problem}: choose a --space in which most are valid"
                )
        return None

    def _repeat(self, trial: Numbered) -> bool:
        """True for what was tried before when its result was told: it is the result, and nothing is run.

        One that is still under way is run again: how far it is must not matter.
        """
        if trial.same_as is None or trial.same_as >= self._told:
            return False
        run = self.trials[trial.same_as].run
        if run is None or run.state == "failed":
            return False
        self.keep(msgspec.structs.replace(run, number=trial.number, same_as=trial.same_as))
        return True

    @property
    def is_exhausted(self) -> bool:
        """True when nothing new has come for a while: what the strategy takes has been tried."""
        tally = self.tally
        return bool(tally.asked) and (
            tally.repeats_in_a_row >= MOST_REPEATS or tally.refused_in_a_row >= MOST_REFUSED_IN_A_ROW
        )

    def _job(self, trial: Numbered) -> Job:
        return Job(number=trial.number, params=self.definition.space.params(trial.values), least=trial.least)

    def _sampled(self, number: int, *, is_even: bool) -> dict[str, Any]:
        definition = self.definition
        if is_even or (self.trials and self.trials[-1].is_repeat):
            # what results lead to has been tried: the next one is as good as any that has not
            where = point(definition.seed, number, len(definition.space.dimensions))
            values = definition.space.at(where)
            self._memory.create_new_trial(self._mirror_id, self._running(values))
            return values
        self._mirror.sampler = sampler_of(definition, number)
        return dict(self._mirror.ask(self._distributions).params)

    def _running(self, values: dict[str, Any], attributes: dict[str, Any] | None = None) -> FrozenTrial:
        return create_trial(
            state=TrialState.RUNNING, params=values, distributions=self._distributions, user_attrs=attributes
        )

    def _least(self) -> tuple[float | None, ...]:
        """What a run must have reached at the end of each block, from those told; the first block is left to noise."""
        definition = self.definition
        sign = OBJECTIVES[definition.task.objectives[0]].sign
        if not definition.prune or len(definition.task.objectives) > 1:
            return ()
        return tuple(
            known[int(len(known) * UPPER)] * sign if block and len(known) >= LEAST_PEERS else None
            for block, known in enumerate(self._reached[:-1])
        )

    # what came of it

    def keep(self, run: Run) -> None:
        """Write a result down, for good; a second one of the same number is ignored."""
        trial = self.trials[run.number]
        if trial.run is None:
            self._database.storage.set_trial_user_attr(self._ids[run.number], "run", encode(run))
            self.trials[run.number] = msgspec.structs.replace(trial, run=run)
            self.tally.came(self.trials[run.number])

    def settle(self) -> None:
        """Tell everything that has come back; call when nothing is asked for any more."""
        self._tell_until(len(self.trials) - 1)

    def _tell_until(self, number: int) -> bool:
        """Tell the results up to a number, in order; False while one of them is missing."""
        while self._told <= number:
            trial = self.trials[self._told]
            if trial.is_valid and trial.run is None:
                return False
            self._tell(trial)
            self._told += 1
            self._peer(trial)
        return True

    def _peer(self, trial: Numbered) -> None:
        """Later runs are held against what this one had reached."""
        sign = OBJECTIVES[self.definition.task.objectives[0]].sign
        for known, value in zip(self._reached, trial.run.so_far if trial.run is not None else (), strict=False):
            if value is not None:
                insort(known, value * sign)

    def _tell(self, trial: Numbered) -> None:
        state, values = outcome_of(trial)
        storage, trial_id = self._database.storage, self._ids[trial.number]
        mirrored = self._memory.get_trial_id_from_study_id_trial_number(self._mirror_id, trial.number)
        if trial.run is not None and trial.run.state == "pruned" and len(self.definition.task.objectives) == 1:
            for block, value in enumerate(trial.run.so_far):
                if value is not None:
                    self._memory.set_trial_intermediate_value(mirrored, block, value)
                    storage.set_trial_intermediate_value(trial_id, block, value)
        self._memory.set_trial_state_values(mirrored, state, values)
        storage.set_trial_state_values(trial_id, state, values)

    def _restore(self) -> None:
        """Take up what the database has: told results are seen by the sampler, the others wait for their turn."""
        found = self._database.trials(self._id)
        for frozen in found:
            self._ids.append(frozen._trial_id)  # noqa: SLF001 - the storage's own interface goes by it
            self._mirror.add_trial(
                create_trial(
                    state=frozen.state,
                    values=frozen.values,
                    params=frozen.params,
                    distributions=frozen.distributions,
                    intermediate_values=frozen.intermediate_values,
                )
            )
            if frozen.state.is_finished():
                self._told = frozen.number + 1
        self.trials = told_apart(self.definition.space, found, self._first)
        for trial in self.trials:
            self.tally.tried(trial)
            self.tally.came(trial)
            if trial.number < self._told:
                self._peer(trial)

    # who keeps it

    def _claim(self) -> None:
        """Become the keeper. Raises `MoonDevError` while another process is."""
        attributes = self._database.storage.get_study_user_attrs(self._id)
        other = attributes.get("keeper")
        if other and not _is_dead(other):
            raise MoonDevError(
                f"study {self.definition.name!r} is being worked on by process {other['pid']} on {other['host']}: wait "
                "for it, or end it"
            )
        self._me = {"pid": os.getpid(), "host": socket.gethostname(), "beat": 0.0}
        self._beaten_s = 0.0
        self.beat()

    def beat(self) -> None:
        """Say that the keeper lives; writes every few seconds at most."""
        if time.monotonic() - self._beaten_s >= BEAT_S:
            self._beaten_s = time.monotonic()
            self._database.check()
            self._database.storage.set_study_user_attr(self._id, "keeper", {**self._me, "beat": time.time()})

    def leave(self) -> None:
        """Another process may keep it from now on; of a database that fails it is known by this one's silence."""
        with contextlib.suppress(MoonDevError), self._database.speaking():
            self._database.storage.set_study_user_attr(self._id, "keeper", None)

    # notes beside the trials

    def note(self, name: str, value: Any) -> None:  # noqa: ANN401 - anything JSON takes
        """Write something down with the study."""
        self._database.storage.set_study_user_attr(self._id, name, value)

    def noted(self, name: str) -> Any:  # noqa: ANN401 - anything JSON takes
        """What was written down, None when nothing was."""
        return self._database.storage.get_study_user_attrs(self._id).get(name)

    def _write_definition(self) -> None:
        before = self.noted("definition")
        if before is None:
            if self._database.trials(self._id):
                raise MoonDevError(f"study {self.definition.name!r} is of another program: choose another --study")
            self.note("definition", msgspec.json.encode(self.definition).decode())
            return
        known = msgspec.json.decode(before, type=Definition)
        if known.fingerprint != self.definition.fingerprint:
            raise MoonDevError(f"study {known.name!r} is another one: {', '.join(differences(known, self.definition))}")
        self.definition = known


def sampler_of(definition: Definition, number: int) -> BaseSampler:
    """The sampler of one number: seeded by it, so that nothing depends on how often the study was taken up again."""
    seed = (definition.seed * 1_000_003 + number) % 2**31
    if definition.sampler == "random":
        return RandomSampler(seed=seed)
    if definition.sampler == "nsga2":
        return NSGAIISampler(seed=seed, population_size=max(4, definition.explore))
    return TPESampler(seed=seed, multivariate=True, n_startup_trials=min(10, max(1, definition.explore)))


def _is_dead(keeper: dict[str, Any]) -> bool:
    """True for a keeper that has not been heard of, or whose process on this machine is gone."""
    if keeper["pid"] == os.getpid() and keeper["host"] == socket.gethostname():
        return True
    if time.time() - float(keeper["beat"]) > STALE_S:
        return True
    if keeper["host"] != socket.gethostname():
        return False
    try:
        os.kill(int(keeper["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
