"""`moondev check-strategy`: is what a backtest of this strategy says to be believed?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import ConfigError, DataError, StrategyError, Unrepresentable

if TYPE_CHECKING:
    from research.flags import Flags
    from research.honesty.check import Progress
    from research.honesty.verdict import Verdict
    from research.market_data import MarketData
    from research.opening import Opened

DEFAULT_STORE = Path(".moondev/paper")
AMBER_EXIT, RED_EXIT = 3, 4


def check_strategy(  # noqa: PLR0913, PLR0917 - one option each
    what: Annotated[str, typer.Argument(help="Kind, file.py:Class, file.py:indicator, or a plan's YAML file.")],
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="Bars, trades, books (Parquet, CSV) or an L2 tape; repeatable.")
    ] = None,
    universe: Annotated[
        Path | None, typer.Option(help="Folder with the bars of all instruments that it could have traded.")
    ] = None,
    instrument: Annotated[
        list[str] | None, typer.Option(help="Configured id or alias, else told from the file's name; one a source.")
    ] = None,
    params: Annotated[str, typer.Option("--params", help="Strategy parameters: fast=10,slow=20 ...")] = "",
    stamp: Annotated[str, typer.Option(help="What a bar's time is: open or close.")] = "open",
    tolerate_gaps: Annotated[bool, typer.Option(help="Use a file with missing bars as it is.")] = False,
    funding: Annotated[Path | None, typer.Option(help="Funding rates, for bars.")] = None,
    fill_model: Annotated[str, typer.Option(help="next_open, ohlc_path or same_close, for bars.")] = "",
    stored: Annotated[list[str] | None, typer.Option(help="Stored data of this instrument; repeatable.")] = None,
    start: Annotated[str, typer.Option("--from", help="ISO time, UTC; default all there is.")] = "",
    end: Annotated[str, typer.Option("--to", help="ISO time, UTC.")] = "",
    interval: Annotated[str, typer.Option(help="With --stored: of candles, such as 1m; default the finest.")] = "",
    store: Annotated[Path, typer.Option(help="The data folder with the store.")] = DEFAULT_STORE,
    simulated_hours: Annotated[float, typer.Option(min=0, help="Simulated market instead of --data.")] = 0,
    only: Annotated[str, typer.Option(help="Only these checks, separated by commas.")] = "",
    quick: Annotated[bool, typer.Option(help="A third of the runs.")] = False,
    strict: Annotated[bool, typer.Option(help=f"Exit with {AMBER_EXIT} for amber too.")] = False,
    config: Annotated[Path | None, typer.Option(help="YAML file over the built-in defaults.")] = None,
    strategies: Annotated[Path | None, typer.Option(help="Folder with your own strategies.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the verdict as JSON here.")] = None,
    html_path: Annotated[Path | None, typer.Option("--html", help="Also write the verdict as a page here.")] = None,
) -> None:
    """Look for look-ahead, repainting, hidden state and luck; exits with 4 when a result is not to be believed."""
    from research.flags import Flags as Typed
    from research.honesty.page import page_html
    from research.honesty.words import as_json, as_text, section

    names = checks_of(only)
    flags = Typed(
        strategy="turtle" if indicator_in(what) else what,
        params=params,
        data=tuple(data or ()),
        stored=tuple(stored or ()),
        simulated_hours=simulated_hours,
        instruments=tuple(instrument or ()),
        stamp=stamp,
        tolerate_gaps=tolerate_gaps,
        funding=funding,
        interval=interval,
        start=start,
        end=end,
        fill_model=fill_model,
    )
    say_refusal(what, strategies)
    opened = opened_of(what, flags, config, strategies, store)
    everything, notes = beside(universe, opened) if universe is not None else ([], [])
    verdict = of_indicator(what, opened) if indicator_in(what) else judged(opened, names, everything, quick=quick)
    typer.echo(as_text(verdict))
    for note in notes:
        typer.echo(f"{'Universe':<15}{note}")
    if json_path is not None:
        json_path.write_bytes(as_json(verdict) + b"\n")
        typer.echo(f"{'JSON':<15}{json_path}")
    if html_path is not None:
        html_path.write_text(page_html(section(verdict)), encoding="utf-8")
        typer.echo(f"{'HTML':<15}{html_path}")
    leave(verdict, strict=strict)


def say_refusal(what: str, strategies: Path | None) -> None:
    """Exit as for red, with the verdict, when there is a file of a strategy and the loader refuses it."""
    from research.honesty.check import refusal
    from research.honesty.verdict import Verdict
    from research.honesty.words import as_text
    from research.plan import Tested

    if not Path(what.partition(":")[0]).is_file() or what.endswith((".yaml", ".yml")) or indicator_in(what):
        return
    refused = refusal(Tested(id="tested", kind=what, folder=strategies))
    if refused is not None:
        typer.echo(as_text(Verdict(subject=what, data=(), findings=(refused,))))
        raise typer.Exit(RED_EXIT)


def opened_of(what: str, flags: Flags, config: Path | None, strategies: Path | None, store: Path) -> Opened:
    """A plan's file, or what the flags come to. Raises `ConfigError` with every mistake."""
    from research.backtest_cli import open_document
    from research.flags import document_of
    from research.plan_file import plan_tree

    if not what.endswith((".yaml", ".yml")):
        return open_document(document_of(flags), Path.cwd(), config, strategies, store, "What was asked for")
    path = Path(what)
    return open_document(plan_tree(path), path.parent, config, strategies, store)


