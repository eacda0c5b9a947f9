"""A venue at a local Hyperliquid."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeAlias

from domain.instrument import Instrument
from exchanges.hyperliquid.config import HyperliquidAccount, HyperliquidConfig
from exchanges.hyperliquid.info import instrument_of
from exchanges.hyperliquid.signing import LocalSigner
from exchanges.hyperliquid.venue import HyperliquidVenue
from tests.exchanges.desk import Desk, WallClock
from tests.exchanges.hyperliquid.exchange_room import AGENT_KEY, ASSETS, MASTER
from tests.exchanges.hyperliquid.exchange_server import ExchangeServer

ACCOUNT = "HYPERLIQUID:main"
BTC: Instrument = instrument_of(ASSETS[0])
Trader: TypeAlias = Desk[HyperliquidVenue]


def desk_at(venue: HyperliquidVenue) -> Trader:
    return Desk(venue, ACCOUNT, BTC)


def config_of(server: ExchangeServer, **changes: Any) -> HyperliquidConfig:
    options = {"ping_after_s": 0.5, "backoff_s": 0.02, "backoff_max_s": 0.1, "connect_timeout_s": 5.0, **changes}
    return HyperliquidConfig(
        ws_url=server.ws_url, api_url=server.url, is_mainnet=False, **{"request_timeout_s": 3.0, **options}
    )


def venue_at(server: ExchangeServer, clock: WallClock | None = None, **changes: Any) -> HyperliquidVenue:
    account = HyperliquidAccount(id=ACCOUNT, address=MASTER, key="agent")
    accounts = changes.pop("accounts", [account])
    signer = changes.pop("signer", LocalSigner({"agent": AGENT_KEY}))
    instruments = changes.pop("instruments", [BTC])
    folder, terms = changes.pop("folder", None), changes.pop("terms", None)
    config = config_of(server, **changes)
    return HyperliquidVenue(config, clock or WallClock(), signer, accounts, instruments, lambda: 0.5, folder, terms)


@asynccontextmanager
async def trading(
    cash: str = "100000", traded: str = "0", **changes: Any
) -> AsyncIterator[tuple[ExchangeServer, Trader]]:
    """A started venue at a server with a market of 49,990 to 50,010."""
    async with ExchangeServer(cash) as server:
        server.room.quota.traded = Decimal(traded)
        await server.quote("49990", "50010")
        venue = venue_at(server, **changes)
        desk = desk_at(venue)
        await venue.start(desk.sink)
        try:
            yield server, desk
        finally:
            await venue.aclose()
