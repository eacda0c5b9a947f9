"""The verb `data`: fetch, record, import and list stored market data.

Venues are opened by functions that `main.py` gives, because this room does not know exchanges.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct

from domain.errors import ConfigError, MoonDevError
from domain.instrument import Instrument
from domain.ports import HistorySource, MarketFeed
from engine.clock import WallClock

if TYPE_CHECKING:
    from engine.config import Config
    from engine.data.store.series import Kind

FOLDER = "market"
DEFAULT_DATA = Path(".moondev/paper")

DataOption = Annotated[Path, typer.Option("--data", help="Data folder; the store is its folder market.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file over the built-in defaults.")]
Names = Annotated[list[str], typer.Argument(help="Instruments: BTC, BTC-USDC-PERP or the whole id.")]
VenueOption = Annotated[str, typer.Option("--venue", help="hyperliquid, binance, bybit, phemex or dydx")]
IntervalOption = Annotated[str, typer.Option("--interval", help="Of candles; several with commas: 1m,1h,1d.")]
GapsOption = Annotated[bool, typer.Option("--tolerate-gaps", help="Take a file with missing bars as it is.")]


class Venues(Struct, frozen=True):
    """How to open a venue by its name; raises `ConfigError` for one that is not there."""

    history: Callable[[str, Config], HistorySource]
    feed: Callable[[Config, Sequence[Instrument]], MarketFeed]


def register(app: typer.Typer, venues: Venues) -> None:
    """Add the verb."""
    data_app = typer.Typer(no_args_is_help=True, context_settings={"obj": venues})
    data_app.command("fetch")(fetch)
    data_app.command("record")(record)
    data_app.command("import")(import_files)
    data_app.command("ls")(ls)
    app.add_typer(data_app, name="data", help="Market data: fetch, record, import, list.")


def fetch(  # noqa: PLR0913, PLR0917 - one option each
    context: typer.Context,
    names: Names,
    kinds: Annotated[str, typer.Option("--kinds", help="candles, funding, trades; several with commas.")] = "candles",
    interval: IntervalOption = "1m",
    start: Annotated[str, typer.Option("--from", help="ISO time, UTC, or a span back from now: 30d.")] = "30d",
    end: Annotated[str, typer.Option("--to", help="ISO time, UTC, or a span back from now; default now.")] = "",
    venue: VenueOption = "hyperliquid",
    again: Annotated[bool, typer.Option("--again", help="Ask also for what is stored.")] = False,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
) -> None:
    """Download candles, funding rates or trades; the same command again goes on where it stopped."""
    from engine.config import load_config
    from engine.data.store.download import FETCHED, Request, download
    from engine.data.store.series import parse_interval
    from engine.data.store.store import MarketStore

    now_ns = WallClock().now_ns()
    request = Request(
        names=tuple(names),
        kinds=_kinds(kinds, FETCHED),
        intervals_ns=tuple(parse_interval(text) for text in interval.split(",")),
        start_ns=_moment(start, now_ns),
        end_ns=_moment(end, now_ns) if end else now_ns,
        now_ns=now_ns,
        again=again,
    )
    venues: Venues = context.obj
    source = venues.history(venue, load_config(config))
    try:
        lines = asyncio.run(download(MarketStore(data / FOLDER), source, request))
    except KeyboardInterrupt:
        typer.echo("Stopped. What was fetched is stored: run the same command again to go on.", err=True)
        raise typer.Exit(1) from None
    typer.echo("\n".join(lines))


def record(
    context: typer.Context,
    names: Names,
    kinds: Annotated[str, typer.Option("--kinds", help="books, trades, marks.")] = "books,trades,marks",
    span: Annotated[str, typer.Option("--for", help="How long: 90s, 12h, 7d; default until Ctrl-C.")] = "",
    venue: VenueOption = "hyperliquid",
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
) -> None:
    """Record a live feed: order books, trades, mark prices with the running funding rate.

    Stored every 30 seconds: a kill or a power cut loses at most what came since, and leaves a gap that is named.
    """
    from engine.config import load_config
    from engine.data.store.listen import listen
    from engine.data.store.record import RECORDED
    from engine.data.store.series import parse_interval
    from engine.data.store.store import MarketStore

    venues: Venues = context.obj
    loaded = load_config(config)
    lines = asyncio.run(
        listen(
            MarketStore(data / FOLDER),
            venues.history(venue, loaded),
            lambda instruments: venues.feed(loaded, instruments),
            names,
            _kinds(kinds, RECORDED),
            WallClock(),
            seconds=parse_interval(span) / 1e9 if span else None,
        )
    )
    typer.echo("\n".join(lines))


def import_files(  # noqa: PLR0913, PLR0917 - one option each
    files: Annotated[list[Path], typer.Argument(help="Parquet, CSV (also gzipped), or L2 tapes.")],
    instrument: Annotated[str, typer.Option(help="Id such as BTC-USDT-PERP.BINANCE; else told from the name.")] = "",
    kind: Annotated[str, typer.Option(help="bars, trades, books, funding or l2; told from the file.")] = "",
    stamp: Annotated[str, typer.Option(help="What a bar's time is: open or close.")] = "open",
    time_unit: Annotated[str, typer.Option(help="s, ms, us or ns; told from the numbers.")] = "",
    newest_first: Annotated[bool, typer.Option("--newest-first", help="The rows run backwards: turn them.")] = False,
    tolerate_gaps: GapsOption = False,
    data: DataOption = DEFAULT_DATA,
    config: ConfigOption = None,
) -> None:
    """Store files, after every check that a backtest makes; a file that lies is refused with the reason."""
    from engine.config import load_config
    from engine.data.guess import FileKind
    from engine.data.importers import Stamp
    from engine.data.store.intake import FileChoices, import_file
    from engine.data.store.store import MarketStore

    choices = FileChoices(
        kind=_choice("--kind", kind, FileKind) if kind else None,
        instrument=instrument,
        instruments=load_config(config).to_settings().instruments,
        stamp=_choice("--stamp", stamp, Stamp),
        time_unit=time_unit,
        newest_first=newest_first,
        tolerate_gaps=tolerate_gaps,
    )
    refused = 0
    for path in files:
        try:
            done = import_file(MarketStore(data / FOLDER), path, choices)
        except MoonDevError as error:
            refused += 1
            typer.echo(f"Refused: {error}", err=True)
            continue
        for series, rows in done.series.items():
            typer.echo(f"{path.name}: {rows.new:,} new rows of {series.name}, {rows.known:,} known already")
        for note in done.notes:
            typer.echo(f"  {note}")
    raise typer.Exit(1 if refused else 0)


def ls(
    gaps: Annotated[bool, typer.Option("--gaps", help="Name every gap.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read everything and compare the hashes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """List what is stored: range, rows, gaps, sources."""
    from rich.console import Console

    from engine.data.store.report import as_rows, as_table
    from engine.data.store.store import MarketStore

    store = MarketStore(data / FOLDER)
    stored = store.all()
    for series in stored if verify else ():
        store.verify(series)
    if as_json:
        typer.echo(json.dumps(as_rows(store, stored), indent=1))
    elif not stored:
        typer.echo(f"Nothing is stored in {store.folder}: ./moondev data fetch BTC")
    else:
        console = Console() if sys.stdout.isatty() else Console(width=200)
        console.print(as_table(store, stored, all_gaps=gaps), soft_wrap=False)


def _moment(text: str, now_ns: int) -> int:
    """An ISO time, or a span back from now. Raises `ConfigError`, `typer.BadParameter`."""
    from engine.cli import when_ns
    from engine.data.store.series import parse_interval

    return now_ns - parse_interval(text) if re.fullmatch(r"[0-9]+[smhdw]", text) else when_ns(text)


def _kinds(text: str, known: Sequence[Kind]) -> tuple[Kind, ...]:
    """Kinds with commas between. Raises `ConfigError` naming those there are."""
    names = [name.strip() for name in text.split(",")]
    wrong = [name for name in names if name not in {kind.value for kind in known}]
    if wrong:
        raise ConfigError(f"--kinds {', '.join(wrong)}: choose {', '.join(kind.value for kind in known)}")
    return tuple(kind for kind in known if kind.value in names)


def _choice(option: str, text: str, choices: Any) -> Any:  # noqa: ANN401 - any enumeration
    """A member of an enumeration. Raises `ConfigError` naming the choices."""
    try:
        return choices(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r}: choose {', '.join(item.value for item in choices)}") from None
