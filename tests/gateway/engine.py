"""A real engine for the gateway's tests: kernel, strategies, paper venue and simulated market, in virtual time."""

import asyncio
import itertools
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from bot.remote import RemoteRoom
from bot.render import plain
from bot.room import ControlRoom
from bot.store import OpsStore
from bot.verbs import run_line
from domain.commands import Actor
from domain.events import Event
from domain.settings import Settings
from engine.config.load import load_config
from engine.core.kernel import Kernel
from engine.data.synthetic import SyntheticMarket
from engine.desk import Desk
from engine.strategies import registry
from exchanges.paper.exchange import PaperExchange
from research.driver import Driver
from tests.bot import world
from tests.bot.world import source_of

SECOND_NS = 1_000_000_000

KEEN = {"maker_fee_bps": 0.0, "min_edge_bps": 0.1, "vol_factor": 0.1, "settle_s": 1}


def with_maker(settings: Settings, params: Mapping[str, float]) -> Settings:
    """The settings with other parameters for `maker-btc`, which may lose as often as it likes."""
    risk = replace(settings.risk, portfolio={**settings.risk.portfolio, "consecutive_losses": Decimal(10_000)})
    specs = tuple(
        replace(spec, params={**spec.params, **params}) if spec.id == "maker-btc" else spec
        for spec in settings.strategies
    )
    return replace(settings, strategies=specs, risk=risk)


class Engine:
    """The built-in paper set-up whose market has been running for `past_s` seconds; `desk` is its door."""

    def __init__(
        self,
        past_s: int = 0,
        maker: Mapping[str, float] = KEEN,
        ops: Path = Path("not-opened"),
        start_ns: int | None = None,
    ) -> None:
        """`ops` is the file of the control room's database, for `open_room`."""
        settings = with_maker(load_config(None).to_settings(), maker)
        market = SyntheticMarket(settings.instruments, seed=7, start_ts_ns=start_ns or world.START_NS)
        exchange = PaperExchange(settings.instruments, {account.id: account.deposit for account in settings.accounts})
        self.driver = Driver(
            settings,
            exchange,
            lambda spec: registry.load(spec.kind).strategy.build(spec.instruments, spec.params),
            on_facts=lambda facts: self.desk.publish(facts),  # noqa: PLW0108 - the desk is made below
        )
        self.desk = Desk(
            self.driver.core,
            self.put,
            self,
            market="simulated (seed 7)",
            strategy_kinds=registry.kinds,
            source_of=source_of,
        )
        self.room = ControlRoom(self.desk, OpsStore(ops))
        self.remote = RemoteRoom(self.room)
        self._tape = market.events()
        self._ids = itertools.count(1)
        self.driver.start(market.start_ts_ns)
        self.play(max(past_s, 1))

    @property
    def kernel(self) -> Kernel:
        return self.driver.kernel

    def now_ns(self) -> int:
        """Virtual time: the desk's clock."""
        return self.driver.core.state.ts_ns

    def put(self, event: Event) -> None:
        """What the desk sends in, at once."""
        event.ts_ns = self.now_ns()
        self.kernel.ingest(event)
        self.driver._warm()

    def play(self, seconds: float) -> None:
        """Let the market run on."""
        until_ns = self.now_ns() + int(seconds * SECOND_NS)
        for event in self._tape:
            self.driver.feed(event)
            if event.ts_ns >= until_ns:
                return

    async def open_room(self) -> None:
        """Open the control room's database, which confirmations, jobs and preferences need."""
        room = self.room
        await room.store.start()
        for part in (room.people, room.confirms, room.tickets, room.subscriptions, room.alerts, room.outbox):
            await part.start()
        await room.schedules.start(time.time_ns())

    async def close_room(self) -> None:
        """Close it again."""
        await self.room.studio.aclose()
        await self.room.outbox.aclose()
        await self.room.store.aclose()

    async def live(self) -> None:
        """Let the market run in real time until cancelled."""
        while True:
            self.play(0.1)
            await asyncio.sleep(0.1)

    async def console(self, actor: Actor, line: str) -> str:
        """The verb table, as main.py hands it to the gateway."""
        return plain(await run_line(self.room, actor, line, f"test:{next(self._ids)}"))
