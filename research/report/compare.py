"""Several runs side by side: a table for the terminal, a page, and figures for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from msgspec import Struct

from domain.codec import to_json
from research.measures import Measures, measure, record_of
from research.measures.curve import Curve, curve_of
from research.report import charts, page, tables, words
from research.report.plot import Line, Plot, draw
from research.result import Result

MOST_COLUMNS = 4
"""Runs that stand beside each other in a terminal; more stand below each other."""
BRIEF = frozenset(
    {"", "Growth", "Holding", "Sharpe", "Days", "Skill", "Max drawdown", "Round trips", "Win rate", "Fees"}
)


class Compared(Struct, frozen=True, kw_only=True):
    """One run of several: what it is called here, what it was, what came out."""

    name: str
    result: Result
    measures: Measures


def named(files: Sequence[Path], results: Sequence[Result], measured: Sequence[Measures]) -> list[Compared]:
    """Runs by their files' names; where two have the same, with a number."""
    found: list[Compared] = []
    for n, (file, result, measures) in enumerate(zip(files, results, measured, strict=True), 1):
        name = words.name(file.stem, 32)
        if sum(other.stem == file.stem for other in files) > 1:
            name = f"{name} ({n})"
        found.append(Compared(name=name, result=result, measures=measures))
    return found


def measured(results: Sequence[Result], tries: int = 1, seed: int = 0) -> list[Measures]:
    """The measures of each; who compares several has tried as many at least."""
    return [measure(result, max(tries, len(results)), seed) for result in results]


def write(runs: Sequence[Compared], html_path: Path | None, json_path: Path | None) -> list[tuple[str, Path]]:
    """Write what was asked for; returns what each file is, and where. Raises `OSError`."""
    written = []
    for kind, path, made in (("Page", html_path, html), ("Figures", json_path, figures)):
        if path is not None:
            path.write_bytes(made(runs))
            written.append((kind, path))
    return written


def lines(runs: Sequence[Compared]) -> Iterable[tuple[str, list[str]]]:
    """Names of figures and the figure of each run."""

    def each(name: str, text: Any) -> tuple[str, list[str]]:  # noqa: ANN401 - a function of a run
        return name, [text(run) for run in runs]

    yield each("Tested", lambda run: page.title(run.result))
    yield each("From", lambda run: words.moment(run.result.first_ns))
    yield each("To", lambda run: words.moment(run.result.last_ns))
    yield each("Market", lambda run: run.result.data_kind.value)
    yield each("Growth", lambda run: words.percent(run.measures.growth, sign=True))
    yield each("Profit", lambda run: words.money(run.measures.pnl, sign=True))
    yield each("Holding", lambda run: _holding(run.measures))
    yield each("Sharpe", lambda run: words.value_of(run.measures.sharpe, "ratio"))
    yield each("95 %", lambda run: words.interval_of(run.measures.sharpe, "ratio") or words.DASH)
    yield each("Days", lambda run: words.count(run.measures.sharpe.n))
    yield each("Skill", lambda run: words.value_of(run.measures.deflated_sharpe, "percent"))
    yield each("Sortino", lambda run: words.value_of(run.measures.sortino, "ratio"))
    yield each("Calmar", lambda run: words.value_of(run.measures.calmar, "ratio"))
    yield each("Max drawdown", lambda run: words.percent(run.measures.drawdowns.deepest.fraction))
    yield each("Round trips", lambda run: words.count(run.measures.trips.count))
    yield each("Win rate", lambda run: words.value_of(run.measures.trips.win_rate, "percent"))
    yield each("95 %", lambda run: words.interval_of(run.measures.trips.win_rate, "percent") or words.DASH)
    yield each("Profit factor", lambda run: words.value_of(run.measures.trips.profit_factor, "ratio"))
    yield each("Prices alone", lambda run: words.money(run.measures.costs.gross, sign=True))
    yield each("Fees", lambda run: words.money(run.measures.costs.fees))
    yield each("Funding", lambda run: words.money(run.measures.costs.funding, sign=True))
    yield each("Turned over", lambda run: words.money(run.measures.costs.traded))
    yield each("In the market", lambda run: words.percent(run.measures.exposure.time_in_market))
    yield each(
        "Targets met", lambda run: ", ".join(t.name for t in run.measures.targets if t.standing == "met") or "none"
    )


def _holding(m: Measures) -> str:
    return words.DASH if m.benchmark is None else words.percent(m.benchmark.growth, sign=True)


def text(runs: Sequence[Compared]) -> str:
    """The table for a terminal: a run a column, or of many a run a line with what matters."""
    rows = [("", [run.name for run in runs]), *lines(runs)]
    if len(runs) > MOST_COLUMNS:
        rows = turned([row for row in rows if row[0] in BRIEF])
    first = max(len(name) for name, _ in rows)
    widths = [max(len(values[n]) for _, values in rows) for n in range(len(rows[0][1]))]
    table = [
        "  ".join(
            [name.ljust(first), *(value.rjust(width) for value, width in zip(values, widths, strict=True))]
        ).rstrip()
        for name, values in rows
    ]
    return "\n".join([*table, "", *(f"{run.name}: {run.measures.verdict.headline}" for run in runs)])


def turned(rows: Sequence[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Lines for columns."""
    table = [[name, *values] for name, values in rows]
    return [(line[0], list(line[1:])) for line in zip(*table, strict=True)]


def html(runs: Sequence[Compared]) -> bytes:
    """One page with the table, the curves, and what differs between the runs."""
    template = page.templates().get_template("compare.html")
    return template.render(runs=runs, lines=list(lines(runs)), chart=chart(runs), differs=list(differs(runs))).encode()


def chart(runs: Sequence[Compared]) -> Markup:
    """Growth of each on one scale."""
    layers = []
    for n, run in enumerate(runs[: charts.MOST_COLOURS]):
        curve = curve_of(record_of(run.result).samples)
        first = curve.values[0]
        grown = curve.values / first if first > 0 else np.ones_like(curve.values)
        layers.append(Line(curve=Curve(times=curve.times, values=grown), css=f"c{n}"))
    label = "Growth of " + ", ".join(run.name for run in runs)
    return draw(Plot(label=label, layers=layers, levels=[(1.0, "level")], is_percent=True, is_growth=True))


def differs(runs: Sequence[Compared]) -> Iterable[tuple[str, list[str]]]:
    """Parameters and terms in which the runs are not the same."""
    said = [_said(run.result) for run in runs]
    names = dict.fromkeys(name for each in said for name in each)
    for name in names:
        values = [each.get(name, words.DASH) for each in said]
        if len(dict.fromkeys(values)) > 1:
            yield name, values


def _said(result: Result) -> dict[str, str]:
    several = len(result.strategies) > 1
    params = {
        words.name(f"{each.id}.{name}" if several else name): words.name(value)
        for each in result.strategies
        for name, value in each.params.items()
    }
    counted: dict[str, int] = {}
    known = {}
    for name, value in tables.terms(result):
        counted[name] = counted.get(name, 0) + 1
        if name in {"Data", "Fills", "Latency", "Large orders"}:
            known[name if counted[name] == 1 else f"{name} {counted[name]}"] = value
    return known | params | {"code": result.provenance.code_hash[:12], "settings": result.provenance.settings_hash[:12]}


def figures(runs: Sequence[Compared]) -> bytes:
    """The measures of each for programs."""
    return to_json(
        [{"name": run.name, "run_id": run.result.provenance.run_id, "measures": run.measures} for run in runs]
    )
