"""`moondev optimise`: search for parameters, look at a study, go on with it. Heavy libraries load with the verb."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import ConfigError, MoonDevError

if TYPE_CHECKING:
    from research.optimise.database import Database
    from research.optimise.definition import Definition, Numbered
    from research.optimise.evidence import Evidence
    from research.optimise.run import Ready
    from research.optimise.search import Progress

DEFAULT_DATA = Path(".moondev/paper")
INTERRUPTED = 130

FolderOption = Annotated[Path, typer.Option("--data-folder", help="Data folder: where studies are kept.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file over the built-in defaults.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Processes of this machine; 0 = one a core.")]
LimitOption = Annotated[
    float, typer.Option(min=10, help="Seconds that a trial may take; one that is longer has failed.")
]
DaskOption = Annotated[str, typer.Option(help="Address of a Dask scheduler, tcp://HOST:8786, instead of processes.")]
ProgressOption = Annotated[str, typer.Option("--progress", help="bar, or lines for programs.")]
HtmlOption = Annotated[Path | None, typer.Option(help="Where the page goes; default: the data folder.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the evidence as JSON to this file.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    group = typer.Typer(invoke_without_command=True, no_args_is_help=True)
    group.callback()(optimise)
    group.command("go-on")(go_on)
    group.command("show")(show)
    group.command("report")(report)
    group.command("ls")(ls)
    app.add_typer(group, name="optimise", help="Search for parameters, and say how much of what was found is luck.")


def optimise(  # noqa: PLR0913, PLR0917 - one option each
    context: typer.Context,
    strategy: Annotated[str, typer.Option(help="Kind of strategy, or file.py:Class.")] = "",
    study: Annotated[str, typer.Option(help="Name of the study; default: the strategy's and the data's.")] = "",
    data: Annotated[list[Path] | None, typer.Option("--data", help="A file of market data; again for another.")] = None,
    stored: Annotated[list[str] | None, typer.Option(help="Stored data of this instrument; again for another.")] = None,
    simulated_hours: Annotated[float, typer.Option(min=0, help="Simulated market instead.")] = 0,
    trials: Annotated[int, typer.Option(min=1, help="How many valid combinations are run.")] = 100,
    space: Annotated[
        str, typer.Option(help="fast=5..50,slow=20..200:5,style=take|passive; default: all bounded.")
    ] = "",
    params: Annotated[str, typer.Option("--params", help="Parameters that are fixed: qty=0.1 ...")] = "",
    objective: Annotated[
        str, typer.Option(help="sharpe, sortino, calmar, profit ...; several with commas.")
    ] = "sharpe",
    across: Annotated[str, typer.Option(help="Of the blocks: whole, median or worst.")] = "whole",
    folds: Annotated[int, typer.Option(min=1, max=24, help="Blocks that the study is cut into.")] = 6,
    hold_out: Annotated[float, typer.Option(min=0.05, max=0.6, help="Share of the data that no trial sees.")] = 0.2,
    embargo: Annotated[
        float, typer.Option(min=0, max=0.2, help="Share of the study left out after a test set.")
    ] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same study.")] = 7,
    sampler: Annotated[str, typer.Option(help="tpe, random or nsga2.")] = "tpe",
    even: Annotated[float, typer.Option(min=0, max=1, help="Share of the trials spread evenly.")] = 0.5,
    prune: Annotated[bool, typer.Option(help="Give up what falls behind the median.")] = True,
    lag: Annotated[int, typer.Option(min=1, help="Trials that may be under way at once.")] = 16,
    least_trades: Annotated[int, typer.Option(min=0, help="Round trips below which a trial is not judged.")] = 30,
    instrument: Annotated[str, typer.Option(help="Configured id or alias, else told from the file's name.")] = "",
    kind: Annotated[str, typer.Option(help="bars, trades, books or l2; told from the file.")] = "",
    stamp: Annotated[str, typer.Option(help="What a bar's time is: open or close.")] = "open",
    tolerate_gaps: Annotated[bool, typer.Option(help="Use a file with missing bars as it is.")] = False,
    funding: Annotated[Path | None, typer.Option(help="Funding rates, for bars.")] = None,
    start: Annotated[str, typer.Option("--from", help="With --stored: ISO time, UTC.")] = "",
    end: Annotated[str, typer.Option("--to", help="With --stored: ISO time, UTC.")] = "",
    interval: Annotated[str, typer.Option(help="With --stored: of candles, such as 5m; default the finest.")] = "",
    fill_model: Annotated[str, typer.Option(help="next_open, ohlc_path or same_close, for bars.")] = "",
    deposit: Annotated[float, typer.Option(min=1, help="Cash at the start.")] = 100_000,
    strategies: Annotated[Path | None, typer.Option(help="Folder with your own strategies.")] = None,
    workers: WorkersOption = 0,
    limit: LimitOption = 1_800,
    dask: DaskOption = "",
    data_folder: FolderOption = DEFAULT_DATA,
    config: ConfigOption = None,
    html: HtmlOption = None,
    json_path: JsonOption = None,
    progress_as: ProgressOption = "bar",
) -> None:
    """Search a strategy's parameters; the same command again goes on where it was interrupted or killed."""
    typed = dict(locals())
    if context.invoked_subcommand is not None:
        return
    if not strategy:
        raise ConfigError("--strategy is missing: a kind of strategy, or file.py:Class")
    from research.optimise.asking import asked_of
    from research.optimise.run import prepare

    asked = asked_of(typed, " ".join(sys.argv[1:]))
    where = _Where(data_folder, config, workers, dask, progress_as, html, json_path, limit)
    _work(context, prepare(asked), trials, where)


