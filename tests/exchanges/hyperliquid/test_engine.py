"""The whole engine at a local Hyperliquid, over real sockets: what the venue says is what the core expects to hear."""

import asyncio
import random
from decimal import Decimal
from typing import Self

import pytest
from msgspec.structs import replace

from domain.commands import Actor, Door, LoadStrategy
from domain.desired import Desired, Protection, Qty, Quote, Target
from domain.events import CommandReceived, EngineStarted, History
from domain.facts import Alerted, Fact, FillBooked, Severity
from domain.market import Bbo
from domain.order import OrderStatus
from domain.settings import AccountSpec, ExecutionSettings, Settings, StrategySpec
from domain.strategy import Params
from engine.core.core import Core
from engine.core.journal.memory import MemoryJournal
from engine.core.kernel import Kernel
from engine.core.loop import EngineLoop
from engine.core.recovery import replay, state_hash
from engine.core.state import State
from tests.engine.core.rig import SETTINGS, Script, wants
from tests.exchanges.desk import WallClock
from tests.exchanges.hyperliquid.desk import ACCOUNT, BTC, venue_at
from tests.exchanges.hyperliquid.exchange_room import MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

MS = 1_000_000
LOUD = {Severity.ERROR, Severity.CRITICAL}
QUICK = ExecutionSettings(
    ack_timeout_ns=150 * MS,
    validity_ns=400 * MS,
    query_every_ns=150 * MS,
    retry_ns=50 * MS,
    reconcile_every_ns=500 * MS,
)
HERE = replace(SETTINGS, instruments=(BTC,), accounts=(AccountSpec(id=ACCOUNT),), execution=QUICK)
SPEC = StrategySpec(id="script", kind="script", account=ACCOUNT, instruments=(BTC.id,))


WEIGHT = 100_000
"""Faults make more questions in a second than the venue allows."""


