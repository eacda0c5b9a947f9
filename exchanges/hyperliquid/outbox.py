"""What we ask of Hyperliquid: batched, signed, sent over the WebSocket, or over REST while that is down.

    put ──▶ batches ──▶ sign ──▶ post ──▶ answer, one status for each ──▶ `Orders` ──▶ events
                                   └────▶ no answer: nothing is said, the engine asks

Nothing is ever sent twice. What surely did not leave is a `SendFailed`; what may have arrived is not spoken of.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import aiohttp
import msgspec
from msgspec import Struct, field

from domain.errors import DataError, Unrepresentable, VenueError
from domain.events import AmendRejected, CancelRejected, Rejected, SendFailed, VenueEvent
from domain.instrument import AccountId, Instrument, InstrumentId
from domain.order import Amend, ArmDeadMan, Cancel, Place
from domain.ports import Clock, Signer, SignRequest
from domain.verdict import Reason
from exchanges.hyperliquid import actions
from exchanges.hyperliquid.actions import Action, ModifyWire, Nonces, OrderTerms
from exchanges.hyperliquid.config import HyperliquidAccount, HyperliquidConfig
from exchanges.hyperliquid.orders import Orders, reason_of
from exchanges.hyperliquid.private import PostResponse, Status, WirePost, statuses_of
from exchanges.hyperliquid.signing import l1_payload, signature_of
from exchanges.hyperliquid.socket import Socket
from exchanges.hyperliquid.wire import MS

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 90
"""Posts without an answer on one connection; the venue allows 100. More go over REST."""
Request: TypeAlias = Place | Amend | Cancel | ArmDeadMan


class Batch(Struct):
    """Requests of one kind and account, in one action; `sizes` are those of its amendments."""

    account: AccountId
    parts: list[Request]
    sizes: list[int] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Post(Struct, frozen=True):
    """The WebSocket's envelope."""

    id: int
    request: PostRequest
    method: str = "post"


class PostRequest(Struct, frozen=True):
    """Its contents."""

    payload: actions.Envelope
    type: str = "action"


def batches(requests: Iterable[Request]) -> list[Batch]:
    """Neighbours of one kind and account together, in their order."""
    found: list[Batch] = []
    for request in requests:
        last = found[-1] if found else None
        fits = last is not None and len(last.parts) < actions.MAX_BATCH and not isinstance(request, ArmDeadMan)
        if last is not None and fits and last.account == request.account and type(last.parts[0]) is type(request):
            last.parts.append(request)
        else:
            found.append(Batch(request.account, [request]))
    return found


