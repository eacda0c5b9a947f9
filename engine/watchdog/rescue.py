"""At one venue, without an engine: cancel every order that does not protect, and close what is held if that is asked.

The venue's own word is asked for again and again until nothing is left to do; nothing here is believed to have worked
because it was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Filled, OpenOrder, Rejected, SendFailed, VenueEvent, VenueSnapshot
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.market import Bbo, Book, Feed, FeedKind, FeedStatus, MarketEvent
from domain.order import Cancel, ClientId, Intent, OrderKind, Place, RequestSnapshot
from domain.ports import Clock, MarketFeed, Venue

ROUNDS = 10
PAUSE_S, PAUSE_LONGEST_S = 0.3, 5.0
"""Between rounds, doubled each time: the venue's limits hold for a watchdog too."""
ANSWER_WITHIN_S = 5.0
VALID_NS = 5_000_000_000
WORST_PRICE = 0.03
"""A closing order pays at most this fraction more than the touch; what is left is tried again at the next touch."""


class Patient(Struct, frozen=True, kw_only=True):
    """One venue to look after; both openers make a thing that is not started."""

    name: str
    accounts: Sequence[AccountId]
    instruments: Sequence[Instrument]
    open_venue: Callable[[], Venue]
    open_feed: Callable[[], MarketFeed]


class Done(Struct):
    """What was done there. `problem` = what is left, or why nothing could be done; "" = all is as it should be."""

    cancelled: int = 0
    kept: int = 0
    closed: int = 0
    problem: str = ""

    def text(self, name: str) -> str:
        """In words."""
        said = f"{name}: {self.cancelled} order(s) cancelled, {self.kept} that protect kept"
        said += f", {self.closed} position(s) closed" if self.closed else ""
        return f"{said}; {self.problem}" if self.problem else said


class Rescuer:
    """Looks after one patient. `next_cid` derives and journals the id of an order before it is sent."""

    def __init__(
        self,
        patient: Patient,
        clock: Clock,
        next_cid: Callable[[Place], ClientId],
        *,
        flatten: bool,
        settle_s: float = 0.0,
    ) -> None:
        """Nothing is opened yet. After `settle_s` it looks again, for what was still on its way to the venue."""
        self._patient = patient
        self._clock = clock
        self._next_cid = next_cid
        self._flatten = flatten
        self._settle_s = settle_s
        self._instruments = {i.id: i for i in patient.instruments}
        self._heard: dict[AccountId, VenueSnapshot] = {}
        self._touch: dict[InstrumentId, tuple[int, int]] = {}
        self._news = asyncio.Event()
        self._cancelled: set[ClientId] = set()
        self._held: set[tuple[AccountId, InstrumentId]] = set()
        self._trouble = ""
        self.done = Done()

    async def run(self) -> Done:
        """Do what is needed; what goes wrong is in `Done.problem`. Raises what the venue's `start` raises."""
        venue = self._patient.open_venue()
        feed = self._patient.open_feed() if self._flatten else None
        try:
            await venue.start(self._hear)
            if feed is not None:
                kinds = (FeedKind.BBO, FeedKind.BOOK)
                await feed.start(
                    self._see, [Feed(kind=kind, instrument=i) for i in self._instruments for kind in kinds]
                )
            await self._rounds(venue)
            if self._settle_s:
                await asyncio.sleep(self._settle_s)
                await self._rounds(venue)
        finally:
            await venue.aclose()
            if feed is not None:
                await feed.aclose()
        return self.done

    async def _rounds(self, venue: Venue) -> None:
        """Until nothing is left to do, or patience is over."""
        pause_s = PAUSE_S
        for _ in range(ROUNDS):
            if await self._round(venue):
                break
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_LONGEST_S)

    async def _round(self, venue: Venue) -> bool:
        """Ask every account, and act on the answers; True when there was nothing left to do."""
        todo: list[Intent] = []
        held: set[tuple[AccountId, InstrumentId]] = set()
        kept = 0
        for account in self._patient.accounts:
            snapshot = await self._ask(venue, account)
            if snapshot is None:
                self.done.problem = f"{account} did not answer"
                return False
            positions = {position.instrument: position.qty for position in snapshot.positions if position.qty}
            held |= {(account, instrument) for instrument in positions}
            if self._flatten:
                todo += self._closing(account, positions)
            for order in snapshot.orders:
                guards = order.reduce_only and (order.instrument in positions or not self._flatten)
                kept += guards
                if not guards:
                    todo.append(self._cancel(account, order))
        self._held |= held
        done = self.done
        done.kept, done.cancelled, done.closed = kept, len(self._cancelled), len(self._held - held)
        left = [f"{instrument} of {account} is still held" for account, instrument in sorted(held) if self._flatten]
        if not todo and not left:
            done.problem = ""
            return True
        done.problem = ", ".join([*left, f"{len(todo)} request(s) under way", *filter(None, [self._trouble])])
        venue.send(todo)
        return False

    async def _ask(self, venue: Venue, account: AccountId) -> VenueSnapshot | None:
        self._heard.pop(account, None)
        venue.send([RequestSnapshot(account=account)])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while account not in self._heard:
                    self._news.clear()
                    await self._news.wait()
        return self._heard.get(account)

    def _cancel(self, account: AccountId, order: OpenOrder) -> Cancel:
        self._cancelled.add(order.cid)
        return Cancel(cid=order.cid, account=account, instrument=order.instrument, venue_id=order.venue_id)

    def _closing(self, account: AccountId, positions: dict[InstrumentId, int]) -> list[Place]:
        """A reduce-only order for each position whose price is known."""
        orders = []
        for name, qty in positions.items():
            instrument, touch = self._instruments.get(name), self._touch.get(name)
            if instrument is None or touch is None:
                self._trouble = f"no price of {name} yet"
                continue
            side = -1 if qty > 0 else 1
            near = touch[1] if side > 0 else touch[0]
            place = Place(
                cid="",
                account=account,
                instrument=name,
                side=side,
                kind=OrderKind.IOC,
                qty=min(abs(qty), instrument.max_qty or abs(qty)),
                price=instrument.round_price(near * (1 + side * WORST_PRICE) / instrument.price_scale, side),
                reduce_only=True,
                adds_risk=False,
                valid_until_ns=self._clock.now_ns() + VALID_NS,
            )
            orders.append(replace(place, cid=self._next_cid(place)))
        return orders

    def _hear(self, event: VenueEvent) -> None:
        if isinstance(event, VenueSnapshot):
            self._heard[event.account] = event
            self._news.set()
        elif isinstance(event, Rejected | SendFailed):
            self._trouble = event.text
        elif isinstance(event, Filled):
            self._trouble = ""

    def _see(self, event: MarketEvent | FeedStatus) -> None:
        if isinstance(event, Bbo):
            self._touch[event.instrument] = (event.bid, event.ask)
        elif isinstance(event, Book) and event.bids and event.asks:
            self._touch[event.instrument] = (event.bids[0][0], event.asks[0][0])
