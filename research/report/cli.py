"""`moondev report`: any run again as a page, a picture, figures; several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import ConfigError

Results = Annotated[list[Path], typer.Argument(help="Results that `moondev backtest --json` wrote.")]
HtmlPath = Annotated[Path | None, typer.Option("--html", help="Write one self-contained page to this file.")]
PngPath = Annotated[Path | None, typer.Option("--png", help="Write a picture for a phone to this file.")]
FiguresPath = Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON to this file.")]
Tries = Annotated[int, typer.Option(min=1, help="How many variants were tried before this one was chosen.")]
Seed = Annotated[int, typer.Option(help="Of the resampling.")]


def report(
    files: Results,
    html: HtmlPath = None,
    png: PngPath = None,
    json_path: FiguresPath = None,
    tries: Tries = 1,
    seed: Seed = 0,
) -> None:
    """Render a result of before again; several are put side by side."""
    from research.report import compare, load, write
    from research.summary import report_text

    results = [load.load(file) for file in files]
    measured = compare.measured(results, tries, seed)
    if len(results) == 1:
        typer.echo(report_text(results[0], measured[0]))
        written = write(results[0], measured[0], html_path=html, png_path=png, json_path=json_path)
    else:
        if png is not None:
            raise ConfigError("--png: a picture is of one result; --html puts several side by side")
        runs = compare.named(files, results, measured)
        typer.echo(compare.text(runs))
        written = compare.write(runs, html_path=html, json_path=json_path)
    for kind, path in written:
        typer.echo(f"{kind:<15}{path}")
