"""A study as one self-contained page: the whole surface, not the lucky point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from research.optimise.definition import Definition, Numbered
from research.optimise.evidence import Evidence, FoldTest, Point, Scored, judged
from research.optimise.folds import DESCRIBES
from research.optimise.objectives import OBJECTIVES, Objective
from research.optimise.robust import neighbours
from research.optimise.space import Dimension
from research.optimise.svg import Axis, Dot, cells, dots, pairs
from research.optimise.words import across, counts, day, of_point, shown, span, times

if TYPE_CHECKING:
    from jinja2 import Template

CELLS = 18
"""Cells of a map, each way."""
MOST_MAPS = 3
"""Parameters, the most important ones, of which each pair has a map."""
MOST_ROWS = 30
STYLE = Path(__file__).parents[1] / "report" / "templates" / "style.css"
"""The reports' own, so that a study looks like a run."""


@cache
def style() -> Markup:
    """The style sheet of all reports."""
    return Markup(STYLE.read_text(encoding="utf-8"))  # noqa: S704 - our own file


@cache
def template() -> Template:
    """The page's text with holes; whatever fills them is escaped."""
    from jinja2 import Environment

    text = Path(__file__).with_name("page.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)


def page(definition: Definition, trials: Sequence[Numbered], evidence: Evidence) -> str:
    """The page of a study."""
    objective = OBJECTIVES[definition.task.objectives[0]]
    task, cuts = definition.task, definition.task.cuts
    surface = _Surface(definition, trials, evidence, objective)
    return template().render(
        style=style(),
        tone="good" if evidence.verdict.startswith("Trial") else "bad" if evidence.verdict.startswith("Do") else "",
        definition=definition,
        evidence=evidence,
        objective=objective,
        objectives=[OBJECTIVES[name] for name in task.objectives],
        across=across(task.across),
        counts=counts(evidence),
        studied=f"{day(cuts.start_ns)} to {day(cuts.held_out_ns)} UTC, {cuts.blocks} blocks of {span(cuts)}",
        held_out=f"{day(cuts.held_out_ns)} to {day(cuts.end_ns)} UTC, looked at {times(evidence.looks)}",
        points=[_row(definition, point) for point in evidence.points],
        history=surface.history(),
        slices=surface.slices(),
        maps=list(surface.maps()),
        front=surface.front(),
        folds=[_folds(objective, scored) for scored in evidence.schemes],
        best=list(surface.best_rows()),
        describes=DESCRIBES,
        shown=shown,
    )


def _row(definition: Definition, point: Point) -> dict[str, Any]:
    objectives = [OBJECTIVES[name] for name in definition.task.objectives]
    return {
        "label": point.label,
        "studied": [each.text(value) for each, value in zip(objectives, point.studied, strict=False)],
        "held_out": [each.text(value) for each, value in zip(objectives, point.held_out, strict=False)],
        "trades": point.trades,
        "held_out_trades": point.held_out_trades,
        "params": of_point(point),
    }


def _folds(objective: Objective, scored: Scored) -> dict[str, Any]:
    values = [value for fold in scored.folds for value in (fold.in_sample, fold.out_of_sample)]
    axis = value_axis(objective, values)
    columns = [(_fold_title(objective, fold), fold.in_sample, fold.out_of_sample) for fold in scored.folds]
    return {
        "scheme": scored.scheme,
        "describes": DESCRIBES[scored.scheme],
        "picture": pairs(axis, columns),
        "in_sample": objective.text(scored.in_sample),
        "out_of_sample": objective.text(scored.out_of_sample),
        "overfit": f"{scored.overfit:.0%}",
        "joined": objective.text(scored.joined) if scored.joined is not None else "",
        "rows": [
            {
                "train": _numbers(fold.train),
                "test": _numbers(fold.test),
                "purged": fold.purged_steps,
                "number": fold.number,
                "in_sample": objective.text(fold.in_sample),
                "out_of_sample": objective.text(fold.out_of_sample),
                "rank": f"{fold.rank:.0%}",
                "middle": objective.text(fold.middle),
                "defaults": objective.text(fold.defaults) if fold.defaults is not None else "",
            }
            for fold in scored.folds[:MOST_ROWS]
        ],
        "more": max(0, len(scored.folds) - MOST_ROWS),
    }


def _fold_title(objective: Objective, fold: FoldTest) -> str:
    became = f"{objective.text(fold.in_sample)} became {objective.text(fold.out_of_sample)}"
    return f"blocks {_numbers(fold.train)} -> {_numbers(fold.test)}: {became}; trial {fold.number}"


def _numbers(blocks: Sequence[int]) -> str:
    return " ".join(str(block + 1) for block in blocks)


def value_axis(objective: Objective, values: Sequence[float]) -> Axis:
    """An axis that holds all but the wildest values, and what doing nothing scores."""
    known = [value for value in values if np.isfinite(value)] or [0.0]
    low, high = (float(each) for each in np.quantile(known, [0.02, 0.98]))
    low, high = min(low, objective.idle), max(high, objective.idle)
    room = (high - low) * 0.06 or 1.0
    return Axis(name=objective.name, low=low - room, high=high + room)


class _Surface:
    """The judged trials as pictures."""

    def __init__(
        self, definition: Definition, trials: Sequence[Numbered], evidence: Evidence, objective: Objective
    ) -> None:
        self.definition, self.evidence, self.objective = definition, evidence, objective
        self.trials, signed = judged(trials, objective)
        self.values = signed * objective.sign
        self.axis = value_axis(objective, self.values.tolist())
        self.chosen = evidence.chosen.number if evidence.chosen is not None else None
        self.best = evidence.best.number if evidence.best is not None else None
        names = list(evidence.importances)
        known = {dimension.name: dimension for dimension in definition.space.dimensions}
        self.dimensions = [known[name] for name in names if name in known]
        self.dimensions += [dimension for dimension in definition.space.dimensions if dimension.name not in names]

    def _kind(self, trial: Numbered) -> str:
        if trial.number == self.chosen:
            return "chosen"
        if trial.number == self.best:
            return "best"
        if trial.run is not None and trial.run.state == "pruned":
            return "pruned"
        return "even" if trial.is_even else "led"

    def _dots(self, xs: Sequence[float], ys: Sequence[float]) -> list[Dot]:
        found = [
            Dot(x=x, y=y, kind=self._kind(trial), title=self._title(trial, value))
            for trial, x, y, value in zip(self.trials, xs, ys, self.values, strict=True)
        ]
        return sorted(found, key=lambda dot: dot.kind in {"chosen", "best"})

    def _title(self, trial: Numbered, value: float) -> str:
        told = ", ".join(f"{name}={shown(each)}" for name, each in trial.values.items())
        return f"trial {trial.number}: {self.objective.text(float(value))}; {told}"

    def history(self) -> str:
        """Every trial in order."""
        if not self.trials:
            return ""
        x = Axis(name="trial", low=0, high=max(1, self.trials[-1].number))
        return dots(x, self.axis, self._dots([t.number for t in self.trials], self.values.tolist()), width=700)

    def slices(self) -> list[str]:
        """The figure over each parameter, the most important first."""
        if not self.trials:
            return []
        found = []
        for dimension in self.dimensions:
            xs = [coordinate(dimension, trial.values[dimension.name]) for trial in self.trials]
            found.append(dots(axis_of(dimension), self.axis, self._dots(xs, self.values.tolist())))
        return found

    def maps(self) -> Iterator[str]:
        """The median of the nearest trials over each pair of the most important parameters."""
        if len(self.trials) < CELLS:
            return
        for one, other in combinations([d for d in self.dimensions if d.kind != "choice"][:MOST_MAPS], 2):
            where = np.array(
                [[d.position(trial.values[d.name]) for d in (one, other)] for trial in self.trials], dtype=np.float64
            )
            middles = (np.arange(CELLS) + 0.5) / CELLS
            grid = np.array([[x, y] for y in middles for x in middles])
            level = np.median(self.values[neighbours(where, grid)], axis=1).reshape(CELLS, CELLS)
            xs = [coordinate(one, trial.values[one.name]) for trial in self.trials]
            ys = [coordinate(other, trial.values[other.name]) for trial in self.trials]
            yield f"<figcaption>{other.name} (up) by {one.name}</figcaption>" + cells(
                axis_of(one), axis_of(other), level.tolist(), self._dots(xs, ys)
            )

    def front(self) -> str:
        """Two objectives against each other, the Pareto front marked."""
        if len(self.evidence.front) == 0:
            return ""
        names = self.definition.task.objectives[:2]
        one, other = (OBJECTIVES[name] for name in names)
        front = set(self.evidence.front)
        points = [
            Dot(
                x=run.values[0],
                y=run.values[1],
                kind="best" if run.number in front else "even",
                title=self._title(t, run.values[0]),
            )
            for t in self.trials
            if (run := t.run) is not None and run.values[0] is not None and run.values[1] is not None
        ]
        x_axis = value_axis(one, [dot.x for dot in points])
        return dots(x_axis, value_axis(other, [dot.y for dot in points]), points, width=700)

    def best_rows(self) -> Iterator[dict[str, Any]]:
        """The trials with the best neighbourhoods, and what each scored itself."""
        if not self.trials:
            return
        where = np.array([self.definition.space.coordinates(trial.values) for trial in self.trials])
        around = np.median(self.values[neighbours(where)], axis=1)
        for index in np.argsort(-around * self.objective.sign, kind="stable")[:MOST_ROWS]:
            trial = self.trials[int(index)]
            yield {
                "number": trial.number,
                "kind": self._kind(trial),
                "around": self.objective.text(float(around[index])),
                "value": self.objective.text(float(self.values[index])),
                "trades": trial.run.trades if trial.run is not None else 0,
                "params": ", ".join(f"{name}={shown(value)}" for name, value in trial.values.items()),
            }


def axis_of(dimension: Dimension) -> Axis:
    """A parameter's range as an axis."""
    if dimension.kind == "choice":
        last = max(1, len(dimension.choices) - 1)
        labels = tuple(str(choice) for choice in dimension.choices)
        return Axis(name=dimension.name, low=-0.3, high=last + 0.3, labels=labels)
    return Axis(name=dimension.name, low=dimension.low, high=dimension.high, log=dimension.log)


def coordinate(dimension: Dimension, value: Any) -> float:  # noqa: ANN401 - any plain value
    """Where a value stands on its axis."""
    return float(dimension.choices.index(value)) if dimension.kind == "choice" else float(value)
