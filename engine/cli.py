"""Verbs that work on a data folder alone: audit, replay, projections, configuration, doctor.

`register` adds them to the command line; everything heavy is imported by the verb that uses it.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import MoonDevError
from domain.settings import Settings
from engine import totp

if TYPE_CHECKING:
    from engine.core.journal import Anchor
    from engine.setup import Setup

DataOption = Annotated[Path, typer.Option("--data", help="Data folder.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file over the built-in defaults.")]
"""Without it: the file that the service in the data folder was last started with."""
EnvironmentOption = Annotated[str, typer.Option(help="paper, testnet or live; default: what the file says.")]
ASK_VENUES = "moondev.ask_venues"
"""Under this name in the context: `engine.doctor.AskVenues`, which only main can make."""
LOOK_AT_THE_FILE = "Is it yours, is it of the right kind, is there room? `./moondev doctor` looks further."
ASK_CHANNELS = "moondev.ask_channels"
"""The same for `engine.doctor.AskChannels`."""
ASK_VAULT = "moondev.ask_vault"
"""The same for `engine.doctor.AskVault`."""
HASH_DIGITS = 64
DEFAULT_DATA = Path(".moondev/paper")


def journal_folder(data: Path) -> Path:
    """The journal of a data folder. Raises `MoonDevError` when there is none."""
    folder = data / "journal"
    if not folder.is_dir():
        raise MoonDevError(f"{data} has no journal: name the data folder with --data, or start with ./moondev run")
    return folder


def data_folder(environment: str, data: Path | None) -> Path:
    """The data folder of an environment and its place for the user's strategies, made with mode 0700."""
    folder = data or Path(".moondev") / environment
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    strategies = folder / "strategies"
    if strategies.exists() and not strategies.is_dir():
        raise MoonDevError(f"{strategies} is not a folder: move it away")
    strategies.mkdir(mode=0o700, exist_ok=True)
    return folder


def setup_with(open_secrets: Callable[[Path], totp.Keeper]) -> Callable[[Path, Path | None], Setup]:
    """How the guided set-up opens a data folder."""

    def opened(data: Path, config: Path | None) -> Setup:
        from engine.setup import Setup

        return Setup(data, config, open_secrets(data))

    return opened


def vault_fields(data: Path) -> dict[str, Any]:
    """Fields of `vault.config.VaultConfig`, by a data folder's settings. Raises `ConfigError`."""
    from engine.settings_file import vault_fields_of

    return vault_fields_of(data)


def environment_in(data: Path) -> str:
    """Which environment a data folder's service was last started for. Raises `ConfigError`."""
    from engine.config import environment_of, remembered

    return environment_of(remembered(data))


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.command()(replay)
    app.command()(doctor)
    app.command()(rebuild)
    app.command("archive")(archive_market)
    app.command()(incident)
    audit_app = typer.Typer(no_args_is_help=True)
    audit_app.command("verify")(audit_verify)
    app.add_typer(audit_app, name="audit", help="The journal's hash chain.")
    config_app = typer.Typer(no_args_is_help=True)
    config_app.command("check")(config_check)
    config_app.command("show")(config_show)
    config_app.command("history")(config_history)
    app.add_typer(config_app, name="config", help="Settings files.")
    totp.register(app)
    app.command("new-strategy")(new_strategy)


def running_settings(data: Path) -> Settings:
    """The settings in force in a data folder, read from its journal."""
    from engine.replay import settings_in_force

    return settings_in_force(journal_folder(data))


def projection_url(context: typer.Context, config: Path | None, data: Path) -> tuple[str, str]:
    """Address of a data folder's projection, with its password, and the same in words without it.

    Without `config` it is the one of the file that the service was last started with. Raises `ConfigError`.
    """
    from sqlalchemy import make_url

    from engine.config import load_config, remembered
    from engine.storage.database import database_url

    url = database_url(load_config(config or remembered(data)), data, context.obj(data))
    return url, make_url(url).render_as_string(hide_password=True)