def go_on(  # noqa: PLR0913, PLR0917 - one option each
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Its name.")],
    trials: Annotated[int, typer.Option(min=0, help="How many runs in all; 0 = as asked for before.")] = 0,
    workers: WorkersOption = 0,
    limit: LimitOption = 1_800,
    dask: DaskOption = "",
    data_folder: FolderOption = DEFAULT_DATA,
    config: ConfigOption = None,
    html: HtmlOption = None,
    json_path: JsonOption = None,
    progress_as: ProgressOption = "bar",
) -> None:
    """Go on with a study that was interrupted or killed, or give it more trials."""
    from research.optimise.run import again

    where = _Where(data_folder, config, workers, dask, progress_as, html, json_path, limit)
    definition, _, notes = _read(context, where, study)
    _work(context, again(definition), trials or int(notes.get("runs") or 0), where)


def show(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Its name.")],
    trial: Annotated[int | None, typer.Argument(help="Number of a trial; without it the whole study.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Run the trial again and compare.")] = False,
    data_folder: FolderOption = DEFAULT_DATA,
    config: ConfigOption = None,
) -> None:
    """Show a study or one of its trials; --again runs the trial anew and compares every order."""
    from research.optimise.words import summary, trial_rows

    where = _Where(data_folder, config)
    definition, trials, notes = _read(context, where, study)
    if trial is None:
        typer.echo(summary(definition, _evidence(study, notes)))
        return
    if not 0 <= trial < len(trials):
        raise ConfigError(f"{study} has {len(trials)} trials, 0 to {len(trials) - 1}; there is no {trial}")
    for name, text in trial_rows(definition, trials[trial]):
        typer.echo(f"{name:<15}{text}")
    if again:
        _compare(definition, trials[trial])


def _compare(definition: Definition, trial: Numbered) -> None:
    """Run a trial again here; it has to do the same orders and end in the same state."""
    from research.optimise.job import Bench, Job

    if trial.run is None or not trial.run.state_hash:
        raise MoonDevError(f"trial {trial.number} has no result to compare with")
    least = trial.least if trial.run.state == "pruned" else ()
    run = Bench(definition.task).run(Job(number=trial.number, params=trial.run.params, least=least))
    before = trial.run
    same = (run.effects_hash, run.state_hash, run.pnl) == (before.effects_hash, before.state_hash, before.pnl)
    if not same:
        raise MoonDevError(
            f"trial {trial.number} came out differently: PNL {run.pnl}, {run.fills} fills now; {before.pnl}, "
            f"{before.fills} fills before"
        )
    typer.echo(f"{'Again':<15}the same, order for order: {run.fills} fills, PNL {run.pnl}, {run.wall_s:.2f} s")


def report(
    context: typer.Context,
    study: Annotated[str, typer.Argument(help="Its name.")],
    html: HtmlOption = None,
    json_path: JsonOption = None,
    data_folder: FolderOption = DEFAULT_DATA,
    config: ConfigOption = None,
) -> None:
    """Write a study's page again."""
    where = _Where(data_folder, config, html=html, json_path=json_path)
    definition, trials, notes = _read(context, where, study)
    _write(where, definition, trials, _evidence(study, notes))


def ls(context: typer.Context, data_folder: FolderOption = DEFAULT_DATA, config: ConfigOption = None) -> None:
    """List the studies there are."""
    from research.optimise.definition import read

    with _database(context, _Where(data_folder, config)) as database:
        for name in database.names():
            try:
                definition, trials, notes = read(database, name)
            except ConfigError as error:
                typer.echo(f"{name:<40} {error}")
                continue
            done = sum(trial.run is not None and not trial.is_repeat for trial in trials)
            of = notes.get("runs") or "?"
            what = f"{definition.task.kind}, {', '.join(definition.task.objectives)}"
            typer.echo(f"{name:<40} {done:>6} of {of} trials  {what}")


