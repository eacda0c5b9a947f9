"""What we ask of Hyperliquid: batched, signed, sent over the WebSocket, or over REST while that is down.

    put ──▶ batches ──▶ limits ──▶ sign ──▶ post ──▶ answer, one status for each ──▶ `Orders` ──▶ events
                          │                   └────▶ no answer: nothing is said, the engine asks
                          └──▶ waits by priority; a cancel takes back what it overtakes

Nothing is ever sent twice. What surely did not leave is a `SendFailed`, or `SendDropped` when our own rules kept it;
what may have arrived is not spoken of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import aiohttp
import msgspec
from msgspec import Struct

from domain.errors import DataError, VenueError
from domain.events import AmendRejected, CancelRejected, Rejected, SendDropped, SendFailed, VenueEvent
from domain.instrument import AccountId
from domain.order import Amend, ArmDeadMan, Cancel, ClientId, Place
from domain.ports import Clock
from domain.verdict import Reason
from exchanges.hyperliquid import actions
from exchanges.hyperliquid.batches import Batch, Request, Writer, batches
from exchanges.hyperliquid.config import HyperliquidConfig
from exchanges.hyperliquid.limits import Limits
from exchanges.hyperliquid.orders import Orders, reason_of
from exchanges.hyperliquid.private import PostResponse, Status, WirePost, statuses_of
from exchanges.hyperliquid.socket import Socket
from exchanges.shared.budget import Wanted
from exchanges.shared.payloads import Payloads
from exchanges.shared.trouble import ORDERS, judge, telling

log = logging.getLogger(__name__)

MAX_IN_FLIGHT: Final = 90
"""Posts without an answer on one connection; the venue allows 100. More go over REST."""
EXHAUSTED: Final = "too many cumulative requests"
"""The venue's words when an account has spent its actions."""


class Post(Struct, frozen=True):
    """The WebSocket's envelope."""

    id: int
    request: PostRequest
    method: str = "post"


class PostRequest(Struct, frozen=True):
    """Its contents."""

    payload: actions.Envelope
    type: str = "action"


def encode_post(number: int, envelope: actions.Envelope) -> bytes:
    """The WebSocket's frame for a signed action."""
    return msgspec.json.encode(Post(number, PostRequest(envelope)))


