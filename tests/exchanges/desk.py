"""Short ways to trade at a venue and to hear what it says."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from domain.events import VenueEvent
from domain.instrument import Instrument
from domain.order import Amend, Cancel, Intent, OrderKind, Place, Query, RequestSnapshot
from domain.ports import Venue
from domain.venue import BudgetLeft

T = TypeVar("T")
V = TypeVar("V", bound=Venue)


class WallClock:
    """The machine's time, and `off_ns` beside it."""

    off_ns = 0

    def now_ns(self) -> int:
        return time.time_ns() + self.off_ns


class Desk(Generic[V]):
    """Sends intents through a venue and waits for its words."""

    def __init__(self, venue: V, account: str, instrument: Instrument) -> None:
        self.venue = venue
        self.account = account
        self.instrument = instrument
        self.heard: list[VenueEvent] = []
        self.budgets: list[BudgetLeft] = []
        """What is said of no order and whenever it changes, so that it is not counted among `heard`."""
        self.on_event: Callable[[VenueEvent], None] | None = None
        self._more = asyncio.Event()
        self._number = 0

    def sink(self, event: VenueEvent) -> None:
        if self.on_event is not None:
            self.on_event(event)
            return
        if isinstance(event, BudgetLeft):
            self.budgets.append(event)
        else:
            self.heard.append(event)
        self._more.set()

    def of(self, kind: type[T], cid: str = "") -> list[T]:
        return [event for event in self.heard if isinstance(event, kind) and cid in {"", getattr(event, "cid", "")}]

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._more.clear()
                await self._more.wait()

    async def hears(self, kind: type[T], cid: str = "", count: int = 1) -> T:
        """The `count`-th event of a kind (about an order)."""
        await self.until(lambda: len(self.of(kind, cid)) >= count)
        return self.of(kind, cid)[count - 1]

    async def asks(self, question: Query | RequestSnapshot, kind: type[T], cid: str = "") -> T:
        """The answer to a question. One that took too long is lost: it is asked again, as the engine does."""
        count = len(self.of(kind, cid)) + 1
        async with asyncio.timeout(10.0):
            while len(self.of(kind, cid)) < count:
                self.send(question)
                with contextlib.suppress(TimeoutError):
                    await self.until(lambda: len(self.of(kind, cid)) >= count, seconds=2.0)
        return self.of(kind, cid)[count - 1]

    def place(self, side: int, price: str, size: str = "0.01", kind: OrderKind = OrderKind.LIMIT, **more: Any) -> Place:
        self._number += 1
        terms: dict[str, Any] = {
            "cid": f"a1b2c3-1-{self._number:x}-0",
            "account": self.account,
            "instrument": self.instrument.id,
            "side": side,
            "kind": kind,
            "qty": self.instrument.qty(size),
            "price": self.instrument.price(price),
            "valid_until_ns": time.time_ns() + 30_000_000_000,
            **more,
        }
        return Place(**terms)

    def amend(self, place: Place, price: str, size: str, number: int = 1) -> Amend:
        return Amend(
            cid=place.cid,
            account=self.account,
            instrument=self.instrument.id,
            price=self.instrument.price(price),
            qty=self.instrument.qty(size),
            amend_no=number,
            valid_until_ns=time.time_ns() + 30_000_000_000,
        )

    def cancel(self, place: Place) -> Cancel:
        return Cancel(cid=place.cid, account=self.account, instrument=self.instrument.id)

    def query(self, place: Place) -> Query:
        return Query(cid=place.cid, account=self.account, instrument=self.instrument.id)

    def snapshot(self) -> RequestSnapshot:
        return RequestSnapshot(account=self.account)

    def send(self, *intents: Intent) -> None:
        self.venue.send(intents)
