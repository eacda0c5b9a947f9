"""What a study is made of, and how it stands in the database: its definition, and its trials by number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from domain.errors import ConfigError
from research.optimise.database import Database
from research.optimise.job import Run, Task
from research.optimise.objectives import OBJECTIVES
from research.optimise.space import Space


class Definition(Struct, frozen=True, kw_only=True):
    """Everything that makes a study what it is; the number of its trials may grow."""

    name: str
    task: Task
    space: Space
    seed: int
    sampler: str
    explore: int
    """The first so many new combinations that the strategy takes are spread evenly over the space, whatever came out;
    later ones are led by results."""
    lag: int
    prune: bool
    embargo: float
    command: str = ""

    @property
    def fingerprint(self) -> bytes:
        """What must be equal when a study goes on."""
        return msgspec.json.encode(msgspec.structs.replace(self, command="", explore=0))


class Numbered(Struct, frozen=True, kw_only=True):
    """A trial as it stands: its number, what is tried, and what came of it (None = not yet)."""

    number: int
    values: dict[str, Any]
    problem: str
    run: Run | None
    least: tuple[float | None, ...] = ()
    """What its run had to have reached at the end of each block."""
    is_even: bool = True
    """True for one of those that are spread evenly; False where results led to it."""
    same_as: int | None = None
    """The first number that tried the same; this one is no trial of its own then."""

    @property
    def is_valid(self) -> bool:
        """False for a combination that the strategy's own model refuses: it was counted, not run."""
        return not self.problem

    @property
    def is_repeat(self) -> bool:
        """True for what had been tried before."""
        return self.same_as is not None


def directions(objectives: Sequence[str]) -> list[StudyDirection]:
    """Which way each objective goes, for Optuna."""
    return [
        StudyDirection.MAXIMIZE if OBJECTIVES[name].is_more_better else StudyDirection.MINIMIZE for name in objectives
    ]


def outcome_of(trial: Numbered) -> tuple[TrialState, list[float] | None]:
    """How a trial ends for Optuna: what cannot be judged is the worst there is, what broke says nothing."""
    run = trial.run
    if run is None or run.state in {"pruned", "unfit"}:
        return TrialState.PRUNED, None
    values = [value for value in run.values if value is not None]
    if run.state == "failed":
        return TrialState.FAIL, None
    return (TrialState.COMPLETE, values) if len(values) == len(run.values) else (TrialState.PRUNED, None)


def numbered(frozen: FrozenTrial) -> Numbered:
    """A trial of the database."""
    run = frozen.user_attrs.get("run")
    return Numbered(
        number=frozen.number,
        values=dict(frozen.params),
        problem=frozen.user_attrs.get("problem", ""),
        run=decode(run) if run else None,
        least=tuple(frozen.user_attrs.get("least", ())),
        is_even=not frozen.user_attrs.get("guided", False),
    )


def read(database: Database, name: str) -> tuple[Definition, list[Numbered], dict[str, Any]]:
    """A study as it stands, for looking at: its definition, its trials, its notes. Raises `ConfigError`."""
    study_id = database.find(name)
    notes = database.noted(study_id)
    if "definition" not in notes:
        raise ConfigError(f"study {name!r} was not made by `moondev optimise`, or never began")
    definition = msgspec.json.decode(notes["definition"], type=Definition)
    return definition, told_apart(definition.space, database.trials(study_id), {}), notes


def key_of(space: Space, values: dict[str, Any]) -> str:
    """What is equal for equal parameters."""
    return repr(sorted(space.params(values).items()))


def told_apart(space: Space, found: Sequence[FrozenTrial], first: dict[str, int]) -> list[Numbered]:
    """The trials of a database, repeats marked; `first` takes the first number of each combination."""
    trials = [numbered(frozen) for frozen in found]
    for at, trial in enumerate(trials):
        same_as = first.setdefault(key_of(space, trial.values), at) if trial.is_valid else at
        if same_as != at:
            trials[at] = msgspec.structs.replace(trial, same_as=same_as)
    return trials


def encode(run: Run) -> str:
    """A run as it is kept."""
    return msgspec.json.encode(run).decode()


def decode(text: str) -> Run:
    """A run that was kept."""
    return msgspec.json.decode(text, type=Run)


def differences(known: Definition, asked: Definition) -> Iterator[str]:
    """What two definitions differ in, in words."""
    for name in ("seed", "sampler", "lag", "prune", "embargo", "space"):
        if getattr(known, name) != getattr(asked, name):
            yield f"its {name} differs"
    for name in known.task.__struct_fields__:
        if getattr(known.task, name) != getattr(asked.task, name):
            yield f"its {name.replace('_', ' ')} {'differ' if name.endswith('s') and name != 'across' else 'differs'}"
