"""The live engine loop with an in-process venue: tick to venue client, and a burst of orders through the full cycle.

The shape of the peers' live benchmark: a feed pushes quotes (one a millisecond, or as fast as it can), a strategy
sends one order for each, the venue client answers accepted and filled at once. "Tick to venue" is from the push of a
quote to the call of the client that would send its order.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from domain.commands import LoadStrategy
from domain.events import Accepted, CommandReceived, EngineStarted, Filled, VenueSnapshot
from domain.facts import Fact, StrategyChanged, StrategyStatus
from domain.market import Bbo
from domain.order import Intent, Liquidity, Place, RequestSnapshot
from domain.ports import Journal
from engine.clock import WallClock
from engine.core.core import Core
from engine.core.journal import FileJournal
from engine.core.kernel import Kernel
from engine.core.loop import EngineLoop
from engine.core.state import State
from engine.strategies import registry
from research.bench import market
from research.bench.backtests import ACCOUNT, DEPOSIT, make_driver
from research.bench.journal import Row
from research.driver import SYSTEM

GAP_S = 0.001
GLANCE_S = 0.0001
PATIENCE_S = 2.0
RUN = 49
"""Quotes pushed at once: as many as the strategy answers on one side, so that it does not meet its own orders."""
SWITCH_INTERVAL_S = 0.0002
"""As the service sets it, so that the journal's thread is not starved by a busy loop."""
RULES = "review, gate, limits, exact money; venue client in process"
_now = time.perf_counter_ns


class InstantVenue:
    """A venue client in the engine's process that accepts and fills everything at once."""

    def __init__(self, put: Callable[[Accepted | Filled | VenueSnapshot], None]) -> None:
        """Answers go to `put`."""
        self.put = put
        self.sent: dict[int, int] = {}
        """When an order left (ns), by the seq of the event that caused it, which its client id carries."""
        self.position = 0

    def send(self, intents: Sequence[Intent]) -> None:
        """Take intents, as the sender of a real venue would."""
        for intent in intents:
            if isinstance(intent, Place):
                self.sent[int(intent.cid.split("-")[2], 16)] = _now()
                self._fill(intent)
            elif isinstance(intent, RequestSnapshot):
                self.put(VenueSnapshot(account=ACCOUNT, cash=DEPOSIT, orders=(), positions=(), venue_ts_ns=1))

    def _fill(self, intent: Place) -> None:
        number = str(len(self.sent))
        self.position += intent.side * intent.qty
        self.put(Accepted(cid=intent.cid, venue_id=number))
        self.put(
            Filled(
                account=intent.account,
                instrument=intent.instrument,
                cid=intent.cid,
                fill_id=number,
                side=intent.side,
                price=intent.price,
                qty=intent.qty,
                fee=Decimal("0.25"),
                liquidity=Liquidity.TAKER,
            )
        )


class LiveEngine:
    """Kernel and loop as `moondev run` has them, with one alternating strategy. `filled` counts booked fills."""

    def __init__(self, journal: Journal | None, orders: int) -> None:
        """Wire it; `run` drives it."""
        params = {"pattern": "drift", "limit": orders}
        self.settings = make_driver("bench_alternator", params).settings
        core = Core(State())
        core.make_code = registry.build
        self.kernel = Kernel(core, journal, send=self._send, publish=self._publish)
        self.loop = EngineLoop(self.kernel, WallClock())
        self.send: Callable[[Sequence[Intent]], None] = lambda intents: None  # noqa: ARG005 - replaced by a venue
        self.filled = 0
        self.orders = orders
        self.done = asyncio.Event()
        self.ready = asyncio.Event()

    def _send(self, intents: Sequence[Intent]) -> None:
        self.send(intents)

    def _publish(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, StrategyChanged) and fact.status is StrategyStatus.RUNNING:
                self.ready.set()
            elif type(fact).__name__ == "FillBooked":
                self.filled += 1
                if self.filled >= self.orders:
                    self.done.set()

    async def drained(self) -> None:
        """Wait until everything pushed has been dealt with: the burst is as fast as the engine, and no faster."""
        while self.loop.has_work or self.kernel.waiting:  # noqa: ASYNC110 - neither has an event for that
            await asyncio.sleep(GLANCE_S if self.kernel.waiting else 0)

    async def settled(self) -> float:
        """Wait until everything is filled, or nothing more is: an engine that falls behind refuses, by its rules.

        Returns when that was (`time.perf_counter`).
        """
        seen = -1
        while seen < self.filled:
            seen, at_s = self.filled, time.perf_counter()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self.done.wait()
                return time.perf_counter()
            except TimeoutError:
                continue
        return at_s

    def check(self, venue: InstantVenue) -> None:
        """Raise AssertionError unless every order was filled and booked, once."""
        held = self.kernel.core.position(ACCOUNT, market.BTC.id)
        if self.filled != len(venue.sent) or held != venue.position:
            raise AssertionError(
                f"{len(venue.sent)} orders were filled to {venue.position}, {self.filled} fills were booked to {held}"
            )

    async def start(self) -> asyncio.Task[None]:
        """Begin a run; returns when the strategy is running."""
        engine = asyncio.create_task(self.loop.run())
        self.loop.put(
            EngineStarted(
                installation="be9c40", epoch=1, build="b", lock_hash="", settings_hash="", settings=self.settings
            )
        )
        (spec,) = self.settings.strategies
        self.loop.put(CommandReceived(actor=SYSTEM, command=LoadStrategy(spec=spec), request_id="load"))
        await self.ready.wait()
        await asyncio.sleep(0.2)
        return engine


