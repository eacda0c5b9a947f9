"""dYdX as every venue is opened: see `exchanges.shared.setup`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import aiohttp
from msgspec.structs import replace

from domain.errors import ConfigError, DataError, VenueError
from domain.instrument import Instrument
from domain.ports import Clock, HistorySource, MarketFeed, Secrets, Signer
from exchanges.dydx.config import MAINNET as MAINNET_CONFIG
from exchanges.dydx.config import TESTNET as TESTNET_CONFIG
from exchanges.dydx.config import DydxAccount, DydxConfig, local
from exchanges.dydx.feed import DydxFeedDialect
from exchanges.dydx.history import REQUESTS_A_MINUTE, DydxHistory
from exchanges.dydx.http import Reader
from exchanges.dydx.ids import IdMap
from exchanges.dydx.markets import read_markets
from exchanges.dydx.signing import LocalSigner
from exchanges.dydx.venue import DydxVenue
from exchanges.shared.pace import Pace
from exchanges.shared.setup import MAINNET, TESTNET, RealVenue, VenueSetup, network_of, signs_mainnet, wanted
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from exchanges.viaccxt.pages import PublicReader

NETWORKS = {MAINNET: MAINNET_CONFIG, TESTNET: TESTNET_CONFIG}
IDS = "dydx-order-ids.jsonl"
"""The file in the setup's folder that maps our order ids to the venue's numbers."""


def config_of(setup: VenueSetup) -> DydxConfig:
    """Addresses and patience. Raises `ConfigError` for a network that is not there."""
    found = network_of(setup, NETWORKS, local(setup.base_url, setup.base_ws_url))
    return replace(found, connect_timeout_s=setup.connect_timeout_s)


def open_signer(setup: VenueSetup, secrets: Secrets, *, from_vault: bool = False) -> Signer:
    """A signer with the accounts' keys, for orders alone; for mainnet only those of the vault. Raises `ConfigError`."""
    is_mainnet = signs_mainnet(setup, from_vault=from_vault)
    return LocalSigner({account.key: secrets.get(account.key) for account in setup.accounts}, is_mainnet=is_mainnet)


async def read_instruments(setup: VenueSetup, signer: Signer | None = None) -> list[Instrument]:  # noqa: ARG001 - fees are public here
    """The wanted contracts, with the first account's fee tier. Raises `VenueError`, `ConfigError`."""
    address = setup.accounts[0].address if setup.accounts else ""
    async with aiohttp.ClientSession() as session:
        try:
            markets = await read_markets(Reader(session, config_of(setup)), address)
        except DataError as error:
            raise VenueError(str(error)) from error
    return wanted(setup, [market.instrument for market in markets])


def open_venue(setup: VenueSetup, clock: Clock, signer: Signer, instruments: Sequence[Instrument]) -> RealVenue:
    """The order side. Raises `ConfigError` without a folder for the map of order ids, and for terms of margin."""
    for name, terms in setup.terms.items():
        if terms.margin != "cross" or terms.leverage:
            raise ConfigError(
                f"{name}: on dYdX all positions of a subaccount share its margin, and leverage is what they need; "
                "take the terms out, or trade the contract in a subaccount of its own"
            )
    if setup.folder is None:
        raise ConfigError("dYdX's order ids have 32 bits: their map has to be kept in a folder, and none is given")
    accounts = [
        DydxAccount(
            id=a.id,
            address=a.address,
            key=a.key,
            authenticator=a.authenticator_id,
            subaccount=a.subaccount,
            since_ns=a.since_ns,
        )
        for a in setup.accounts
    ]
    ids = IdMap(setup.folder / IDS, clock.now_ns())
    return DydxVenue(config_of(setup), clock, signer, accounts, instruments, ids, setup.folder)


def open_feed(
    setup: VenueSetup, clock: Clock, instruments: Sequence[Instrument], patience: Patience | None = None
) -> MarketFeed:
    """The public market data."""
    config = config_of(setup)
    patience = patience or Patience(connect_timeout_s=setup.connect_timeout_s)
    reader = PublicReader("dYdX", config.indexer_url, timeout_s=config.request_timeout_s, backoff_s=patience.backoff_s)
    return PublicFeed(DydxFeedDialect(config.ws_url, reader, instruments), clock, instruments, patience)


def open_history(setup: VenueSetup) -> HistorySource:
    """Past candles, trades and funding rates."""
    reader = PublicReader("dYdX", config_of(setup).indexer_url, Pace(REQUESTS_A_MINUTE))
    return DydxHistory(reader, partial(read_instruments, replace(setup, instruments=())))
