"""What we ask of dYdX: one transaction for each request, signed, sent to a node.

    place ──▶ number on disk ──▶ (stateful: wait for room in a block) ──▶ sign ──▶ broadcast_tx_sync ──▶ CheckTx
    cancel ──▶ takes back its own place while that waits, else after it ──▶ sign ──▶ broadcast_tx_sync

Orders that must fill at once are short-term: in memory, good until a block. Everything that rests is stateful: it
survives nodes, and its tiers and rates are the chain's. Nothing is sent twice. What surely did not leave is a
`SendFailed`; what may have arrived is not spoken of.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from typing import TypeAlias

import aiohttp
import msgspec
from msgspec import Struct

from domain.errors import DataError, Unrepresentable, VenueError
from domain.events import AmendRejected, Rejected, SendDropped, SendFailed, VenueEvent
from domain.instrument import AccountId, InstrumentId
from domain.order import Amend, Cancel, ClientId, OrderKind, Place
from domain.ports import Clock, Signer, SignRequest
from domain.verdict import Reason
from exchanges.dydx import chain
from exchanges.dydx.blocks import Blocks, Nonces
from exchanges.dydx.chain import CANCEL, CONDITIONAL, LONG_TERM, PLACE, SHORT_TERM, OrderKey, OrderTerms
from exchanges.dydx.config import SHORT_BLOCK_WINDOW, DydxAccount, DydxConfig
from exchanges.dydx.ids import Entry
from exchanges.dydx.markets import Limits, Market
from exchanges.dydx.orders import Orders, any_price, reason_of
from exchanges.dydx.signing import ALLOWED
from exchanges.dydx.turns import Turns, Withdrawn
from exchanges.dydx.wire import decoded
from exchanges.shared.meters import Priority, priority_of
from exchanges.shared.trouble import ORDERS, judge, telling

log = logging.getLogger(__name__)

DAY_S = 86_400
RESTS_S = 60 * DAY_S
"""How long a stateful order may rest; the chain allows 95 days."""
CANCELS_S = 90 * DAY_S
"""A cancel has to be good for longer than its order."""
RATE_LIMITED = 5001
VALID_NS = 5_000_000_000
"""How long a request is good for at most, and one that says nothing about it."""
_FLAGS = {OrderKind.IOC: SHORT_TERM, OrderKind.STOP: CONDITIONAL, OrderKind.TAKE_PROFIT: CONDITIONAL}
_TIMES_IN_FORCE = {OrderKind.LIMIT: chain.UNSPECIFIED, OrderKind.POST_ONLY: chain.POST_ONLY}
_CONDITIONS = {OrderKind.STOP: chain.STOP_LOSS, OrderKind.TAKE_PROFIT: chain.TAKE_PROFIT}
Request: TypeAlias = Place | Amend | Cancel


class Checked(Struct):
    """What CheckTx says."""

    code: int = 0
    codespace: str = ""
    log: str = ""


class RpcError(Struct):
    """The RPC server's own words, e.g. of a transaction that is in its mempool already."""

    message: str = ""


class RpcAnswer(Struct):
    """One of the two."""

    result: Checked | None = None
    error: RpcError | None = None


class Trader(Struct):
    """One account while it is open: what its transactions need, and what the chain still takes of it."""

    account: DydxAccount
    public_key: bytes
    number: int
    authenticator: int
    turns: Turns
    nonces: Nonces = msgspec.field(default_factory=Nonces)
    equity: Decimal = Decimal(0)


class Unsent(Exception):
    """A request that surely has not left, and why."""


