"""A venue at a local Bybit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from domain.instrument import Instrument
from exchanges.bybit.config import ALLOWED, names_of
from exchanges.bybit.open import open_venue
from exchanges.shared.setup import LOCAL, VenueAccount, VenueSetup
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.signing import HmacSigner
from exchanges.viaccxt.venue import CcxtVenue
from tests.exchanges.bybit.listing import BTC, KEY, SECRET
from tests.exchanges.bybit.server import Server
from tests.exchanges.desk import Desk, WallClock

ACCOUNT = "BYBIT:main"
Trader: TypeAlias = Desk[CcxtVenue]


def setup_at(server: Server, **changes: Any) -> VenueSetup:
    account = VenueAccount(id=ACCOUNT, api_key=KEY, key="bybit_secret")
    return VenueSetup(**{
        "venue": "BYBIT", "network": LOCAL, "base_url": server.url, "accounts": (account,),
        "instruments": (BTC.id,), **changes,
    })  # fmt: skip


def signer_of(**secrets: str) -> HmacSigner:
    return HmacSigner(secrets or {"bybit_secret": SECRET}, names_of, ALLOWED)


def venue_at(server: Server, clock: WallClock | None = None, **changes: Any) -> CcxtVenue:
    patience = Patience(
        connect_timeout_s=changes.pop("connect_timeout_s", 5.0), backoff_s=0.02, backoff_max_s=0.1,
        request_timeout_s=changes.pop("request_timeout_s", 3.0), ping_after_s=0.5,
    )  # fmt: skip
    signer = changes.pop("signer", None) or signer_of()
    instruments: list[Instrument] = changes.pop("contracts", [BTC])
    venue = open_venue(setup_at(server, **changes), clock or WallClock(), signer, instruments, patience)
    assert isinstance(venue, CcxtVenue)
    return venue


def desk_at(venue: CcxtVenue) -> Trader:
    return Desk(venue, ACCOUNT, BTC)


@asynccontextmanager
async def trading(server: Server | None = None, **changes: Any) -> AsyncIterator[tuple[Server, Trader]]:
    """A started venue at a server with a market of 49,990 to 50,010."""
    async with server or Server() as opened:
        await opened.quote("49990", "50010")
        venue = venue_at(opened, **changes)
        desk = desk_at(venue)
        await venue.start(desk.sink)
        try:
            yield opened, desk
        finally:
            await venue.aclose()


async def on_socket(server: Server) -> None:
    """Wait until orders go over the WebSocket."""
    async with asyncio.timeout(10):
        await server.talk.until(lambda: any(peer.kind == "trade" and peer.user for peer in server.peers))
