"""What Phemex's answers and its account stream (aop_p) mean.

    answer ──▶ refused, or taken: what becomes of it is said by the stream
    orders_p ──▶ accepted, filled, cancelled, amended, rejected
    positions_p ──▶ funding was paid: the account is read (the message does not say how much)

ccxt logs in and knows the addresses; the stream is read by us: its `watch_orders` takes `orders_p` for something else
and never tells of an order, and positions it does not watch at all. HTTP 5xx leaves open what became of a request.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from domain.errors import VenueError
from domain.events import Filled, OrderReport, VenueSnapshot
from domain.instrument import Instrument
from domain.order import Amend, ArmDeadMan, Liquidity, Query
from domain.verdict import Reason
from domain.views import KeyView
from exchanges.phemex.account import LIQUIDATIONS, Account, our_cid, side_of
from exchanges.phemex.config import S
from exchanges.phemex.requests import written
from exchanges.phemex.wire import NO_EXEC, Aop, StreamOrder, WireOrder, WirePosition, data_of, envelope
from exchanges.viaccxt.dialect import Acked, Answer, Call, Changed, Outcome, Refused, Request
from exchanges.viaccxt.session import Session

log = logging.getLogger(__name__)

LOGIN_S = 60
"""A login is good for so long; the venue allows two minutes."""
NOT_MODIFIED = 11_065
UNDER_WAY = frozenset({10_003, 10_004, 10_005, 11_061, 11_064})
"""The order is already being cancelled or replaced: the stream says what becomes of it."""
UNKNOWN_CODES = frozenset({11_107, 19_999})
"""Whether the engine behind the door has it is not said."""
_REASONS = {
    10_001: Reason.DUPLICATE,
    11_033: Reason.DUPLICATE,
    11_085: Reason.DUPLICATE,
    11_115: Reason.MIN_NOTIONAL,
    11_058: Reason.MIN_QTY,
    11_053: Reason.BAD_NUMBER,
    11_055: Reason.BAD_NUMBER,
    30_000: Reason.BAD_NUMBER,
    39_995: Reason.MESSAGE_RATE,
}
CANCEL_WORDS = {100: "CE_NO_ENOUGH_QTY", 101: "CE_WILLCROSS: post-only, and it would have taken"}


class PhemexDialect:
    """Phemex's language for one account."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._orders = session.orders
        self._account = Account(session)
        self._numbers = itertools.count(1)
        self._login = self._subscription = 0
        self._live: Callable[[], None] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._funding: dict[str, str] = {}
        """Funding paid by each position in its life, as the stream said last."""
        self._tasks: set[asyncio.Task[None]] = set()

    # the start and the read path

    async def check(self) -> KeyView:
        """See `Account`."""
        return await self._account.check()

    async def prepare(self) -> None:
        """The terms; see `Account`."""
        await self._account.prepare()

    async def report(self, query: Query) -> OrderReport:
        """One order. Raises `VenueError`."""
        return await self._account.report(query)

    async def snapshot(self, from_ns: int) -> VenueSnapshot:
        """The whole account. Raises `VenueError`."""
        return await self._account.snapshot(from_ns)

    async def dead_man(self, intent: ArmDeadMan) -> None:
        """There is none. Raises `VenueError`."""
        raise VenueError(f"Phemex has no dead man's switch for {intent.account}")

    # requests

    def calls(self, parts: Sequence[Request]) -> list[Call]:
        """One for each."""
        return [written(self._session, part) for part in parts]

    def frame(self, call: Call, number: str) -> tuple[str, dict[str, Any]] | None:
        """Nothing is ordered over the WebSocket."""
        del call, number
        return None

    def outcomes(self, call: Call, answer: Answer) -> list[Outcome] | None:
        """What became of the request."""
        part = call.parts[0]
        if answer.status >= 500:
            return None
        if answer.status == 429:
            return [Refused(f"HTTP 429: {_words(answer)}", Reason.MESSAGE_RATE)]
        if answer.status != 200:
            text = _words(answer)
            reason = Reason.EXPIRED if "Expired" in text else Reason.VENUE
            return [Refused(f"HTTP {answer.status}: {text}", reason)]
        found = envelope(answer)
        if found.code == 0:
            order = data_of(found.data, WireOrder, call.path)
            found.code = order.error
            if not order.error:
                return [Acked(order.id)]
        if found.code in UNDER_WAY:
            return [Acked()]
        if found.code in UNKNOWN_CODES:
            return None
        if found.code == NOT_MODIFIED and isinstance(part, Amend):
            return [Changed(part.price, part.qty, part.trigger)]
        return [Refused(f"{found.code} {found.msg}", _REASONS.get(found.code, Reason.VENUE))]

    # the stream

    async def listen(self, live: Callable[[], None]) -> None:
        """Log in, subscribe, and hold the stream."""
        client = self._session.client
        url = client.exchange.urls["api"]["ws"]
        self._live, self._ended = live, asyncio.get_running_loop().create_future()
        self._login = next(self._numbers)
        expiry_s = self._session.clock.now_ns() // S + LOGIN_S
        key = self._session.account.api_key
        signature = client.mark(f"{key}{expiry_s}", "hex")
        message = {"id": self._login, "method": "user.auth", "params": ["API", key, signature, expiry_s]}
        try:
            await client.hold(url, lambda: None, self._ended, message)
        finally:
            self._live = None
            self._ended.cancel()

    def hear(self, url: str, message: Any) -> bool:  # noqa: ANN401 - JSON
        """One message of the stream."""
        if not isinstance(message, dict):
            return False
        if "orders_p" in message or "positions_p" in message:
            self._on_aop(msgspec.convert(message, Aop, strict=False))
        elif message.get("id") == self._login:
            self._answered(message, "log in", lambda: self._subscribe(url))
        elif message.get("id") == self._subscription:
            self._answered(message, "tell of the account", self._live or (lambda: None))
        else:
            return False
        return True

    def _answered(self, message: dict[str, Any], what: str, then: Callable[[], None]) -> None:
        if message.get("error") is None:
            then()
        elif self._ended is not None and not self._ended.done():
            self._ended.set_exception(VenueError(f"Phemex does not {what}: {message['error']}"))

    def _subscribe(self, url: str) -> None:
        self._subscription = next(self._numbers)
        request = {"id": self._subscription, "method": "aop_p.subscribe", "params": []}
        task = asyncio.create_task(self._session.client.exchange.client(url).send(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_aop(self, told: Aop) -> None:
        """A snapshot repeats what has long been told, or does not come at all: the engine reads the account itself."""
        for position in told.positions:
            self._on_position(position)
        if told.type == "snapshot":
            return
        for order in told.orders:
            instrument = self._session.by_symbol.get(order.symbol)
            if instrument is not None:
                self._on_order(instrument, order)

    def _on_position(self, position: WirePosition) -> None:
        before = self._funding.get(position.symbol)
        self._funding[position.symbol] = position.funding
        if before is not None and Decimal(before) != Decimal(position.funding):
            self._account.funding_is_due(position.symbol)
            self._session.look_again()
        if position.mode == "Hedged" and position.symbol in self._account.traded:
            log.error(
                "%s was switched to hedge mode: nothing can be ordered until it is back in one-way mode",
                position.symbol,
            )

    def _on_order(self, instrument: Instrument, order: StreamOrder) -> None:
        cid = our_cid(order.cid, order.id)
        if order.exec_id != NO_EXEC and Decimal(order.exec_qty) and order.kind != "Funding":
            self._orders.filled(self._fill(instrument, cid, order))
        refusal = order.refusal or order.code
        if order.action == "Replace" and order.status not in {"Filled", "Canceled"}:
            self._on_replaced(instrument, cid, order, refusal)
        elif order.action == "Cancel" and refusal and order.status not in {"Canceled", "Deactivated"}:
            self._orders.cancel_refused(cid, _refusal(order))
        elif order.status in {"New", "Untriggered", "PartiallyFilled", "Triggered"}:
            self._orders.accepted(cid, order.id, order.time_ns)
        elif order.status == "Filled":
            self._orders.accepted(cid, order.id, order.time_ns)
            self._orders.completed(cid)
        elif order.status == "Rejected" or (refusal and not Decimal(order.filled)):
            self._orders.rejected(cid, Reason.VENUE, _refusal(order), order.time_ns)
        elif order.status in {"Canceled", "Deactivated"}:
            self._orders.cancelled(cid, instrument.qty(order.filled), order.execution, order.time_ns)

    def _on_replaced(self, instrument: Instrument, cid: str, order: StreamOrder, refusal: int) -> None:
        line = self._orders.line(cid)
        if refusal and line is not None and line.amend is not None:
            self._orders.amend_refused(line.amend, _refusal(order))
        elif not refusal:
            price, qty = instrument.price(order.price), instrument.qty(order.qty)
            if line is not None and line.is_trigger and not line.price:
                price = 0
            self._orders.amended(cid, price, qty, instrument.price(order.trigger), order.time_ns)

    def _fill(self, instrument: Instrument, cid: str, order: StreamOrder) -> Filled:
        is_maker = order.execution == "MakerFill" or order.liquidity == "AddedLiquidity"
        return Filled(
            venue_ts_ns=order.time_ns,
            account=self._session.account.id,
            instrument=instrument.id,
            cid=cid,
            fill_id=order.exec_id,
            side=side_of(order.side),
            price=instrument.price(order.exec_price),
            qty=instrument.qty(order.exec_qty),
            fee=Decimal(order.fee),
            liquidity=Liquidity.MAKER if is_maker else Liquidity.TAKER,
            liquidation=order.kind in LIQUIDATIONS,
        )


def _refusal(order: StreamOrder) -> str:
    """Why the venue did not do it, in its words."""
    if order.refusal in CANCEL_WORDS:
        return f"{order.refusal} {CANCEL_WORDS[order.refusal]}"
    return f"{order.refusal or order.code} {order.message or order.execution}"


def _words(answer: Answer) -> str:
    try:
        return str(msgspec.json.decode(answer.body).get("msg", ""))
    except (msgspec.DecodeError, AttributeError, UnicodeError):
        return answer.body[:200].decode(errors="replace")
