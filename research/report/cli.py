"""`moondev report`: any run again as a page, a picture, figures; several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import ConfigError

DEFAULT_STORE = Path(".moondev/paper")
Results = Annotated[
    list[str], typer.Argument(help="Results: files of `moondev backtest --json`, or runs that were kept.")
]
HtmlPath = Annotated[Path | None, typer.Option("--html", help="Write one self-contained page to this file.")]
PngPath = Annotated[Path | None, typer.Option("--png", help="Write a picture for a phone to this file.")]
FiguresPath = Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON to this file.")]
Tries = Annotated[int, typer.Option(min=1, help="How many variants were tried before this one was chosen.")]
Honesty = Annotated[
    Path | None, typer.Option(help="What `moondev check-strategy --json` wrote of this run: a section of the page.")
]
Seed = Annotated[int, typer.Option(help="Of the resampling.")]


def report(
    runs: Results,
    html: HtmlPath = None,
    png: PngPath = None,
    json_path: FiguresPath = None,
    tries: Tries = 1,
    seed: Seed = 0,
    honesty: Honesty = None,
    store: Annotated[Path, typer.Option(help="The data folder where results are kept.")] = DEFAULT_STORE,
) -> None:
    """Render a result of before again; several are put side by side."""
    from research.honesty.page import verdict_of
    from research.report import compare, load, write
    from research.summary import report_text

    files = [_file_of(name, store) for name in runs]
    results = [load.load(file) for file in files]
    measured = compare.measured(results, tries, seed)
    if len(results) == 1:
        typer.echo(report_text(results[0], measured[0]))
        verdict = verdict_of(honesty, results[0]) if honesty is not None else None
        written = write(results[0], measured[0], html_path=html, png_path=png, json_path=json_path, honesty=verdict)
    else:
        if png is not None:
            raise ConfigError("--png: a picture is of one result; --html puts several side by side")
        named = compare.named(files, results, measured)
        typer.echo(compare.text(named))
        written = compare.write(named, html_path=html, json_path=json_path)
    for kind, path in written:
        typer.echo(f"{kind:<15}{path}")


def _file_of(name: str, store: Path) -> Path:
    if Path(name).is_file():
        return Path(name)
    from research.runs import find_kept

    return find_kept(store, name)