class Engine:
    """Loop, kernel, scripted strategy and venue, as `moondev run` wires them."""

    def __init__(self, server: ExchangeServer, settings: Settings = HERE) -> None:
        self.server = server
        self.settings = settings
        self.script = Script((BTC.id,), Params())
        self.facts: list[Fact] = []
        server.room.quota.weight_a_minute = WEIGHT
        self.venue = venue_at(server, request_timeout_s=0.5, weight_a_minute=WEIGHT)
        core = Core(State())
        core.make_code = lambda spec: self.script
        self.core = core
        self.journal = MemoryJournal()
        self.kernel = Kernel(core, self.journal, send=self.venue.send, publish=self.facts.extend)
        self.loop = EngineLoop(self.kernel, WallClock())

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.loop.run())
        self.loop.put(
            EngineStarted(
                installation="a1b2c3", epoch=1, build="b", lock_hash="", settings_hash="", settings=self.settings
            )
        )
        await self.venue.start(self.loop.put)
        await self.until(lambda: self.core.state.accounts and self.core.state.accounts[ACCOUNT].reconciled)
        command = LoadStrategy(spec=SPEC)
        self.loop.put(
            CommandReceived(actor=Actor(person="", door=Door.SYSTEM), command=command, request_id="settings:0")
        )
        self.loop.put(History(strategy=SPEC.id, complete=True))
        return self

    async def __aexit__(self, *_: object) -> None:
        while not self._task.done():  # Python 3.11's wait_for swallows a cancel that meets a put
            self._task.cancel()
            await asyncio.sleep(0.01)
        await self.venue.aclose()

    async def until(self, condition, seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - the core has no asyncio in it
                await asyncio.sleep(0.01)

    async def quote(self, bid: int, ask: int) -> None:
        """Move the market, at the venue and for the engine."""
        await self.server.quote(str(bid), str(ask))
        price, size = BTC.price, BTC.qty("10")
        self.loop.put(Bbo(instrument=BTC.id, bid=price(str(bid)), bid_qty=size, ask=price(str(ask)), ask_qty=size))

    @property
    def position(self) -> int:
        return self.core.position(ACCOUNT, BTC.id)

    def at_venue(self) -> int:
        return self.server.room.exchange.floor.accounts[MASTER].qty(BTC.id)

    def working(self) -> dict[str, OrderStatus]:
        return {cid: order.status for slot in self.core.state.slots.values() for cid, order in slot.orders.items()}

    def agrees(self) -> bool:
        """Nothing is unknown, and orders and position are the venue's."""
        open_there = [rec for rec in self.server.room.recs.values() if rec.status == "open"]
        mine = self.working()
        return (
            self.position == self.at_venue()
            and len(open_there) == len(mine)
            and set(mine.values()) <= {OrderStatus.OPEN}
        )

    def left(self) -> int:
        return self.venue.limits.left(ACCOUNT)

    def settled(self) -> bool:
        """What was wanted last was decided, sent and answered."""
        orders = [order for slot in self.core.state.slots.values() for order in slot.orders.values()]
        is_quiet = not self.loop.has_work and not self.venue.outbox.is_busy
        return is_quiet and len(orders) == 2 and not any(order.amend_price or order.cancel_ns for order in orders)

    def worries(self) -> set[str]:
        return {f.kind for f in self.facts if isinstance(f, Alerted) and f.severity in LOUD} - {"venue_down"}


async def test_a_target_is_reached_protected_and_closed():
    async with ExchangeServer() as server, Engine(server) as engine:
        engine.script.wants = wants(
            Target(instrument=BTC.id, want=Qty(0.1), entry="e1"), Protection(instrument=BTC.id, entry="e1", stop=49_000)
        )
        await engine.quote(49_990, 50_010)
        await engine.until(lambda: engine.position == BTC.qty("0.1") and engine.agrees() and len(engine.working()) == 1)
        await engine.quote(48_900, 48_920)
        await engine.until(lambda: engine.position == 0 and engine.agrees())
        fills = [fact for fact in engine.facts if isinstance(fact, FillBooked)]
        assert len(fills) == 2
        assert engine.core.state.accounts[ACCOUNT].cash == server.room.exchange.snapshot(MASTER, 0).cash
        assert engine.worries() == set()


def desired(rng: random.Random, mid: int) -> Desired:
    if rng.random() < 0.5:
        return wants(Target(instrument=BTC.id, want=Qty(rng.choice([-0.02, 0.0, 0.01, 0.03]))))
    edge = rng.choice([5, 40, 120])
    return wants(
        Quote(instrument=BTC.id, side=1, price=mid - edge, qty=0.01),
        Quote(instrument=BTC.id, side=-1, price=mid + edge, qty=0.01),
    )


def break_something(rng: random.Random, server: ExchangeServer) -> None:
    faults = server.faults
    match rng.randrange(7):
        case 0:
            faults.drop_answers += 1
        case 1:
            faults.lose_requests += 1
        case 2:
            faults.statuses.append(rng.choice([429, 503]))
        case 3:
            server.cut()
        case 4:
            faults.duplicate = not faults.duplicate
        case 5:
            faults.shuffle = rng
        case _:
            faults.streams_first = not faults.streams_first


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_is_lost_or_doubled_whatever_the_line_does(seed):
    rng = random.Random(seed)
    async with ExchangeServer() as server, Engine(server) as engine:
        mid = 50_000
        for _ in range(60):
            mid += rng.randrange(-60, 61)
            engine.script.wants = desired(rng, mid)
            if rng.random() < 0.3:
                break_something(rng, server)
            await engine.quote(mid - 10, mid + 10)
            await asyncio.sleep(0.02)
        server.faults.__init__()  # type: ignore[misc]
        engine.script.wants = wants(Target(instrument=BTC.id, want=Qty(0.01)))
        await engine.quote(mid - 10, mid + 10)
        await engine.until(lambda: engine.agrees() and engine.position == BTC.qty("0.01"))
        booked = [fact.fill_id for fact in engine.facts if isinstance(fact, FillBooked)]
        assert len(booked) == len(set(booked)) == len(server.room.fills)
        sent = [order["c"] for action in server.room.seen for order in action.get("orders", [])]
        assert len(sent) == len(set(sent)), "no order is sent twice"
        assert engine.worries() == set()
        assert engine.core.state.accounts[ACCOUNT].deposits == Decimal(100_000)


async def jitter(widening: str) -> tuple[int, set[OrderStatus], list[str]]:
    """Quote around a price that trembles, with 54 actions; what is left, how the quotes stand, what was told."""
    rng = random.Random(5)
    settings = replace(HERE, execution=replace(QUICK, quote_widening=Decimal(widening)))
    async with ExchangeServer() as server:
        server.room.quota.free_actions = 60
        async with Engine(server, settings) as engine:
            left = 54
            for _ in range(100):
                mid = 50_000 + rng.randrange(-15, 16)
                engine.script.wants = wants(
                    Quote(instrument=BTC.id, side=1, price=mid - 200, qty=0.01),
                    Quote(instrument=BTC.id, side=-1, price=mid + 200, qty=0.01),
                )
                await engine.quote(49_990, 50_010)
                await engine.until(lambda: engine.settled() or not engine.left())
                left = engine.left()
                if not left:
                    break
            told = [fact.text for fact in engine.facts if isinstance(fact, Alerted) and fact.kind == "actions_left"]
            again = Core(State())
            replay(engine.journal.records(), again, with_code=False)
            assert state_hash(again.state) == state_hash(engine.core.state)
            return left, set(engine.working().values()), told


async def test_a_quoter_whose_price_trembles_does_not_spend_a_young_accounts_actions():
    left, quotes, told = await jitter("0.0002")
    assert left > 0
    assert quotes == {OrderStatus.OPEN}
    assert [text.split(" (")[0] for text in told] == [
        f"{ACCOUNT} has at most {percent} % of its actions left" for percent in (50, 25, 10)[: len(told)]
    ]
    assert len(told) >= 2


async def test_without_the_wider_tolerance_it_would():
    left, _, _ = await jitter("0")
    assert left == 0
