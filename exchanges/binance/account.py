"""The read path of one account at Binance, over REST, apart from the orders' road."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct, field

from domain.errors import DataError, VenueError
from domain.events import Filled, FundingPaid, OpenOrder, OrderReport, VenuePosition, VenueSnapshot
from domain.instrument import ZERO, Instrument
from domain.order import BUY, SELL, ArmDeadMan, ClientId, Liquidity, OrderKind, OrderStatus, Query
from exchanges.binance.config import MS
from exchanges.binance.requests import our_cid, venue_cid
from exchanges.binance.wire import (
    WireAlgo,
    WireBalance,
    WireError,
    WireIncome,
    WireOrder,
    WirePosition,
    WireTrade,
    decoded,
)
from exchanges.shared.integers import nearest
from exchanges.shared.meters import Priority
from exchanges.viaccxt.dialect import Answer
from exchanges.viaccxt.session import Session

log = logging.getLogger(__name__)

PAGE = 1_000
WEEK_MS = 7 * 86_400_000 - 1
"""userTrades answers for a week at most."""
OLDEST_MS = 180 * 86_400_000
"""Nor does it know older ones."""
STATUSES = {
    "NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.OPEN,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.CANCELLED,
    "EXPIRED_IN_MATCH": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
}
FORCED = ("autoclose-", "adl_autoclose", "settlement_autoclose-", "delivery_autoclose-")
KINDS = {"GTX": OrderKind.POST_ONLY, "IOC": OrderKind.IOC}
SIDES = {"BUY": BUY, "SELL": SELL}
NOT_THERE = frozenset({-2011, -2013})
T = TypeVar("T")


class ServerTime(Struct):
    """The venue's clock."""

    ms: int = field(name="serverTime")


class ListenKey(Struct):
    """Names a user data stream."""

    key: str = field(name="listenKey")