def anchor(text: str) -> Anchor:
    """A head as `audit verify` printed it, "SEQ HASH". Raises `typer.BadParameter`."""
    from engine.core.journal import Anchor

    seq, _, head = text.strip().replace(":", " ").partition(" ")
    if not seq.isdigit() or len(head) != HASH_DIGITS:
        raise typer.BadParameter(f"{text!r} is no head as printed by audit verify: 'SEQ HASH'")
    return Anchor(int(seq), head)


def audit_verify(
    context: typer.Context,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    head: Annotated[list[str] | None, typer.Option(help="A head kept outside: 'SEQ HASH', as printed earlier.")] = None,
) -> None:
    """Check the hash chain of the journal, say where it breaks, and whether anyone knows more than it does."""
    from sqlalchemy.exc import SQLAlchemyError

    from engine.core.journal import archived, describe, verify
    from engine.replay import installation_of
    from engine.storage.projector import glance

    folder = journal_folder(data)
    known: list[tuple[str, int]] = []
    try:
        url, shown = projection_url(context, config, data)
        cursor, _ = glance(url)
        if cursor is not None and installation_of(folder) in {"", cursor.journal}:
            known.append((f"the projection {shown}", cursor.seq))
    except (MoonDevError, SQLAlchemyError) as error:
        typer.echo(f"Not compared with the projection, which cannot be read: {str(error).splitlines()[0]}", err=True)
    report = verify(folder, [anchor(text) for text in head or ()], known)
    for line in describe(report):
        typer.echo(line)
    gone = {span.segment for span in report.missing}
    for moved in archived(folder).values():
        if moved.segment in gone:
            typer.echo(f"archived  {moved.segment} to {moved.to} (SHA-256 {moved.sha256})")
    raise typer.Exit(0 if report.ok else 1)


def archive_market(
    before: Annotated[str, typer.Option(help="Only what ended before this time (ISO, UTC).")],
    to: Annotated[Path, typer.Option(help="Folder to move them into.")],
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Move old market data out of the journal: verified first, never what a start needs. The chain still holds."""
    from engine.core.journal import archive

    moved = archive(journal_folder(data), when_ns(before), to)
    for one in moved:
        typer.echo(f"{one.segment}  {one.bytes / 2**20:.1f} MiB  SHA-256 {one.sha256}")
    typer.echo(f"{len(moved)} segment(s) are in {to}. A replay starts behind them, or needs them back in the journal.")


def when_ns(text: str) -> int:
    """Nanoseconds of an ISO time; UTC when it names no zone. Raises `typer.BadParameter`."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an ISO time such as 2026-11-22T10:15:00") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=dt.UTC)
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000


