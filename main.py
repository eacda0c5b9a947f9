"""Wires everything, with `wiring` for venues and keys: the command line, and the service that `run` starts.

`./moondev VERB ...` prepares the environment and runs this file with the same arguments. Verbs that work on
files alone are in `engine.cli` and `research.cli`. Heavy libraries are imported by the verbs that use them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from msgspec import convert
from msgspec.structs import replace

from bot import cli as bot_cli
from bot import token_cli
from bot.start import cli as start_cli
from domain.errors import ConfigError, MoonDevError
from domain.keys import SignerNews, SignerSaw
from domain.text import plain_lines
from engine import cli as engine_cli
from engine.config import load_remembered
from engine.data import cli as data_cli
from engine.environments import with_environment
from engine.watchdog import cli as watchdog_cli
from gateway import cli as gateway_cli
from gateway.link import cli as link_cli
from research import cli as research_cli
from vault import cli as vault_cli
from vault.memory import forbid_core_dumps
from vault.signer import cli as signer_cli
from vault.signer import rotate as rotate_cli
from wiring import (
    PROGRAM,
    VERSION,
    KeyRoom,
    ask_venues,
    gateway_beside,
    keys_once_unsealed,
    open_exchange,
    open_fleet,
    open_ward,
    own_gateway,
    signer_part,
    venue_feed,
    venue_history,
)

if TYPE_CHECKING:
    from domain.commands import ApplySettings
    from domain.instrument import Instrument
    from domain.ports import MarketFeed
    from domain.setup import ChannelFound
    from engine.config import Config
    from engine.venues import VenueRouter
    from exchanges.shared.fleet import Fleet, Listed
    from gateway.access.doors import Doors
    from gateway.link.beside import Beside
    from gateway.server import GatewayServer
    from vault.service import FolderSecrets
    from vault.signer.opening import Opened

app = typer.Typer(
    help="MoonDev AlgoTrade: a trading service steered from chat. --env dev, staging or prod chooses a data folder.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
engine_cli.register(app)
research_cli.register(app)

DEFAULT_DATA = engine_cli.DEFAULT_DATA
SWITCH_INTERVAL_S = 0.0002
"""The default of 5 ms would let a busy loop keep the journal's thread from the disk that long."""


