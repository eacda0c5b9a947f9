"""The only file that wires everything: the command line, and the service that `run` starts.

`./moondev VERB ...` prepares the environment and runs this file with the same arguments. Verbs that work on
files alone are in `engine.cli` and `research.cli`. Heavy libraries are imported by the verbs that use them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from msgspec import convert

from domain.errors import JournalError, MoonDevError
from engine import cli as engine_cli
from research import cli as research_cli

if TYPE_CHECKING:
    from domain.facts import Fact
    from domain.market import Bar, Feed, FeedStatus, MarketEvent
    from domain.order import Intent
    from domain.ports import MarketFeed
    from domain.settings import Settings, StrategySpec
    from engine.config import Config
    from engine.core.core import AnyStrategy
    from engine.desk import StrategySource

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
EXIT_JOURNAL = 3
CONFLATE_FLUSH_S = 0.1
SWITCH_INTERVAL_S = 0.0002


class Service:
    """One running engine with everything around it. `run` returns the exit code."""

    def __init__(self, config: Config, data: Path) -> None:
        """Open the data folder, recover from its journal, and wire the parts; nothing runs yet."""
        from engine.core.core import Core
        from engine.core.guard import Guard
        from engine.core.journal import FileJournal
        from engine.core.kernel import Kernel
        from engine.core.loop import EngineLoop, WallClock
        from engine.core.recovery import recover
        from engine.core.state import State
        from engine.desk import Desk
        from engine.observe.build import build_hash
        from engine.observe.logging import configure_logging
        from engine.observe.redact import Redactor

        self.config = config
        self.data = data
        self.redactor = Redactor()
        log = config.logging
        self.log = configure_logging(
            self.redactor, data / "moondev.log", log.level, log.console_level, log.file_mib, log.files
        )
        self.clock = WallClock()
        self.build = build_hash()
        self.settings: Settings = config.to_settings()
        self.guard = Guard(lambda strategy, problem: self.loop.fault(strategy, problem, quarantine=False))
        segment_bytes = config.journal.segment_mib * 2**20
        self.journal = FileJournal(data / "journal", fsync=config.fsync, segment_bytes=segment_bytes)

        def fresh(state: State) -> Core:
            core = Core(state)
            core.make_code = self._make_code
            return core

        self.replayed: list[Fact] = []
        self.core, self.recovery = recover(self.journal, fresh, self.build, self.replayed.extend)
        self.kernel = Kernel(self.core, self.journal, send=self._send, publish=self._publish)
        self.loop = EngineLoop(self.kernel, self.clock)
        self.market = "no market yet"
        self.feed: MarketFeed | None = None
        self.desk = Desk(
            self.core,
            self.loop.put,
            self.clock,
            market=self.market,
            strategy_kinds=self._kinds(),
            source_of=self._source_of,
        )
        self._stopping = asyncio.Event()
        self._why_stopped = ""
        self._tasks: set[asyncio.Task[None]] = set()

    # strategies

    def _kinds(self) -> list[str]:
        from engine.strategies.registry import kinds

        return kinds(self.data / "strategies")

    def _source_of(self, spec: StrategySpec) -> StrategySource:
        from engine.desk import StrategySource
        from engine.strategies.registry import load

        loaded = load(spec.kind, self.data / "strategies")
        loaded.strategy.build(spec.instruments, spec.params)
        return StrategySource(loaded.source, loaded.source_hash)

    def _make_code(self, spec: StrategySpec) -> AnyStrategy:
        from engine.core.guard import Timed
        from engine.strategies.registry import load

        built = load(spec.kind, self.data / "strategies").strategy.build(spec.instruments, spec.params)
        return cast("AnyStrategy", Timed(built, spec.id, self.guard))

    # effects

    def _send(self, intents: Sequence[Intent]) -> None:
        self.venue.send(intents)

    def _publish(self, facts: Sequence[Fact]) -> None:
        from domain.facts import StrategyChanged, StrategyStatus

        self.desk.publish(facts)
        for fact in facts:
            self.projection.put(fact)
            if isinstance(fact, StrategyChanged) and fact.status is StrategyStatus.WARMING:
                self._later(self._warm_up(fact.strategy))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _warm_up(self, strategy: str) -> None:
        """Subscribe what a strategy reads and bring its history up to now."""
        from domain.events import History
        from domain.market import FeedKind

        code = self.core.code.get(strategy)
        if code is None or self.feed is None:
            return
        try:
            await self.feed.subscribe(code.feeds())
            bars: list[Bar] = []
            for feed in code.feeds():
                if feed.kind is FeedKind.BAR and code.warmup():
                    bars += await self.feed.history(feed, code.warmup())
            bars.sort(key=lambda bar: bar.open_ts_ns + bar.interval_ns)
            self.loop.put(History(strategy=strategy, bars=tuple(bars), complete=True))
        except (MoonDevError, OSError, TimeoutError) as error:
            self.loop.put(History(strategy=strategy, problem=f"{type(error).__name__}: {error}"))

    # the market

    async def _open_market(self) -> MarketFeed:
        """The configured source, or the simulated market where that is allowed; says plainly which one it is."""
        from engine.data.conflate import Conflator
        from engine.data.monitor import FeedMonitor
        from engine.data.synthetic import SyntheticMarket
        from engine.data.synthetic_feed import SyntheticFeed

        section = self.config.data_feed
        self.conflator = Conflator(self.loop.put, section.conflate_ns)
        self.monitor = FeedMonitor(self._on_market, self.clock, self.settings.execution.stale_feed_ns)
        if section.source == "hyperliquid":
            from exchanges.hyperliquid.config import HyperliquidConfig
            from exchanges.hyperliquid.feed import HyperliquidFeed
            from exchanges.hyperliquid.info import reachable

            timeout_s = section.connect_timeout_ns / 1e9
            source = HyperliquidConfig(ws_url=section.base_url, api_url=section.api_url, connect_timeout_s=timeout_s)
            problem = await reachable(source)
            if not problem:
                self.desk.market = "live Hyperliquid prices"
                return HyperliquidFeed(source, self.clock, self.settings.instruments, self.config.feed_symbols)
            if section.fallback == "none":
                raise MoonDevError(f"the price source cannot be reached: {problem}. Set data_feed.fallback: synthetic")
            self.desk.market = f"SIMULATED market (seed {section.synthetic.seed}); Hyperliquid cannot be reached"
        else:
            self.desk.market = f"SIMULATED market (seed {section.synthetic.seed})"
        typical = {i.id.partition("-")[0]: i.typical_price for i in self.config.instruments if i.typical_price}
        market = SyntheticMarket(
            self.settings.instruments, section.synthetic.seed, self.clock.now_ns(), typical_prices=typical
        )
        return SyntheticFeed(market, self.clock)

    def _on_market(self, event: MarketEvent | FeedStatus) -> None:
        self.venue.on_market(event)
        self.conflator.put(event)

    def _base_feeds(self) -> list[Feed]:
        """What the paper venue matches against, whatever the strategies read."""
        from domain.market import Feed, FeedKind

        kinds = (FeedKind.BBO, FeedKind.BOOK, FeedKind.TRADE)
        return [Feed(kind=kind, instrument=i.id) for i in self.settings.instruments for kind in kinds]

    # life

    def stop(self, why: str) -> None:
        """Ask for a clean stop."""
        self._why_stopped = why
        self._stopping.set()

    async def run(self) -> int:
        """Start everything, serve until stopped, stop cleanly; returns the exit code."""
        self._open_parts()
        engine = asyncio.create_task(self._drive(), name="engine")
        around: list[asyncio.Task[None]] = []
        try:
            await self._start_trading()
            around = [asyncio.create_task(part.run()) for part in (self.chat, self.server)]
            await self.local.start()
            self._greet()
            await self._stopping.wait()
        finally:
            for task in around:
                task.cancel()
            await asyncio.gather(*around, return_exceptions=True)
            await self._close(engine)
        return EXIT_JOURNAL if self.loop.failure is not None else 0

    async def _drive(self) -> None:
        try:
            await self.loop.run()
        except JournalError as error:
            typer.echo(
                f"The journal cannot be written and the engine stops: {error}\n"
                "Quotes and entries are being cancelled; protections stay at the venue. Free space or mend the disk, "
                "then start again: recovery finds everything.",
                err=True,
            )
            self.venue.send(self._cancels())
        finally:
            self._stopping.set()

    def _cancels(self) -> list[Intent]:
        """Cancels for everything that is not a protection."""
        from domain.order import PROTECTIVE, Cancel

        orders = [
            o for slot in self.core.state.slots.values() for o in slot.orders.values() if o.role not in PROTECTIVE
        ]
        return [Cancel(cid=o.cid, account=o.account, instrument=o.instrument) for o in orders]

    def _open_parts(self) -> None:
        from bot.config import BotConfig
        from bot.console import make_console
        from bot.local import LocalDoor
        from bot.service import ChatOps
        from engine.config.parts import bot_fields, paper_fields
        from engine.storage.projector import Projector
        from engine.storage.writer import ProjectionWriter
        from exchanges.paper.config import PaperConfig
        from exchanges.paper.exchange import PaperExchange
        from exchanges.paper.store import PaperStore
        from exchanges.paper.venue import PaperVenue
        from gateway.app import create_app
        from gateway.auth import Auth
        from gateway.gateway import GatewayConfig
        from gateway.server import GatewayServer
        from vault.secrets import FileSecrets

        state = self.core.state
        self.installation = state.installation or secrets.token_hex(3)
        vault = FileSecrets(self.data / "secrets", self.redactor.add)
        deposits = {a.id: a.deposit for a in self.settings.accounts}
        store = PaperStore(self.data / "paper-exchange")
        paper = convert(paper_fields(self.config), PaperConfig)
        exchange = PaperExchange(self.settings.instruments, deposits, paper, store)
        self.venue = PaperVenue(exchange, self.clock)
        url = self.config.storage.url or f"sqlite:///{self.data / 'projection.db'}"
        self.projector = Projector(url, self.core.instruments, self.installation)
        self.projection = ProjectionWriter(self.projector, lambda _trouble: None)
        console = make_console(self.desk)
        self.local = LocalDoor(self.data, console)
        self.chat = ChatOps(self.desk, convert(bot_fields(self.config), BotConfig), vault, self.data)
        self.auth = Auth(self.data / "sessions.json")
        page = create_app(self.desk, console, GatewayConfig(environment=self.settings.environment), self.auth)
        self.server = GatewayServer(page, self.config.gateway.host, self.config.gateway.port)

    async def _start_trading(self) -> None:
        """Projections, venue, market; then the first event of this run."""
        from engine.replay import facts_of

        state = self.core.state
        history = lambda: iter(facts_of(self.data / "journal"))  # noqa: E731 - a name would not say more
        self._preload()
        await self.projection.start(self.recovery.snapshot_seq + 1, state.seq, history)
        for fact in self.replayed:
            self.projection.put(fact)
        self.replayed.clear()
        self.guard.start(lambda: self.loop.busy_since_ns, self._stuck)
        feed = self.feed = await self._open_market()
        self._begin()
        await self.venue.start(self.loop.put)
        base = self._base_feeds()
        self.monitor.watch(base)
        await feed.start(self.monitor.put, base)
        self._later(self._flush_conflator())
        self._later(self.monitor.run())
        for strategy in list(state.strategies):
            self._later(self._warm_up(strategy))

    def _preload(self) -> None:
        """Show what earlier runs left: trades and the equity curve."""
        from sqlalchemy.exc import SQLAlchemyError

        from engine.storage import reads

        with contextlib.suppress(SQLAlchemyError, MoonDevError):
            database = self.projector.engine
            trades = reads.trades(database, 200)
            self.desk.preload(trades[::-1], reads.equity_curve(database, 2_000))

    async def _flush_conflator(self) -> None:
        while True:
            await asyncio.sleep(CONFLATE_FLUSH_S)
            self.conflator.flush(self.clock.now_ns())

    def _begin(self) -> None:
        """The first event of this run: who we are, and under which settings."""
        from domain.events import EngineStarted
        from engine.config import diff
        from engine.observe.build import lock_hash

        state = self.core.state
        is_new = not state.epoch
        if self.recovery.events:
            self.kernel.snapshot()
        self.epoch = state.epoch + 1
        if not is_new and self.config.content_hash != state.settings_hash:
            typer.echo("The settings file differs from the settings in force, which stay:", err=True)
            for line in diff(state.settings, self.settings):
                typer.echo(f"  {line}", err=True)
        self.loop.put(
            EngineStarted(
                installation=self.installation,
                epoch=self.epoch,
                build=self.build,
                lock_hash=lock_hash(),
                settings_hash=self.config.content_hash if is_new else state.settings_hash,
                settings=self.settings if is_new else None,
            )
        )
        if is_new:
            self._seed_strategies()

    def _seed_strategies(self) -> None:
        from domain.commands import Actor, Door, LoadStrategy
        from domain.events import CommandReceived

        for spec in self.settings.strategies:
            source = self._source_of(spec)
            command = LoadStrategy(spec=spec, source_hash=source.sha256, source=source.text)
            actor = Actor(person="", door=Door.SYSTEM)
            self.loop.put(CommandReceived(actor=actor, command=command, request_id=f"settings:{spec.id}"))

    def _greet(self) -> None:
        person = self.settings.persons[0].id if self.settings.persons else ""
        link = self.server.url + self.auth.new_link(person) if person else self.server.url
        lines = [
            "",
            f"MoonDev AlgoTrade  {self.settings.environment.value.upper()}  run {self.epoch}",
            f"Market     {self.desk.market}",
            f"Recovered  {self.recovery.events} events after snapshot {self.recovery.snapshot_seq}"
            if self.epoch > 1
            else "Recovered  nothing: this is the first start",
            f"Dashboard  {link}   (one login, valid 10 minutes)",
            f"Console    ./moondev console --data {self.data}   halt: ./moondev halt --data {self.data}",
            f"Data       {self.data.resolve()}",
            "Stop with Ctrl-C.",
            "",
        ]
        typer.echo("\n".join(lines))
        sys.stdout.flush()

    def _stuck(self, seconds: float) -> None:
        """Watchdog thread: the loop has not come back from one event for seconds."""
        sys.stderr.write(f"The engine has been stuck in one event for {seconds:.0f} s; cancelling entries.\n")
        self.venue.send_from_thread(self._cancels())

    async def _close(self, engine: asyncio.Task[None]) -> None:
        """Stop cleanly: a last event, a snapshot, everything on disk."""
        from domain.events import EngineStopped

        await self.local.aclose()
        if self.feed is not None:
            await self.feed.aclose()
        for task in list(self._tasks):
            task.cancel()
        if self.loop.failure is None and not engine.done():
            self.loop.put(EngineStopped(reason=self._why_stopped or "stopped"))
            while self.loop.inbox:  # noqa: ASYNC110 - the inbox has no event for "empty"
                await asyncio.sleep(0.01)
            self.kernel.snapshot()
        engine.cancel()
        await asyncio.gather(engine, return_exceptions=True)
        self.guard.stop()
        await self.venue.aclose()
        await self.projection.aclose()
        with contextlib.suppress(JournalError):
            self.journal.close()
        self.log.close()


def data_folder(environment: str, data: Path | None) -> Path:
    """The data folder of an environment, made with mode 0700."""
    folder = data or Path(".moondev") / environment
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@app.callback()
def moondev() -> None:
    """Trade perpetual futures on paper or live, steered from chat."""


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo("moondev 0.1.0")


@app.command()
def run(
    config: ConfigOption = None,
    data: DataOption = None,
    port: Annotated[int | None, typer.Option(help="Dashboard port; 0 takes any free one.")] = None,
    market: Annotated[str | None, typer.Option(help="hyperliquid or synthetic; default from the settings.")] = None,
) -> None:
    """Start the service: paper trading, dashboard, console and chat."""
    # the default of 5 ms would let a busy loop keep the journal's thread from the disk that long
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    from engine.config import load_config

    loaded = load_config(config, "paper")
    if port is not None:
        loaded = loaded.model_copy(update={"gateway": loaded.gateway.model_copy(update={"port": port})})
    if market is not None:
        loaded = loaded.model_copy(update={"data_feed": loaded.data_feed.model_copy(update={"source": market})})
    raise typer.Exit(asyncio.run(_serve(loaded, data_folder(loaded.environment, data))))


async def _serve(config: Config, data: Path) -> int:
    service = Service(config, data)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, service.stop, number.name)
    return await service.run()


@app.command()
def console(data: DataOption = None, person: PersonOption = "tina") -> None:
    """Talk to the running service from the terminal, in the words of the chat."""
    from bot.console import repl
    from bot.local import ask

    folder = data_folder("paper", data)
    asyncio.run(repl(lambda line: ask(folder, person, line), environment=folder.name, person=person))


@app.command()
def halt(data: DataOption = None, person: PersonOption = "tina", reason: str = "") -> None:
    """Halt trading now: quotes and entries are cancelled, protections stay."""
    from bot.local import ask

    typer.echo(asyncio.run(ask(data_folder("paper", data), person, f"/halt {reason}".strip())))


def main() -> None:
    """Run the command line; our own errors are a sentence, not a traceback."""
    try:
        app(prog_name="moondev")
    except MoonDevError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
