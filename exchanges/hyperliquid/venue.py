"""Hyperliquid's order side: the `Venue` port.

    send ──▶ Outbox ──▶ WebSocket post (REST while it is down) ──▶ statuses ─┐
             WebSocket: orderUpdates, userFills, userFundings ───────────────┼──▶ Orders ──▶ sink
             POST /info: queries, snapshots (AccountReader) ─────────────────┘

A lost connection is a `VenueStatus`; when it is back there is another one, upon which the engine asks for a snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import aiohttp
import msgspec

from domain.errors import ConfigError, DataError, Unrepresentable
from domain.events import VenueEvent
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.order import Intent, Query, RequestSnapshot
from domain.ports import Clock, Signer, VenueCaps
from domain.views import KeyView, VenueView
from exchanges.hyperliquid import actions
from exchanges.hyperliquid.account import AccountReader, funding_of
from exchanges.hyperliquid.batches import Writer
from exchanges.hyperliquid.config import HyperliquidAccount, HyperliquidConfig, is_testnet
from exchanges.hyperliquid.info import InfoClient, Meta, instrument_of
from exchanges.hyperliquid.leverage import TermsSetter
from exchanges.hyperliquid.limits import Limits
from exchanges.hyperliquid.orders import Orders
from exchanges.hyperliquid.outbox import Outbox
from exchanges.hyperliquid.private import (
    UNREAD,
    ConfirmationMessage,
    FillsMessage,
    FundingsMessage,
    PostMessage,
    UpdatesMessage,
    UserSubscription,
    decode_private,
)
from exchanges.hyperliquid.socket import connect, receive
from exchanges.hyperliquid.watch import AccountWatch
from exchanges.hyperliquid.wire import ErrorMessage
from exchanges.shared.keys import note
from exchanges.shared.link import Link
from exchanges.shared.payloads import Payloads
from exchanges.shared.reads import Reads
from exchanges.shared.redial import Redial
from exchanges.shared.setup import Terms
from exchanges.shared.tasks import Tasks
from exchanges.shared.trouble import telling

log = logging.getLogger(__name__)

CAPS = VenueCaps(amend=True, amend_keeps_queue=False, batch=actions.MAX_BATCH)
"""The dead man's switch is added at the start where every account has traded a million USDC."""
NAME = "HYPERLIQUID"
STREAMS = ("orderUpdates", "userFills", "userFundings")
LOOK_PAUSE_S = 1.0