class Service:
    """One engine with everything around it: venues, markets, chat, console, dashboard."""

    def __init__(
        self, config: Config, data: Path, broken: Mapping[str, str], keys: Opened, fleet: Fleet, listed: Listed
    ) -> None:
        """Open the data folder and wire the parts; nothing runs yet. `broken` are strategy files, and why."""
        from bot.config import BotConfig
        from bot.console import make_console
        from bot.local import LocalDoor
        from bot.service import ChatOps
        from engine.config.parts import bot_fields
        from engine.runtime import Runtime
        from engine.settings_file import backtest_words
        from engine.terminal import open_log

        self.config = config
        self.log, redactor = open_log(config, data, VERSION)
        self.keys, vault = keys, keys.secrets
        vault.tell(redactor.add)
        self.fleet = fleet
        self.runtime = Runtime(config, data, vault, broken, listed.instruments)
        self.key_room = KeyRoom(self.runtime, keys, self._keys_changed)
        desk = self.runtime.desk
        self.chat = ChatOps(desk, convert(bot_fields(config), BotConfig), vault, data)
        self.chat.room.store.mask = redactor.mask
        self.chat.room.jobs.program = (*PROGRAM, *backtest_words(data))
        self.console = make_console(self.chat.room)
        self.local = LocalDoor(data, self.console, desk.submit, self._new_link, desk.persons)
        self.doors: Doors | None = None
        desk.doors = self.chat.doors
        self._stopping = asyncio.Event()
        self._why = "stopped"

    def stop(self, why: str) -> None:
        """Ask for a clean stop."""
        self._why = why
        self._stopping.set()

    def _open_venues(self) -> VenueRouter:
        """Every paper venue for its contracts, and a line to every real venue that has an account in force."""
        from engine.config.parts import paper_fields
        from engine.venues import Line, VenueRouter, paper_contracts, since_ns
        from exchanges.paper.config import PaperConfig
        from exchanges.paper.exchange import PaperExchange
        from exchanges.paper.store import PaperStore
        from exchanges.paper.venue import PaperVenue

        runtime, papers = self.runtime, list[PaperVenue]()
        terms = convert(paper_fields(self.config), PaperConfig)
        for name, contracts in paper_contracts(self.runtime.settings).items():
            deposits = {a.id: a.deposit for a in runtime.settings.accounts if a.id.startswith(f"{name}:")}
            store = PaperStore(runtime.data / ("paper-exchange" + name.removeprefix("PAPER")))
            exchange = PaperExchange(contracts, deposits, replace(terms, venue=name), store)
            papers.append(PaperVenue(exchange, runtime.clock))
        lines = []
        for name, setup in self.fleet.setups.items():
            since = since_ns(runtime.core.state, [account.id for account in setup.accounts])
            if since:
                opener = partial(self.fleet.open_venue, name, runtime.contracts, since)
                lines.append(Line(name, setup.network, list(since), opener))
        return VenueRouter(runtime.clock, papers, lines)

    async def _open_markets(self) -> tuple[MarketFeed, str]:
        """The market data of every venue, and what it is, said plainly."""
        from engine.data.feeds import FeedRouter
        from engine.venues import paper_contracts

        fleet, clock = self.fleet, self.runtime.clock
        openers: dict[str, Callable[[], MarketFeed]] = {}
        says = [f"{name} {setup.network}" for name, setup in fleet.setups.items()]
        for name in fleet.setups:
            openers[name] = partial(fleet.open_feed, name, self.runtime.contracts, clock)
        for name, contracts in paper_contracts(self.runtime.settings).items():
            feed, said = await self._open_paper_market(contracts)
            openers[name] = partial(lambda opened: opened, feed)
            says = [said, *[other for other in says if other != said]]
        return FeedRouter(openers), ", ".join(says) or "none"

    async def _open_paper_market(self, instruments: Sequence[Instrument]) -> tuple[MarketFeed, str]:
        """The configured source, or the simulated market where that is allowed; and what it is, said plainly."""
        section, clock = self.config.data_feed, self.runtime.clock
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
        from engine.terminal import farewell, greeting

        runtime = self.runtime
        around = [asyncio.create_task(self.chat.run(), name="chat")]
        try:
            # its libraries take seconds to load and would hold up an engine that trades already
            dashboard = self._open_gateway() if self.config.gateway.enabled else None
            feed, says = await self._open_markets()
            self.venues = self._open_venues()
            for line in await runtime.start(self.venues, feed, says, self._stopping.set):
                typer.echo(f"The file differs from the settings in force, which stay: {line}", err=True)
                typer.echo("  to ask for the file's: ./moondev apply-settings FILE", err=True)
            kept = self.keys.keep(self._hear_signer, self._keys_changed)
            around += [runtime.later(kept), runtime.later(self.key_room.run())]
            if dashboard is not None and self.doors is not None:
                around += [runtime.later(dashboard.run()), runtime.later(self.doors.run())]
                await dashboard.listening()
            await self.local.start()
            typer.echo(greeting(runtime, await self._new_link(next((p.id for p in runtime.settings.persons), ""))))
            sys.stdout.flush()
            await self._stopping.wait()
        finally:
            for task in around:
                task.cancel()
            await asyncio.gather(*around, return_exceptions=True)
            await self.local.aclose()
            await runtime.stop(self._why)
            self.log.close()
        code, words = farewell(runtime)
        if words:
            typer.echo(words, err=True)
        return code

    def _hear_signer(self, what: SignerSaw, text: str) -> None:
        self.runtime.loop.put(SignerNews(what=what, text=text))

    def _keys_changed(self) -> None:
        for name in self.fleet.with_other_keys():
            self.venues.reopen(name)

    async def _new_link(self, person: str) -> str:
        if self.doors is None:
            return "The dashboard is switched off (gateway.enabled)."
        return await self.doors.new_link(person)

    def _open_gateway(self) -> GatewayServer | Beside:
        """The gateway's server, bound to its address; or what runs beside the engine when it is another process."""
        from bot.remote import RemoteRoom
        from bot.rules import verb_rules
        from engine.config.parts import gateway_fields
        from gateway.access.doors import AccessSetup, Doors
        from gateway.app import create_app
        from gateway.desk_source import DeskSource
        from gateway.gateway import GatewayConfig
        from gateway.server import GatewayServer

        runtime, section = self.runtime, self.config.gateway
        setup = convert(gateway_fields(self.config), AccessSetup)
        doors = self.doors = Doors(setup, runtime.data, self.keys.secrets, runtime.desk)
        self.chat.room.access, runtime.lock_down.on_begin = doors.accounts, doors.access.lock_down
        open_source = partial(DeskSource, runtime.desk, RemoteRoom(self.chat.room), runtime.problems)
        if section.process == "own" or (section.process == "auto" and self.config.environment == "live"):
            doors.listens(section.host, section.port)
            return gateway_beside(runtime, open_source, doors.leads_to)
        look = GatewayConfig(environment=runtime.settings.environment, version=VERSION)
        page = create_app(look, doors.front(verb_rules()), open_source())
        server = GatewayServer(page, section.host, section.port, setup.outside)
        doors.listens(section.host, server.port)
        return server


data_cli.register(app, data_cli.Venues(venue_history, venue_feed))


@app.callback()
def moondev(context: typer.Context) -> None:
    """Trade perpetual futures on paper or live, steered from chat."""
    forbid_core_dumps()
    os.umask(0o077)  # whoever made the data folder may have left it open to others
    context.obj = open_secrets
    context.meta[engine_cli.ASK_VENUES] = ask_venues
    context.meta[engine_cli.ASK_CHANNELS] = ask_channels
    context.meta[engine_cli.ASK_VAULT] = vault_cli.look


