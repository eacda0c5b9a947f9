"""The whole engine between bytes and bytes, on one core: frames in, signed orders out, answers booked.

    frame ─▶ router ─▶ inbox ─▶ journal ─▶ step ─▶ intents ─▶ limits, wire form, signature ─▶ frame of the order
                         ▲                                                                        │
                         └──────── orders' answers and fills ◀── decoded ◀── the venue's frames ◀──┘

The venue's side is a stand-in within the same process that reads each order's frame and writes the frames that answer
it; what that costs counts against us. Nothing is thinned, every message reaches the core.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.desired import Desired, Quote
from domain.events import VenueSnapshot
from domain.market import Feed, FeedKind, FeedStatus, MarketEvent
from domain.order import Amend, Cancel, Intent, Place, RequestSnapshot
from domain.ports import Journal
from domain.settings import StrategySpec
from domain.strategy import Params, Strategy, View, Wake
from engine.clock import WallClock
from engine.strategies import registry
from research.bench import market
from research.bench.backtests import ACCOUNT, DEPOSIT, peak_mib
from research.bench.journal import Row
from research.bench.live import GLANCE_S, RUN, SWITCH_INTERVAL_S, LiveEngine, journal_of, percentiles
from research.bench.stand_in import ADDRESS, StandIn

KEY = "0x" + "11" * 32
BTC = replace(market.BTC, venue_symbol="BTC")
LEVELS = 20
RULES = "unconflated, journaled before sent (fsync off), gate, limits, signed; venue in process; one core"
PATIENCE_S = 10.0
MOVE = 20
"""Frames from one decision of the market maker to the next: half of them are quotes, and it minds every tenth."""
BURST, EXPIRY_S = 4_000, 1.1
"""Orders at once, and until the bench's takes have expired."""
_now = time.perf_counter_ns


class Turns(Struct):
    """How often the ladder was asked."""

    taken: int = 0


class Ladder(Strategy[Turns, Params]):
    """`LEVELS` quotes a side, taken away and put up again at every other quote of the market."""

    kind = "bench_ladder"
    params_type = Params
    memory_type = Turns

    def feeds(self) -> tuple[Feed, ...]:
        """Best bid and offer."""
        return (Feed(kind=FeedKind.BBO, instrument=BTC.id),)

    def start(self) -> Turns:
        """Nothing seen."""
        return Turns()

    def decide(self, memory: Turns, view: View) -> tuple[Turns, Desired]:
        """Up at odd wakes, down at even ones."""
        touch = view.bbo(BTC.id)
        if view.wake == Wake.FILL or touch is None:
            return memory, view.desired
        memory.taken += 1
        if memory.taken % 2 == 0:
            return memory, Desired()
        tick = view.tick_size(BTC.id)
        quotes = [
            Quote(instrument=BTC.id, side=side, price=price - side * tick * (2 + 5 * level), qty=0.01, level=level)
            for side, price in ((1, touch.bid), (-1, touch.ask))
            for level in range(LEVELS)
        ]
        return memory, Desired(quotes=tuple(quotes))


class OrderSide:
    """Hyperliquid's order side around `exchange` instead of a socket. By name: research does not build on it."""

    def __init__(self, put: Callable[[Any], None]) -> None:
        """Events go to `put`."""
        parts = {
            name: importlib.import_module(f"exchanges.hyperliquid.{name}")
            for name in ("batches", "config", "limits", "orders", "outbox", "private", "signing")
        }
        payloads = importlib.import_module("exchanges.shared.payloads")
        config = parts["config"].HyperliquidConfig(
            is_mainnet=False, api_url=f"bench {id(self)}", messages_a_minute=10**12
        )
        account = parts["config"].HyperliquidAccount(id=ACCOUNT, address=ADDRESS, key="bench")
        clock, signer = WallClock(), parts["signing"].LocalSigner({"bench": KEY})
        self._private = parts["private"]
        self.orders = parts["orders"].Orders({"BTC": BTC}, put)
        writer = parts["batches"].Writer(config, clock, signer, self.orders, {ACCOUNT: account}, {BTC.id: (BTC, 0)})
        limits = parts["limits"].Limits(config, clock)
        limits.open_account(ACCOUNT)
        limits.accounts[ACCOUNT].told(0, 10**12, 10**12)
        self.payloads = payloads.Payloads("HYPERLIQUID", self._private.UNREAD)
        self.outbox = parts["outbox"].Outbox(
            config, clock, writer, self.orders, limits, self.payloads, put, lambda _account: None
        )
        self.exchange = self.outbox.socket = StandIn(self._take)

    def _take(self, frame: bytes) -> None:
        """As the venue's connection does."""
        message = self._private.decode_private(frame)
        self.payloads.look(frame, message)
        if isinstance(message, self._private.PostMessage):
            self.outbox.on_post(message.data)
        elif isinstance(message, self._private.FillsMessage):
            self.orders.on_fills(ACCOUNT, ADDRESS, message.data.fills, 0)
        else:
            for update in message.data:
                self.orders.on_update(update)