class HyperliquidVenue:
    """Trades `instruments` for `accounts`; `signer` knows their keys. `jitter` gives random numbers in [0, 1).

    The instruments' `venue_symbol` is the coin. `folder` keeps nonces and messages that were not understood; without
    it a restart under a clock that went back may repeat a nonce. `terms` are set at the start, for every account.
    """

    def __init__(
        self,
        config: HyperliquidConfig,
        clock: Clock,
        signer: Signer,
        accounts: Sequence[HyperliquidAccount],
        instruments: Sequence[Instrument],
        jitter: Callable[[], float] = random.random,
        folder: Path | None = None,
        terms: Mapping[InstrumentId, Terms] | None = None,
    ) -> None:
        self.name = NAME
        self.caps = CAPS
        self._config = config
        self._clock = clock
        self._signer = signer
        self._accounts = {a.id: msgspec.structs.replace(a, address=a.address.lower()) for a in accounts}
        self._instruments = {instrument.venue_symbol: instrument for instrument in instruments}
        self._jitter = jitter
        self._terms = terms or {}
        self._sink: Callable[[VenueEvent], None] | None = None
        self.orders = Orders({}, self._emit)
        self._assets: dict[str, tuple[Instrument, int]] = {}
        self.limits = Limits(config, clock)
        self.payloads = Payloads(NAME, UNREAD, folder)
        self.outbox = Outbox(
            config,
            clock,
            Writer(config, clock, signer, self.orders, self._accounts, self._assets),
            self.orders,
            self.limits,
            self.payloads,
            self._emit,
            lambda _account: self._look.set(),
        )
        self._watch = AccountWatch(config, clock, signer, self.limits, folder, self._emit)
        self._look = asyncio.Event()
        self._readers: dict[AccountId, AccountReader] = {}
        self._by_address: dict[str, AccountReader] = {}
        self._session: aiohttp.ClientSession | None = None
        self._tasks = Tasks(NAME)
        self.reads = Reads(self._readers, self._tasks, self._emit)
        self._redial = Redial("Hyperliquid's order connection", config, jitter)
        self._waiting: set[UserSubscription] = set()
        self._link = Link(NAME, "Hyperliquid", config.ws_url, self._emit)

    async def start(self, sink: Callable[[VenueEvent], None]) -> None:
        """Check keys, clock and contracts, connect, and return when the venue has confirmed the streams.

        Raises `ConfigError` for what a person has to set right, `VenueError` when the venue does not answer.
        """
        self._sink = sink
        session = self._session = self.outbox.session = aiohttp.ClientSession()
        async with self._link.opening(self._config.connect_timeout_s, self.aclose):
            meta = await self._look_at(session)
            for key in self._watch.keys.values():
                note(key)
            await self._set_terms(session, meta)
            connection = partial(self._connection, session)
            for run in (self.outbox.run(), self._redial.keep(connection, self._ended), self._look_on()):
                self._tasks.spawn(run)

    async def check(self) -> tuple[KeyView, ...]:
        """Check keys, clock and contracts, and change nothing."""
        self._session = aiohttp.ClientSession()
        await self._look_at(self._session)
        return tuple(self._watch.keys.values())

    def send(self, intents: Sequence[Intent]) -> None:
        """Hand intents to the sender; answers come as events, or not at all."""
        requests = []
        for intent in intents:
            if isinstance(intent, RequestSnapshot):
                self.reads.look(intent.account)
            elif isinstance(intent, Query):
                self.reads.ask(intent)
            else:
                requests.append(intent)
        self.outbox.put(requests)

    async def aclose(self) -> None:
        """Disconnect; orders stay as they are."""
        self._sink = None
        await self._tasks.aclose()
        await self.outbox.aclose()
        session, self._session = self._session, None
        self.outbox.session = None
        if session is not None:
            await session.close()

    def view(self) -> VenueView:
        """How the connection is, how much of which limit is used, and what waits."""
        now_ns = self._clock.now_ns()
        return VenueView(
            venue=NAME,
            network="mainnet" if self._config.is_mainnet else "testnet" if is_testnet(self._config) else "local",
            connected=self._link.is_up,
            detail=self._link.says(self.payloads, self._watch.warnings.values()),
            keys=tuple(self._watch.keys.values()),
            budgets=self.limits.budget.budgets(now_ns),
            waiting=self.limits.budget.waiting(now_ns),
            clock_off_ms=self._watch.clock_off_ms,
        )

    def _emit(self, event: VenueEvent) -> None:
        if self._sink is not None:
            self._sink(event)

    # opening

    async def _look_at(self, session: aiohttp.ClientSession) -> Meta:
        """Contracts, accounts and their keys; what is not as it should be is refused."""
        info = InfoClient(session, self._config, self._jitter, self.limits, telling(NAME, self._emit))
        meta = await info.meta()
        self._list(meta)
        for account in self._accounts.values():
            now_ns = self._clock.now_ns()
            reader = AccountReader(info, account, self.orders, account.since_ns or now_ns, self.payloads)
            self._readers[account.id] = self._by_address[account.address] = reader
            self.outbox.writer.nonces[account.key] = await self._watch.open(reader)
            self._say_left(account.id)
        has_dead_man = bool(self._accounts) and all(map(self.limits.has_dead_man, self._accounts))
        self.caps = msgspec.structs.replace(CAPS, dead_man=has_dead_man)
        return meta

    async def _set_terms(self, session: aiohttp.ClientSession, meta: Meta) -> None:
        setter = TermsSetter(self._config, self._clock, session, self.outbox.writer, self.limits)
        for reader in self._readers.values():
            for name, terms in self._terms.items():
                number = self._assets[name][1]
                await setter.set(reader, number, meta.universe[number], terms)

    def _list(self, meta: Meta) -> None:
        """Learn the contracts and their numbers. Raises `ConfigError` where the settings say otherwise."""
        for number, asset in enumerate(meta.universe):
            instrument = self._instruments.get(asset.name) or instrument_of(asset)
            if instrument.qty_decimals != asset.size_decimals:
                raise ConfigError(
                    f"{instrument.id}: Hyperliquid counts {asset.name} in {asset.size_decimals} decimals, the settings "
                    f"say {instrument.qty_decimals}; correct qty_decimals"
                )
            self.orders.instruments[asset.name] = instrument
            self._assets[instrument.id] = (instrument, number)
        missing = [coin for coin in self._instruments if coin not in self.orders.instruments]
        if missing:
            raise ConfigError(f"Hyperliquid does not list {', '.join(missing)}; remove it or correct its venue symbol")

    async def _look_on(self) -> None:
        """Keep an eye on allowances and keys; at once on an account that has spent its actions."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.watch_every_s):
                    await self._look.wait()
            self._look.clear()
            for reader in self._readers.values():
                await self._watch.look_again(reader)
                self._say_left(reader.account.id)
            await asyncio.sleep(LOOK_PAUSE_S)

    def _say_left(self, account: AccountId) -> None:
        news = self.limits.news(account)
        if news is not None:
            self._emit(news)

    # the connection

    def _ended(self, why: str) -> None:
        self.outbox.lost()
        self._link.down(why)

    async def _connection(self, session: aiohttp.ClientSession) -> str:
        """One connection, from the handshake to its end; returns why it ended."""
        config = self._config
        async with await connect(session, config) as socket:
            wanted = [UserSubscription(kind, address) for address in self._by_address for kind in STREAMS]
            self._waiting = set(wanted)
            confirm_by = asyncio.get_running_loop().time() + config.connect_timeout_s
            for subscription in wanted:
                await self.limits.enter_message("subscribe")
                request = {"method": "subscribe", "subscription": subscription}
                await socket.send_str(msgspec.json.encode(request).decode())
            while True:
                frame = await receive(socket, config.ping_after_s)
                if frame is None:
                    return f"nothing came for {2 * config.ping_after_s:g} s"
                kind, data, extra = frame
                if kind is not aiohttp.WSMsgType.TEXT:
                    return f"closed: {data or socket.close_code or kind.name} {extra or ''}".strip()
                self._take(data)
                if self._link.is_up:
                    continue
                if not self._waiting:
                    self.outbox.socket = socket
                    self._redial.worked()
                    self._link.up()
                elif asyncio.get_running_loop().time() > confirm_by:
                    return f"not confirmed: {', '.join(sorted(each.type for each in self._waiting))}"

    def _take(self, frame: bytes) -> None:
        """Deal with one frame; what is not understood is kept and skipped, and a snapshot asked for."""
        try:
            message = decode_private(frame)
            self.payloads.look(frame, message)
            if isinstance(message, PostMessage):
                self.outbox.on_post(message.data)
            elif isinstance(message, UpdatesMessage):
                for update in message.data:
                    self.orders.on_update(update)
            elif isinstance(message, FillsMessage):
                self._take_fills(message)
            elif isinstance(message, FundingsMessage):
                self._take_fundings(message)
            elif isinstance(message, ConfirmationMessage):
                confirmed = message.data.subscription
                self._waiting.discard(UserSubscription(confirmed.type, confirmed.user.lower()))
            elif isinstance(message, ErrorMessage):
                log.warning("Hyperliquid complains: %s", message.data)
                self._link.complaint = message.data
        except (DataError, Unrepresentable, msgspec.DecodeError, ArithmeticError) as error:
            self.payloads.keep(frame, str(error), self._clock.now_ns())
            self.reads.look_at_all()

    def _take_fills(self, message: FillsMessage) -> None:
        reader = self._by_address.get(message.data.user.lower())
        if reader is not None:
            self.orders.on_fills(reader.account.id, reader.account.address, message.data.fills, reader.since_ns)

    def _take_fundings(self, message: FundingsMessage) -> None:
        reader = self._by_address.get(message.data.user.lower())
        if reader is None:
            return
        for funding in message.data.fundings:
            event = funding_of(reader.account.id, self.orders, funding)
            if event is not None and event.venue_ts_ns >= reader.since_ns:
                self._emit(event)
