"""A study in words, for the terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from research.optimise.definition import Definition, Numbered
from research.optimise.evidence import Evidence, Point, Scored
from research.optimise.folds import DESCRIBES
from research.optimise.job import Run
from research.optimise.objectives import OBJECTIVES
from research.optimise.spans import DAY_NS, SECOND_NS


def summary(definition: Definition, evidence: Evidence) -> str:
    """What `moondev optimise` prints."""
    return "\n".join(f"{name:<17}{text}".rstrip() for name, text in rows(definition, evidence))


def rows(definition: Definition, evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Name and text of each line."""
    yield "Verdict", evidence.verdict
    for reason in evidence.reasons:
        yield "", f"- {reason}"
    task, cuts = definition.task, definition.task.cuts
    objective = OBJECTIVES[task.objectives[0]]
    yield "Study", f"{definition.name}: {task.kind} over {', '.join(source.name for source in task.sources)}"
    yield "Searched", ", ".join(dimension.text for dimension in definition.space.dimensions)
    for left in definition.space.left_out:
        yield "", f"not searched: {left}"
    yield "Looked for", f"{', '.join(OBJECTIVES[name].describes for name in task.objectives)}{across(task.across)}"
    yield "Trials", counts(evidence)
    for why, count in evidence.why.items():
        yield "", f"{count} times: {why}"
    yield "Studied", f"{day(cuts.start_ns)} to {day(cuts.held_out_ns)} UTC in {cuts.blocks} blocks of {span(cuts)}"
    yield "Held out", f"{day(cuts.held_out_ns)} to {day(cuts.end_ns)} UTC; looked at {times(evidence.looks)}"
    yield "", f"{'':<13}{objective.name + ' studied':>20}  {'held out':>17}   parameters"
    for point in evidence.points:
        studied, held_out = objective.text(point.studied[0]), objective.text(point.held_out[0])
        yield "", f"{point.label:<13}{studied:>20}  {held_out:>17}   {of_point(point)}"
    for scored in evidence.schemes:
        yield "Folds" if scored is evidence.schemes[0] else "", fold_line(definition, scored)
    deflated = evidence.deflated
    yield "Deflated Sharpe", deflated.caveat if deflated.value is None else f"{deflated.value:.0%} ({deflated.caveat})"
    if evidence.importances:
        yield "Matters most", ", ".join(f"{name} {share:.0%}" for name, share in evidence.importances.items())
    if evidence.front:
        yield (
            "Pareto front",
            f"{len(evidence.front)} trials: {', '.join(str(number) for number in evidence.front[:20])}",
        )
    yield "Repeat", f"moondev optimise show {definition.name} TRIAL --again"


def across(how: str) -> str:
    """How the blocks make one figure."""
    return {"whole": "", "median": ", the median of the blocks", "worst": ", the worst of the blocks"}[how]


def counts(evidence: Evidence) -> str:
    """How many trials ended how."""
    told = ", ".join(f"{count} {state}" for state, count in sorted(evidence.counts.items())) or "none"
    invalid = f"; {evidence.invalid} combinations the strategy refuses" if evidence.invalid else ""
    invalid += f"; {evidence.repeats} proposals that had been run" if evidence.repeats else ""
    return f"{evidence.runs}: {told}; {evidence.even} of them spread evenly and run to their end{invalid}"


def fold_line(definition: Definition, scored: Scored) -> str:
    """A scheme of folds in one line."""
    objective = OBJECTIVES[definition.task.objectives[0]]
    text = (
        f"{DESCRIBES[scored.scheme]}: {objective.text(scored.in_sample)} became {objective.text(scored.out_of_sample)} "
        f"(median of {len(scored.folds)}); below the middle trial in {scored.overfit:.0%}"
    )
    return text if scored.joined is None else f"{text}; one after the other {objective.text(scored.joined)}"


def of_point(point: Point) -> str:
    """Number and parameters of a point."""
    number = f"trial {point.number}: " if point.number is not None else ""
    return number + ", ".join(f"{name}={shown(value)}" for name, value in point.params.items())


def shown(value: Any) -> str:  # noqa: ANN401 - any plain value
    """A parameter as it is typed."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def day(ts_ns: int) -> str:
    """A time as people read it."""
    return dt.datetime.fromtimestamp(ts_ns / 1e9, tz=dt.UTC).strftime("%Y-%m-%d %H:%M")


def times(count: int) -> str:
    """How often."""
    return "once" if count == 1 else f"{count} times"


def span(cuts: Any) -> str:  # noqa: ANN401 - the cuts of a study
    """Length of a block."""
    length = cuts.block_steps * cuts.step_ns
    return f"{length / DAY_NS:g} days" if length >= DAY_NS else f"{length / SECOND_NS / 3600:g} h"


def trial_rows(definition: Definition, trial: Numbered) -> Iterator[tuple[str, str]]:
    """One trial, for `moondev optimise show STUDY TRIAL`."""
    run = trial.run
    guided = "spread evenly over the space" if trial.is_even else "led by earlier results"
    yield "Trial", f"{trial.number} of {definition.name}, {guided}"
    yield "Parameters", ", ".join(f"{k}={shown(v)}" for k, v in definition.space.params(trial.values).items())
    if trial.problem:
        yield "Refused", f"by the strategy itself: {trial.problem}"
        return
    if run is None:
        yield "State", "under way, or its process was killed: `go-on` runs it"
        return
    yield from run_rows(definition, run)


def run_rows(definition: Definition, run: Run) -> Iterator[tuple[str, str]]:
    """What came of a run, and what it comes from."""
    task = definition.task
    yield "State", f"{run.state}{': ' + run.reason if run.reason else ''}"
    if run.same_as is not None:
        yield "", f"the same parameters as trial {run.same_as}, whose result this is"
    for name, value in zip(task.objectives, run.values, strict=False):
        yield name.capitalize(), OBJECTIVES[name].text(value)
    objective = OBJECTIVES[task.objectives[0]]
    yield "Block by block", ", ".join(objective.text(value) for value in run.so_far) + " (so far, each time)"
    yield "PNL", f"{run.pnl}; {run.trades} round trips, {run.fills} fills, {run.orders} orders"
    if run.refusals:
        yield "Refused", ", ".join(f"{reason} {count} times" for reason, count in run.refusals.items())
    yield (
        "Run",
        f"{run.run_id}: {run.events:,} events in {run.wall_s:.2f} s ({run.cpu_s:.2f} s of processor) on {run.host}",
    )
    yield "Hashes", f"orders {run.effects_hash[:16]}, state {run.state_hash[:16]}"
    yield "", f"program {task.code_hash[:16]}, dependencies {task.lock_hash[:16]}"
    yield "", f"strategy {task.strategy_hash[:16]}, data {task.data_hash[:16]}, seed {definition.seed}"
