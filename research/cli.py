"""Verbs of the research room: backtest, simulate, bench. Heavy libraries load with the verb."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import ConfigError
from research.report.cli import report

if TYPE_CHECKING:
    from domain.settings import Settings
    from research.backtest import BacktestSettings
    from research.market_data import MarketData

START_NS = 1_760_000_000_000_000_000
"""When the simulated market of a backtest begins: 2025-10-09 08:53:20 UTC."""
DEFAULT_STORE = Path(".moondev/paper")
HOUR_NS = 3_600_000_000_000
MS = 1_000_000

DataPath = Annotated[Path | None, typer.Option("--data", help="Bars, trades, books (Parquet, CSV) or an L2 tape.")]
JsonPath = Annotated[Path | None, typer.Option("--json", help="Also write the result as JSON to this file.")]
Params = Annotated[str, typer.Option("--params", help="Strategy parameters: fast=10,slow=20 ...")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(backtest)
    app.command()(bench)
    app.command()(report)
    app.command()(simulate)
    app.command("false-alerts")(false_alerts)
    from research.honesty.cli import check_strategy

    app.command("check-strategy")(check_strategy)


def false_alerts(
    files: Annotated[list[Path], typer.Argument(help="Files of bars.")],
) -> None:
    """Measure how often the breakers on prices and losses would have tripped for nothing over recorded bars."""
    from research.false_alerts import measure

    for line in measure(files):
        typer.echo(line)


def simulate(
    seeds: Annotated[int, typer.Option(help="How many seeds.")] = 200,
    seed: Annotated[int | None, typer.Option(help="Run only this seed.")] = None,
    first: Annotated[int, typer.Option(help="First seed.")] = 1,
    verbose: Annotated[bool, typer.Option(help="Print the trace of a failing seed.")] = False,
) -> None:
    """Run seeded simulated days with faults and kills, and check every invariant."""
    from research.simulation.cli import run

    count, start = (1, seed) if seed is not None else (seeds, first)
    raise typer.Exit(run(count, start, verbose=verbose))


def backtest(  # noqa: PLR0913, PLR0917 - one option each
    strategy: Annotated[str, typer.Option(help="Kind of strategy, or file.py:Class.")],
    data: DataPath = None,
    instrument: Annotated[str, typer.Option(help="Configured id or alias, else told from the file's name.")] = "",
    params: Params = "",
    kind: Annotated[str, typer.Option(help="bars, trades, books or l2; told from the file.")] = "",
    stamp: Annotated[str, typer.Option(help="What a bar's time is: open or close.")] = "open",
    tolerate_gaps: Annotated[bool, typer.Option(help="Use a file with missing bars as it is.")] = False,
    funding: Annotated[Path | None, typer.Option(help="Funding rates, for bars.")] = None,
    fill_model: Annotated[str, typer.Option(help="next_open, ohlc_path or same_close, for bars.")] = "",
    deposit: Annotated[float, typer.Option(min=1, help="Cash at the start.")] = 100_000,
    approver: Annotated[str, typer.Option(help="auto or never: who votes on large orders.")] = "auto",
    stored: Annotated[str, typer.Option(help="Stored data of this instrument instead of --data.")] = "",
    start: Annotated[str, typer.Option("--from", help="With --stored: ISO time, UTC; default all there is.")] = "",
    end: Annotated[str, typer.Option("--to", help="With --stored: ISO time, UTC.")] = "",
    interval: Annotated[str, typer.Option(help="With --stored: of candles, such as 1m; default the finest.")] = "",
    store: Annotated[Path, typer.Option(help="With --stored: the data folder with the store.")] = DEFAULT_STORE,
    simulated_hours: Annotated[float, typer.Option(min=0, help="Simulated market instead of --data.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the simulated market.")] = 7,
    config: Annotated[Path | None, typer.Option(help="YAML file over the built-in defaults.")] = None,
    strategies: Annotated[Path | None, typer.Option(help="Folder with your own strategies.")] = None,
    json_path: JsonPath = None,
    progress_as: Annotated[str, typer.Option("--progress", help="bar, or lines for programs.")] = "bar",
) -> None:
    """Run one strategy over market data through the code that trades live, and say honestly what came out."""
    from engine.config import load_config
    from engine.config.parts import paper_fields
    from research.backtest import StrategyRequest, run_backtest
    from research.market_data import DataKind, FileOptions, open_file, simulated
    from research.summary import as_json, as_text

    loaded = load_config(config)
    core = loaded.to_settings()
    paper = paper_fields(loaded) | ({"fill_model": fill_model} if fill_model else {})
    settings = _settings(core, paper, deposit, approver, loaded.data_feed.conflate_ns)
    if [bool(data), bool(stored), bool(simulated_hours)].count(True) != 1:
        raise ConfigError("say what to run over: --data FILE, --stored INSTRUMENT, or --simulated-hours H")
    if simulated_hours:
        source = simulated(_simulated_instrument(core, instrument), seed, START_NS, int(simulated_hours * HOUR_NS))
    elif data is not None:
        options = FileOptions(
            kind=_choice("--kind", kind, DataKind) if kind else None,
            instrument=instrument,
            instruments=core.instruments,
            stamp=_stamp(stamp),
            tolerate_gaps=tolerate_gaps,
            funding=funding,
            fees=core.instruments[0] if core.instruments else None,
        )
        source = open_file(data, options)
    else:
        source = _stored(core, store, stored, (start, end), interval, kind, tolerate_gaps=tolerate_gaps)
    request = StrategyRequest(kind=strategy, params=parse_params(params), folder=strategies)
    with progress(source, as_lines=progress_as == "lines") as on_progress:
        outcome = run_backtest(request, source, settings, on_progress)
    typer.echo(as_text(outcome))
    if json_path is not None:
        json_path.write_bytes(as_json(outcome) + b"\n")
        typer.echo(f"{'JSON':<15}{json_path}")


def _stored(
    core: Settings, folder: Path, name: str, span: tuple[str, str], interval: str, kind: str, *, tolerate_gaps: bool
) -> MarketData:
    from engine.cli import when_ns
    from engine.data.store.series import parse_interval
    from engine.data.store.store import MarketStore
    from research.market_data import DataKind
    from research.stored import END_NS, StoredOptions, open_stored

    options = StoredOptions(
        name=name,
        start_ns=when_ns(span[0]) if span[0] else 0,
        end_ns=when_ns(span[1]) if span[1] else END_NS,
        kind=_choice("--kind", kind, DataKind) if kind else None,
        interval_ns=parse_interval(interval) if interval else 0,
        tolerate_gaps=tolerate_gaps,
        instruments=core.instruments,
        fees=core.instruments[0] if core.instruments else None,
    )
    return open_stored(MarketStore(folder / "market"), options)


def bench(
    peers: Annotated[Path | None, typer.Option(help="Folder of executables that print one JSON line each.")] = None,
    only: Annotated[str, typer.Option(help="Run this case only.")] = "",
    quick: Annotated[bool, typer.Option(help="Tiny sizes: shows that it runs, measures nothing.")] = False,
    json_path: JsonPath = None,
) -> None:
    """Measure ourselves, others beside us; every row says which rules were on."""
    import json

    from research.bench.run import bench as run_bench

    measured = run_bench(only, peers, quick=quick, say=typer.echo)
    if json_path is not None:
        json_path.write_text(json.dumps(measured, indent=1) + "\n")


def _settings(
    core: Settings, paper: dict[str, Any], deposit: float, approver: str, conflate_ns: int
) -> BacktestSettings:
    from decimal import Decimal

    from msgspec import ValidationError, convert

    from exchanges.paper.config import FillModel, PaperConfig
    from research.backtest import BacktestSettings
    from research.result import Approver

    _choice("--fill-model", str(paper["fill_model"]), FillModel)
    try:
        exchange = convert(paper, PaperConfig)
    except ValidationError as error:
        raise ConfigError(f"paper: {error}") from error
    return BacktestSettings(
        core=core,
        paper=exchange,
        deposit=Decimal(repr(deposit)),
        approver=_choice("--approver", approver, Approver),
        conflate_ns=conflate_ns,
    )


def _choice(option: str, text: str, choices: Any) -> Any:  # noqa: ANN401 - any enumeration
    """A member of an enumeration. Raises `ConfigError` naming the choices."""
    try:
        return choices(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r}: choose {', '.join(item.value for item in choices)}") from None


def _stamp(text: str) -> Any:  # noqa: ANN401 - imported with the verb
    from engine.data.importers import Stamp

    return _choice("--stamp", text, Stamp)


def _simulated_instrument(core: Settings, name: str) -> Any:  # noqa: ANN401 - imported with the verb
    from research.market_data import find_instrument

    found = find_instrument(name, core.instruments) if name else next(iter(core.instruments), None)
    if found is None:
        known = ", ".join(item.id for item in core.instruments) or "none"
        raise ConfigError(f"--instrument {name!r} is not configured; there are: {known}")
    return found


def parse_params(text: str) -> dict[str, Any]:
    """`fast=10,style=take,session=true` as a dictionary of plain values. Raises `ConfigError`."""
    params: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--params {part!r}: expected name=value, several separated by commas")
        params[name.strip()] = _value(value.strip())
    return params


def _value(text: str) -> Any:  # noqa: ANN401 - a number, a truth value or a text
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


@contextmanager
def progress(source: MarketData, *, as_lines: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal's stderr, or lines there for a program (`progress 0.25`); elsewhere None."""
    if as_lines:
        yield _line_by_line(source)
        return
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[seen]:,} events"))
    total = source.last_ns - source.first_ns or None
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(source.name, total=total, seen=0)

        def report(seen: int, ts_ns: int) -> None:
            bar.update(task, completed=max(0, ts_ns - source.first_ns) if total else None, seen=seen)

        yield report


def _line_by_line(source: MarketData) -> Callable[[int, int], None]:
    """Says on stderr how much of the data's span is done, at most once a second."""
    span_ns = max(1, source.last_ns - source.first_ns)
    said_s = 0.0

    def report(_seen: int, ts_ns: int) -> None:
        nonlocal said_s
        now_s = time.monotonic()
        if now_s - said_s >= 1:
            said_s = now_s
            typer.echo(f"progress {min(1.0, max(0, ts_ns - source.first_ns) / span_ns):.3f}", err=True)

    return report
