"""A venue at a local Phemex."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from domain.instrument import Instrument
from exchanges.phemex.config import ALLOWED, names_of
from exchanges.phemex.open import open_venue
from exchanges.shared.setup import LOCAL, VenueAccount, VenueSetup
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.signing import HmacSigner
from exchanges.viaccxt.venue import CcxtVenue
from tests.exchanges.desk import Desk, WallClock
from tests.exchanges.phemex.catalogue import LISTED
from tests.exchanges.phemex.server import API_KEY, SECRET, PhemexServer

ACCOUNT = "PHEMEX:main"
BTC: Instrument = LISTED[0]
KEY = "phemex_secret"
Trader: TypeAlias = Desk[CcxtVenue]


def setup_of(server: PhemexServer, **changes: Any) -> VenueSetup:
    vouched = changes.pop("cannot_withdraw", True)
    account = VenueAccount(
        id=ACCOUNT, key=KEY, api_key=changes.pop("api_key", API_KEY), cannot_withdraw=vouched
    )  # fmt: skip
    terms: dict[str, Any] = {"accounts": (account,), "instruments": (BTC.id,), "connect_timeout_s": 5.0, **changes}
    return VenueSetup(venue="PHEMEX", network=LOCAL, base_url=server.url, **terms)


def signer_of(secret: str = SECRET) -> HmacSigner:
    return HmacSigner({KEY: secret}, names_of, ALLOWED)


def venue_at(server: PhemexServer, clock: WallClock | None = None, **changes: Any) -> CcxtVenue:
    patience = Patience(
        connect_timeout_s=changes.pop("wait_s", 5.0),
        request_timeout_s=changes.pop("request_timeout_s", 3.0),
        backoff_s=0.02,
        backoff_max_s=0.1,
    )
    signer = changes.pop("signer", signer_of())
    instruments = changes.pop("traded", [BTC])
    venue = open_venue(setup_of(server, **changes), clock or WallClock(), signer, instruments, patience)
    assert isinstance(venue, CcxtVenue)
    venue._jitter = lambda: 0.5
    return venue


def desk_at(venue: CcxtVenue) -> Trader:
    return Desk(venue, ACCOUNT, BTC)


@asynccontextmanager
async def trading(cash: str = "100000", **changes: Any) -> AsyncIterator[tuple[PhemexServer, Trader]]:
    """A started venue at a server with a market of 49,990 to 50,010."""
    async with PhemexServer(cash) as server:
        await server.quote("49990", "50010")
        venue = venue_at(server, **changes)
        desk = desk_at(venue)
        await venue.start(desk.sink)
        try:
            yield server, desk
        finally:
            await venue.aclose()
