"""From trials to a verdict: the evidence of a study, put together and said in words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from msgspec import Struct
from msgspec.structs import replace
from optuna.trial import TrialState, create_trial

from research.optimise.definition import Definition, Numbered, directions
from research.optimise.evidence import (
    Evidence,
    Point,
    Scored,
    chosen_of,
    deflated_of,
    even_pool,
    front_of,
    longest_of,
    most_purged,
    reasons,
    schemes_of,
    states,
)
from research.optimise.job import Run
from research.optimise.objectives import OBJECTIVES, Objective
from research.optimise.pieces import Pieces

EDGE = 0.01
"""Share of a range that is its edge."""
SURE = 0.95
"""Deflated Sharpe ratio from which luck is not the best explanation."""


class Beside(Struct, frozen=True, kw_only=True):
    """What stands beside the trials: the defaults, what was held out, and holding the instrument."""

    defaults: Run | None
    held_out: dict[str, Run]
    """By label: chosen, best, defaults."""
    held_studied: Pieces
    held_held_out: Pieces
    looks: int


def conclude(definition: Definition, trials: Sequence[Numbered], beside: Beside) -> Evidence:
    """The evidence of a study."""
    found = chosen_of(definition, trials)
    chosen = found[0].run if found is not None else None
    pool = even_pool(trials)
    points = _points(definition, trials, beside)
    by_label = {point.label: point for point in points}
    schemes = schemes_of(definition, trials, beside.defaults)
    evidence = Evidence(
        name=definition.name,
        objectives=definition.task.objectives,
        runs=sum(trial.run is not None and not trial.is_repeat for trial in trials),
        repeats=sum(trial.is_repeat for trial in trials),
        counts=states(trials),
        why=reasons(trials),
        invalid=sum(not trial.is_valid for trial in trials),
        even=len(pool),
        chosen=by_label.get("chosen"),
        best=by_label.get("best"),
        points=points,
        chosen_ground=found[1] if found is not None else None,
        best_ground=found[3] if found is not None else None,
        schemes=schemes,
        deflated=deflated_of(definition, trials, chosen),
        importances=importances(definition, trials),
        front=front_of(definition, trials) if len(definition.task.objectives) > 1 else (),
        looks=beside.looks,
        verdict="",
        reasons=(),
        longest_steps=longest_of(pool),
    )
    verdict, told = judge(definition, evidence)
    return replace(evidence, verdict=verdict, reasons=tuple(told))


def _points(definition: Definition, trials: Sequence[Numbered], beside: Beside) -> tuple[Point, ...]:
    objectives = [OBJECTIVES[name] for name in definition.task.objectives]
    year = definition.task.cuts.steps_a_year
    found = chosen_of(definition, trials)
    named: list[tuple[str, int | None, Run | None]] = []
    if found is not None:
        named += [("chosen", found[0].number, found[0].run), ("best", found[2].number, found[2].run)]
    named.append(("defaults", None, beside.defaults))
    points = [
        Point(
            label=label,
            number=number,
            params=run.params,
            studied=run.values or (None,) * len(objectives),
            held_out=(beside.held_out[label].values or (None,) * len(objectives))
            if label in beside.held_out
            else (None,) * len(objectives),
            trades=run.trades,
            held_out_trades=beside.held_out[label].trades if label in beside.held_out else None,
        )
        for label, number, run in named
        if run is not None
    ]
    hold = Point(
        label="buy and hold",
        number=None,
        params={},
        studied=tuple(_of_holding(each, beside.held_studied, year) for each in objectives),
        held_out=tuple(_of_holding(each, beside.held_held_out, year) for each in objectives),
    )
    return (*points, hold)


def _of_holding(objective: Objective, pieces: Pieces, year: float) -> float | None:
    """A figure of buy and hold; it has no round trips to count."""
    if objective.name in {"turnover", "profit-factor", "win-rate"}:
        return None
    return objective.of(pieces, year)


def importances(definition: Definition, trials: Sequence[Numbered]) -> dict[str, float]:
    """Share of each parameter in reaching the best tenth (PED-ANOVA; Watanabe, Bansal and Hutter 2023)."""
    distributions = definition.space.distributions
    study = optuna.create_study(directions=directions(definition.task.objectives))
    for trial in trials:
        run = trial.run
        if run is not None and run.state == "complete" and None not in run.values and not trial.is_repeat:
            study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE,
                    values=[float(value) for value in run.values if value is not None],
                    params=trial.values,
                    distributions=distributions,
                )
            )
    if len(study.trials) < 2 * len(distributions) or len(study.trials) < 10:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says of every discrete parameter that it may be inaccurate
        return dict(optuna.importance.get_param_importances(study))


def judge(definition: Definition, evidence: Evidence) -> tuple[str, list[str]]:
    """The verdict in a sentence, and what it stands on, the worst first."""
    objective = OBJECTIVES[definition.task.objectives[0]]
    if evidence.chosen is None or evidence.chosen_ground is None:
        told = ", ".join(f"{count} {state}" for state, count in sorted(evidence.counts.items())) or "no run"
        return f"Nothing to choose: no trial can be judged ({told}).", [
            f"{count} times: {why}" for why, count in evidence.why.items()
        ]
    broken = list(_broken(objective, evidence))
    missing = list(_missing(definition, evidence))
    held = [*_held(objective, evidence), *_at_edges(definition, evidence.chosen)]
    number = evidence.chosen.number
    if broken:
        return f"Do not trade trial {number}: {broken[0]}.", [*broken, *missing, *held]
    if missing:
        return f"Not shown that trial {number} is more than luck: {missing[0]}.", [*missing, *held]
    return f"Trial {number} holds where it was not chosen: try it on paper before it gets money.", held


def _is_better(objective: Objective, value: float, other: float) -> bool:
    return (value - other) * objective.sign > 0


def _broken(objective: Objective, evidence: Evidence) -> list[str]:
    """What speaks against the chosen point."""
    found: list[str] = []
    chosen, sides = evidence.chosen, {point.label: point for point in evidence.points}
    assert chosen is not None  # noqa: S101 - judged before
    studied, held_out = chosen.studied[0], chosen.held_out[0]
    is_return = objective.name not in {"drawdown", "turnover"}
    if is_return and studied is not None and not _is_better(objective, studied, objective.idle):
        found.append(f"even where it was chosen it did no better than doing nothing ({objective.text(studied)})")
    if is_return and held_out is not None and not _is_better(objective, held_out, objective.idle):
        found.append(f"on what was held out it did no better than doing nothing ({objective.text(held_out)})")
    defaults = sides["defaults"].held_out[0] if "defaults" in sides else None
    if held_out is not None and defaults is not None and _is_better(objective, defaults, held_out):
        found.append(
            f"on what was held out the defaults did better ({objective.text(defaults)} against "
            f"{objective.text(held_out)})"
        )
    for scored in evidence.schemes:
        if scored.scheme == "combinatorial" and scored.overfit > 0.5:  # worse than a coin
            found.append(
                f"in {scored.overfit:.0%} of {len(scored.folds)} splits what was chosen did worse than the middle "
                "trial where it was tested"
            )
        if (
            scored.scheme == "anchored"
            and is_return
            and not _is_better(objective, scored.out_of_sample, objective.idle)
        ):
            found.append(
                f"walk-forward it earned nothing: {objective.text(scored.in_sample)} where it was chosen, "
                f"{objective.text(scored.out_of_sample)} on the next block"
            )
    return found


def _missing(definition: Definition, evidence: Evidence) -> list[str]:
    """What is not shown, though nothing speaks against it."""
    found: list[str] = []
    deflated = evidence.deflated
    if deflated.value is None:
        found.append(deflated.caveat)
    elif deflated.value < SURE:
        found.append(f"after {evidence.runs} tries it is skill with a probability of {deflated.value:.0%} only")
    ground = evidence.chosen_ground
    if ground is not None and ground.shape == "peak":
        found.append(f"it is a peak: its neighbours keep {ground.kept:.0%} of its advantage")
    if not evidence.schemes:
        found.append(f"insufficient data: {evidence.even} even trials are too few for folds")
    elif evidence.longest_steps > (most := most_purged(definition.task.cuts)):
        found.append(
            f"round trips of up to {evidence.longest_steps} steps reach further than the {most} that can be purged of "
            "a block: where it was tested it was partly chosen; take longer blocks (fewer --folds)"
        )
    if evidence.chosen is not None and evidence.chosen.held_out[0] is None:
        found.append("what was held out says nothing of it")
    return found


def _held(objective: Objective, evidence: Evidence) -> list[str]:
    """What speaks for the chosen point, and what stands beside it."""
    found: list[str] = []
    ground = evidence.chosen_ground
    if ground is not None and ground.shape != "peak":
        found.append(f"it stands on a {ground.shape}: its neighbours keep {ground.kept:.0%} of its advantage")
    found.extend(_scheme(objective, scored) for scored in evidence.schemes if scored.scheme == "anchored")
    hold = next((point for point in evidence.points if point.label == "buy and hold"), None)
    if hold is not None and hold.held_out[0] is not None:
        found.append(f"holding the instrument meanwhile: {objective.text(hold.held_out[0])}")
    return found


def _at_edges(definition: Definition, chosen: Point) -> list[str]:
    """Where the chosen point lies at the end of a range that could be wider."""
    at = [
        f"{dimension.name}={dimension.high if share > 0.5 else dimension.low:g}"
        for dimension in definition.space.dimensions
        if dimension.kind != "choice"
        and abs((share := dimension.position(chosen.params[dimension.name])) - 0.5) > 0.5 - EDGE
    ]
    return [f"it lies at the edge of the space ({', '.join(at)}): look beyond it with a wider --space"] if at else []


def _scheme(objective: Objective, scored: Scored) -> str:
    return (
        f"walk-forward: {objective.text(scored.in_sample)} where it was chosen became "
        f"{objective.text(scored.out_of_sample)} on the next block"
    )