class _Where:
    """Where a study is kept, who runs it, and where its page goes."""

    def __init__(
        self,
        data_folder: Path,
        config: Path | None,
        workers: int = 0,
        dask: str = "",
        progress_as: str = "bar",
        html: Path | None = None,
        json_path: Path | None = None,
        limit_s: float = 0.0,
    ) -> None:
        self.data_folder, self.config = data_folder, config
        self.workers, self.dask, self.progress_as = workers, dask, progress_as
        self.html, self.json_path, self.limit_s = html, json_path, limit_s


def _url(context: typer.Context, where: _Where) -> str:
    """The database of studies: the file of the data folder, or what `storage.url` names."""
    from engine.config import load_config, remembered
    from engine.storage.database import database_url
    from research.optimise.database import file_url

    loaded = load_config(where.config or remembered(where.data_folder))
    if not loaded.storage.url:
        return file_url(where.data_folder)
    secrets = context.obj(where.data_folder) if callable(context.obj) else None
    return database_url(loaded, where.data_folder, secrets)


@contextmanager
def _database(context: typer.Context, where: _Where) -> Iterator[Database]:
    from research.optimise.database import Database

    with closing(Database(_url(context, where))) as database, database.speaking():
        yield database


def _read(context: typer.Context, where: _Where, name: str) -> tuple[Definition, list[Numbered], dict[str, Any]]:
    from research.optimise.definition import read

    with _database(context, where) as database:
        return read(database, name)


def _evidence(name: str, notes: dict[str, Any]) -> Evidence:
    import msgspec

    from research.optimise.evidence import Evidence

    kept = notes.get("evidence")
    if kept is None:
        raise MoonDevError(f"study {name!r} has not come to its end: ./moondev optimise go-on {name}")
    try:
        return msgspec.json.decode(kept, type=Evidence)
    except msgspec.ValidationError as error:
        raise MoonDevError(f"study {name!r} was judged by another version: ./moondev optimise go-on {name}") from error


def _work(context: typer.Context, ready: Ready, runs: int, where: _Where) -> None:
    """Bring a study to so many runs, then say what came out."""
    from research.optimise.run import optimise as run_study
    from research.optimise.run import pool_of

    name = ready.definition.name
    try:
        with _progress(name, runs, where.progress_as) as on_progress:
            pool = pool_of(where.workers, where.dask, where.limit_s)
            evidence = run_study(ready, _url(context, where), runs=runs, open_pool=pool, on_progress=on_progress)
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted. What came is kept; go on with: ./moondev optimise go-on {name}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    definition, trials, _ = _read(context, where, name)
    from research.optimise.words import summary

    typer.echo(summary(definition, evidence))
    _write(where, definition, trials, evidence)
    if evidence.counts.get("failed") and not evidence.counts.keys() & {"complete", "pruned"}:
        first = next(trial.run for trial in trials if trial.run is not None and trial.run.state == "failed")
        raise MoonDevError(
            f"no trial of {name} came to a result; trial {first.number} was the first to fail: {first.reason}. "
            f"./moondev optimise show {name} {first.number} has its parameters; mended, it is another --study"
        )


def _write(where: _Where, definition: Definition, trials: list[Numbered], evidence: Evidence) -> None:
    import msgspec

    from research.optimise.page import page

    path = where.html or where.data_folder / "studies" / f"{definition.name}.html"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(page(definition, trials, evidence), encoding="utf-8")
    typer.echo(f"{'Page':<15}{path}")
    if where.json_path is not None:
        where.json_path.write_bytes(msgspec.json.format(msgspec.json.encode(evidence)) + b"\n")
        typer.echo(f"{'JSON':<15}{where.json_path}")


@contextmanager
def _progress(name: str, runs: int, how: str) -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal's stderr, or lines there for programs, at most one a second; elsewhere nothing."""
    if how == "lines":
        said_s = 0.0

        def line(progress: Progress) -> None:
            nonlocal said_s
            if time.monotonic() - said_s >= 1 or progress.done >= progress.runs:
                said_s = time.monotonic()
                typer.echo(progress.text, err=True)

        yield line
        return
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=runs, told="")

        def show_it(progress: Progress) -> None:
            bar.update(task, completed=progress.done, told=progress.text.partition("trials, ")[2])

        yield show_it
