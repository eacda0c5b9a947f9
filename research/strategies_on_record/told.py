"""Tables and sentences of one strategy, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from research.measures import Figure
from research.measures.numbers import money, percent, ratio
from research.strategies_on_record.cases import Case
from research.strategies_on_record.ran import Part
from research.strategies_on_record.walk import FACTORS, LEAST_TRADES, Moved, Walk

PARTS = ("part", "days", "trips", "PNL", "of it costs", "mean round trip", "Sharpe", "deepest fall", "holding", "run")


class Shown(Struct, frozen=True, kw_only=True):
    """Everything of a case: its parts, the last of them out of sample; its walk-forward and what was moved."""

    case: Case
    parts: tuple[Part, ...]
    walk: Walk | None = None
    moved: tuple[Moved, ...] = ()


def told(value: Figure, *, sign: bool = False) -> str:
    """A figure with its interval, or that there is none."""
    if value.value is None:
        return value.caveat.partition(", at least")[0]
    shown = ratio(value.value, sign=sign)
    if value.low is None or value.high is None:
        return shown
    return f"{shown} ({ratio(value.low)} to {ratio(value.high)})"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def part_row(part: Part) -> list[str]:
    """One part of a case."""
    found = part.measures
    costs = found.costs.net - found.costs.gross
    holding = percent(found.benchmark.growth, sign=True) if found.benchmark is not None else "unknown"
    days = f"{found.days:.1f}" if found.days >= 0.1 else f"{found.days * 1440:.0f} min"
    runs = f"`{part.run_ids[0]}`" + (f" and {len(part.run_ids) - 1} more" if len(part.run_ids) > 1 else "")
    return [
        part.label,
        days,
        f"{found.trips.count:,}",
        money(found.pnl, sign=True),
        money(costs, sign=True),
        told(found.trips.expectancy, sign=True),
        told(found.sharpe),
        percent(found.drawdowns.deepest.fraction),
        holding,
        runs,
    ]


def shown(one: Shown) -> Iterator[str]:
    """A case."""
    case, (first, *_, last) = one.case, (one.parts[0], *one.parts)
    params = ", ".join(f"{name} {value}" for name, value in case.params.items()) or "defaults"
    title = f"{case.title[0].upper()}{case.title[1:]}"
    yield f"**{title}** ({case.data}, {day(first.start_ns)} to {day(last.end_ns)}; {params})"
    yield ""
    walk = one.walk
    forward = [walk.part] if walk is not None and walk.part is not None else []
    yield from table(PARTS, [part_row(part) for part in (*one.parts, *forward)])
    yield ""
    verdict = last.measures.verdict
    said = [sentence for sentence in verdict.sentences[:3] if not sentence.startswith("Of the mission")]
    where = "As a whole" if case.is_ticks else "Out of sample"
    yield f"{where}: {verdict.headline[0].lower()}{verdict.headline[1:]}. {' '.join(said)}"
    if walk is not None:
        yield ""
        yield walked(walk)
    if one.moved:
        yield ""
        yield from moved_table(one.moved)


def walked(walk: Walk) -> str:
    """A walk-forward in a paragraph."""
    tried = f"{walk.trials} points spread over {walk.space}"
    if walk.part is None:
        return f"Walk-forward: {walk.why} ({tried})."
    promised = sorted(fold.in_sample for fold in walk.folds)[len(walk.folds) // 2]
    kept = sum(fold.out_of_sample > 0 for fold in walk.folds)
    better = sum(fold.defaults is not None and fold.out_of_sample > fold.defaults for fold in walk.folds)
    found = walk.part.measures
    chosen = "; ".join(
        ", ".join(f"{name} {_short(fold.params[name])}" for name in _names(walk.space) if name in fold.params)
        for fold in walk.folds
    )
    return (
        f"Walk-forward: {tried}, {walk.fit} of them with {LEAST_TRADES} round trips or more; {len(walk.folds)} folds. "
        f"Where they were chosen the middle one earned {percent(promised, sign=True)}; {kept} of {len(walk.folds)} "
        f"earned anything on the next block, {better} more than the row's own parameters, "
        f"{money(found.pnl, sign=True)} together. Chosen: {chosen}."
    )


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _names(space: str) -> list[str]:
    return [part.partition("=")[0].strip() for part in space.split(",") if "=" in part]


def moved_table(moved: Sequence[Moved]) -> Iterator[str]:
    """Parameters moved one at a time, and which of them matter."""
    unmoved = moved[0].unmoved
    yield f"One parameter moved, all others left; as it is: {_pnl(unmoved)}."
    yield ""
    rows = [[f"`{one.name}` {one.own:g}", *(_pnl(value) for value in one.pnl)] for one in moved]
    yield from table(["PNL with", *(percent(factor - 1, sign=True, digits=0) for factor in FACTORS)], rows)
    if not isinstance(unmoved, float):
        return
    swings = sorted(((_swing(one, unmoved), one.name) for one in moved), reverse=True)
    still = [f"`{name}`" for swing, name in swings if swing < 0.005]
    yield ""
    yield f"Most depends on `{swings[0][1]}`: it moves the figure by up to {money(swings[0][0])}." + (
        f" Nothing depends on {', '.join(still)} here." if still else ""
    )


def _swing(one: Moved, unmoved: float) -> float:
    return max((abs(value - unmoved) for value in one.pnl if isinstance(value, float)), default=0.0)


def _pnl(value: float | str) -> str:
    return money(value, sign=True) if isinstance(value, float) else value


def day(ts_ns: int) -> str:
    """A date."""
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).date().isoformat()