class Account:
    """Asks about one account."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._traded = [instrument.venue_symbol for instrument in session.by_id.values()]

    async def ask(
        self, path: str, *, api: str = "fapiPrivate", method: str = "GET", weight: int = 1, **params: Any  # noqa: ANN401
    ) -> Answer:  # fmt: skip
        """One question, with the venue's answer whatever it is. Raises `NotSent`, `NoAnswer`."""
        return await self._session.client.ask(method, api, path, params, weight=weight)

    async def read(self, path: str, **more: Any) -> bytes:  # noqa: ANN401
        """An answer's body. Raises `VenueError` with the venue's words for anything but success."""
        answer = await self.ask(path, **more)
        if answer.status != 200:
            said = answer.body[:300].decode(errors="replace")
            raise VenueError(f"Binance did not answer {path}: HTTP {answer.status} {said}")
        return answer.body

    def _told(self, body: bytes, kind: type[T], what: str) -> T:
        """An answer, decoded, and shown to who counts unknown fields. Raises `DataError`."""
        try:
            value = decoded(body, kind, what)
        except DataError as error:
            self._session.payloads.keep(body, str(error), self._session.clock.now_ns())
            raise
        self._session.payloads.look(body, value)
        return value

    async def now_ns(self) -> int:
        """The venue's clock."""
        return decoded(await self.read("time", api="fapiPublic"), ServerTime, "time").ms * MS

    async def listen_key(self) -> str:
        """A new user data stream. Raises `VenueError`."""
        return decoded(await self.read("listenKey", method="POST"), ListenKey, "listenKey").key

    async def keep_listen_key(self) -> None:
        """Keep it for another hour. Raises `VenueError`."""
        await self.read("listenKey", method="PUT")

    async def dead_man(self, intent: ArmDeadMan) -> None:
        """Cancel all orders of each traded symbol at the deadline. Raises `VenueError`."""
        left_ms = (intent.deadline_ns - self._session.clock.now_ns()) // MS if intent.deadline_ns else 0
        for symbol in self._traded:
            time_ms = str(max(1, left_ms) if intent.deadline_ns else 0)
            params = {"symbol": symbol, "countdownTime": time_ms}
            answer = await self._session.client.ask(
                "POST", "fapiPrivate", "countdownCancelAll", params, weight=10, priority=Priority.CANCEL
            )
            if answer.status != 200:
                raise VenueError(f"Binance did not take countdownCancelAll of {symbol}: {answer.body[:200]!r}")

    # questions

    async def report(self, query: Query) -> OrderReport:
        """What the venue knows of an order, as of a moment before the answer. Raises `VenueError`, `DataError`."""
        asked_ns = await self.now_ns()
        instrument = self._session.instrument(query.instrument)
        line = self._session.orders.line(query.cid)
        order = None
        if line is None or not line.is_trigger:
            order = await self._order(instrument, origClientOrderId=venue_cid(query.cid))
        algo = None
        if order is None and (line is None or line.is_trigger):
            algo = await self._algo(venue_cid(query.cid, line.revision if line is not None else 0))
            if algo is not None and algo.actual_order_id not in {"", "0"}:
                self._session.orders.knows(query.cid, algo.actual_order_id)
                order = await self._order(instrument, orderId=algo.actual_order_id)
        if order is not None:
            return OrderReport(
                cid=query.cid,
                found=True,
                status=STATUSES.get(order.status, OrderStatus.UNKNOWN),
                filled=instrument.qty(order.executed_qty),
                price=instrument.price(order.price) if algo is None else instrument.price(algo.price),
                qty=instrument.qty(order.orig_qty),
                venue_id=str(order.order_id),
                venue_ts_ns=max(asked_ns, order.update_time * MS),
            )
        if algo is None:
            return OrderReport(cid=query.cid, found=False, venue_ts_ns=asked_ns)
        status = OrderStatus.OPEN if algo.algo_status == "NEW" else STATUSES.get(algo.algo_status, OrderStatus.UNKNOWN)
        return OrderReport(
            cid=query.cid, found=True, status=status, price=instrument.price(algo.price),
            qty=instrument.qty(algo.quantity), venue_id=str(algo.algo_id),
            venue_ts_ns=max(asked_ns, algo.update_time * MS),
        )  # fmt: skip

    async def _order(self, instrument: Instrument, **by: Any) -> WireOrder | None:  # noqa: ANN401
        answer = await self.ask("order", symbol=instrument.venue_symbol, **by)
        return found(answer, WireOrder, "order")

    async def _algo(self, cid: str) -> WireAlgo | None:
        return found(await self.ask("algoOrder", clientAlgoId=cid), WireAlgo, "algoOrder")

    async def snapshot(self, from_ns: int) -> VenueSnapshot:
        """Orders, positions, cash, fills and funding. Raises `VenueError`, `DataError`, `Unrepresentable`."""
        now_ns = await self.now_ns()
        orders = self._told(await self.read("openOrders", weight=40), list[WireOrder], "openOrders")
        algos = self._told(await self.read("openAlgoOrders", weight=40), list[WireAlgo], "openAlgoOrders")
        told = [self._open_order(order) for order in orders if order.symbol in self._session.by_symbol]
        told += self._open_algos(algos)
        for order in told:
            self._session.orders.seen(order, self._session.instrument(order.instrument))
        positions = list(self._positions(await self.read("positionRisk", api="fapiPrivateV3", weight=5)))
        held = {self._session.instrument(position.instrument).venue_symbol for position in positions}
        fills: list[Filled] = []
        for symbol in sorted({*self._traded, *held, *(order.symbol for order in orders)} & {*self._session.by_symbol}):
            fills += await self._fills(symbol, from_ns, now_ns)
        funding = await self._funding(from_ns)
        return VenueSnapshot(
            venue_ts_ns=now_ns,
            account=self._session.account.id,
            cash=self._cash(self._told(await self.read("balance", api="fapiPrivateV3"), list[WireBalance], "balance")),
            orders=tuple(told),
            positions=tuple(positions),
            fills=tuple(sorted(fills, key=lambda fill: fill.venue_ts_ns)),
            funding=tuple(funding),
        )

    def _open_order(self, order: WireOrder) -> OpenOrder:
        instrument = self._session.by_symbol[order.symbol]
        return OpenOrder(
            cid=our_cid(order.client_order_id)[0],
            instrument=instrument.id,
            side=_side(order.side),
            kind=KINDS.get(order.time_in_force, OrderKind.LIMIT),
            price=instrument.price(order.price),
            trigger=0,
            qty=instrument.qty(order.orig_qty),
            filled=instrument.qty(order.executed_qty),
            reduce_only=order.reduce_only,
            venue_id=str(order.order_id),
        )

    def _open_algos(self, algos: Iterable[WireAlgo]) -> list[OpenOrder]:
        """Conditional orders; of one that was amended the newest counts."""
        found: dict[ClientId, tuple[int, OpenOrder]] = {}
        for algo in algos:
            instrument = self._session.by_symbol.get(algo.symbol)
            if instrument is None or algo.algo_status != "NEW":
                continue
            cid, revision = our_cid(algo.client_algo_id)
            order = OpenOrder(
                cid=cid,
                instrument=instrument.id,
                side=_side(algo.side),
                kind=OrderKind.STOP if algo.order_type.startswith("STOP") else OrderKind.TAKE_PROFIT,
                price=instrument.price(algo.price),
                trigger=instrument.price(algo.trigger_price),
                qty=instrument.qty(algo.quantity),
                filled=0,
                reduce_only=algo.reduce_only,
                venue_id=str(algo.algo_id),
            )
            if cid not in found or found[cid][0] < revision:
                found[cid] = (revision, order)
        for revision, order in found.values():
            self._session.orders.seen(order, self._session.instrument(order.instrument)).revision = revision
        return [order for _, order in found.values()]

    def _positions(self, body: bytes) -> Iterable[VenuePosition]:
        for position in self._told(body, list[WirePosition], "positionRisk"):
            instrument = self._session.by_symbol.get(position.symbol)
            if instrument is None:
                continue
            qty = instrument.qty(position.position_amt)
            if qty:
                entry = Decimal(position.notional) - Decimal(position.un_realized_profit)
                yield VenuePosition(instrument=instrument.id, qty=qty, entry_value=entry)

    def _cash(self, balances: Iterable[WireBalance]) -> Decimal:
        """Wallet balances in the currencies that the traded contracts are settled in."""
        quotes = {self._session.by_symbol[symbol].quote for symbol in self._traded}
        return sum((Decimal(each.balance) for each in balances if each.asset in quotes), ZERO)

    async def _fills(self, symbol: str, from_ns: int, now_ns: int) -> list[Filled]:
        """Fills of one symbol since then, a week at a time and page by page."""
        found: dict[int, WireTrade] = {}
        now_ms = now_ns // MS
        start_ms = max(from_ns // MS, now_ms - OLDEST_MS)
        while start_ms <= now_ms:
            more: dict[str, Any] = {"startTime": str(start_ms), "endTime": str(min(now_ms + 1, start_ms + WEEK_MS))}
            while True:
                body = await self.read("userTrades", weight=5, symbol=symbol, limit=str(PAGE), **more)
                page = self._told(body, list[WireTrade], "userTrades")
                found |= {trade.id: trade for trade in page}
                if len(page) < PAGE:
                    break
                more = {"fromId": str(max(trade.id for trade in page) + 1)}
            start_ms += WEEK_MS + 1
        return [await self._fill(trade) for trade in found.values()]

    async def _fill(self, trade: WireTrade) -> Filled:
        instrument = self._session.by_symbol[trade.symbol]
        price, qty = fill_price(instrument, trade.price), instrument.qty(trade.qty)
        cid = await self._cid_of(instrument, str(trade.order_id))
        return Filled(
            venue_ts_ns=trade.time * MS,
            account=self._session.account.id,
            instrument=instrument.id,
            cid=cid,
            fill_id=f"{trade.symbol}-{trade.id}",
            side=_side(trade.side),
            price=price,
            qty=qty,
            fee=self.fee(instrument, trade.commission, trade.commission_asset, price, qty, is_maker=trade.maker),
            liquidity=Liquidity.MAKER if trade.maker else Liquidity.TAKER,
            liquidation=is_forced(cid),
        )

    async def _cid_of(self, instrument: Instrument, order_id: str) -> ClientId:
        """A fill of the read path names only the venue's id; what was never seen here is asked for, once."""
        orders = self._session.orders
        cid = orders.cid_of(instrument.id, order_id)
        if cid:
            return cid
        order = await self._order(instrument, orderId=order_id)
        cid = our_cid(order.client_order_id)[0] if order is not None else f"binance-{order_id}"
        if order is not None and orders.line(cid) is None:
            body = await self.read("allAlgoOrders", weight=5, symbol=instrument.venue_symbol, limit=str(PAGE))
            algos = self._told(body, list[WireAlgo], "allAlgoOrders")
            known = {algo.actual_order_id: our_cid(algo.client_algo_id)[0] for algo in algos}
            cid = known.get(order_id, cid)
        orders.remember(instrument.id, order_id, cid)
        return cid

    def fee(
        self, instrument: Instrument, text: str, asset: str, price: int, qty: int, *, is_maker: bool
    ) -> Decimal:  # fmt: skip
        """A fill's fee. One in another currency (fees in BNB, switched on while we trade) is estimated by the rate."""
        if asset in {instrument.quote, ""}:
            return Decimal(text)
        log.error(
            "Binance took a fee in %s; switch fees in BNB off: it is booked by the rate in %s", asset, instrument.quote
        )
        return instrument.fee(price, qty, instrument.maker_fee if is_maker else instrument.taker_fee)

    async def _funding(self, from_ns: int) -> list[FundingPaid]:
        found: dict[str, FundingPaid] = {}
        start_ms = from_ns // MS
        while True:
            body = await self.read(
                "income", weight=30, incomeType="FUNDING_FEE", startTime=str(start_ms), limit=str(PAGE)
            )
            page = self._told(body, list[WireIncome], "income")
            for paid in page:
                instrument = self._session.by_symbol.get(paid.symbol)
                if instrument is not None and paid.income_type == "FUNDING_FEE":
                    name = f"{paid.symbol}-{paid.tran_id}"
                    found[name] = FundingPaid(
                        venue_ts_ns=paid.time * MS, account=self._session.account.id, instrument=instrument.id,
                        funding_id=name, amount=Decimal(paid.income),
                    )  # fmt: skip
            newest_ms = max((paid.time for paid in page), default=0)
            if len(page) < PAGE or newest_ms <= start_ms:
                return list(found.values())
            start_ms = newest_ms


def is_forced(cid: ClientId) -> bool:
    """Whether the venue made the order itself, to close a position (liquidation, deleveraging, settlement)."""
    return cid.startswith(FORCED)


def fill_price(instrument: Instrument, text: str) -> int:
    """The price of a fill, which of a forced one is an average and off the grid. Raises `DataError`."""
    price = nearest(text, instrument.price_decimals, "Binance")
    if not price:
        raise DataError(f"Binance sent the price {text!r:.40} of a fill of {instrument.venue_symbol}")
    return price


def _side(word: str) -> int:
    side = SIDES.get(word)
    if side is None:
        raise DataError(f"Binance sent the side {word!r:.40}, expected BUY or SELL")
    return side


def found(answer: Answer, kind: type[T], what: str) -> T | None:
    """The order, or None when the venue has none. Raises `VenueError` for any other refusal."""
    if answer.status == 200:
        return decoded(answer.body, kind, what)
    error = decoded(answer.body, WireError, what)
    if error.code in NOT_THERE:
        return None
    raise VenueError(f"Binance did not answer {what}: HTTP {answer.status} {error.code} {error.msg}")
