"""Verbs of the research room: backtest, simulate, bench. Heavy libraries load with the verb."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import ConfigError
from research.backtest_cli import backtest
from research.optimise import cli as optimise_cli
from research.report.cli import report

if TYPE_CHECKING:
    from domain.settings import Settings
    from research.backtest import BacktestSettings

JsonPath = Annotated[Path | None, typer.Option("--json", help="Also write the result as JSON to this file.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(backtest)
    app.command()(bench)
    app.command()(report)
    app.command()(simulate)
    app.command("false-alerts")(false_alerts)
    optimise_cli.register(app)
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
