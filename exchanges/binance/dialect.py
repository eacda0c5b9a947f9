"""What Binance's answers and its user data stream mean.

    answer ──▶ outcomes, one a part          (an error in a batch takes nothing from the others)
    ORDER_TRADE_UPDATE ──▶ accepted, filled, cancelled, amended
    ALGO_UPDATE        ──▶ the same for conditional orders, until one is triggered: then it is an order of another id
    ACCOUNT_UPDATE     ──▶ funding was paid: the account is read (the message does not say for what)

"Unknown" errors are what they say: the order may have been taken, so nothing is told of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from domain.errors import DataError, VenueError
from domain.events import Filled, OrderReport, VenueSnapshot
from domain.instrument import Instrument
from domain.order import BUY, SELL, Amend, ArmDeadMan, Cancel, Liquidity, Place, Query
from domain.verdict import Reason
from domain.views import KeyView
from exchanges.binance.account import Account, fill_price, is_forced
from exchanges.binance.config import MS, Network
from exchanges.binance.requests import cancel_algo, our_cid, written
from exchanges.binance.start import Start
from exchanges.binance.wire import AlgoUpdate, OrderUpdate, StreamOrder, WireAlgo, WireError, WireOrder, decoded
from exchanges.viaccxt.dialect import Answer, Call, Changed, Gone, Instead, Outcome, Refused, Request, Taken
from exchanges.viaccxt.session import Session

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 1_200.0
"""The venue forgets a listen key after an hour."""
STRAY_S = 2.0
"""How long an order of an unknown id waits for the word that it was a conditional one of ours."""
UNKNOWN_CODES = frozenset({-1000, -1001, -1006, -1007})
"""Their text says that the outcome is not known."""
NOT_THERE = frozenset({-2011, -2013})
NO_CHANGE = -5027
_REASONS = {
    -1003: Reason.MESSAGE_RATE,
    -1008: Reason.MESSAGE_RATE,
    -1015: Reason.MESSAGE_RATE,
    -1021: Reason.EXPIRED,
    -5028: Reason.EXPIRED,
    -4116: Reason.DUPLICATE,
    -4164: Reason.MIN_NOTIONAL,
    -1013: Reason.BAD_NUMBER,
    -1111: Reason.BAD_NUMBER,
    -4014: Reason.BAD_NUMBER,
    -4023: Reason.BAD_NUMBER,
}
_COUNTS = {"REQUEST_WEIGHT": "x-mbx-used-weight", "ORDERS": "x-mbx-order-count"}
SIDES = {"BUY": BUY, "SELL": SELL}


def answer_of(message: Any) -> Answer:  # noqa: ANN401 - JSON
    """The answer in a message of the WebSocket API, its counts as the headers that they are over REST."""
    headers: dict[str, str] = {}
    for limit in message.get("rateLimits") or ():
        kind = _COUNTS.get(limit.get("rateLimitType"))
        if kind is not None:
            headers[f"{kind}-{limit['intervalNum']}{limit['interval'][0].lower()}"] = str(limit["count"])
    error = message.get("error") or {}
    times = error.get("data") or {}
    if "retryAfter" in times and "serverTime" in times:
        headers["retry-after"] = str(max(1, (times["retryAfter"] - times["serverTime"]) // 1_000))
    return Answer(int(message.get("status", 0)), headers, msgspec.json.encode(message.get("result", error)))


def is_unknown(answer: Answer) -> bool:
    """Whether an answer leaves open what became of the request. Some refusals of a busy server are sure."""
    if answer.status == 408 or (answer.status >= 400 and error_of(answer).code in UNKNOWN_CODES):
        return True
    said = answer.body[:300]
    return answer.status >= 500 and b"-1008" not in said and b"Service Unavailable" not in said


def error_of(answer: Answer) -> WireError:
    """The refusal in an answer; HTML of a gateway in front of the venue is one too."""
    try:
        return msgspec.json.decode(answer.body, type=WireError)
    except (msgspec.DecodeError, UnicodeError):
        return WireError(0, answer.body[:200].decode(errors="replace"))


class BinanceDialect:
    """Binance's language for one account."""

    def __init__(self, session: Session, network: Network) -> None:
        self._session = session
        self._orders = session.orders
        self._account = Account(session)
        self._start = Start(session, network, self._account)
        self._url = network.orders
        self._ended: asyncio.Future[None] | None = None
        self._strays: dict[tuple[str, int], list[OrderUpdate]] = {}

    # the start and the read path

    async def check(self) -> KeyView:
        """See `Start`."""
        return await self._start.check()

    async def prepare(self) -> None:
        """The terms; see `Start`."""
        await self._start.prepare()
        self._session.client.is_open(self._url)

    async def report(self, query: Query) -> OrderReport:
        """One order. Raises `VenueError`."""
        return await self._account.report(query)

    async def snapshot(self, from_ns: int) -> VenueSnapshot:
        """The whole account. Raises `VenueError`."""
        return await self._account.snapshot(from_ns)

    async def dead_man(self, intent: ArmDeadMan) -> None:
        """Symbol by symbol. Raises `VenueError`."""
        await self._account.dead_man(intent)

    # requests

    def calls(self, parts: Sequence[Request]) -> list[Call]:
        """See `requests`."""
        return written(self._session, parts)

    def frame(self, call: Call, number: str) -> tuple[str, dict[str, Any]] | None:
        """The call as a signed message of the WebSocket API."""
        params = {name: str(value) for name, value in call.params.items()}
        signed = self._session.client.exchange.sign_params(params)
        return self._url, {"id": number, "method": call.socket, "params": signed}

    def outcomes(self, call: Call, answer: Answer) -> list[Outcome] | None:
        """What became of each part."""
        if answer.status in {418, 429}:
            text = f"HTTP {answer.status}: {error_of(answer).msg}"
            return [Refused(text, Reason.MESSAGE_RATE) for _ in call.parts]
        if is_unknown(answer):
            return None
        if answer.status != 200:
            error = error_of(answer)
            return [self._refused(call, part, error.code, f"{error.code} {error.msg}") for part in call.parts]
        if call.path == "algoOrder":
            return [self._algo(call, decoded(answer.body, WireAlgo, "algoOrder"))]
        if call.path == "batchOrders":
            orders = decoded(answer.body, list[WireOrder], "batchOrders")
            return [self._one(call, part, order) for part, order in zip(call.parts, orders, strict=False)]
        return [self._one(call, call.parts[0], decoded(answer.body, WireOrder, call.path))]

    def _one(self, call: Call, part: Request, order: WireOrder) -> Outcome:
        if order.code < 0:
            unknown = order.code in UNKNOWN_CODES
            return None if unknown else self._refused(call, part, order.code, f"{order.code} {order.msg}")
        ts_ns = order.update_time * MS
        if isinstance(part, Place):
            return Taken(str(order.order_id), ts_ns)
        instrument = self._session.instrument(part.instrument)
        if isinstance(part, Amend):
            return Changed(instrument.price(order.price), instrument.qty(order.orig_qty), ts_ns=ts_ns)
        return Gone(instrument.qty(order.executed_qty), ts_ns)

    def _algo(self, call: Call, order: WireAlgo) -> Outcome:
        part, line = call.parts[0], self._orders.line(call.parts[0].cid)
        if isinstance(part, Place):
            return Taken(str(order.algo_id), order.update_time * MS)
        if isinstance(part, Cancel):
            return Gone(0)
        if line is None:
            raise DataError(f"the order {part.cid} is not known here")
        number = our_cid(call.params["clientAlgoId"])[1]
        if call.method == "POST":
            line.revision = number
            self._orders.knows(part.cid, str(order.algo_id))
            return Instead(self._cancel_revision(part, number - 1))
        if number == line.revision:
            return Refused("it was triggered before it could be amended")
        return Changed(part.price, part.qty, part.trigger)

    def _cancel_revision(self, part: Request, revision: int) -> Call:
        call = cancel_algo(Cancel(cid=part.cid, account=part.account, instrument=part.instrument), revision)
        call.parts = [part]
        return call

    def _refused(self, call: Call, part: Request, code: int, text: str) -> Outcome:
        line = self._orders.line(part.cid)
        if isinstance(part, Amend):
            if code == NO_CHANGE:
                return Changed(part.price, part.qty)
            if call.method == "DELETE" and line is not None and our_cid(call.params["clientAlgoId"])[1] < line.revision:
                return Instead(self._cancel_revision(part, line.revision))
        if isinstance(part, Cancel) and line is None and code in NOT_THERE and call.path != "algoOrder":
            return Instead(cancel_algo(part))  # of an earlier run, it may be a conditional one
        return Refused(text, _REASONS.get(code, Reason.VENUE))

    # the stream

    async def listen(self, live: Callable[[], None]) -> None:
        """Hold the user data stream of a new listen key."""
        client = self._session.client
        url = client.exchange.get_private_ws_url("linear", await self._account.listen_key())
        self._ended = asyncio.get_running_loop().create_future()
        keeper = asyncio.create_task(self._keep_alive(self._ended))
        try:
            await client.hold(url, live, self._ended)
        finally:
            keeper.cancel()
            self._ended.cancel()

    async def _keep_alive(self, ended: asyncio.Future[None]) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            try:
                await self._account.keep_listen_key()
            except VenueError as error:
                if not ended.done():
                    ended.set_exception(VenueError(f"the listen key could not be kept: {error}"))

    def hear(self, url: str, message: Any) -> bool:  # noqa: ANN401 - JSON
        """One message of the stream, or an answer of the WebSocket API."""
        if url == self._url:
            self._session.client.answered(str(message.get("id")), message)
            return True
        match message.get("e") if isinstance(message, dict) else None:
            case "ORDER_TRADE_UPDATE":
                update = msgspec.convert(message, OrderUpdate, strict=False)
                self._session.payloads.look(message, update)
                self._on_order(update)
            case "ALGO_UPDATE":
                algo = msgspec.convert(message, AlgoUpdate, strict=False)
                self._session.payloads.look(message, algo)
                self._on_algo(algo)
            case "ACCOUNT_UPDATE":
                if message["a"].get("m") == "FUNDING_FEE":
                    self._session.look_again()
            case "listenKeyExpired":
                if self._ended is not None and not self._ended.done():
                    self._ended.set_exception(VenueError("the listen key has expired"))
            case None:
                return False
        return True

    def _on_order(self, update: OrderUpdate) -> None:
        order = update.order
        instrument = self._session.by_symbol.get(order.symbol)
        if instrument is None:
            return
        cid = self._orders.cid_of(instrument.id, str(order.order_id)) or our_cid(order.cid)[0]
        if self._orders.line(cid) is None and self._orders.has_triggers(instrument.id):
            self._keep_stray(order.symbol, update)
            return
        self._tell(instrument, cid, update)

    def _tell(self, instrument: Instrument, cid: str, update: OrderUpdate) -> None:
        order, ts_ns = update.order, update.time * MS
        match order.execution:
            case "NEW":
                self._orders.accepted(cid, str(order.order_id), ts_ns)
            case "TRADE" | "CALCULATED" if order.trade_id:
                self._orders.filled(self._fill(instrument, cid, order, ts_ns))
                if order.status == "FILLED":
                    self._orders.completed(cid)
            case "CANCELED" | "EXPIRED":
                text = f"{order.status.lower()} {order.expiry_reason}".strip()
                self._orders.cancelled(cid, instrument.qty(order.filled), text, ts_ns)
            case "AMENDMENT":
                self._orders.amended(cid, instrument.price(order.price), instrument.qty(order.qty), ts_ns=ts_ns)
            case "REJECTED":
                self._orders.rejected(cid, Reason.VENUE, order.status, ts_ns)

    def _fill(self, instrument: Instrument, cid: str, order: StreamOrder, ts_ns: int) -> Filled:
        price, qty = fill_price(instrument, order.last_price), instrument.qty(order.last_qty)
        return Filled(
            venue_ts_ns=ts_ns,
            account=self._session.account.id,
            instrument=instrument.id,
            cid=cid,
            fill_id=f"{order.symbol}-{order.trade_id}",
            side=SIDES[order.side],
            price=price,
            qty=qty,
            fee=self._account.fee(instrument, order.fee, order.fee_asset, price, qty, is_maker=order.is_maker),
            liquidity=Liquidity.MAKER if order.is_maker else Liquidity.TAKER,
            liquidation=is_forced(order.cid),
        )

    def _on_algo(self, update: AlgoUpdate) -> None:
        order, ts_ns = update.order, update.time * MS
        cid, revision = our_cid(order.cid)
        line = self._orders.line(cid)
        if line is not None and revision != line.revision and order.status in {"NEW", "CANCELED", "EXPIRED"}:
            return  # an amendment's old order goes, or its new one comes before the answer
        if order.status == "NEW":
            self._orders.accepted(cid, str(order.algo_id), ts_ns)
        elif order.status in {"CANCELED", "EXPIRED"}:
            self._orders.cancelled(cid, 0, order.reason or order.status.lower(), ts_ns)
        elif order.status == "REJECTED":
            self._orders.rejected(cid, Reason.VENUE, order.reason or "rejected", ts_ns)
        if order.order_id not in {"", "0"}:
            self._orders.knows(cid, order.order_id)
            self._free_strays((order.symbol, int(order.order_id)))

    def _keep_stray(self, symbol: str, update: OrderUpdate) -> None:
        key = (symbol, update.order.order_id)
        if key not in self._strays:
            asyncio.get_running_loop().call_later(STRAY_S, self._free_strays, key)
        self._strays.setdefault(key, []).append(update)

    def _free_strays(self, key: tuple[str, int]) -> None:
        instrument = self._session.by_symbol[key[0]]
        for update in self._strays.pop(key, []):
            cid = self._orders.cid_of(instrument.id, str(key[1])) or our_cid(update.order.cid)[0]
            self._tell(instrument, cid, update)
