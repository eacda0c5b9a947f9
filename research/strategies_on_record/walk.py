"""Walk-forward, and parameters moved one at a time, on `moondev optimise`'s own bench in this process.

Points are spread evenly over the space, whatever comes out; on the half of the blocks before, the point with the best
neighbourhood is chosen, and the next block is run anew with it, as a backtest of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from domain.strategy import Params
from engine.strategies import registry
from research.market_data import MarketData
from research.optimise.definition import Numbered
from research.optimise.evidence import LEAST_POOL, FoldTest, even_pool, schemes_of
from research.optimise.explore import point
from research.optimise.job import Bench, Job
from research.optimise.run import Asked, prepare
from research.optimise.space import problem_with, short
from research.optimise.spans import cut
from research.strategies_on_record.cases import Case
from research.strategies_on_record.ran import SEED, SETTINGS, Part, part_of, run

TRIALS = 16
BLOCKS = 8
LEAST_TRADES = 30
"""Round trips of a trial below which nothing is chosen by it."""
FACTORS = (0.5, 0.8, 1.2, 1.5)
MOST_DRAWN = 20 * TRIALS
"""Points that are looked at for `TRIALS` that the strategy takes."""


class Walk(Struct, frozen=True, kw_only=True):
    """A walk-forward: how many points were tried and how many could be judged, the folds, and what was traded of them.

    `part` is None where the data carry none, and `why` says it. `promised` is the middle return where it was chosen.
    """

    trials: int
    fit: int
    space: str
    folds: tuple[FoldTest, ...] = ()
    part: Part | None = None
    why: str = ""


class Moved(Struct, frozen=True, kw_only=True):
    """One parameter moved: its own value, the PNL there, and for each factor the PNL, or why it could not be run."""

    name: str
    own: float
    unmoved: float | str
    pnl: tuple[float | str, ...]


class Ground:
    """A case's bench: the tape in memory, and every run over the same span, which begins after the longest warm-up."""

    def __init__(self, case: Case, folder: Path) -> None:
        """Open it. Raises `ConfigError` where the data are too short for blocks."""
        asked = Asked(
            name="on-record",
            strategy=case.kind,
            sources=case.sources(folder),
            settings=SETTINGS,
            space=case.space,
            params=case.params,
            objective="profit",
            runs=TRIALS,
            seed=SEED,
            even=1.0,
            folds=BLOCKS,
            held_out=0.0,
            prune=False,
            least_trades=LEAST_TRADES,
        )
        names = {part.partition("=")[0] for part in asked.space.split(",")}
        fixed = {name: value for name, value in case.params.items() if name not in names}
        ready = prepare(replace(asked, params=fixed))
        definition, bar_ns = ready.definition, max(source.interval_ns for source in ready.sources)
        cuts, first_ns = definition.task.cuts, max(source.first_ns for source in ready.sources)
        # what is moved asks for up to half as much warm-up again
        start_ns = cuts.start_ns + (cuts.start_ns - first_ns) // 2 // bar_ns * bar_ns
        cuts = cut(start_ns, cuts.end_ns, blocks=BLOCKS, held_out=0.0, unit_ns=bar_ns)
        definition = replace(definition, task=replace(definition.task, cuts=cuts))
        self.case, self.definition, self.model = case, definition, ready.model
        self.bench = Bench(definition.task)
        self.defaults = self.bench.run(Job(number=-1, params=self.params({})))

    def params(self, changed: dict[str, Any]) -> dict[str, Any]:
        """The case's parameters, with some changed."""
        return {**self.definition.space.fixed, **self.case.params, **changed}

    def pnl(self, changed: dict[str, Any]) -> float | str:
        """What it earned, or why it could not be run."""
        done = self.bench.run(Job(number=-1, params=self.params(changed)))
        return float(done.pnl) if done.pnl else done.reason

    def walk(self, sources: Sequence[MarketData]) -> Walk:
        """Choose on the blocks before, trade the next."""
        trials = self._trials()
        fit = len(even_pool(trials))
        told = ", ".join(dimension.text for dimension in self.definition.space.dimensions)
        rolling = next((s for s in schemes_of(self.definition, trials, self.defaults) if s.scheme == "rolling"), None)
        if rolling is None:
            why = f"insufficient data: n = {fit} points with {LEAST_TRADES} round trips, {LEAST_POOL} are needed"
            return Walk(trials=len(trials), fit=fit, space=told, why=why)
        edges = self.definition.task.cuts.edges
        results = [
            run(self.case.kind, fold.params, sources, edges[fold.test[0]], edges[fold.test[0] + 1] - 1)
            for fold in rolling.folds
        ]
        part = part_of("walk-forward", results, tries=len(trials))
        return Walk(trials=len(trials), fit=fit, space=told, folds=rolling.folds, part=part)

    def _trials(self) -> list[Numbered]:
        """Evenly spread points, each run to its end."""
        space, found, seen = self.definition.space, list[Numbered](), set[str]()
        for index in range(MOST_DRAWN):
            values = space.at(point(SEED, index, len(space.dimensions)))
            params, key = space.params(values), repr(values)
            if key in seen or problem_with(self.model, params):
                continue
            seen.add(key)
            done = self.bench.run(Job(number=len(found), params=params))
            found.append(Numbered(number=len(found), values=values, problem="", run=done))
            if len(found) == TRIALS:
                break
        return found


def moved(
    kind: str, params: dict[str, Any], names: Sequence[str], pnl: Callable[[dict[str, Any]], float | str]
) -> list[Moved]:
    """Every parameter moved by each factor, all others left. `pnl` runs what is changed."""
    model = registry.load(kind, None).strategy.params_type
    unmoved = pnl({})
    found = []
    for name in names:
        own = params.get(name, model.model_fields[name].default)
        told = tuple(_moved_to(model, params, name, own * factor, pnl) for factor in FACTORS)
        found.append(Moved(name=name, own=own, unmoved=unmoved, pnl=told))
    return found


def _moved_to(
    model: type[Params], params: dict[str, Any], name: str, value: float, pnl: Callable[[dict[str, Any]], float | str]
) -> float | str:
    to = max(1, round(value)) if model.model_fields[name].annotation is int else short(value)
    return "refused" if problem_with(model, {**params, name: to}) else pnl({name: to})
