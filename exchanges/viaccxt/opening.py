"""What the `open.py` of every venue over ccxt needs: a signer, a client for some questions, and a feed's reader."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp

from domain.ports import Clock, Secrets, Signer
from exchanges.shared.setup import VenueAccount, VenueSetup, signs_mainnet
from exchanges.viaccxt.client import Client, load_ccxt
from exchanges.viaccxt.dialect import ClientSpec, Patience
from exchanges.viaccxt.limits import Limits, Rules
from exchanges.viaccxt.pages import PublicReader
from exchanges.viaccxt.signing import HmacSigner


def hmac_signer(
    setup: VenueSetup,
    secrets: Secrets,
    names: Callable[[bytes], frozenset[str] | None],
    allowed: Mapping[str, frozenset[str]],
    *,
    from_vault: bool,
) -> HmacSigner:
    """A signer with the secret halves of the accounts' keys; for mainnet only those of the vault. `ConfigError`."""
    signs_mainnet(setup, from_vault=from_vault)
    return HmacSigner({account.key: secrets.get(account.key) for account in setup.accounts}, names, allowed)


@asynccontextmanager
async def asking(
    setup: VenueSetup, spec: ClientSpec, signer: Signer | None
) -> AsyncIterator[tuple[Client, VenueAccount | None]]:
    """A client of the first account, and that account; of public data, and None, without accounts or signer."""
    await load_ccxt()
    account = setup.accounts[0] if setup.accounts and signer is not None else None
    async with aiohttp.ClientSession() as session:
        client = Client(
            spec,
            session,
            api_key=account.api_key if account else "",
            key=account.key if account else "",
            signer=signer,
            timeout_s=setup.connect_timeout_s,
        )
        yield client, account


def feed_reader(
    name: str, setup: VenueSetup, base_url: str, rules: Rules, clock: Clock, patience: Patience
) -> PublicReader:
    """A reader for a public feed, which shares the limits of this machine's address with the order side."""
    limits = Limits(setup.venue, setup.base_url or setup.network, rules, clock)
    return PublicReader(
        name, base_url, timeout_s=patience.request_timeout_s, backoff_s=patience.backoff_s, limits=limits
    )
