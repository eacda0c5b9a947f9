"""A real engine, real bots and local chat servers: what the chat-ops tests are made of.

The engine is the kernel, the built-in paper set-up, the paper venue and a simulated market in virtual time that
starts at the wall's; `desk` is its real desk. People: vera viewer, tina trader, rosa and rolf risk, adam admin.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
import time
import weakref
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp

from msgspec.structs import replace

from bot.config import AlertConfig, BotConfig, DiscordConfig, TelegramConfig
from bot.render import plain
from bot.room import ControlRoom
from bot.service import ChatOps
from bot.store import OpsStore
from bot.verbs import run_line
from domain.codec import encode
from domain.commands import Actor, Command, Door, Halt, ManualTarget
from domain.errors import ConfigError
from domain.events import Event
from domain.facts import CommandDone, Fact, FactKey, TradingState
from domain.reports import Happened
from domain.settings import Person, RoleName, Settings, StrategySpec
from engine.catalogue import built_in
from engine.config.load import load_config
from engine.config.running import RunningSettings
from engine.data.synthetic import SyntheticMarket
from engine.data.synthetic_feed import SyntheticFeed
from engine.desk import Desk
from engine.desk_strategies import StrategySource
from engine.performance import Now
from engine.storage.happened import happened
from engine.storage.ledger import Ledger
from engine.storage.projector import Projector
from engine.strategies import registry
from exchanges.paper.exchange import PaperExchange
from research.driver import Driver
from tests.bot.servers import discord_server, telegram_server
from tests.bot.servers.discord_objects import CHANNEL, GUILD
from tests.bot.servers.discord_server import DiscordServer
from tests.bot.servers.telegram_server import TelegramServer

SECOND_NS = 1_000_000_000
START_NS = 1_793_614_033 * SECOND_NS
"""Seven minutes past ten on a Monday. A world never begins at the clock on the wall: what trades, and when a bar or a
funding hour ends, would be another test each time. Who needs that clock says so with `wall_ns`."""


def wall_ns() -> int:
    """Where a world begins whose test compares it with what the chats' servers, mutes and letters tell the time by."""
    return time.time_ns() - SECOND_NS


BTC = "BTC-USDC-PERP.PAPER"
ETH = "ETH-USDC-PERP.PAPER"
GROUP = -1001
"""The Telegram group where the desk meets."""
TELEGRAM = {"vera": 10, "tina": 11, "rosa": 12, "rolf": 13, "adam": 14}
DISCORD = {name: number + 100 for name, number in TELEGRAM.items()}
STRANGER = 999
ROLES = {
    "vera": RoleName.VIEWER,
    "tina": RoleName.TRADER,
    "rosa": RoleName.RISK,
    "rolf": RoleName.RISK,
    "adam": RoleName.ADMIN,
}
PERSONS = tuple(
    Person(id=name, name=name.capitalize(), role=role, telegram_user_id=TELEGRAM[name], discord_user_id=DISCORD[name])
    for name, role in ROLES.items()
)
SECRETS = {"telegram_token": telegram_server.TOKEN, "discord_token": discord_server.TOKEN}


def actor(person: str, door: Door = Door.TERMINAL) -> Actor:
    return Actor(person=person, door=door)


def source_of(spec: StrategySpec) -> StrategySource:
    loaded = registry.load(spec.kind)
    registry.make(loaded, spec)
    return StrategySource(loaded.source, loaded.source_hash, loaded.strategy.params_type)


class Engine:
    """The engine in virtual time. `slow_s` delays every command but a halt, as a busy venue or disk would."""

    def __init__(self, settings: Settings | None = None, *, strategies: bool = False, start_ns: int = 0) -> None:
        base = settings or load_config(None).to_settings()
        self.settings = replace(
            base,
            persons=PERSONS,
            strategies=base.strategies if strategies else (),
            approvals=replace(base.approvals, requester_counts=False),
        )
        market = SyntheticMarket(self.settings.instruments, seed=7, start_ts_ns=start_ns or START_NS)
        deposits = {account.id: account.deposit for account in self.settings.accounts}
        self.facts: list[Fact] = []
        self.taken: list[bytes] = []
        """What came in through the desk, as the journal would have it."""
        self.driver = Driver(
            self.settings,
            PaperExchange(self.settings.instruments, deposits),
            lambda spec: registry.load(spec.kind).strategy.build(spec.instruments, spec.params),
            on_facts=self.publish,
        )
        self.desk = SlowDesk(
            self.driver.core,
            self.put,
            self,
            market="simulated (seed 7)",
            strategy_kinds=registry.kinds,
            news=self._news,
            source_of=source_of,
        )
        self.desk.past.ledger = told = Told(self)
        self.desk.records.happened = told.happened
        self.desk.past.feed = Past(market, self)
        self.room = ControlRoom(self.desk, OpsStore(Path("not-opened")))
        """For lines without chat: nobody's preferences outlive it."""
        self.desk.settings.file = RunningSettings(load_config(None), built_in())
        self._tape = market.events()
        self.driver.start(market.start_ts_ns)
        self.play(1)

    def publish(self, facts) -> None:
        self.facts.extend(facts)
        self.desk.publish(facts)

    async def _news(self, after: FactKey, until: FactKey) -> list[Fact]:
        return [fact for fact in self.facts if after < (fact.seq, fact.index) <= until]

    def now_ns(self) -> int:
        return self.driver.core.state.ts_ns

    def put(self, event: Event) -> None:
        event.ts_ns = self.now_ns()
        self.taken.append(encode(event))
        self.driver.kernel.ingest(event)
        self.driver._warm()

    def play(self, seconds: float) -> None:
        """Let the market run on."""
        until_ns = self.now_ns() + int(seconds * SECOND_NS)
        for event in self._tape:
            self.driver.feed(event)
            if event.ts_ns >= until_ns:
                return

    @property
    def trading(self) -> TradingState:
        return self.driver.core.state.trading

    def done(self, verb: str) -> list[CommandDone]:
        return [fact for fact in self.facts if isinstance(fact, CommandDone) and fact.verb == verb]


