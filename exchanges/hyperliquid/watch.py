"""What is looked at when an account is opened, and from time to time afterwards: its key, its clock, its allowance."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from domain.errors import ConfigError, VenueError
from domain.instrument import AccountId
from domain.keys import KeyExpires
from domain.ports import Clock, Signer, SignRequest
from domain.views import KeyView
from exchanges.hyperliquid import actions
from exchanges.hyperliquid.account import AccountReader
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.limits import Limits
from exchanges.hyperliquid.nonces import Nonces
from exchanges.hyperliquid.signing import l1_payload, recover
from exchanges.hyperliquid.wire import MS
from exchanges.shared.keys import told

log = logging.getLogger(__name__)

DAY_S = 86_400
EXPIRES_SOON_S = 14 * DAY_S
"""A key that expires sooner is spoken of."""


class AccountWatch:
    """Checks accounts. `folder` is where the nonces of their keys are kept; None = nowhere."""

    def __init__(
        self,
        config: HyperliquidConfig,
        clock: Clock,
        signer: Signer,
        limits: Limits,
        folder: Path | None,
        emit: Callable[[KeyExpires], None],
    ) -> None:
        self._config = config
        self._clock = clock
        self._signer = signer
        self._limits = limits
        self._folder = folder
        self._emit = emit
        self._agents: dict[AccountId, str] = {}
        self._told: dict[AccountId, int] = {}
        """The day on which it was last said that a key expires."""
        self._nonces: dict[str, Nonces] = {}
        self.keys: dict[AccountId, KeyView] = {}
        self.clock_off_ms: int | None = None
        """How it is known that an account's key cannot withdraw."""
        self.warnings: dict[AccountId, str] = {}
        """What people should know of an account's key."""

    async def open(self, reader: AccountReader) -> Nonces:
        """The nonces of an account's key. Refuses a clock that is off, and a key that is not the account's agent.

        Raises `ConfigError` with what to change, and `VenueError`.
        """
        account = reader.account
        self._limits.open_account(account.id)
        await self._check_clock(reader)
        agent = await self._agent(reader)
        self._agents[account.id] = agent
        self.keys[account.id] = told(account.id, "agent: orders, cancels, leverage; no withdrawals")
        await self.look(reader)
        if agent not in self._nonces:
            path = self._folder / f"hyperliquid-nonce-{agent}" if self._folder is not None else None
            self._nonces[agent] = Nonces(path)
        return self._nonces[agent]

    async def _check_clock(self, reader: AccountReader) -> None:
        state = await reader.state()
        off_s = (self._clock.now_ns() - state.time * MS) / 1e9
        self.clock_off_ms = round(off_s * 1000)
        if abs(off_s) > self._config.max_clock_skew_s:
            raise ConfigError(
                f"this machine's clock is {off_s:+.1f} s off Hyperliquid's: orders would expire at the wrong time; "
                "set it right (NTP) and start again"
            )

    async def _see_exchanged(self, reader: AccountReader) -> None:
        """The key of an account may have been exchanged: from then on the new one is watched."""
        if await self._address(reader) != self._agents[reader.account.id]:
            self._agents[reader.account.id] = await self._agent(reader)
            log.info("%s is signed for by another key now", reader.account.id)

    async def _address(self, reader: AccountReader) -> str:
        """Of an account's key, by a signature of what is never sent."""
        payload = l1_payload(actions.Noop(), 0, is_mainnet=self._config.is_mainnet)
        [signed] = await self._signer.sign([SignRequest(key=reader.account.key, action="noop", payload=payload)])
        return recover(payload, signed)

    async def _agent(self, reader: AccountReader) -> str:
        """The address of an account's key, which must be its approved agent."""
        account, agent = reader.account, await self._address(reader)
        if agent == account.address:
            raise ConfigError(
                f"the key {account.key!r} is the own key of {account.id} ({agent}), which can withdraw everything; "
                "approve an API wallet (agent) at Hyperliquid and use its key"
            )
        role = await reader.role(agent)
        owner = role.data.user.lower() if role.data is not None else ""
        if role.role != "agent" or (owner != account.address and not account.is_vault):
            raise ConfigError(
                f"the key {account.key!r} ({agent}) is not an API wallet of {account.id} ({account.address}): "
                f"Hyperliquid calls it {role.role!r}{' of ' + owner if owner else ''}; approve it there, or correct "
                "the address, the key or the network"
            )
        return agent

    async def look(self, reader: AccountReader) -> None:
        """Read an account's allowance and volume, and how long its key is good. Raises `VenueError`, `ConfigError`."""
        account = reader.account
        self._limits.told(account.id, await reader.rate_limit())
        agent = self._agents[account.id]
        until_ms = next((a.valid_until for a in await reader.agents() if a.address.lower() == agent), 0)
        if account.id in self.keys:
            self.keys[account.id] = replace(self.keys[account.id], until_ns=until_ms * MS)
        if not until_ms:
            self.warnings.pop(account.id, None)
            return
        left_s = until_ms / 1e3 - self._clock.now_ns() / 1e9
        if left_s <= 0:
            raise ConfigError(
                f"the API wallet {agent} of {account.id} has expired at Hyperliquid: approve a new one and use its key"
            )
        if left_s < EXPIRES_SOON_S:
            text = (
                f"the key of {account.id} expires in {left_s / DAY_S:.1f} days: approve a new API wallet "
                f"(`moondev vault rotate-key {account.key}`)"
            )
            self.warnings[account.id] = text
            self._say(KeyExpires(account=account.id, until_ns=until_ms * MS, text=f"{text[:1].upper()}{text[1:]}."))

    def _say(self, news: KeyExpires) -> None:
        """Once a day."""
        today = self._clock.now_ns() // (DAY_S * 1_000_000_000)
        if self._told.get(news.account) != today:
            self._told[news.account] = today
            log.warning("Hyperliquid: %s", news.text)
            self._emit(news)

    async def look_again(self, reader: AccountReader) -> None:
        """As `look`, and at the clock, while trading: what fails is said and tried again later."""
        try:
            await self._see_exchanged(reader)
            await self.look(reader)
            await self._check_clock(reader)
        except (VenueError, ConfigError) as error:
            self.warnings[reader.account.id] = str(error)
            log.warning("%s", error)
