"""What has to be right before the first order: network, clock, contracts, account and key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from domain.errors import ConfigError, VenueError
from domain.instrument import Instrument
from domain.ports import Clock, Signer, SignRequest
from exchanges.dydx import authenticators, chain
from exchanges.dydx.blocks import Blocks
from exchanges.dydx.config import DydxAccount, DydxConfig
from exchanges.dydx.http import Reader
from exchanges.dydx.markets import Limits, Market, read_limits, read_markets, with_instruments
from exchanges.dydx.outbox import Trader
from exchanges.dydx.signing import ALLOWED
from exchanges.dydx.turns import Turns
from exchanges.dydx.wire import Time, WireTime, ns_of


class NodeInfo(Struct):
    """Which chain a node is of."""

    network: str


class SyncInfo(Struct):
    """How far it is."""

    latest_block_height: str
    latest_block_time: Time
    catching_up: bool = False


class Status(Struct):
    """The node's own state."""

    node_info: NodeInfo
    sync_info: SyncInfo


class StatusAnswer(Struct):
    """The envelope."""

    result: Status


class ChainAccount(Struct):
    """An account of the chain."""

    account_number: str


class AccountAnswer(Struct):
    """The envelope."""

    info: ChainAccount


class Opening:
    """Asks and refuses; each step raises `ConfigError` for what a person has to set right, else `VenueError`."""

    def __init__(self, reader: Reader, config: DydxConfig, clock: Clock, signer: Signer) -> None:
        self._reader = reader
        self._config = config
        self._clock = clock
        self._signer = signer
        self.clock_off_ms: int | None = None

    async def height(self) -> tuple[int, int]:
        """The node's newest block and its time, once network and clock are right."""
        status = (await self._reader.rpc("status", StatusAnswer)).result
        if status.node_info.network != self._config.chain_id:
            raise ConfigError(
                f"the node {self._config.rpc_url} is of the chain {status.node_info.network!r:.40}, not of "
                f"{self._config.chain_id}; correct the network or the node's address"
            )
        if status.sync_info.catching_up:
            raise VenueError(f"the node {self._config.rpc_url} is still catching up with the chain; use another one")
        now_ns = ns_of((await self._reader.indexer("time", WireTime)).iso)
        off_s = (self._clock.now_ns() - now_ns) / 1e9
        self.clock_off_ms = round(off_s * 1000)
        if abs(off_s) > self._config.max_clock_skew_s:
            raise ConfigError(
                f"this machine's clock is {off_s:+.1f} s off dYdX's: orders would expire at the wrong time; "
                "set it right (NTP) and start again"
            )
        return int(status.sync_info.latest_block_height), ns_of(status.sync_info.latest_block_time)

    async def markets(self, instruments: Sequence[Instrument]) -> list[Market]:
        """Every contract, with the given instruments in their places."""
        listed = await read_markets(self._reader)
        known = {market.ticker: market.instrument for market in listed}
        for instrument in instruments:
            found = known.get(instrument.venue_symbol)
            if found is None:
                raise ConfigError(
                    f"dYdX does not list {instrument.venue_symbol}; remove it or correct its venue symbol"
                )
            scales = [(i.price_decimals, i.qty_decimals, i.tick, i.lot) for i in (found, instrument)]
            if scales[0] != scales[1]:
                raise ConfigError(
                    f"{instrument.id}: dYdX counts in (price decimals, quantity decimals, tick, lot) {scales[0]}, "
                    f"the settings say {scales[1]}; read the contract from the venue again"
                )
        return with_instruments(listed, instruments)

    async def limits(self) -> Limits:
        """What the chain takes."""
        return await read_limits(self._reader)

    async def trader(self, account: DydxAccount, limits: Limits, blocks: Blocks, pairs: Iterable[int]) -> Trader:
        """An account and its key, which may sign orders for it in the contracts `pairs`, and nothing else."""
        public_key = await self._public_key(account)
        if chain.address_of(public_key) == account.address:
            raise ConfigError(
                f"the key {account.key!r} is the own key of {account.id} ({account.address}), which can withdraw "
                f"everything; {authenticators.HOW}"
            )
        try:
            path = f"cosmos/auth/v1beta1/account_info/{account.address}"
            number = int((await self._reader.node(path, AccountAnswer)).info.account_number)
        except VenueError as error:
            raise ConfigError(
                f"{account.id} ({account.address}) is not there on {self._config.chain_id}: deposit USDC first, or "
                f"correct the address or the network ({error})"
            ) from error
        path = f"dydxprotocol/accountplus/authenticators/{account.address}"
        found = (await self._reader.node(path, authenticators.Answer)).account_authenticators
        chosen = authenticators.check(account, public_key, found, pairs)
        return Trader(account, public_key, number, chosen, Turns(limits.stateful, blocks, self._clock))

    async def _public_key(self, account: DydxAccount) -> bytes:
        """The key's public half, by a signature of a transaction that does nothing and is never sent."""
        payload = chain.sign_doc(
            chain.BATCH_CANCEL,
            b"",
            public_key=b"",
            nonce=0,
            account_number=0,
            chain_id=self._config.chain_id,
            authenticator=0,
        )
        request = SignRequest(key=account.key, action=ALLOWED[chain.BATCH_CANCEL], payload=payload)
        [signed] = await self._signer.sign([request])
        return chain.recover(payload, signed)