async def order(desk: Desk, person: str, qty: str = "0.15", base: str = "BTC") -> CommandDone:
    """A confirmed order of a person's (signed), as `/order` and a yes send it; 0.15 BTC need a vote."""
    instrument = desk.instrument(base) or ""
    command = ManualTarget(account="PAPER:main", instrument=instrument, qty=Decimal(qty))
    return await desk.submit(command, actor(person))


class Told(Ledger):
    """The real ledger over a projection that is brought up to date when it is asked."""

    def __init__(self, engine: Engine) -> None:
        folder = mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        super().__init__(Projector(f"sqlite:///{folder}/p.db", engine.driver.core.instruments))
        self.engine = engine

    async def _caught_up(self, _now: Now) -> bool:
        self._bring_up_to_date()
        return True

    async def happened(self, since_ns: int, until_ns: int) -> Happened:
        self._bring_up_to_date()
        return happened(self._projector.engine, since_ns, until_ns)

    def _bring_up_to_date(self) -> None:
        self._projector.open()
        self._projector.apply(self.engine.facts)


class Past(SyntheticFeed):
    """What the market was until now, for charts; nothing is played from here."""

    def __init__(self, market: SyntheticMarket, engine: Engine) -> None:
        super().__init__(market, engine)
        self.engine = engine

    def now_ns(self) -> int:
        return self.engine.now_ns()


class SlowDesk(Desk):
    """The real desk; commands other than a halt can be made slow on their way in or out."""

    slow_s = 0.0
    slow_after_s = 0.0

    async def submit(
        self, command: Command, actor: Actor, request_id: str = "", sent_ts_ns: int = 0, code: str = ""
    ) -> CommandDone:
        if self.slow_s and not isinstance(command, Halt):
            await asyncio.sleep(self.slow_s)
        done = await super().submit(command, actor, request_id, sent_ts_ns, code)
        if self.slow_after_s and not isinstance(command, Halt):
            await asyncio.sleep(self.slow_after_s)
        return done


class Secrets:
    """The `Secrets` port over a dictionary."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values

    def get(self, name: str) -> str:
        if name not in self.values:
            raise ConfigError(f"the secret {name!r} is missing; put it into the secrets file")
        return self.values[name]

    def has(self, name: str) -> bool:
        return name in self.values


@dataclass
class World:
    engine: Engine
    telegram: TelegramServer
    discord: DiscordServer
    chat: ChatOps
    config: BotConfig

    @property
    def desk(self) -> SlowDesk:
        return self.engine.desk

    @property
    def room(self) -> ControlRoom:
        return self.chat.room


def bot_config(
    telegram: TelegramServer | None, discord: DiscordServer | None, *, alert_channels: bool = True, **alerts
) -> BotConfig:
    return BotConfig(
        telegram=TelegramConfig(
            enabled=telegram is not None,
            base_url=telegram.base_url if telegram else "",
            base_file_url=telegram.file_url if telegram else "",
            allowed_chats=(GROUP,),
            alert_chats=(GROUP,),
            poll_timeout_s=1,
        ),
        discord=DiscordConfig(
            enabled=discord is not None,
            api_url=discord.api_url if discord else "",
            gateway_url=discord.gateway_url if discord else "",
            guild_id=int(GUILD),
            allowed_channels=(int(CHANNEL),),
            alert_channels=(int(CHANNEL),) if alert_channels else (),
        ),
        alerts=AlertConfig(**{"group_wait_s": 0.02, "update_s": 0.3, **alerts}),
    )


async def until(condition, within_s: float = 30) -> None:
    """Wait until a condition holds; `TimeoutError` when it does not."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - conditions are about servers and engines, which have no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(chat: ChatOps):
    """Run chat-ops for a while."""
    task = asyncio.create_task(chat.run())
    try:
        yield chat
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def world(
    tmp_path: Path,
    *doors: str,
    strategies: bool = False,
    secrets=None,
    up: bool = True,
    engine=None,
    start_ns: int = 0,
    **alerts,
):
    """Everything up and connected; `doors` are telegram and discord (both when none is named)."""
    wanted = doors or ("telegram", "discord")
    first = engine is None
    engine = engine or Engine(strategies=strategies, start_ns=start_ns)
    telegram, discord = TelegramServer(), DiscordServer()
    await telegram.start()
    await discord.start()
    config = bot_config(telegram if "telegram" in wanted else None, discord if "discord" in wanted else None, **alerts)
    chat = ChatOps(engine.desk, config, Secrets(SECRETS if secrets is None else secrets), tmp_path)
    engine.desk.doors = chat.doors
    try:
        async with running(chat):
            if up:
                await until(lambda: all(chat.health()[door] == "up" for door in wanted))
                for door, server in (("telegram", telegram), ("discord", discord)):
                    if first and door in wanted:
                        await server.text("MoonDev is up")
            yield World(engine, telegram, discord, chat, config)
    finally:
        await telegram.stop()
        await discord.stop()


_numbers = itertools.count(1)


async def sure(engine: Engine, line: str, person: str = "tina") -> str:
    """Say a line that is asked back, and yes; returns the plain reply to the yes."""
    asked = plain(await run_line(engine.room, actor(person), line, fresh_id()))
    found = re.search(r"/confirm (C\d+) within", asked)
    assert found, asked
    return plain(await run_line(engine.room, actor(person), f"/confirm {found[1]}", fresh_id()))


def fresh_id() -> str:
    return f"test:{next(_numbers)}"
