"""A local Hyperliquid with a trader's orders and position, and what the watchdog needs to look after them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from domain.events import Accepted, Filled, VenueSnapshot
from domain.order import SELL, OrderKind
from domain.ports import MarketFeed, Venue
from domain.settings import AccountSpec, Settings
from engine.watchdog.folder import Folder, Guarded
from engine.watchdog.heart import Heart, Known
from engine.watchdog.rescue import Patient
from exchanges.hyperliquid.open import open_feed, open_venue
from exchanges.hyperliquid.signing import LocalSigner
from exchanges.shared.setup import LOCAL, VenueAccount, VenueSetup
from tests.exchanges.desk import WallClock
from tests.exchanges.hyperliquid.desk import ACCOUNT, BTC, Trader, trading
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY, MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

CLOCK = WallClock()
SETTINGS = Settings(instruments=(BTC,), accounts=(AccountSpec(id=ACCOUNT),))


def patient(server: ExchangeServer) -> Patient:
    """The venue as the watchdog opens it: through the factories that every venue has."""
    account = VenueAccount(id=ACCOUNT, address=MASTER, key="agent")
    setup = VenueSetup(
        venue="HYPERLIQUID", network=LOCAL, base_url=server.url, accounts=(account,), connect_timeout_s=2.0
    )
    signer = LocalSigner({"agent": AGENT_KEY})

    def venue() -> Venue:
        return open_venue(setup, CLOCK, signer, [BTC])

    def feed() -> MarketFeed:
        return open_feed(setup, CLOCK, [BTC])

    return Patient(name="HYPERLIQUID", accounts=[ACCOUNT], instruments=[BTC], open_venue=venue, open_feed=feed)


def only(server: ExchangeServer, guarded: Guarded) -> Sequence[Patient]:
    """What there is to guard, as `main` would find it."""
    assert guarded.accounts == (ACCOUNT,)
    return [patient(server)]


@asynccontextmanager
async def ward() -> AsyncIterator[tuple[ExchangeServer, Trader]]:
    """A trader holds 0.05 BTC with a stop, and has an entry and a quote in the book."""
    async with trading() as (server, desk):
        bought = desk.place(1, "50010", "0.05", OrderKind.IOC)
        desk.send(bought)
        await desk.hears(Filled, bought.cid)
        guard = desk.place(SELL, "0", "0.05", OrderKind.STOP, trigger=BTC.price("45000"), reduce_only=True)
        resting = [desk.place(1, "49000"), desk.place(SELL, "51000"), guard]
        desk.send(*resting)
        for place in resting:
            await desk.hears(Accepted, place.cid)
        yield server, desk


async def books(desk: Trader) -> VenueSnapshot:
    """What the venue says of the account."""
    count = len(desk.of(VenueSnapshot))
    desk.send(desk.snapshot())
    return await desk.hears(VenueSnapshot, count=count + 1)


def beating(data: Path, epoch: int = 3) -> Heart:
    """A run that has begun and beaten once."""
    heart = Heart(Folder(data), lambda: Known(77, epoch, "s", SETTINGS))
    heart.begin("a1b2c3", epoch)
    return heart
