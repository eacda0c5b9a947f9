"""Margin mode and leverage of the contracts, set at the start where the account has others.

    activeAssetData ──▶ as wanted? ──▶ updateLeverage, signed ──▶ activeAssetData: as wanted now?

The venue's own word before and after decides; an answer that never came is nothing to guess about.
"""

from __future__ import annotations

import logging

import aiohttp
import msgspec

from domain.errors import ConfigError, DataError, VenueError
from domain.ports import Clock
from exchanges.hyperliquid.account import AccountReader
from exchanges.hyperliquid.actions import UpdateLeverage
from exchanges.hyperliquid.batches import Writer
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.info import MetaAsset
from exchanges.hyperliquid.limits import Limits
from exchanges.hyperliquid.private import WireLeverage, statuses_of
from exchanges.shared.meters import Priority
from exchanges.shared.setup import Terms

log = logging.getLogger(__name__)


class TermsSetter:
    """Sets terms over REST, before anything else of an account is sent."""

    def __init__(
        self, config: HyperliquidConfig, clock: Clock, session: aiohttp.ClientSession, writer: Writer, limits: Limits
    ) -> None:
        self._config = config
        self._clock = clock
        self._session = session
        self._writer = writer
        self._limits = limits

    async def set(self, reader: AccountReader, number: int, asset: MetaAsset, terms: Terms) -> None:
        """Bring one contract of one account to `terms`; `number` is the asset's.

        Raises `ConfigError` for what the venue does not allow, `VenueError` when it is not known to be set.
        """
        account, coin = reader.account.id, asset.name
        present = await reader.leverage(coin)
        wanted = WireLeverage(terms.margin, terms.leverage or min(present.value, asset.max_leverage))
        if present == wanted:
            return
        said = f"{coin} of {account} to {wanted.type} margin with leverage {wanted.value}"
        if wanted.value > asset.max_leverage:
            raise ConfigError(
                f"Hyperliquid allows {coin} a leverage of {asset.max_leverage} at most: cannot set {said}"
            )
        if asset.only_isolated and wanted.type == "cross":
            raise ConfigError(f"Hyperliquid has {coin} with isolated margin only: cannot set {said}")
        problem = await self._send(account, UpdateLeverage(number, wanted.type == "cross", wanted.value), said)
        found = await reader.leverage(coin)
        if found != wanted:
            raise VenueError(
                f"Hyperliquid was asked to set {said}, and has {found.type} with {found.value}"
                f"{f' ({problem})' if problem else ''}; the next start of the venue looks again"
            )
        log.info("Hyperliquid: set %s; it was %s with %d", said, present.type, present.value)

    async def _send(self, account: str, action: UpdateLeverage, said: str) -> str:
        """Why there is no answer, empty when it was a yes. Raises `ConfigError` for a no, `VenueError` if not sent."""
        until_ns = self._clock.now_ns() + int(self._config.request_timeout_s * 1e9)
        costs = self._limits.action(account, 1, over_socket=False)
        await self._limits.gate.enter(Priority.ADD, costs, f"set {said}", until_ns)
        envelope = await self._writer.envelope(account, action, until_ns)
        url, headers = f"{self._config.api_url}/exchange", {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=self._config.request_timeout_s)
        try:
            data = msgspec.json.encode(envelope)
            async with self._session.post(
                url, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:  # fmt: skip
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return str(error) or type(error).__name__
        self._limits.gate.answered(costs, status, answer.headers)
        if status != 200:
            return f"HTTP {status}"
        try:
            refused = statuses_of(body)
        except DataError as error:
            return str(error)
        if isinstance(refused, str):
            raise ConfigError(
                f"Hyperliquid does not set {said}: {refused} Change the setting, or close what is open there"
            )
        return ""