def quote() -> Bbo:
    """The market, which does not move."""
    return Bbo(instrument=market.BTC.id, bid=500_000, bid_qty=5_000, ask=500_001, ask_qty=5_000)


@contextmanager
def journal_of(kind: str) -> Iterator[Journal | None]:
    """No journal, or one in a folder that goes away, without or with fsync."""
    if kind == "none":
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="moondev-bench-") as folder:
        journal = FileJournal(Path(folder), fsync=kind == "fsync")
        try:
            yield journal
        finally:
            journal.close()


JOURNALS = {
    "none": "no journal",
    "nosync": "journaled before sent, fsync off",
    "fsync": "journaled before sent, fsync on",
}


def run(count: int, burst: int) -> list[Row]:
    """Latency over `count` quotes a millisecond apart, and a burst of `burst`, for each kind of journal."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    rows: list[Row] = []
    for kind, name in JOURNALS.items():
        few = count if kind != "fsync" else max(50, count // 5)
        with journal_of(kind) as journal:
            taken, _ = asyncio.run(session(journal, few, burst=False))
        p50, p99 = percentiles(taken[few // 25 :])
        rules = f"{name}; {RULES}; {few} quotes 1 ms apart"
        rows.append(Row(case=f"tick to venue p50, {name}", value=p50 / 1e3, unit="us", rules=rules))
        rows.append(Row(case=f"tick to venue p99, {name}", value=p99 / 1e3, unit="us", rules=rules))
    for kind, name in JOURNALS.items():
        with journal_of(kind) as journal:
            taken, took_s = asyncio.run(session(journal, burst, burst=True))
        rules = f"{name}; {RULES}; quote to booked fill, {len(taken)} orders"
        rows.append(Row(case=f"burst, {name}", value=len(taken) / took_s, unit="orders/s", rules=rules))
    return rows


def percentiles(values: list[int]) -> tuple[int, int]:
    """p50 and p99."""
    values = sorted(values)
    return values[len(values) // 2], values[min(len(values) - 1, len(values) * 99 // 100)]


async def session(journal: Journal | None, count: int, *, burst: bool) -> tuple[list[int], float]:
    """Push `count` quotes; returns tick to venue (ns) of those that became orders, and the seconds of the whole."""
    live = LiveEngine(journal, count)
    venue = InstantVenue(live.loop.put)
    live.send = venue.send
    engine = await live.start()
    pushed: list[tuple[Bbo, int]] = []
    began = time.perf_counter()
    for number in range(count):
        tick = quote()
        pushed.append((tick, _now()))
        live.loop.put(tick)
        if not burst:
            await asyncio.sleep(GAP_S)
        elif number % RUN == 0:
            await live.drained()
    took_s = await live.settled() - began
    engine.cancel()
    await asyncio.gather(engine, return_exceptions=True)
    live.check(venue)
    return [venue.sent[tick.seq] - at_ns for tick, at_ns in pushed if tick.seq in venue.sent], took_s
