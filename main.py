"""The only file that wires everything: the command line, and the service that `run` starts.

`./moondev VERB ...` prepares the environment and runs this file with the same arguments. Verbs that work on
files alone are in `engine.cli` and `research.cli`. Heavy libraries are imported by the verbs that use them.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from msgspec import convert

from domain.errors import ConfigError, MoonDevError
from engine import cli as engine_cli
from engine.data import cli as data_cli
from research import cli as research_cli

if TYPE_CHECKING:
    from domain.instrument import Instrument
    from domain.ports import HistorySource, MarketFeed, MatchingVenue, Secrets
    from engine.config import Config
    from gateway.server import GatewayServer

app = typer.Typer(
    help="MoonDev AlgoTrade: a trading service steered from chat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
engine_cli.register(app)
research_cli.register(app)

ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file over the built-in defaults.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Data folder (default .moondev/<environment>).")]
PersonOption = Annotated[str, typer.Option("--as", help="The person who speaks.")]
VERSION = "0.1.0"
DEFAULT_DATA = engine_cli.DEFAULT_DATA
EXIT_JOURNAL = 3
EXIT_CORE = 4
EXIT_ENDED = 5
SWITCH_INTERVAL_S = 0.0002
"""The default of 5 ms would let a busy loop keep the journal's thread from the disk that long."""


