"""One account at Bybit: the read path, over REST, apart from the orders' road.

Every answer is stamped by the venue; a snapshot has
the stamp of the first, so nothing that the engine knew before it can be missing for being too fresh.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, TypeVar

from domain.errors import DataError
from domain.events import Filled, FundingPaid, OpenOrder, OrderReport, VenuePosition, VenueSnapshot
from domain.instrument import ZERO, Instrument
from domain.order import ArmDeadMan, Liquidity, OrderKind, OrderStatus, Query
from exchanges.bybit.config import CATEGORY, MS
from exchanges.bybit.requests import RISES, SIDES
from exchanges.bybit.wire import (
    Envelope,
    Rows,
    WireExecution,
    WireOrder,
    WirePosition,
    WireWallet,
    decoded,
    opened,
)
from exchanges.shared.meters import Priority
from exchanges.viaccxt.session import Session

T = TypeVar("T")
WEEK_MS = 7 * 86_400_000
"""Executions are told for a week at most."""
DCP_S = (3, 300)
STATUSES = {
    "New": OrderStatus.OPEN,
    "PartiallyFilled": OrderStatus.OPEN,
    "Untriggered": OrderStatus.OPEN,
    "Triggered": OrderStatus.OPEN,
    "Active": OrderStatus.OPEN,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "PartiallyFilledCanceled": OrderStatus.CANCELLED,
    "Deactivated": OrderStatus.CANCELLED,
    "Rejected": OrderStatus.REJECTED,
}
WOULD_TAKE = "EC_PostOnlyWillTakeLiquidity"
FORCED = frozenset({"BustTrade", "AdlTrade"})
FUNDING = "Funding"


def cid_of(order: WireOrder | WireExecution) -> str:
    """Our id; of what is not ours one that cannot be."""
    return order.order_link_id or f"bybit-{order.order_id}"


def side_of(word: str) -> int:
    """BUY or SELL. Raises `DataError`."""
    side = SIDES.get(word)
    if side is None:
        raise DataError(f"Bybit sent the side {word!r:.40}, expected Buy or Sell")
    return side


def number(text: str) -> str:
    """A number that may be empty."""
    return text or "0"


class Account:
    """Asks about one account."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._traded = sorted({instrument.quote for instrument in session.by_id.values()})
        """The currencies of the contracts that are traded: their balances are the account's cash."""

    async def read(self, path: str, api: str = "private", **params: Any) -> Envelope:  # noqa: ANN401 - its own
        """One answer. Raises `VenueError`."""
        return opened(await self._session.client.ask("GET", api, f"v5/{path}", params), path)

    async def pages(
        self, path: str, kind: type[T], api: str = "private", **params: Any  # noqa: ANN401
    ) -> AsyncIterator[list[T]]:  # fmt: skip
        """A list, page by page. Raises `VenueError`."""
        cursor: dict[str, str] = {}
        while True:
            envelope = await self.read(path, api, category=CATEGORY, **params, **cursor)
            rows = decoded(envelope.result, Rows[kind], path)  # type: ignore[valid-type]
            yield rows.rows
            if not rows.next_page_cursor or not rows.rows:
                return
            cursor = {"cursor": rows.next_page_cursor}

    async def dead_man(self, intent: ArmDeadMan) -> None:
        """Set the window of disconnection protection. Raises `VenueError`."""
        left_s = (intent.deadline_ns - self._session.clock.now_ns()) // 10**9
        window_s = max(DCP_S[0], min(DCP_S[1], left_s))
        params = {"timeWindow": window_s, "product": "DERIVATIVES"}
        path = "order/disconnected-cancel-all"
        answer = await self._session.client.ask("POST", "private", f"v5/{path}", params, priority=Priority.CANCEL)
        opened(answer, path)

    # questions

    async def report(self, query: Query) -> OrderReport:
        """What the venue knows of an order, as of the first answer. Raises `VenueError`, `DataError`."""
        instrument, asked_ns = self._session.instrument(query.instrument), 0
        for path in ("order/realtime", "order/history"):
            names = {"symbol": instrument.venue_symbol, "orderLinkId": query.cid}
            envelope = await self.read(path, category=CATEGORY, **names)
            asked_ns = asked_ns or envelope.time * MS
            for order in decoded(envelope.result, Rows[WireOrder], path).rows:
                return self._report(query, instrument, order, asked_ns)
        return OrderReport(cid=query.cid, found=False, venue_ts_ns=asked_ns)

    @staticmethod
    def _report(query: Query, instrument: Instrument, order: WireOrder, asked_ns: int) -> OrderReport:
        filled = instrument.qty(number(order.cum_exec_qty))
        status = STATUSES.get(order.order_status, OrderStatus.UNKNOWN)
        if order.reject_reason == WOULD_TAKE and not filled:
            status = OrderStatus.REJECTED
        return OrderReport(
            cid=query.cid,
            found=True,
            status=status,
            filled=filled,
            price=instrument.price(number(order.price)),
            qty=instrument.qty(order.qty),
            venue_id=order.order_id,
            venue_ts_ns=max(asked_ns, int(order.updated_time) * MS),
        )

    async def snapshot(self, from_ns: int) -> VenueSnapshot:
        """Cash, positions, orders, fills and funding. Raises `VenueError`, `DataError`, `Unrepresentable`."""
        envelope = await self.read("account/wallet-balance", accountType="UNIFIED")
        now_ns = envelope.time * MS
        wallets = decoded(envelope.result, Rows[WireWallet], "wallet-balance").rows
        coins = {coin.coin: coin.wallet_balance for wallet in wallets for coin in wallet.coin}
        positions: list[VenuePosition] = []
        orders: list[OpenOrder] = []
        for quote in sorted({instrument.quote for instrument in self._session.by_id.values()}):
            async for held in self.pages("position/list", WirePosition, settleCoin=quote, limit=200):
                positions += [position for row in held if (position := self._position(row)) is not None]
            async for open_orders in self.pages("order/realtime", WireOrder, settleCoin=quote, limit=50):
                orders += [self._open_order(row) for row in open_orders if row.symbol in self._session.by_symbol]
        fills, funding = await self._executions(from_ns, now_ns)
        return VenueSnapshot(
            venue_ts_ns=now_ns,
            account=self._session.account.id,
            cash=sum((Decimal(number(coins.get(quote, ""))) for quote in self._traded), ZERO),
            orders=tuple({order.cid: order for order in orders}.values()),
            positions=tuple(positions),
            fills=tuple(fills),
            funding=tuple(funding),
        )

    def _position(self, row: WirePosition) -> VenuePosition | None:
        instrument = self._session.by_symbol.get(row.symbol)
        if instrument is None or not row.side or not Decimal(number(row.size)):
            return None
        side = side_of(row.side)
        paid = Decimal(number(row.position_value)) * side
        return VenuePosition(instrument=instrument.id, qty=side * instrument.qty(row.size), entry_value=paid)

    def _open_order(self, order: WireOrder) -> OpenOrder:
        instrument, side = self._session.by_symbol[order.symbol], side_of(order.side)
        trigger = instrument.price(number(order.trigger_price))
        kind = {"PostOnly": OrderKind.POST_ONLY, "IOC": OrderKind.IOC}.get(order.time_in_force, OrderKind.LIMIT)
        if trigger:
            is_stop = (order.trigger_direction == RISES) == (side > 0)
            kind = OrderKind.STOP if is_stop else OrderKind.TAKE_PROFIT
        return OpenOrder(
            cid=cid_of(order),
            instrument=instrument.id,
            side=side,
            kind=kind,
            price=instrument.price(number(order.price)),
            trigger=trigger,
            qty=instrument.qty(order.qty),
            filled=instrument.qty(number(order.cum_exec_qty)),
            reduce_only=order.reduce_only,
            venue_id=order.order_id,
        )

    async def _executions(self, from_ns: int, now_ns: int) -> tuple[list[Filled], list[FundingPaid]]:
        """Fills and funding since then, a week at a time and page by page, oldest first."""
        found: dict[str, Filled | FundingPaid] = {}
        start_ms, now_ms = from_ns // MS, now_ns // MS
        while start_ms <= now_ms:
            end_ms = min(now_ms + 1_000, start_ms + WEEK_MS)
            span: dict[str, Any] = {"startTime": start_ms, "endTime": end_ms, "limit": 100}
            async for page in self.pages("execution/list", WireExecution, **span):
                for row in page:
                    if row.symbol in self._session.by_symbol:
                        found[row.exec_id] = self.executed(row)
            start_ms += WEEK_MS + 1
        events = sorted(found.values(), key=lambda event: event.venue_ts_ns)
        fills = [event for event in events if isinstance(event, Filled)]
        return fills, [event for event in events if isinstance(event, FundingPaid)]

    def executed(self, row: WireExecution) -> Filled | FundingPaid:
        """One execution as an event. Raises `DataError`, `Unrepresentable`."""
        instrument = self._session.by_symbol[row.symbol]
        ts_ns, fee = int(row.exec_time) * MS, Decimal(number(row.exec_fee))
        if row.exec_type == FUNDING:
            return FundingPaid(
                venue_ts_ns=ts_ns,
                account=self._session.account.id,
                instrument=instrument.id,
                funding_id=row.exec_id,
                amount=-fee,
            )
        return Filled(
            venue_ts_ns=ts_ns,
            account=self._session.account.id,
            instrument=instrument.id,
            cid=cid_of(row),
            fill_id=row.exec_id,
            side=side_of(row.side),
            price=instrument.price(row.exec_price),
            qty=instrument.qty(row.exec_qty),
            fee=fee,
            liquidity=Liquidity.MAKER if row.is_maker else Liquidity.TAKER,
            liquidation=row.exec_type in FORCED,
        )
