"""dYdX's order side: the `Venue` port.

    send ──▶ Outbox ──▶ node's RPC, one transaction a request ──▶ CheckTx ─────┐
             indexer's WebSocket: v4_subaccounts, v4_block_height ─────────────┼──▶ Orders ──▶ sink
             indexer's REST: queries, snapshots (AccountReader) ───────────────┘

A lost connection, or a hole in the numbers of its messages, is a `VenueStatus`; when it is back there is another one,
upon which the engine asks for a snapshot.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import aiohttp

from domain.errors import DataError, Unrepresentable, VenueError
from domain.events import VenueEvent, VenueSnapshot
from domain.instrument import AccountId, Instrument
from domain.order import ArmDeadMan, Intent, Query, RequestSnapshot
from domain.ports import Clock, Signer, VenueCaps
from domain.views import KeyView, VenueView
from exchanges.dydx.account import AccountReader
from exchanges.dydx.blocks import Blocks
from exchanges.dydx.config import DydxAccount, DydxConfig, network_name
from exchanges.dydx.http import IndexerLimits, Reader
from exchanges.dydx.ids import IdMap
from exchanges.dydx.opening import Opening
from exchanges.dydx.orders import Line, Orders
from exchanges.dydx.outbox import Outbox
from exchanges.dydx.socket import Connection
from exchanges.dydx.wire import UNREAD, Frame, WireHeight, WireHeightUpdate, WireUpdate, decoded, ns_of
from exchanges.shared.keys import note, told
from exchanges.shared.link import Link
from exchanges.shared.payloads import Payloads
from exchanges.shared.reads import Reads
from exchanges.shared.redial import Redial
from exchanges.shared.tasks import Tasks
from exchanges.shared.trouble import telling

log = logging.getLogger(__name__)

NAME = "DYDX"
CAPS = VenueCaps(amend=False)
"""Nothing is changed in place. The dead man's switch of orders that must fill at once is their goodTilBlock; of what
rests there is none, so none is promised."""
SUBACCOUNTS, HEIGHT = "v4_subaccounts", "v4_block_height"
HOUR_NS, FUNDING_AFTER_NS = 3_600_000_000_000, 20_000_000_000
"""Funding is paid each hour, and only the read path tells of it: a snapshot is sent so long after the hour."""


class DydxVenue:
    """Trades `instruments` for `accounts`; `signer` knows their keys. `jitter` gives random numbers in [0, 1).

    The instruments' `venue_symbol` is the ticker. `ids` maps their order ids; `folder` keeps messages that were
    not understood.
    """

    def __init__(
        self,
        config: DydxConfig,
        clock: Clock,
        signer: Signer,
        accounts: Sequence[DydxAccount],
        instruments: Sequence[Instrument],
        ids: IdMap,
        folder: Path | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = NAME
        self.caps = CAPS
        self._config = config
        self._clock = clock
        self._signer = signer
        self._accounts = tuple(accounts)
        self._instruments = tuple(instruments)
        self._jitter = jitter
        self._sink: Callable[[VenueEvent], None] | None = None
        self._clock_off_ms: int | None = None
        self.blocks = Blocks()
        self.orders = Orders(ids, self._emit, self._settle_later)
        self.outbox = Outbox(config, clock, signer, self.orders, self.blocks, self._emit)
        self._limits = IndexerLimits(clock)
        self._readers: dict[AccountId, AccountReader] = {}
        self._by_channel: dict[str, AccountReader] = {}
        self._session: aiohttp.ClientSession | None = None
        self._tasks = Tasks(NAME)
        self._reads = Reads(self._readers, self._tasks, self._told)
        self._redial = Redial("dYdX's account stream", config, jitter)
        self._waiting: set[tuple[str, str]] = set()
        self._link = Link(NAME, "dYdX", config.ws_url, self._emit)
        self._funded_hour = 0
        self.payloads = Payloads(NAME, UNREAD, folder)
        """Messages that were not understood, and fields that are new to us."""

    async def start(self, sink: Callable[[VenueEvent], None]) -> None:
        """Check network, keys, clock and contracts, connect, and return when the venue has confirmed the streams.

        Raises `ConfigError` for what a person has to set right, `VenueError` when the venue does not answer.
        """
        self._sink = sink
        session = self._session = self.outbox.session = aiohttp.ClientSession()
        async with self._link.opening(self._config.connect_timeout_s, self.aclose):
            await self._look_at(session)
            for key in self._keys():
                note(key)
            self._tasks.spawn(self._redial.keep(partial(self._connection, session), self._ended))

    async def check(self) -> tuple[KeyView, ...]:
        """Check network, keys, clock and contracts, and change nothing."""
        self._session = aiohttp.ClientSession()
        await self._look_at(self._session)
        return self._keys()

    def _keys(self) -> tuple[KeyView, ...]:
        return tuple(told(account) for account in self.outbox.traders)

    def send(self, intents: Sequence[Intent]) -> None:
        """Hand intents to the sender; answers come as events, or not at all."""
        for intent in intents:
            if isinstance(intent, RequestSnapshot):
                self._reads.look(intent.account)
            elif isinstance(intent, Query):
                self._reads.ask(intent)
            elif isinstance(intent, ArmDeadMan):
                log.warning("dYdX has no dead man's switch; %s stays without one", intent.account)
            else:
                self.outbox.put(intent)

    async def aclose(self) -> None:
        """Disconnect; orders stay as they are."""
        self._sink = None
        await self._tasks.aclose()
        await self.outbox.aclose()
        self._limits.gate.close()
        session, self._session = self._session, None
        self.outbox.session = None
        if session is not None:
            await session.close()

    def view(self) -> VenueView:
        """How the connection is, how much of which limit is used, and what waits."""
        now_ns = self._clock.now_ns()
        traders = self.outbox.traders.items()
        label = {account: account.partition(":")[2] for account, _ in traders}
        turns = [budget for account, trader in traders for budget in trader.turns.budgets(label[account])]
        waiting = [waiting for _, trader in traders for waiting in trader.turns.waiting()]
        return VenueView(
            venue=NAME,
            network=network_name(self._config),
            connected=self._link.is_up,
            detail=self._link.says(self.payloads),
            keys=self._keys(),
            budgets=(*self._limits.budget.budgets(now_ns), *turns),
            waiting=(*self._limits.budget.waiting(now_ns), *waiting),
            clock_off_ms=self._clock_off_ms,
        )

    def _emit(self, event: VenueEvent) -> None:
        if self._sink is not None:
            self._sink(event)

    async def _look_at(self, session: aiohttp.ClientSession) -> None:
        """The chain, the contracts, the accounts and their keys; what is not as it should be is refused."""
        reader = Reader(session, self._config, self._jitter, self._limits, telling(NAME, self._emit))
        opening = Opening(reader, self._config, self._clock, self._signer)
        self.blocks.see(*await opening.height())
        self._clock_off_ms = opening.clock_off_ms
        markets = await opening.markets(self._instruments)
        self.outbox.markets = {market.instrument.id: market for market in markets}
        self.orders.markets = {str(market.pair): market for market in markets}
        self.orders.markets |= {market.ticker: market for market in markets}
        self.outbox.limits = await opening.limits()
        for account in self._accounts:
            pairs = [self.outbox.markets[instrument.id].pair for instrument in self._instruments]
            trader = await opening.trader(account, self.outbox.limits, self.blocks, pairs)
            self.outbox.traders[account.id] = trader
            since_ns = account.since_ns or self._clock.now_ns()
            self._readers[account.id] = AccountReader(reader, account, self.orders, since_ns)
            self._by_channel[account.channel] = self._readers[account.id]
            await self._readers[account.id].state()
            trader.equity = self._readers[account.id].equity

    # the connection

    def _ended(self, why: str) -> None:
        self.orders.on_lost()
        self._link.down(why)

    async def _connection(self, session: aiohttp.ClientSession) -> str:
        """One connection, from the handshake to its end; returns why it ended."""
        async with Connection(session, self._config) as connection:
            wanted = [(HEIGHT, ""), *((SUBACCOUNTS, channel) for channel in self._by_channel)]
            self._waiting = set(wanted)
            for channel, subject in wanted:
                await connection.subscribe(channel, subject)
            confirm_by = asyncio.get_running_loop().time() + self._config.connect_timeout_s
            while True:
                frame = await connection.receive()
                if isinstance(frame, str):
                    return frame
                self._take(frame)
                if not self._link.is_up and not self._waiting:
                    self._redial.worked()
                    self._link.up()
                elif not self._link.is_up and asyncio.get_running_loop().time() > confirm_by:
                    return f"not confirmed: {', '.join(sorted(channel for channel, _ in self._waiting))}"

    def _take(self, frame: Frame) -> None:
        """Deal with one message; one that is not understood is counted and skipped, and a snapshot is asked for."""
        try:
            if frame.type == "subscribed":
                self._confirmed(frame)
            elif frame.type == "channel_data" and frame.channel == SUBACCOUNTS:
                self._take_update(frame)
            elif frame.type == "channel_data" and frame.channel == HEIGHT:
                block = decoded(frame.contents, WireHeightUpdate, HEIGHT)
                self._see(int(block.block_height), ns_of(block.time))
            elif frame.type == "error":
                log.warning("dYdX complains: %s", frame.message)
                self._link.complaint = frame.message
        except (DataError, Unrepresentable, ArithmeticError, ValueError) as error:
            self.payloads.keep(bytes(frame.contents), str(error), self._clock.now_ns())
            self._reads.look_at_all()

    def _confirmed(self, frame: Frame) -> None:
        if frame.channel == HEIGHT:
            block = decoded(frame.contents, WireHeight, HEIGHT)
            self._see(int(block.height), ns_of(block.time))
        self._waiting.discard((frame.channel, frame.id if frame.channel == SUBACCOUNTS else ""))

    def _take_update(self, frame: Frame) -> None:
        reader = self._by_channel.get(frame.id)
        if reader is None:
            return
        update = decoded(frame.contents, WireUpdate, SUBACCOUNTS)
        self.payloads.look(bytes(frame.contents), update)
        for fill in update.fills:
            self.orders.on_fill(reader.account.id, fill, reader.since_ns)
        for order in update.orders:
            self.orders.on_order(order, self.blocks.time_ns)

    def _see(self, height: int, time_ns: int) -> None:
        if not self.blocks.see(height, time_ns):
            return
        self.orders.on_height(height, time_ns)
        for trader in self.outbox.traders.values():
            trader.turns.serve()
        hour = (time_ns - FUNDING_AFTER_NS) // HOUR_NS
        if self._funded_hour and hour > self._funded_hour:
            self._reads.look_at_all()
        self._funded_hour = max(hour, self._funded_hour)

    # the read path

    def _told(self, event: VenueEvent) -> None:
        if isinstance(event, VenueSnapshot):
            self.outbox.traders[event.account].equity = self._readers[event.account].equity
        self._emit(event)

    def _settle_later(self, line: Line) -> None:
        self._tasks.spawn(self._settle(line))

    async def _settle(self, line: Line) -> None:
        """Ask what has filled of an order whose end was not heard; its fills come with a snapshot."""
        try:
            async with self._reads.room:
                filled = await self._readers[line.account].filled(line)
        except (VenueError, DataError, Unrepresentable, ArithmeticError) as error:
            log.warning("what became of the order %s could not be asked: %s", line.cid, error)
            return
        if filled < line.qty:
            self.orders.on_passed(line, filled, self.blocks.time_ns)