def open_secrets(data: Path) -> FolderSecrets:
    """The secrets of a data folder, for verbs whose rooms do not know the vault."""
    from vault.service import FolderSecrets

    return FolderSecrets(data, engine_cli.vault_fields, lambda _secret: None, interactive=sys.stdin.isatty())


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"moondev {VERSION}")


@app.command()
def run(
    config: engine_cli.ConfigOption = None,
    data: bot_cli.DataOption = None,
    port: Annotated[int | None, typer.Option(help="Dashboard port; 0 takes any free one.")] = None,
    market: Annotated[
        Literal["hyperliquid", "synthetic"] | None, typer.Option(help="Price source; default from the settings.")
    ] = None,
    venue: Annotated[
        list[str] | None, typer.Option(help="NAME-local: trade at a local venue; may be repeated.")
    ] = None,
    behind_proxy: Annotated[
        list[str] | None, typer.Option(help="Where a proxy is that takes the TLS off, as 10.0.0.0/8; may be repeated.")
    ] = None,
) -> None:
    """Start the service: paper trading, or the venues of the settings; dashboard, console and chat."""
    from engine.catalogue import catalogue, start_settings
    from engine.config import environment_of, remember
    from engine.config.local import write_local
    from engine.folder import check_alone, check_kinds
    from engine.settings_file import own_file, with_options
    from exchanges.shared.local import LocalVenues

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    venues = list(dict.fromkeys(venue or ()))
    if venues and config is not None:
        raise ConfigError("--venue sets itself up; with --config, name the venues in the file (docs/venues.md)")
    folder = engine_cli.data_folder("+".join(venues) or environment_of(config), data)
    check_kinds(folder)
    check_alone(folder)
    local = LocalVenues(folder / "local-venues")
    try:
        config = write_local(folder, local.start(venues)) if venues else config or own_file(folder)
        found = catalogue(folder / "strategies")
        for problem in found.broken.values():
            typer.echo(f"A strategy file cannot be used, everything else starts: {problem}", err=True)
        loaded = start_settings(config, "", found, has_run=(folder / "journal").is_dir())
        remember(folder, config)
        code = asyncio.run(_serve(with_options(loaded, port, market, behind_proxy or ()), folder, found.broken))
    finally:
        local.stop()
    raise typer.Exit(code)


async def _serve(config: Config, data: Path, broken: Mapping[str, str]) -> int:
    keys = await keys_once_unsealed(config, data)
    if keys is None:
        return 0
    try:
        fleet = open_fleet(config, data, keys)
        listed = await fleet.read()
        for problem in listed.checked(is_first=not (data / "journal").is_dir()):
            typer.echo(f"A venue's contracts cannot be read, those in force stay: {problem}", err=True)
        service = Service(config, data, broken, keys, fleet, listed)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, service.stop, number.name)
        return await service.run()
    finally:
        keys.close()


def ask_channels(config: Config, data: Path) -> list[ChannelFound]:
    """What there is to say about the channels that people are reached by."""
    from bot.start.look import look_now
    from engine.config.parts import bot_fields

    return look_now(bot_fields(config), [one.model_dump() for one in config.persons], open_secrets(data))


watchdog_cli.register(app, open_ward)
link_cli.register(app, DEFAULT_DATA, own_gateway)
signer_cli.register(app, DEFAULT_DATA, lambda data: signer_part(load_remembered(data)))
halts = partial(watchdog_cli.stop_from_outside, open_ward=open_ward)


def wanted_settings(config: Path, data: Path) -> tuple[ApplySettings, list[str]]:
    """The wish for a file's settings, and what it would change in a data folder. Raises `ConfigError`."""
    from engine.settings_file import wanted

    return wanted(config, data, lambda loaded: asyncio.run(open_fleet(loaded, data).read()))


bot_cli.register(app, DEFAULT_DATA, engine_cli.environment_in, halts, wanted_settings)
token_cli.register(app, DEFAULT_DATA)
vault_app = vault_cli.register(app, DEFAULT_DATA, engine_cli.vault_fields)
rotate_cli.register(vault_app, DEFAULT_DATA, lambda data: signer_part(load_remembered(data)), open_exchange)
gateway_cli.register(app, DEFAULT_DATA, bot_cli.new_link)
start_cli.register(app, DEFAULT_DATA, engine_cli.setup_with(open_secrets))


def main() -> None:
    """Run the command line; our own errors are a sentence, not a traceback."""
    try:
        app(with_environment(sys.argv[1:]), prog_name="moondev")
    except MoonDevError as error:
        sys.exit(f"Error: {plain_lines(error)}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"Error: {error.filename}: {error.strerror}. {engine_cli.LOOK_AT_THE_FILE}")


if __name__ == "__main__":
    main()
