"""All venues of one engine: intents go to the venue of their account, and none of them can hold up the others.

    engine ── send ──▶ VenueRouter ──┬─▶ PaperVenue PAPER  matches on our own feed; there may be several
             inbox ◀── sink ─────────┼─▶ Line HYPERLIQUID  opened by `Line.open`, again and again until it is there
                                     └─▶ Line BINANCE ...

A venue that cannot start (unreachable, wrong key, wrong network) is said to be disconnected, with the reason, and tried
again. Until it has answered, its accounts are not reconciled, so nothing that adds risk is sent there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from domain.account import is_paper
from domain.errors import MoonDevError
from domain.events import (
    AmendRejected,
    Cancelled,
    CancelRejected,
    Event,
    SendDropped,
    SendFailed,
    VenueEvent,
    VenueOpened,
    VenueSnapshot,
    VenueStatus,
)
from domain.instrument import AccountId, Instrument
from domain.market import FeedStatus, MarketEvent
from domain.order import Amend, ClientId, Intent, Place, RequestSnapshot
from domain.ports import Clock, MatchingVenue, Shown, Venue, VenueCaps
from domain.settings import Settings
from domain.verdict import Reason
from domain.views import VenueView
from engine.clock import WallClock
from engine.core.state import State

log = logging.getLogger(__name__)

Sink = Callable[[Event], None]
Opener = Callable[[Clock], Venue]
START_WITHIN_S = 30.0
RETRY_S, RETRY_LONGEST_S = 2.0, 60.0
ANSWER_WITHIN_S = 5.0
RESCUE_WITHIN_S = 10.0
OVERLAP_NS = 60_000_000_000
"""How far before its last snapshot an account is read again: what the venue's readers learn late is not lost."""


class Line(Struct):
    """The way to one real venue. `open` makes it anew, not started; it raises what is wrong with keys or settings."""

    name: str
    network: str
    accounts: Sequence[AccountId]
    open: Opener
    venue: Venue | None = None
    connected: bool = False
    detail: str = ""
    told: VenueCaps | None = None
    """What the engine knows that it can do."""

    def view(self) -> VenueView:
        """How it is, with its limits where it tells of them."""
        venue: object = self.venue
        if isinstance(venue, Shown) and self.connected:
            return replace(venue.view(), network=self.network)
        return VenueView(venue=self.name, network=self.network, connected=self.connected, detail=self.detail)


