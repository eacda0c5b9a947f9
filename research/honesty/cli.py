"""`moondev check-strategy`: is what a backtest of this strategy says to be believed?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import ConfigError

if TYPE_CHECKING:
    from research.honesty.check import Progress

RED_EXIT = 4
AMBER_EXIT = 3


def check_strategy(  # noqa: PLR0913, PLR0917 - one option each
    strategy: Annotated[str, typer.Argument(help="Kind of strategy, or file.py:Class.")],
    data: Annotated[list[Path], typer.Option("--data", help="Bars, trades, books (Parquet, CSV) or an L2 tape.")],
    instrument: Annotated[str, typer.Option(help="Configured id or alias, else told from the file's name.")] = "",
    params: Annotated[str, typer.Option("--params", help="Strategy parameters: fast=10,slow=20 ...")] = "",
    fill_model: Annotated[str, typer.Option(help="next_open, ohlc_path or same_close, for bars.")] = "",
    tolerate_gaps: Annotated[bool, typer.Option(help="Use a file with missing bars as it is.")] = False,
    only: Annotated[str, typer.Option(help="Only these checks, separated by commas.")] = "",
    cuts: Annotated[int, typer.Option(min=1, max=1000, help="Cuts of the tape in the look-ahead check.")] = 8,
    strict: Annotated[bool, typer.Option(help=f"Exit with {AMBER_EXIT} for amber too.")] = False,
    config: Annotated[Path | None, typer.Option(help="YAML file over the built-in defaults.")] = None,
    strategies: Annotated[Path | None, typer.Option(help="Folder with your own strategies.")] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Also write the verdict as JSON to this file.")
    ] = None,
) -> None:
    """Look for look-ahead, repainting, hidden state and luck in a strategy; exits with 4 when it is not honest."""
    from engine.config import load_config
    from engine.config.parts import paper_fields
    from research.backtest import StrategyRequest
    from research.cli import _settings as backtest_settings
    from research.cli import parse_params
    from research.honesty.check import CHECKS, Depth
    from research.honesty.check import check_strategy as check
    from research.honesty.verdict import Light
    from research.honesty.words import as_json, as_text
    from research.market_data import FileOptions, open_file

    names = [name.strip() for name in only.split(",") if name.strip()]
    known = [each.name for each in CHECKS]
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"--only {unknown[0]!r}: choose {', '.join(known)}")
    loaded = load_config(config)
    core = loaded.to_settings()
    paper = paper_fields(loaded) | ({"fill_model": fill_model} if fill_model else {})
    settings = backtest_settings(core, paper, 100_000, "auto", loaded.data_feed.conflate_ns)
    options = FileOptions(
        instrument=instrument,
        instruments=core.instruments,
        tolerate_gaps=tolerate_gaps,
        fees=core.instruments[0] if core.instruments else None,
    )
    sources = [open_file(path, options) for path in data]
    request = StrategyRequest(kind=strategy, params=parse_params(params), folder=strategies)
    with progress() as report:
        verdict = check(request, sources, settings, Depth(cuts=cuts), report, names)
    typer.echo(as_text(verdict))
    if json_path is not None:
        json_path.write_bytes(as_json(verdict) + b"\n")
        typer.echo(f"{'JSON':<15}{json_path}")
    if verdict.light is Light.RED:
        raise typer.Exit(RED_EXIT)
    if strict and verdict.light is Light.AMBER:
        raise typer.Exit(AMBER_EXIT)


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
