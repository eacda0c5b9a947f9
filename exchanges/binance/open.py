"""Binance as every venue is opened: see `exchanges.shared.setup`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from domain.errors import ConfigError, VenueError
from domain.instrument import Instrument
from domain.ports import Clock, HistorySource, MarketFeed, Secrets, Signer, VenueCaps
from exchanges.binance.config import ALLOWED, BATCH, NETWORKS, RULES, UNREAD, names_of, network_at, spec_at
from exchanges.binance.dialect import BinanceDialect, answer_of
from exchanges.binance.feed import BinanceFeedDialect
from exchanges.binance.history import WEIGHT_A_MINUTE, BinanceHistory
from exchanges.binance.markets import Brackets, Commission, ExchangeInfo, FundingInfo, listed
from exchanges.binance.wire import decoded
from exchanges.shared.pace import Pace
from exchanges.shared.setup import RealVenue, VenueSetup, wanted
from exchanges.viaccxt.client import Client
from exchanges.viaccxt.dialect import Patience
from exchanges.viaccxt.feed import PublicFeed
from exchanges.viaccxt.opening import asking, feed_reader, hmac_signer
from exchanges.viaccxt.pages import PublicReader
from exchanges.viaccxt.venue import CcxtVenue, Speech

CAPS = VenueCaps(amend=True, amend_keeps_queue=False, dead_man=True, batch=BATCH)
HOUR_NS = 3_600_000_000_000
T = TypeVar("T")

__all__ = ["NETWORKS", "open_feed", "open_history", "open_signer", "open_venue", "read_instruments"]


def open_signer(setup: VenueSetup, secrets: Secrets, *, from_vault: bool = False) -> Signer:
    """A signer with the secret halves of the accounts' keys; for mainnet only those of the vault. `ConfigError`."""
    return hmac_signer(setup, secrets, names_of, ALLOWED, from_vault=from_vault)


async def read_instruments(setup: VenueSetup, signer: Signer | None = None) -> list[Instrument]:
    """The wanted contracts; with a signer, commission and margins are the first account's.

    Commission costs a twentieth of a percent of a minute's limit per contract: it is asked for those that are named.
    """
    async with asking(setup, spec_at(setup), signer) as (client, account):
        info = await _read(client, "fapiPublic", "exchangeInfo", ExchangeInfo)
        instruments = wanted(setup, list(listed(info)))
        odd = {each.symbol: each.funding_interval_hours for each in await _read(client, "fapiPublic", "fundingInfo", list[FundingInfo])}  # noqa: E501  # fmt: skip
        instruments = [
            msgspec.structs.replace(each, funding_interval_ns=odd.get(each.venue_symbol, 8) * HOUR_NS)
            for each in instruments
        ]
        if account is None or not setup.instruments:
            return instruments
        return [await _own(client, setup, each) for each in instruments]


async def _own(client: Client, setup: VenueSetup, instrument: Instrument) -> Instrument:
    """The contract with the account's commission, and the margins of its first bracket and its leverage."""
    symbol = instrument.venue_symbol
    rates = await _read(client, "fapiPrivate", "commissionRate", Commission, weight=20, symbol=symbol)
    found = await _read(client, "fapiPrivate", "leverageBracket", list[Brackets], symbol=symbol)
    first = next((each.brackets[0] for each in found if each.symbol == symbol and each.brackets), None)
    terms = setup.terms.get(instrument.id)
    initial = instrument.initial_margin
    if terms is not None and terms.leverage:
        if first is not None and terms.leverage > first.initial_leverage:
            raise ConfigError(
                f"{instrument.id}: Binance allows a leverage of {first.initial_leverage} there, not {terms.leverage}"
            )
        initial = (Decimal(1) / terms.leverage).quantize(Decimal("0.0001"))
    return msgspec.structs.replace(
        instrument,
        maker_fee=rates.maker,
        taker_fee=rates.taker,
        initial_margin=initial,
        maintenance_margin=first.maint_margin_ratio if first is not None else instrument.maintenance_margin,
    )


async def _read(client: Client, api: str, path: str, kind: type[T], *, weight: int = 1, **params: str) -> T:
    answer = await client.ask("GET", api, path, params, weight=weight)
    if answer.status != 200:
        said = answer.body[:300].decode(errors="replace")
        raise VenueError(f"Binance did not answer {path}: HTTP {answer.status} {said}")
    return decoded(answer.body, kind, path)


def open_venue(
    setup: VenueSetup, clock: Clock, signer: Signer, instruments: Sequence[Instrument], patience: Patience | None = None
) -> RealVenue:
    """The order side."""
    network = network_at(setup)
    speech = Speech(
        caps=CAPS,
        spec=spec_at(setup),
        dialect=lambda session: BinanceDialect(session, network),
        answer_of=answer_of,
        unread=UNREAD,
        rules=RULES,
    )
    return CcxtVenue(setup, speech, clock, signer, instruments, patience)


def open_feed(
    setup: VenueSetup, clock: Clock, instruments: Sequence[Instrument], patience: Patience | None = None
) -> MarketFeed:
    """The public market data."""
    network = network_at(setup)
    patience = patience or Patience(connect_timeout_s=setup.connect_timeout_s)
    reader = feed_reader("Binance", setup, network.rest, RULES, clock, patience)
    dialect = BinanceFeedDialect(network, reader, instruments)
    return PublicFeed(dialect, clock, instruments, patience, folder=setup.folder)


def open_history(setup: VenueSetup) -> HistorySource:
    """Past candles, trades and funding rates."""
    return BinanceHistory(PublicReader("Binance", network_at(setup).rest, Pace(WEIGHT_A_MINUTE)))