class Outbox:
    """Sends; `socket` is the live connection or None. `exhausted` hears of an account that has spent its actions."""

    def __init__(
        self,
        config: HyperliquidConfig,
        clock: Clock,
        writer: Writer,
        orders: Orders,
        limits: Limits,
        payloads: Payloads,
        emit: Callable[[VenueEvent], None],
        exhausted: Callable[[AccountId], None],
    ) -> None:
        self.socket: Socket | None = None
        self.session: aiohttp.ClientSession | None = None
        self.writer = writer
        self._config = config
        self._clock = clock
        self._orders = orders
        self._limits = limits
        self._payloads = payloads
        self._emit = emit
        self._tell = telling("HYPERLIQUID", emit)
        self._exhausted = exhausted
        self._queue: asyncio.Queue[Batch] = asyncio.Queue()
        self._waiting: dict[tuple[type[Request], ClientId], Batch] = {}
        """Orders and amendments that wait for the limits."""
        self._pending: dict[int, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self.unanswered = 0
        """Actions whose outcome was never heard."""

    @property
    def is_busy(self) -> bool:
        """Whether anything is on its way or waits."""
        return bool(self._pending or self._waiting or self._queue.qsize())

    def put(self, requests: Sequence[Request]) -> None:
        """Take requests; they leave in this order, as far as the limits let them."""
        if self._waiting:
            requests = [request for request in requests if not self._takes_back(request)]
        for batch in batches(requests):
            self._offer(batch)

    # waiting

    def _offer(self, batch: Batch) -> None:
        """Queue a batch for the limits; it goes at once where they allow it."""
        first, size = batch.parts[0], len(batch.parts)
        if isinstance(first, ArmDeadMan) and not self._limits.has_dead_man(batch.account):
            log.warning("%s has not traded enough for Hyperliquid's dead man's switch: not sent", batch.account)
            return
        if not self._limits.fits_whole(batch.account, size, batch.priority):
            for part in batch.parts:
                self._offer(Batch(batch.account, [part], batch.priority))
            return
        batch.costs = self._limits.action(batch.account, size, over_socket=self._is_connected())
        batch.wanted = Wanted(
            priority=batch.priority,
            costs=batch.costs,
            what=batch.what,
            until_ns=batch.until_ns,
            go=partial(self._go, batch),
            drop=partial(self._drop, batch),
        )
        self._limits.gate.submit(batch.wanted)
        if batch.wanted is not None:
            self._waiting |= {(type(part), part.cid): batch for part in batch.parts if isinstance(part, Place | Amend)}

    def _go(self, batch: Batch) -> None:
        self._leave(batch)
        self._queue.put_nowait(batch)
        news = self._limits.news(batch.account)
        if news is not None:
            self._emit(news)

    def _drop(self, batch: Batch, reason: Reason, text: str) -> None:
        self._leave(batch)
        if reason is Reason.MESSAGE_RATE and len(batch.parts) > 1:
            for part in batch.parts:
                self._offer(Batch(batch.account, [part], batch.priority))
        else:
            self._dropped(batch, reason, text)

    def _leave(self, batch: Batch) -> None:
        batch.wanted = None
        if self._waiting:
            for part in batch.parts:
                if isinstance(part, Place | Amend):
                    self._waiting.pop((type(part), part.cid), None)

    def _takes_back(self, request: Request) -> bool:
        """Whether a cancel has nothing to do, because its order has not left yet; now it never will."""
        if not isinstance(request, Cancel):
            return False
        for kind in (Amend, Place):
            batch = self._waiting.pop((kind, request.cid), None)
            if batch is None:
                continue
            [part] = [part for part in batch.parts if isinstance(part, kind) and part.cid == request.cid]
            batch.parts.remove(part)
            if not batch.parts and batch.wanted is not None:
                self._limits.gate.withdraw(batch.wanted)
            self._dropped(Batch(batch.account, [part], batch.priority), Reason.WITHDRAWN, "")
            if kind is Place:
                return True
        return False

    def _is_connected(self) -> bool:
        return self.socket is not None and not self.socket.closed and len(self._pending) < MAX_IN_FLIGHT

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            batch = await self._queue.get()
            try:
                await self._send(batch)
            except Exception:
                log.exception("a request of %s could not be dealt with; the next ones are", batch.account)
                self._unknown(batch, "an error of our own")

    async def aclose(self) -> None:
        """Stop waiting for answers."""
        self.lost()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._limits.gate.close()
        for nonces in self.writer.nonces.values():
            nonces.close()

    def lost(self) -> None:
        """The connection is gone, and with it every answer."""
        self.socket = None
        pending, self._pending = self._pending, {}
        for batch in pending.values():
            self.unanswered += 1
            if batch.timer is not None:
                batch.timer.cancel()
        self._orders.forget_requests()

    # sending

    async def _send(self, batch: Batch) -> None:
        action = self.writer.action(batch)
        for part, why in batch.refused:
            self._refuse(part, Reason.BAD_NUMBER, why)
        if batch.instead:
            self.put(batch.instead)
        if action is None:
            return
        try:
            envelope = await self.writer.envelope(batch.account, action, batch.until_ns)
        except (VenueError, OSError) as error:
            self._not_sent(batch, str(error) or type(error).__name__)
            return
        socket = self.socket if self._is_connected() else None
        self._settle(batch, over_socket=socket is not None)
        if socket is not None:
            await self._post(socket, batch, envelope)
        else:
            task = asyncio.create_task(self._rest(batch, envelope), name="hyperliquid-rest")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _settle(self, batch: Batch, *, over_socket: bool) -> None:
        """Count it where it goes, when that is another road than it has waited for."""
        costs = self._limits.action(batch.account, len(batch.parts), over_socket=over_socket)
        meter, cost = costs[0]
        if meter is not batch.costs[0][0]:
            meter.take(cost, batch.priority, self._clock.now_ns())
        batch.costs = costs

    async def _post(self, socket: Socket, batch: Batch, envelope: actions.Envelope) -> None:
        self._last_id += 1
        number = self._last_id
        self._pending[number] = batch
        batch.timer = asyncio.get_running_loop().call_later(self._config.request_timeout_s, self._give_up, number)
        try:
            await socket.send_str(encode_post(number, envelope).decode())
        except (aiohttp.ClientError, OSError) as error:
            log.info("an action may or may not have been sent: %s", str(error) or type(error).__name__)

    def _give_up(self, number: int) -> None:
        batch = self._pending.pop(number, None)
        if batch is not None:
            self._unknown(batch, "no answer")

    async def _rest(self, batch: Batch, envelope: actions.Envelope) -> None:
        """Send over REST and wait for the answer."""
        session = self.session
        if session is None:
            self._not_sent(batch, "the venue is closed")
            return
        timeout = aiohttp.ClientTimeout(total=self._config.request_timeout_s)
        headers = {"Content-Type": "application/json"}
        url = f"{self._config.api_url}/exchange"
        try:
            data = msgspec.json.encode(envelope)
            async with session.post(
                url, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:  # fmt: skip
                status, body = answer.status, await answer.read()
        except aiohttp.ClientConnectorError as error:
            self._not_sent(batch, str(error))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._unknown(batch, str(error) or type(error).__name__)
        else:
            if status == 200:
                self._answered(batch, body)
            else:
                self._http_error(batch, status, body.decode(errors="replace")[:200], answer.headers)

    # answers

    def on_post(self, post: WirePost) -> None:
        """An answer on the WebSocket; a second one to the same post is ignored."""
        batch = self._pending.pop(post.id, None)
        if batch is None:
            return
        if batch.timer is not None:
            batch.timer.cancel()
        response: PostResponse = post.response
        if response.type != "error":
            self._answered(batch, bytes(response.payload))
            return
        text = msgspec.json.decode(response.payload, type=str, strict=False)
        code = text[:3]
        self._http_error(batch, int(code) if code.isdigit() else 400, text, {})

    def _http_error(self, batch: Batch, status: int, text: str, headers: Mapping[str, str]) -> None:
        """Below 500 the venue has looked at it and refused; above, nobody knows."""
        judge(self._tell, ORDERS, status, text)
        if status >= 500:
            self._unknown(batch, f"HTTP {status}")
            return
        if status == 429:
            self._limits.gate.answered(batch.costs, status, headers)
        for part in batch.parts:
            self._refuse(part, Reason.MESSAGE_RATE if status == 429 else reason_of(text), f"HTTP {status}: {text}")

    def _answered(self, batch: Batch, body: bytes) -> None:
        try:
            statuses = statuses_of(body)
        except DataError as error:
            self._payloads.keep(body, str(error), self._clock.now_ns())
            self._unknown(batch, str(error))
            return
        if isinstance(statuses, str):
            if EXHAUSTED in statuses.lower():
                self._exhausted(batch.account)
            for part in batch.parts:
                self._refuse(part, reason_of(statuses), statuses)
            return
        if len(statuses) == 1 and isinstance(statuses[0], Status) and statuses[0].error is not None:
            statuses = statuses * len(batch.parts)  # refused before it was looked at order by order
        if isinstance(batch.parts[0], ArmDeadMan):
            return
        if len(statuses) != len(batch.parts):
            self._unknown(batch, f"{len(statuses)} answers to {len(batch.parts)} requests")
            return
        for index, (part, status) in enumerate(zip(batch.parts, statuses, strict=True)):
            if isinstance(part, Place):
                self._orders.on_placed(part.cid, status)
            elif isinstance(part, Amend):
                self._orders.on_amended(part, batch.sizes[index], status)
            elif isinstance(part, Cancel) and isinstance(status, Status):
                self._orders.on_cancel_refused(part.cid, status.error or "")

    def _unknown(self, batch: Batch, why: str) -> None:
        self.unanswered += 1
        log.warning("what became of %d requests of %s is not known: %s", len(batch.parts), batch.account, why)
        for part in batch.parts:
            if isinstance(part, Amend):
                self._orders.release(part)

    def _refuse(self, part: Request, reason: Reason, text: str) -> None:
        if isinstance(part, Place):
            if reason is Reason.VENUE:
                self._orders.on_refused(part.cid, text)
            else:
                self._emit(Rejected(cid=part.cid, reason=reason, text=text))
        elif isinstance(part, Amend):
            self._orders.on_amend_refused(part, text)
        elif isinstance(part, Cancel):
            self._emit(CancelRejected(cid=part.cid, text=text))
        else:
            log.warning("Hyperliquid's dead man's switch of %s was not set: %s", part.account, text)

    def _not_sent(self, batch: Batch, text: str) -> None:
        """It never left; an unsent cancel is sent again by the engine, which waits for its answer."""
        log.warning("%d requests of %s were not sent: %s", len(batch.parts), batch.account, text)
        for part in batch.parts:
            if isinstance(part, Place):
                self._emit(SendFailed(cid=part.cid, text=text))
            elif isinstance(part, Amend):
                self._emit(AmendRejected(cid=part.cid, amend_no=part.amend_no, text=f"not sent: {text}"))
                self._orders.release(part)

    def _dropped(self, batch: Batch, reason: Reason, text: str) -> None:
        """It never left, by our own rules: no fault of the venue's."""
        for part in batch.parts:
            if isinstance(part, Place):
                self._emit(SendDropped(cid=part.cid, reason=reason, text=text))
            elif isinstance(part, Amend):
                words = f"not sent: {reason.words}{f' ({text})' if text else ''}"
                self._emit(AmendRejected(cid=part.cid, amend_no=part.amend_no, text=words))
                self._orders.release(part)
