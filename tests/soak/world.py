"""One engine on several venues at once, in a market of our making, with faults: nothing may be lost or doubled.

The venues, their clients and the local servers are the real ones; the loop may be the real one, or `virtual`'s.
What goes wrong has the names of `tests.exchanges.contract.benches`, and so is the same for every venue.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from domain.commands import Actor, Door, LoadStrategy
from domain.desired import Desired, Qty, Quote, Target
from domain.events import CommandReceived, EngineStarted, History
from domain.facts import Alerted, Fact, FillBooked, Severity
from domain.market import Bbo
from domain.order import Intent, OrderStatus, Place
from domain.settings import AccountSpec, ExecutionSettings, StrategySpec
from domain.strategy import Params
from engine.core.core import Core
from engine.core.journal.memory import MemoryJournal
from engine.core.kernel import Kernel
from engine.core.loop import EngineLoop
from engine.core.state import State
from tests.engine.core.rig import SETTINGS, Script, wants
from tests.exchanges.contract.bench import Bench
from tests.exchanges.contract.benches import bench_of
from tests.exchanges.desk import WallClock

MS = 1_000_000
CALM = 50_000
TIMING = ExecutionSettings(
    ack_timeout_ns=1_000 * MS,
    validity_ns=3_000 * MS,
    query_every_ns=1_000 * MS,
    retry_ns=300 * MS,
    reconcile_every_ns=30_000 * MS,
    stale_feed_ns=3_600_000 * MS,
)
FAULTS = ("lose_answers", "lose_requests", "limit_rate", "disorder", "gap")


class Stand:
    """One venue in the world: its bench, what its strategy wants, and what is wrong with it."""

    def __init__(self, name: str, bench: Bench) -> None:
        self.name = name
        self.bench = bench
        self.instrument = bench.desk.instrument
        self.account = bench.desk.account
        self.script = Script((self.instrument.id,), Params())
        self.mid = CALM
        self.broken_until_s = 0.0
        self.met: Counter[str] = Counter()

    @property
    def held_there(self) -> int:
        """Position as the venue has it."""
        floor = self.bench.exchange.floor
        listed = next(i for i in floor.instruments if i.startswith("BTC-"))
        return sum(account.qty(listed) for account in floor.accounts.values())

    @property
    def open_there(self) -> int:
        """Orders that work at the venue."""
        return sum(order.status is OrderStatus.OPEN for order in self.bench.exchange.floor.orders.values())


class Fleet:
    """The engine, its venues and the market."""

    def __init__(self, stands: Sequence[Stand], seed: int) -> None:
        self.stands = {stand.account: stand for stand in stands}
        self.random = random.Random(seed)
        self.facts: list[Fact] = []
        self.placed: Counter[str] = Counter()
        core = Core(State())
        core.make_code = lambda spec: self.stands[spec.account].script
        self.core = core
        self.kernel = Kernel(core, MemoryJournal(), send=self._send, publish=self.facts.extend)
        self.loop = EngineLoop(self.kernel, WallClock())

    def _send(self, intents: Sequence[Intent]) -> None:
        by_account: dict[str, list[Intent]] = {}
        for intent in intents:
            by_account.setdefault(intent.account, []).append(intent)
            if isinstance(intent, Place):
                self.placed[intent.cid] += 1
        for account, theirs in by_account.items():
            self.stands[account].bench.desk.venue.send(theirs)

    def begin(self) -> None:
        """The first event, and one strategy for each venue."""
        stands = self.stands.values()
        settings = replace(
            SETTINGS,
            instruments=tuple(stand.instrument for stand in stands),
            accounts=tuple(AccountSpec(id=stand.account) for stand in stands),
            execution=TIMING,
        )
        put = self.loop.put
        put(EngineStarted(installation="a1b2c3", epoch=1, build="b", lock_hash="", settings_hash="", settings=settings))
        for stand in stands:
            spec = StrategySpec(id=stand.name, kind="script", account=stand.account, instruments=(stand.instrument.id,))
            actor = Actor(person="", door=Door.SYSTEM)
            put(CommandReceived(actor=actor, command=LoadStrategy(spec=spec), request_id=f"settings:{spec.id}"))
            put(History(strategy=spec.id, complete=True))

    async def quote(self, stand: Stand) -> None:
        """Move one market by a random step, at the venue and for the engine."""
        stand.mid = min(max(stand.mid + self.random.randrange(-60, 61), CALM - 3_000), CALM + 3_000)
        bid, ask = str(stand.mid - 10), str(stand.mid + 10)
        await stand.bench.quote(bid, ask)
        price, size = stand.instrument.price, stand.instrument.qty("10")
        self.loop.put(Bbo(instrument=stand.instrument.id, bid=price(bid), bid_qty=size, ask=price(ask), ask_qty=size))

    def decide(self, stand: Stand) -> Desired:
        """Something to want: a target, or quotes near and far."""
        rng, instrument = self.random, stand.instrument.id
        if rng.random() < 0.4:
            return wants(Target(instrument=instrument, want=Qty(rng.choice([-0.02, 0.0, 0.01, 0.03]))))
        edge = rng.choice([15, 40, 120])
        return wants(
            Quote(instrument=instrument, side=1, price=stand.mid - edge, qty=0.01),
            Quote(instrument=instrument, side=-1, price=stand.mid + edge, qty=0.01),
        )

    async def trouble(self, stand: Stand, now_s: float) -> None:
        """Break something for a while, or mend what was broken long enough."""
        if stand.broken_until_s and now_s >= stand.broken_until_s:
            stand.bench.heal()
            stand.broken_until_s = 0.0
        elif not stand.broken_until_s and self.random.random() < 0.15:
            fault = self.random.choice(FAULTS)
            stand.met[fault] += 1
            stand.broken_until_s = now_s + self.random.uniform(0.2, 4.0)
            done = getattr(stand.bench, fault)()
            if done is not None:
                await done

    async def trade(self, seconds: float, every_s: float) -> None:
        """Trade through faults for so long."""
        clock = asyncio.get_running_loop().time
        end_s = clock() + seconds
        while clock() < end_s:
            stand = self.random.choice(list(self.stands.values()))
            if self.random.random() < 0.5:
                stand.script.wants = self.decide(stand)
            await self.trouble(stand, clock())
            await self.quote(stand)
            await asyncio.sleep(every_s * self.random.uniform(0.2, 1.8))

    async def settle(self, within_s: float) -> None:
        """End the faults; everything must be known, and equal on both sides, in bounded time."""
        for stand in self.stands.values():
            stand.bench.heal()
            stand.script.wants = wants(Target(instrument=stand.instrument.id, want=Qty(0.01)))
        async with asyncio.timeout(within_s):
            while not all(self.agrees(stand) for stand in self.stands.values()):
                for stand in self.stands.values():
                    await self.quote(stand)
                await asyncio.sleep(0.5)

    def working(self, stand: Stand) -> list[OrderStatus]:
        """Orders of a venue that the engine counts."""
        slots = self.core.state.slots.values()
        return [order.status for slot in slots if slot.account == stand.account for order in slot.orders.values()]

    def agrees(self, stand: Stand) -> bool:
        """The wanted position is held, here and there, and no order is open or unknown on either side."""
        held = self.core.position(stand.account, stand.instrument.id)
        wanted = stand.instrument.qty("0.01")
        return held == stand.held_there == wanted and not self.working(stand) and not stand.open_there

    def judge(self) -> None:
        """Raise AssertionError where something was lost or doubled."""
        assert max(self.placed.values()) == 1, "an order was sent twice"
        for stand in self.stands.values():
            fills = [f for f in self.facts if isinstance(f, FillBooked) and f.account == stand.account]
            ids = [fill.fill_id for fill in fills]
            assert len(ids) == len(set(ids)), f"{stand.name}: a fill was booked twice"
            there = stand.bench.exchange.floor
            assert len(ids) == sum(there.told.values()), f"{stand.name}: fills were lost"
            assert sum(fill.side * fill.qty for fill in fills) == stand.held_there
            assert len(there.orders) <= sum(self.of(stand, cid) for cid in self.placed), f"{stand.name}: doubled orders"
        assert self.worries() == [], "people were told of something that did not happen"

    def of(self, stand: Stand, cid: str) -> bool:
        """Whether an order was of this venue."""
        order = self.core.state.closed.get(cid)
        return order is None or order.account == stand.account

    def worries(self) -> list[str]:
        """Loud alerts that no fault of ours explains."""
        loud = {Severity.ERROR, Severity.CRITICAL}
        found = [f for f in self.facts if isinstance(f, Alerted) and f.severity in loud]
        return [alert.text for alert in found if alert.kind != "venue_down"]

    def report(self) -> str:
        """What was done and met, in one line for each venue."""
        lines = []
        for stand in self.stands.values():
            fills = sum(isinstance(f, FillBooked) and f.account == stand.account for f in self.facts)
            orders = len(stand.bench.exchange.floor.orders)
            faults = ", ".join(f"{name} {count}" for name, count in sorted(stand.met.items()))
            lines.append(f"{stand.name}: {orders} orders kept, {fills} fills, faults met: {faults or 'none'}")
        return "\n".join(lines)


@asynccontextmanager
async def fleet(names: Sequence[str], seed: int) -> AsyncIterator[Fleet]:
    """Local servers, venues and the engine, started and reconciled."""
    async with AsyncExitStack() as stack:
        stands = [Stand(name, await stack.enter_async_context(bench_of(name))) for name in names]
        world = Fleet(stands, seed)
        task = asyncio.create_task(world.loop.run())
        world.begin()
        for stand in stands:
            stand.bench.desk.on_event = world.loop.put
            await world.quote(stand)
            world._send([stand.bench.desk.snapshot()])
        try:
            yield world
        finally:
            while not task.done():
                task.cancel()
                await asyncio.sleep(0.01)


async def soak(names: Sequence[str], seed: int, seconds: float, every_s: float) -> dict[str, Any]:
    """A whole soak; returns its figures. Raises AssertionError where something was lost or doubled."""
    async with fleet(names, seed) as world:
        await world.trade(seconds, every_s)
        await world.settle(120)
        world.judge()
        return {
            "report": world.report(),
            "seconds": seconds,
            "orders": len(world.placed),
            "fills": sum(isinstance(fact, FillBooked) for fact in world.facts),
            "faults": sum(sum(stand.met.values()) for stand in world.stands.values()),
            "hash": world.core.state.effects_hash.hex(),
            "cash": sum((account.cash for account in world.core.state.accounts.values()), Decimal(0)),
        }
