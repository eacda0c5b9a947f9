"""What a study shows: the point that is chosen, what it did where it was not chosen, and how likely it is luck.

Folds look only at trials that were spread evenly and run to their end. Those that results led to were led by the
whole study, test sets included: among them every fold would look better than it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from msgspec import Struct

from research.measures.benchmark import hold
from research.measures.curve import Curve, curve_of
from research.measures.figure import DAYS, Figure, Floats, none
from research.measures.sharpe import probability_figures
from research.optimise.definition import Definition, Numbered
from research.optimise.folds import SCHEMES, Fold, Scheme, folds_of
from research.optimise.job import Run
from research.optimise.objectives import OBJECTIVES, Objective
from research.optimise.pieces import Pieces, part, steps_of
from research.optimise.robust import Ground, around, choose, ground, neighbours
from research.optimise.spans import DAY_NS, LEAST_DAYS, Cuts

Prices: TypeAlias = Sequence[tuple[int, float]]
MOST_REASONS = 3
LEAST_POOL = 8
"""Even trials below which folds choose among next to nothing."""


class FoldTest(Struct, frozen=True, kw_only=True):
    """One fold: what was chosen on its train set, and what that did on its test set.

    `rank` is the share of the other trials that did worse on the test set; 0.5 is what chance does.
    """

    train: tuple[int, ...]
    test: tuple[int, ...]
    purged_steps: int
    number: int
    params: dict[str, Any]
    in_sample: float
    out_of_sample: float
    rank: float
    middle: float
    """What the middle trial did on the test set."""
    defaults: float | None


class Scored(Struct, frozen=True, kw_only=True):
    """All folds of a scheme, and the test sets of a walk-forward one after the other."""

    scheme: Scheme
    folds: tuple[FoldTest, ...]
    joined: float | None = None

    @property
    def in_sample(self) -> float:
        """The middle of what was promised."""
        return float(np.median([fold.in_sample for fold in self.folds]))

    @property
    def out_of_sample(self) -> float:
        """The middle of what was kept."""
        return float(np.median([fold.out_of_sample for fold in self.folds]))

    @property
    def overfit(self) -> float:
        """Share of folds in which the chosen one did worse than the middle trial.

        Of the combinatorial scheme that is the probability of backtest overfitting of Bailey, Borwein, Lopez de Prado
        and Zhu (2015), for the rule that chooses here.
        """
        return float(np.mean([fold.rank < 0.5 for fold in self.folds]))


class Point(Struct, frozen=True, kw_only=True):
    """A set of parameters with what it did over the study and over what was held out."""

    label: str
    number: int | None
    params: dict[str, Any]
    studied: tuple[float | None, ...]
    held_out: tuple[float | None, ...]
    trades: int | None = None
    held_out_trades: int | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """Everything the report tells. Values are in the objectives' own sense (a drawdown is positive)."""

    name: str
    objectives: tuple[str, ...]
    runs: int
    repeats: int
    """Proposals that had been run before; they are no tries."""
    counts: dict[str, int]
    why: dict[str, int]
    """What was said most often of trials that were unfit or failed, and how often."""
    invalid: int
    even: int
    chosen: Point | None
    best: Point | None
    points: tuple[Point, ...]
    """The chosen one, the best, the defaults, buy and hold."""
    chosen_ground: Ground | None
    best_ground: Ground | None
    schemes: tuple[Scored, ...]
    deflated: Figure
    importances: dict[str, float]
    front: tuple[int, ...]
    """Numbers of the Pareto front, of several objectives."""
    looks: int
    """How often what was held out has been looked at."""
    verdict: str
    reasons: tuple[str, ...]
    longest_steps: int = 0
    """Steps that the longest round trip of the even trials touched: what should be purged beside a test set."""


def judged(trials: Sequence[Numbered], objective: Objective) -> tuple[list[Numbered], Floats]:
    """Trials that have a figure of the first objective, pruned ones what they had so far, and the figures signed."""
    kept = [
        trial
        for trial in trials
        if trial.run is not None
        and trial.run.state in {"complete", "pruned"}
        and trial.run.values[0] is not None
        and not trial.is_repeat
    ]
    values = [float(trial.run.values[0] or 0.0) * objective.sign for trial in kept if trial.run is not None]
    return kept, np.array(values, dtype=np.float64)


def coordinates(definition: Definition, trials: Sequence[Numbered]) -> Floats:
    """Where trials lie in the space."""
    rows = [definition.space.coordinates(trial.values) for trial in trials]
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1)


