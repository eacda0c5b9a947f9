"""What the `open.py` of every venue over ccxt needs: a signer, and a client that lives for some questions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp

from domain.ports import Secrets, Signer
from exchanges.shared.setup import VenueAccount, VenueSetup
from exchanges.viaccxt.client import Client, load_ccxt
from exchanges.viaccxt.dialect import ClientSpec
from exchanges.viaccxt.signing import HmacSigner


def hmac_signer(
    setup: VenueSetup,
    secrets: Secrets,
    names: Callable[[bytes], frozenset[str] | None],
    allowed: Mapping[str, frozenset[str]],
) -> HmacSigner:
    """A signer with the secret halves of the accounts' keys, which refuses mainnet. Raises `ConfigError`."""
    keys = {account.key: secrets.get(account.key) for account in setup.accounts}
    return HmacSigner(keys, names, allowed, is_mainnet=setup.is_mainnet)


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
