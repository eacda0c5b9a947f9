"""A venue at a local dYdX."""

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from msgspec.structs import replace

from domain.instrument import Instrument
from exchanges.dydx.config import DydxAccount, DydxConfig, local
from exchanges.dydx.ids import IdMap
from exchanges.dydx.signing import LocalSigner
from exchanges.dydx.venue import DydxVenue
from tests.exchanges.desk import Desk, WallClock
from tests.exchanges.dydx.chain_facts import ADDRESS, TRADING_KEY
from tests.exchanges.dydx.node_room import Room
from tests.exchanges.dydx.server import DydxServer

ACCOUNT = "DYDX:main"
BTC: Instrument = Room("0").markets[0].instrument
Trader: TypeAlias = Desk[DydxVenue]


def desk_at(venue: DydxVenue) -> Trader:
    return Desk(venue, ACCOUNT, BTC)


def config_of(server: DydxServer, **changes: Any) -> DydxConfig:
    options = {"ping_after_s": 0.5, "backoff_s": 0.02, "backoff_max_s": 0.1, "connect_timeout_s": 5.0}
    return replace(local(server.url, server.ws_url), **{**options, "request_timeout_s": 3.0, **changes})


def venue_at(server: DydxServer, folder: Path, clock: WallClock | None = None, **changes: Any) -> DydxVenue:
    account = DydxAccount(id=ACCOUNT, address=ADDRESS, key="trader", authenticator=0)
    accounts = changes.pop("accounts", [account])
    signer = changes.pop("signer", LocalSigner({"trader": TRADING_KEY}))
    instruments = changes.pop("instruments", [BTC])
    ids = IdMap(folder / "ids", time.time_ns(), threaded=changes.pop("threaded", True))
    config = config_of(server, **changes)
    return DydxVenue(config, clock or WallClock(), signer, accounts, instruments, ids, folder, jitter=lambda: 0.5)


@asynccontextmanager
async def trading(cash: str = "100000", **changes: Any) -> AsyncIterator[tuple[DydxServer, Trader]]:
    """A started venue at a server with a market of 49,990 to 50,010."""
    with tempfile.TemporaryDirectory() as folder:
        async with DydxServer(cash) as server:
            await server.quote("49990", "50010")
            desk = desk_at(venue_at(server, Path(folder), **changes))
            await desk.venue.start(desk.sink)
            try:
                yield server, desk
            finally:
                await desk.venue.aclose()