class VenueRouter:
    """Trades through the paper venues, where there are any, and the venues of `lines`."""

    def __init__(self, clock: Clock, papers: Sequence[MatchingVenue], lines: Sequence[Line] = ()) -> None:
        self._clock = clock
        self._papers = {paper.name: paper for paper in papers}
        self._lines = {line.name: line for line in lines}
        self._sink: Sink | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._snapshots: dict[AccountId, asyncio.Future[list[ClientId]]] = {}
        self.sealed = False
        """Locked down: what may add risk reaches no venue, and no signer, whatever asks for it."""

    async def start(self, sink: Sink) -> None:
        """Open every venue; those that cannot be opened now are tried again until `aclose`."""
        self._sink = sink
        for name, paper in self._papers.items():
            sink(VenueOpened(venue=name, caps=paper.caps))
            await paper.start(sink)
        lines = list(self._lines.values())
        is_open = await asyncio.gather(*(self._open(line) for line in lines))
        closed = [line for line, there in zip(lines, is_open, strict=True) if not there]
        self._tasks = [asyncio.create_task(self._open_later(line), name=f"venue {line.name}") for line in closed]

    def send(self, intents: Sequence[Intent]) -> None:
        """Hand each intent to the venue of its account. One that is not open: a new order is `SendFailed`."""
        if self.sealed:
            intents = self._unsealed(intents)
        for name, batch in by_venue(intents).items():
            line, paper = self._lines.get(name), self._papers.get(name)
            if paper is not None:
                paper.send(batch)
            elif line is not None and line.venue is not None:
                line.venue.send(batch)
            else:
                self._refuse(name, batch)

    def _unsealed(self, intents: Sequence[Intent]) -> list[Intent]:
        """What lowers risk; the rest is dropped, and told."""
        for intent in intents:
            if isinstance(intent, Place) and intent.adds_risk:
                self._tell(SendDropped(cid=intent.cid, reason=Reason.LOCKED_DOWN))
            elif isinstance(intent, Amend) and intent.adds_risk:
                self._tell(AmendRejected(cid=intent.cid, amend_no=intent.amend_no, text=Reason.LOCKED_DOWN.words))
        return [intent for intent in intents if not intent.adds_risk]

    def send_from_thread(self, intents: Sequence[Intent]) -> None:
        """Send cancels from the watchdog's thread while the loop is stuck: over connections of their own."""
        real = []
        for name, batch in by_venue(intents).items():
            if name in self._lines:
                real.append((self._lines[name], batch))
            elif name in self._papers:
                self._papers[name].send_from_thread(batch)
        if real:
            asyncio.run(rescue(real))

    def on_market(self, event: MarketEvent | FeedStatus) -> None:
        """One unconflated event of any feed; a paper venue matches on those of its own instruments."""
        of = event.venue if isinstance(event, FeedStatus) else event.instrument.rpartition(".")[2]
        if of in self._papers:
            self._papers[of].on_market(event)
        elif not of:
            for paper in self._papers.values():
                paper.on_market(event)

    async def client_ids(self) -> Sequence[ClientId]:
        """Client ids of the orders that the venues know of: asked after `start`, before the first event of a run."""
        found = [cid for paper in self._papers.values() for cid in paper.client_ids()]
        for line in self._lines.values():
            if line.venue is not None:
                asked = {account: asyncio.get_running_loop().create_future() for account in line.accounts}
                self._snapshots.update(asked)
                line.venue.send([RequestSnapshot(account=account) for account in line.accounts])
        waiting = list(self._snapshots.values())
        if waiting:
            done, _ = await asyncio.wait(waiting, timeout=ANSWER_WITHIN_S)
            found += [cid for answer in done for cid in answer.result()]
        self._snapshots = {}
        return found

    def views(self) -> tuple[VenueView, ...]:
        """Each real venue: network, connection, limits."""
        return tuple(line.view() for line in self._lines.values())

    async def aclose(self) -> None:
        """Disconnect everywhere; orders stay as they are."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        venues = [line.venue for line in self._lines.values() if line.venue is not None]
        for closed in await asyncio.gather(*(venue.aclose() for venue in venues), return_exceptions=True):
            if isinstance(closed, BaseException):
                log.error("a venue could not be closed: %r", closed)
        for paper in self._papers.values():
            await paper.aclose()
        self._sink = None

    def reopen(self, name: str) -> None:
        """Close a real venue and open it anew, with the keys as they are now; orders stay as they are there."""
        line = self._lines.get(name)
        if line is not None and line.venue is not None:
            self._tasks.append(asyncio.create_task(self._reopened(line), name=f"venue {name}"))

    # opening

    async def _reopened(self, line: Line) -> None:
        await self._closed(line, "it is opened anew with another key")
        if not await self._open(line):
            await self._open_later(line)

    async def _open(self, line: Line) -> bool:
        """Try once; False and told when it cannot be opened."""
        try:
            async with asyncio.timeout(START_WITHIN_S):
                # the engine answers the first word of a venue at once, so it is there before it is started
                line.venue = line.open(self._clock)
                self._tell_caps(line, line.venue)
                await line.venue.start(partial(self._hear, line))
        except TimeoutError:
            await self._closed(line, f"it did not start within {START_WITHIN_S:g} s")
        except (MoonDevError, OSError) as error:
            await self._closed(line, str(error))
        except Exception as error:
            log.exception("the venue %s failed to start", line.name)
            await self._closed(line, f"an error of ours: {type(error).__name__}: {error}")
        else:
            return True
        return False

    async def _closed(self, line: Line, problem: str) -> None:
        venue, line.venue = line.venue, None
        if venue is not None:
            with contextlib.suppress(Exception):
                await venue.aclose()
        if problem != line.detail:
            detail = f"{problem} (it is tried again)"
            self._tell(VenueStatus(venue=line.name, connected=False, detail=detail))
        line.connected, line.detail = False, problem

    async def _open_later(self, line: Line) -> None:
        pause_s = RETRY_S
        while True:
            await asyncio.sleep(pause_s)
            if await self._open(line):
                return
            pause_s = min(2 * pause_s, RETRY_LONGEST_S)

    # what venues say

    def _hear(self, line: Line, event: VenueEvent) -> None:
        if isinstance(event, VenueStatus):
            line.connected, line.detail = event.connected, "" if event.connected else event.detail
            if line.venue is not None and line.venue.caps != line.told:
                self._tell_caps(line, line.venue)
        elif isinstance(event, VenueSnapshot):
            waiting = self._snapshots.get(event.account)
            if waiting is not None and not waiting.done():
                waiting.set_result([*(order.cid for order in event.orders), *(fill.cid for fill in event.fills)])
        self._tell(event)

    def _tell_caps(self, line: Line, venue: Venue) -> None:
        """What the venue can do; some of it only the venue itself can say, once it is reached."""
        line.told = venue.caps
        self._tell(VenueOpened(venue=line.name, caps=venue.caps))

    def _tell(self, event: Event) -> None:
        if self._sink is not None:
            self._sink(event)

    def _refuse(self, name: str, intents: Sequence[Intent]) -> None:
        """Of a venue that is not open nothing but new orders is answered: whatever else is asked again."""
        for intent in intents:
            if isinstance(intent, Place):
                self._tell(SendFailed(cid=intent.cid, text=f"{name} is not connected"))


def paper_contracts(settings: Settings) -> dict[str, list[Instrument]]:
    """The contracts of each paper venue."""
    found: dict[str, list[Instrument]] = {}
    for instrument in settings.instruments:
        if is_paper(instrument.venue):
            found.setdefault(instrument.venue, []).append(instrument)
    return found


def since_ns(state: State, accounts: Sequence[AccountId]) -> dict[AccountId, int]:
    """Of the accounts in force: up to when, by the venue's clock, their fills and funding are known; 0 = not at all."""
    in_force = {spec.id for spec in state.settings.accounts} or set(accounts)
    known = {name: state.accounts[name].venue_ts_ns for name in accounts if name in state.accounts}
    return {name: max(0, known.get(name, 0) - OVERLAP_NS) for name in accounts if name in in_force}