class Outbox:
    """Sends. `traders` and `markets` (by instrument) are filled in when the venue starts."""

    def __init__(
        self, config: DydxConfig, clock: Clock, signer: Signer, orders: Orders, blocks: Blocks,
        emit: Callable[[VenueEvent], None],
    ) -> None:  # fmt: skip
        self.session: aiohttp.ClientSession | None = None
        self.traders: dict[AccountId, Trader] = {}
        self.markets: Mapping[InstrumentId, Market] = {}
        self.limits = Limits((), (), ())
        self._config = config
        self._clock = clock
        self._signer = signer
        self._orders = orders
        self._blocks = blocks
        self._emit = emit
        self._tell = telling("DYDX", emit)
        self._tasks: set[asyncio.Task[None]] = set()
        self._placing: dict[ClientId, asyncio.Task[None]] = {}
        self._last_id = 0
        self.unanswered = 0
        """Transactions whose outcome was never heard."""

    def put(self, request: Request) -> None:
        """Take a request."""
        if isinstance(request, Place):
            task = self._spawn(self._guard(request, self._place(request)))
            self._placing[request.cid] = task
            task.add_done_callback(lambda _: self._placing.pop(request.cid, None))
        elif isinstance(request, Cancel):
            self._spawn(self._guard(request, self._cancel(request)))
        else:
            text = "dYdX changes no order in place: cancel it and place another"
            self._emit(AmendRejected(cid=request.cid, amend_no=request.amend_no, text=text))

    async def aclose(self) -> None:
        """Stop waiting for answers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, run: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, request: Request, run: Coroutine[None, None, None]) -> None:
        try:
            await run
        except Unsent as error:
            log.warning("a request about %s was not sent: %s", request.cid, error)
            if isinstance(request, Place):
                self._emit(SendFailed(cid=request.cid, text=str(error)))
        except Exception:
            log.exception("a request about %s could not be dealt with; the next ones are", request.cid)
            self.unanswered += 1

    # placing

    async def _place(self, place: Place) -> None:
        try:
            market, trader = self._market(place.instrument), self._trader(place.account)
            self._terms(place, market, OrderKey("", 0, 0, _FLAGS.get(place.kind, LONG_TERM), market.pair), 0, 1)
        except Unrepresentable as error:
            self._emit(Rejected(cid=place.cid, reason=Reason.BAD_NUMBER, text=str(error)))
            return
        flags = _FLAGS.get(place.kind, LONG_TERM)
        account = trader.account
        try:
            entry = await self._orders.ids.give(place.cid, account.address, account.subaccount, flags, market.pair)
        except OSError as error:
            raise Unsent(f"its number could not be written to disk: {error}") from error
        if flags == SHORT_TERM:
            await self._send_order(place, market, trader, entry)
            return
        if await self._has_room(place, trader):
            await self._send_order(place, market, trader, entry)

    async def _has_room(self, place: Place, trader: Trader) -> bool:
        """Wait until the chain takes one more stateful order; False when it was refused here instead."""
        allowed = self.limits.open_orders(trader.equity)
        if self._orders.open_count(place.account) >= allowed:
            text = f"dYdX allows {allowed} resting orders at once with an equity of {trader.equity:.0f} USDC"
            self._emit(Rejected(cid=place.cid, text=text))
            return False
        until_ns = place.valid_until_ns or self._until_ns(place)
        if until_ns <= self._clock.now_ns():
            return True  # which is refused as too late
        reduces = priority_of(place) is Priority.REDUCE
        try:
            if await trader.turns.take(place.cid, f"place {place.instrument}", until_ns, reduces=reduces):
                return True
        except Withdrawn:
            self._emit(SendDropped(cid=place.cid, reason=Reason.WITHDRAWN))
            return False
        text = "dYdX takes so many resting orders a block, and no block had room for this one in its time"
        self._emit(Rejected(cid=place.cid, reason=Reason.MESSAGE_RATE, text=text))
        return False

    def _until_ns(self, request: Place) -> int:
        longest_ns = self._clock.now_ns() + VALID_NS
        return min(request.valid_until_ns, longest_ns) if request.valid_until_ns else longest_ns

    async def _send_order(self, place: Place, market: Market, trader: Trader, entry: Entry) -> None:
        until_ns, now_ns = self._until_ns(place), self._clock.now_ns()
        if until_ns <= now_ns:
            text = "its time was over before it could be sent"
            self._emit(Rejected(cid=place.cid, reason=Reason.EXPIRED, text=text))
            return
        key = entry.key
        if key.flags == SHORT_TERM:
            good_til = ends = self._blocks.good_til(until_ns - now_ns, self._config.immediate_blocks)
        else:
            good_til, ends = until_ns, now_ns // 10**9 + RESTS_S
        terms = self._terms(place, market, key, entry.metadata, ends)
        line = self._orders.placed(place, market, key, good_til)
        try:
            checked = await self._broadcast(trader, PLACE, chain.place_message(terms), until_ns)
        except Unsent:
            self._orders.forget(line)
            raise
        if checked is not None and checked.code:
            self._orders.on_refused(line, reason_of(checked.codespace, checked.code), words_of(checked))
        elif checked is not None:
            self._orders.on_checked(line)

    def _terms(self, place: Place, market: Market, key: OrderKey, metadata: int, until: int) -> OrderTerms:
        price = place.price
        if place.kind in _CONDITIONS:
            price = price or any_price(market, place.trigger, place.side)
        return OrderTerms(
            key=key,
            side=place.side,
            quantums=market.quantums(place.qty),
            subticks=market.subticks(price),
            until=until,
            time_in_force=_TIMES_IN_FORCE.get(place.kind, chain.IOC),
            reduce_only=place.reduce_only,
            condition=_CONDITIONS.get(place.kind, chain.NO_CONDITION),
            trigger_subticks=market.subticks(place.trigger) if place.kind in _CONDITIONS else 0,
            metadata=metadata,
        )

    def _market(self, instrument: InstrumentId) -> Market:
        found = self.markets.get(instrument)
        if found is None:
            raise Unrepresentable(f"dYdX does not list {instrument}")
        return found

    def _trader(self, account: AccountId) -> Trader:
        found = self.traders.get(account)
        if found is None:
            raise Unsent(f"there is no dYdX account {account}")
        return found

    # cancelling

    async def _cancel(self, cancel: Cancel) -> None:
        placing = self._placing.get(cancel.cid)
        if placing is not None:
            if self._trader(cancel.account).turns.withdraw(cancel.cid):
                return
            await asyncio.wait([placing])
        entry = self._orders.ids.of(cancel.cid)
        if entry is None:
            self._orders.on_cancel_refused(cancel.cid, "an order of this id was never sent to dYdX")
            return
        now_ns = self._clock.now_ns()
        if entry.key.flags == SHORT_TERM:
            until = self._blocks.height + SHORT_BLOCK_WINDOW
        else:
            until = now_ns // 10**9 + CANCELS_S
        message = chain.cancel_message(entry.key, until)
        checked = await self._broadcast(self._trader(cancel.account), CANCEL, message, now_ns + VALID_NS)
        if checked is not None and checked.code:
            self._orders.on_cancel_refused(cancel.cid, words_of(checked))

    # the wire

    async def _broadcast(self, trader: Trader, kind: str, message: bytes, until_ns: int) -> Checked | None:
        """What CheckTx says, None when that was not heard. Raises `Unsent` when it surely never left."""
        payload = chain.sign_doc(
            kind,
            message,
            public_key=trader.public_key,
            nonce=trader.nonces.next(until_ns),
            account_number=trader.number,
            chain_id=self._config.chain_id,
            authenticator=trader.authenticator,
        )
        request = SignRequest(key=trader.account.key, action=ALLOWED[kind], payload=payload)
        try:
            [signed] = await self._signer.sign([request])
        except (VenueError, OSError) as error:
            raise Unsent(str(error) or type(error).__name__) from error
        if self.session is None:
            raise Unsent("the venue is closed")
        self._last_id += 1
        tx = base64.b64encode(chain.raw_tx(payload, signed)).decode()
        call = {"jsonrpc": "2.0", "id": self._last_id, "method": "broadcast_tx_sync", "params": {"tx": tx}}
        timeout = aiohttp.ClientTimeout(total=self._config.request_timeout_s)
        try:
            async with self.session.post(
                self._config.rpc_url, json=call, timeout=timeout, allow_redirects=False
            ) as answer:  # fmt: skip
                status, body = answer.status, await answer.read()
        except aiohttp.ClientConnectorError as error:
            raise Unsent(str(error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._unheard(str(error) or type(error).__name__)
            return None
        return self._checked(status, body)

    def _checked(self, status: int, body: bytes) -> Checked | None:
        """Below 500 somebody has looked at it and refused; above, and for the RPC's own errors, nobody knows."""
        judge(self._tell, ORDERS, status, body)
        if 400 <= status < 500:
            codespace, code = ("clob", RATE_LIMITED) if status == 429 else ("http", status)
            return Checked(code, codespace, f"HTTP {status}: {body[:200].decode(errors='replace')}")
        try:
            found = decoded(body, RpcAnswer, "answer to a transaction")
        except DataError as error:
            self._unheard(f"HTTP {status}: {error}")
            return None
        if found.result is None or status != 200:
            self._unheard(f"HTTP {status}: {found.error.message if found.error is not None else 'no result'}")
            return None
        return found.result

    def _unheard(self, why: str) -> None:
        self.unanswered += 1
        log.warning("what became of a transaction is not known: %s", why)


def words_of(checked: Checked) -> str:
    """A refusal in the chain's words."""
    return f"{checked.log or 'refused'} ({checked.codespace} {checked.code})"