def replay(
    data: DataOption = DEFAULT_DATA,
    seq: Annotated[int | None, typer.Option(help="Stop after this sequence number.")] = None,
    at: Annotated[str | None, typer.Option(help="Stop at this time (ISO, UTC).")] = None,
    code: Annotated[bool, typer.Option(help="Run the strategies' code and compare, instead of its record.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay the journal: reproduce state and effects, stop where asked, print what the engine knew then."""
    from engine.replay import replay_folder

    report = replay_folder(journal_folder(data), until_seq=seq, until_ns=when_ns(at) if at else None, with_code=code)
    typer.echo(report.as_json() if as_json else report.as_text())
    raise typer.Exit(0 if report.ok else 1)


def rebuild(context: typer.Context, config: ConfigOption = None, data: DataOption = DEFAULT_DATA) -> None:
    """Rebuild the SQL projections from the journal, in the database that the settings name."""
    from engine.replay import facts_of
    from engine.storage.projector import rebuild as rebuild_projection

    source = facts_of(journal_folder(data))
    url, shown = projection_url(context, config, data)
    cursor = rebuild_projection(
        url,
        source,
        source.instruments,
        source.installation,
        last_seq=lambda: source.core.state.seq,
    )
    typer.echo(f"The projection {shown} is rebuilt up to event {cursor.seq}.")


def incident(
    name: Annotated[str, typer.Argument(help="Its id, for example I3; the newest if not said.")] = "",
    data: DataOption = DEFAULT_DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the report of an incident from the journal, also beside a running service, and print it."""
    from engine.emergency.report import as_markdown, build, write

    report = build(journal_folder(data), name)
    paths = write(data, report)
    typer.echo(report.as_json() if as_json else as_markdown(report))
    typer.echo(f"Written: {paths[0]} and {paths[1]}", err=True)


def config_history(data: DataOption = DEFAULT_DATA) -> None:
    """Every change of the settings that the journal has: when, by whom, why, old and new."""
    from domain.facts import Alerted
    from engine.knowledge import utc
    from engine.replay import facts_of

    for fact in facts_of(journal_folder(data)):
        if isinstance(fact, Alerted) and fact.kind == "settings":
            typer.echo(f"{utc(fact.ts_ns)}  {fact.text}")


def config_check(
    config: ConfigOption = None, data: DataOption = DEFAULT_DATA, environment: EnvironmentOption = ""
) -> None:
    """Check a settings file as a start does, with the strategies in the data folder; every mistake in one go."""
    from engine.catalogue import catalogue, check_settings
    from engine.settings_file import own_file

    found = catalogue(data / "strategies")
    for problem in found.broken.values():
        typer.echo(f"A strategy file cannot be used: {problem}", err=True)
    config = config or own_file(data)
    loaded = check_settings(config, environment, found)
    typer.echo(f"{config or 'the built-in set-up'} is fine. Content hash {loaded.content_hash[:16]}.")


def config_show(config: ConfigOption = None, environment: EnvironmentOption = "") -> None:
    """Print the effective settings as JSON."""
    from engine.config import load_config

    typer.echo(load_config(config, environment).model_dump_json(indent=2))


def doctor(
    context: typer.Context,
    config: ConfigOption = None,
    data: DataOption = DEFAULT_DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for what would stop the service from working, and say how to mend it."""
    from engine.doctor import examine

    venues, channels, vault = (context.meta.get(name) for name in (ASK_VENUES, ASK_CHANNELS, ASK_VAULT))
    report = examine(config, data, context.obj, ask_venues=venues, ask_channels=channels, ask_vault=vault)
    sys.stdout.write(report.as_json() if as_json else report.as_text())
    raise typer.Exit(0 if report.ok else 1)


def new_strategy(
    name: Annotated[str, typer.Argument(help="Its kind: lower-case letters, digits and _.")],
    data: DataOption = DEFAULT_DATA,
    folder: Annotated[Path | None, typer.Option(help="Instead of the data folder's `strategies`.")] = None,
) -> None:
    """Write a strategy that works, with tests, for you to rewrite; the tutorial goes on from there."""
    from engine.strategies.new import write

    files = write(name, folder or data / "strategies")
    where = f" --strategies {folder}" if folder else f" --strategies {data / 'strategies'}"
    typer.echo(f"{'Strategy':<12}{files.strategy}")
    typer.echo(f"{'Its tests':<12}{files.test}")
    typer.echo("\nIt works as it stands. Rewrite it, then:\n")
    for what, command in (
        ("test it", f"./moondev test {files.test}"),
        ("try it on a made-up market", f"./moondev backtest{where} --strategy {name} --simulated-hours 8"),
        ("on prices of your own", f"./moondev backtest{where} --strategy {name} --data FILE"),
        ("ask whether it is honest", f"./moondev check-strategy {name}{where} --data FILE"),
        ("trade it on paper", f"./moondev run, then in ./moondev console: /strategies load {name} {name}1 SOL main"),
    ):
        typer.echo(f"  {what:<28}{command}")