class Service:
    """One engine with everything around it: paper venue, market, chat, console, dashboard."""

    def __init__(self, config: Config, data: Path, broken: Mapping[str, str]) -> None:
        """Open the data folder and wire the parts; nothing runs yet. `broken` are strategy files, and why."""
        from bot.config import BotConfig
        from bot.console import make_console
        from bot.local import LocalDoor
        from bot.service import ChatOps
        from engine.config.parts import bot_fields
        from engine.observe.logging import configure_logging, log_uncaught
        from engine.observe.redact import Redactor
        from engine.runtime import Runtime
        from vault.secrets import FileSecrets

        self.config = config
        redactor = Redactor()
        section = config.logging
        self.log = configure_logging(
            redactor,
            data / "moondev.log",
            section.level,
            section.console_level,
            section.file_mib,
            section.files,
            {"service.name": "moondev", "service.version": VERSION, "service.environment": config.environment},
        )
        log_uncaught()
        vault = FileSecrets(data / "secrets", redactor.add)
        self.runtime = Runtime(config, data, vault, broken)
        desk = self.runtime.desk
        self.console = make_console(desk)
        self.local = LocalDoor(data, self.console, desk.submit, self._new_link)
        self._links: Callable[[str], str] | None = None
        self.chat = ChatOps(desk, convert(bot_fields(config), BotConfig), vault, data)
        desk.doors = self.chat.doors
        self._stopping = asyncio.Event()
        self._why = "stopped"

    def stop(self, why: str) -> None:
        """Ask for a clean stop."""
        self._why = why
        self._stopping.set()

    def _open_venue(self) -> MatchingVenue:
        from engine.config.parts import paper_fields
        from exchanges.paper.config import PaperConfig
        from exchanges.paper.exchange import PaperExchange
        from exchanges.paper.store import PaperStore
        from exchanges.paper.venue import PaperVenue

        settings = self.runtime.settings
        deposits = {a.id: a.deposit for a in settings.accounts}
        store = PaperStore(self.runtime.data / "paper-exchange")
        paper = convert(paper_fields(self.config), PaperConfig)
        return PaperVenue(PaperExchange(settings.instruments, deposits, paper, store), self.runtime.clock)

    async def _open_market(self) -> tuple[MarketFeed, str]:
        """The configured source, or the simulated market where that is allowed; and what it is, said plainly."""
        section = self.config.data_feed
        instruments, clock = self.runtime.settings.instruments, self.runtime.clock
        says = f"SIMULATED market (seed {section.synthetic.seed})"
        if section.source == "hyperliquid":
            from exchanges.hyperliquid.config import HyperliquidConfig
            from exchanges.hyperliquid.feed import HyperliquidFeed
            from exchanges.hyperliquid.info import reachable

            timeout_s = section.connect_timeout_ns / 1e9
            source = HyperliquidConfig(ws_url=section.base_url, api_url=section.api_url, connect_timeout_s=timeout_s)
            problem = await reachable(source)
            if not problem:
                return HyperliquidFeed(source, clock, instruments, self.config.feed_symbols), "live Hyperliquid prices"
            if section.fallback == "none":
                raise MoonDevError(f"the price source cannot be reached: {problem}. Set data_feed.fallback: synthetic")
            says += "; Hyperliquid cannot be reached"
        from engine.data.synthetic import SyntheticMarket
        from engine.data.synthetic_feed import SyntheticFeed

        typical = {i.id.partition("-")[0]: i.typical_price for i in self.config.instruments if i.typical_price}
        market = SyntheticMarket(instruments, section.synthetic.seed, clock.now_ns(), typical_prices=typical)
        return SyntheticFeed(market, clock), says

    async def run(self) -> int:
        """Start everything, serve until stopped, stop cleanly; returns the exit code."""
        runtime = self.runtime
        around = [asyncio.create_task(self.chat.run(), name="chat")]
        try:
            # its libraries take seconds to load and would hold up an engine that trades already
            dashboard = self._open_gateway() if self.config.gateway.enabled else None
            feed, says = await self._open_market()
            for line in await runtime.start(self._open_venue(), feed, says, self._stopping.set):
                typer.echo(f"The file differs from the settings in force, which stay: {line}", err=True)
                typer.echo("  to ask for the file's: ./moondev apply-settings FILE", err=True)
            if dashboard is not None:
                around.append(asyncio.create_task(dashboard.run(), name="gateway"))
            await self.local.start()
            self._greet()
            await self._stopping.wait()
        finally:
            for task in around:
                task.cancel()
            await asyncio.gather(*around, return_exceptions=True)
            await self.local.aclose()
            await runtime.stop(self._why)
            self.log.close()
        if runtime.loop.failure is None:
            return self._core_failed(runtime.engine)
        typer.echo(
            f"The engine stopped because its journal cannot be written: {runtime.loop.failure}\n"
            "Quotes and entries were cancelled; protections stay at the venue. Free space or mend the disk, then "
            "start again: recovery finds everything.",
            err=True,
        )
        return EXIT_JOURNAL

    def _core_failed(self, engine: asyncio.Task[None] | None) -> int:
        """0 after a clean stop; says what happened when the core itself raised."""
        from engine.watchdog.heart import RunEnded

        error = None if engine is None or engine.cancelled() else engine.exception()
        if error is None:
            return 0
        if isinstance(error, RunEnded):
            typer.echo(f"The engine stopped: {error}", err=True)
            return EXIT_ENDED
        traceback.print_exception(error)
        typer.echo(
            "The engine stopped at an error of its own; orders rest at the venue as they are. Start again: recovery "
            "replays the journal and reconciles. If it stops at the same event, report the lines above.",
            err=True,
        )
        return EXIT_CORE

    def _new_link(self, person: str) -> str:
        """A login link of the dashboard for a person, or why there is none."""
        if self._links is None:
            return "The dashboard is switched off (gateway.enabled)."
        if self.runtime.desk.person(person) is None and person not in {p.id for p in self.runtime.settings.persons}:
            return f"There is no person {person!r}."
        return self._links(person)

    def _open_gateway(self) -> GatewayServer:
        """The dashboard's server, bound to its address."""
        from gateway.app import create_app
        from gateway.auth import Auth
        from gateway.gateway import GatewayConfig
        from gateway.server import GatewayServer

        settings = self.runtime.settings
        auth = Auth(self.runtime.data / "sessions.json")
        look = GatewayConfig(environment=settings.environment)
        page = create_app(self.runtime.desk, self.console, look, auth, self.runtime.problems)
        server = GatewayServer(page, self.config.gateway.host, self.config.gateway.port)
        self._links = lambda person: server.url + auth.new_link(person)
        return server

    def _greet(self) -> None:
        runtime = self.runtime
        link = self._new_link(runtime.settings.persons[0].id if runtime.settings.persons else "")
        recovery = runtime.recovery
        known = f"{recovery.events} events after the snapshot at {recovery.snapshot_seq}"
        lines = [
            "",
            f"MoonDev AlgoTrade  {runtime.settings.environment.value.upper()}  run {runtime.epoch}",
            f"Market     {runtime.desk.market}",
            f"Recovered  {known if runtime.epoch > 1 else 'nothing: this is the first start'}",
            f"Dashboard  {link}   (one login, valid 10 minutes)",
            f"           another one: ./moondev login --data {runtime.data} --as PERSON",
            f"Console    ./moondev console --data {runtime.data}",
            f"Halt       ./moondev halt --data {runtime.data}",
            "Stop with Ctrl-C; everything is kept.",
            "",
        ]
        typer.echo("\n".join(lines))
        sys.stdout.flush()


def venue_history(venue: str, config: Config) -> HistorySource:
    """A venue's past market data. Raises `ConfigError` for a venue that is not there."""
    from exchanges.hyperliquid.config import HyperliquidConfig
    from exchanges.hyperliquid.history import HyperliquidHistory

    if venue != "hyperliquid":
        raise ConfigError(f"--venue {venue!r}: there is hyperliquid")
    return HyperliquidHistory(HyperliquidConfig(api_url=config.data_feed.api_url))


def venue_feed(config: Config, instruments: Sequence[Instrument]) -> MarketFeed:
    """The live market data of a venue that `venue_history` knows."""
    from engine.clock import WallClock
    from exchanges.hyperliquid.config import HyperliquidConfig
    from exchanges.hyperliquid.feed import HyperliquidFeed

    source = HyperliquidConfig(ws_url=config.data_feed.base_url, api_url=config.data_feed.api_url)
    return HyperliquidFeed(source, WallClock(), instruments)


