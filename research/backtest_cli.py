"""The verb `backtest`: flags or a plan's file to a run, a run made again, the list of runs that were kept."""

from __future__ import annotations

import datetime as dt
import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import ConfigError, DataError, ReplayMismatch
from research.report.cli import HtmlPath, PngPath

if TYPE_CHECKING:
    from engine.config.source import Node
    from research.market_data import MarketData
    from research.opening import Opened
    from research.result import Outcome, Result

DEFAULT_STORE = Path(".moondev/paper")
WIDTH = 15
MOST_LINES = 12
"""Differences of a run made again that are told."""

DataPaths = Annotated[
    list[Path] | None, typer.Option("--data", help="Bars, trades, books (Parquet, CSV) or an L2 tape; repeatable.")
]
Instruments = Annotated[
    list[str] | None, typer.Option(help="Configured id or alias, else told from the file's name; one a source.")
]
StorePath = Annotated[Path, typer.Option(help="The data folder with the store, where results are kept.")]
JsonPath = Annotated[Path | None, typer.Option("--json", help="Also write the result as JSON to this file.")]


def backtest(  # noqa: PLR0913, PLR0917 - one option each
    plan: Annotated[
        Path | None, typer.Argument(help="A plan: a YAML file, or its name in the data folder's plans.")
    ] = None,
    strategy: Annotated[str, typer.Option(help="Kind of strategy, or file.py:Class.")] = "",
    data: DataPaths = None,
    instrument: Instruments = None,
    params: Annotated[str, typer.Option("--params", help="Strategy parameters: fast=10,slow=20 ...")] = "",
    kind: Annotated[str, typer.Option(help="bars, trades, books or l2; told from the file.")] = "",
    stamp: Annotated[str, typer.Option(help="What a bar's time is: open or close.")] = "open",
    tolerate_gaps: Annotated[bool, typer.Option(help="Use a file with missing bars as it is.")] = False,
    newest_first: Annotated[bool, typer.Option(help="Turn round a file whose rows run backwards.")] = False,
    funding: Annotated[Path | None, typer.Option(help="Funding rates, for bars.")] = None,
    fill_model: Annotated[str, typer.Option(help="next_open, ohlc_path or same_close, for bars.")] = "",
    deposit: Annotated[float, typer.Option(min=1, help="Cash at the start.")] = 100_000,
    approver: Annotated[str, typer.Option(help="auto or never: who votes on large orders.")] = "auto",
    stored: Annotated[list[str] | None, typer.Option(help="Stored data of this instrument; repeatable.")] = None,
    start: Annotated[str, typer.Option("--from", help="ISO time, UTC; default all there is.")] = "",
    end: Annotated[str, typer.Option("--to", help="ISO time, UTC.")] = "",
    interval: Annotated[str, typer.Option(help="With --stored: of candles, such as 1m; default the finest.")] = "",
    store: StorePath = DEFAULT_STORE,
    simulated_hours: Annotated[float, typer.Option(min=0, help="Simulated market instead of --data.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the simulated market.")] = 7,
    config: Annotated[Path | None, typer.Option(help="YAML file over the built-in defaults.")] = None,
    strategies: Annotated[Path | None, typer.Option(help="Folder with your own strategies.")] = None,
    json_path: JsonPath = None,
    html: HtmlPath = None,
    png: PngPath = None,
    progress_as: Annotated[str, typer.Option("--progress", help="bar, or lines for programs.")] = "bar",
    again: Annotated[str, typer.Option(help="Make a result again: its file, or the id of a run that was kept.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="The results that were kept.")] = False,
    is_kept: Annotated[bool, typer.Option("--keep/--no-keep", help="Keep the result in the data folder.")] = True,
) -> None:
    """Run strategies over market data through the code that trades live, and say honestly what came out."""
    from research.flags import Flags, document_of
    from research.plan_file import plan_tree

    if list_ or again:
        look_back(store, again, as_lines=progress_as == "lines")
        return
    if plan is not None:
        path = plan_path(plan, store)
        opened = open_document(with_span(plan_tree(path), start, end), path.parent, config, strategies, store)
    else:
        flags = Flags(
            strategy=strategy,
            params=params,
            data=tuple(data or ()),
            stored=tuple(stored or ()),
            simulated_hours=simulated_hours,
            instruments=tuple(instrument or ()),
            kind=kind,
            stamp=stamp,
            tolerate_gaps=tolerate_gaps,
            newest_first=newest_first,
            funding=funding,
            interval=interval,
            start=start,
            end=end,
            fill_model=fill_model,
            deposit=deposit,
            approver=approver,
            seed=seed,
        )
        opened = open_document(document_of(flags), Path.cwd(), config, strategies, store, "What was asked for")
    outcome = run_opened(opened, as_lines=progress_as == "lines")
    del opened
    gc.collect()  # a million rows make room for the measures of what came of them
    say(outcome, store if is_kept else None, json_path, html, png)


def plan_path(plan: Path, store: Path) -> Path:
    """A plan's file: as it was named, or where that is a name alone, in the data folder's `plans`.

    Raises `ConfigError`: who asks in chat for what is not there is not given a file of the folder we run in.
    """
    if plan.name != str(plan) or plan.suffix:
        return plan
    kept = store / "plans" / f"{plan}.yaml"
    if not kept.is_file():
        names = ", ".join(sorted(path.stem for path in kept.parent.glob("*.yaml"))) or "none"
        raise ConfigError(f"{kept}: there is no such plan; there are: {names}")
    return kept


def with_span(tree: Node, start: str, end: str) -> Node:
    """The plan with another span, where one is given."""
    from engine.config.problem import Place
    from engine.config.source import merge, node_of

    span = {name: value for name, value in (("from", start), ("to", end)) if value}
    return merge(tree, node_of({"span": span}, Place("(command line)"))) if span else tree


def open_document(
    tree: Node, base: Path, config: Path | None, strategies: Path | None, store: Path, what: str = "The plan"
) -> Opened:
    """A plan with all that it names. Raises `ConfigError` with every mistake, `DataError` for data that lies."""
    from engine.config.settings import natural
    from engine.config.source import plain
    from research.opening import open_plan
    from research.plan_file import check_plan
    from research.runs import asked_of

    checked = check_plan(tree, base, config, strategies, what)
    command = " ".join(["moondev", *sys.argv[1:]])
    return open_plan(checked, store, asked_of(checked, natural(plain(tree)), config, store, command))


def run_opened(opened: Opened, *, as_lines: bool) -> Outcome:
    """Run it with a progress bar."""
    from research.backtest import run_plan

    with progress(opened.sources, as_lines=as_lines) as report:
        return run_plan(opened.plan, opened.sources, opened.settings, report)


def say(
    outcome: Outcome, kept_in: Path | None, json_path: Path | None, html: Path | None = None, png: Path | None = None
) -> None:
    """Print what came out, keep it, write it where it was asked for."""
    from research.measures import measure
    from research.report import write
    from research.runs import keep
    from research.summary import as_json, as_text

    measures = measure(outcome.result)
    typer.echo(as_text(outcome, measures))
    run_id = outcome.result.provenance.run_id
    if kept_in is not None:
        try:
            keep(kept_in, outcome)
        except ConfigError as error:
            typer.echo(f"Not kept: {error}", err=True)
        else:
            typer.echo(f"{'Run':<{WIDTH}}{run_id}; the same again: ./moondev backtest --again {run_id}")
    try:
        if json_path is not None:
            json_path.write_bytes(as_json(outcome) + b"\n")
            typer.echo(f"{'JSON':<{WIDTH}}{json_path}")
        for kind, path in write(outcome.result, measures, html_path=html, png_path=png):
            typer.echo(f"{kind:<{WIDTH}}{path}")
    except OSError as error:
        where = error.filename or " or ".join(str(path) for path in (json_path, html, png) if path is not None)
        raise ConfigError(f"{where} cannot be written: {error.strerror or error}") from error


def look_back(store: Path, again: str, *, as_lines: bool) -> None:
    """Make a run again, or list those that were kept."""
    if again:
        run_again(store, again, as_lines=as_lines)
        return
    for line in kept_lines(store):
        typer.echo(line)


def run_again(store: Path, name: str, *, as_lines: bool) -> None:
    """Make a kept result again, and compare it to the last digit. Raises where it cannot be the same."""
    from research.backtest import run_prepared
    from research.prepare import prepare_plan
    from research.runs import differences, find_kept, open_again
    from research.saved import read_record
    from research.summary import as_text

    path = find_kept(store, name)
    record = read_record(path)
    old = record.result
    changed = f"{path.name}: {record.change}" if record.change else ""
    opened = open_again(old)
    prepared = prepare_plan(opened.plan, opened.sources, opened.settings)
    if found := differences(old, prepared):
        lines = "\n  ".join([*filter(None, [changed]), *found])
        raise ConfigError(f"run {old.provenance.run_id} cannot be made again, it would be another:\n  {lines}")
    with progress(opened.sources, as_lines=as_lines) as report:
        outcome = run_prepared(prepared, report)
    typer.echo(as_text(outcome))
    say_again(old, outcome.result, changed)


def say_again(old: Result, new: Result, changed: str) -> None:
    """Whether a run made again is its record; `changed` says that the record is not what was written ("" = it is).

    Raises `DataError` for a record that was changed, `ReplayMismatch` where the program is at fault.
    """
    from research.runs import unlike

    run_id, apart = old.provenance.run_id, unlike(old, new)
    lines = "\n  ".join(apart[:MOST_LINES] + [f"and {len(apart) - MOST_LINES} more"] * (len(apart) > MOST_LINES))
    if changed:
        where = f"Made again it is otherwise in\n  {lines}" if apart else "What came out is the same"
        raise DataError(f"{changed}. {where}")
    if apart:
        raise ReplayMismatch(
            f"run {run_id} came out otherwise, although data, code and settings are the same and the record is as it "
            f"was written: this is a defect, report it\n  {lines}"
        )
    typer.echo(f"{'Again':<{WIDTH}}run {run_id}, the same to the last digit")


def kept_lines(store: Path) -> Iterator[str]:
    """The kept results as a table, newest first."""
    from research.runs import FOLDER, listed

    empty = True
    for one in listed(store):
        if empty:
            yield f"{'run':<14}{'kept (UTC)':<18}{'PNL':>16}  {'fills':>7}  what"
        empty = False
        span = f"{_day(one.first_ns)} to {_day(one.last_ns)}"
        kept = dt.datetime.fromtimestamp(one.kept_ns / 1e9, tz=dt.UTC)
        pnl = f"{one.pnl:,.2f} {one.currency}"
        what = f"{one.strategy} on {one.instrument}, {span}"
        yield f"{one.run_id:<14}{kept:%Y-%m-%d %H:%M}  {pnl:>16}  {one.fills:>7}  {what}"
    if empty:
        yield f"No results are kept in {store / FOLDER}; every ./moondev backtest keeps its own."


def _day(ts_ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(ts_ns / 1e9, tz=dt.UTC):%Y-%m-%d}"


@contextmanager
def progress(sources: Sequence[MarketData], *, as_lines: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal's stderr, or lines there for a program (`progress 0.25`); elsewhere None."""
    first_ns, last_ns = max(s.first_ns for s in sources), min(s.last_ns for s in sources)
    if as_lines:
        yield _line_by_line(first_ns, last_ns)
        return
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[seen]:,} events"))
    total = max(0, last_ns - first_ns) or None
    name = sources[0].name if len(sources) == 1 else f"{len(sources)} sources"
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=total, seen=0)

        def report(seen: int, ts_ns: int) -> None:
            bar.update(task, completed=max(0, ts_ns - first_ns) if total else None, seen=seen)

        yield report


def _line_by_line(first_ns: int, last_ns: int) -> Callable[[int, int], None]:
    """Says on stderr how much of the span is done, at most once a second."""
    span_ns = max(1, last_ns - first_ns)
    said_s = 0.0

    def report(_seen: int, ts_ns: int) -> None:
        nonlocal said_s
        now_s = time.monotonic()
        if now_s - said_s >= 1:
            said_s = now_s
            typer.echo(f"progress {min(1.0, max(0, ts_ns - first_ns) / span_ns):.3f}", err=True)

    return report
