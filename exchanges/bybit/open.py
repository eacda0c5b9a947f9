"""Bybit as every venue is opened: see `exchanges.shared.setup`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.ports import Clock, HistorySource, MarketFeed, Secrets, Signer, VenueCaps
from exchanges.bybit.config import ALLOWED, BATCH, CATEGORY, NETWORKS, RULES, names_of, network_at, spec_at
from exchanges.bybit.dialect import BybitDialect, answer_of
from exchanges.bybit.feed import BybitFeedDialect
from exchanges.bybit.history import CALLS_A_MINUTE, BybitHistory
from exchanges.bybit.markets import Contract, FeeRate, RiskTier, listed
from exchanges.bybit.wire import UNREAD, Rows, decoded, opened
from exchanges.shared.pace import Pace
from exchanges.shared.setup import RealVenue, VenueSetup, wanted
from exchanges.viaccxt.client import Client
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from exchanges.viaccxt.opening import asking, feed_reader, hmac_signer
from exchanges.viaccxt.pages import PublicReader
from exchanges.viaccxt.venue import CcxtVenue, Speech

CAPS = VenueCaps(amend=True, amend_keeps_queue=True, batch=BATCH)
"""The dead man's switch is promised at the start, where the account has it. Less quantity alone keeps the queue."""
T = TypeVar("T")

__all__ = ["NETWORKS", "open_feed", "open_history", "open_signer", "open_venue", "read_instruments"]


def open_signer(setup: VenueSetup, secrets: Secrets, *, from_vault: bool = False) -> Signer:
    """A signer with the secret halves of the accounts' keys; for mainnet only those of the vault. `ConfigError`."""
    return hmac_signer(setup, secrets, names_of, ALLOWED, from_vault=from_vault)


async def read_instruments(setup: VenueSetup, signer: Signer | None = None) -> list[Instrument]:
    """The wanted contracts; with a signer, fees are the first account's. Margins are asked for those that are named."""
    async with asking(setup, spec_at(setup), signer) as (client, account):
        contracts = await _read(client, "public", "market/instruments-info", Contract, limit="1000")
        instruments = wanted(setup, list(listed(contracts)))
        if account is not None:
            rates = {rate.symbol: rate for rate in await _read(client, "private", "account/fee-rate", FeeRate)}
            instruments = [_with_fees(instrument, rates.get(instrument.venue_symbol)) for instrument in instruments]
        if setup.instruments:
            instruments = [await _with_margins(client, setup, instrument) for instrument in instruments]
        return instruments


def _with_fees(instrument: Instrument, rate: FeeRate | None) -> Instrument:
    if rate is None:
        return instrument
    return msgspec.structs.replace(instrument, maker_fee=rate.maker_fee_rate, taker_fee=rate.taker_fee_rate)


async def _with_margins(client: Client, setup: VenueSetup, instrument: Instrument) -> Instrument:
    """The contract with the margins of its lowest risk tier and of the leverage that is to be set."""
    symbol = instrument.venue_symbol
    tiers = await _read(client, "public", "market/risk-limit", RiskTier, symbol=symbol)
    lowest = next((tier for tier in tiers if tier.symbol == symbol and tier.is_lowest_risk), None)
    terms = setup.terms.get(instrument.id)
    initial = instrument.initial_margin
    if terms is not None and terms.leverage:
        most = lowest.max_leverage if lowest is not None else 1 / initial
        if terms.leverage > most:
            raise ConfigError(f"{instrument.id}: Bybit allows a leverage of {most:f} there, not {terms.leverage}")
        initial = (Decimal(1) / terms.leverage).quantize(Decimal("0.0001"))
    maintenance = round(lowest.maintenance, 6) if lowest is not None else instrument.maintenance_margin
    return msgspec.structs.replace(instrument, initial_margin=initial, maintenance_margin=maintenance)


async def _read(client: Client, api: str, path: str, kind: type[T], **params: str) -> list[T]:
    found: list[T] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.ask("GET", api, f"v5/{path}", {"category": CATEGORY, **params, **cursor})
        rows = decoded(opened(answer, path).result, Rows[kind], path)  # type: ignore[valid-type]
        found += rows.rows
        if not rows.next_page_cursor or not rows.rows:
            return found
        cursor = {"cursor": rows.next_page_cursor}


def open_venue(
    setup: VenueSetup, clock: Clock, signer: Signer, instruments: Sequence[Instrument], patience: Patience | None = None
) -> RealVenue:
    """The order side."""
    network = network_at(setup)
    speech = Speech(
        caps=CAPS,
        spec=spec_at(setup),
        dialect=lambda session: BybitDialect(session, network),
        answer_of=answer_of,
        rules=RULES,
        unread=UNREAD,
    )
    return CcxtVenue(setup, speech, clock, signer, instruments, patience)


def open_feed(
    setup: VenueSetup, clock: Clock, instruments: Sequence[Instrument], patience: Patience | None = None
) -> MarketFeed:
    """The public market data."""
    network = network_at(setup)
    patience = patience or Patience(connect_timeout_s=setup.connect_timeout_s)
    reader = feed_reader("Bybit", setup, network.rest, RULES, clock, patience)
    dialect = BybitFeedDialect(network.public, reader, instruments)
    return PublicFeed(dialect, clock, instruments, patience, folder=setup.folder)


def open_history(setup: VenueSetup) -> HistorySource:
    """Past candles and funding rates."""
    return BybitHistory(PublicReader("Bybit", network_at(setup).rest, Pace(CALLS_A_MINUTE)))
