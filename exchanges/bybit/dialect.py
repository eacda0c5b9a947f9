"""What Bybit's acks and streams mean.

    ack of a request ──▶ the venue has it: its id is known, nothing is told      (a retCode: it is refused)
    order            ──▶ accepted, amended, cancelled, rejected: what the matching has made of it
    execution        ──▶ filled, funding was paid

An ack is not an acceptance: a post-only order that would take, or one that nobody can pay, is acked like any other and
is then gone in the stream. Where the stream is silent, nothing is said, and the engine asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from domain.errors import DataError, VenueError
from domain.events import FundingPaid, OrderReport, VenueSnapshot
from domain.instrument import Instrument
from domain.order import Amend, ArmDeadMan, OrderStatus, Query
from domain.verdict import Reason
from domain.views import KeyView
from exchanges.bybit.account import STATUSES, WOULD_TAKE, Account, cid_of, number
from exchanges.bybit.config import BAN_NS, MS, WINDOW, Network
from exchanges.bybit.requests import written
from exchanges.bybit.start import Start
from exchanges.bybit.wire import (
    Envelope,
    ExecutionMessage,
    Named,
    OrderMessage,
    Rows,
    WireExecution,
    WireOrder,
    converted,
    decoded,
)
from exchanges.shared.trouble import ORDERS
from exchanges.viaccxt.dialect import Acked, Answer, Call, Changed, Outcome, Refused, Request
from exchanges.viaccxt.session import Session

log = logging.getLogger(__name__)

KEPT = 20_000
TOPICS = ("order", "execution")
DCP = "dcp.future"
LOGIN_MS = 10_000
UNKNOWN_CODES = frozenset({10000, 10014, 10016, 10404, 170007})
"""Timeouts, errors of the server, and "this request came already": what became of it is not known."""
TROUBLE_CODES = frozenset({10000, 10016, 170007, 10006, 10018, 10429})
"""What other venues say by HTTP 5xx and 429; over the trade WebSocket there is no other way."""
UNCHANGED = "order remains unchanged"
_REASONS = {
    10006: Reason.MESSAGE_RATE,
    10018: Reason.MESSAGE_RATE,
    10429: Reason.MESSAGE_RATE,
    20003: Reason.MESSAGE_RATE,
    10002: Reason.EXPIRED,
    110072: Reason.DUPLICATE,
    110094: Reason.MIN_NOTIONAL,
    110003: Reason.BAD_NUMBER,
}
_STREAM_REASONS = {"EC_DuplicatedClOrdID": Reason.DUPLICATE, "EC_LimitOrderInvalidPrice": Reason.BAD_NUMBER}


def answer_of(message: Any) -> Answer:  # noqa: ANN401 - JSON
    """The answer in a message of the trade socket, in the form that REST has."""
    header = {str(name).lower(): str(value) for name, value in (message.get("header") or {}).items()}
    body = {
        "retCode": message.get("retCode", -1),
        "retMsg": message.get("retMsg", ""),
        "result": message.get("data") or {},
        "retExtInfo": message.get("retExtInfo") or {},
    }
    return Answer(200, header, msgspec.json.encode(body))


class _Sight(Struct):
    """What the stream has told of an order."""

    updated: int = 0
    is_accepted: bool = False


class BybitDialect:
    """Bybit's language for one account."""

    def __init__(self, session: Session, network: Network) -> None:
        self._session = session
        self._orders = session.orders
        self._account = Account(session)
        self._start = Start(session, network, self._account)
        self._network = network
        self._sights: dict[str, _Sight] = {}
        self._ended: asyncio.Future[None] | None = None
        self._logged_in: Any = None
        """The trade socket that has logged in."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._logins = 0
        self._watches_dcp = False

    # the start and the read path

    async def check(self) -> KeyView:
        """See `Start`."""
        return await self._start.check()

    async def prepare(self) -> None:
        """The terms; see `Start`."""
        await self._start.prepare()
        if self._network.trade:
            self._session.client.connected[self._network.trade] = lambda: self._spawn(self._log_in_to_trade())
            self._session.client.is_open(self._network.trade)

    async def report(self, query: Query) -> OrderReport:
        """One order. Raises `VenueError`."""
        return await self._account.report(query)

    async def snapshot(self, from_ns: int) -> VenueSnapshot:
        """The whole account. Raises `VenueError`."""
        return await self._account.snapshot(from_ns)

    async def dead_man(self, intent: ArmDeadMan) -> None:
        """Disconnection protection: armed while its topic is subscribed to. Raises `VenueError`."""
        if intent.deadline_ns:
            await self._account.dead_man(intent)
        if bool(intent.deadline_ns) != self._watches_dcp:
            self._watches_dcp = bool(intent.deadline_ns)
            await self._ask(self._network.private, "subscribe" if self._watches_dcp else "unsubscribe", [DCP])

    # requests

    def calls(self, parts: Sequence[Request]) -> list[Call]:
        """See `requests`."""
        return written(self._session, parts)

    def frame(self, call: Call, number: str) -> tuple[str, dict[str, Any]] | None:
        """The call as a message of the trade socket; None while nobody is logged in there."""
        url = self._network.trade
        client = self._session.client
        if not url or not client.is_open(url) or client.exchange.client(url) is not self._logged_in:
            return None
        params = dict(call.params)
        header = {
            "X-BAPI-TIMESTAMP": str(self._session.clock.now_ns() // MS),
            "X-BAPI-RECV-WINDOW": str(params.pop(WINDOW)),
        }
        return url, {"reqId": number, "header": header, "op": call.socket, "args": [params]}

    def outcomes(self, call: Call, answer: Answer) -> list[Outcome] | None:
        """What became of each part, as far as an ack tells."""
        if answer.status in {403, 429}:
            text = f"HTTP {answer.status}: {answer.body[:200].decode(errors='replace')}"
            if answer.status == 403 and self._session.client.limits is not None:
                self._session.client.limits.stop(BAN_NS)
            return [Refused(text, Reason.MESSAGE_RATE) for _ in call.parts]
        if answer.status != 200:
            return None
        envelope = decoded(answer.body, Envelope, call.path)
        code, text = envelope.ret_code, envelope.ret_msg
        if code in TROUBLE_CODES:
            self._session.client.tell(ORDERS, f"{code} {text}")
        if code in UNKNOWN_CODES:
            return None
        if code:
            return [self._refused(part, code, text) for part in call.parts]
        if len(call.parts) == 1 and "request" not in call.params:
            return [Acked(decoded(envelope.result, Named, call.path).order_id)]
        named, codes = decoded(envelope.result, Rows[Named], call.path).rows, envelope.codes
        if len(named) != len(codes):
            return None
        rows = zip(call.parts, named, codes, strict=False)
        return [
            Acked(name.order_id) if not each.code else self._refused(part, each.code, each.msg)
            for part, name, each in rows
        ]

    @staticmethod
    def _refused(part: Request, code: int, text: str) -> Outcome:
        if code in UNKNOWN_CODES:
            return None
        if isinstance(part, Amend) and UNCHANGED in text:
            return Changed(part.price, part.qty, part.trigger)
        return Refused(f"{code} {text}", _REASONS.get(code, Reason.VENUE))

    # sockets

    async def listen(self, live: Callable[[], None]) -> None:
        """Log in to the private stream, subscribe, and keep it."""
        self._ended = asyncio.get_running_loop().create_future()
        url = self._network.private
        try:
            await self._session.client.hold(url, lambda: self._spawn(self._subscribe(live)), self._ended)
        finally:
            self._ended.cancel()

    async def _subscribe(self, live: Callable[[], None]) -> None:
        ended, url = self._ended, self._network.private
        try:
            await self._log_in(url)
            await self._ask(url, "subscribe", [*TOPICS, *([DCP] if self._watches_dcp else [])])
        except (VenueError, TimeoutError) as error:
            if ended is not None and not ended.done():
                ended.set_exception(VenueError(str(error) or "Bybit did not confirm the private stream"))
        else:
            live()

    async def _log_in_to_trade(self) -> None:
        url = self._network.trade
        socket = self._session.client.exchange.client(url)
        try:
            await self._log_in(url)
        except (VenueError, TimeoutError) as error:
            log.warning("orders of %s go over REST: %s", self._session.account.id, str(error) or "no answer")
        else:
            self._logged_in = socket

    async def _log_in(self, url: str) -> None:
        expires = str(self._session.clock.now_ns() // MS + LOGIN_MS)
        client = self._session.client
        signature = client.mark(f"GET/realtime{expires}", "hex")
        await self._ask(url, "auth", [self._session.account.api_key, expires, signature])

    async def _ask(self, url: str, op: str, args: list[str]) -> None:
        """One request about the connection itself. Raises `VenueError`, `TimeoutError`."""
        self._logins += 1
        name = f"{op}-{self._logins}"
        message = {"req_id": name, "reqId": name, "op": op, "args": args}
        waiting = await self._session.client.post(url, message, name)
        async with asyncio.timeout(self._session.patience.request_timeout_s):
            answer = await waiting
        if answer.get("success") is False or answer.get("retCode", 0):
            said = answer.get("ret_msg") or f"{answer.get('retCode')} {answer.get('retMsg')}"
            raise VenueError(f"Bybit refuses {op} on {url}: {said}")

    def _spawn(self, run: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.ensure_future(run)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def hear(self, url: str, message: Any) -> bool:  # noqa: ANN401 - JSON
        """One message of the private stream or the trade socket; pings are ccxt's."""
        if not isinstance(message, Mapping) or message.get("op") == "pong" or message.get("ret_msg") == "pong":
            return False
        if url == self._network.trade:
            self._session.client.answered(str(message.get("reqId")), message)
            return True
        topic, payloads = message.get("topic"), self._session.payloads
        if topic == "order":
            orders = converted(message, OrderMessage, topic)
            payloads.look(message, orders)
            for order in orders.data:
                self._on_order(order)
        elif topic == "execution":
            executions = converted(message, ExecutionMessage, topic)
            payloads.look(message, executions)
            for execution in executions.data:
                self._on_execution(execution)
        elif message.get("op"):
            self._session.client.answered(str(message.get("req_id")), message)
        elif not topic:
            raise DataError(f"Bybit said {message!r:.200}")
        return True

    # the stream

    def _on_order(self, order: WireOrder) -> None:
        instrument = self._session.by_symbol.get(order.symbol)
        if instrument is None:
            return
        cid, ts_ns = cid_of(order), int(order.updated_time) * MS
        sight = self._sights.setdefault(cid, _Sight())
        if len(self._sights) > KEPT:
            del self._sights[next(iter(self._sights))]
        status = STATUSES.get(order.order_status)
        if status is None:
            log.warning("Bybit calls an order %r, which is not known here; it is asked about", order.order_status)
            self._session.look_again()
        elif status is OrderStatus.OPEN or status is OrderStatus.FILLED:
            self._works(cid, instrument, order, sight, ts_ns)
            if status is OrderStatus.FILLED:
                self._orders.completed(cid)
        else:
            self._ends(cid, instrument, order, sight, ts_ns)

    def _works(self, cid: str, instrument: Instrument, order: WireOrder, sight: _Sight, ts_ns: int) -> None:
        """It is in the market, or has filled: accepted once, amended whenever its terms are others."""
        if not sight.is_accepted:
            sight.is_accepted = True
            self._orders.accepted(cid, order.order_id, ts_ns)
        if ts_ns < sight.updated:
            return  # an older word that comes late
        sight.updated = ts_ns
        line = self._orders.line(cid)
        if line is None:
            return
        price = line.price if order.order_type == "Market" else instrument.price(number(order.price))
        qty, trigger = instrument.qty(order.qty), instrument.price(number(order.trigger_price))
        if (price, qty, trigger) != (line.price, line.qty, line.trigger):
            self._orders.amended(cid, price, qty, trigger, ts_ns)

    def _ends(self, cid: str, instrument: Instrument, order: WireOrder, sight: _Sight, ts_ns: int) -> None:
        filled = instrument.qty(number(order.cum_exec_qty))
        words = order.reject_reason if order.reject_reason not in {"", "EC_NoError"} else order.order_status
        never_worked = order.order_status == "Rejected" or (order.reject_reason == WOULD_TAKE and not sight.is_accepted)
        if never_worked and not filled:
            self._orders.rejected(cid, _STREAM_REASONS.get(words, Reason.VENUE), words, ts_ns)
        else:
            self._orders.cancelled(cid, filled, f"{words} {order.cancel_type}".strip(), ts_ns)

    def _on_execution(self, execution: WireExecution) -> None:
        if execution.symbol not in self._session.by_symbol:
            return
        event = self._account.executed(execution)
        if isinstance(event, FundingPaid):
            self._orders.funded(event)
        else:
            self._orders.filled(event)
