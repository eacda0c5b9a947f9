"""Phemex as every venue is opened: see `exchanges.shared.setup`."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.ports import Clock, HistorySource, MarketFeed, Secrets, Signer, VenueCaps
from exchanges.phemex.config import ALLOWED, NETWORKS, QUOTE, RULES, names_of, network_at, spec_at
from exchanges.phemex.dialect import PhemexDialect
from exchanges.phemex.feed import PhemexFeedDialect
from exchanges.phemex.history import REQUESTS_A_MINUTE, PhemexHistory
from exchanges.phemex.markets import Products, listed, with_fees
from exchanges.phemex.wire import FeeRates, told
from exchanges.shared.pace import Pace
from exchanges.shared.setup import RealVenue, VenueSetup, leveraged, wanted
from exchanges.viaccxt.dialect import Answer, Patience
from exchanges.viaccxt.feed import PublicFeed
from exchanges.viaccxt.opening import asking, hmac_signer
from exchanges.viaccxt.pages import PublicReader
from exchanges.viaccxt.venue import CcxtVenue, Speech

CAPS = VenueCaps(amend=True, amend_keeps_queue=False, dead_man=False, batch=1)
"""No dead man's switch, and no batches: nothing cancels orders at Phemex when this engine dies."""

__all__ = ["NETWORKS", "open_feed", "open_history", "open_signer", "open_venue", "read_instruments"]


def open_signer(setup: VenueSetup, secrets: Secrets, *, from_vault: bool = False) -> Signer:
    """A signer with the secret halves of the accounts' keys; for mainnet only those of the vault. `ConfigError`."""
    return hmac_signer(setup, secrets, names_of, ALLOWED, from_vault=from_vault)


async def read_instruments(setup: VenueSetup, signer: Signer | None = None) -> list[Instrument]:
    """The wanted contracts; with a signer the commission is the first account's."""
    async with asking(setup, spec_at(setup), signer) as (client, account):
        products = told(await client.ask("GET", "v2", "public/products"), Products, "public/products")
        instruments = [leveraged(each, setup) for each in wanted(setup, list(listed(products)))]
        if account is None:
            return instruments
        path = "api-data/futures/fee-rate"
        rates = told(await client.ask("GET", "private", path, {"settleCurrency": QUOTE}), FeeRates, path)
        return [with_fees(each, rates) for each in instruments]


def _no_answer(message: object) -> Answer:
    """Nothing is ordered over the WebSocket."""
    raise ConfigError(f"Phemex has no orders over WebSocket: {message!r:.100}")


def open_venue(
    setup: VenueSetup, clock: Clock, signer: Signer, instruments: Sequence[Instrument], patience: Patience | None = None
) -> RealVenue:
    """The order side."""
    network_at(setup)
    speech = Speech(caps=CAPS, spec=spec_at(setup), dialect=PhemexDialect, answer_of=_no_answer, rules=RULES)
    return CcxtVenue(setup, speech, clock, signer, instruments, patience)


def open_feed(
    setup: VenueSetup, clock: Clock, instruments: Sequence[Instrument], patience: Patience | None = None
) -> MarketFeed:
    """The public market data."""
    network = network_at(setup)
    patience = patience or Patience(connect_timeout_s=setup.connect_timeout_s)
    reader = PublicReader("Phemex", network.rest, timeout_s=patience.request_timeout_s, backoff_s=patience.backoff_s)
    return PublicFeed(PhemexFeedDialect(network, reader, instruments), clock, instruments, patience)


def open_history(setup: VenueSetup) -> HistorySource:
    """Past candles and funding rates."""
    return PhemexHistory(PublicReader("Phemex", network_at(setup).rest, Pace(REQUESTS_A_MINUTE)))