class Whole(LiveEngine):
    """The engine with Hyperliquid's own order side and feed decoder around it."""

    def __init__(self, journal: Journal | None, kind: str, params: dict[str, Any], orders: int) -> None:
        """Wire it."""
        super().__init__(journal, orders)
        spec = StrategySpec(id="bench", kind=kind, account=ACCOUNT, instruments=(market.BTC.id,), params=params)
        self.settings = replace(self.settings, strategies=(spec,))
        self.kernel.core.make_code = lambda spec: (
            Ladder(spec.instruments, Params()) if spec.kind == Ladder.kind else registry.build(spec)
        )
        self.side = OrderSide(self.loop.put)
        self.exchange = self.side.exchange
        self.send = self._out
        wire = importlib.import_module("exchanges.hyperliquid.wire")
        router = importlib.import_module("exchanges.hyperliquid.router")
        self.router = router.Router([wire.CoinCodec(BTC, "BTC")], self._in, 0)
        self.seen = 0

    def _in(self, event: MarketEvent | FeedStatus) -> None:
        self.seen += 1
        self.loop.put(event)

    def _out(self, intents: Sequence[Intent]) -> None:
        if any(isinstance(intent, RequestSnapshot) for intent in intents):
            self.loop.put(VenueSnapshot(account=ACCOUNT, cash=DEPOSIT, orders=(), positions=(), venue_ts_ns=1))
        self.side.outbox.put([intent for intent in intents if isinstance(intent, Place | Amend | Cancel)])

    async def begin(self) -> tuple[asyncio.Task[None], ...]:
        """Start the engine and the sender."""
        return await self.start(), asyncio.create_task(self.side.outbox.run())

    async def quiet(self) -> None:
        """Wait until nothing is under way: not in the engine, not at the venue."""
        async with asyncio.timeout(PATIENCE_S):
            while self.loop.has_work or self.kernel.waiting or self.side.outbox.is_busy:  # noqa: ASYNC110
                await asyncio.sleep(GLANCE_S if self.kernel.waiting else 0)


class Stopwatch:
    """Adds up what its `with` blocks took: by the clock, and of processors (all threads), which others do not slow."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.wall_s = self.processor_s = 0.0

    def __enter__(self) -> None:
        self.wall_s -= time.perf_counter()
        self.processor_s -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall_s += time.perf_counter()
        self.processor_s += time.process_time()

    def each(self, count: int) -> str:
        """The processor's time for each of `count`, in words."""
        return f"{self.processor_s / count * 1e6:,.0f} us of processor time each"