def chosen_of(definition: Definition, trials: Sequence[Numbered]) -> tuple[Numbered, Ground, Numbered, Ground] | None:
    """The trial with the best neighbourhood and the best trial, each with its ground; None when no run is complete."""
    objective = OBJECTIVES[definition.task.objectives[0]]
    kept, values = judged(trials, objective)
    complete = np.array([trial.run is not None and trial.run.state == "complete" for trial in kept], dtype=np.bool_)
    if not complete.any():
        return None
    where = coordinates(definition, kept)
    robust = choose(neighbours(where), values, complete)
    best = int(np.argmax(np.where(complete, values, -np.inf)))
    return kept[robust], ground(where, values, robust), kept[best], ground(where, values, best)


def even_pool(trials: Sequence[Numbered]) -> list[Numbered]:
    """Evenly spread trials that were run to their end."""
    return [
        trial
        for trial in trials
        if trial.is_even and trial.run is not None and trial.run.state == "complete" and not trial.is_repeat
    ]


def pieces_of(pool: Sequence[Numbered]) -> list[Pieces]:
    """What trials that were run to their end left behind."""
    return [trial.run.pieces for trial in pool if trial.run is not None and trial.run.pieces is not None]


def longest_of(pool: Sequence[Numbered]) -> int:
    """Steps that the longest round trip of the trials touched."""
    return max((pieces.longest_steps for pieces in pieces_of(pool)), default=0)


def most_purged(cuts: Cuts) -> int:
    """Steps that are purged beside a test set at most: half a block, so that something is left to choose on."""
    return cuts.block_steps // 2


def schemes_of(definition: Definition, trials: Sequence[Numbered], defaults: Run | None) -> tuple[Scored, ...]:
    """Every scheme over the evenly spread trials; none where there are too few of them."""
    pool = even_pool(trials)
    cuts = definition.task.cuts
    if len(pool) < LEAST_POOL or cuts.blocks < 3:
        return ()
    pieces, purge = pieces_of(pool), min(longest_of(pool), most_purged(cuts))
    judge = _Judge(definition, pool, pieces, defaults)
    found = [
        judge.scheme(scheme, folds_of(scheme, cuts, purge=purge, embargo=definition.embargo)) for scheme in SCHEMES
    ]
    return tuple(scored for scored in found if scored is not None)


class _Judge:
    """Chooses on train sets and looks at test sets."""

    def __init__(
        self, definition: Definition, pool: Sequence[Numbered], pieces: Sequence[Pieces], defaults: Run | None
    ) -> None:
        self._definition = definition
        self._objective = OBJECTIVES[definition.task.objectives[0]]
        self._pool, self._pieces = pool, pieces
        self._defaults = defaults.pieces if defaults is not None and defaults.state == "complete" else None
        self._near = neighbours(coordinates(definition, pool))
        self._year = definition.task.cuts.steps_a_year

    def scheme(self, scheme: Scheme, folds: Sequence[Fold]) -> Scored | None:
        """All folds of one scheme on whose train set there is something to choose by; None = there are none."""
        tested = [test for fold in folds if (test := self._tested(fold)) is not None]
        if not tested:
            return None
        joined = None
        if scheme in {"anchored", "rolling"}:
            joined = self._objective.of(self._joined(tested), self._year)
        return Scored(scheme=scheme, folds=tuple(tested), joined=joined)

    def _joined(self, tested: Sequence[FoldTest]) -> Pieces:
        by_number = {trial.number: pieces for trial, pieces in zip(self._pool, self._pieces, strict=True)}
        parts = [part(by_number[test.number], test.test) for test in tested]
        return Pieces(
            returns=tuple(value for each in parts for value in each.returns),
            blocks=tuple(block for each in parts for block in each.blocks),
            deposit=parts[0].deposit,
        )

    def _signed(self, pieces: Pieces, none: float) -> float:
        value = self._objective.of(pieces, self._year)
        return none if value is None else value * self._objective.sign

    def _tested(self, fold: Fold) -> FoldTest | None:
        idle, sign = self._objective.idle * self._objective.sign, self._objective.sign
        train = np.array([self._signed(part(each, fold.train, purged=fold.purged), -np.inf) for each in self._pieces])
        test = np.array([self._signed(part(each, fold.test), idle) for each in self._pieces])
        known = np.isfinite(train)
        if not known.any():
            return None
        index = choose(self._near, train, known)
        others = np.delete(test, index)
        defaults = self._signed(part(self._defaults, fold.test), idle) * sign if self._defaults is not None else None
        rank = float(np.mean(others < test[index]) + np.mean(others == test[index]) / 2)
        return FoldTest(
            train=fold.train,
            test=fold.test,
            purged_steps=len(fold.purged),
            number=self._pool[index].number,
            params=self._definition.space.params(self._pool[index].values),
            in_sample=float(train[index]) * sign,
            out_of_sample=float(test[index]) * sign,
            rank=rank,
            middle=float(np.median(test)) * sign,
            defaults=defaults,
        )