class Outbox:
    """Sends; `socket` is the live connection or None. `assets` gives an instrument's contract and number."""

    def __init__(
        self,
        config: HyperliquidConfig,
        clock: Clock,
        signer: Signer,
        orders: Orders,
        accounts: Mapping[AccountId, HyperliquidAccount],
        assets: Mapping[InstrumentId, tuple[Instrument, int]],
        emit: Callable[[VenueEvent], None],
    ) -> None:
        self.socket: Socket | None = None
        self.session: aiohttp.ClientSession | None = None
        self._config = config
        self._clock = clock
        self._signer = signer
        self._orders = orders
        self._accounts = accounts
        self._assets = assets
        self._emit = emit
        self._queue: asyncio.Queue[Batch] = asyncio.Queue()
        self._nonces: dict[str, Nonces] = {}
        self._pending: dict[int, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self.unanswered = 0
        """Actions whose outcome was never heard."""

    def put(self, requests: Sequence[Request]) -> None:
        """Take requests; they leave in this order."""
        for batch in batches(requests):
            self._queue.put_nowait(batch)

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

    def lost(self) -> None:
        """The connection is gone, and with it every answer."""
        self.socket = None
        pending, self._pending = self._pending, {}
        for batch in pending.values():
            self.unanswered += 1
            if batch.timer is not None:
                batch.timer.cancel()
        self._orders.forget_requests()

    # building

    async def _send(self, batch: Batch) -> None:
        action = self._action(batch)
        if action is None:
            return
        try:
            envelope = await self._envelope(batch, action)
        except (VenueError, OSError) as error:
            self._not_sent(batch, str(error) or type(error).__name__)
            return
        if self.socket is not None and not self.socket.closed and len(self._pending) < MAX_IN_FLIGHT:
            await self._post(self.socket, batch, envelope)
        else:
            task = asyncio.create_task(self._rest(batch, envelope), name="hyperliquid-rest")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _action(self, batch: Batch) -> Action | None:
        """The action of a batch; what cannot be written is refused here and left out."""
        first = batch.parts[0]
        if isinstance(first, ArmDeadMan):
            return actions.ScheduleCancel(first.deadline_ns // MS or None)
        orders, modifies, cancels = [], [], []
        good: list[Request] = []
        for part in batch.parts:
            try:
                if isinstance(part, Place):
                    orders.append(self._order(part))
                elif isinstance(part, Amend):
                    modify, size = self._modify(part)
                    modifies.append(modify)
                    batch.sizes.append(size)
                elif isinstance(part, Cancel):
                    cancels.append(actions.CancelWire(self._asset(part.instrument)[1], actions.cloid_of(part.cid)))
            except Unrepresentable as error:
                self._refuse(part, Reason.BAD_NUMBER, str(error))
            else:
                good.append(part)
        batch.parts = good
        if orders:
            return actions.OrderAction(orders)
        if modifies:
            return actions.BatchModify(modifies)
        return actions.CancelByCloid(cancels) if cancels else None

    def _asset(self, instrument: InstrumentId) -> tuple[Instrument, int]:
        found = self._assets.get(instrument)
        if found is None:
            raise Unrepresentable(f"Hyperliquid does not list {instrument}")
        return found

    def _order(self, place: Place) -> actions.OrderWire:
        instrument, asset = self._asset(place.instrument)
        line = self._orders.placed(place, instrument)
        return actions.order_wire(instrument, asset, line.terms)

    def _modify(self, amend: Amend) -> tuple[ModifyWire, int]:
        instrument, asset = self._asset(amend.instrument)
        line = self._orders.line(amend.cid)
        if line is None:
            raise Unrepresentable(f"the order {amend.cid} is not known here")
        if amend.qty <= line.total_filled:
            self.put([Cancel(cid=amend.cid, account=amend.account, instrument=amend.instrument)])
            raise Unrepresentable("no more than has filled: cancelled instead")
        terms = OrderTerms(
            cid=amend.cid,
            side=line.terms.side,
            kind=line.terms.kind,
            price=amend.price,
            qty=amend.qty - line.total_filled,
            trigger=amend.trigger or line.terms.trigger,
            reduce_only=line.terms.reduce_only,
        )
        wire = ModifyWire(actions.cloid_of(amend.cid), actions.order_wire(instrument, asset, terms))
        return wire, self._orders.amending(line, amend)

    async def _envelope(self, batch: Batch, action: Action) -> actions.Envelope:
        """The signed action. Raises `VenueError` when it is not signed."""
        account = self._accounts.get(batch.account)
        if account is None:
            raise VenueError(f"there is no Hyperliquid account {batch.account}")
        until_ns = [p.valid_until_ns for p in batch.parts if isinstance(p, Place | Amend) and p.valid_until_ns]
        expires_ms = actions.expires_ms(min(until_ns, default=0))
        vault = account.address if account.is_vault else ""
        nonce = self._nonces.setdefault(account.key, Nonces()).next(self._clock.now_ns())
        payload = l1_payload(action, nonce, is_mainnet=self._config.is_mainnet, vault=vault, expires_ms=expires_ms)
        request = SignRequest(key=account.key, action=actions.action_name(action), payload=payload)
        [signed] = await self._signer.sign([request])
        return actions.Envelope(action, nonce, signature_of(signed), vault or None, expires_ms or None)

    # sending

    async def _post(self, socket: Socket, batch: Batch, envelope: actions.Envelope) -> None:
        self._last_id += 1
        number = self._last_id
        self._pending[number] = batch
        batch.timer = asyncio.get_running_loop().call_later(self._config.request_timeout_s, self._give_up, number)
        frame = msgspec.json.encode(Post(number, PostRequest(envelope))).decode()
        try:
            await socket.send_str(frame)
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
            async with session.post(url, data=data, headers=headers, timeout=timeout) as answer:
                status, body = answer.status, await answer.read()
        except aiohttp.ClientConnectorError as error:
            self._not_sent(batch, str(error))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._unknown(batch, str(error) or type(error).__name__)
        else:
            if status == 200:
                self._answered(batch, body)
            else:
                self._http_error(batch, status, body.decode(errors="replace")[:200])

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
        self._http_error(batch, int(code) if code.isdigit() else 400, text)

    def _http_error(self, batch: Batch, status: int, text: str) -> None:
        """Below 500 the venue has looked at it and refused; above, nobody knows."""
        if status >= 500:
            self._unknown(batch, f"HTTP {status}")
            return
        for part in batch.parts:
            self._refuse(part, Reason.MESSAGE_RATE if status == 429 else reason_of(text), f"HTTP {status}: {text}")

    def _answered(self, batch: Batch, body: bytes) -> None:
        try:
            statuses = statuses_of(body)
        except DataError as error:
            self._unknown(batch, str(error))
            return
        if isinstance(statuses, str):
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
