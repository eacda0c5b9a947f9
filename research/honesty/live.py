"""The live parts (loop, paper venue, conflator, tape feed) on an event loop whose time is virtual and exact.

Time jumps to the next timer when nothing is left to run. `quiet_until` wakes its caller at a time when everything
else of that instant is done, in order of rank: so the market comes last, as in the backtest's driver.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from domain.account import venue_of
from domain.commands import Actor, Door, LoadStrategy
from domain.events import CommandReceived, EngineStarted, History
from domain.facts import EquitySampled, Fact, FillBooked, StrategyChanged, StrategyStatus
from domain.market import Bar, Feed, FeedKind, FeedStatus, MarketEvent
from domain.order import Amend, Cancel, ClientId, Intent, Place
from domain.settings import Settings, StrategySpec
from engine.core.core import AnyStrategy, Core
from engine.core.journal.memory import MemoryJournal
from engine.core.kernel import Kernel
from engine.core.loop import EngineLoop
from engine.core.state import State
from engine.data.conflate import Conflator
from engine.data.tape import TapeFeed
from exchanges.paper.exchange import PaperExchange
from exchanges.paper.venue import PaperVenue
from research.compiled import FLUSH_NS, Pacing
from research.driver import LEAD_NS
from research.venues import PaperVenues

FLUSH, MARKET = 0, 1
GRAIN = 1e-9


class VirtualLoop(asyncio.base_events.BaseEventLoop):
    """No I/O, and a clock in whole nanoseconds; also a `Clock`."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, start_ns: int) -> None:
        """Time stands at `start_ns`."""
        super().__init__()
        self.start_ns = self.ns = start_ns
        self._quiet: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ns(self) -> int:
        """The time now."""
        return self.ns

    def time(self) -> float:
        """Seconds since the start, as asyncio wants them."""
        return (self.ns - self.start_ns) * GRAIN

    def quiet_until(self, ts_ns: int, rank: int) -> asyncio.Future[None]:
        """Done at a time, when everything else of that instant is; lower ranks first."""
        future: asyncio.Future[None] = self.create_future()
        heapq.heappush(self._quiet, (ts_ns, rank, future))
        return future

    def _at_ns(self, handle: asyncio.TimerHandle) -> int:
        return self.start_ns + round(handle.when() / GRAIN)

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)
        while self._quiet and self._quiet[0][2].cancelled():
            heapq.heappop(self._quiet)
        if not ready:
            timer_ns = self._at_ns(scheduled[0]) if scheduled else 2**62
            quiet_ns = self._quiet[0][0] if self._quiet else 2**62
            if min(timer_ns, quiet_ns) == 2**62:
                raise AssertionError("nothing is left to run, for ever")
            self.ns = max(self.ns, min(timer_ns, quiet_ns))
            if quiet_ns < timer_ns:
                heapq.heappop(self._quiet)[2].set_result(None)
        while scheduled and self._at_ns(scheduled[0]) <= self.ns:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio's own bookkeeping
            if not timer.cancelled():
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001 - as asyncio's own loop does

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """The loop never sleeps."""