def deflated_of(definition: Definition, trials: Sequence[Numbered], chosen: Run | None) -> Figure:
    """Probability that the chosen one's true Sharpe ratio is above what the best of so many tries shows by luck."""
    cuts = definition.task.cuts
    if chosen is None or chosen.pieces is None:
        return none(0, DAYS, "nothing was chosen")
    if cuts.step_ns != DAY_NS:
        return none(0, DAYS, f"insufficient data: the study is shorter than {LEAST_DAYS} days, its steps than one")
    tries = sum(trial.run is not None and not trial.is_repeat for trial in trials)
    # the tries' own variance is no luck's: most of it is what the parameters really do, above all to costs
    return probability_figures(np.asarray(chosen.pieces.returns, dtype=np.float64), tries, None)[1]


def held(prices: Mapping[str, Prices], start_ns: int, end_ns: int, cuts: Cuts, fees: Mapping[str, float]) -> Pieces:
    """Holding every instrument over whole steps of a time, as reports count it, without funding; `fees` are takers'.

    Prices are (ts_ns, close) of each instrument, oldest first; the newest one before the start is the start's.
    """
    until_ns = start_ns + (end_ns - start_ns) // cuts.step_ns * cuts.step_ns
    curve = hold({name: _within(each, start_ns, until_ns) for name, each in prices.items()}, 1.0, fees, {}, start_ns)
    samples = list(zip(curve.times.tolist(), curve.values.tolist(), strict=True)) if curve is not None else []
    returns = steps_of(samples, 1.0, (start_ns, until_ns), cuts.step_ns)
    return Pieces(returns=tuple(returns.tolist()), blocks=(), deposit=1.0)


def _within(prices: Prices, start_ns: int, end_ns: int) -> Curve:
    known = [(max(ts_ns, start_ns), price) for ts_ns, price in prices if ts_ns <= end_ns]
    before = sum(ts_ns <= start_ns for ts_ns, _ in known)
    return curve_of(known[max(0, before - 1) :])


def states(trials: Sequence[Numbered]) -> dict[str, int]:
    """How many runs ended how."""
    return dict(Counter(trial.run.state for trial in trials if trial.run is not None and not trial.is_repeat))


def reasons(trials: Sequence[Numbered]) -> dict[str, int]:
    """What was said of trials that were unfit or failed, the most frequent first."""
    runs = [trial.run for trial in trials if trial.run is not None and trial.run.state in {"unfit", "failed"}]
    return dict(Counter(run.reason for run in runs).most_common(MOST_REASONS))


def front_of(definition: Definition, trials: Sequence[Numbered]) -> tuple[int, ...]:
    """Numbers of complete trials that no other one beats in every objective, by the first objective, best first."""
    objectives = [OBJECTIVES[name] for name in definition.task.objectives]
    runs = [
        trial.run for trial in trials if trial.run is not None and trial.run.state == "complete" and not trial.is_repeat
    ]
    rows = [
        (run.number, [v * o.sign for v, o in zip(run.values, objectives, strict=True) if v is not None]) for run in runs
    ]
    rows = [(number, row) for number, row in rows if len(row) == len(objectives)]
    kept = [
        (row, number)
        for number, row in rows
        if not any(
            all(a >= b for a, b in zip(other, row, strict=True)) and any(a > b for a, b in zip(other, row, strict=True))
            for _, other in rows
        )
    ]
    return tuple(number for row, number in sorted(kept, key=lambda each: (-each[0][0], each[1])))


def scores(definition: Definition, trials: Sequence[Numbered]) -> dict[int, float]:
    """The robust score of every judged trial by its number, in the objective's own sense."""
    objective = OBJECTIVES[definition.task.objectives[0]]
    kept, values = judged(trials, objective)
    if not kept:
        return {}
    found = around(neighbours(coordinates(definition, kept)), values) * objective.sign
    return {trial.number: float(score) for trial, score in zip(kept, found, strict=True)}