def leave(verdict: Verdict, *, strict: bool) -> None:
    """Exit as the verdict says."""
    from research.honesty.verdict import Light

    if verdict.light is Light.RED:
        raise typer.Exit(RED_EXIT)
    if strict and verdict.light is Light.AMBER:
        raise typer.Exit(AMBER_EXIT)


def judged(opened: Opened, names: Sequence[str], everything: Sequence[MarketData], *, quick: bool) -> Verdict:
    """Make the checks, with a progress bar."""
    from research.honesty.check import FULL, QUICK
    from research.honesty.check import check_strategy as check

    depth = QUICK if quick else FULL
    with progress() as report:
        return check(opened.plan, opened.sources, opened.settings, depth, report, names, everything)


def checks_of(only: str) -> list[str]:
    """The checks that were named. Raises `ConfigError`."""
    from research.honesty.check import CHECKS

    names = [name.strip() for name in only.split(",") if name.strip()]
    known = [each.name for each in CHECKS]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"--only {unknown[0]!r}: choose {', '.join(known)}")
    return names


def beside(folder: Path, opened: Opened) -> tuple[list[MarketData], list[str]]:
    """The bars of a folder, and what was left out of it. Raises `ConfigError` for none."""
    from research.market_data import DataKind, FileOptions, open_file

    core = opened.settings.core
    options = FileOptions(
        kind=DataKind.BARS,
        instruments=tuple(source.instrument for source in opened.sources),
        tolerate_gaps=True,
        fees=core.instruments[0] if core.instruments else None,
    )
    found, notes = [], []
    for path in sorted(folder.glob("*")):
        if path.suffix not in {".parquet", ".csv"}:
            continue
        try:
            found.append(open_file(path, options))
        except (DataError, Unrepresentable) as error:
            notes.append(f"left out: {error}")
    if not found:
        raise ConfigError(f"--universe {folder}: no bars (Parquet, CSV) in it")
    wanted = {source.interval_ns for source in opened.sources}
    return [source for source in found if not wanted or min(wanted) >= source.interval_ns], notes


def indicator_in(what: str) -> bool:
    """Whether a name means a function or struct of a file that is no strategy."""
    import ast

    from engine.strategies import registry

    file, _, name = what.partition(":")
    path = Path(file)
    if not name or not path.is_file():
        return False
    tree = registry.check_source(path.read_text(encoding="utf-8"), file)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return True
        if isinstance(node, ast.ClassDef) and node.name == name:
            return any(isinstance(part, ast.FunctionDef) and part.name == "update" for part in node.body)
    return False


def of_indicator(what: str, opened: Opened) -> Verdict:
    """A verdict about an indicator of a file."""
    import inspect
    import runpy

    from domain.market import Bar
    from research.honesty.repaint import check_indicator
    from research.honesty.verdict import Verdict

    file, _, name = what.partition(":")
    made: Any = runpy.run_path(file)[name]
    try:
        made() if inspect.isclass(made) else None
    except TypeError as error:
        raise StrategyError(f"{what}: {error}; give its arguments defaults, or wrap it in a function") from error
    source = opened.sources[0]
    bars = [event for event in source.tape(0) if type(event) is Bar]
    finding = check_indicator(made, bars, source.instrument.price_scale)
    return Verdict(subject=f"{what} on {source.instrument.id}", data=(source.name,), findings=(finding,))


@contextmanager
def progress() -> Iterator[Progress | None]:
    """A progress bar over the checks on a terminal's stderr; elsewhere None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking", total=None)
        yield lambda name, number, count: bar.update(task, description=name, completed=number - 1, total=count)
