"""Hyperliquid as every venue is opened: see `exchanges.shared.setup`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

import aiohttp
import msgspec
from msgspec import Struct

from domain.errors import VenueError
from domain.instrument import Instrument
from domain.ports import Clock, HistorySource, MarketFeed, Secrets, Signer
from exchanges.hyperliquid.approving import ApprovingSigner, new_key
from exchanges.hyperliquid.config import MAINNET as MAINNET_CONFIG
from exchanges.hyperliquid.config import TESTNET as TESTNET_CONFIG
from exchanges.hyperliquid.config import HyperliquidAccount, HyperliquidConfig
from exchanges.hyperliquid.feed import HyperliquidFeed
from exchanges.hyperliquid.history import HyperliquidHistory
from exchanges.hyperliquid.info import InfoClient
from exchanges.hyperliquid.rotating import AgentApprover
from exchanges.hyperliquid.signing import LocalSigner
from exchanges.hyperliquid.venue import HyperliquidVenue
from exchanges.shared.rotation import Place
from exchanges.shared.setup import MAINNET, TESTNET, RealVenue, VenueSetup, leveraged, network_of, signs_mainnet, wanted

__all__ = [
    "NETWORKS",
    "new_key",
    "open_approver",
    "open_feed",
    "open_history",
    "open_signer",
    "open_venue",
    "read_instruments",
    "with_owners",
]
NETWORKS = {MAINNET: MAINNET_CONFIG, TESTNET: TESTNET_CONFIG}


class UserFees(Struct):
    """An account's own rates on perpetuals."""

    taker: Decimal = msgspec.field(name="userCrossRate")
    maker: Decimal = msgspec.field(name="userAddRate")


def config_of(setup: VenueSetup) -> HyperliquidConfig:
    """Addresses and patience. Raises `ConfigError` for a network that is not there."""
    local = HyperliquidConfig(ws_url=f"{setup.base_ws_url}/ws", api_url=setup.base_url, is_mainnet=False)
    found = network_of(setup, NETWORKS, local)
    return msgspec.structs.replace(found, connect_timeout_s=setup.connect_timeout_s)


def open_signer(setup: VenueSetup, secrets: Secrets, *, from_vault: bool = False) -> Signer:
    """A signer with the agents' keys; for mainnet only those of the vault. Raises `ConfigError`."""
    is_mainnet = signs_mainnet(setup, from_vault=from_vault)
    return LocalSigner({account.key: secrets.get(account.key) for account in setup.accounts}, is_mainnet=is_mainnet)


def with_owners(setup: VenueSetup, signer: Signer, owners: Sequence[str], burned: Sequence[str]) -> Signer:
    """The signer with the accounts' own keys, for approvals of its own agents, or of keys that nobody has."""
    ours = [*signer.addresses, *burned] if isinstance(signer, LocalSigner) else burned
    return ApprovingSigner(signer, owners, ours, is_mainnet=setup.is_mainnet)


def open_approver(place: Place) -> AgentApprover:
    """Approves and replaces an account's agents."""
    return AgentApprover(place, config_of(place.setup))


async def read_instruments(setup: VenueSetup, signer: Signer | None = None) -> list[Instrument]:  # noqa: ARG001 - fees are public here
    """The wanted contracts, with the first account's fees. Raises `VenueError`, `ConfigError`."""
    async with aiohttp.ClientSession() as session:
        info = InfoClient(session, config_of(setup), random.random)
        instruments = [leveraged(each, setup) for each in wanted(setup, await info.instruments())]
        if not setup.accounts:
            return instruments
        body = await info.ask({"type": "userFees", "user": setup.accounts[0].address})
    try:
        fees = msgspec.json.decode(body, type=UserFees)
    except msgspec.DecodeError as error:
        raise VenueError(f"Hyperliquid's userFees is not understood: {error}") from error
    rates = {"maker_fee": fees.maker, "taker_fee": fees.taker}
    return [msgspec.structs.replace(instrument, **rates) for instrument in instruments]


def open_venue(setup: VenueSetup, clock: Clock, signer: Signer, instruments: Sequence[Instrument]) -> RealVenue:
    """The order side."""
    accounts = [
        HyperliquidAccount(id=a.id, address=a.address, key=a.key, is_vault=a.is_vault, since_ns=a.since_ns)
        for a in setup.accounts
    ]
    config, terms = config_of(setup), setup.terms
    return HyperliquidVenue(config, clock, signer, accounts, instruments, folder=setup.folder, terms=terms)


def open_feed(setup: VenueSetup, clock: Clock, instruments: Sequence[Instrument]) -> MarketFeed:
    """The public market data."""
    return HyperliquidFeed(config_of(setup), clock, instruments, folder=setup.folder)


def open_history(setup: VenueSetup) -> HistorySource:
    """Past candles and funding rates."""
    return HyperliquidHistory(config_of(setup))
