"""A venue at a local Binance."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from exchanges.binance.config import ALLOWED, names_of
from exchanges.binance.open import open_venue
from exchanges.shared.setup import VenueAccount, VenueSetup
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.signing import HmacSigner
from exchanges.viaccxt.venue import CcxtVenue
from tests.exchanges.binance.server import BinanceServer
from tests.exchanges.binance.venue_rules import API_KEY, SECRET
from tests.exchanges.desk import Desk, WallClock

ACCOUNT = "BINANCE:main"
Trader: TypeAlias = Desk[CcxtVenue]


def signer_of(secret: str = SECRET, **more: str) -> HmacSigner:
    return HmacSigner({"binance_secret": secret, **more}, names_of, ALLOWED)


def setup_at(server: BinanceServer, **changes: Any) -> VenueSetup:
    account = VenueAccount(id=ACCOUNT, key="binance_secret", api_key=API_KEY)
    given = {"accounts": (account,), "connect_timeout_s": 5.0, **changes}
    return VenueSetup(venue="BINANCE", network="local", base_url=server.url, **given)


def venue_at(server: BinanceServer, clock: WallClock | None = None, **changes: Any) -> CcxtVenue:
    patience = Patience(
        connect_timeout_s=changes.pop("confirm_within_s", 5.0),
        request_timeout_s=changes.pop("request_timeout_s", 3.0),
        ping_after_s=changes.pop("ping_after_s", 15.0),
        backoff_s=0.02,
        backoff_max_s=0.1,
    )
    signer = changes.pop("signer", signer_of())
    instruments = changes.pop("instruments", server.room.instruments[:1])
    venue = open_venue(setup_at(server, **changes), clock or WallClock(), signer, instruments, patience)
    assert isinstance(venue, CcxtVenue)
    return venue


def desk_at(server: BinanceServer, venue: CcxtVenue) -> Trader:
    return Desk(venue, ACCOUNT, server.room.instruments[0])


@asynccontextmanager
async def trading(cash: str = "100000", **changes: Any) -> AsyncIterator[tuple[BinanceServer, Trader]]:
    """A started venue at a server with a market of 49,990 to 50,010."""
    async with BinanceServer(cash) as server:
        await server.quote("49990", "50010")
        venue = venue_at(server, **changes)
        desk = desk_at(server, venue)
        await venue.start(desk.sink)
        try:
            yield server, desk
        finally:
            await venue.aclose()