def by_venue(intents: Sequence[Intent]) -> dict[str, list[Intent]]:
    """Intents by the venue of their account, in order."""
    found: dict[str, list[Intent]] = {}
    for intent in intents:
        found.setdefault(intent.account.partition(":")[0], []).append(intent)
    return found


async def rescue(real: Sequence[tuple[Line, Sequence[Intent]]]) -> None:
    """Open the venues once more, on whatever loop this runs, and cancel; what goes wrong is logged."""
    outcomes = await asyncio.gather(*(_cancel_at(line, batch) for line, batch in real), return_exceptions=True)
    for (line, _), outcome in zip(real, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            log.critical("orders at %s could not be cancelled by the watchdog: %r", line.name, outcome)


async def _cancel_at(line: Line, cancels: Sequence[Intent]) -> None:
    waiting = {getattr(cancel, "cid", "") for cancel in cancels}
    done = asyncio.Event()

    def hear(event: VenueEvent) -> None:
        if isinstance(event, Cancelled | CancelRejected):
            waiting.discard(event.cid)
            if not waiting:
                done.set()

    venue = line.open(WallClock())
    try:
        async with asyncio.timeout(RESCUE_WITHIN_S):
            await venue.start(hear)
            venue.send(cancels)
            await done.wait()
    finally:
        await venue.aclose()