def run(count: int) -> list[Row]:
    """Messages, orders, forty orders from one decision, and what a long run leaves behind."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    rows = [
        asyncio.run(_with(lambda journal: messages_rows(journal, count))),
        asyncio.run(_with(lambda journal: orders_rows(journal, max(20, count // 100)))),
        asyncio.run(_with(lambda journal: ladder_rows(journal, max(10, count // 2_000)))),
    ]
    return [row for some in rows for row in some]


async def _with(session: Callable[[Journal | None], Any]) -> list[Row]:
    with journal_of("nosync") as journal:
        rows: list[Row] = await session(journal)
        return rows


async def messages_rows(journal: Journal | None, count: int) -> list[Row]:
    """Books, quotes and trades; each decision of a market maker moves both its quotes, answered before the next one."""
    whole = Whole(journal, "bench_quoter", {"every": MOVE // 2}, 0)
    tasks = await whole.begin()
    frames = mixed_frames(count)
    first = resident_mib()
    took = Stopwatch()
    for _ in range(0, count, MOVE):
        chunk = list(itertools.islice(frames, MOVE))
        whole.exchange.sent.clear()
        with took:
            for frame in chunk:
                whole.router.take(frame, time.time_ns())
            await whole.quiet()
    grown = resident_mib() - first
    await stop(*tasks)
    if whole.seen < count:
        raise AssertionError(f"{count} frames became {whole.seen} events")
    moved, wanted = whole.exchange.moved, 2 * (count // MOVE - 1)
    if moved != wanted:
        raise AssertionError(f"{count} frames moved the market maker's quotes {moved} times, expected {wanted}")
    what = f"{count:,} frames, half quotes, a quarter books of 20+20, a quarter trades; {moved:,} amends booked"
    rules = f"{what}; {took.each(count)}; {RULES}"
    grown = max(0.0, grown)
    return [
        Row(case="messages through the whole engine", value=count / took.wall_s, unit="messages/s", rules=rules),
        Row(case="memory growth over messages", value=grown, unit="MiB", rules=f"resident, from the start on; {rules}"),
    ]


async def orders_rows(journal: Journal | None, count: int) -> list[Row]:
    """One order for each quote: signed, filled, booked. In bursts: 4,096 takes may live at once."""
    whole = Whole(journal, "bench_alternator", {"pattern": "drift", "limit": count}, count)
    tasks = await whole.begin()
    took = Stopwatch()
    for first in range(0, count, BURST):
        frames = [bbo_frame(number) for number in range(first, min(first + BURST, count))]
        with took:
            for number, frame in enumerate(frames, first):
                whole.router.take(frame, time.time_ns())
                if number % RUN == 0:  # the side changes here: what is under way on the other would be a self-match
                    await whole.quiet()
            await whole.quiet()
        await asyncio.sleep(EXPIRY_S)
    await stop(*tasks)
    if whole.filled != count or whole.exchange.orders != count:
        raise AssertionError(f"{count} quotes became {whole.exchange.orders} orders, {whole.filled} of them booked")
    rules = f"quote's frame to booked fill, {count:,} orders, one action each; {took.each(count)}; {RULES}"
    return [Row(case="orders through the whole engine", value=count / took.wall_s, unit="orders/s", rules=rules)]


async def ladder_rows(journal: Journal | None, count: int) -> list[Row]:
    """Forty quotes from one decision in one signed action."""
    whole = Whole(journal, Ladder.kind, {}, 0)
    tasks = await whole.begin()
    taken = []
    for number in range(2 * count):
        whole.exchange.sent.clear()
        began_ns = _now()
        whole.router.take(bbo_frame(number), time.time_ns())
        await whole.quiet()
        actions = [(at_ns, size) for at_ns, size in whole.exchange.sent if size]
        if number % 2 == 0:
            if [size for _, size in actions] != [2 * LEVELS]:
                raise AssertionError(f"a ladder of {2 * LEVELS} left as {actions}")
            taken.append(actions[0][0] - began_ns)
    await stop(*tasks)
    p50, p99 = percentiles(taken)
    rules = f"quote's frame to one signed action on the socket, {len(taken)} times; {RULES}"
    name = f"{2 * LEVELS} orders from a decision in one action"
    return [
        Row(case=f"{name}, p50", value=p50 / 1e6, unit="ms", rules=rules),
        Row(case=f"{name}, p99", value=p99 / 1e6, unit="ms", rules=rules),
    ]


async def stop(*tasks: asyncio.Task[None]) -> None:
    """End what runs beside."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def resident_mib() -> float:
    """What the process holds now; where the system does not tell, the most that it ever held."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak_mib()
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def mixed_frames(count: int) -> Iterator[bytes]:
    """Frames that move a little: two quotes, a book, a trade, and again."""
    return (_frame(number) for number in range(count))


def _frame(number: int) -> bytes:
    kind = number % 4
    if kind < 2:
        return bbo_frame(number // 4 * 2 + kind)  # numbered among themselves: every tenth is at another price
    at_ms = 1_700_000_000_000 + number
    if kind == 2:
        prices = [[f"{50_000 - at}.0", f"{50_001 + at}.{number % 10}"] for at in range(20)]
        levels = [
            [{"px": pair[side], "sz": f"{1 + at}.5", "n": 3} for at, pair in enumerate(prices)] for side in (0, 1)
        ]
        return msgspec.json.encode({"channel": "l2Book", "data": {"coin": "BTC", "time": at_ms, "levels": levels}})
    trade = {"coin": "BTC", "side": "A", "px": "50000.0", "sz": "0.002", "time": at_ms, "hash": "0x0", "tid": number}
    return msgspec.json.encode({"channel": "trades", "data": [trade]})


def bbo_frame(number: int) -> bytes:
    """A best bid and offer that goes to and fro by a tick."""
    sides = [{"px": f"{50_000 + side / 10 + number % 20 // 10 / 10:.1f}", "sz": "50.0", "n": 3} for side in range(2)]
    data = {"coin": "BTC", "time": 1_700_000_000_000 + number, "bbo": sides}
    return msgspec.json.encode({"channel": "bbo", "data": data})