class LivePaper:
    """What `moondev run` wires, around a recorded tape: everything real but time.

    Each exchange is a venue of its own. `history` has the bars that warm up a strategy, by its id.
    """

    def __init__(
        self,
        settings: Settings,
        exchange: PaperExchange | PaperVenues,
        make_code: Callable[[StrategySpec], AnyStrategy],
        *,
        pacing: Pacing | None,
        history: Mapping[str, Sequence[Bar]] | None = None,
    ) -> None:
        """Nothing happens before `run`."""
        self.settings, self.make_code = settings, make_code
        self.exchanges = tuple(exchange.exchanges.values()) if isinstance(exchange, PaperVenues) else (exchange,)
        self.pacing, self.history = pacing or Pacing(conflate_ns=0), dict(history or {})
        self.fills: list[FillBooked] = []
        self.equity: list[EquitySampled] = []
        self.effects: list[tuple[Any, ...]] = []
        self.core = Core(State())

    def run(self, tape: Iterable[MarketEvent], first_ns: int, feeds: Sequence[Feed]) -> None:
        """Play a tape whose first event is at `first_ns`; returns when it has ended."""
        self.first_ns = first_ns
        warm_ns = max([bar.ts_ns for bars in self.history.values() for bar in bars[-1:]], default=0)
        clock = VirtualLoop(max(first_ns - LEAD_NS, warm_ns))
        try:
            clock.run_until_complete(self._run(clock, tape, feeds))
        finally:
            clock.close()

    async def _run(self, clock: VirtualLoop, tape: Iterable[MarketEvent], feeds: Sequence[Feed]) -> None:
        core = self.core
        core.make_code = self.make_code
        venues = {exchange.config.venue: PaperVenue(exchange, clock) for exchange in self.exchanges}
        kernel = Kernel(core, MemoryJournal(), send=self._tee(clock, venues), publish=self._publish)
        self.loop = loop = EngineLoop(kernel, clock)
        self.conflator = Conflator(loop.put, self.pacing.conflate_ns)
        engine = asyncio.create_task(loop.run())
        loop.put(
            EngineStarted(installation="bt", epoch=1, build="b", lock_hash="", settings_hash="", settings=self.settings)
        )
        for venue in venues.values():
            await venue.start(loop.put)
        while not (  # noqa: ASYNC110 - the core has no asyncio in it
            core.state.accounts and all(a.reconciled for a in core.state.accounts.values())
        ):
            await asyncio.sleep(0.01)
        for number, spec in enumerate(self.settings.strategies):
            actor = Actor(person="", door=Door.SYSTEM)
            loop.put(CommandReceived(actor=actor, command=LoadStrategy(spec=spec), request_id=f"settings:{number}"))
        await self._play(clock, venues, tape, feeds)
        engine.cancel()
        with suppress(asyncio.CancelledError):
            await engine
        for venue in venues.values():
            await venue.aclose()

    async def _play(
        self, clock: VirtualLoop, venues: dict[str, PaperVenue], tape: Iterable[MarketEvent], feeds: Sequence[Feed]
    ) -> None:
        """The feed pushes an event and waits until it was delivered, which is at the event's own time."""
        waiting: list[MarketEvent] = []
        at = {instrument.id: venues[instrument.venue] for instrument in self.settings.instruments}

        async def deliver() -> None:
            await clock.quiet_until(waiting[0].ts_ns, MARKET)
            event = waiting.pop()
            at[event.instrument].on_market(event)
            if type(event) in self.pacing.passes:
                self.conflator.put(event)

        def sink(event: MarketEvent | FeedStatus) -> None:
            if not isinstance(event, FeedStatus):
                waiting.append(event)

        feed = TapeFeed(tape, self.settings.instruments, drained=deliver)
        flusher = asyncio.create_task(self._flush(clock))
        await feed.start(sink, feeds)
        await feed.finished.wait()
        await clock.quiet_until(clock.now_ns(), MARKET)
        flusher.cancel()
        await feed.aclose()

    async def _flush(self, clock: VirtualLoop) -> None:
        due_ns = self.first_ns
        while self.pacing.conflate_ns:
            due_ns += FLUSH_NS
            await clock.quiet_until(due_ns, FLUSH)
            self.conflator.flush(due_ns)

    def _tee(self, clock: VirtualLoop, venues: dict[str, PaperVenue]) -> Callable[[Sequence[Intent]], None]:
        names: dict[ClientId, int] = {}

        def tee(intents: Sequence[Intent]) -> None:
            for intent in intents:
                if isinstance(intent, Place | Amend | Cancel):
                    self.effects.append((clock.now_ns(), *described(intent, names)))
            for name, venue in venues.items():
                if mine := [intent for intent in intents if venue_of(intent.account) == name]:
                    venue.send(mine)

        return tee

    def _publish(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if isinstance(fact, FillBooked):
                self.fills.append(fact)
            elif isinstance(fact, EquitySampled):
                self.equity.append(fact)
            elif isinstance(fact, StrategyChanged) and fact.status is StrategyStatus.WARMING:
                bars = tuple(self.history.get(fact.strategy, ()))
                self.loop.put(History(strategy=fact.strategy, bars=bars, complete=True))


def described(intent: Place | Amend | Cancel, names: dict[ClientId, int]) -> tuple[Any, ...]:
    """An intent without what depends on the numbering of events: client ids become ordinals."""
    number = names.setdefault(intent.cid, len(names))
    if isinstance(intent, Place):
        return ("place", number, intent.side, intent.kind, intent.qty, intent.price, intent.trigger, intent.reduce_only)
    if isinstance(intent, Amend):
        return ("amend", number, intent.price, intent.qty, intent.trigger)
    return ("cancel", number)


def every_feed(instrument: str, interval_ns: int) -> list[Feed]:
    """All there is of an instrument, bars of one interval."""
    kinds = [kind for kind in FeedKind if kind is not FeedKind.BAR or interval_ns]
    return [
        Feed(kind=kind, instrument=instrument, interval_ns=interval_ns if kind is FeedKind.BAR else 0) for kind in kinds
    ]