data_cli.register(app, data_cli.Venues(venue_history, venue_feed))


def data_folder(environment: str, data: Path | None) -> Path:
    """The data folder of an environment and its place for the user's strategies, made with mode 0700."""
    folder = data or Path(".moondev") / environment
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    strategies = folder / "strategies"
    if strategies.exists() and not strategies.is_dir():
        raise MoonDevError(f"{strategies} is not a folder: move it away")
    strategies.mkdir(mode=0o700, exist_ok=True)
    return folder


@app.callback()
def moondev(context: typer.Context) -> None:
    """Trade perpetual futures on paper or live, steered from chat."""
    context.obj = open_secrets


def open_secrets(data: Path) -> Secrets:
    """The secrets of a data folder, for verbs whose rooms do not know the vault."""
    from vault.secrets import FileSecrets

    return FileSecrets(data / "secrets", lambda _secret: None)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"moondev {VERSION}")


@app.command()
def run(
    config: ConfigOption = None,
    data: DataOption = None,
    port: Annotated[int | None, typer.Option(help="Dashboard port; 0 takes any free one.")] = None,
    market: Annotated[
        Literal["hyperliquid", "synthetic"] | None, typer.Option(help="Price source; default from the settings.")
    ] = None,
) -> None:
    """Start the service: paper trading, dashboard, console and chat."""
    from engine.catalogue import catalogue, start_settings
    from engine.config import remember
    from engine.doctor import check_kinds

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    folder = data_folder("paper", data)
    check_kinds(folder)
    found = catalogue(folder / "strategies")
    for problem in found.broken.values():
        typer.echo(f"A strategy file cannot be used, everything else starts: {problem}", err=True)
    loaded = start_settings(config, "paper", found, has_run=(folder / "journal").is_dir())
    remember(folder, config)
    if port is not None:
        loaded = loaded.model_copy(update={"gateway": loaded.gateway.model_copy(update={"port": port})})
    if market is not None:
        loaded = loaded.model_copy(update={"data_feed": loaded.data_feed.model_copy(update={"source": market})})
    raise typer.Exit(asyncio.run(_serve(loaded, folder, found.broken)))


async def _serve(config: Config, data: Path, broken: Mapping[str, str]) -> int:
    service = Service(config, data, broken)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, service.stop, number.name)
    return await service.run()


@app.command()
def console(data: DataOption = None, person: PersonOption = "tina") -> None:
    """Talk to the running service from the terminal, in the words of the chat."""
    from bot.console import repl
    from bot.local import ask

    folder = data or DEFAULT_DATA
    asyncio.run(repl(lambda line: ask(folder, person, line), environment="paper", person=person))


@app.command()
def halt(data: DataOption = None, person: PersonOption = "tina", reason: str = "") -> None:
    """Halt trading now: quotes and entries are cancelled, protections stay."""
    from bot.local import ask_command
    from bot.parse import clean
    from domain.commands import Halt

    _answer(asyncio.run(ask_command(data or DEFAULT_DATA, person, Halt(reason=clean(reason)))))


@app.command()
def login(data: DataOption = None, person: PersonOption = "tina") -> None:
    """Print a new login link of the running service's dashboard."""
    from bot.local import ask_login

    typer.echo(asyncio.run(ask_login(data or DEFAULT_DATA, person)))


def _answer(answer: tuple[bool, str]) -> None:
    """Print an answer; a refusal is exit code 1."""
    typer.echo(answer[1])
    raise typer.Exit(0 if answer[0] else 1)


@app.command("apply-settings")
def apply_settings(
    config: Annotated[Path, typer.Argument(help="The changed YAML file.")],
    data: DataOption = None,
    person: PersonOption = "adam",
) -> None:
    """Ask the running service for the settings of a file: shows what changes, then waits for the quorum."""
    from bot.local import ask_command
    from domain.commands import ApplySettings
    from engine.catalogue import catalogue, check_settings
    from engine.cli import running_settings
    from engine.config import diff

    folder = data or DEFAULT_DATA
    loaded = check_settings(config, "paper", catalogue(folder / "strategies"))
    wanted = loaded.to_settings()
    for line in diff(running_settings(folder), wanted):
        typer.echo(line)
    command = ApplySettings(settings=wanted, content_hash=loaded.content_hash)
    _answer(asyncio.run(ask_command(folder, person, command)))


def main() -> None:
    """Run the command line; our own errors are a sentence, not a traceback."""
    try:
        app(prog_name="moondev")
    except MoonDevError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(
            f"Error: {error.filename}: {error.strerror}. Is it yours, is it of the right kind, is there room? "
            "`./moondev doctor` looks further.",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
