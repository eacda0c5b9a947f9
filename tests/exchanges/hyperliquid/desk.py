"""A venue at a local Hyperliquid, and short ways to trade there and to hear what it says."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from domain.events import VenueEvent
from domain.instrument import Instrument
from domain.order import Amend, Cancel, Intent, OrderKind, Place, Query, RequestSnapshot
from exchanges.hyperliquid.config import HyperliquidAccount, HyperliquidConfig
from exchanges.hyperliquid.info import instrument_of
from exchanges.hyperliquid.signing import LocalSigner
from exchanges.hyperliquid.venue import HyperliquidVenue
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY, ASSETS, MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

ACCOUNT = "HYPERLIQUID:main"
BTC: Instrument = instrument_of(ASSETS[0])
T = TypeVar("T")


class WallClock:
    """The machine's time, and `off_ns` beside it."""

    off_ns = 0

    def now_ns(self) -> int:
        return time.time_ns() + self.off_ns


def config_of(server: ExchangeServer, **changes: Any) -> HyperliquidConfig:
    options = {"ping_after_s": 0.5, "backoff_s": 0.02, "backoff_max_s": 0.1, "connect_timeout_s": 5.0, **changes}
    return HyperliquidConfig(
        ws_url=server.ws_url, api_url=server.url, is_mainnet=False, **{"request_timeout_s": 3.0, **options}
    )


class Desk:
    """Sends intents through a venue and waits for its words."""

    def __init__(self, venue: HyperliquidVenue) -> None:
        self.venue = venue
        self.heard: list[VenueEvent] = []
        self._more = asyncio.Event()
        self._number = 0

    def sink(self, event: VenueEvent) -> None:
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

    def place(self, side: int, price: str, size: str = "0.01", kind: OrderKind = OrderKind.LIMIT, **more: Any) -> Place:
        self._number += 1
        terms: dict[str, Any] = {
            "cid": f"a1b2c3-1-{self._number:x}-0",
            "account": ACCOUNT,
            "instrument": BTC.id,
            "side": side,
            "kind": kind,
            "qty": BTC.qty(size),
            "price": BTC.price(price),
            "valid_until_ns": time.time_ns() + 30_000_000_000,
            **more,
        }
        return Place(**terms)

    def amend(self, place: Place, price: str, size: str, number: int = 1) -> Amend:
        return Amend(
            cid=place.cid,
            account=ACCOUNT,
            instrument=BTC.id,
            price=BTC.price(price),
            qty=BTC.qty(size),
            amend_no=number,
            valid_until_ns=time.time_ns() + 30_000_000_000,
        )

    def cancel(self, place: Place) -> Cancel:
        return Cancel(cid=place.cid, account=ACCOUNT, instrument=BTC.id)

    def query(self, place: Place) -> Query:
        return Query(cid=place.cid, account=ACCOUNT, instrument=BTC.id)

    def snapshot(self) -> RequestSnapshot:
        return RequestSnapshot(account=ACCOUNT)

    def send(self, *intents: Intent) -> None:
        self.venue.send(intents)


def venue_at(server: ExchangeServer, clock: WallClock | None = None, **changes: Any) -> HyperliquidVenue:
    account = HyperliquidAccount(id=ACCOUNT, address=MASTER, key="agent")
    accounts = changes.pop("accounts", [account])
    signer = changes.pop("signer", LocalSigner({"agent": AGENT_KEY}))
    instruments = changes.pop("instruments", [BTC])
    return HyperliquidVenue(
        config_of(server, **changes), clock or WallClock(), signer, accounts, instruments, jitter=lambda: 0.5
    )


@asynccontextmanager
async def trading(cash: str = "100000", **changes: Any) -> AsyncIterator[tuple[ExchangeServer, Desk]]:
    """A started venue at a server with a market of 49,990 to 50,010."""
    async with ExchangeServer(cash) as server:
        await server.quote("49990", "50010")
        venue = venue_at(server, **changes)
        desk = Desk(venue)
        await venue.start(desk.sink)
        try:
            yield server, desk
        finally:
            await venue.aclose()
